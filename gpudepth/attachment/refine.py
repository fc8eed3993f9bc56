"""The work that makes a map worth attaching, on float32 disparity: clamp, smooth, resize, fill, in this order.

It is metric when it comes here. Smoothing goes before the resize, while noise is still a pixel wide; filling last, at
the size that is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend
from ..depth.pixel_format import PixelFormat, Quantity, quantity_of
from ..errors import UsageError
from ..settings.settings import Settings
from ..settings.values import Resize
from .guide import Guide


@dataclass(frozen=True)
class Refined:
    """values (H, W) in `fmt`; filled: pixels; said: what there is to tell beyond the encoding."""

    values: NDArray[Any]
    fmt: PixelFormat
    filled: int = 0
    said: str = ""


def refine(values: NDArray[Any], fmt: PixelFormat, settings: Settings, backend: Backend, *, guide: Guide | None = None,
           confidence: NDArray[np.uint8] | None = None) -> Refined:
    """values (H, W) in `fmt`: float32, disparity where a step works on that. confidence: of these values, (H, W) uint8.

    Raises UsageError where a step needs a photo and there is none, HolesError, RangeError, LimitError.
    """
    said, filled = "", 0
    if settings.clamp is not None:
        values = clamp(values, quantity_of(fmt), settings.clamp)
    if settings.smooth is not None:
        if settings.smooth.method == "median":
            values = backend.median(values, settings.smooth.size)
        else:
            values = backend.bilateral(values, settings.smooth.size, _picture(guide, values.shape, "smooth: bilateral"))
    resize = settings.resize
    if resize is None and settings.longest_side and max(values.shape) > settings.longest_side:
        resize = Resize(long_side=settings.longest_side)
        said += (f", made smaller from {values.shape[1]}×{values.shape[0]}: {settings.profile} takes "
                 f"{settings.longest_side} pixels at most")
    if resize is not None:
        width, height = resize.target(values.shape[1], values.shape[0])
        settings.limits.check_picture(width, height, 4, where="resize")
        if resize.method == "guided":
            values = backend.upsample(values, _picture(guide, (height, width), "resize: guided"), confidence)
        else:
            values = backend.resize(values, width, height, resize.method)
    if settings.fill is not None and quantity_of(fmt) is not quantity_of(settings.pixel_format):
        # infinitely far is a value of disparity and none of depth: a hole, as where the map is depth from the start
        values = np.where(values > 0, values, values.dtype.type(np.nan))
    if settings.fill == "inpaint":
        whole = bool(np.isfinite(values).all())
        values, report = backend.inpaint(values, None if whole or guide is None else
                                         guide.at(values.shape[1], values.shape[0]))
        filled = report.count
    elif settings.fill is not None:
        values, report = backend.fill(values, settings.fill, quantity_of(fmt))
        filled = report.count
    return Refined(values, fmt, filled, said)


def _picture(guide: Guide | None, shape: tuple[int, ...], step: str) -> NDArray[np.uint8]:
    if guide is None:
        raise UsageError(f"{step} goes along the colours of a photo, and there is none",
                         hint="attach the map to a photo, or choose another method")
    return guide.at(shape[1], shape[0])


def clamp(values: NDArray[Any], quantity: Quantity, metres: tuple[float, float]) -> NDArray[Any]:
    """Values of a quantity, moved into [min, max] of metres; NaN stays."""
    lo, hi = metres if quantity is Quantity.DEPTH else (1 / metres[1], 1 / metres[0])
    clamped: NDArray[Any] = np.clip(values, values.dtype.type(lo), values.dtype.type(hi))
    return clamped
