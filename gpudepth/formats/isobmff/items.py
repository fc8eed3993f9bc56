"""Parses and writes items of a meta box: pitm (primary), iinf/infe (kinds), iref (references), grpl (groups)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from .box import Cursor, make, make_full, walk


class _Bytes:
    """A byte string as a Readable."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read(self, offset: int, length: int, what: str = "data") -> bytes:
        return self.data[offset : offset + length]


def children(data: bytes, start: int, path: str, limits: Limits = DEFAULT) -> list[tuple[str, bytes, bytes, str]]:
    """Return child boxes of a byte string from `start`: (type, whole box, payload, path).

    A size of 0 ("to the end") is replaced by the size, so that another box can follow.
    """
    out = []
    for b in walk(_Bytes(data), start, len(data), path, limits):
        payload = data[b.payload : b.end]
        out.append((b.type, make(b.type, payload) if b.open_ended else data[b.start : b.end], payload, b.path))
    return out


@dataclass(frozen=True)
class ItemInfo:
    """One infe box.

    Attributes:
        id: Id of the item.
        type: Type of the item.
        hidden: Whether the item is hidden.
        name: Its name.
        content_type: MIME type of a mime item.
        raw: The box as found; empty for a new item.
    """

    id: int
    type: str
    hidden: bool = False
    name: bytes = b""
    content_type: bytes = b""
    raw: bytes = b""

    @classmethod
    def parse(cls, raw: bytes, payload: bytes, path: str) -> ItemInfo:
        c = Cursor(payload, path)
        version, flags = c.full()
        if version < 2:  # ISO 14496-12: no item type; HEIF requires version 2 or 3
            return cls(c.uint(2), "", raw=raw)
        if version > 3:
            raise MalformedError(f"version {version} is not supported", where=path)
        item = c.uint(4 if version == 3 else 2)
        c.uint(2)  # protection index
        kind = c.fourcc()
        name = c.cstring() if c.left else b""
        content = c.cstring() if kind == "mime" and c.left else b""
        return cls(item, kind, bool(flags & 1), name, content, raw)

    def serialise(self) -> bytes:
        """Return the box as found, or a new one as Apple writes it (no content_encoding after the content type)."""
        if self.raw:
            return self.raw
        version = 3 if self.id > 0xFFFF else 2
        body = self.id.to_bytes(4 if version == 3 else 2, "big") + bytes(2) + self.type.encode("latin-1")
        body += self.name + b"\0"
        if self.type == "mime":
            body += self.content_type + b"\0"
        return make_full("infe", version, int(self.hidden), body)


def parse_iinf(payload: bytes, path: str, limits: Limits = DEFAULT) -> dict[int, ItemInfo]:
    c = Cursor(payload, path)
    version, _ = c.full()
    c.uint(2 if version == 0 else 4)  # the count is ignored; the boxes themselves decide
    items: dict[int, ItemInfo] = {}
    for kind, raw, body, where in children(payload, c.at, path, limits):
        if kind == "infe":
            item = ItemInfo.parse(raw, body, where)
            if item.id in items:
                raise MalformedError(f"item {item.id} is described twice", where=where)
            items[item.id] = item
    limits.check("max_items", len(items), where=path)
    return items


def serialise_iinf(items: dict[int, ItemInfo]) -> bytes:
    wide = len(items) > 0xFFFF
    count = len(items).to_bytes(4 if wide else 2, "big")
    return make_full("iinf", int(wide), 0, count + b"".join(i.serialise() for i in items.values()))


@dataclass(frozen=True)
class Reference:
    """One reference box.

    Attributes:
        kind: Kind of reference (auxl, cdsc, dimg, thmb…).
        source: Item that refers.
        targets: Items it refers to.
    """

    kind: str
    source: int
    targets: tuple[int, ...]


def parse_iref(payload: bytes, path: str, limits: Limits = DEFAULT) -> list[Reference]:
    c = Cursor(payload, path)
    version, _ = c.full()
    width = 2 if version == 0 else 4
    out, total = [], 0
    for kind, _, body, where in children(payload, c.at, path, limits):
        r = Cursor(body, where)
        source = r.uint(width)
        n = r.count(r.uint(2), width)
        total += n
        limits.check("max_references", total, "references", where=where)
        out.append(Reference(kind, source, tuple(r.uint(width) for _ in range(n))))
    return out


def serialise_iref(references: list[Reference]) -> bytes:
    wide = any(i > 0xFFFF for r in references for i in (r.source, *r.targets))
    width = 4 if wide else 2
    body = b"".join(
        make(r.kind, r.source.to_bytes(width, "big") + len(r.targets).to_bytes(2, "big")
             + b"".join(t.to_bytes(width, "big") for t in r.targets))
        for r in references)
    return make_full("iref", int(wide), 0, body)


def parse_pitm(payload: bytes, path: str) -> int:
    c = Cursor(payload, path)
    version, _ = c.full()
    return c.uint(2 if version == 0 else 4)


@dataclass(frozen=True)
class EntityGroup:
    """One child of grpl.

    Attributes:
        kind: Kind of group.
        id: Its id, from the same numbers as item ids.
        entities: Its members.
    """

    kind: str
    id: int
    entities: tuple[int, ...] = field(default=())


def parse_grpl(payload: bytes, path: str, limits: Limits = DEFAULT) -> list[EntityGroup]:
    out = []
    for kind, _, body, where in children(payload, 0, path, limits):
        c = Cursor(body, where)
        c.full()
        group = c.uint(4)
        n = c.count(c.uint(4), 4)
        limits.check("max_references", n, "members of a group", where=where)
        out.append(EntityGroup(kind, group, tuple(c.uint(4) for _ in range(n))))
    return out
