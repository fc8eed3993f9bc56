"""TIFF structure (TIFF 6.0 and BigTIFF): headers, directories, values. Pixels are left alone.

Entries are kept raw, so that a directory can be copied without knowing its tags: an entry's field is either the value
itself or the offset of it, and stays right as long as nothing before it moves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..errors import MalformedError, TruncatedError, UsageError
from .bytesource import ByteSource

SUB_IFDS = 330

Order = Literal["<", ">"]

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, IFD, LONG8, IFD8 = 1, 2, 3, 4, 5, 7, 10, 13, 16, 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_RATIONALS = {RATIONAL: "I", SRATIONAL: "i"}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_PACKED = {**_INTEGERS, ASCII: "B", UNDEFINED: "B"}


@dataclass(frozen=True)
class Layout:
    """What the header settles: the byte order ("<" or ">"), and 32- or 64-bit offsets."""

    order: Order
    big: bool = False

    @property
    def header_size(self) -> int:
        return 16 if self.big else 8

    @property
    def slot(self) -> int:
        """Bytes of an offset, and of a value that fits into its entry."""
        return 8 if self.big else 4

    @property
    def entry_size(self) -> int:
        return 20 if self.big else 12

    @property
    def alignment(self) -> int:
        """Offsets are multiples of this: words, in BigTIFF double words."""
        return 8 if self.big else 2

    def uint(self, raw: bytes) -> int:
        return int.from_bytes(raw, "little" if self.order == "<" else "big")

    def number(self, value: int, size: int) -> bytes:
        return value.to_bytes(size, "little" if self.order == "<" else "big")

    def header(self, first: int) -> bytes:
        """The header of a file whose IFD 0 is at `first`."""
        mark = b"II" if self.order == "<" else b"MM"
        if self.big:
            return mark + struct.pack(f"{self.order}HHHQ", 43, 8, 0, first)
        return mark + struct.pack(f"{self.order}HI", 42, first)


@dataclass(frozen=True)
class Entry:
    """One entry of a directory as it stands in the file; `field` is the value or its offset, with padding."""

    tag: int
    type: int
    count: int
    field: bytes


@dataclass(frozen=True)
class Field:
    """A value to be written. A rational is two values, numerator and denominator; a text its bytes, NUL included."""

    tag: int
    type: int
    values: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.values) // 2 if self.type in _RATIONALS else len(self.values)

    def data(self, layout: Layout) -> bytes:
        code = _RATIONALS.get(self.type) or _PACKED.get(self.type)
        if code is None:
            raise UsageError(f"tag {self.tag}: values of TIFF type {self.type} are not written")
        try:
            return struct.pack(f"{layout.order}{len(self.values)}{code}", *self.values)
        except struct.error:
            raise UsageError(f"tag {self.tag}: {self.values} does not fit TIFF type {self.type}") from None


@dataclass(frozen=True)
class Ifd:
    """A directory. `path` says which, for messages: IFD0/SubIFD[1]. `next` is the offset of the one after it, or 0."""

    path: str
    offset: int
    entries: tuple[Entry, ...]
    next: int

    def find(self, tag: int) -> Entry | None:
        return next((e for e in self.entries if e.tag == tag), None)

    def has(self, tag: int) -> bool:
        return self.find(tag) is not None


def sniff(head: bytes) -> bool:
    """Does a file that starts with these bytes have a TIFF header?"""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def parse_header(raw: bytes) -> tuple[Layout, int]:
    """(layout, offset of IFD 0) from the first 16 bytes (8 will do for classic TIFF)."""
    if not sniff(raw):
        raise MalformedError("does not start with a TIFF header", where="header")
    layout = Layout("<" if raw[:1] == b"I" else ">", raw[2:4] in (b"+\0", b"\0+"))
    if len(raw) < layout.header_size:
        raise TruncatedError("ends inside the TIFF header", where="header")
    if layout.big and (layout.uint(raw[4:6]), layout.uint(raw[6:8])) != (8, 0):
        raise MalformedError("is BigTIFF with offsets of another size than 8 bytes", where="header")
    return layout, layout.uint(raw[layout.header_size - layout.slot : layout.header_size])


class Tiff:
    """A file's directories, read by position.

    header, end: another header than the file's own, and where the file ends for it; so an earlier state of a file
    that was only appended to can be looked at. Every error says where: `IFD0/SubIFD[1]: tag 273`.
    """

    def __init__(self, source: ByteSource, header: bytes | None = None, end: int | None = None) -> None:
        self.source = source
        self.end = source.size if end is None else end
        raw = source.read(0, min(16, source.size)) if header is None else header
        self.layout, self.first = parse_header(raw)
        self.header = raw[: self.layout.header_size]

    def read(self, offset: int, length: int, where: str) -> bytes:
        """Bytes of the file; raises TruncatedError when it does not hold them."""
        if offset + length > self.end:
            raise TruncatedError(f"{length:,} bytes at {offset:,} lie outside the file of {self.end:,}", where=where)
        return self.source.read(offset, length, where)

    def ifd(self, offset: int, path: str) -> Ifd:
        """The directory at `offset`."""
        layout = self.layout
        head = 8 if layout.big else 2
        count = layout.uint(self.read(offset, head, path))
        self.source.limits.check("max_entries", count, "entries", where=path)
        raw = self.read(offset + head, count * layout.entry_size + layout.slot, path)
        size, value = layout.entry_size, layout.entry_size - layout.slot
        entries = tuple(
            Entry(layout.uint(e[:2]), layout.uint(e[2:4]), layout.uint(e[4:value]), e[value:])
            for e in (raw[i * size : (i + 1) * size] for i in range(count)))
        return Ifd(path, offset, entries, layout.uint(raw[count * size :]))

    def walk(self) -> list[Ifd]:
        """IFD 0, the directories chained to it, and every SubIFD after the one that names it.

        Chains of SubIFDs are not followed: DNG has none. Raises MalformedError for a directory that is met twice.
        """
        found: list[Ifd] = []
        met: set[int] = set()

        def visit(offset: int, path: str) -> Ifd:
            if offset in met:
                raise MalformedError(f"refers back to the directory at {offset:,}", where=path)
            met.add(offset)
            self.source.limits.check("max_ifds", len(met), "directories", where=path)
            ifd = self.ifd(offset, path)
            found.append(ifd)
            for n, sub in enumerate(self.sub_ifds(ifd)):
                visit(sub, f"{path}/SubIFD[{n}]")
            return ifd

        offset, n = self.first, 0
        while offset or n == 0:
            offset, n = visit(offset, f"IFD{n}").next, n + 1
        return found

    def sub_ifds(self, ifd: Ifd) -> tuple[int, ...]:
        """The offsets of its SubIFDs."""
        entry = ifd.find(SUB_IFDS)
        if entry is not None:
            where = f"{ifd.path}: tag {SUB_IFDS}"
            self.source.limits.check("max_ifds", entry.count, "directories", where=where)
        return self.integers(ifd, SUB_IFDS) or ()

    def raw(self, ifd: Ifd, tag: int) -> tuple[int, bytes] | None:
        """(type, bytes in the file's order) of a tag, or None when it is not there."""
        entry = ifd.find(tag)
        if entry is None:
            return None
        where = f"{ifd.path}: tag {tag}"
        if entry.type not in _SIZES:
            raise MalformedError(f"has the unknown type {entry.type}", where=where)
        size = entry.count * _SIZES[entry.type]
        if size <= self.layout.slot:
            return entry.type, entry.field[:size]
        return entry.type, self.read(self.layout.uint(entry.field), size, where)

    def integers(self, ifd: Ifd, tag: int) -> tuple[int, ...] | None:
        """The values of a tag of whole numbers, whatever their size; None when it is not there."""
        entry = ifd.find(tag)
        if entry is not None:
            self.source.limits.check("max_values", entry.count, "numbers", where=f"{ifd.path}: tag {tag}")
        found = self.raw(ifd, tag)
        if found is None:
            return None
        kind, data = found
        if kind not in _INTEGERS:
            raise MalformedError(f"has type {kind}, not whole numbers", where=f"{ifd.path}: tag {tag}")
        return struct.unpack(f"{self.layout.order}{len(data) // _SIZES[kind]}{_INTEGERS[kind]}", data)

    def integer(self, ifd: Ifd, tag: int, default: int | None = None) -> int:
        """The first value of a tag; raises MalformedError when it is not there and there is no default."""
        found = self.integers(ifd, tag)
        if found:
            return found[0]
        if default is None or found is not None:
            raise MalformedError("is missing" if found is None else "is empty", where=f"{ifd.path}: tag {tag}")
        return default

    def rational(self, ifd: Ifd, tag: int) -> tuple[int, int] | None:
        """(numerator, denominator) of a tag; None when it is not there."""
        found = self.raw(ifd, tag)
        if found is None:
            return None
        if found[0] != RATIONAL or len(found[1]) < 8:
            raise MalformedError(f"has type {found[0]}, not a RATIONAL", where=f"{ifd.path}: tag {tag}")
        top, bottom = struct.unpack(f"{self.layout.order}II", found[1][:8])
        return int(top), int(bottom)

    def text(self, ifd: Ifd, tag: int) -> str:
        """The text of a tag up to its first NUL; "" when it is not there."""
        found = self.raw(ifd, tag)
        return found[1].split(b"\0")[0].decode("utf-8", "replace") if found else ""


def serialise(layout: Layout, entries: Iterable[Entry | Field], at: int, following: int = 0) -> bytes:
    """A directory that will stand at `at`, sorted by tag, and behind it the values that do not fit their entries."""
    listed = sorted(entries, key=lambda e: e.tag)
    if at % layout.alignment:
        raise UsageError(f"a directory cannot stand at {at}, which is not aligned")
    head = 8 if layout.big else 2
    size = head + len(listed) * layout.entry_size + layout.slot
    out, values = layout.number(len(listed), head), bytearray()
    for entry in listed:
        if isinstance(entry, Entry):
            field = entry.field
        else:
            field = entry.data(layout)
            if len(field) > layout.slot:
                values += bytes(-(size + len(values)) % layout.alignment)
                values += field
                field = layout.number(at + size + len(values) - len(field), layout.slot)
        out += layout.number(entry.tag, 2) + layout.number(entry.type, 2)
        out += layout.number(entry.count, layout.slot) + field.ljust(layout.slot, b"\0")
    return out + layout.number(following, layout.slot) + values
