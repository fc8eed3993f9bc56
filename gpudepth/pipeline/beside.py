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
from ..depth.encoding import Depth
from ..depth.pixel_format import FDEP, FDIS, PixelFormat
from ..errors import GpudepthError, UsageError
from ..sources.maps import read_map
from .intake import DepthInput, take
from .recipe import Confidence, Recipe


@dataclass(frozen=True)
class Beside:
    """metric: depth in metres, sparse or small, that a relative map is aligned to. confidence: a map of how far to
    trust the metric samples where there are some, else the depth map itself."""

    metric: DepthInput | None = None
    confidence: str | Path | NDArray[Any] | None = None

    def paths(self) -> tuple[Path, ...]:
        """Of the files among them."""
        return tuple(Path(p) for p in (self.metric, self.confidence) if isinstance(p, str | Path))


NOTHING = Beside()


def read_confidence(beside: Beside, recipe: Recipe, shape: tuple[int, int]) -> NDArray[np.uint8] | None:
    """(H, W) uint8, 0 for what is not to be used … 255; None when there is none. Raises UsageError for another size."""
    if beside.confidence is None:
        return None
    if isinstance(beside.confidence, np.ndarray):
        codes, turn, name = beside.confidence, 1, "the confidence"
    else:
        source = read_map(beside.confidence, limits=recipe.limits)
        codes, turn, name = source.codes, source.orientation, str(beside.confidence)
    codes = exif.apply(turn, codes)
    if codes.shape != shape:
        raise UsageError(f"is {codes.shape[1]}×{codes.shape[0]}, and the map it speaks of {shape[1]}×{shape[0]}",
                         where=name, hint="one value for each pixel")
    return _scaled(codes, recipe.confidence, name)


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


def align_to(values: NDArray[np.float32], beside: Beside, recipe: Recipe,
             backend: Backend) -> tuple[NDArray[np.float32], Alignment]:
    """A relative map, in the quantity that `recipe.align` names, made metric. Raises UsageError, RangeError."""
    if beside.metric is None:
        raise UsageError("nothing to align to", hint="--align-to, with metric depth of some pixels at least")
    fmt = FDEP if recipe.align == "depth" else FDIS
    metric = take(beside.metric, _metric_recipe(beside.metric, recipe, fmt), backend, None).values
    confidence = read_confidence(beside, recipe, (metric.shape[0], metric.shape[1]))
    sampled = values
    if metric.shape[0] > values.shape[0] or metric.shape[1] > values.shape[1]:
        height, width = max(metric.shape[0], values.shape[0]), max(metric.shape[1], values.shape[1])
        sampled = backend.resize(values, width, height, "bilinear")
    weights = None if confidence is None else confidence.astype(np.float32)
    try:
        found = align(sampled, metric, weights)
    except GpudepthError as error:
        raise error.within(beside.metric if isinstance(beside.metric, str | Path) else "metric") from None
    return backend.affine(values, found.scale, found.shift), found


def _metric_recipe(metric: DepthInput, recipe: Recipe, fmt: PixelFormat) -> Recipe:
    encoding = recipe.metric_encoding
    if encoding is None and isinstance(metric, np.ndarray) and metric.dtype.kind == "f":
        encoding = Depth()
    if encoding is None and isinstance(metric, str | Path) and Path(metric).suffix.lower() in (".npy", ".npz", ".pfm"):
        encoding = Depth()
    return Recipe(encoding=encoding, pixel_format=fmt, orientation=recipe.orientation, limits=recipe.limits)
