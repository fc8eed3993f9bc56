"""Reads and writes the Exif fields that matter for depth: orientation, focal length, and CustomRendered."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MalformedError
from .bytesource import ByteSource
from .tiff import LONG, SHORT, Field, Ifd, Layout, Tiff, serialise

ORIENTATION, EXIF_IFD = 0x0112, 0x8769
FOCAL_LENGTH_35MM = 0xA405
CUSTOM_RENDERED = 0xA401
HEADING = b"Exif\0\0"


@dataclass(frozen=True)
class Exif:
    """Fields of an Exif block.

    Attributes:
        orientation: Exif orientation, 1–8.
        focal35: Focal length, equivalent to 35 mm film, in millimetres, or None.
        custom_rendered: CustomRendered, or None.
    """

    orientation: int = 1
    focal35: float | None = None
    custom_rendered: int | None = None


def parse(block: bytes, where: str = "Exif") -> Exif:
    """Parse a TIFF block, with or without "Exif\\0\\0" before it. Raises MalformedError for other data."""
    tiff = block[6:] if block[:6] == b"Exif\0\0" else block
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        raise MalformedError("the Exif block does not start with a TIFF header", where=where)

    def uint(at: int, size: int) -> int:
        raw = tiff[at : at + size]
        if len(raw) < size:
            raise MalformedError(f"the Exif block ends inside a field at {at}", where=where)
        return int.from_bytes(raw, order)  # type: ignore[arg-type]

    def directory(at: int) -> dict[int, int]:
        entries = {}
        for i in range(uint(at, 2)):
            entry = at + 2 + 12 * i
            kind = uint(entry + 2, 2)
            if kind in (SHORT, LONG) and uint(entry + 4, 4) == 1:
                entries[uint(entry, 2)] = uint(entry + 8, 2 if kind == SHORT else 4)
        return entries

    first = directory(uint(4, 4))
    orientation = first.get(ORIENTATION, 1)
    nested = directory(first[EXIF_IFD]) if EXIF_IFD in first else {}
    focal = nested.get(FOCAL_LENGTH_35MM, 0)
    return Exif(orientation if 1 <= orientation <= 8 else 1, float(focal) if focal else None,
                nested.get(CUSTOM_RENDERED))


def with_custom_rendered(block: bytes, value: int) -> bytes:
    """Return a TIFF block (without heading) with CustomRendered set; b"" results in a new one.

    Existing data does not move, because maker notes hold offsets: a missing tag goes into a copy of its directory at
    the end. Raises MalformedError.
    """
    wanted = Field(CUSTOM_RENDERED, SHORT, (value,))
    if not block:
        layout = Layout(">")
        first = serialise(layout, [Field(EXIF_IFD, LONG, (26,))], 8)
        return layout.header(8) + first + serialise(layout, [wanted], 26)
    tiff = Tiff(ByteSource(block))
    ifd0 = tiff.ifd(tiff.first, "IFD0")
    nested = tiff.ifd(tiff.integer(ifd0, EXIF_IFD), "IFD0/Exif") if ifd0.has(EXIF_IFD) else None
    if nested is not None and nested.has(CUSTOM_RENDERED):
        return _patched(block, tiff, nested, wanted)
    out = block + bytes(len(block) % 2)
    at = len(out)
    out += serialise(tiff.layout, [*(nested.entries if nested else ()), wanted], at, nested.next if nested else 0)
    return _with_entry(out, tiff, ifd0, Field(EXIF_IFD, LONG, (at,)))


def with_orientation(block: bytes, value: int) -> bytes:
    """Return a TIFF block (without heading) with Orientation set; b"" results in a new one.

    Existing data does not move: a missing tag goes into a copy of IFD 0 at the end. Raises MalformedError.
    """
    wanted = Field(ORIENTATION, SHORT, (value,))
    if not block:
        layout = Layout(">")
        return layout.header(8) + serialise(layout, [wanted], 8)
    tiff = Tiff(ByteSource(block))
    return _with_entry(block, tiff, tiff.ifd(tiff.first, "IFD0"), wanted)


def _with_entry(block: bytes, tiff: Tiff, ifd0: Ifd, value: Field) -> bytes:
    """Return the block with an entry of IFD 0 set: in place, or in a copy of IFD 0 at the end."""
    if ifd0.has(value.tag):
        return _patched(block, tiff, ifd0, value)
    at = len(block) + len(block) % 2
    out = block.ljust(at, b"\0") + serialise(tiff.layout, [*ifd0.entries, value], at, ifd0.next)
    return tiff.layout.header(at) + out[8:]


def _patched(block: bytes, tiff: Tiff, ifd: Ifd, value: Field) -> bytes:
    """Return the block with an existing entry of a directory replaced."""
    at = ifd.offset + 2 + 12 * next(n for n, entry in enumerate(ifd.entries) if entry.tag == value.tag)
    return block[:at] + serialise(tiff.layout, [value], 0)[2:14] + block[at + 12 :]


def parse_item(data: bytes, where: str = "Exif") -> Exif:
    """Parse a HEIF Exif item: u32 offset to the TIFF header, then the block (ISO/IEC 23008-12, A.2.1)."""
    if len(data) < 4:
        raise MalformedError("the Exif item is too short", where=where)
    return parse(data[4 + int.from_bytes(data[:4], "big") :], where)
