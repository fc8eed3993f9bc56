"""Lays out an edited JPEG file: cuts, insertions, and an MPF with the new offsets of images.

    primary, MPF made or extended | new items | everything that followed, without the cuts | the depth image | trailer

Everything after the primary image keeps its order, including data between images, whose owner is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...errors import LimitError, UnsupportedError
from ...formats import jpeg, mpf
from ...formats.bytesource import Splice
from ...formats.jpeg import Segment
from ...formats.mpf import BASELINE_PRIMARY, Mpf, MpfEntry
from .file import FurtherImage, JpegFile

AMPF = b"AMPF"
PLAIN_JFIF = 14  # bytes of payload without a thumbnail
NO_INDEX = "‹profile=gdepth› does not need an index of images"
_XMP = ((jpeg.APP1, jpeg.XMP), (jpeg.APP1, jpeg.EXTENDED_XMP))

Span = tuple[int, int]
Piece = bytes | Span  # new bytes, or a range of the source
MPF_HERE: Span = -1, -1  # stands for the MPF in a list of pieces, as its offsets are known last


@dataclass
class LayoutPlan:
    """How a file will be laid out.

    Attributes:
        file: The file.
        images: Further images to keep.
        items: New bytes right after the primary image.
        cuts: Ranges after the primary image to remove.
        depth: The new image, after the last one.
        xmp: Segments that replace those of XMP, or None.
        exif: Segment that replaces that of Exif, or None.
        trailer: Whether to keep what follows the last image.
    """

    file: JpegFile
    images: list[FurtherImage]
    items: list[bytes] = field(default_factory=list)
    cuts: list[Span] = field(default_factory=list)
    depth: bytes = b""
    xmp: list[bytes] | None = None
    exif: bytes | None = None
    trailer: bool = True


def splice(plan: LayoutPlan) -> Splice:
    """Return the edited file.

    Raises:
        LimitError: It would have more images than can be read.
        UnsupportedError: An image would be too far away for an MPF.
    """
    file = plan.file
    count = 1 + len(plan.images) + bool(plan.depth)
    most = file.source.limits.max_images
    if most and count > most:
        raise LimitError(f"the file would have {count} images; limits.max_images is {most}", where="APP2 MPF",
                         hint=NO_INDEX)
    index = _index(plan)
    body, places = _body(plan, count)
    segment_size = 4 + len(mpf.serialise(index)) if index is not None else 0
    header = _header(plan, with_mpf=index is not None)
    base, position = 0, 0
    for piece in header:
        if piece == MPF_HERE:
            base = position + 4 + len(jpeg.MPF)
            position += segment_size
        else:
            position += _size(piece)
    _check(plan, header, position)
    position += file.primary.end - file.primary.scan
    if index is not None:
        entries = [replace(e, size=position, offset=0) for e in index.entries[:1]]
        for entry, (at, size) in zip(index.entries[1:], places, strict=True):
            entries.append(replace(entry, size=size, offset=position + at - base))
        index = replace(index, entries=tuple(entries))
        far = max((max(e.size, e.offset) for e in entries), default=0)
        if far > mpf.MAX_OFFSET:
            raise UnsupportedError(f"an image would be {far:,} bytes from the index of images, which can only hold "
                                   f"{mpf.MAX_OFFSET:,}", where="APP2 MPF", hint=NO_INDEX)

    out = Splice(file.source)
    for piece in [*header, (file.primary.scan, file.primary.end), *body]:
        if piece == MPF_HERE and index is not None:
            out.add(jpeg.make(jpeg.APP2, mpf.serialise(index)))
        elif isinstance(piece, bytes):
            out.add(piece)
        else:
            out.keep(piece[0], piece[1] - piece[0])
    return out


def _check(plan: LayoutPlan, header: list[Piece], size: int) -> None:
    """Check that the result, with `size` bytes of SOI and segments before the scan, is readable within the limits."""
    primary, limits = plan.file.primary, plan.file.source.limits
    old, new = primary.header, len(header) - 1
    limits.check("max_segments", primary.count - len(old) + new, "segments", where=plan.file.source.name)
    limits.check("max_metadata", primary.total - sum(len(s.payload) for s in old) + size - 2 - 4 * new,
                 "bytes of segments", where=plan.file.source.name)


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def _body(plan: LayoutPlan, count: int) -> tuple[list[Piece], list[Span]]:
    """Return what follows the primary image, and (position, size) of the images in it, in the order of the index."""
    file = plan.file
    edits: list[tuple[int, int, list[Piece], int]] = [(file.primary.end, file.primary.end, [*plan.items], 0)]
    edits += [(start, end, [], 0) for start, end in plan.cuts]
    edits += [(i.stream.start, i.stream.end, _image(i, file, count), i.index) for i in plan.images]
    new = max((i.index for i in plan.images), default=0) + 1
    if plan.depth:
        edits.append((file.tail, file.tail, [plan.depth], new))
    if not plan.trailer:
        edits.append((file.tail, file.source.size, [], 0))
    body: list[Piece] = []
    places: dict[int, Span] = {}
    at, position = file.primary.end, 0
    for start, end, pieces, number in sorted(edits, key=lambda e: e[:2]):
        if start > at:
            body.append((at, start))
            position += start - at
        size = sum(_size(p) for p in pieces)
        if number:
            places[number] = position, size
        body += pieces
        position += size
        at = max(at, end)
    return [*body, (at, file.source.size)], [places[n] for n in sorted(places)]


def _image(body: FurtherImage, file: JpegFile, count: int) -> list[Piece]:
    """Return one of the other images with the number of images in its two-tag MPF updated; its length is unchanged."""
    stream = body.stream
    stub = stream.find(jpeg.APP2, jpeg.MPF)
    if stub is not None and (payload := mpf.with_count(stub.payload, count)) != stub.payload:
        head = file.source.read(stub.start, stub.end - stub.start - len(payload))  # including fill bytes
        return [(stream.start, stub.start), head + payload, (stub.end, stream.end)]
    return [(stream.start, stream.end)]


def _index(plan: LayoutPlan) -> Mpf | None:
    """Return the MPF with the right number of entries, whose offsets and sizes are set later; None if not needed."""
    index, new = plan.file.mpf, bool(plan.depth)
    if index is None:
        return Mpf((MpfEntry(BASELINE_PRIMARY, 0, 0),), 1).adding(MpfEntry(0, 0, 0)) if new else None
    if not new and not plan.images and len(index.entries) > 1:
        return None  # the images that it described are removed
    stay = {0, *(i.index for i in plan.images)}
    for n in reversed(range(len(index.entries))):
        if n not in stay:
            index = index.without(n)
    if new and not index.entries:  # it only had a count, but the first entry must be the primary image
        index = index.adding(MpfEntry(BASELINE_PRIMARY, 0, 0))
    return index.adding(MpfEntry(0, 0, 0)) if new else index


def _header(plan: LayoutPlan, *, with_mpf: bool) -> list[Piece]:
    """Return SOI and the segments before the scan. New segments replace those of their kind; otherwise XMP follows Exif
    and JFIF, and the MPF follows all of them."""
    primary = plan.file.primary
    replaced = {s.start for s in plan.file.packets.came_from(primary)} if plan.xmp is not None else set()
    kinds = _segments(plan, replaced, with_mpf=with_mpf)

    def insert(kind: str, pieces: list[Piece], behind: tuple[str, ...]) -> None:
        last = max((n for n, (k, _) in enumerate(kinds) if k in behind), default=-1)
        kinds[last + 1 : last + 1] = [(kind, piece) for piece in pieces]

    if plan.exif is not None and primary.find(jpeg.APP1, jpeg.EXIF) is None:
        insert("exif", [plan.exif], ("jfif",))
    if plan.xmp and not replaced:
        insert("xmp", [*plan.xmp], ("jfif", "exif"))
    if with_mpf and primary.find(jpeg.APP2, jpeg.MPF) is None:
        insert("mpf", [MPF_HERE], ("jfif", "exif", "xmp"))
    return [(primary.start, primary.start + 2), *(piece for _, piece in kinds)]


def _segments(plan: LayoutPlan, replaced: set[int], *, with_mpf: bool) -> list[tuple[str, Piece]]:
    """Return the segments of the primary image with their kinds; new XMP stands where the first of `replaced` was."""
    primary = plan.file.primary
    old, exif = primary.find(jpeg.APP2, jpeg.MPF), primary.find(jpeg.APP1, jpeg.EXIF)
    kinds: list[tuple[str, Piece]] = []
    new: list[bytes] = plan.xmp or []
    for segment in primary.header:
        if segment is old:
            kinds += [("mpf", MPF_HERE)] if with_mpf else []
        elif segment.start in replaced:
            kinds += [("xmp", piece) for piece in new]
            new = []
        elif plan.exif is not None and segment is exif:
            kinds.append(("exif", plan.exif))
        else:
            piece: Piece = _with_ampf(segment, with_mpf) if with_mpf is (old is None) else (segment.start, segment.end)
            kinds.append((_kind(segment), piece))
    return kinds


def _kind(segment: Segment) -> str:
    if any(segment.starts(*kind) for kind in _XMP):
        return "xmp"
    if segment.starts(jpeg.APP1, jpeg.EXIF):
        return "exif"
    return "jfif" if segment.starts(jpeg.APP0, jpeg.JFIF) or segment.starts(jpeg.APP0, jpeg.JFXX) else ""


def _with_ampf(segment: Segment, wanted: bool) -> Piece:
    """Return JFIF with or without "AMPF", Apple's mark for an MPF; unchanged when it holds a thumbnail."""
    p = segment.payload
    if segment.starts(jpeg.APP0, jpeg.JFIF) and p[12:14] == b"\0\0":
        if wanted and len(p) == PLAIN_JFIF:
            return jpeg.make(jpeg.APP0, p + AMPF)
        if not wanted and p[PLAIN_JFIF:] == AMPF:
            return jpeg.make(jpeg.APP0, p[:PLAIN_JFIF])
    return segment.start, segment.end
