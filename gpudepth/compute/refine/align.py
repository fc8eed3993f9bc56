"""Scale and shift that make a relative map metric, fitted to metric samples.

MiDaS and similar models give relative maps: disparity up to scale and shift, so that metric disparity = scale · value +
shift. The fit is robust: of many lines through two samples, the best by the median of the residuals, then least squares
over the samples near it, repeated until these samples stay the same. Up to half of the samples may be wrong.

The arithmetic is float64 on the host, over a bounded number of samples; back ends only apply the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...depth import numeric
from ...errors import RangeError, UsageError

LINES, SCORED, MOST = 1024, 4096, 1 << 18   # lines tried, samples that score a line, samples of the final fit
FEW = 8
NEAR = 2.5 * 1.4826  # multiples of the median residual that count as near: 2.5 sigma of a normal distribution
ROUNDS = 20


@dataclass(frozen=True)
class Alignment:
    """The result of a fit: metric disparity = scale · value + shift.

    Attributes:
        scale: The factor.
        shift: The offset in 1/metres.
        samples: The number of samples.
        inliers: The number of samples that the fit rests on.
        error: The median of |scale · value + shift − metric| over the inliers, in 1/metres.
    """

    scale: float
    shift: float
    samples: int
    inliers: int
    error: float

    def __str__(self) -> str:
        return (f"aligned by {self.inliers:,} of {self.samples:,} samples: ×{self.scale:.6g} {self.shift:+.6g}, "
                f"median error {self.error:.3g} 1/m")


def align(relative: NDArray[np.float32], metric: NDArray[np.float32],
          weights: NDArray[np.float32] | None = None) -> Alignment:
    """Fit a relative map to metric samples.

    Args:
        relative: The relative map, (H, W).
        metric: Disparity in 1/metres, (h, w), with holes where there is no sample. It may be smaller than the map: a
            sample then applies to the middle of its pixel.
        weights: The weights of the samples, (h, w), at least 0; without them all count the same.

    Raises:
        UsageError: The shapes do not fit together.
        RangeError: There are fewer than 8 samples, or the map or the samples have no contrast.
    """
    values, targets, trust = _samples(relative, metric, weights)
    if values.size < FEW:
        raise RangeError(f"{values.size} samples are too few to align a map",
                         hint=f"{FEW} or more pixels with a value in both maps are needed")
    rng = np.random.default_rng(0)
    if values.size > MOST:
        some = np.sort(rng.choice(values.size, MOST, replace=False))
        values, targets, trust = values[some], targets[some], trust[some]
    scale, shift = _best_line(values, targets, rng)
    inside = np.zeros(values.size, bool)
    for _ in range(ROUNDS):
        residual = np.abs(scale * values + shift - targets)
        # The median of a perfect fit is 0, or only a rounding error.
        limit = max(NEAR * float(np.median(residual)), 1e-6 * float(np.abs(targets).max()))
        now = residual <= limit
        if (now == inside).all():
            break
        inside = now
        scale, shift = _least_squares(values[inside], targets[inside], trust[inside])
    if not scale > 0:
        raise RangeError(f"the map decreases where the samples increase: the best scale is {scale:.3g}",
                         hint="the map may hold depth instead of disparity, or the reverse")
    error = float(np.median(np.abs(scale * values[inside] + shift - targets[inside])))
    return Alignment(scale, shift, int(values.size), int(inside.sum()), error)


def affine(values: NDArray[np.float32], scale: float, shift: float) -> NDArray[np.float32]:
    """Return float32(scale) · value + float32(shift).

    A negative disparity becomes +0, which is infinitely far. Holes, whether NaN or infinite, become NaN.
    """
    with np.errstate(all="ignore"):
        moved = np.multiply(values, np.float32(scale), order="C") + np.float32(shift)
        moved[moved <= 0] = 0
    moved[~np.isfinite(values)] = np.nan
    return numeric.canonical(moved)


def _samples(relative: NDArray[np.float32], metric: NDArray[np.float32],
             weights: NDArray[np.float32] | None) -> tuple[NDArray[np.float64], ...]:
    """Return the values, targets and weights of the pixels that both maps have, in raster order of `metric`."""
    (height, width), (h, w) = relative.shape, metric.shape
    if h > height or w > width or not metric.size:
        raise UsageError(f"the metric depth is {w}×{h}, but the map is {width}×{height}",
                         hint="give metric depth as large as the map, or smaller")
    if weights is not None and weights.shape != metric.shape:
        raise UsageError(f"the weights have the shape {weights.shape}, but the samples have {metric.shape}")
    rows = (2 * np.arange(h) + 1) * height // (2 * h)
    columns = (2 * np.arange(w) + 1) * width // (2 * w)
    there = relative[rows[:, None], columns]
    trust = np.ones(metric.shape) if weights is None else weights.astype(np.float64)
    good = np.isfinite(there) & np.isfinite(metric) & (trust > 0)
    return there[good].astype(np.float64), metric[good].astype(np.float64), trust[good]


def _best_line(values: NDArray[np.float64], targets: NDArray[np.float64],
               rng: np.random.Generator) -> tuple[float, float]:
    """Return the line through two samples that has the smallest median residual."""
    first, second = rng.integers(0, values.size, (2, 4 * LINES))
    run = values[second] - values[first]
    # Two samples of almost the same value do not define a scale. Percentiles, so that outliers do not set the spread.
    low, high = np.percentile(values, (5, 95))
    spread = high - low if high > low else values.max() - values.min()
    use = np.abs(run) > 1e-3 * spread
    if not spread > 0 or not use.any():
        raise RangeError("the map has the same value everywhere, so that it cannot be aligned")
    first, second = first[use][:LINES], second[use][:LINES]
    slope = (targets[second] - targets[first]) / run[use][:LINES]
    offset = targets[first] - slope * values[first]
    scored = slice(None) if values.size <= SCORED else np.sort(rng.choice(values.size, SCORED, replace=False))
    v, t = values[scored], targets[scored]
    medians = [float(np.median(np.abs(s * v + o - t))) for s, o in zip(slope, offset, strict=True)]
    best = int(np.argmin(medians))
    return float(slope[best]), float(offset[best])


def _least_squares(values: NDArray[np.float64], targets: NDArray[np.float64],
                   trust: NDArray[np.float64]) -> tuple[float, float]:
    mass = trust.sum()
    v, t = (trust * values).sum() / mass, (trust * targets).sum() / mass
    variance = (trust * (values - v) ** 2).sum()
    if not variance > 0:
        raise RangeError("the samples that agree all have the same value, so that nothing can be fitted to them")
    scale = (trust * (values - v) * (targets - t)).sum() / variance
    return float(scale), float(t - scale * v)
