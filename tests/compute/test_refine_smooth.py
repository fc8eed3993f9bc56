"""Median and joint bilateral, against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_kit import a_map, a_picture, same, shapes

from gpudepth.compute import tables
from gpudepth.compute.refine import smooth
from gpudepth.errors import UsageError

F32 = np.float32


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [3, 5])
def test_median(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    values, reach = a_map(rng, shapes(rng), holes=[0, 0.1, 0.7][seed % 3]), size // 2
    expected = np.full(values.shape, np.nan, F32)
    for y, x in np.argwhere(np.isfinite(values)):
        window = values[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        valid = np.sort(window[np.isfinite(window)])
        expected[y, x] = valid[(valid.size - 1) // 2] + F32(0)
    same(smooth.median(values, size, threads=1 + seed % 2), expected)


@pytest.mark.parametrize("seed", range(12))
def test_bilateral(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, radius = tuple(int(n) for n in rng.integers(1, 12, 2)), int(rng.integers(1, 4))
    values = a_map(rng, shape, holes=[0, 0.1, 0.7][seed % 3])
    guide = a_picture(rng, shape) if seed % 2 else None
    bell, table = tables.of_distance(radius, radius / 2), tables.of_colour(smooth.SIGMA_COLOUR)
    expected = np.full(shape, np.nan, F32)
    for y, x in np.argwhere(np.isfinite(values)):
        middle = values[y, x] + F32(0)
        total, mass = F32(0), F32(0)
        for v in range(max(0, y - radius), min(shape[0], y + radius + 1)):
            for u in range(max(0, x - radius), min(shape[1], x + radius + 1)):
                gap = values[v, u] - middle
                if not (np.isfinite(values[v, u]) and np.abs(gap) <= np.abs(middle) * smooth.TAU):
                    continue
                weight = int(bell[v - y + radius] * bell[u - x + radius])
                if guide is not None:
                    weight *= int(table[np.abs(guide[v, u].astype(int) - guide[y, x].astype(int)).sum()])
                mass, total = mass + F32(weight), total + F32(weight) * gap
        expected[y, x] = middle + total / mass
    same(smooth.bilateral(values, radius, guide, threads=1 + seed % 2), expected)


def test_noise_goes_and_edges_stay() -> None:
    rng = np.random.default_rng(0)
    truth = np.where(np.arange(64) < 32, 1.0, 2.0) * np.ones((64, 1))
    noisy = (truth * (1 + rng.normal(0, 0.01, truth.shape))).astype(F32)
    for out in (smooth.bilateral(noisy, 3), smooth.median(noisy, 5)):
        assert np.abs(out - truth).mean() < 0.4 * np.abs(noisy - truth).mean()
        assert np.abs(out - truth).max() < 0.1


def test_a_flat_map_keeps_its_bits() -> None:
    flat = np.full((9, 9), 1.2345678, F32)
    guide = np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    same(smooth.bilateral(flat, 4, guide), flat)


@pytest.mark.parametrize("wrong", [
    lambda v: smooth.median(v, 0), lambda v: smooth.median(v, 7), lambda v: smooth.bilateral(v, 0),
    lambda v: smooth.bilateral(v, 9), lambda v: smooth.bilateral(v, 2, np.zeros((4, 5, 3), np.uint8))])
def test_refusals(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong(np.ones((4, 4), F32))
