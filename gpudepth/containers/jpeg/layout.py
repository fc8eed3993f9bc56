"""A JPEG file laid out anew: what is cut out of it, what is put in, and an MPF that points to where images are then.

    primary, MPF made or extended | new items | all that followed, less the cuts | the depth image | trailer

Everything behind the primary image stays in its order, what lies between images too: nobody says whose that is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...errors import LimitError, UnsupportedError
from ...formats import jpeg, mpf
from ...formats.bytesource import Splice
from ...formats.jpeg import Segment
from ...formats.mpf import BASELINE_PRIMARY, Entry, Mpf
from .file import Image, JpegFile

AMPF = b"AMPF"
PLAIN_JFIF = 14  # bytes of payload without a thumbnail
NO_INDEX = "--profile gdepth needs no index of images"
_XMP = ((jpeg.APP1, jpeg.XMP), (jpeg.APP1, jpeg.EXTENDED_XMP))

Span = tuple[int, int]
Piece = bytes | Span  # our bytes, or a range of the source
MPF_HERE: Span = -1, -1  # stands in a list of pieces for the MPF, whose offsets are known last


@dataclass
class Layout:
    """What is to become of a file.

    images      the further images that stay
    items       new bytes right behind the primary image
    cuts        ranges behind the primary image that go
    depth       the new image, behind the last one
    xmp, exif   other segments in the place of those that were read; None leaves them
    trailer     whether what follows the last image stays
    """

    file: JpegFile
    images: list[Image]
    items: list[bytes] = field(default_factory=list)
    cuts: list[Span] = field(default_factory=list)
    depth: bytes = b""
    xmp: list[bytes] | None = None
    exif: bytes | None = None
    trailer: bool = True


def splice(plan: Layout) -> Splice:
    """Raises LimitError for more images than are read, UnsupportedError for one farther off than an MPF can say."""
    file = plan.file
    count = 1 + len(plan.images) + bool(plan.depth)
    most = file.source.limits.max_images
    if most and count > most:
        raise LimitError(f"would have {count} images, limits.max_images is {most}", where="APP2 MPF", hint=NO_INDEX)
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
            raise UnsupportedError(f"an image would lie {far:,} bytes from the index of images, which counts to "
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


def _check(plan: Layout, header: list[Piece], size: int) -> None:
    """What is written can be read within the same limits: `size` bytes of SOI and segments before the scan."""
    primary, limits = plan.file.primary, plan.file.source.limits
    old, new = primary.header, len(header) - 1
    limits.check("max_segments", primary.count - len(old) + new, "segments", where=plan.file.source.name)
    limits.check("max_metadata", primary.total - sum(len(s.payload) for s in old) + size - 2 - 4 * new,
                 "bytes of segments", where=plan.file.source.name)


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def _body(plan: Layout, count: int) -> tuple[list[Piece], list[Span]]:
    """What follows the primary image, and where in it (position, size) the images are, in the order of the index."""
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


def _image(body: Image, file: JpegFile, count: int) -> list[Piece]:
    """One of the other images; the number of images in its two-tag MPF is patched, which changes no length."""
    stream = body.stream
    stub = stream.find(jpeg.APP2, jpeg.MPF)
    if stub is not None and (payload := mpf.with_count(stub.payload, count)) != stub.payload:
        head = file.source.read(stub.start, stub.end - stub.start - len(payload))  # fill bytes and all
        return [(stream.start, stub.start), head + payload, (stub.end, stream.end)]
    return [(stream.start, stream.end)]


def _index(plan: Layout) -> Mpf | None:
    """The MPF with the right number of entries, whose offsets and sizes are filled in later; None where none is due."""
    index, new = plan.file.mpf, bool(plan.depth)
    if index is None:
        return Mpf((Entry(BASELINE_PRIMARY, 0, 0),), 1).adding(Entry(0, 0, 0)) if new else None
    if not new and not plan.images and len(index.entries) > 1:
        return None  # the images that it was there for are gone
    stay = {0, *(i.index for i in plan.images)}
    for n in reversed(range(len(index.entries))):
        if n not in stay:
            index = index.without(n)
    if new and not index.entries:  # a count alone: the first entry has to be the primary image
        index = index.adding(Entry(BASELINE_PRIMARY, 0, 0))
    return index.adding(Entry(0, 0, 0)) if new else index


def _header(plan: Layout, *, with_mpf: bool) -> list[Piece]:
    """SOI and the segments before the scan. New ones stand where their kind does; else XMP behind Exif and JFIF, and an
    MPF behind the last of them all."""
    file = plan.file
    old = file.primary.find(jpeg.APP2, jpeg.MPF)
    exif = file.primary.find(jpeg.APP1, jpeg.EXIF)
    kinds: list[tuple[str, Piece]] = []
    new: list[bytes] = plan.xmp or []
    replaced = {s.start for s in file.packets.came_from(file.primary)} if plan.xmp is not None else set()
    for segment in file.primary.header:
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

    def insert(kind: str, pieces: list[Piece], behind: tuple[str, ...]) -> None:
        if pieces:
            last = max((n for n, (k, _) in enumerate(kinds) if k in behind), default=-1)
            kinds[last + 1 : last + 1] = [(kind, piece) for piece in pieces]

    insert("exif", [plan.exif] if plan.exif is not None and exif is None else [], ("jfif",))
    insert("xmp", [*new], ("jfif", "exif"))
    insert("mpf", [MPF_HERE] if with_mpf and old is None else [], ("jfif", "exif", "xmp"))
    return [(file.primary.start, file.primary.start + 2), *(piece for _, piece in kinds)]


def _kind(segment: Segment) -> str:
    if any(segment.starts(*kind) for kind in _XMP):
        return "xmp"
    if segment.starts(jpeg.APP1, jpeg.EXIF):
        return "exif"
    return "jfif" if segment.starts(jpeg.APP0, jpeg.JFIF) or segment.starts(jpeg.APP0, jpeg.JFXX) else ""


def _with_ampf(segment: Segment, wanted: bool) -> Piece:
    """JFIF with or without "AMPF", Apple's sign that an MPF follows; left alone when it holds a thumbnail."""
    p = segment.payload
    if segment.starts(jpeg.APP0, jpeg.JFIF) and p[12:14] == b"\0\0":
        if wanted and len(p) == PLAIN_JFIF:
            return jpeg.make(jpeg.APP0, p + AMPF)
        if not wanted and p[PLAIN_JFIF:] == AMPF:
            return jpeg.make(jpeg.APP0, p[:PLAIN_JFIF])
    return segment.start, segment.end
