"""The JPEG container."""

from __future__ import annotations

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import L008, PixelFormat, stored
from ...errors import GpudepthError, RangeError, UsageError
from ...formats.bytesource import ByteSource
from .. import apple
from ..base import DEFAULT_PLACEMENT, CodedMap, Contents, Edit, Picture, Placement
from ..google import gdepth
from . import image, writer
from .file import JpegFile


class Jpeg:
    """`Container` for JPEG files: Apple's layout is written and read, GDepth is read."""

    name = "jpeg"
    suffixes: tuple[str, ...] = (".jpg", ".jpeg", ".jpe")
    bits: tuple[int, ...] = (8,)
    profiles: tuple[str, ...] = ("apple-depth", "article")
    companions: tuple[str, ...] = ()

    def sniff(self, head: bytes) -> bool:
        return head[:3] == b"\xff\xd8\xff"

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        if bits not in (None, 8):
            raise UsageError(f"JPEG depth has 8 bits, not {bits}", hint="--bits 8, or write a HEIC")
        return Storage(L008, lo, hi)

    def picture(self, source: ByteSource) -> Picture:
        return _open(source).picture()

    def read(self, source: ByteSource) -> DepthData | None:
        try:
            return self._read(_open(source))
        except GpudepthError as error:
            raise error.within(source.name) from None

    def inspect(self, source: ByteSource) -> Contents:
        file = _open(source)
        notes, depth = list(file.missing), None
        try:
            depth = self._read(file)
        except GpudepthError as error:
            notes.append(str(error))
        return Contents(self.name, file.picture(), file.describe_auxiliaries(), depth, notes)

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        file = _open(source)
        try:
            return Edit(*writer.attach(file, coded, placement.profile_of(self), replace_depth=placement.replace))
        except GpudepthError as error:
            raise error.within(source.name) from None

    def remove(self, source: ByteSource) -> Edit:
        file = _open(source)
        try:
            return Edit(*writer.remove(file))
        except GpudepthError as error:
            raise error.within(source.name) from None

    @staticmethod
    def _read(file: JpegFile) -> DepthData | None:
        """The first image whose XMP names a native depth format; without one, Google's depth."""
        found = file.depth_images()
        if not found or found[0].about is None or found[0].about.native is None:
            return gdepth.read(file.primary, file.exif().orientation, file.source.limits)
        about = found[0].about
        where = f"MPF image {found[0].index + 1}"
        if about.float_min is None or about.float_max is None:
            raise RangeError("its XMP does not say what the codes mean in metres", where=where,
                             hint="attach the depth again with --near and --far")
        codes, bits = image.decode(file.source, found[0].stream, file.source.limits)
        frame = file.primary.frame
        assert about.native is not None
        return apple.depth_data(codes, Storage(stored(bits), about.float_min, about.float_max), about.native, about,
                                orientation=file.exif().orientation, frame=(frame.width, frame.height))


def _open(source: ByteSource) -> JpegFile:
    try:
        return JpegFile(source)
    except GpudepthError as error:
        raise error.within(source.name) from None
