"""Draws a preview: picture, depth and edges side by side, a legend in metres, and the metadata of the depth."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..depth.data import DepthData
from .canvas import FAINT, LOOKED_AT, PAPER, Agreement, agreement, depth_picture, legend, metres, overlay, write
from .depth_view import DepthView, resized

GAP = 12
HEAD, FOOT = 44, 92


def score(view: DepthView) -> Agreement | None:
    """Return how depth edges and picture edges agree, or None without a picture."""
    if view.picture is None:
        return None
    width, height = view.fitted(LOOKED_AT)
    small = np.asarray(Image.fromarray(view.picture).resize((width, height), Image.Resampling.BOX))
    return agreement(small, resized(view.near(), width, height))


def facts(view: DepthView) -> str:
    """Return a line such as `768×576 hdis, 0.52 m to 11.9 m, relative; 3.1 % without a value`."""
    depth = view.data.depth()
    finite = depth[np.isfinite(depth)]
    holes = 1 - finite.size / depth.size
    where = f"{metres(float(finite.min()))} to {metres(float(finite.max()))}" if finite.size else "no pixel has a value"
    data = view.data
    return (f"{data.width}×{data.height} {data.pixel_format}, {where}, {data.accuracy}"
            + (f"; {holes:.1%} without a value (hatched)" if holes else ""))


def verdict(edges: Agreement) -> str:
    """Return the title of the panel of edges."""
    if edges.score is None:
        return "the map has too few edges"
    return f"edges agree {edges.score:.2f}  (1 all, 0.5 by chance)"


def preview(view: DepthView, long_side: int = 640) -> Image.Image:
    """Draw picture, depth and edges side by side, or only the depth if there is no picture."""
    width, height = view.fitted(long_side)
    edges = score(view)
    panels: list[tuple[str, Image.Image]] = [("depth, near is bright", depth_picture(view, width, height))]
    if view.picture is not None and edges is not None:
        picture = Image.fromarray(view.picture).resize((width, height), Image.Resampling.BILINEAR)
        panels = [("picture", picture), *panels,
                  (verdict(edges), overlay(view.picture, edges, width, height))]
    total = len(panels) * (width + GAP) + GAP
    canvas = Image.new("RGB", (total, HEAD + 20 + height + FOOT), PAPER)
    write(canvas, (GAP, 6), view.name, size=15, width=total - 2 * GAP)
    write(canvas, (GAP, 25), facts(view) + (f"; {view.note}" if view.note else ""), FAINT, width=total - 2 * GAP)
    for i, (title, panel) in enumerate(panels):
        x = GAP + i * (width + GAP)
        write(canvas, (x, HEAD), title, FAINT, width=width)
        canvas.paste(panel, (x, HEAD + 18))
        if title.startswith("depth"):
            canvas.paste(legend(view, width), (x, HEAD + 18 + height))
    return canvas


LONG_SIDE = 480


def png(data: DepthData) -> bytes:
    """Return the preview of depth data as the bytes of a PNG file, for notebooks."""
    out = io.BytesIO()
    preview(DepthView("DepthData", data.displayed()), LONG_SIDE).save(out, "PNG")
    return out.getvalue()
