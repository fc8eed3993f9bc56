"""Implements the DNG container."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import PixelFormat
from ...errors import GpudepthError
from ...formats import tiff
from ...formats.bytesource import ByteSource
from ..base import DEFAULT_PLACEMENT, PROTOCOL, Capabilities, CodedMap, Contents, Edit, Picture, Placement
from ..rules import Finding
from . import writer
from .check import check
from .file import DEPTH, DngFile, is_dng
from .reader import read_depth


@contextlib.contextmanager
def _inside(source: ByteSource) -> Iterator[None]:
    """Prefix the place in errors with the name of the file."""
    try:
        yield
    except GpudepthError as error:
        raise error.within(source.name) from None


class Dng:
    """`Container` for DNG files, classic and BigTIFF."""

    name = "dng"
    protocol = PROTOCOL
    capabilities = Capabilities()
    suffixes: tuple[str, ...] = (".dng",)
    bits: tuple[int, ...] = (16, 8)
    profiles: tuple[str, ...] = ("dng",)
    companions: tuple[str, ...] = ()

    def sniff(self, head: bytes) -> bool:
        return tiff.sniff(head)

    def recognises(self, source: ByteSource) -> bool:
        """Return whether a TIFF file is a DNG, by a tag of IFD 0, or by its suffix when that cannot be read."""
        try:
            return is_dng(source)
        except GpudepthError:
            return source.name.lower().endswith(self.suffixes)

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        return writer.storage(fmt, lo, hi, bits)

    def picture(self, source: ByteSource) -> Picture:
        with _inside(source):
            return DngFile(source).picture()

    def read(self, source: ByteSource) -> DepthData | None:
        with _inside(source):
            return read_depth(DngFile(source))

    def inspect(self, source: ByteSource) -> Contents:
        with _inside(source):
            file = DngFile(source)
            notes: list[str] = []
            depth = None
            try:
                depth = read_depth(file)
            except GpudepthError as error:
                notes.append(str(error.within(source.name)))
            if sum(file.kind(i) == DEPTH for i in file.depth_ifds()) > 1:
                notes.append(f"{source.name}: several directories are marked as the depth map; readers use the first")
            return Contents(self.name, file.picture(), file.describe_auxiliaries(), depth, notes)

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        with _inside(source):
            placement.profile_of(self)
            placement.refuse_turn("DNG")
            return Edit(*writer.attach(DngFile(source), coded, replace=placement.replace))

    def check(self, source: ByteSource, profile: str | None = None) -> list[Finding]:
        Placement(profile).profile_of(self)
        return check(source, profile)

    def remove(self, source: ByteSource) -> Edit:
        with _inside(source):
            return Edit(*writer.remove(DngFile(source)))
