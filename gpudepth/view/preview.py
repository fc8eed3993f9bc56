"""A preview: picture, depth and edges side by side, a legend in metres, and what the file says of itself."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..depth.data import DepthData
from .canvas import FAINT, PAPER, depth_picture, legend, metres, overlay, write
from .depth_view import DepthView, resized
from .edges import LOOKED_AT, Agreement, agreement

GAP = 12
HEAD, FOOT = 44, 92


def score(shown: DepthView) -> Agreement | None:
    """How depth edges and picture edges agree; None where there is no picture."""
    if shown.picture is None:
        return None
    width, height = shown.fitted(LOOKED_AT)
    small = np.asarray(Image.fromarray(shown.picture).resize((width, height), Image.Resampling.BOX))
    return agreement(small, resized(shown.near(), width, height))


def facts(shown: DepthView) -> str:
    """`768×576 hdis, 0.52 m to 11.9 m, relative; 3.1 % without a value`."""
    depth = shown.data.depth()
    finite = depth[np.isfinite(depth)]
    holes = 1 - finite.size / depth.size
    where = f"{metres(float(finite.min()))} to {metres(float(finite.max()))}" if finite.size else "no value at all"
    data = shown.data
    return (f"{data.width}×{data.height} {data.pixel_format}, {where}, {data.accuracy}"
            + (f"; {holes:.1%} without a value (hatched)" if holes else ""))


def verdict(found: Agreement | None) -> str:
    if found is None:
        return "no picture to compare edges with"
    if found.score is None:
        return "the map has no edges to speak of"
    return f"edges agree {found.score:.2f}  (1 all, 0.5 by chance)"


def preview(shown: DepthView, long_side: int = 640) -> Image.Image:
    """Picture | depth | edges. Without a picture the depth alone."""
    width, height = shown.fitted(long_side)
    found = score(shown)
    panels: list[tuple[str, Image.Image]] = [("depth, near is bright", depth_picture(shown, width, height))]
    if shown.picture is not None and found is not None:
        picture = Image.fromarray(shown.picture).resize((width, height), Image.Resampling.BILINEAR)
        panels = [("picture", picture), *panels,
                  (verdict(found), overlay(shown.picture, found, width, height))]
    total = len(panels) * (width + GAP) + GAP
    canvas = Image.new("RGB", (total, HEAD + 20 + height + FOOT), PAPER)
    write(canvas, (GAP, 6), shown.name, size=15, width=total - 2 * GAP)
    write(canvas, (GAP, 25), facts(shown) + (f"; {shown.why}" if shown.why else ""), FAINT, width=total - 2 * GAP)
    for i, (title, panel) in enumerate(panels):
        x = GAP + i * (width + GAP)
        write(canvas, (x, HEAD), title, FAINT, width=width)
        canvas.paste(panel, (x, HEAD + 18))
        if title.startswith("depth"):
            canvas.paste(legend(shown, width), (x, HEAD + 18 + height))
    return canvas


LONG_SIDE = 480


def png(data: DepthData) -> bytes:
    """The bytes of a PNG."""
    out = io.BytesIO()
    image: Image.Image = preview(DepthView("DepthData", data.displayed()), LONG_SIDE)
    image.save(out, "PNG")
    return out.getvalue()
