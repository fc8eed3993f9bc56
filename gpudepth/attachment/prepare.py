"""Prepares a map for a photo: brings it to the photo's aspect, refines it, and converts it to the native format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend, Span
from ..depth.aspect import compare
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..depth.pixel_format import FDIS, PixelFormat, Quantity, quantity_of
from ..errors import AspectError, UsageError
from ..formats.bytesource import VirtualFile
from ..maps.record3d import read_capture
from ..settings.settings import Settings
from ..settings.values import Resize
from ..timing import stage
from .decode import DepthInput, decode_map
from .guide import Guide
from .side_inputs import NO_SIDE_INPUTS, SideInputs, align_to, read_confidence


@dataclass(frozen=True)
class PreparedMap:
    """values (H, W) in the recipe's native format, in the orientation the recipe takes maps in.

    span     of the values, when it is known already
    source   what the map came from when that was depth already; its `codes` only when nothing was done to them
    """

    values: NDArray[Any]
    said: str
    calibration: Calibration | None
    source: DepthData | None
    codes: NDArray[Any] | None
    filled: int
    span: Span | None = None
    warnings: tuple[str, ...] = ()


def shape(depth: DepthInput, frame: tuple[int, int] | None, settings: Settings, backend: Backend, *,
          guide: Guide | None = None, side_inputs: SideInputs = NO_SIDE_INPUTS) -> PreparedMap:
    """A map for a frame (width, height); None when there is no photo to fit. guide: the photo itself.

    Raises AspectError, and what reading, converting and refining raise.
    """
    capture = None if side_inputs.camera is None else read_capture(side_inputs.camera, settings.limits)
    with stage("read"):
        intake = decode_map(depth, settings, backend, frame, capture.depth if capture else None)
    values, fmt, calibration, said = intake.values, intake.fmt, intake.calibration, intake.said
    calibration = calibration or (capture.calibration if capture else None)
    confidence, warnings = None, []
    if settings.align is None:
        confidence = read_confidence(side_inputs, settings, (values.shape[0], values.shape[1]))
    else:   # before anything is cut off: the samples show what the whole map shows
        aligned = align_to(values, side_inputs, settings, backend)
        values, said = aligned.values, f"{said}, {aligned.found}"
        warnings += [aligned.warning] if aligned.warning else []
        if fmt != FDIS:
            values, fmt = backend.reciprocal_to(values, FDIS), FDIS
    if confidence is not None:
        values = np.where(confidence > 0, values, values.dtype.type(np.nan))
    if frame is not None:
        box = _box(values.shape, frame, settings, depth)
        if box is not None:
            x, y, width, height = box
            if calibration is not None:
                calibration = calibration.scaled(values.shape[1], values.shape[0]).cropped(x, y, width, height)
            values = np.ascontiguousarray(values[y : y + height, x : x + width])
            confidence = confidence if confidence is None else confidence[y : y + height, x : x + width]
    with stage("refine"):
        refined = refine(values, fmt, settings, backend, guide=guide, confidence=confidence)
    values = refined.values
    untouched = intake.data is not None and values is intake.values
    if quantity_of(refined.fmt) is not quantity_of(settings.pixel_format):
        values = backend.reciprocal_to(values, settings.pixel_format)
    elif refined.fmt != settings.pixel_format:
        with np.errstate(over="ignore"):
            values = values.astype(settings.pixel_format.dtype)
    codes = intake.data.codes if untouched and intake.data else None
    span = intake.span if values is intake.values else None
    return PreparedMap(values, said + refined.said, calibration, intake.data, codes, refined.filled, span,
                       tuple(warnings))


def _box(shape: tuple[int, ...], frame: tuple[int, int], settings: Settings,
         depth: DepthInput) -> tuple[int, int, int, int] | None:
    """x, y, width, height of the part with the photo's aspect, when one has to be cut out; AspectError when it differs
    and cutting was not asked for."""
    height, width = shape
    aspect = compare((width, height), frame, min(width, height))
    if aspect.fits or settings.fit == "stretch":
        return None
    if settings.fit == "error":
        name = str(depth) if isinstance(depth, str | Path | VirtualFile) else "map"
        hint = ("it fits turned by 90°: turn it to how the photo is displayed, or, if it is as the photo is stored, "
                "--coded (source.orientation: coded in a job)" if aspect.turned else
                "--fit crop cuts the map to the photo's aspect, --fit stretch bends it (refine.fit in a job)")
        raise AspectError(f"the map is {width}×{height} and the photo {frame[0]}×{frame[1]}: "
                          f"the aspects differ by {aspect.off}", where=name, hint=hint)
    if aspect.ratio > 1:
        new_w, new_h = max(1, round(height * frame[0] / frame[1])), height
    else:
        new_w, new_h = width, max(1, round(width * frame[1] / frame[0]))
    return (width - new_w) // 2, (height - new_h) // 2, new_w, new_h


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
