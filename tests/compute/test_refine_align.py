"""Relative maps become metric."""

from __future__ import annotations

import numpy as np
import pytest

from gpudepth.compute.refine.align import affine, align
from gpudepth.errors import RangeError, UsageError

F32 = np.float32
SCALE, SHIFT = 0.031, 0.12


def scene(rng: np.random.Generator, shape: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Metric disparity of a floor and some boxes."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    disparity = 0.1 + y / shape[0] + 0.05 * np.sin(x / 9)
    for _ in range(5):
        top, left = rng.integers(0, shape[0] - 20), rng.integers(0, shape[1] - 20)
        disparity[top : top + 20, left : left + 20] = rng.uniform(0.3, 2)
    return disparity.astype(F32)


@pytest.mark.parametrize("outliers", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("shape", [(96, 128), (24, 32), (7, 5)])
def test_scale_and_shift_are_recovered(outliers: float, shape: tuple[int, int]) -> None:
    """Within half a percent, a fifth of the samples anything at all, one percent of noise on the rest."""
    rng = np.random.default_rng(int(outliers * 10) + shape[0])
    metric = scene(rng)
    relative = ((metric - F32(SHIFT)) / F32(SCALE)).astype(F32)
    rows, columns = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(shape, metric.shape, strict=True))
    samples = metric[rows[:, None], columns].copy()
    if shape != (7, 5):
        samples *= (1 + rng.normal(0, 0.01, shape)).astype(F32)
    wrong = rng.random(shape) < outliers * 0.9
    samples[wrong] = rng.uniform(0, 4, int(wrong.sum()))
    found = align(relative, samples)
    assert found.scale == pytest.approx(SCALE, rel=0.005) and found.shift == pytest.approx(SHIFT, abs=0.005)
    back = affine(relative, found.scale, found.shift)
    assert np.abs(back - metric).max() < 0.015 and back.dtype == F32
    assert "aligned by" in str(found)


def test_sparse_samples_and_weights() -> None:
    """A few hundred points of a laser in an empty map; half of them wrong, and known to be so."""
    rng = np.random.default_rng(1)
    metric = scene(rng)
    relative = ((metric - F32(SHIFT)) / F32(SCALE)).astype(F32)
    samples = np.full(metric.shape, np.nan, F32)
    points = rng.choice(metric.size, 300, replace=False)
    samples.flat[points] = metric.flat[points]
    trust = np.ones(metric.shape, F32)
    samples.flat[points[:180]] *= 3
    trust.flat[points[:180]] = 0
    found = align(relative, samples, trust)
    assert found.samples == 120 and found.scale == pytest.approx(SCALE, rel=1e-4)


def test_it_is_the_same_each_time() -> None:
    rng = np.random.default_rng(2)
    metric, noise = scene(rng, (600, 800)), rng.normal(0, 0.01, (600, 800))
    relative = (metric * F32(3) + F32(1)).astype(F32)
    assert align(relative, (metric + noise).astype(F32)) == align(relative, (metric + noise).astype(F32))


def test_what_cannot_be_aligned() -> None:
    rng = np.random.default_rng(3)
    metric = scene(rng)
    with pytest.raises(RangeError, match="7 samples"):
        align(metric, np.where(np.arange(metric.size).reshape(metric.shape) < 7, metric, F32(np.nan)))
    with pytest.raises(RangeError, match="same value everywhere"):
        align(np.ones_like(metric), metric)
    with pytest.raises(RangeError, match="the map decreases where the samples increase"):
        align(1 / metric, metric)
    with pytest.raises(UsageError, match="as large"):
        align(metric[:4], metric)
    with pytest.raises(UsageError, match="weights"):
        align(metric, metric, np.ones((3, 3), F32))
    with pytest.raises(RangeError, match="0 samples"):
        align(np.full_like(metric, np.nan), metric)


def test_infinitely_far_is_zero_and_holes_stay() -> None:
    out = affine(np.array([[-5, 0, 2, np.nan]], F32), 1.0, 1.0)
    assert out[0, :3].tolist() == [0, 1, 3] and np.isnan(out[0, 3])


@pytest.mark.parametrize("far", [37.0, 1e3, 1e6, -1e6])
@pytest.mark.parametrize("number", [1, 5, 200])
def test_a_few_values_far_out_in_the_map_itself(far: float, number: int) -> None:
    """A sky of 1/z near nothing must not stretch what counts as contrast."""
    rng = np.random.default_rng(0)
    relative = rng.uniform(0.2, 1, (64, 96)).astype(np.float32)
    metric = (relative * 0.5 + 0.1).astype(np.float32)
    relative.flat[rng.choice(relative.size, number, replace=False)] = far
    found = align(relative, metric)
    assert (found.scale, found.shift) == (pytest.approx(0.5, rel=1e-3), pytest.approx(0.1, rel=1e-3))


def test_holes_stay_holes() -> None:
    holes = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    assert np.isnan(affine(holes, 2, 1)[0, :3]).all()
    turned = np.asfortranarray(np.ones((3, 4), np.float32))
    assert affine(turned, 2, 1).flags.c_contiguous
