"""Defines the picture and the depth maps of the test kit; nothing here is read from a file.

Both show the letter F, which looks different in each of the eight orientations, between four coloured corners. A map
pixel covers 2×2 pixels of the picture. In the map the letter is nearest and the ground behind it is a slope. Values are
multiples of 1/64 (1/256 for 10 bits, 1/1024 for 12), which floats represent exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..depth.data import DepthData
from ..depth.orientation import size
from ..depth.pixel_format import PixelFormat, Quantity, quantity_of, stored

WIDTH, HEIGHT = 32, 24
"""The size of a stored map in pixels; its photo has twice the width and height."""

ZOOM = 2
_LETTER = ("#####", "#....", "#....", "####.", "#....", "#....", "#....")
_SQUARE = 2                 # map pixels of one square of the letter
_CORNER = 6                 # map pixels of a coloured corner
GROUND, WHITE = (60, 62, 70), (245, 245, 245)
CORNERS = {"top left": (200, 40, 40), "top right": (40, 150, 60),
           "bottom left": (40, 70, 190), "bottom right": (220, 190, 40)}


def displayed_size(orientation: int) -> tuple[int, int]:
    """Return (width, height) of a map as its photo is displayed."""
    return size(orientation, WIDTH, HEIGHT)


def _letter_at(width: int, height: int) -> tuple[int, int]:
    """Return (x, y) of the letter's upper left corner."""
    return (width - len(_LETTER[0]) * _SQUARE) // 2, (height - len(_LETTER) * _SQUARE) // 2


def _letter(width: int, height: int) -> NDArray[np.bool_]:
    rows = np.array([[square == "#" for square in row] for row in _LETTER])
    block = rows.repeat(_SQUARE, axis=0).repeat(_SQUARE, axis=1)
    x, y = _letter_at(width, height)
    mask = np.zeros((height, width), np.bool_)
    mask[y : y + block.shape[0], x : x + block.shape[1]] = block
    return mask


def picture(orientation: int) -> NDArray[np.uint8]:
    """Return the photo as displayed, (H, W, 3) uint8."""
    width, height = displayed_size(orientation)
    out = np.full((height, width, 3), GROUND, np.uint8)
    out[:_CORNER, :_CORNER], out[:_CORNER, -_CORNER:], out[-_CORNER:, :_CORNER], out[-_CORNER:, -_CORNER:] = (
        CORNERS.values())
    out[_letter(width, height)] = WHITE
    return out.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def pixels(orientation: int) -> list[dict[str, Any]]:
    """Return some pixels of the photo as displayed: the centres of the corners, and the foot of the letter."""
    shown = picture(orientation)
    height, width, _ = shown.shape
    inset = _CORNER * ZOOM // 2
    x, y = _letter_at(*displayed_size(orientation))
    foot = (x + 1) * ZOOM, (y + len(_LETTER) * _SQUARE - 2) * ZOOM
    places = [(x, y) for y in (inset, height - inset) for x in (inset, width - inset)]
    return [{"x": x, "y": y, "rgb": shown[y, x].tolist()} for x, y in (*places, foot)]


@dataclass(frozen=True, eq=False)
class Truth:
    """A map as displayed: value = base + code · unit, in the quantity of `fmt`."""

    codes: NDArray[np.uint16]
    fmt: PixelFormat
    bits: int = 8
    base: float = 0.25

    @classmethod
    def of(cls, fmt: PixelFormat, orientation: int, bits: int = 8, base: float = 0.25) -> Truth:
        """Return the letter on its slope, which uses the smallest and the largest code."""
        width, height = displayed_size(orientation)
        y, x = np.mgrid[:height, :width]
        fine = 1 << bits - 8
        near = (5 * x + 3 * y) * fine + (x + 2 * y) % fine      # 0 at the upper left: farthest
        top = (1 << bits) - 1
        near[_letter(width, height)] = top
        codes = near if quantity_of(fmt) is Quantity.DISPARITY else top - near
        return cls(codes.astype(np.uint16), fmt, bits, base)

    @classmethod
    def constant(cls, fmt: PixelFormat, orientation: int, value: float) -> Truth:
        width, height = displayed_size(orientation)
        return cls(np.zeros((height, width), np.uint16), fmt, base=value)

    def reversed(self) -> Truth:
        """Return the map with near and far exchanged."""
        return Truth((1 << self.bits) - 1 - self.codes, self.fmt, self.bits, self.base)

    @property
    def values(self) -> NDArray[np.float64]:
        return self.base + self.codes / (64.0 * (1 << self.bits - 8))

    @property
    def range(self) -> tuple[float, float]:
        return float(self.values.min()), float(self.values.max())

    @property
    def step(self) -> float:
        """The value of one stored code; for a constant map the rounding of float32."""
        lo, hi = self.range
        return (hi - lo) / ((1 << self.bits) - 1) or 1e-6

    def data(self, accuracy: Literal["relative", "absolute"] = "relative", quality: Literal["high", "low"] = "high", *,
             filtered: bool = True) -> DepthData:
        """Return the map as DepthData; each value is exact in its format."""
        return DepthData.from_values(self.values, self.fmt, accuracy=accuracy, quality=quality, filtered=filtered)

    def points(self) -> list[dict[str, Any]]:
        """Return points that distinguish the orientations: corners, ends of the letter, and the ground around it."""
        height, width = self.codes.shape
        x, y = _letter_at(width, height)
        places = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1),
                  (x, y), (x + 9, y + 1), (x + 7, y + 7), (x + 1, y + 13), (x + 9, y + 13), (x + 6, y + 4),
                  (x - 3, y + 7), (x + 12, y + 7)]
        return [self._point(*place) for place in places]

    def _point(self, x: int, y: int) -> dict[str, Any]:
        value = float(self.values[y, x])
        other = 1 / value if value else None
        disparity = quantity_of(self.fmt) is Quantity.DISPARITY
        return {"x": x, "y": y, "metres": other if disparity else value, "disparity": value if disparity else other}

    def expected(self, *, accuracy: str = "relative", quality: str = "high", filtered: bool = True,
                 slack: int = 1) -> dict[str, Any]:
        """Return the result that a reader should get, with a tolerance of `slack` stored codes."""
        lo, hi = self.range
        near, far = (lo, hi) if quantity_of(self.fmt) is Quantity.DEPTH else (1 / hi, 1 / lo if lo else math.inf)
        return {
            "quantity": str(quantity_of(self.fmt)), "native_format": self.fmt.name,
            "stored_format": stored(self.bits).name,
            "width": self.codes.shape[1], "height": self.codes.shape[0],
            "min": lo, "max": hi, "near": near, "far": far if math.isfinite(far) else None,
            "accuracy": accuracy, "quality": quality, "filtered": filtered,
            "tolerance": slack * self.step, "points": self.points(),
        }
