"""Implements the HEIF container. Modules that parse and write files are imported when a file is opened."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import PixelFormat
from ...errors import located
from ...formats.bytesource import ByteSource
from ..base import (
    DEFAULT_PLACEMENT,
    PROTOCOL,
    AuxiliaryImage,
    Capabilities,
    CodedMap,
    Contents,
    Donor,
    Edit,
    Picture,
    Placement,
    name_of,
    read_or_note,
)

if TYPE_CHECKING:
    from ..rules import Finding
    from .file import HeifFile

_OTHER_BRANDS = (b"qt  ", b"crx ", b"M4A ", b"M4V ", b"isom", b"mp41", b"mp42", b"avc1", b"3gp4", b"3gp5", b"dash")


class Heif:
    """`Container` for HEIC, HEIF and AVIF files."""

    name = "heif"
    protocol = PROTOCOL
    capabilities = Capabilities(decoder="libheif", encodes=True, takes_frames=True)
    suffixes: tuple[str, ...] = (".heic", ".heif", ".hif", ".avif")
    bits: tuple[int, ...] = (8, 10, 12)
    profiles: tuple[str, ...] = ("apple-depth", "article", "apple-portrait")
    companions: tuple[str, ...] = ()

    def sniff(self, head: bytes) -> bool:
        return head[4:8] == b"ftyp" and head[8:12] not in _OTHER_BRANDS

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        from . import writer

        return writer.storage(fmt, lo, hi, bits)

    def picture(self, source: ByteSource) -> Picture:
        with located(source.name):
            return _parsed(source).picture()

    def read(self, source: ByteSource) -> DepthData | None:
        from .reader import read_depth

        with located(source.name):
            return read_depth(_parsed(source))

    def inspect(self, source: ByteSource) -> Contents:
        from .reader import read_depth

        file = _parsed(source)
        notes: list[str] = []
        depth = read_or_note(lambda: read_depth(file), notes)
        with located(source.name):
            return Contents(self.name, file.picture(), file.describe_auxiliaries(), depth, notes)

    def auxiliary_images(self, source: ByteSource) -> list[AuxiliaryImage]:
        from .file import KINDS

        with located(source.name):
            file = _parsed(source)
            found = [(item, urn, KINDS.get(urn, ""), file.orientation(item)) for item, urn in file.auxiliaries()]
        return [AuxiliaryImage(name, kind, urn, turn, partial(_decode, file, item))
                for item, urn, kind, turn in found if (name := name_of(kind))]

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        from . import writer

        with located(source.name):
            file, profile = _taken(source), placement.profile_of(self)
            placement.refuse_turn("HEIF")
            return writer.attach(file, coded, profile, placement)

    def donor(self, source: ByteSource) -> Donor:
        from .reader import read_donor

        with located(source.name):
            return read_donor(_parsed(source))

    def check(self, source: ByteSource, profile: str | None = None) -> list[Finding]:
        from .check import check

        Placement(profile).profile_of(self)
        return check(source, profile)

    def remove(self, source: ByteSource) -> Edit:
        from . import writer

        with located(source.name):
            return writer.remove(_taken(source))


def _parsed(source: ByteSource) -> HeifFile:
    """Return the parsed file, which is kept: its picture is asked for, then its depth."""
    from .file import HeifFile

    if not isinstance(source.parsed, HeifFile):
        source.parsed = HeifFile(source)
    return source.parsed


def _taken(source: ByteSource) -> HeifFile:
    """Return the parsed file for an edit, which changes it, so that it is not kept."""
    file, source.parsed = _parsed(source), None
    return file


def _decode(file: HeifFile, item: int) -> tuple[NDArray[Any], int]:
    from .reader import decode

    with located(file.source.name), located(f"auxiliary item {item}"):
        return decode(file, item)
