"""Adds and removes depth: segments, scans and further images are copied; only the MPF (and JFIF's "AMPF") changes.

    primary, MPF made or extended | Dynamic Depth items | other images, offsets updated | the depth image | trailer

Google's layouts change the primary's XMP, and the profile apple-portrait one tag of its Exif.
"""

from __future__ import annotations

from ...depth import orientation
from ...depth.data import Storage
from ...depth.pixel_format import L008
from ...errors import ExistingDepthError, MalformedError, NoDepthError, UnsupportedError, located
from ...formats import exif, jpeg
from .. import apple
from ..base import C2PA_BROKEN, DEFAULT_PLACEMENT, REPLACE, CodedMap, Donor, Edit, Placement
from ..google.packets import Packets
from . import image, trailer
from .file import FurtherImage, JpegFile
from .layout import LayoutPlan, Span, splice

APPLE = ("apple-depth", "article", "apple-portrait")


def attach(file: JpegFile, coded: CodedMap, profile: str, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
    """Return the file with depth. Raises ExistingDepthError, UnsupportedError."""
    file.check_whole()
    if (file.depth_images() or file.has_gdepth() or file.has_dynamic_depth()) and not placement.replace:
        raise ExistingDepthError("the photo already has depth", hint=REPLACE)
    layouts = {profile, *placement.also}
    plan, packets, others = _without_depth(file)
    warnings: list[str] = []
    if "dynamic-depth" in layouts:
        from ..google import dynamic_depth

        if others:
            raise UnsupportedError("the photo has other Dynamic Depth items, which a new directory would need to list",
                                   where="XMP Container:Directory", hint="‹profile=gdepth› can be added")
        written = dynamic_depth.write(packets, coded)
        packets, plan.items = written.packets, [*written.items]
        warnings += written.warnings
    if "gdepth" in layouts:
        from ..google import gdepth

        packets = gdepth.write(packets, coded)
    if packets != file.packets:
        plan.xmp = packets.segments(file.source.limits)
    changes: list[str] = []
    if profile in APPLE:
        if coded.codes.dtype.itemsize != 1:
            raise UnsupportedError("Apple's layout of a JPEG file has 8 bits", hint="‹bits=8›, or write a HEIC")
        packet = apple.serialise(coded, profile, placement.donor, file.source.limits)
        plan.depth = image.encode(coded.codes, packet, len(plan.images) + 2, coded.jpeg_quality)
        if profile == "apple-portrait":
            from .. import apple_rules

            warnings += apple_rules.missing_of_portrait(packet, (coded.codes.shape[1], coded.codes.shape[0]))
            plan.exif, changes = _mark_portrait(file, placement.donor)
    if placement.turn != 1:
        plan.exif, turned = _turned(file, plan.exif, placement.turn)
        changes.append(turned)
    warnings += _warnings(plan, placement.trailer)
    return Edit(splice(plan), warnings, changes)


def _turned(file: JpegFile, segment: bytes | None, turn: int) -> tuple[bytes, str]:
    """Return the Exif segment, either the given one or the file's, with the orientation turned, and what changed.

    Further images in the file (gain maps, mattes) have the primary's orientation, so they turn as well.
    """
    own, old = file.primary.find(jpeg.APP1, jpeg.EXIF), file.exif().orientation
    start = 4 + len(jpeg.EXIF)      # marker and length
    block = segment[start:] if segment is not None else own.payload[len(jpeg.EXIF) :] if own else b""
    new = orientation.then(old, turn)
    with located("APP1 Exif"):
        made = jpeg.make(jpeg.APP1, jpeg.EXIF + exif.with_orientation(block, new))
    return made, f"Exif Orientation: {old} → {new}" + ("" if block else " (a new Exif segment)")


def remove(file: JpegFile) -> Edit:
    """Return the file without depth. Raises NoDepthError."""
    file.check_whole()
    if not (file.depth_images() or file.has_gdepth() or file.has_dynamic_depth()):
        raise NoDepthError("the photo has no depth to remove")
    plan, packets, _ = _without_depth(file)
    if packets != file.packets:
        plan.xmp = packets.segments(file.source.limits)
    warnings = _warnings(plan, "keep")
    return Edit(splice(plan), warnings)


def _without_depth(file: JpegFile) -> tuple[LayoutPlan, Packets, bool]:
    """Return the file without depth, the XMP without Google's depth, and whether Dynamic Depth has other items.

    An image that both the MPF and a directory list is removed with its item.
    Raises MalformedError when depth shares bytes with other content.
    """
    packets, gone, stay = _without_google(file)
    images: list[FurtherImage] = []
    for i in file.images:
        span = i.stream.start, i.stream.end
        if i.is_depth:
            _apart(i, span, stay)
            gone = [*gone, span]
        elif not any(start <= span[0] and span[1] <= end for start, end in gone):
            _apart(i, span, gone)
            images.append(i)
    return LayoutPlan(file, images, cuts=gone), packets, bool(stay)


def _apart(listed: FurtherImage, span: Span, others: list[Span]) -> None:
    if any(start < span[1] and span[0] < end for start, end in others):
        raise MalformedError(f"MPF image {listed.index + 1} at {span[0]:,}…{span[1]:,} shares bytes with a Dynamic "
                             "Depth item, but only one of them is to be removed", where="XMP Container:Directory",
                             hint="the file was edited by a program that does not support both")


def _without_google(file: JpegFile) -> tuple[Packets, list[Span], list[Span]]:
    """Return the primary's XMP without depth, the items that are depth, and those that are not."""
    if not file.packets.are_googles:
        return file.packets, [], []
    from ..google import dynamic_depth, gdepth

    packets = file.packets.without([gdepth.NAMESPACE], file.source.limits) if file.has_gdepth() else file.packets
    found = file.dynamic
    if found is None:
        return packets, [], []
    stay: tuple[dynamic_depth.DirectoryItem, ...] = found.items
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


def _warnings(plan: LayoutPlan, trailer_policy: str) -> list[str]:
    """Return warnings, and apply the trailer policy. Raises UnsupportedError when it refuses the trailer."""
    file, out = plan.file, []
    frame = file.primary.frame
    if frame.marker in jpeg.ARITHMETIC:
        out.append("the photo is arithmetic-coded, which few programs and no phones can open")
    if frame.components == 4:
        out.append("the photo is CMYK, which phones may not display as a photo with depth")
    size, what = file.source.size - file.tail, trailer.kind(file.source, file.tail)
    if what and trailer_policy == "refuse":
        raise UnsupportedError(f"{size:,} bytes follow the last image ({what})", where=f"trailer at {file.tail:,}",
                               hint="‹trailer=keep› keeps them at the end, ‹trailer=drop› leaves them out")
    if what and trailer_policy == "keep":
        out.append(f"{size:,} bytes after the last image ({what}) are kept at the end; programs that find them by an "
                   "offset from the start will fail to")
    if what and trailer_policy == "drop":
        out.append(f"{size:,} bytes after the last image ({what}) were left out")
    plan.trailer = trailer_policy != "drop"
    if any(s.starts(0xEB, b"JP") for s in file.primary.header):
        out.append(C2PA_BROKEN)
    return out


def read_donor(file: JpegFile) -> Donor:
    """Return what a photo provides as a donor. Raises NoDepthError, UnsupportedError."""
    found = file.depth_images()
    packet = found[0].stream.xmp() if found else None
    if not found or packet is None or found[0].about is None:
        raise NoDepthError("the photo cannot be a donor: it has no depth with Apple's metadata")
    lo, hi = found[0].about.float_min, found[0].about.float_max
    storage = Storage(L008, lo, hi) if lo is not None and hi is not None else None
    return apple.donor(packet, f"MPF image {found[0].index + 1}: XMP", file.exif().custom_rendered, storage,
                       file.source.limits)


def _mark_portrait(file: JpegFile, donor: Donor | None) -> tuple[bytes | None, list[str]]:
    """Return the Exif segment with the donor's CustomRendered (None if unchanged), and descriptions of what changed."""
    value, change = apple.custom_rendered(file.exif().custom_rendered, donor)
    if not change:
        return None, []
    segment = file.primary.find(jpeg.APP1, jpeg.EXIF)
    block = segment.payload[len(jpeg.EXIF) :] if segment else b""
    with located("APP1 Exif"):
        new = jpeg.make(jpeg.APP1, jpeg.EXIF + exif.with_custom_rendered(block, value))
    return new, [change if segment else f"{change} (a new Exif segment)"]
