"""A map as a notebook shows it: in colours, upright, with a legend in metres."""

from __future__ import annotations

import io

from PIL import Image

from ..depth.data import DepthData
from .preview import preview
from .shown import DepthView

LONG_SIDE = 480


def png(data: DepthData) -> bytes:
    """The bytes of a PNG."""
    out = io.BytesIO()
    image: Image.Image = preview(DepthView("DepthData", data.displayed()), LONG_SIDE)
    image.save(out, "PNG")
    return out.getvalue()
