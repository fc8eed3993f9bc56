"""Recognises movies by their first bytes, without the modules that parse them."""

from __future__ import annotations

from ..bytesource import ByteSource

# How major brands of movies start; still pictures have others (heic, mif1, avif).
_BRANDS = (b"qt  ", b"iso", b"mp4", b"M4V", b"3g", b"avc1", b"dash", b"MSNV", b"f4v", b"XAVC")
_CLASSIC = (b"moov", b"mdat", b"wide", b"pnot")  # QuickTime files without ftyp


def is_movie(source: ByteSource) -> bool:
    """Return whether the file starts like a movie. Raises only errors of reading."""
    head = source.read(0, min(16, source.size))
    return head[4:8] in _CLASSIC or (head[4:8] == b"ftyp" and head[8:12].startswith(_BRANDS))
