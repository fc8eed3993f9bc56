"""Draws the parts of previews: depth in colours, text, a legend in metres with a histogram, an overlay of edges.

A score measures how well the edges of a map match those of its picture. Maps that are turned, mirrored, shifted,
blurred or of another photo match badly. The score is the probability that the picture has a stronger edge near a depth
edge than near any other pixel (the area under the ROC curve, Mann and Whitney's statistic): 1 if all edges match, 0.5
for unrelated edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .depth_view import DepthView, resized

INK, FAINT, PAPER, BAD = (236, 236, 240), (150, 150, 160), (24, 25, 30), (255, 92, 92)
ON, OFF = (64, 224, 120), (255, 64, 64)     # depth edges on edges of the picture, and elsewhere
TEXT = 13
BAR = 12
BINS = 64           # fewer than stored codes: bins without a code would leave gaps
_IN_THE_FONT = str.maketrans({"×": "x", "∞": "inf", "…": "..."})      # Pillow's font lacks these letters


def write(canvas: Image.Image, at: tuple[int, int], text: str, colour: tuple[int, int, int] = INK, *,
          size: int = TEXT, width: int | None = None) -> None:
    """Write a text with its upper left corner at `at`, cut to `width` pixels."""
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    text = "".join(c if c.isprintable() else "?" for c in text).translate(_IN_THE_FONT)
    while width is not None and len(text) > 4 and draw.textlength(text, font) > width:
        text = f"{text.removesuffix('...')[:-1]}..."
    draw.text(at, text, colour, font)


def metres(value: float) -> str:
    """Return a distance for people: 1.2 m, 34 m, 0.085 m, inf."""
    if not math.isfinite(value):
        return "inf"
    if value >= 100:
        return f"{value:.0f} m"
    return f"{value:.3g} m"


def depth_picture(view: DepthView, width: int, height: int) -> Image.Image:
    return Image.fromarray(coloured(resized(view.near(), width, height)))


def legend(view: DepthView, width: int) -> Image.Image:
    """Draw the colours, with distances below and a histogram of the pixels above."""
    canvas = Image.new("RGB", (width, 88), PAPER)
    near = view.near()
    counts, _ = np.histogram(near[np.isfinite(near)], bins=BINS, range=(0, 1))
    heights = np.sqrt(counts / max(1, counts.max())) * 40   # roots keep a large background from hiding the rest
    draw = ImageDraw.Draw(canvas)
    for i, h in enumerate(heights):
        if h > 0:
            draw.rectangle((i * width // BINS, 43 - round(h), (i + 1) * width // BINS - 1, 43), FAINT)
    bar = np.repeat(table()[np.linspace(0, STEPS - 1, width).astype(int)][None], BAR, 0)
    canvas.paste(Image.fromarray(bar), (0, 46))
    lo, hi = view.span
    font = ImageFont.load_default(TEXT)
    for i in range(5):
        at = lo + (hi - lo) * i / 4
        text = metres(1 / at if at > 0 else math.inf) if hi > lo or i == 0 else ""
        length = draw.textlength(text, font)
        draw.text((min(max(0, i * (width - 1) / 4 - length / 2), width - length), 62), text, INK, font)
    return canvas


def overlay(picture: NDArray[Any], edges: Agreement, width: int, height: int) -> Image.Image:
    """Draw depth edges on the gray picture: green on edges of the picture, red elsewhere."""
    gray = picture.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32) * 0.6 + 20
    out = np.repeat(gray[..., None], 3, -1).astype(np.uint8)
    out = np.asarray(Image.fromarray(out).resize((width, height), Image.Resampling.BILINEAR)).copy()
    of_map, matched = resized(edges.edges, width, height), resized(edges.matched, width, height)
    out[of_map & matched] = ON
    out[of_map & ~matched] = OFF
    return Image.fromarray(out)


STEPS = 256
HATCH = 6               # width in pixels of the stripes that mark pixels without a value
_LIGHTNESS = (0.18, 0.96)
_HUES = (285.0, 460.0)  # degrees: blue, violet, red, orange, yellow
_TO_LMS = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
                    [1, -0.0894841775, -1.2914855480]])
_TO_RGB = np.array([[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
                    [-0.0041960863, -0.7034186147, 1.7076147010]])


def linear_rgb(lab: NDArray[Any]) -> NDArray[np.float64]:
    """Convert (…, 3) OKLab to linear sRGB; colours outside sRGB have values outside 0…1."""
    out: NDArray[np.float64] = (lab @ _TO_LMS.T) ** 3 @ _TO_RGB.T
    return out


@cache
def table() -> NDArray[np.uint8]:
    """Return the colour table, (256, 3) sRGB from dark (far) to bright (near), in steps of equal distance in OKLab."""
    t = np.linspace(0, 1, 2048)
    lightness, hue = np.interp(t, (0, 1), _LIGHTNESS), np.radians(np.interp(t, (0, 1), _HUES))
    chroma = _most_chroma(lightness, hue) * 0.92
    window = np.ones(257) / 257     # smooths the corners of the sRGB gamut
    chroma = np.convolve(np.pad(chroma, 128, mode="edge"), window, mode="valid")
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], -1)
    distance = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lab, axis=0), axis=1))])
    even = np.interp(np.linspace(0, distance[-1], STEPS), distance, t)
    rgb = np.clip(linear_rgb(np.stack([np.interp(even, t, lab[:, i]) for i in range(3)], -1)), 0, 1)
    coded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    out: NDArray[np.uint8] = np.rint(coded * 255).astype(np.uint8)
    return out


def _most_chroma(lightness: NDArray[Any], hue: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest chroma in sRGB for each lightness and hue, by bisection."""
    low, high = np.zeros_like(lightness), np.full_like(lightness, 0.4)
    for _ in range(20):
        middle = (low + high) / 2
        rgb = linear_rgb(np.stack([lightness, middle * np.cos(hue), middle * np.sin(hue)], -1))
        inside = ((rgb >= 0) & (rgb <= 1)).all(-1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def coloured(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 colours of values 0 (far) … 1 (near); values that are not finite are hatched in gray."""
    good = np.isfinite(values)
    codes = np.rint(np.clip(np.where(good, values, 0), 0, 1) * (STEPS - 1)).astype(np.uint8)
    out: NDArray[np.uint8] = table()[codes]
    y, x = np.nonzero(~good)
    out[y, x] = np.where((x + y) // HATCH % 2, 120, 180)[:, None].astype(np.uint8)
    return out


LOOKED_AT = 256     # long side in pixels at which edges are compared
STEP = 0.06         # share of the span of disparity; a larger step over two pixels is an edge of the map
FEWEST = 24         # least number of edge pixels for a score
MATCHED = 0.7       # least rank of a picture edge that matches a depth edge
REACH = 1           # largest distance of matching edges in pixels


@dataclass(frozen=True)
class Agreement:
    """How the edges of a map match those of its picture.

    Attributes:
        edges: (H, W) bool, the edges of the map.
        strength: (H, W) 0…1, the rank of the strongest picture edge near each pixel.
        score: 0…1, or None if the map has too few edges.
    """

    edges: NDArray[np.bool_]
    strength: NDArray[np.float32]
    score: float | None

    @property
    def matched(self) -> NDArray[np.bool_]:
        """(H, W) bool, the pixels near a strong edge of the picture."""
        return self.strength >= MATCHED


def agreement(picture: NDArray[np.uint8], near: NDArray[Any]) -> Agreement:
    """Compare the edges of a picture and a map of the same size.

    Args:
        picture: (H, W, 3) uint8.
        near: (H, W) values 0 (far) … 1 (near), NaN for pixels without a value.
    """
    edges, strength = depth_edges(near), ranks(_strongest(picture_edges(picture)))
    on = strength[edges]
    score = None
    if on.size >= FEWEST:
        # The mean rank is P(on > any pixel); subtracting the share of the edges themselves gives P(on > other).
        share = on.size / strength.size
        score = float(np.clip((on.mean() - share / 2) / (1 - share), 0, 1))
    return Agreement(edges, strength, score)


def depth_edges(near: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (H, W) bool, the steps of the map; pixels beside missing values are never edges."""
    out = np.zeros(near.shape, bool)
    with np.errstate(invalid="ignore"):
        out[:, 1:-1] |= np.abs(near[:, 2:] - near[:, :-2]) > STEP
        out[1:-1] |= np.abs(near[2:] - near[:-2]) > STEP
    return out


def picture_edges(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W) float32, the largest gradient of the three channels at each pixel."""
    p = picture.astype(np.float32)
    out = np.zeros(p.shape[:2], np.float32)
    out[:, 1:-1] = np.abs(p[:, 2:] - p[:, :-2]).max(-1)
    out[1:-1] = np.hypot(out[1:-1], np.abs(p[2:] - p[:-2]).max(-1))
    return out


def _strongest(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the strongest edge within REACH of each pixel."""
    padded = np.pad(edges, REACH)
    height, width = edges.shape
    side = range(2 * REACH + 1)
    return np.max([padded[i : i + height, j : j + width] for i in side for j in side], axis=0)  # type: ignore[no-any-return]


def ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0…1 for each pixel: the share of weaker pixels, where equal pixels count half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    out: NDArray[np.float32] = ((below + counts / 2) / values.size).astype(np.float32)[place].reshape(values.shape)
    return out
