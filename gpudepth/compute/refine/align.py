"""Scale and shift that make a relative map metric: what MiDaS and its kin leave open, fitted to metric samples.

Relative maps are disparity up to scale and shift: metric disparity = scale · value + shift. The fit is robust: the best
of many lines through two samples by the median of residuals, then least squares over the samples near it, repeated
until they stay the same. Up to half of the samples may be wrong.

The arithmetic is float64 on the host, over a bounded number of samples; back ends only apply what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...depth import numeric
from ...errors import RangeError, UsageError

LINES, JUDGES, MOST = 1024, 4096, 1 << 18  # lines tried, samples that judge them, samples of the final fit
FEW = 8
NEAR = 2.5 * 1.4826  # of the median residual: 2.5 sigma of a normal distribution
ROUNDS = 20


@dataclass(frozen=True)
class Alignment:
    """metric disparity = scale · value + shift.

    samples, inliers   that were there, and that the fit rests on
    error              median of |scale · value + shift − metric| over the inliers, 1/metres
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
    """Fit `relative` (H, W) to `metric` (h, w), disparity in 1/metres, with holes where there is no sample.

    metric may be smaller: a sample stands for the middle of its pixel. weights: of the samples, ≥ 0, none without.

    Raises UsageError for other shapes, RangeError for fewer than 8 samples, or a map or samples without contrast.
    """
    values, targets, trust = _samples(relative, metric, weights)
    if values.size < FEW:
        raise RangeError(f"{values.size} samples cannot align a map", hint=f"{FEW} or more that both maps hold")
    rng = np.random.default_rng(0)
    if values.size > MOST:
        some = np.sort(rng.choice(values.size, MOST, replace=False))
        values, targets, trust = values[some], targets[some], trust[some]
    scale, shift = _best_line(values, targets, rng)
    inside = np.zeros(values.size, bool)
    for _ in range(ROUNDS):
        residual = np.abs(scale * values + shift - targets)
        # a perfect fit has a median of 0 or of rounding
        limit = max(NEAR * float(np.median(residual)), 1e-6 * float(np.abs(targets).max()))
        now = residual <= limit
        if (now == inside).all():
            break
        inside = now
        scale, shift = _least_squares(values[inside], targets[inside], trust[inside])
    if not scale > 0:
        raise RangeError(f"the map runs against the samples: the best scale is {scale:.3g}",
                         hint="it may hold depth where disparity is meant, or the reverse")
    error = float(np.median(np.abs(scale * values[inside] + shift - targets[inside])))
    return Alignment(scale, shift, int(values.size), int(inside.sum()), error)


def affine(values: NDArray[np.float32], scale: float, shift: float) -> NDArray[np.float32]:
    """float32(scale) · value + float32(shift); a disparity below 0 becomes +0, infinitely far. Holes, NaN and infinite,
    become NaN."""
    with np.errstate(all="ignore"):
        moved = np.multiply(values, np.float32(scale), order="C") + np.float32(shift)
        moved[moved <= 0] = 0
    moved[~np.isfinite(values)] = np.nan
    return numeric.canonical(moved)


def _samples(relative: NDArray[np.float32], metric: NDArray[np.float32],
             weights: NDArray[np.float32] | None) -> tuple[NDArray[np.float64], ...]:
    """What both maps hold, in raster order of `metric`."""
    (height, width), (h, w) = relative.shape, metric.shape
    if h > height or w > width or not metric.size:
        raise UsageError(f"metric depth of {w}×{h} for a map of {width}×{height}", hint="as large, or smaller")
    if weights is not None and weights.shape != metric.shape:
        raise UsageError(f"the weights are {weights.shape}, the samples {metric.shape}")
    rows = (2 * np.arange(h) + 1) * height // (2 * h)
    columns = (2 * np.arange(w) + 1) * width // (2 * w)
    there = relative[rows[:, None], columns]
    trust = np.ones(metric.shape) if weights is None else weights.astype(np.float64)
    good = np.isfinite(there) & np.isfinite(metric) & (trust > 0)
    return there[good].astype(np.float64), metric[good].astype(np.float64), trust[good]


def _best_line(values: NDArray[np.float64], targets: NDArray[np.float64],
               rng: np.random.Generator) -> tuple[float, float]:
    """Of lines through two samples, the one with the smallest median residual."""
    first, second = rng.integers(0, values.size, (2, 4 * LINES))
    run = values[second] - values[first]
    # two samples of almost one value say nothing of the scale; and a few values far out nothing of what is almost one
    low, high = np.percentile(values, (5, 95))
    parallel_map = high - low if high > low else values.max() - values.min()
    use = np.abs(run) > 1e-3 * parallel_map
    if not parallel_map > 0 or not use.any():
        raise RangeError("the map is the same everywhere: nothing can be fitted to it")
    first, second = first[use][:LINES], second[use][:LINES]
    slope = (targets[second] - targets[first]) / run[use][:LINES]
    offset = targets[first] - slope * values[first]
    judges = slice(None) if values.size <= JUDGES else np.sort(rng.choice(values.size, JUDGES, replace=False))
    v, t = values[judges], targets[judges]
    medians = [float(np.median(np.abs(s * v + o - t))) for s, o in zip(slope, offset, strict=True)]
    best = int(np.argmin(medians))
    return float(slope[best]), float(offset[best])


def _least_squares(values: NDArray[np.float64], targets: NDArray[np.float64],
                   trust: NDArray[np.float64]) -> tuple[float, float]:
    mass = trust.sum()
    v, t = (trust * values).sum() / mass, (trust * targets).sum() / mass
    variance = (trust * (values - v) ** 2).sum()
    if not variance > 0:
        raise RangeError("the samples that agree all lie on one value: nothing can be fitted to them")
    scale = (trust * (values - v) * (targets - t)).sum() / variance
    return float(scale), float(t - scale * v)
