"""Parses and writes TIFF structure (TIFF 6.0 and BigTIFF): headers, directories, values, but no pixels.

Entries are kept raw, so that a directory can be copied without knowing its tags: an entry's field is either the value
or its offset, and stays valid as long as nothing before it moves.
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

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, LONG8 = 1, 2, 3, 4, 5, 7, 10, 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_RATIONALS = {RATIONAL: "I", SRATIONAL: "i"}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_PACKED = {**_INTEGERS, ASCII: "B", UNDEFINED: "B"}


@dataclass(frozen=True)
class Layout:
    """What the header defines.

    Attributes:
        order: Byte order, "<" or ">".
        big: Whether offsets have 64 bits (BigTIFF).
    """

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
        """Return the header of a file whose IFD 0 is at `first`."""
        mark = b"II" if self.order == "<" else b"MM"
        if self.big:
            return mark + struct.pack(f"{self.order}HHHQ", 43, 8, 0, first)
        return mark + struct.pack(f"{self.order}HI", 42, first)


@dataclass(frozen=True)
class IfdEntry:
    """One entry of a directory as in the file.

    Attributes:
        tag: Its number.
        type: Type of its values.
        count: Number of values.
        field: The value or its offset, with padding.
    """

    tag: int
    type: int
    count: int
    field: bytes


@dataclass(frozen=True)
class Field:
    """A value to write.

    Attributes:
        tag: Its number.
        type: Type of the values.
        values: The values; a rational is two of them, a text its bytes including NUL.
    """

    tag: int
    type: int
    values: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.values) // 2 if self.type in _RATIONALS else len(self.values)

    def data(self, layout: Layout) -> bytes:
        code = _RATIONALS.get(self.type) or _PACKED.get(self.type)
        if code is None:
            raise UsageError(f"tag {self.tag}: writing values of TIFF type {self.type} is not supported")
        try:
            return struct.pack(f"{layout.order}{len(self.values)}{code}", *self.values)
        except struct.error:
            raise UsageError(f"tag {self.tag}: {self.values} does not fit TIFF type {self.type}") from None


@dataclass(frozen=True)
class Ifd:
    """A directory.

    Attributes:
        path: Its path for messages, such as IFD0/SubIFD[1].
        offset: Its offset.
        entries: Its entries.
        next: Offset of the next directory, or 0.
    """

    path: str
    offset: int
    entries: tuple[IfdEntry, ...]
    next: int

    def find(self, tag: int) -> IfdEntry | None:
        return next((e for e in self.entries if e.tag == tag), None)

    def has(self, tag: int) -> bool:
        return self.find(tag) is not None


def sniff(head: bytes) -> bool:
    """Return whether a file that starts with these bytes has a TIFF header."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def parse_header(raw: bytes) -> tuple[Layout, int]:
    """Return (layout, offset of IFD 0) from the first 16 bytes; 8 suffice for classic TIFF."""
    if not sniff(raw):
        raise MalformedError("the file does not start with a TIFF header", where="header")
    layout = Layout("<" if raw[:1] == b"I" else ">", raw[2:4] in (b"+\0", b"\0+"))
    if len(raw) < layout.header_size:
        raise TruncatedError("the file ends inside the TIFF header", where="header")
    if layout.big and (layout.uint(raw[4:6]), layout.uint(raw[6:8])) != (8, 0):
        raise MalformedError("the BigTIFF's offsets do not have 8 bytes", where="header")
    return layout, layout.uint(raw[layout.header_size - layout.slot : layout.header_size])


class Tiff:
    """A file's directories, read by position. Every error names its place: `IFD0/SubIFD[1]: tag 273`.

    Args:
        source: The file.
        header: Another header than the file's own, to read an earlier state of a file that was only appended to.
        end: Where the file ends for that header.
    """

    def __init__(self, source: ByteSource, header: bytes | None = None, end: int | None = None) -> None:
        self.source = source
        self.end = source.size if end is None else end
        raw = source.read(0, min(16, source.size)) if header is None else header
        self.layout, self.first = parse_header(raw)
        self.header = raw[: self.layout.header_size]

    def read(self, offset: int, length: int, where: str) -> bytes:
        """Return bytes of the file. Raises TruncatedError when it does not hold them."""
        if offset + length > self.end:
            raise TruncatedError(f"{length:,} bytes at {offset:,} are outside the file of {self.end:,}", where=where)
        return self.source.read(offset, length, where)

    def ifd(self, offset: int, path: str) -> Ifd:
        """Return the directory at `offset`."""
        layout = self.layout
        head = 8 if layout.big else 2
        count = layout.uint(self.read(offset, head, path))
        self.source.limits.check("max_entries", count, "entries", where=path)
        raw = self.read(offset + head, count * layout.entry_size + layout.slot, path)
        size, value = layout.entry_size, layout.entry_size - layout.slot
        entries = tuple(
            IfdEntry(layout.uint(e[:2]), layout.uint(e[2:4]), layout.uint(e[4:value]), e[value:])
            for e in (raw[i * size : (i + 1) * size] for i in range(count)))
        return Ifd(path, offset, entries, layout.uint(raw[count * size :]))

    def walk(self) -> list[Ifd]:
        """Return IFD 0, the directories chained to it, and every SubIFD after the one that refers to it.

        Chains of SubIFDs are not followed, as DNG has none. Raises MalformedError for a directory that occurs twice.
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
        """Return the offsets of its SubIFDs."""
        entry = ifd.find(SUB_IFDS)
        if entry is not None:
            where = f"{ifd.path}: tag {SUB_IFDS}"
            self.source.limits.check("max_ifds", entry.count, "directories", where=where)
        return self.integers(ifd, SUB_IFDS) or ()

    def raw(self, ifd: Ifd, tag: int) -> tuple[int, bytes] | None:
        """Return (type, bytes in the file's order) of a tag, or None when it is missing."""
        entry = ifd.find(tag)
        if entry is None:
            return None
        where = f"{ifd.path}: tag {tag}"
        if entry.type not in _SIZES:
            raise MalformedError(f"the tag has the unknown type {entry.type}", where=where)
        size = entry.count * _SIZES[entry.type]
        if size <= self.layout.slot:
            return entry.type, entry.field[:size]
        return entry.type, self.read(self.layout.uint(entry.field), size, where)

    def integers(self, ifd: Ifd, tag: int) -> tuple[int, ...] | None:
        """Return the values of a tag of whole numbers of any size, or None when it is missing."""
        entry = ifd.find(tag)
        if entry is not None:
            self.source.limits.check("max_values", entry.count, "numbers", where=f"{ifd.path}: tag {tag}")
        found = self.raw(ifd, tag)
        if found is None:
            return None
        kind, data = found
        if kind not in _INTEGERS:
            raise MalformedError(f"the tag has type {kind} instead of whole numbers", where=f"{ifd.path}: tag {tag}")
        return struct.unpack(f"{self.layout.order}{len(data) // _SIZES[kind]}{_INTEGERS[kind]}", data)

    def integer(self, ifd: Ifd, tag: int, default: int | None = None) -> int:
        """Return the first value of a tag. Raises MalformedError when it is missing and there is no default."""
        found = self.integers(ifd, tag)
        if found:
            return found[0]
        if default is None or found is not None:
            raise MalformedError("the tag is missing" if found is None else "the tag is empty",
                                 where=f"{ifd.path}: tag {tag}")
        return default

    def rational(self, ifd: Ifd, tag: int) -> tuple[int, int] | None:
        """Return (numerator, denominator) of a tag, or None when it is missing."""
        found = self.raw(ifd, tag)
        if found is None:
            return None
        if found[0] != RATIONAL or len(found[1]) < 8:
            raise MalformedError(f"the tag has type {found[0]} instead of RATIONAL", where=f"{ifd.path}: tag {tag}")
        top, bottom = struct.unpack(f"{self.layout.order}II", found[1][:8])
        return int(top), int(bottom)

    def text(self, ifd: Ifd, tag: int) -> str:
        """Return the text of a tag up to its first NUL; "" when it is missing."""
        found = self.raw(ifd, tag)
        return found[1].split(b"\0")[0].decode("utf-8", "replace") if found else ""


def serialise(layout: Layout, entries: Iterable[IfdEntry | Field], at: int, following: int = 0) -> bytes:
    """Return a directory for offset `at`, sorted by tag, followed by the values that do not fit into their entries."""
    listed = sorted(entries, key=lambda e: e.tag)
    if at % layout.alignment:
        raise UsageError(f"a directory cannot be at {at}, which is not aligned")
    head = 8 if layout.big else 2
    size = head + len(listed) * layout.entry_size + layout.slot
    out, values = layout.number(len(listed), head), bytearray()
    for entry in listed:
        if isinstance(entry, IfdEntry):
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
