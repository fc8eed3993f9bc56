"""Edits of a JPEG file: every segment, scan and further image is copied; only the MPF (and JFIF's "AMPF") changes.

    primary, MPF made or extended | Dynamic Depth items | other images, re-pointed | the depth image | trailer

Google's layouts change the primary's XMP, and the profile apple-portrait one tag of its Exif.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import ExistingDepthError, NoDepthError, UnsupportedError
from ...formats import jpeg, mpf
from ...formats.bytesource import Splice
from ...formats.jpeg import Segment
from ...formats.mpf import BASELINE_PRIMARY, Entry, Mpf
from .. import apple, apple_rules
from ..base import DEFAULT_PLACEMENT, CodedMap, Edit, Placement
from ..google import dynamic_depth, gdepth
from ..google.packets import Packets
from . import image, portrait, trailer
from .file import Image, JpegFile

AMPF = b"AMPF"
PLAIN_JFIF = 14  # bytes of payload without a thumbnail
_XMP = ((jpeg.APP1, jpeg.XMP), (jpeg.APP1, jpeg.EXTENDED_XMP))


APPLE = ("apple-depth", "article", "apple-portrait")
Piece = bytes | tuple[int, int]  # our bytes, or a range of the source
MPF_HERE = b""  # stands in a list of pieces for the MPF, whose offsets are known last


@dataclass
class _Layout:
    """A file to be written: the primary's header, what follows it, the further images, the depth image, the trailer.

    xmp, exif: other segments in the place of those in the file; None leaves them.
    """

    file: JpegFile
    images: list[Image]
    items: list[Piece]
    depth: bytes = b""
    xmp: list[bytes] | None = None
    exif: bytes | None = None
    trailer: bool = True


def attach(file: JpegFile, coded: CodedMap, profile: str, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
    """The file with depth; raises ExistingDepthError, UnsupportedError."""
    file.check_whole()
    if (file.depth_images() or file.has_gdepth() or file.has_dynamic_depth()) and not placement.replace:
        raise ExistingDepthError("has depth already", hint="--replace-depth puts the new map there")
    layouts = {profile, *placement.also}
    packets, items, warnings = _without_google(file)
    if "dynamic-depth" in layouts:
        if items:
            raise UnsupportedError("has other Dynamic Depth items, which a new directory would have to describe",
                                   where="XMP Container:Directory", hint="gdepth fits beside them")
        written = dynamic_depth.write(packets, coded)
        packets, items = written.packets, [*written.items]
        warnings += written.warnings
    if "gdepth" in layouts:
        packets = gdepth.write(packets, coded)
    plan = _Layout(file, [i for i in file.images if not i.is_depth], items)
    if packets != file.packets:
        plan.xmp = packets.segments(file.source.limits)
    changes: list[str] = []
    if profile in APPLE:
        if coded.codes.dtype.itemsize != 1:
            raise UnsupportedError("Apple's layout of a JPEG file has 8 bits", hint="--bits 8, or write a HEIC")
        packet = apple.serialise(coded, profile, placement.donor)
        plan.depth = image.encode(coded.codes, packet, len(plan.images) + 2, coded.jpeg_quality)
        if profile == "apple-portrait":
            warnings += apple_rules.missing_of_portrait(packet, (coded.codes.shape[1], coded.codes.shape[0]))
            plan.exif, changes = portrait.mark(file, placement.donor)
    warnings += _warnings(plan, placement.trailer)
    return Edit(_splice(plan), warnings, changes)


def remove(file: JpegFile) -> Edit:
    """The file without its depth images and Google's depth. Raises NoDepthError."""
    file.check_whole()
    if not (file.depth_images() or file.has_gdepth() or file.has_dynamic_depth()):
        raise NoDepthError("has no depth to remove")
    packets, items, warnings = _without_google(file)
    plan = _Layout(file, [i for i in file.images if not i.is_depth], items)
    if packets != file.packets:
        plan.xmp = packets.segments(file.source.limits)
    return Edit(_splice(plan), [*warnings, *_warnings(plan, "keep")])


def _without_google(file: JpegFile) -> tuple[Packets, list[Piece], list[str]]:
    """The primary's XMP and the items behind it without depth."""
    packets = file.packets.without([gdepth.NAMESPACE], file.source.limits) if file.has_gdepth() else file.packets
    found = file.dynamic
    if found is None:
        return packets, [], []
    stay: tuple[dynamic_depth.Item, ...] = found.items
    if found.maps:
        found = dynamic_depth.parse(packets, file.source.limits) or found
        packets, stay = dynamic_depth.without(found, packets)
    kept, at = [], file.primary.end
    for item, old in zip(found.items, file.dynamic.items if file.dynamic else (), strict=True):
        size = old.padding + old.length
        if item in stay and size:
            kept.append((at, size))
        at += size
    return packets, [(start, start + size) for start, size in kept], []


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def _splice(plan: _Layout) -> Splice:
    """Lay the file out: sizes first, for the MPF holds the offsets of what follows it."""
    file = plan.file
    count = 1 + len(plan.images) + bool(plan.depth)
    index = _index(file, plan.images, new=bool(plan.depth)) if count > 1 else None
    segment_size = 4 + len(mpf.serialise(index)) if index is not None else 0
    header = _header(plan, with_mpf=index is not None)
    others = [_image(i, file, count) for i in plan.images]
    base, position = 0, 0
    for piece in header:
        if piece is MPF_HERE:
            base = position + 4 + len(jpeg.MPF)
            position += segment_size
        else:
            position += _size(piece)
    position += file.primary.end - file.primary.scan
    if index is not None:
        entries = [replace(index.entries[0], size=position, offset=0)]
        position += sum(_size(item) for item in plan.items)
        sizes = [*(sum(_size(p) for p in pieces) for pieces in others), len(plan.depth)]
        for entry, size in zip(index.entries[1:], sizes, strict=False):
            entries.append(replace(entry, size=size, offset=position - base))
            position += size
        index = replace(index, entries=tuple(entries))

    out = Splice(file.source)
    for piece in header:
        if piece is MPF_HERE and index is not None:
            out.add(jpeg.make(jpeg.APP2, mpf.serialise(index)))
        else:
            _put(out, piece)
    out.keep(file.primary.scan, file.primary.end - file.primary.scan)
    for piece in (*plan.items, *(p for pieces in others for p in pieces)):
        _put(out, piece)
    out.add(plan.depth)
    if plan.trailer:
        out.keep(file.tail, file.source.size - file.tail)
    return out


def _put(out: Splice, piece: Piece) -> None:
    if isinstance(piece, bytes):
        out.add(piece)
    else:
        out.keep(piece[0], piece[1] - piece[0])


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
        if new and not index.entries:  # a count alone: the first entry has to be the primary image
            index = index.adding(Entry(BASELINE_PRIMARY, 0, 0))
    return index.adding(Entry(0, 0, 0)) if new else index


def _header(plan: _Layout, *, with_mpf: bool) -> list[Piece]:
    """SOI and the segments before the scan. New ones stand where their kind does; else XMP behind Exif and JFIF, and an
    MPF behind the last of them all."""
    file = plan.file
    old = file.primary.find(jpeg.APP2, jpeg.MPF)
    exif = file.primary.find(jpeg.APP1, jpeg.EXIF)
    kinds: list[tuple[str, Piece]] = []
    for segment in file.primary.header:
        if segment is old:
            kinds += [("mpf", MPF_HERE)] if with_mpf else []
        elif plan.xmp is not None and any(segment.starts(*kind) for kind in _XMP):
            if not any(kind == "xmp" for kind, _ in kinds):
                kinds += [("xmp", piece) for piece in plan.xmp]
        elif plan.exif is not None and segment is exif:
            kinds.append(("exif", plan.exif))
        else:
            piece: Piece = _with_ampf(segment, with_mpf) if with_mpf is (old is None) else (segment.start, segment.end)
            kinds.append((_kind(segment), piece))

    def insert(kind: str, pieces: list[Piece], behind: tuple[str, ...]) -> None:
        if pieces and not any(k == kind for k, _ in kinds):
            last = max((n for n, (k, _) in enumerate(kinds) if k in behind), default=-1)
            kinds[last + 1 : last + 1] = [(kind, piece) for piece in pieces]

    insert("exif", [plan.exif] if plan.exif is not None else [], ("jfif",))
    insert("xmp", [*(plan.xmp or ())], ("jfif", "exif"))
    insert("mpf", [MPF_HERE] if with_mpf else [], ("jfif", "exif", "xmp"))
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


def _image(body: Image, file: JpegFile, count: int) -> list[Piece]:
    """One of the other images; the number of images in its two-tag MPF is patched, which changes no length."""
    stream = body.stream
    stub = stream.find(jpeg.APP2, jpeg.MPF)
    if stub is not None and (payload := mpf.with_count(stub.payload, count)) != stub.payload:
        head = file.source.read(stub.start, stub.end - stub.start - len(payload))  # fill bytes and all
        return [(stream.start, stub.start), head + payload, (stub.end, stream.end)]
    return [(stream.start, stream.end)]


def _warnings(plan: _Layout, trailer_policy: str) -> list[str]:
    """What is worth knowing; decides what becomes of the trailer. Raises UnsupportedError for one that is refused."""
    file, out = plan.file, []
    frame = file.primary.frame
    if frame.marker in jpeg.ARITHMETIC:
        out.append("the photo is arithmetic-coded, which few programs and no phone opens")
    if frame.components == 4:
        out.append("the photo is CMYK, which phones may not show as a photo with depth")
    size, what = file.source.size - file.tail, trailer.kind(file.source, file.tail)
    if what and trailer_policy == "refuse":
        raise UnsupportedError(f"{size:,} bytes follow the last image ({what})", where=f"trailer at {file.tail:,}",
                               hint="--trailer keep leaves them at the end, --trailer drop leaves them out")
    if what and trailer_policy == "keep":
        out.append(f"{size:,} bytes after the last image ({what}) are kept at the end; programs that find them by an "
                   "offset from the start will not")
    if what and trailer_policy == "drop":
        out.append(f"{size:,} bytes after the last image ({what}) were left out")
    plan.trailer = trailer_policy != "drop"
    if any(s.starts(0xEB, b"JP") for s in file.primary.header):
        out.append("the file's C2PA provenance signature does not cover the change and will not verify")
    return out
