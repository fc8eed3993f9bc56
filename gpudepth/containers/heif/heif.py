"""Implements the HEIF container."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import PixelFormat
from ...errors import GpudepthError, NoDepthError
from ...formats import exif
from ...formats.bytesource import ByteSource
from .. import apple
from ..auxiliary import AuxiliaryImage, name_of
from ..base import DEFAULT_PLACEMENT, PROTOCOL, Capabilities, CodedMap, Contents, Donor, Edit, Picture, Placement
from ..rules import Finding
from . import writer
from .check import check
from .file import KINDS, HeifFile
from .reader import decode, read_depth
from .rewrite import Rewriter

_OTHER_BRANDS = (b"qt  ", b"crx ", b"M4A ", b"M4V ", b"isom", b"mp41", b"mp42", b"avc1", b"3gp4", b"3gp5", b"dash")


@contextlib.contextmanager
def _inside(source: ByteSource) -> Iterator[None]:
    """Prefix the place in errors with the name of the file."""
    try:
        yield
    except GpudepthError as error:
        raise error.within(source.name) from None


def _decode(file: HeifFile, item: int) -> tuple[NDArray[Any], int]:
    with _inside(file.source):
        try:
            return decode(file, item)
        except GpudepthError as error:
            raise error.within(f"auxiliary item {item}") from None


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
        return writer.storage(fmt, lo, hi, bits)

    def picture(self, source: ByteSource) -> Picture:
        with _inside(source):
            return HeifFile(source).picture()

    def read(self, source: ByteSource) -> DepthData | None:
        with _inside(source):
            return read_depth(HeifFile(source))

    def inspect(self, source: ByteSource) -> Contents:
        file = HeifFile(source)
        notes: list[str] = []
        depth = None
        try:
            depth = read_depth(file)
        except GpudepthError as error:
            notes.append(str(error))
        with _inside(source):
            return Contents(self.name, file.picture(), file.describe_auxiliaries(), depth, notes)

    def auxiliary_images(self, source: ByteSource) -> list[AuxiliaryImage]:
        with _inside(source):
            file = HeifFile(source)
            found = [(item, urn, KINDS.get(urn, ""), file.orientation(item)) for item, urn in file.auxiliaries()]
        return [AuxiliaryImage(name, kind, urn, turn, partial(_decode, file, item))
                for item, urn, kind, turn in found if (name := name_of(kind))]

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        with _inside(source):
            file = HeifFile(source)
            edit = Rewriter(file)
            profile = placement.profile_of(self)
            placement.refuse_turn("HEIF")
            warnings = writer.attach(file, edit, coded, profile, placement)
            changes = _mark_portrait(file, edit, placement.donor) if profile == "apple-portrait" else ()
            return Edit(edit.splice(), warnings, changes)

    def donor(self, source: ByteSource) -> Donor:
        with _inside(source):
            return read_donor(HeifFile(source))

    def check(self, source: ByteSource, profile: str | None = None) -> list[Finding]:
        Placement(profile).profile_of(self)
        return check(source, profile)

    def remove(self, source: ByteSource) -> Edit:
        with _inside(source):
            file = HeifFile(source)
            edit = Rewriter(file)
            warnings = writer.remove(file, edit)
            return Edit(edit.splice(), warnings)


PORTRAIT = 9  # CustomRendered; 8 and 9 are seen in photos of Portrait mode, and 9 is reported to be accepted


def read_donor(file: HeifFile) -> Donor:
    """Return what a photo provides as a donor. Raises NoDepthError, UnsupportedError."""
    data = read_depth(file)
    packets = file.metadata_of(file.depth_items()[-1]) if data is not None else []
    if data is None or not packets:
        raise NoDepthError("the photo cannot be a donor: it has no depth with Apple's metadata")
    return apple.donor(file.data(packets[0], "max_xmp"), f"XMP item {packets[0]}", file.exif().custom_rendered,
                       data.storage, file.source.limits)


def _mark_portrait(file: HeifFile, edit: Rewriter, donor: Donor | None) -> list[str]:
    """Set Exif CustomRendered to the donor's value; return descriptions of what changed."""
    value = PORTRAIT if donor is None or donor.custom_rendered is None else donor.custom_rendered
    old = file.exif().custom_rendered
    if old == value:
        return []
    change = f"Exif CustomRendered: {'none' if old is None else old} → {value}"
    for item in file.meta.to("cdsc", file.meta.primary):
        if item in file.meta.items and file.meta.items[item].type == "Exif":
            data = file.data(item, "max_metadata")
            at = 4 + int.from_bytes(data[:4], "big")
            try:
                edit.put(item, data[:at] + _set(data[at:], value))
            except GpudepthError as error:
                raise error.within(f"Exif item {item}") from None
            return [change]
    item = edit.add("Exif", (6).to_bytes(4, "big") + exif.HEADING + exif.with_custom_rendered(b"", value))
    edit.refer("cdsc", item, file.meta.primary)
    return [f"{change} (a new Exif item)"]


def _set(block: bytes, value: int) -> bytes:
    heading = exif.HEADING if block.startswith(exif.HEADING) else b""
    return heading + exif.with_custom_rendered(block[len(heading) :], value)
