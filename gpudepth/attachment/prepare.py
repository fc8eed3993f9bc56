"""The middle of the road: a map as it came → of the photo's aspect, refined, in the native format."""

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
from ..depth.pixel_format import FDIS, quantity_of
from ..errors import AspectError
from ..formats.bytesource import VirtualFile
from ..maps.record3d import read_capture
from ..settings.settings import Settings
from ..timing import stage
from .decode import DepthInput, decode_map
from .guide import Guide
from .refine import refine
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
