"""Parses a JPEG file: its primary image, the MPF index, the images in it, and the bytes after them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...errors import GpudepthError, MalformedError, TruncatedError, located
from ...formats import exif, jpeg, mpf, xmp
from ...formats.bytesource import ByteSource
from ...formats.jpeg import Stream
from ...formats.mpf import Mpf
from .. import apple, base
from ..apple import DepthMetadata
from ..base import CONFIDENCE, Auxiliary, AuxiliaryImage, Picture, name_of
from ..google.packets import Packets
from . import image

if TYPE_CHECKING:
    from ..google.dynamic_depth import DynamicDepth

READ_IN_VAIN = 4  # multiple of the file size that may be read for images that turn out to be damaged


@dataclass(frozen=True)
class FurtherImage:
    """An image after the primary one.

    Attributes:
        index: Its index in the MPF table.
        stream: The image.
        about: Apple's metadata of a depth image, or None.
        kind: The kind in words.
        type: AuxiliaryImageType.
    """

    index: int
    stream: Stream
    about: DepthMetadata | None = None
    kind: str = "unknown"
    type: str = ""

    @property
    def is_depth(self) -> bool:
        """Whether NativeFormat declares depth; AuxiliaryImageType is also "depth" for a portrait matte."""
        return self.about is not None and self.about.native is not None


class _Counted:
    """A source that counts the bytes read from it."""

    def __init__(self, source: ByteSource) -> None:
        self.source, self.name, self.size, self.total = source, source.name, source.size, 0
        self.limits = source.limits

    def read(self, offset: int, length: int, what: str = "data") -> bytes:
        self.total += length
        return self.source.read(offset, length, what)


class JpegFile:
    """A parsed JPEG file. Images in the MPF that do not exist are in `missing`: only writing requires them.

    Raises:
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
        LimitError: It asks for too much.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        if source.size == 0:
            raise TruncatedError("the file is empty")
        self.primary = jpeg.parse(source)
        self.mpf: Mpf | None = None
        self.base = 0
        self.images: list[FurtherImage] = []
        self.missing: list[str] = []
        segment = self.primary.find(jpeg.APP2, jpeg.MPF)
        if segment is not None:
            self.mpf = mpf.parse(segment.payload, limits=source.limits)
            self.base = segment.end - len(segment.payload) + len(jpeg.MPF)
            self._find_images()
        self._find_google()

    def _find_images(self) -> None:
        """Find the images of the MPF by their offsets. Sizes are not used, as the primary's is wrong in some files.

        Images that share bytes are left out, because a small file could list one large picture many times.
        """
        assert self.mpf is not None
        at, in_vain = self.primary.end, 0
        held = sum(len(s.payload) for s in self.primary.header)
        for index, entry in sorted(enumerate(self.mpf.entries[1:], 1), key=lambda e: e[1].offset):
            start, where = self.base + entry.offset, f"MPF image {index + 1}"
            if start < at:
                self.missing.append(f"{where}: starts at {start:,}, inside an image that ends at {at:,}")
                continue
            if in_vain > READ_IN_VAIN * self.source.size:
                self.missing.append(f"{where}: is not read after so many damaged images")
                continue
            counted = _Counted(self.source)
            try:
                stream = jpeg.parse(counted, start, where)
            except GpudepthError as error:
                self.missing.append(str(error))
                in_vain += counted.total
                continue
            at = stream.end
            held += sum(len(s.payload) for s in stream.header)
            self.source.limits.check("max_metadata", held, "bytes of segments", where=where)
            self.images.append(_describe(index, stream, self.source))
        self.images.sort(key=lambda i: i.index)

    def _find_google(self) -> None:
        """Read the primary's XMP and the items that follow the primary image according to it."""
        self.packets = Packets(self.primary.xmp() or b"")
        self.dynamic: DynamicDepth | None = None
        self.damage: GpudepthError | None = None
        self.missing_items: list[str] = []
        try:
            self.packets = Packets.of(self.primary, self.source.limits)
            if self.packets.are_googles:
                from ..google import dynamic_depth

                self.dynamic = dynamic_depth.parse(self.packets, self.source.limits)
        except GpudepthError as error:
            from ..google import dynamic_depth, gdepth

            self.packets = replace(self.packets, lost=str(error))
            if self.packets.names([gdepth.NAMESPACE, dynamic_depth.BASE]):
                self.damage = error  # other programs' damaged XMP is ignored
        if self.items_end > self.source.size:
            past = f"Dynamic Depth items extend to {self.items_end:,} in a file of {self.source.size:,} bytes"
            self.missing_items.append(past)

    @property
    def items_end(self) -> int:
        """End of the items of a Dynamic Depth directory, or of the primary image."""
        return self.primary.end + (self.dynamic.size if self.dynamic else 0)

    @property
    def tail(self) -> int:
        """End of the last image, after which the trailer begins."""
        return max([self.items_end, *(i.stream.end for i in self.images)])

    def has_gdepth(self) -> bool:
        if not self.packets.are_googles:
            return False
        from ..google import gdepth

        return gdepth.present(self.packets, self.source.limits)

    def has_dynamic_depth(self) -> bool:
        return self.dynamic is not None and bool(self.dynamic.maps)

    def depth_images(self) -> list[FurtherImage]:
        return [i for i in self.images if i.is_depth]

    def check_whole(self) -> None:
        """Raise MalformedError when listed images are missing or Google's XMP is damaged: they could not be updated."""
        if self.damage is not None:
            raise self.damage
        missing = [*self.missing, *self.missing_items]
        if missing:
            raise MalformedError(f"listed images are missing: {'; '.join(missing)}",
                                 where="APP2 MPF" if self.mpf else "APP1 XMP",
                                 hint="the file was truncated, or edited by a program that does not support them")

    def exif(self) -> exif.Exif:
        return exif_of(self.primary)

    def picture(self) -> Picture:
        return picture_of(self.primary)

    def describe_auxiliaries(self) -> list[Auxiliary]:
        return [Auxiliary(i.kind, i.type, i.stream.frame.width, i.stream.frame.height) for i in self.images]


def exif_of(primary: Stream) -> exif.Exif:
    """Return the Exif fields of an image; defaults when they are missing or damaged."""
    segment = primary.find(jpeg.APP1, jpeg.EXIF)
    if segment is not None:
        with contextlib.suppress(MalformedError):
            return exif.parse(segment.payload)
    return exif.Exif()


def picture_of(primary: Stream) -> Picture:
    """Return the picture of an image's header."""
    about, frame = exif_of(primary), primary.frame
    return Picture(frame.width, frame.height, about.orientation, about.focal35)


def _describe(index: int, stream: Stream, source: ByteSource) -> FurtherImage:
    """Describe an image by its XMP; with damaged XMP its kind is unknown."""
    packet, where = stream.xmp(), f"MPF image {index + 1}: XMP"
    if packet is None:
        return FurtherImage(index, stream)
    try:
        parsed = xmp.parse(packet, where, source.limits)
        about = apple.parse(parsed, where) if parsed.has(apple.APDI) else None
    except GpudepthError:
        return FurtherImage(index, stream)
    kind = parsed.text(apple.APDI, "AuxiliaryImageType") or ""
    if about is not None and about.native is not None:
        return FurtherImage(index, stream, about, "depth", kind)
    if parsed.text(apple.APDI, "AuxiliaryImageSubType") == "portraiteffectsmatte":
        return FurtherImage(index, stream, None, "portrait effects matte", kind)
    return FurtherImage(index, stream, None, base.KINDS.get(kind, "unknown"), kind)


def images(file: JpegFile) -> list[AuxiliaryImage]:
    """Return the images in the order of the file. Further images share the primary's orientation, as depth does."""
    turn = file.exif().orientation
    found = [AuxiliaryImage(name, i.kind, i.type, turn, partial(_further, file, i))
             for i in file.images if (name := name_of(i.kind))]
    if not file.packets.are_googles:
        return found
    from ..google import dynamic_depth, gdepth

    limits = file.source.limits
    if file.damage is None and file.dynamic is not None and dynamic_depth.has_confidence(file.dynamic):
        found.append(AuxiliaryImage(CONFIDENCE, CONFIDENCE, "Dynamic Depth", turn, partial(_dynamic, file)))
    elif file.damage is None and gdepth.has_confidence(file.packets, limits):
        found.append(AuxiliaryImage(CONFIDENCE, CONFIDENCE, "GDepth", turn, partial(_gdepth, file)))
    return found


def _further(file: JpegFile, found: FurtherImage) -> tuple[NDArray[Any], int]:
    with located(file.source.name), located(f"MPF image {found.index + 1}"):
        return image.decode(file.source, found.stream, file.source.limits, found.kind)


def _dynamic(file: JpegFile) -> tuple[NDArray[Any], int]:
    from ..google import dynamic_depth

    assert file.dynamic is not None
    with located(file.source.name):
        codes = dynamic_depth.confidence(file.dynamic, file.source, file.primary.end)
    return codes, 8 * codes.itemsize


def _gdepth(file: JpegFile) -> tuple[NDArray[Any], int]:
    from ..google import gdepth

    with located(file.source.name):
        codes = gdepth.confidence(file.packets, file.source.limits)
    return codes, 8 * codes.itemsize
