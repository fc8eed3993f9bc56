"""A small DNG of a picture: LinearRaw, uncompressed, enough tags for Adobe's SDK and libraw to take it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats.tiff import ASCII, BYTE, LONG, RATIONAL, SHORT, SRATIONAL, Field, Layout, serialise

# XYZ (D65) → linear sRGB, the camera's own space here, in ten-thousandths
_FROM_XYZ = (32405, -15371, -4985, -9693, 18760, 416, 556, -2040, 10572)
_WHITE = 65535


def dng(shown: NDArray[Any], orientation: int = 1, order: Any = "<", *, big: bool = False) -> bytes:
    """(H, W, 3) uint8 sRGB as stored, before `orientation` → the file; the same bytes each time."""
    layout = Layout(order, big)
    height, width, _ = shown.shape
    pixels = _linear(shown).astype(np.dtype(np.uint16).newbyteorder(order)).tobytes()

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
        Field(50728, RATIONAL, (1, 1) * 3), Field(50778, SHORT, (21,)),     # neutral as shot under D65
    ]
    return (layout.header(first) + pixels).ljust(first, b"\0") + serialise(layout, fields, first)


def _linear(shown: NDArray[Any]) -> NDArray[np.uint16]:
    """sRGB → linear light (IEC 61966-2-1), by a table that is the same everywhere."""
    v = np.arange(256) / 255
    table = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    out: NDArray[np.uint16] = np.rint(table * _WHITE).astype(np.uint16)[shown]
    return out
