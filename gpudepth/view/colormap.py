"""Colours of depth: near is bright and warm, far is dark and cool, equal steps of disparity look equally far apart.

The map is a path through OKLab (Björn Ottosson, "A perceptual color space for image processing", 2020): lightness rises
evenly, the hue turns from blue over red to yellow, and the path is walked at an even pace.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 256
HATCH = 6               # pixels of a stripe of what has no value
_LIGHTNESS = (0.18, 0.96)
_HUES = (285.0, 460.0)  # degrees: blue, violet, red, orange, yellow
_TO_LMS = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
                    [1, -0.0894841775, -1.2914855480]])
_TO_RGB = np.array([[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
                    [-0.0041960863, -0.7034186147, 1.7076147010]])


def linear_rgb(lab: NDArray[Any]) -> NDArray[np.float64]:
    """(…, 3) OKLab → linear sRGB, outside of 0…1 where sRGB has no such colour."""
    out: NDArray[np.float64] = (lab @ _TO_LMS.T) ** 3 @ _TO_RGB.T
    return out


@cache
def table() -> NDArray[np.uint8]:
    """(256, 3) sRGB, dark to bright."""
    t = np.linspace(0, 1, 2048)
    lightness, hue = np.interp(t, (0, 1), _LIGHTNESS), np.radians(np.interp(t, (0, 1), _HUES))
    chroma = _most_chroma(lightness, hue) * 0.92
    window = np.ones(257) / 257     # the edge of sRGB has corners
    chroma = np.convolve(np.pad(chroma, 128, mode="edge"), window, mode="valid")
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], -1)
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lab, axis=0), axis=1))])
    even = np.interp(np.linspace(0, walked[-1], STEPS), walked, t)
    rgb = np.clip(linear_rgb(np.stack([np.interp(even, t, lab[:, i]) for i in range(3)], -1)), 0, 1)
    coded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    out: NDArray[np.uint8] = np.rint(coded * 255).astype(np.uint8)
    return out


def _most_chroma(lightness: NDArray[Any], hue: NDArray[Any]) -> NDArray[np.float64]:
    """What sRGB has of each lightness and hue, by halving."""
    low, high = np.zeros_like(lightness), np.full_like(lightness, 0.4)
    for _ in range(20):
        middle = (low + high) / 2
        rgb = linear_rgb(np.stack([lightness, middle * np.cos(hue), middle * np.sin(hue)], -1))
        inside = ((rgb >= 0) & (rgb <= 1)).all(-1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def coloured(values: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of (H, W) values 0 (far) … 1 (near); those that are not finite are hatched in gray."""
    good = np.isfinite(values)
    codes = np.rint(np.clip(np.where(good, values, 0), 0, 1) * (STEPS - 1)).astype(np.uint8)
    out: NDArray[np.uint8] = table()[codes]
    y, x = np.nonzero(~good)
    out[y, x] = np.where((x + y) // HATCH % 2, 120, 180)[:, None].astype(np.uint8)
    return out
