"""A tiny HEIC file made box by box.

libheif pads pictures below 64 pixels a side and cuts them again with a clean aperture, which not every app knows; the
test kit's photos are to test depth, so theirs have none.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..containers.heif.file import HeifFile
from ..containers.heif.rewrite import Rewriter
from ..depth import orientation as exif
from ..formats.bytesource import ByteSource
from ..formats.hevc.codec import encode_monochrome
from ..formats.hevc.configuration import Configuration
from ..formats.hevc.nal import VPS, join_lengths, nal_type, split_annex_b
from ..formats.hevc.parameter_sets import ProfileTierLevel, level_idc
from ..formats.isobmff.box import make, make_full
from ..formats.isobmff.items import ItemInfo
from ..formats.isobmff.locations import Extent, Locations
from ..formats.isobmff.meta import Meta
from ..formats.isobmff.properties import Properties

# primaries BT.709, transfer sRGB, matrix BT.601, full range: what the planes below are
_COLOUR = make("colr", b"nclx" + b"\0\x01\0\x0d\0\x06\x80")
_X265 = ("keyint=1:info=0:repeat-headers=1:hash=0:log-level=none:pools=none:frame-threads=1:crf=4:range=full:"
         "colorprim=bt709:transfer=iec61966-2-1:colormatrix=smpte170m")
# x265 calls intra pictures a range extension; nothing in them is beyond Main Still Picture, which every decoder knows
_PROFILE = ProfileTierLevel(3, b"\x70\0\0\0", b"\x90\0\0\0\0\0", level_idc(0))
_ALPHA_URN = b"urn:mpeg:hevc:2015:auxid:1\0"
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def heic(stored: NDArray[np.uint8], orientation: int, *, alpha: NDArray[np.uint8] | None = None,
         exif_block: bytes | None = None) -> bytes:
    """(H, W, 3) sRGB pixels of even size, as stored → a file that displays with an Exif orientation.

    alpha: (H, W), stored like the pixels.
    """
    edit = Rewriter(HeifFile(ByteSource(_plain(stored))))
    properties, primary = edit.meta.properties, edit.meta.primary
    turns = [make(kind, bytes([value])) for kind, value in exif.to_heif(orientation)]
    for raw in turns:
        properties.associate(primary, raw)
    if exif_block is not None:
        edit.refer("cdsc", edit.add("Exif", b"\0\0\0\x06" + exif_block), primary)
    if alpha is not None:
        hvcc, data = encode_monochrome(alpha)
        item = edit.add("hvc1", data)
        for raw in (_size(alpha), *turns, make_full("pixi", 0, 0, b"\x01\x08"), make_full("auxC", 0, 0, _ALPHA_URN),
                    hvcc):
            properties.associate(item, raw)
        edit.refer("auxl", item, primary)
    return edit.splice().to_bytes()


def _plain(pixels: NDArray[np.uint8]) -> bytes:
    """A file with one picture, as stored."""
    hvcc, data = _encode(pixels)
    properties, locations = Properties(), Locations()
    for raw in (hvcc, _size(pixels), _COLOUR, make_full("pixi", 0, 0, b"\x03\x08\x08\x08")):
        properties.associate(1, raw)
    order = [("hdlr", make_full("hdlr", 0, 0, bytes(4) + b"pict" + bytes(13))),
             ("pitm", make_full("pitm", 0, 0, b"\0\x01")), ("iinf", b""), ("iloc", b"")]
    meta = Meta(1, {1: ItemInfo(1, "hvc1")}, [], properties, locations, [], b"", order)
    head = make("ftyp", b"heic\0\0\0\0mif1heicmiaf")
    locations.add(1, (Extent(0, len(data)),))
    locations.add(1, (Extent(len(head) + len(meta.serialise()) + 8, len(data)),))
    return head + meta.serialise() + make("mdat", data)


def _size(image: NDArray[np.uint8]) -> bytes:
    return make_full("ispe", 0, 0, image.shape[1].to_bytes(4, "big") + image.shape[0].to_bytes(4, "big"))


def _encode(pixels: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """4:2:0 HEVC: (hvcC box, item data)."""
    import av

    height, width, _ = pixels.shape
    context: Any = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 1)
    context.options = {"x265-params": _X265}
    frame = av.VideoFrame.from_ndarray(_planes(pixels), format="yuv420p")
    frame.pts = 0
    nals = split_annex_b(b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)]))
    slices = [n for n in nals if nal_type(n) < VPS]
    return Configuration.of([_PROFILE.put_into(n) for n in nals]).serialise(), join_lengths(slices)


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Y, then Cb and Cr of half the size each way, one after the other in rows of the picture's width."""
    height, width, _ = pixels.shape
    y, cb, cr = (pixels @ _TO_YCC.T + (0, 128, 128)).transpose(2, 0, 1)
    planes = [y, *(c.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) for c in (cb, cr))]
    flat = np.concatenate([np.rint(plane).clip(0, 255).astype(np.uint8).ravel() for plane in planes])
    return flat.reshape(height * 3 // 2, width)
