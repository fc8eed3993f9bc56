"""Edits of a JPEG file: every segment, scan and further image is copied; only the MPF (and JFIF's "AMPF") changes.

    primary, MPF made or extended | Dynamic Depth items | other images, re-pointed | the depth image | trailer

Google's layouts change the primary's XMP, and the profile apple-portrait one tag of its Exif.
"""

from __future__ import annotations

from ...depth import orientation
from ...errors import ExistingDepthError, GpudepthError, MalformedError, NoDepthError, UnsupportedError
from ...formats import exif, jpeg
from .. import apple, apple_rules
from ..base import DEFAULT_PLACEMENT, REPLACE, CodedMap, Edit, Placement
from ..google import dynamic_depth, gdepth
from ..google.packets import Packets
from . import image, portrait, trailer
from .file import Image, JpegFile
from .layout import Layout, Span, splice

APPLE = ("apple-depth", "article", "apple-portrait")


def attach(file: JpegFile, coded: CodedMap, profile: str, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
    """The file with depth; raises ExistingDepthError, UnsupportedError."""
    file.check_whole()
    if (file.depth_images() or file.has_gdepth() or file.has_dynamic_depth()) and not placement.replace:
        raise ExistingDepthError("has depth already", hint=REPLACE)
    layouts = {profile, *placement.also}
    plan, packets, others = _without_depth(file)
    warnings: list[str] = []
    if "dynamic-depth" in layouts:
        if others:
            raise UnsupportedError("has other Dynamic Depth items, which a new directory would have to describe",
                                   where="XMP Container:Directory", hint="gdepth fits beside them")
        written = dynamic_depth.write(packets, coded)
        packets, plan.items = written.packets, [*written.items]
        warnings += written.warnings
    if "gdepth" in layouts:
        packets = gdepth.write(packets, coded)
    if packets != file.packets:
        plan.xmp = packets.segments(file.source.limits)
    changes: list[str] = []
    if profile in APPLE:
        if coded.codes.dtype.itemsize != 1:
            raise UnsupportedError("Apple's layout of a JPEG file has 8 bits", hint="--bits 8, or write a HEIC")
        packet = apple.serialise(coded, profile, placement.donor, file.source.limits)
        plan.depth = image.encode(coded.codes, packet, len(plan.images) + 2, coded.jpeg_quality)
        if profile == "apple-portrait":
            warnings += apple_rules.missing_of_portrait(packet, (coded.codes.shape[1], coded.codes.shape[0]))
            plan.exif, changes = portrait.mark(file, placement.donor)
    if placement.turn != 1:
        plan.exif, turned = _turned(file, plan.exif, placement.turn)
        changes.append(turned)
    warnings += _warnings(plan, placement.trailer)
    return Edit(splice(plan), warnings, changes)


def _turned(file: JpegFile, segment: bytes | None, turn: int) -> tuple[bytes, str]:
    """The Exif segment (as it is already to be written, or the file's own) with the orientation turned; what changed.

    Further images in the file (gain maps, mattes) lie as the primary does, and go with it.
    """
    own, old = file.primary.find(jpeg.APP1, jpeg.EXIF), file.exif().orientation
    start = 4 + len(jpeg.EXIF)      # marker and length
    block = segment[start:] if segment is not None else own.payload[len(jpeg.EXIF) :] if own else b""
    new = orientation.then(old, turn)
    try:
        made = jpeg.make(jpeg.APP1, jpeg.EXIF + exif.with_orientation(block, new))
    except GpudepthError as error:
        raise error.within("APP1 Exif") from None
    return made, f"Exif Orientation: {old} → {new}" + ("" if block else " (a new Exif segment)")


def remove(file: JpegFile) -> Edit:
    """The file without its depth images and Google's depth. Raises NoDepthError."""
    file.check_whole()
    if not (file.depth_images() or file.has_gdepth() or file.has_dynamic_depth()):
        raise NoDepthError("has no depth to remove")
    plan, packets, _ = _without_depth(file)
    if packets != file.packets:
        plan.xmp = packets.segments(file.source.limits)
    warnings = _warnings(plan, "keep")
    return Edit(splice(plan), warnings)


def _without_depth(file: JpegFile) -> tuple[Layout, Packets, bool]:
    """The file less its depth, the primary's XMP without Google's, and whether Dynamic Depth has other items.

    An image that the MPF and a directory both list goes with its item.
    Raises MalformedError for depth and other things that share bytes.
    """
    packets, gone, stay = _without_google(file)
    images: list[Image] = []
    for i in file.images:
        span = i.stream.start, i.stream.end
        if i.is_depth:
            _apart(i, span, stay)
            gone = [*gone, span]
        elif not any(start <= span[0] and span[1] <= end for start, end in gone):
            _apart(i, span, gone)
            images.append(i)
    return Layout(file, images, cuts=gone), packets, bool(stay)


def _apart(listed: Image, span: Span, others: list[Span]) -> None:
    if any(start < span[1] and span[0] < end for start, end in others):
        raise MalformedError(f"MPF image {listed.index + 1} at {span[0]:,}…{span[1]:,} shares bytes with an item of "
                             "Dynamic Depth, of which one would stay and one go", where="XMP Container:Directory",
                             hint="the file was edited by a program that does not know of both")


def _without_google(file: JpegFile) -> tuple[Packets, list[Span], list[Span]]:
    """The primary's XMP without depth; the items behind it that are depth, and those that are not."""
    packets = file.packets.without([gdepth.NAMESPACE], file.source.limits) if file.has_gdepth() else file.packets
    found = file.dynamic
    if found is None:
        return packets, [], []
    stay: tuple[dynamic_depth.Item, ...] = found.items
    if found.maps:
        found = dynamic_depth.parse(packets, file.source.limits) or found
        packets, stay = dynamic_depth.without(found, packets)
    kept: list[Span] = []
    gone: list[Span] = []
    at = file.primary.end
    for item, old in zip(found.items, file.dynamic.items if file.dynamic else (), strict=True):
        size = old.padding + old.length
        if size:
            (kept if item in stay else gone).append((at, at + size))
        at += size
    return packets, gone, kept


def _warnings(plan: Layout, trailer_policy: str) -> list[str]:
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
