"""What may come beside a map: metric samples to align it to, and how far each pixel is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute import Backend
from ..compute.refine.align import Alignment, align
from ..depth import orientation as exif
from ..depth.aspect import compare
from ..depth.pixel_format import FDEP, FDIS
from ..errors import AspectError, GpudepthError, UsageError
from ..formats.bytesource import Input, VirtualFile, as_input
from ..maps.reader import read_map
from ..settings.settings import Settings
from ..settings.values import Confidence
from .decode import DepthInput, decode_map

AGREE, OFF = 0.6, 0.1     # of samples, and of their middle value: below and beyond, an alignment is doubtful


@dataclass(frozen=True)
class SideInputs:
    """metric: depth in metres, sparse or small, that a relative map is aligned to. confidence: a map of how far to
    trust the metric samples where there are some, else the depth map itself. camera: a file that says how it was taken,
    a Record3D capture's metadata."""

    metric: DepthInput | None = None
    confidence: str | Input | NDArray[Any] | None = None
    camera: Input | None = None

    def paths(self) -> tuple[Input, ...]:
        """Of the files among them."""
        return tuple(as_input(p) for p in (self.metric, self.confidence, self.camera)
                     if isinstance(p, str | Path | VirtualFile))


NO_SIDE_INPUTS = SideInputs()


def read_confidence(side_inputs: SideInputs, settings: Settings, shape: tuple[int, int]) -> NDArray[np.uint8] | None:
    """(H, W) uint8, 0 for what is not to be used … 255; None when there is none. Raises UsageError for another size."""
    if side_inputs.confidence is None:
        return None
    if isinstance(side_inputs.confidence, np.ndarray):
        codes, turn, name = side_inputs.confidence, 1, "the confidence"
    else:
        source = read_map(side_inputs.confidence, limits=settings.limits, size=(shape[1], shape[0]))
        codes, turn, name = source.codes, source.orientation, str(side_inputs.confidence)
    codes = exif.apply(turn, codes)
    if codes.shape != shape:
        raise UsageError(f"is {codes.shape[1]}×{codes.shape[0]}, and the map it speaks of {shape[1]}×{shape[0]}",
                         where=name, hint="one value for each pixel")
    return _scaled(codes, settings.confidence, name)


def _scaled(codes: NDArray[Any], rule: Confidence, name: str) -> NDArray[np.uint8]:
    if codes.dtype.kind == "f":
        top: float = rule.highest or 1
    elif codes.dtype.kind in "ub":
        top = rule.highest or (1 if codes.dtype.kind == "b" else int(np.iinfo(codes.dtype).max))
    else:
        raise UsageError(f"is {codes.dtype}", where=name, hint="unsigned integers, or floats from 0 to 1")
    values = np.nan_to_num(np.asarray(codes, np.float64), nan=0.0)
    scaled = np.clip(np.ceil(values * (255 / top)), 0, 255).astype(np.uint8)
    scaled[values < rule.least] = 0
    return scaled


@dataclass(frozen=True)
class Aligned:
    """A map made metric, in the quantity it was aligned in. warning: what is doubtful about it, or nothing."""

    values: NDArray[np.float32]
    found: Alignment
    warning: str = ""


def align_to(values: NDArray[np.float32], side_inputs: SideInputs, settings: Settings, backend: Backend) -> Aligned:
    """A relative map, in the quantity that `settings.align` names, fitted to metric samples of the same field of view.

    Raises UsageError, AspectError when the samples have another aspect, RangeError.
    """
    if side_inputs.metric is None:
        raise UsageError("nothing to align to", hint="--align-to, with metric depth of some pixels at least")
    fmt = FDEP if settings.align == "depth" else FDIS
    reading = Settings(encoding=settings.metric_encoding, floats_are_metres=True, pixel_format=fmt,
                     orientation=settings.orientation, limits=settings.limits)
    metric = decode_map(side_inputs.metric, reading, backend, None).values
    name = str(side_inputs.metric) if isinstance(side_inputs.metric, str | Path | VirtualFile) else "metric"
    _check_aspect(metric.shape, values.shape, name)
    confidence = read_confidence(side_inputs, settings, (metric.shape[0], metric.shape[1]))
    sampled = values
    if metric.shape[0] > values.shape[0] or metric.shape[1] > values.shape[1]:
        height, width = max(metric.shape[0], values.shape[0]), max(metric.shape[1], values.shape[1])
        sampled = backend.resize(values, width, height, "bilinear")
    weights = None if confidence is None else confidence.astype(np.float32)
    try:
        found = align(sampled, metric, weights)
    except GpudepthError as error:
        raise error.within(name) from None
    return Aligned(backend.affine(values, found.scale, found.shift), found, _doubt(found, metric))


def _check_aspect(samples: tuple[int, ...], shape: tuple[int, ...], name: str | Path) -> None:
    aspect = compare((samples[1], samples[0]), (shape[1], shape[0]), min(*samples, *shape))
    if not aspect.fits:
        raise AspectError(f"the samples are {samples[1]}×{samples[0]} and the map {shape[1]}×{shape[0]}: the aspects "
                          f"differ by {aspect.off}", where=name,
                          hint="it fits turned by 90°: one of them is in another orientation" if aspect.turned else
                          "both have to show the same field of view")


def _doubt(found: Alignment, metric: NDArray[np.float32]) -> str:
    """A fit that few samples agree with, or badly, is one that people should know of."""
    share = found.inliers / found.samples
    middle = float(np.median(np.abs(metric[np.isfinite(metric)])))
    if share >= AGREE and found.error <= OFF * middle:
        return ""
    return (f"the alignment is doubtful: {share:.0%} of the samples agree, by {found.error / middle:.1%} of their "
            "middle value; is the map linear in disparity or in depth (--align-in), and are both of one moment?")
