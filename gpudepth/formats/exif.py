"""The two Exif fields a depth map depends on: orientation, and the focal length that a calibration can come from."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MalformedError

ORIENTATION, EXIF_IFD = 0x0112, 0x8769
FOCAL_LENGTH_35MM = 0xA405
_SHORT, _LONG = 3, 4


@dataclass(frozen=True)
class Exif:
    """orientation 1–8; focal35 in millimetres, or None when it is not said."""

    orientation: int = 1
    focal35: float | None = None


def parse(block: bytes, where: str = "Exif") -> Exif:
    """A TIFF block, with or without "Exif\\0\\0" before it. Raises MalformedError when it is no TIFF."""
    tiff = block[6:] if block[:6] == b"Exif\0\0" else block
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        raise MalformedError("does not start with a TIFF header", where=where)

    def uint(at: int, size: int) -> int:
        raw = tiff[at : at + size]
        if len(raw) < size:
            raise MalformedError(f"ends inside a field at {at}", where=where)
        return int.from_bytes(raw, order)  # type: ignore[arg-type]

    def directory(at: int) -> dict[int, int]:
        entries = {}
        for i in range(uint(at, 2)):
            entry = at + 2 + 12 * i
            kind = uint(entry + 2, 2)
            if kind in (_SHORT, _LONG) and uint(entry + 4, 4) == 1:
                entries[uint(entry, 2)] = uint(entry + 8, 2 if kind == _SHORT else 4)
        return entries

    first = directory(uint(4, 4))
    orientation = first.get(ORIENTATION, 1)
    nested = directory(first[EXIF_IFD]) if EXIF_IFD in first else {}
    focal = nested.get(FOCAL_LENGTH_35MM, 0)
    return Exif(orientation if 1 <= orientation <= 8 else 1, float(focal) if focal else None)


def parse_item(data: bytes, where: str = "Exif") -> Exif:
    """A HEIF Exif item: u32 offset to the TIFF header, then the block (ISO/IEC 23008-12, A.2.1)."""
    if len(data) < 4:
        raise MalformedError("Exif item is too short", where=where)
    return parse(data[4 + int.from_bytes(data[:4], "big") :], where)
