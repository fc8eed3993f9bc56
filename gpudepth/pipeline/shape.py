"""The middle of the road: a map as it came → of the photo's aspect, clamped, resized, filled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..depth.pixel_format import Quantity, quantity_of
from ..errors import AspectError
from .intake import DepthInput, Intake, take
from .recipe import Recipe, Resize

ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Shaped:
    """values (H, W) in the recipe's native format, in the orientation the recipe takes maps in.

    source   what the map came from when that was depth already; its `codes` only when nothing was done to them
    """

    values: NDArray[Any]
    said: str
    calibration: Calibration | None
    source: DepthData | None
    codes: NDArray[Any] | None
    filled: int


def shape(depth: DepthInput, frame: tuple[int, int] | None, recipe: Recipe, backend: Backend) -> Shaped:
    """A map for a frame (width, height); None when there is no photo to fit.

    Raises AspectError, and what reading and converting raise.
    """
    intake = take(depth, recipe, backend, frame)
    values, calibration = (intake.values, intake.calibration) if frame is None else _fit(intake, frame, recipe, depth)
    if recipe.clamp is not None:
        values = _clamp(values, quantity_of(intake.fmt), recipe.clamp)
    resize = recipe.resize
    if resize is None and recipe.longest_side and max(values.shape) > recipe.longest_side:
        resize = Resize(long_side=recipe.longest_side)
    if resize is not None:
        width, height = resize.target(values.shape[1], values.shape[0])
        recipe.limits.check_picture(width, height, 4, where="resize")
        values = backend.resize(values, width, height, resize.method)
    filled = 0
    if recipe.fill is not None:
        values, report = backend.fill(values, recipe.fill, quantity_of(intake.fmt))
        filled = report.count
    untouched = intake.data is not None and values is intake.values
    if intake.fmt != recipe.pixel_format:
        with np.errstate(over="ignore"):
            values = values.astype(recipe.pixel_format.dtype)
    codes = intake.data.codes if untouched and intake.data else None
    return Shaped(values, intake.said, calibration, intake.data, codes, filled)


def _fit(intake: Intake, frame: tuple[int, int], recipe: Recipe,
         depth: DepthInput) -> tuple[NDArray[Any], Calibration | None]:
    """The map, cut to the photo's aspect when asked; raises AspectError when it differs and was not."""
    values, calibration = intake.values, intake.calibration
    height, width = values.shape
    ratio = (width * frame[1]) / (height * frame[0])
    # a pixel more or less is rounding, not another field of view
    slack = max(ASPECT_TOLERANCE, 0.75 / min(width, height))
    if abs(ratio - 1) <= slack or recipe.fit == "stretch":
        return values, calibration
    if recipe.fit == "error":
        turned = abs((height * frame[1]) / (width * frame[0]) - 1) <= slack
        name = depth if isinstance(depth, str | Path) else "map"
        hint = ("it fits turned by 90°: it may be in the photo's stored orientation, --orientation coded"
                if turned else "--fit crop cuts the map to the photo's aspect, --fit stretch bends it")
        raise AspectError(f"the map is {width}×{height} and the photo {frame[0]}×{frame[1]}: "
                          f"the aspects differ by {abs(ratio - 1):.1%}", where=name, hint=hint)
    if ratio > 1:
        new_w, new_h = max(1, round(height * frame[0] / frame[1])), height
    else:
        new_w, new_h = width, max(1, round(width * frame[1] / frame[0]))
    x, y = (width - new_w) // 2, (height - new_h) // 2
    if calibration is not None:
        calibration = calibration.scaled(width, height).cropped(x, y, new_w, new_h)
    return np.ascontiguousarray(values[y : y + new_h, x : x + new_w]), calibration


def _clamp(values: NDArray[Any], quantity: Quantity, metres: tuple[float, float]) -> NDArray[Any]:
    lo, hi = metres if quantity is Quantity.DEPTH else (1 / metres[1], 1 / metres[0])
    clamped: NDArray[Any] = np.clip(values, values.dtype.type(lo), values.dtype.type(hi))
    return clamped
