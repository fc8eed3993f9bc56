"""Reads what may belong to a map: metric samples that it is aligned to, the confidence of its pixels, its camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend
from ..compute.cpu import NumpyBackend
from ..compute.interface import Array
from ..depth import orientation
from ..depth.aspect import compare
from ..depth.pixel_format import FDEP, FDIS
from ..errors import AspectError, GpudepthError, UsageError
from ..formats.bytesource import Input, VirtualFile, as_input
from ..limits import Limits
from ..maps.reader import read_map
from ..settings.settings import Settings
from ..settings.values import Confidence
from .decode import DepthInput, decode_map

if TYPE_CHECKING:
    from ..compute.refine.align import Alignment
    from ..maps.record3d import Capture

# an alignment is doubtful if a smaller share of samples agrees, or the error is a larger part of their median
AGREE, OFF = 0.6, 0.1


@dataclass(frozen=True)
class SideInputs:
    """What may belong to a map.

    Attributes:
        metric: Depth in metres, sparse or small, that a relative map is aligned to.
        confidence: The confidence of the metric samples where there are some, otherwise of the depth map itself.
        camera: A file that describes the camera: the metadata of a Record3D capture.
    """

    metric: DepthInput | None = None
    confidence: str | Input | NDArray[Any] | None = None
    camera: Input | None = None

    def paths(self) -> tuple[Input, ...]:
        """Return those that are files."""
        return tuple(as_input(p) for p in (self.metric, self.confidence, self.camera)
                     if isinstance(p, str | Path | VirtualFile))

    def read_camera(self, limits: Limits) -> Capture | None:
        """Read the camera. Raises FileError."""
        if self.camera is None:
            return None
        from ..maps.record3d import read_capture

        return read_capture(self.camera, limits)


NO_SIDE_INPUTS = SideInputs()


def read_confidence(side_inputs: SideInputs, settings: Settings, shape: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Return the confidence (H, W) uint8, 0 for pixels that are not used; None without one. Raises UsageError."""
    if side_inputs.confidence is None:
        return None
    if isinstance(side_inputs.confidence, np.ndarray):
        codes, turn, name = side_inputs.confidence, 1, "the confidence"
    else:
        source = read_map(side_inputs.confidence, limits=settings.limits, size=(shape[1], shape[0]))
        codes, turn, name = source.codes, source.orientation, str(side_inputs.confidence)
    codes = orientation.apply(turn, codes)
    if codes.shape != shape:
        raise UsageError(f"the confidence map is {codes.shape[1]}×{codes.shape[0]} but its depth map is "
                         f"{shape[1]}×{shape[0]}", where=name, hint="use one value for each pixel")
    return _scaled(codes, settings.confidence, name)


def _scaled(codes: NDArray[Any], rule: Confidence, name: str) -> NDArray[np.uint8]:
    if codes.dtype.kind == "f":
        top: float = rule.highest or 1
    elif codes.dtype.kind in "ub":
        top = rule.highest or (1 if codes.dtype.kind == "b" else int(np.iinfo(codes.dtype).max))
    else:
        raise UsageError(f"a confidence map cannot hold {codes.dtype}", where=name,
                         hint="use unsigned integers, or floats from 0 to 1")
    values = np.nan_to_num(np.asarray(codes, np.float64), nan=0.0)
    scaled = np.clip(np.ceil(values * (255 / top)), 0, 255).astype(np.uint8)
    scaled[values < rule.least] = 0
    return scaled


@dataclass(frozen=True)
class Aligned:
    """A map that was made metric.

    Attributes:
        values: Values (H, W) in the quantity in which the map was aligned.
        found: Scale and shift.
        warning: Why the alignment is doubtful, or an empty text.
    """

    values: Array
    found: Alignment
    warning: str = ""


def align_to(values: Array, side_inputs: SideInputs, settings: Settings, backend: Backend) -> Aligned:
    """Fit a relative map, in the quantity that `settings.align` names, to metric samples of the same field of view.

    Raises:
        UsageError: There are no samples.
        AspectError: The samples have another aspect.
        RangeError: No scale and shift fits.
    """
    if side_inputs.metric is None:
        raise UsageError("there is nothing to align the map to", hint="‹align_to› needs metric depth of some pixels")
    fmt = FDEP if settings.align == "depth" else FDIS
    reading = Settings(encoding=settings.metric_encoding, floats_are_metres=True, pixel_format=fmt,
                     orientation=settings.orientation, limits=settings.limits)
    on_host = NumpyBackend()        # where the fit is made
    metric = on_host.host(decode_map(side_inputs.metric, reading, on_host, None).values)
    name = str(side_inputs.metric) if isinstance(side_inputs.metric, str | Path | VirtualFile) else "metric"
    _check_aspect(metric.shape, values.shape, name)
    confidence = read_confidence(side_inputs, settings, (metric.shape[0], metric.shape[1]))
    sampled = values
    if metric.shape[0] > values.shape[0] or metric.shape[1] > values.shape[1]:
        height, width = max(metric.shape[0], values.shape[0]), max(metric.shape[1], values.shape[1])
        sampled = backend.resize(values, width, height, "bilinear")
    if sampled.shape != metric.shape:       # of a large map, only its values at the samples leave the device
        sampled = backend.resize(sampled, metric.shape[1], metric.shape[0], "nearest")
    weights = None if confidence is None else confidence.astype(np.float32)
    from ..compute.refine.align import align

    try:
        found = align(backend.host(sampled), metric, weights)
    except GpudepthError as error:
        raise error.within(name) from None
    return Aligned(backend.affine(values, found.scale, found.shift), found, _doubt(found, metric))


def _check_aspect(samples: tuple[int, ...], shape: tuple[int, ...], name: str | Path) -> None:
    aspect = compare((samples[1], samples[0]), (shape[1], shape[0]), min(*samples, *shape))
    if not aspect.fits:
        raise AspectError(f"the samples are {samples[1]}×{samples[0]} but the map is {shape[1]}×{shape[0]}: their "
                          f"aspects differ by {aspect.off}", where=name,
                          hint="they fit after a turn by 90°: one of them is in another orientation" if aspect.turned
                          else "both must show the same field of view")


def _doubt(found: Alignment, metric: NDArray[np.float32]) -> str:
    """Return why an alignment is doubtful, or an empty text."""
    share = found.inliers / found.samples
    middle = float(np.median(np.abs(metric[np.isfinite(metric)])))
    if share >= AGREE and found.error <= OFF * middle:
        return ""
    return (f"the alignment is doubtful: {share:.0%} of the samples agree, within {found.error / middle:.1%} of their "
            "median; check whether the map is linear in disparity or in depth (‹align_in›), and whether both show the "
            "same moment")
