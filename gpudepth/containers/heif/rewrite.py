"""Edits a HEIF file and keeps the bytes of every other item.

Only the meta box is rebuilt. The rest of the file is copied, except bytes of dropped items. New data goes into one mdat
after the last structural box and before vendor trailers, which are found from the end of the file. Every offset into
the file is then mapped to the new place of its bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from ...errors import MalformedError, UnsupportedError, located
from ...formats.bytesource import Splice
from ...formats.isobmff.box import Box, make
from ...formats.isobmff.items import ItemInfo, Reference
from ...formats.isobmff.locations import FILE, Extent, Location
from ...formats.isobmff.meta import Meta
from .file import HeifFile

Range = tuple[int, int]
STRUCTURE = ("ftyp", "meta", "mdat", "free", "skip", "wide")


class Rewriter:
    """Collects edits of `file`, whose meta object is changed in place; `splice()` returns the result."""

    def __init__(self, file: HeifFile) -> None:
        self.file = file
        self.meta = file.meta
        self._new: list[tuple[int, bytes]] = []
        self._dropped: list[Range] = []
        for item, location in self.meta.locations.items.items():
            if location.method == FILE and not location.data_reference:
                for e in location.extents:
                    box = file.meta_box
                    if e.length and e.offset < box.end and e.offset + e.length > box.start:
                        raise UnsupportedError(
                            f"the data of item {item} is inside the meta box, which an edit moves",
                            where=f"{file.source.name}: meta/iloc: item {item}",
                            hint="rewrite the file with another tool first")

    def drop(self, items: set[int]) -> None:
        """Remove items, and their bytes unless another item shares them."""
        for item in items:
            self._dropped += self._ranges(self.meta.locations.items.get(item))
        self.meta.drop(items)

    def add(self, kind: str, data: bytes, *, hidden: bool = True, content_type: bytes = b"") -> int:
        """Add an item with its data; return its id."""
        item = self.meta.next_id()
        self.meta.items[item] = ItemInfo(item, kind, hidden, content_type=content_type)
        self.meta.locations.add(item, (Extent(0, len(data)),))
        self._new.append((item, data))
        return item

    def put(self, item: int, data: bytes) -> None:
        """Replace the data of an existing item."""
        self._dropped += self._ranges(self.meta.locations.items.get(item))
        self.meta.locations.items[item] = Location(FILE, (Extent(0, len(data)),))
        self._new.append((item, data))

    def refer(self, kind: str, source: int, *targets: int) -> None:
        self.meta.references.append(Reference(kind, source, targets))

    @staticmethod
    def _ranges(location: Location | None) -> list[Range]:
        if location is None or location.method != FILE or location.data_reference:
            return []
        return [(e.offset, e.offset + e.length) for e in location.extents if e.length]

    def splice(self) -> Splice:
        """Return the edited file. Raises MalformedError when an item's bytes cannot be located."""
        file, meta = self.file, self.meta
        meta.locations = meta.locations.shape(file.source.size + sum(len(d) for _, d in self._new) + (1 << 20))
        meta_size = len(meta.serialise())
        self.file.source.limits.check("max_items", len(meta.items), where=f"{file.source.name}: meta/iinf")
        out = Splice(file.source)
        moved: list[tuple[int, int, int]] = []  # old start, old end, new start
        meta_at = self._copy(out, moved, meta_size)
        self._relocate(moved, out.size)
        blob = meta.serialise()
        if len(blob) != meta_size:
            raise MalformedError("the meta box changed size during layout", where=file.source.name)
        with located(file.source.name):
            Meta.parse(blob[8:], "meta", file.source.limits)     # the result must be readable within the same limits
        out.pieces[meta_at] = blob
        return out

    def _copy(self, out: Splice, moved: list[tuple[int, int, int]], meta_size: int) -> int:
        """Lay out the file; return the index of the piece that the meta box will fill."""
        boxes, meta_box = self.file.boxes, self.file.meta_box
        last = max(i for i, b in enumerate(boxes) if b.type in STRUCTURE)
        used = self._used()
        cuts = subtract(self._dropped, used)
        meta_at = -1
        for before, (i, box) in zip([None, *boxes], enumerate(boxes), strict=False):
            appended = i == last and bool(self._new)
            growth = meta_size - meta_box.size
            if box is meta_box:
                meta_at = len(out.pieces)
                out.add(bytes(meta_size))
            elif before is meta_box and self._absorbs(box, growth, used):
                out.add(make(box.type, bytes(box.size - growth - 8)) if box.size > growth else b"")
            elif box.type == "mdat":
                self._copy_mdat(out, moved, box, cuts, appended=appended)
            elif box.open_ended and appended:
                out.add(header(box.type, box.end - box.payload))  # otherwise it would include what follows
                moved.append((box.payload, box.end, out.keep(box.payload, box.end - box.payload)))
            else:
                moved.append((box.start, box.end, out.keep(box.start, box.size)))
            if appended:
                self._append(out)
        return meta_at

    def _used(self) -> list[Range]:
        """Return the bytes of all items that were not added by this edit."""
        new_items = {item for item, _ in self._new}
        return sorted(r for item, location in self.meta.locations.items.items() if item not in new_items
                      for r in self._ranges(location))

    @staticmethod
    def _absorbs(box: Box, growth: int, used: list[Range]) -> bool:
        """Return whether a free box after meta can absorb the change of size exactly, or with 8 bytes left."""
        left = box.size - growth
        return (box.type in ("free", "skip") and not box.open_ended and growth != 0 and (left == 0 or left >= 8)
                and left < 1 << 32 and not any(a < box.end and b > box.start for a, b in used))

    @staticmethod
    def _copy_mdat(out: Splice, moved: list[tuple[int, int, int]], box: Box, cuts: list[Range], *,
                   appended: bool) -> None:
        keep = subtract([(box.payload, box.end)], cuts)
        size = sum(b - a for a, b in keep)
        whole = size == box.end - box.payload
        if not whole and size == 0:
            return  # all its content was dropped
        if whole and not (box.open_ended and appended):
            moved.append((box.start, box.end, out.keep(box.start, box.size)))
            return
        out.add(header("mdat", size, wide=box.header == 16))
        for start, end in keep:
            moved.append((start, end, out.keep(start, end - start)))

    def _append(self, out: Splice) -> None:
        out.add(header("mdat", sum(len(d) for _, d in self._new)))
        # Metadata comes before pictures, as in Apple's files.
        for item, data in sorted(self._new, key=lambda new: self.meta.items[new[0]].type not in ("Exif", "mime")):
            self.meta.locations.items[item] = Location(FILE, (Extent(out.add(data), len(data)),))

    def _relocate(self, moved: list[tuple[int, int, int]], new_size: int) -> None:
        moved.sort()
        starts = [m[0] for m in moved]
        new_items = {item for item, _ in self._new}
        for item, location in self.meta.locations.items.items():
            if item in new_items or location.method != FILE or location.data_reference:
                continue
            extents = []
            for e in location.extents:
                if e.length == 0:
                    extents.append(e)
                    continue
                i = bisect_right(starts, e.offset) - 1
                if i < 0 or e.offset + e.length > moved[i][1]:
                    raise MalformedError(f"data at {e.offset:,} is not inside one box of the file",
                                         where=f"{self.file.source.name}: meta/iloc: item {item}")
                extents.append(Extent(e.offset - moved[i][0] + moved[i][2], e.length, e.index))
            self.meta.locations.items[item] = replace(location, extents=tuple(extents))
        if new_size >= 1 << 32 and self.meta.locations.offset_size < 8:
            raise MalformedError("the file exceeds its 32-bit offsets", where=self.file.source.name)


def header(kind: str, payload: int, *, wide: bool = False) -> bytes:
    """Return the header of a box: 8 bytes, or 16 for large payloads and if `wide`."""
    if wide or payload + 8 >= 1 << 32:
        return b"\0\0\0\1" + kind.encode("latin-1") + (payload + 16).to_bytes(8, "big")
    return (payload + 8).to_bytes(4, "big") + kind.encode("latin-1")


def subtract(ranges: list[Range], holes: list[Range]) -> list[Range]:
    """Return sorted, merged `ranges` without `holes`."""
    out: list[Range] = []
    for start, end in sorted(ranges):
        pieces = [(max(start, out[-1][1]) if out else start, end)]
        for a, b in holes:
            pieces = [piece for s, e in pieces for piece in ((s, min(e, a)), (max(s, b), e)) if piece[0] < piece[1]]
        out += [p for p in pieces if p[0] < p[1]]
    return out
