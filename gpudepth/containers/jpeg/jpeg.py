"""Implements the JPEG container. Modules that parse and write files are imported when a file is opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import PixelFormat, stored
from ...errors import GpudepthError, RangeError, UsageError, located
from ...formats.bytesource import ByteSource
from ..base import (
    DEFAULT_PLACEMENT,
    PROTOCOL,
    Auxiliary,
    AuxiliaryImage,
    Capabilities,
    CodedMap,
    Contents,
    Donor,
    Edit,
    Picture,
    Placement,
    VendorMap,
    read_or_note,
)

if TYPE_CHECKING:
    from ..rules import Finding
    from .file import JpegFile


class Jpeg:
    """`Container` for JPEG files: Apple's layout, Google's GDepth and Dynamic Depth; vendors' trailers are read."""

    name = "jpeg"
    protocol = PROTOCOL
    capabilities = Capabilities(decoder="pillow", can_be_map=True, transcodes=True, takes_frames=True)
    suffixes: tuple[str, ...] = (".jpg", ".jpeg", ".jpe")
    bits: tuple[int, ...] = (8,)
    profiles: tuple[str, ...] = ("apple-depth", "article", "apple-portrait", "gdepth", "dynamic-depth")
    companions: tuple[str, ...] = ("gdepth", "dynamic-depth")

    def sniff(self, head: bytes) -> bool:
        return head[:3] == b"\xff\xd8\xff"

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        if bits not in (None, 8, 16):
            raise UsageError(f"JPEG depth has 8 bits, or 16 in GDepth, not {bits}", hint="‹bits=8›, or write a HEIC")
        return Storage(stored(bits or 8), lo, hi)

    def picture(self, source: ByteSource) -> Picture:
        from ...formats import jpeg
        from .file import picture_of

        with located(source.name):
            return picture_of(jpeg.parse(source, whole=False))

    def read(self, source: ByteSource) -> DepthData | None:
        with located(source.name):
            return self._read(_parsed(source))

    def inspect(self, source: ByteSource) -> Contents:
        from ...formats.jpeg import LOSSLESS

        with located(source.name):
            file = _parsed(source)
        notes = [*file.missing, *file.missing_items]
        depth = read_or_note(lambda: self._read(file), notes)
        if any(i.stream.frame.marker == LOSSLESS for i in file.depth_images()):
            notes.append("the map is lossless JPEG, as Apple reportedly stores holes; reading such files is not "
                         "verified on real ones")
        return Contents(self.name, file.picture(), [*file.describe_auxiliaries(), *_google(file), *_vendor(file)],
                        depth, notes)

    def codes(self, source: ByteSource) -> VendorMap | None:
        """Return the map of a vendor's trailer in coded orientation; its codes have no metres."""
        from . import trailer

        with located(source.name):
            return trailer.vendor_map(source, _parsed(source).tail)

    def auxiliary_images(self, source: ByteSource) -> list[AuxiliaryImage]:
        from .file import images

        with located(source.name):
            return images(_parsed(source))

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        from . import writer

        with located(source.name):
            return writer.attach(_parsed(source), coded, placement.profile_of(self), placement)

    def check(self, source: ByteSource, profile: str | None = None) -> list[Finding]:
        from .check import check

        Placement(profile).profile_of(self)
        return check(source, profile)

    def donor(self, source: ByteSource) -> Donor:
        from . import writer

        with located(source.name):
            return writer.read_donor(_parsed(source))

    def remove(self, source: ByteSource) -> Edit:
        from . import writer

        with located(source.name):
            return writer.remove(_parsed(source))

    @staticmethod
    def _read(file: JpegFile) -> DepthData | None:
        """Read the first image with a native depth format in its XMP, or else other layouts."""
        found = file.depth_images()
        if not found or found[0].about is None or found[0].about.native is None:
            return _read_others(file)
        about = found[0].about
        where = f"MPF image {found[0].index + 1}"
        if about.float_min is None or about.float_max is None:
            raise RangeError("the XMP does not define what the codes mean in metres", where=where,
                             hint="attach the depth again with its range: ‹near=0.5› ‹far=12›")
        from .. import apple
        from . import image

        codes, bits = image.decode(file.source, found[0].stream, file.source.limits)
        frame = file.primary.frame
        assert about.native is not None
        return apple.depth_data(codes, Storage(stored(bits), about.float_min, about.float_max), about.native, about,
                                orientation=file.exif().orientation, frame=(frame.width, frame.height))


def _parsed(source: ByteSource) -> JpegFile:
    from .file import JpegFile

    return JpegFile(source)


def _read_others(file: JpegFile) -> DepthData | None:
    """Read Dynamic Depth, then GDepth; a vendor's map raises RangeError because it has no metres."""
    from ..google import dynamic_depth, gdepth
    from . import trailer

    if file.damage is not None:
        raise file.damage
    orientation, limits = file.exif().orientation, file.source.limits
    if file.dynamic is not None:
        data = dynamic_depth.read(file.dynamic, file.source, file.primary.end, orientation)
        if data is not None:
            return data
    data = gdepth.read(file.packets, orientation, limits) if file.packets.are_googles else None
    if data is None and (found := trailer.vendor_map(file.source, file.tail)) is not None:
        height, width = found.codes.shape
        raise RangeError(f"the {found.vendor} map of {width}×{height} codes has no metres", where="trailer",
                         hint="give it a range with gpudepth convert FILE --near M --far M -o OUT, and --white near if "
                              "white is near")
    return data


def _google(file: JpegFile) -> list[Auxiliary]:
    from ..google import dynamic_depth, gdepth

    def dynamic() -> DepthData | None:
        return dynamic_depth.read(file.dynamic, file.source, file.primary.end, 1) if file.dynamic else None

    def in_xmp() -> DepthData | None:
        return gdepth.read(file.packets, 1, file.source.limits)

    found: list[tuple[str, Callable[[], DepthData | None]]] = []
    found += [("Dynamic Depth", dynamic)] if file.has_dynamic_depth() else []
    found += [("GDepth", in_xmp)] if file.has_gdepth() else []
    out = []
    for name, read in found:
        width = height = 0
        with contextlib.suppress(GpudepthError):  # another note says why it cannot be read
            data = read()
            width, height = (data.width, data.height) if data is not None else (0, 0)
        out.append(Auxiliary("depth", name, width, height))
    return out


def _vendor(file: JpegFile) -> list[Auxiliary]:
    from . import trailer

    try:
        found = trailer.vendor_map(file.source, file.tail)
    except GpudepthError:
        return []
    return [] if found is None else [Auxiliary("depth", found.vendor, found.codes.shape[1], found.codes.shape[0])]
