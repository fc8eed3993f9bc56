"""Parses, edits and writes the meta box of a HEIF file; children that are not edited are kept as bytes, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from .box import Cursor, make
from .items import (
    EntityGroup,
    ItemInfo,
    Reference,
    children,
    parse_grpl,
    parse_iinf,
    parse_iref,
    parse_pitm,
    serialise_iinf,
    serialise_iref,
)
from .locations import Locations
from .properties import Properties

EDITED = ("iinf", "iref", "iprp", "iloc")


@dataclass
class Meta:
    """A meta box.

    Attributes:
        primary: Id of the primary item.
        items: The items.
        references: References between items.
        properties: Their properties.
        locations: Where their bytes are.
        groups: Entity groups.
        idat: Content of idat.
        order: Children in the file's order, as (type, box).
        full_header: Version and flags.
    """

    primary: int
    items: dict[int, ItemInfo]
    references: list[Reference]
    properties: Properties
    locations: Locations
    groups: list[EntityGroup]
    idat: bytes
    order: list[tuple[str, bytes]] = field(default_factory=list)
    full_header: bytes = bytes(4)

    @classmethod
    def parse(cls, payload: bytes, path: str = "meta", limits: Limits = DEFAULT) -> Meta:
        """Parse the payload of a meta box (a full box, version 0). Raises FileError and its subclasses."""
        c = Cursor(payload, path)
        c.full()
        found: dict[str, tuple[bytes, str]] = {}
        order = []
        for kind, raw, body, where in children(payload, 4, path, limits):
            if kind in found and kind in (*EDITED, "pitm", "idat", "grpl", "hdlr"):
                raise MalformedError("the box occurs twice", where=where)
            found.setdefault(kind, (body, where))
            order.append((kind, raw))
        for kind in ("iinf", "iloc", "pitm"):
            if kind not in found:
                raise MalformedError(f"there is no {kind}", where=path)
        handler = found.get("hdlr", (b"", ""))[0]
        if handler and handler[8:12] != b"pict":
            raise MalformedError(f"the handler is {handler[8:12]!r}, not 'pict'", where=f"{path}/hdlr")
        out = cls(
            primary=parse_pitm(*found["pitm"]),
            items=parse_iinf(*found["iinf"], limits),
            references=parse_iref(*found["iref"], limits) if "iref" in found else [],
            properties=Properties.parse(*found["iprp"], limits) if "iprp" in found else Properties(),
            locations=Locations.parse(*found["iloc"], limits),
            groups=parse_grpl(*found["grpl"], limits) if "grpl" in found else [],
            idat=found["idat"][0] if "idat" in found else b"",
            order=order,
            full_header=payload[:4],
        )
        if out.primary not in out.items:
            raise MalformedError(f"primary item {out.primary} is not in iinf", where=f"{path}/pitm")
        return out

    def next_id(self) -> int:
        """Return an unused id; items and entity groups share the numbers."""
        taken = {*self.items, *(g.id for g in self.groups)}
        new = max(taken, default=0) + 1
        return new if new < 1 << 32 else next(i for i in range(1, 1 << 32) if i not in taken)

    def to(self, kind: str, target: int) -> list[int]:
        """Return the items that refer to `target` by `kind`."""
        return [r.source for r in self.references if r.kind == kind and target in r.targets]

    def targets(self, kind: str, source: int) -> list[int]:
        """Return the items that `source` refers to by `kind`."""
        return [t for r in self.references if r.kind == kind and r.source == source for t in r.targets]

    def drop(self, items: set[int]) -> None:
        """Remove items with their locations, properties and references, and references that lose all targets."""
        for item in items:
            self.items.pop(item, None)
            self.locations.items.pop(item, None)
        self.properties.drop(items)
        kept = []
        for r in self.references:
            targets = tuple(t for t in r.targets if t not in items)
            if r.source not in items and targets:
                kept.append(Reference(r.kind, r.source, targets))
        self.references = kept

    def serialise(self) -> bytes:
        """Return the whole meta box."""
        new = {
            "iinf": serialise_iinf(self.items),
            "iref": serialise_iref(self.references) if self.references else b"",
            "iprp": self.properties.serialise(),
            "iloc": self.locations.serialise(),
        }
        out, written = b"", set()
        present = {kind for kind, _ in self.order}
        for kind, raw in self.order:
            out += new.get(kind, raw)
            written.add(kind)
            if kind == "iinf":  # boxes that the file lacked are added in Apple's order: iinf, iref, iprp
                for missing in ("iref", "iprp"):
                    if missing not in present:
                        out += new[missing]
        return make("meta", self.full_header + out)
