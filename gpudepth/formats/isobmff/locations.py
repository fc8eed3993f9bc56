"""Parses and writes iloc, which says where each item's bytes are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...errors import LimitError, MalformedError
from ...limits import DEFAULT, Limits
from .box import Cursor, make_full

FILE, IDAT, ITEM = 0, 1, 2  # construction_method


@dataclass(frozen=True)
class Extent:
    """A range of an item's bytes.

    Attributes:
        offset: Absolute for construction method 0 (base_offset is added in), otherwise relative to idat or an item.
        length: Its bytes; 0 means "to the end of the file" (ISO/IEC 14496-12, 8.11.3).
        index: extent_index.
    """

    offset: int
    length: int
    index: int = 0


@dataclass(frozen=True)
class Location:
    """Where an item's bytes are.

    Attributes:
        method: construction_method.
        extents: Ranges of bytes.
        data_reference: data_reference_index; 0 is this file.
        based: Whether the file uses a base_offset for it, as libheif writes.
    """

    method: int
    extents: tuple[Extent, ...]
    data_reference: int = 0
    based: bool = False


@dataclass
class Locations:
    """The table, which is always serialised as a whole, because an offset_size of 0 leaves no field to change.

    Attributes:
        version: Version of the box, raised when something no longer fits.
        offset_size: Bytes of an offset.
        length_size: Bytes of a length.
        index_size: Bytes of an index.
        base_size: Bytes of a base_offset.
        items: Location of each item.
    """

    version: int = 1
    offset_size: int = 4
    length_size: int = 4
    index_size: int = 0
    base_size: int = 0
    items: dict[int, Location] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes, path: str, limits: Limits = DEFAULT) -> Locations:
        c = Cursor(payload, path)
        version, _ = c.full()
        if version > 2:
            raise MalformedError(f"version {version} is not supported", where=path)
        sizes = c.uint(2)
        offset_size, length_size, base_size, index_size = (sizes >> s & 15 for s in (12, 8, 4, 0))
        if version == 0:
            index_size = 0
        for name, value in (("offset", offset_size), ("length", length_size), ("base_offset", base_size),
                            ("index", index_size)):
            if value not in (0, 4, 8):
                raise MalformedError(f"{name}_size is {value}; it must be 0, 4 or 8", where=path)
        out = cls(version, offset_size or 4, length_size or 4, index_size, base_size)
        id_bytes = 4 if version == 2 else 2
        n = c.count(c.uint(id_bytes), id_bytes + 4 + base_size)
        limits.check("max_items", n, where=path)
        for _ in range(n):
            item = c.uint(id_bytes)
            where = f"{path}: item {item}"
            if item in out.items:
                raise MalformedError("the item is located twice", where=where)
            out.items[item] = _location(c, (offset_size, length_size, base_size, index_size), version, limits, where)
        return out

    def add(self, item: int, extents: tuple[Extent, ...]) -> None:
        self.items[item] = Location(FILE, extents)

    def shape(self, largest: int) -> Locations:
        """Return the table with fields wide enough for offsets and lengths up to `largest`."""
        extents = [e for loc in self.items.values() for e in loc.extents]
        wide = 8 if max([largest, *(e.offset for e in extents)]) >= 1 << 32 else 4
        lengths = max((e.length for e in extents), default=0)
        version = max(self.version, int(any(loc.method for loc in self.items.values())))
        if any(item > 0xFFFF for item in self.items):
            version = 2
        return replace(self, version=version, offset_size=max(self.offset_size, wide),
                       length_size=max(self.length_size, 8 if lengths >= 1 << 32 else 4),
                       base_size=self.base_size and max(self.base_size, wide))

    def serialise(self) -> bytes:
        """Return the box. base_offset is 0, or the smallest offset of an item that had one."""
        index_size = self.index_size if self.version else 0
        out = (self.offset_size << 12 | self.length_size << 8 | self.base_size << 4 | index_size).to_bytes(2, "big")
        id_bytes = 4 if self.version == 2 else 2
        out += len(self.items).to_bytes(id_bytes, "big")
        for item, location in self.items.items():
            out += item.to_bytes(id_bytes, "big")
            if self.version:
                out += location.method.to_bytes(2, "big")
            out += location.data_reference.to_bytes(2, "big")
            base = min(e.offset for e in location.extents) if location.based and location.extents else 0
            out += base.to_bytes(self.base_size, "big")
            out += len(location.extents).to_bytes(2, "big")
            for e in location.extents:
                out += e.index.to_bytes(index_size, "big") if index_size else b""
                out += (e.offset - base).to_bytes(self.offset_size, "big") + e.length.to_bytes(self.length_size, "big")
        return make_full("iloc", self.version, 0, out)


def _location(c: Cursor, sizes: tuple[int, int, int, int], version: int, limits: Limits, where: str) -> Location:
    """Parse the location of one item; sizes are those of offsets, lengths, base offsets and indices."""
    offset_size, length_size, base_size, index_size = sizes
    method = c.uint(2) & 15 if version else FILE
    reference, base = c.uint(2), c.uint(base_size)
    count = c.uint(2)
    if limits.max_extents and count > limits.max_extents:
        raise LimitError(f"the item has {count} extents, limits.max_extents is {limits.max_extents}", where=where)
    extents = []
    for _ in range(count):
        index, offset = c.uint(index_size), base + c.uint(offset_size)
        if offset >= 1 << 64:
            raise MalformedError("an offset exceeds 64 bits", where=where)
        extents.append(Extent(offset, c.uint(length_size), index))
    return Location(method, tuple(extents), reference, base > 0)
