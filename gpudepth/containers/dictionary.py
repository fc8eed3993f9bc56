"""Reads and writes ImageIO's auxiliary data dictionary, for `AVDepthData(fromDictionaryRepresentation:)`, as a plist.

    kCGImageAuxiliaryDataInfoData              rows of little-endian floats, padded to BytesPerRow
    kCGImageAuxiliaryDataInfoDataDescription   PixelFormat, Width, Height, BytesPerRow
    gpudepthAuxiliaryDataType                  …TypeDisparity or …TypeDepth, for CGImageDestinationAddAuxiliaryDataInfo
    gpudepthMetadataXMP                        the metadata as an XMP packet for CGImageMetadataCreateFromXMPData,
                                               because a property list cannot hold the CGImageMetadata object of
                                               kCGImageAuxiliaryDataInfoMetadata
"""

from __future__ import annotations

from typing import Any

from ..depth.data import DATA, DATA_DESCRIPTION, TYPE_DEPTH, TYPE_DISPARITY, DepthData, Storage, map_from_info
from ..depth.pixel_format import PixelFormat, Quantity
from ..errors import MalformedError, UnsupportedError, UsageError, located
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .base import DEFAULT_PLACEMENT, PROTOCOL, Capabilities, CodedMap, Contents, Edit, Picture, Placement

TYPE, PACKET = "gpudepthAuxiliaryDataType", "gpudepthMetadataXMP"
SUFFIXES = (".plist", ".bplist")  # XML and binary; readers distinguish them by their first bytes
ROW_ALIGNMENT = 64  # as Core Video pads the rows of its buffers
BINARY = b"bplist00"


def sniff(head: bytes) -> bool:
    """Return whether a file that starts with these bytes may be a property list."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(BINARY) or text.startswith((b"<?xml", b"<!DOCTYPE plist", b"<plist"))


def parse_plist(data: bytes, where: str = "plist", limits: Limits = DEFAULT) -> Any:
    """Parse a property list. Raises MalformedError, LimitError."""
    import plistlib
    from xml.parsers.expat import ExpatError

    limits.check("max_decoded_bytes", len(data), where=where)
    if not data.startswith(BINARY) and b"<!ENTITY" in data:
        raise MalformedError("the property list declares an entity, which is not allowed", where=where)
    try:
        return plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, OverflowError,
            RecursionError, AttributeError, MemoryError, UnicodeError) as error:
        raise MalformedError(f"not a property list: {error or type(error).__name__}", where=where) from None


def serialise_plist(objects: Any, *, binary: bool = False) -> bytes:
    """Write XML, which people can read, or binary, which is a quarter smaller. Keys keep their order."""
    import plistlib

    return plistlib.dumps(objects, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML, sort_keys=False)


def serialise(data: DepthData, *, binary: bool = False) -> bytes:
    """Return the property list of a map in its native format."""
    tight = data.width * data.pixel_format.dtype.itemsize
    info: dict[str, Any] = data.auxiliary_data_info(-(-tight // ROW_ALIGNMENT) * ROW_ALIGNMENT)
    info[TYPE] = TYPE_DISPARITY if data.quantity is Quantity.DISPARITY else TYPE_DEPTH
    from . import apple

    info[PACKET] = apple.metadata_packet(data.calibration, data.accuracy, data.quality, filtered=data.filtered)
    return serialise_plist(info, binary=binary)


def parse(raw: bytes, where: str = "plist") -> DepthData:
    """Read a property list. Raises MalformedError."""
    from ..formats import xmp
    from . import apple

    info = parse_plist(raw, where)
    if not (isinstance(info, dict) and isinstance(info.get(DATA), bytes)
            and isinstance(info.get(DATA_DESCRIPTION), dict)):
        raise MalformedError(f"not an auxiliary data dictionary with {DATA} and {DATA_DESCRIPTION}", where=where)
    try:
        values, fmt = map_from_info(info)
    except UsageError as error:
        raise MalformedError(error.message, where=where) from None
    packet = info.get(PACKET)
    about = apple.parse(xmp.parse(packet, f"{where}: XMP")) if isinstance(packet, bytes) else apple.DepthMetadata()
    return DepthData(values, fmt, calibration=about.calibration, accuracy=about.accuracy, quality=about.quality,
                     filtered=about.filtered)


class Dictionary:
    """`Container` for property lists, which hold depth but no photo: nothing can be attached to them."""

    name = "dictionary"
    protocol = PROTOCOL
    capabilities = Capabilities(has_picture=False)
    suffixes: tuple[str, ...] = SUFFIXES
    bits: tuple[int, ...] = ()
    profiles: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()

    def sniff(self, head: bytes) -> bool:
        return sniff(head)

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        raise self._no_photo()

    def picture(self, source: ByteSource) -> Picture:
        data = self.read(source)
        return Picture(data.width, data.height)

    def read(self, source: ByteSource) -> DepthData:
        with located(source.name):
            return parse(source.read(0, source.size), "plist")

    def inspect(self, source: ByteSource) -> Contents:
        data = self.read(source)
        return Contents(self.name, Picture(data.width, data.height), (), data)

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        raise self._no_photo(source)

    def remove(self, source: ByteSource) -> Edit:
        raise self._no_photo(source)

    @staticmethod
    def _no_photo(source: ByteSource | None = None) -> UnsupportedError:
        return UnsupportedError("a dictionary holds depth but no photo", where=source.name if source else None,
                                hint="write one with gpudepth extract -o depth.plist")
