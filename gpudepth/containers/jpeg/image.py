"""Encodes and decodes a map as in Apple's JPEG files: one gray component, restart markers, XMP and a two-tag MPF.

    SOI | APP1 XMP | APP2 MPF | DQT | DRI | SOF0 | DHT | SOS … EOI
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MalformedError, UnsupportedError
from ...formats import jpeg, mpf
from ...formats.bytesource import ByteSource
from ...formats.jpeg import Stream
from ...limits import Limits

# The table of all known disparity, matte and gain map images of Apple software, in zigzag order.
APPLE_QUANTISATION = (
    1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 3, 2, 2, 2, 3, 4, 3, 3, 3, 3, 4, 5, 4, 4, 4, 4, 4, 5, 6, 5, 5, 5,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9)
_ORDER = (jpeg.DQT, jpeg.DRI, 0xC0, jpeg.DHT)


def _natural(zigzag: tuple[int, ...]) -> list[int]:
    """Convert a table from zigzag to row order, which Pillow expects."""
    cells = sorted(((x, y) for y in range(8) for x in range(8)),
                   key=lambda c: (c[0] + c[1], c[1] if (c[0] + c[1]) % 2 else c[0]))
    out = [0] * 64
    for value, (x, y) in zip(zigzag, cells, strict=True):
        out[8 * y + x] = value
    return out


def encode(codes: NDArray[Any], packet: bytes, count: int, quality: int | None = None) -> bytes:
    """Encode a map as a whole image.

    Args:
        codes: (H, W) uint8.
        packet: The XMP packet.
        count: Number of images in the file.
        quality: libjpeg's 1–100; None uses Apple's table.
    """
    from PIL import Image

    buffer = io.BytesIO()
    options: dict[str, Any] = {"qtables": [_natural(APPLE_QUANTISATION)]} if quality is None else {"quality": quality}
    Image.fromarray(np.ascontiguousarray(codes, np.uint8)).save(buffer, "JPEG", restart_marker_rows=1, **options)
    data = buffer.getvalue()
    with ByteSource(data) as source:
        stream = jpeg.parse(source)
    tables: dict[int, list[bytes]] = {m: [s.payload for s in stream.header if s.marker == m] for m in _ORDER}
    out = b"\xff\xd8" + jpeg.make(jpeg.APP1, jpeg.XMP + packet) + jpeg.make(jpeg.APP2, mpf.stub(count))
    for marker in _ORDER:
        if tables[marker]:
            # Several tables share a segment, as in Apple's files.
            payload = tables[marker] if marker == 0xC0 else [b"".join(tables[marker])]
            out += b"".join(jpeg.make(marker, p) for p in payload)
    return out + data[stream.scan : stream.end]


def decode(source: ByteSource, stream: Stream, limits: Limits, kind: str = "depth") -> tuple[NDArray[Any], int]:
    """Decode a further image to ((H, W) codes, bits). Raises MalformedError, UnsupportedError, LimitError."""
    frame, where = stream.frame, f"image at {stream.start:,}"
    limits.check_decode(frame.width, frame.height, 3, where=where, packed=stream.size)
    if frame.components != 1:
        raise UnsupportedError(f"the {kind} image has {frame.components} components; one is supported", where=where)
    # APPn segments are removed, because Pillow takes the two-tag MPF for a damaged file of several images.
    tables = b"".join(s.serialise() for s in stream.header if not 0xE0 <= s.marker <= 0xEF)
    data = b"\xff\xd8" + tables + source.read(stream.scan, stream.end - stream.scan, where)
    if frame.marker == jpeg.LOSSLESS:
        return _decode_lossless(data, frame.bits, where), frame.bits
    from ...formats.pillow import decoding, open_picture

    with decoding(where, f"the {kind} image cannot be decoded"):
        picture = open_picture(io.BytesIO(data), ("JPEG",))
        if picture is None:
            raise MalformedError(f"the {kind} image is not a JPEG that Pillow supports", where=where)
        with picture:
            codes = np.asarray(picture.convert("L"))
    return codes, 8


def _decode_lossless(data: bytes, bits: int, where: str) -> NDArray[Any]:
    """Decode 16-bit lossless JPEG, which Apple reportedly uses for maps with holes; not tested on real files."""
    try:
        import imagecodecs
    except ImportError:
        raise UnsupportedError("reading a lossless JPEG depth image requires the package imagecodecs", where=where,
                               hint="pip install imagecodecs") from None
    try:
        return np.asarray(imagecodecs.ljpeg_decode(data))
    except (RuntimeError, ValueError) as error:
        raise MalformedError(f"the {bits}-bit lossless depth image cannot be decoded: {error}", where=where) from None
