"""Implements the DNG container. Modules that parse and write files are imported when a file is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import PixelFormat
from ...errors import GpudepthError, located
from ...formats.bytesource import ByteSource
from ..base import (
    DEFAULT_PLACEMENT,
    PROTOCOL,
    Capabilities,
    CodedMap,
    Contents,
    Edit,
    Picture,
    Placement,
    read_or_note,
)

if TYPE_CHECKING:
    from ..rules import Finding


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
        if head[:2] not in (b"II", b"MM"):
            return False
        from ...formats import tiff

        return tiff.sniff(head)

    def recognises(self, source: ByteSource) -> bool:
        """Return whether a TIFF file is a DNG, by a tag of IFD 0, or by its suffix when that cannot be read."""
        from .file import is_dng

        try:
            return is_dng(source)
        except GpudepthError:
            return source.name.lower().endswith(self.suffixes)

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        from . import writer

        return writer.storage(fmt, lo, hi, bits)

    def picture(self, source: ByteSource) -> Picture:
        from .file import DngFile

        with located(source.name):
            return DngFile(source).picture()

    def read(self, source: ByteSource) -> DepthData | None:
        from .codec import read_depth
        from .file import DngFile

        with located(source.name):
            return read_depth(DngFile(source))

    def inspect(self, source: ByteSource) -> Contents:
        from .file import DngFile

        with located(source.name):
            file = DngFile(source)
            notes: list[str] = []
            depth = read_or_note(lambda: self.read(source), notes)
            if len(file.full_depth_ifds()) > 1:
                notes.append(f"{source.name}: several directories are marked as the depth map; readers use the first")
            return Contents(self.name, file.picture(), file.describe_auxiliaries(), depth, notes)

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        from . import writer
        from .file import DngFile

        with located(source.name):
            placement.profile_of(self)
            placement.refuse_turn("DNG")
            return Edit(*writer.attach(DngFile(source), coded, replace=placement.replace))

    def check(self, source: ByteSource, profile: str | None = None) -> list[Finding]:
        from .check import check

        Placement(profile).profile_of(self)
        return check(source, profile)

    def remove(self, source: ByteSource) -> Edit:
        from . import writer
        from .file import DngFile

        with located(source.name):
            return Edit(*writer.remove(DngFile(source)))
