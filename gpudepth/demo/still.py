"""A tiny HEIC file made box by box.

libheif pads pictures below 64 pixels a side and cuts them again with a clean aperture, which not every app knows; the
test kit's photos are to test depth, so theirs have none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..containers.heif import still
from ..containers.heif.file import HeifFile
from ..containers.heif.rewrite import Rewriter
from ..depth import orientation as exif
from ..formats.bytesource import ByteSource
from ..formats.hevc.codec import encode_monochrome
from ..formats.hevc.intra import Colour, IntraEncoder
from ..formats.isobmff.box import make, make_full

# primaries BT.709, transfer sRGB, matrix BT.601, full range: what the planes below are
_COLOUR = Colour(1, 13, 6, full_range=True)
_QP = 4
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
    import av

    frame = av.VideoFrame.from_ndarray(_planes(pixels), format="yuv420p")
    hvcc, data = IntraEncoder(_QP, "medium").encode(frame, _COLOUR)
    return still.heic(hvcc, data, pixels.shape[1], pixels.shape[0], _COLOUR)


def _size(image: NDArray[np.uint8]) -> bytes:
    return make_full("ispe", 0, 0, image.shape[1].to_bytes(4, "big") + image.shape[0].to_bytes(4, "big"))


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Y, then Cb and Cr of half the size each way, one after the other in rows of the picture's width."""
    height, width, _ = pixels.shape
    y, cb, cr = (pixels @ _TO_YCC.T + (0, 128, 128)).transpose(2, 0, 1)
    planes = [y, *(c.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) for c in (cb, cr))]
    flat = np.concatenate([np.rint(plane).clip(0, 255).astype(np.uint8).ravel() for plane in planes])
    return flat.reshape(height * 3 // 2, width)
