"""What pictures are put together of: text, a legend in metres, a histogram, the overlay of edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .colormap import STEPS, coloured, table
from .edges import Agreement
from .shown import DepthView, resized

INK, FAINT, PAPER, BAD = (236, 236, 240), (150, 150, 160), (24, 25, 30), (255, 92, 92)
ON, OFF = (64, 224, 120), (255, 64, 64)     # edges that sit on picture edges, and that do not
TEXT = 13
BAR = 12
BINS = 64           # fewer than stored codes, which would leave gaps like a comb's
_IN_THE_FONT = str.maketrans({"×": "x", "∞": "inf", "…": "..."})      # Pillow's own has no such letters


def write(canvas: Image.Image, at: tuple[int, int], text: str, colour: tuple[int, int, int] = INK, *,
          size: int = TEXT, width: int | None = None) -> None:
    """Text from its upper left corner, cut to a width."""
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    text = "".join(c if c.isprintable() else "?" for c in text).translate(_IN_THE_FONT)
    while width is not None and len(text) > 4 and draw.textlength(text, font) > width:
        text = f"{text.removesuffix('...')[:-1]}..."
    draw.text(at, text, colour, font)


def metres(value: float) -> str:
    """As people say it: 1.2 m, 34 m, 0.085 m, ∞."""
    if not math.isfinite(value):
        return "inf"
    if value >= 100:
        return f"{value:.0f} m"
    return f"{value:.3g} m"


def depth_picture(shown: DepthView, width: int, height: int) -> Image.Image:
    return Image.fromarray(coloured(resized(shown.near(), width, height)))


def legend(shown: DepthView, width: int) -> Image.Image:
    """The colours with distances under them, and above them how many pixels have each."""
    canvas = Image.new("RGB", (width, 88), PAPER)
    near = shown.near()
    counts, _ = np.histogram(near[np.isfinite(near)], bins=BINS, range=(0, 1))
    heights = np.sqrt(counts / max(1, counts.max())) * 40      # square roots: a background does not hide the rest
    draw = ImageDraw.Draw(canvas)
    for i, h in enumerate(heights):
        if h > 0:
            draw.rectangle((i * width // BINS, 43 - round(h), (i + 1) * width // BINS - 1, 43), FAINT)
    bar = np.repeat(table()[np.linspace(0, STEPS - 1, width).astype(int)][None], BAR, 0)
    canvas.paste(Image.fromarray(bar), (0, 46))
    lo, hi = shown.span
    font = ImageFont.load_default(TEXT)
    for i in range(5):
        at = lo + (hi - lo) * i / 4
        text = metres(1 / at if at > 0 else math.inf) if hi > lo or i == 0 else ""
        length = draw.textlength(text, font)
        draw.text((min(max(0, i * (width - 1) / 4 - length / 2), width - length), 62), text, INK, font)
    return canvas


def overlay(picture: NDArray[Any], found: Agreement, width: int, height: int) -> Image.Image:
    """The picture in gray, depth edges on it: green where they sit on picture edges, red where they do not."""
    gray = picture.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32) * 0.6 + 20
    out = np.repeat(gray[..., None], 3, -1).astype(np.uint8)
    out = np.asarray(Image.fromarray(out).resize((width, height), Image.Resampling.BILINEAR)).copy()
    edges, sits = resized(found.edges, width, height), resized(found.sits, width, height)
    out[edges & sits] = ON
    out[edges & ~sits] = OFF
    return Image.fromarray(out)
