"""Makes the small photos of the test kit: HEIC, DNG, and the formats that Pillow writes.

HEIC files are made box by box: libheif pads pictures below 64 pixels a side and crops them with a clean aperture, which
not every app supports, and the kit tests only depth. DNG files are LinearRaw and uncompressed, with enough tags for
Adobe's SDK and libraw.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..containers.base import Container
from ..containers.dng.dng import Dng
from ..containers.heif import photo_encoder
from ..containers.heif.file import HeifFile
from ..containers.heif.heif import Heif
from ..containers.heif.rewrite import Rewriter
from ..datasets.photo import curve
from ..depth.orientation import apply, inverse, to_heif
from ..formats.bytesource import ByteSource
from ..formats.hevc.codec import Colour, IntraEncoder, encode_monochrome
from ..formats.isobmff.box import make, make_full
from ..formats.tiff import ASCII, BYTE, LONG, RATIONAL, SHORT, SRATIONAL, Field, Layout, serialise
from . import pattern

# the planes below: primaries BT.709, transfer sRGB, matrix BT.601, full range
_COLOUR = Colour(1, 13, 6, full_range=True)
_QP = 4
_ALPHA_URN = b"urn:mpeg:hevc:2015:auxid:1\0"
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
# XYZ (D65) → linear sRGB, the color space of the DNG's camera, in ten-thousandths
_FROM_XYZ = (32405, -15371, -4985, -9693, 18760, 416, 556, -2040, 10572)
_WHITE = 65535


def photo(container: Container, orientation: int, *, alpha: bool = False, focal_35mm: int = 0) -> bytes | None:
    """Return a small photo in the container's format, or None if it cannot be made with these properties."""
    from PIL import Image

    shown = pattern.picture(orientation)
    stored = np.ascontiguousarray(apply(inverse(orientation), shown))
    tags = Image.Exif()
    if focal_35mm:
        tags.get_ifd(0x8769)[0xA405] = focal_35mm
    if isinstance(container, Heif):
        transparency = np.full(stored.shape[:2], 255, np.uint8)
        transparency[: len(transparency) // 2] = 128
        return heic(stored, orientation, alpha=transparency if alpha else None,
                          exif_block=tags.tobytes() if focal_35mm else None)
    if isinstance(container, Dng):
        return dng(stored, orientation) if not (alpha or focal_35mm) else None
    kind = Image.registered_extensions().get(container.suffixes[0])
    if kind not in Image.SAVE or alpha:
        return None
    tags[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, kind, exif=tags, quality=95, subsampling=0)
    return buffer.getvalue()


def heic(stored: NDArray[np.uint8], orientation: int, *, alpha: NDArray[np.uint8] | None = None,
         exif_block: bytes | None = None) -> bytes:
    """Return a HEIC file; the same pixels give the same bytes.

    Args:
        stored: (H, W, 3) sRGB pixels of even size, as stored.
        orientation: The Exif orientation that turns them upright.
        alpha: (H, W), stored like the pixels.
        exif_block: The Exif data.
    """
    edit = Rewriter(HeifFile(ByteSource(_plain(stored))))
    properties, primary = edit.meta.properties, edit.meta.primary
    turns = [make(kind, bytes([value])) for kind, value in to_heif(orientation)]
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
    """Return a file with one picture, as stored."""
    import av

    frame = av.VideoFrame.from_ndarray(_planes(pixels), format="yuv420p")
    hvcc, data = IntraEncoder(_QP, "medium").encode(frame, _COLOUR)
    return photo_encoder.heic(hvcc, data, pixels.shape[1], pixels.shape[0], _COLOUR)


def _size(image: NDArray[np.uint8]) -> bytes:
    return make_full("ispe", 0, 0, image.shape[1].to_bytes(4, "big") + image.shape[0].to_bytes(4, "big"))


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return Y, then Cb and Cr at half the width and height, in rows of the picture's width."""
    height, width, _ = pixels.shape
    y, cb, cr = (pixels @ _TO_YCC.T + (0, 128, 128)).transpose(2, 0, 1)
    planes = [y, *(c.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) for c in (cb, cr))]
    flat = np.concatenate([np.rint(plane).clip(0, 255).astype(np.uint8).ravel() for plane in planes])
    return flat.reshape(height * 3 // 2, width)


def dng(shown: NDArray[Any], orientation: int = 1, order: Any = "<", *, big: bool = False) -> bytes:
    """Return a DNG file of (H, W, 3) uint8 sRGB pixels as stored; the same pixels give the same bytes."""
    layout = Layout(order, big)
    height, width, _ = shown.shape
    pixels: bytes = np.rint(curve() * _WHITE)[shown].astype(np.dtype(np.uint16).newbyteorder(order)).tobytes()

    def text(tag: int, value: str) -> Field:
        return Field(tag, ASCII, tuple(value.encode() + b"\0"))

    at = layout.header_size
    first = at + len(pixels) + (-(at + len(pixels)) % layout.alignment)
    fields = [
        Field(254, LONG, (0,)), Field(256, LONG, (width,)), Field(257, LONG, (height,)), Field(258, SHORT, (16,) * 3),
        Field(259, SHORT, (1,)), Field(262, SHORT, (34892,)), text(271, "gpudepth"), text(272, "test pattern"),
        Field(273, LONG, (at,)), Field(274, SHORT, (orientation,)), Field(277, SHORT, (3,)),
        Field(278, LONG, (height,)), Field(279, LONG, (len(pixels),)), Field(284, SHORT, (1,)),
        Field(50706, BYTE, (1, 4, 0, 0)), Field(50707, BYTE, (1, 1, 0, 0)), text(50708, "gpudepth test pattern"),
        Field(50714, SHORT, (0,) * 3), Field(50717, LONG, (_WHITE,) * 3),
        Field(50721, SRATIONAL, tuple(n for value in _FROM_XYZ for n in (value, 10000))),
        Field(50728, RATIONAL, (1, 1) * 3), Field(50778, SHORT, (21,)),     # neutral under D65
    ]
    return (layout.header(first) + pixels).ljust(first, b"\0") + serialise(layout, fields, first)
