"""Parses and writes item properties: ipco holds each once, ipma assigns them to items in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from .box import Cursor, make, make_full
from .items import children

MAX_INDEX = 0x7FFF
ESSENTIAL_KINDS = frozenset({"hvcC", "av1C", "auxC", "irot", "imir", "clap"})  # as Apple writes them


@dataclass(frozen=True)
class ItemProperty:
    """One child of ipco.

    Attributes:
        kind: Its type.
        raw: The whole box, including its header.
        path: Its path for messages.
    """

    kind: str
    raw: bytes
    path: str = ""

    @property
    def payload(self) -> bytes:
        return self.raw[16 if self.raw[:4] == b"\0\0\0\1" else 8 :]


@dataclass
class Properties:
    """The iprp box.

    Attributes:
        boxes: The properties.
        associations: Item id → [(1-based index into `boxes`, essential)…] in order.
        others: Other children.
    """

    boxes: list[ItemProperty] = field(default_factory=list)
    associations: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    others: list[bytes] = field(default_factory=list)

    @classmethod
    def parse(cls, payload: bytes, path: str, limits: Limits = DEFAULT) -> Properties:
        out = cls()
        entries: list[tuple[int, list[tuple[int, bool]], str]] = []
        for kind, raw, body, where in children(payload, 0, path, limits):
            if kind == "ipco":
                out.boxes += [ItemProperty(k, r, w) for k, r, _, w in children(body, 0, where, limits)]
            elif kind == "ipma":
                entries += [(item, pairs, where) for item, pairs in _parse_ipma(body, where, limits)]
                limits.check("max_references", sum(len(p) for _, p, _ in entries), "properties of items", where=where)
            else:
                out.others.append(raw)
        for item, pairs, where in entries:
            if any(index > len(out.boxes) for index, _ in pairs):
                raise MalformedError(f"item {item} has a property beyond the {len(out.boxes)} of ipco", where=where)
            out.associations.setdefault(item, []).extend(p for p in pairs if p[0])
        return out

    def of(self, item: int) -> list[ItemProperty]:
        """Return the properties of an item, in association order."""
        return [self.boxes[index - 1] for index, _ in self.associations.get(item, [])]

    def first(self, item: int, kind: str) -> ItemProperty | None:
        return next((p for p in self.of(item) if p.kind == kind), None)

    def index(self, raw: bytes) -> int:
        """Return the 1-based index of a property box, which is appended unless there is an identical one."""
        for i, box in enumerate(self.boxes, 1):
            if box.raw == raw:
                return i
        self.boxes.append(ItemProperty(raw[4:8].decode("latin-1"), raw, "meta/iprp/ipco"))
        if len(self.boxes) > MAX_INDEX:
            raise MalformedError(f"there are more than {MAX_INDEX} properties", where="meta/iprp/ipco")
        return len(self.boxes)

    def associate(self, item: int, raw: bytes, essential: bool | None = None) -> None:
        """Give an item a property (a whole box). By default it is essential if Apple marks that kind as essential."""
        index = self.index(raw)
        kind = raw[4:8].decode("latin-1")
        flag = kind in ESSENTIAL_KINDS if essential is None else essential
        self.associations.setdefault(item, []).append((index, flag))

    def drop(self, items: set[int]) -> None:
        """Remove the items, and the properties that only they used."""
        gone = {index for item in items for index, _ in self.associations.pop(item, [])}
        used = {index for pairs in self.associations.values() for index, _ in pairs}
        keep = [i for i in range(1, len(self.boxes) + 1) if i not in gone - used]
        if len(keep) == len(self.boxes):
            return
        renumber = {old: new for new, old in enumerate(keep, 1)}
        self.boxes = [self.boxes[i - 1] for i in keep]
        self.associations = {item: [(renumber[i], e) for i, e in pairs] for item, pairs in self.associations.items()}

    def serialise(self) -> bytes:
        ipco = make("ipco", b"".join(b.raw for b in self.boxes))
        return make("iprp", ipco + _serialise_ipma(self.associations) + b"".join(self.others))


def _parse_ipma(payload: bytes, path: str, limits: Limits) -> list[tuple[int, list[tuple[int, bool]]]]:
    c = Cursor(payload, path)
    version, flags = c.full()
    id_bytes, wide = (2 if version < 1 else 4), bool(flags & 1)
    out = []
    n = c.count(c.uint(4), id_bytes + 1)
    limits.check("max_items", n, where=path)
    for _ in range(n):
        item, pairs = c.uint(id_bytes), []
        for _ in range(c.uint(1)):
            value = c.uint(2 if wide else 1)
            top = 0x8000 if wide else 0x80
            pairs.append((value & (top - 1), bool(value & top)))
        out.append((item, pairs))
    return out


def _serialise_ipma(associations: dict[int, list[tuple[int, bool]]]) -> bytes:
    wide = any(index > 0x7F for pairs in associations.values() for index, _ in pairs)
    version = int(any(item > 0xFFFF for item in associations))
    top = 0x8000 if wide else 0x80
    body = len(associations).to_bytes(4, "big")
    for item in sorted(associations):
        pairs = associations[item]
        if len(pairs) > 255:
            raise MalformedError(f"item {item} has {len(pairs)} properties; at most 255 are allowed",
                                 where="meta/iprp/ipma")
        body += item.to_bytes(4 if version else 2, "big") + bytes([len(pairs)])
        body += b"".join((index | (top if essential else 0)).to_bytes(2 if wide else 1, "big")
                         for index, essential in pairs)
    return make_full("ipma", version, int(wide), body)
