"""Writes a HEIC of one coded picture box by box: ftyp, meta, mdat with the encoder's bytes."""

from __future__ import annotations

from ...depth.orientation import to_heif
from ...formats.hevc.codec import Colour
from ...formats.isobmff.box import make, make_full
from ...formats.isobmff.items import ItemInfo
from ...formats.isobmff.locations import Extent, Locations
from ...formats.isobmff.meta import Meta
from ...formats.isobmff.properties import Properties

PICTURE = 1     # id of the item


def heic(hvcc: bytes, data: bytes, width: int, height: int, colour: Colour, *, bits: int = 8,
         orientation: int = 1) -> bytes:
    """Return a HEIC file that displays a coded picture with an Exif orientation.

    Brands are those of Apple and libheif: heic for 8 bits, heix for 10. colr is nclx (ISO/IEC 23008-12, 6.5.5), pixi
    declares the bits of three channels.

    Args:
        hvcc: The hvcC box.
        data: The item's data.
        width: Width in pixels.
        height: Height in pixels.
        colour: Colour of the picture.
        bits: Bits per channel.
        orientation: Exif orientation.
    """
    properties, locations = Properties(), Locations()
    size = make_full("ispe", 0, 0, width.to_bytes(4, "big") + height.to_bytes(4, "big"))
    for raw in (hvcc, size, nclx(colour), make_full("pixi", 0, 0, bytes([3, bits, bits, bits]))):
        properties.associate(PICTURE, raw)
    for kind, value in to_heif(orientation):
        properties.associate(PICTURE, make(kind, bytes([value])))
    order = [("hdlr", make_full("hdlr", 0, 0, bytes(4) + b"pict" + bytes(13))),
             ("pitm", make_full("pitm", 0, 0, PICTURE.to_bytes(2, "big"))), ("iinf", b""), ("iloc", b"")]
    meta = Meta(PICTURE, {PICTURE: ItemInfo(PICTURE, "hvc1")}, [], properties, locations, [], b"", order)
    brand = b"heic" if bits == 8 else b"heix"
    head = make("ftyp", brand + bytes(4) + b"mif1" + brand + b"miaf")
    locations.add(PICTURE, (Extent(0, len(data)),))
    locations.add(PICTURE, (Extent(len(head) + len(meta.serialise()) + 8, len(data)),))
    return head + meta.serialise() + make("mdat", data)


def nclx(colour: Colour) -> bytes:
    """Return the colr box with H.273 code points (ISO/IEC 14496-12, 12.1.5)."""
    points = b"".join(v.to_bytes(2, "big") for v in (colour.primaries, colour.transfer, colour.matrix))
    return make("colr", b"nclx" + points + bytes([0x80 * colour.full_range]))
