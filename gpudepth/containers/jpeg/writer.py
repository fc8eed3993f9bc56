"""Edits of a JPEG file: every segment, scan and further image is copied; only the MPF (and JFIF's "AMPF") changes.

    primary, MPF made or extended | other images, re-pointed | the depth image | trailer
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import ExistingDepthError, NoDepthError, UnsupportedError
from ...formats import jpeg, mpf
from ...formats.bytesource import Splice
from ...formats.jpeg import Segment
from ...formats.mpf import BASELINE_PRIMARY, Entry, Mpf
from .. import apple
from ..base import CodedMap
from . import image
from .file import Image, JpegFile

AMPF = b"AMPF"
PLAIN_JFIF = 14  # bytes of payload without a thumbnail
_BEFORE_MPF = ((jpeg.APP0, jpeg.JFIF), (jpeg.APP0, jpeg.JFXX), (jpeg.APP1, jpeg.EXIF), (jpeg.APP1, jpeg.XMP),
               (jpeg.APP1, jpeg.EXTENDED_XMP))


def attach(file: JpegFile, coded: CodedMap, profile: str, *, replace_depth: bool) -> tuple[Splice, list[str]]:
    """The file with a depth image; raises ExistingDepthError, UnsupportedError."""
    file.check_whole()
    old = file.depth_images()
    if old and not replace_depth:
        raise ExistingDepthError("has depth already", hint="--replace-depth puts the new map there")
    if coded.codes.dtype.itemsize != 1:
        raise UnsupportedError("JPEG depth has 8 bits", hint="--bits 8, or write a HEIC")
    packet = apple.serialise(coded, profile)
    kept = [i for i in file.images if not i.is_depth]
    count = len(kept) + 2
    return _splice(file, kept, image.encode(coded.codes, packet, count, coded.jpeg_quality)), _warnings(file)


def remove(file: JpegFile) -> tuple[Splice, list[str]]:
    """The file without its depth images. Raises NoDepthError."""
    file.check_whole()
    if not file.depth_images():
        raise NoDepthError("has no depth to remove")
    return _splice(file, [i for i in file.images if not i.is_depth], b""), _warnings(file)


Piece = bytes | tuple[int, int] | None  # our bytes, a range of the source, or the place of the MPF


def _splice(file: JpegFile, kept: list[Image], new: bytes) -> Splice:
    """Lay the file out: sizes first, for the MPF holds the offsets of what follows it."""
    count = 1 + len(kept) + bool(new)
    index = _index(file, kept, new=bool(new)) if count > 1 else None
    segment_size = 4 + len(mpf.serialise(index)) if index is not None else 0
    header = _header(file, with_mpf=index is not None)
    base, position = 0, 0
    for piece in header:
        if piece is None:
            base = position + 4 + len(jpeg.MPF)
            position += segment_size
        else:
            position += len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
    position += file.primary.end - file.primary.scan
    if index is not None:
        entries = [replace(index.entries[0], size=position, offset=0)]
        for entry, size in zip(index.entries[1:], [*(i.stream.size for i in kept), len(new)], strict=False):
            entries.append(replace(entry, size=size, offset=position - base))
            position += size
        index = replace(index, entries=tuple(entries))

    out = Splice(file.source)
    for piece in header:
        if isinstance(piece, tuple):
            out.keep(piece[0], piece[1] - piece[0])
        elif piece is not None:
            out.add(piece)
        elif index is not None:
            out.add(jpeg.make(jpeg.APP2, mpf.serialise(index)))
    out.keep(file.primary.scan, file.primary.end - file.primary.scan)
    for body in kept:
        _copy_image(out, body, count)
    out.add(new)
    out.keep(file.tail, file.source.size - file.tail)
    return out


def _index(file: JpegFile, kept: list[Image], *, new: bool) -> Mpf:
    """The MPF with the right number of entries; offsets and sizes are filled in later."""
    if file.mpf is None:
        index = Mpf((Entry(BASELINE_PRIMARY, 0, 0),), 1)
    else:
        index = file.mpf
        stay = {0, *(i.index for i in kept)}
        for n in reversed(range(len(index.entries))):
            if n not in stay:
                index = index.without(n)
    return index.adding(Entry(0, 0, 0)) if new else index


def _header(file: JpegFile, *, with_mpf: bool) -> list[Piece]:
    """SOI and the segments before the scan. A new MPF goes after the last of JFIF, Exif and XMP."""
    header = file.primary.header
    old = file.primary.find(jpeg.APP2, jpeg.MPF)
    last = max((n for n, s in enumerate(header) if any(s.starts(*kind) for kind in _BEFORE_MPF)), default=-1)
    out: list[Piece] = [(file.primary.start, file.primary.start + 2)]
    if with_mpf and old is None and last < 0:
        out.append(None)
    for n, segment in enumerate(header):
        if segment is old:
            out += [None] if with_mpf else []
            continue
        out.append(_with_ampf(segment, with_mpf) if with_mpf is (old is None) else (segment.start, segment.end))
        if with_mpf and old is None and n == last:
            out.append(None)
    return out


def _with_ampf(segment: Segment, wanted: bool) -> Piece:
    """JFIF with or without "AMPF", Apple's sign that an MPF follows; left alone when it holds a thumbnail."""
    p = segment.payload
    if segment.starts(jpeg.APP0, jpeg.JFIF) and p[12:14] == b"\0\0":
        if wanted and len(p) == PLAIN_JFIF:
            return jpeg.make(jpeg.APP0, p + AMPF)
        if not wanted and p[PLAIN_JFIF:] == AMPF:
            return jpeg.make(jpeg.APP0, p[:PLAIN_JFIF])
    return segment.start, segment.end


def _copy_image(out: Splice, body: Image, count: int) -> None:
    """One of the other images; the number of images in its two-tag MPF is patched."""
    stream = body.stream
    stub = stream.find(jpeg.APP2, jpeg.MPF)
    if stub is not None:
        index = mpf.parse(stub.payload)
        if not index.entries and index.count != count:
            out.keep(stream.start, stub.start - stream.start)
            out.add(jpeg.make(jpeg.APP2, mpf.serialise(replace(index, count=count))))
            out.keep(stub.end, stream.end - stub.end)
            return
    out.keep(stream.start, stream.size)


def _warnings(file: JpegFile) -> list[str]:
    out = []
    frame = file.primary.frame
    if frame.marker in jpeg.ARITHMETIC:
        out.append("the photo is arithmetic-coded, which few programs and no phone opens")
    if frame.components == 4:
        out.append("the photo is CMYK, which phones may not show as a photo with depth")
    trailer = file.source.size - file.tail
    if trailer and any(file.source.read(file.tail, min(trailer, 1 << 16))):
        out.append(f"{trailer:,} bytes after the last image are kept at the end; programs that find them by an offset "
                   "from the start will not")
    if any(s.starts(0xEB, b"JP") for s in file.primary.header):
        out.append("the file's C2PA provenance signature does not cover the change and will not verify")
    return out
