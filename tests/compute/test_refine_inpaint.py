"""Push and pull, against a plain loop and on held-out pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_kit import a_map, a_picture, host, same

from benchmarks.scene import Scene
from gpudepth.compute import backend, tables
from gpudepth.compute.refine.inpaint import SIGMA_COLOUR, inpaint, shrink_guide
from gpudepth.depth.pixel_format import Quantity
from gpudepth.errors import HolesError, UsageError

F32 = np.float32


def by_the_text(values: Any, guide: Any) -> Any:
    """The module's text, pixel by pixel."""
    height, width = values.shape
    fine = [[values[y, x] + F32(0) if np.isfinite(values[y, x]) else None for x in range(width)] for y in range(height)]
    if all(v is not None for row in fine for v in row):
        return np.array(fine, F32)
    coarse, above = [], []
    for y in range((height + 1) // 2):
        coarse.append([])
        above.append([])
        for x in range((width + 1) // 2):
            children = [(v, u) for v in (2 * y, 2 * y + 1) for u in (2 * x, 2 * x + 1) if v < height and u < width]
            total, count = F32(0), 0
            for v, u in children:
                if fine[v][u] is not None:
                    total, count = total + fine[v][u], count + 1
            coarse[y].append(total / F32(count) if count else np.nan)
            n = len(children)
            colour = [(sum(int(guide[v, u, c]) for v, u in children) + n // 2) // n for c in range(3)] if guide is not None else [0] * 3
            above[y].append(colour)
    up = np.array(above, np.uint8)
    filled = by_the_text(np.array(coarse, F32), None if guide is None else up)
    table, out = tables.of_colour(SIGMA_COLOUR), np.empty_like(values)
    for y in range(height):
        for x in range(width):
            if fine[y][x] is not None:
                out[y, x] = fine[y][x]
                continue
            total, mass, taps = F32(0), 0, []
            for p, tall in ((y // 2, 3), (y // 2 + (1 if y % 2 else -1), 1)):
                for q, wide in ((x // 2, 3), (x // 2 + (1 if x % 2 else -1), 1)):
                    if 0 <= p < filled.shape[0] and 0 <= q < filled.shape[1]:
                        weight = tall * wide
                        if guide is not None:
                            weight *= int(table[np.abs(guide[y, x].astype(int) - up[p, q].astype(int)).sum()])
                        total, mass = total + F32(weight) * filled[p, q], mass + weight
                        taps.append(filled[p, q])
            out[y, x] = min(max(total / F32(mass), min(taps)), max(taps)) + F32(0)
    return out


@pytest.mark.parametrize("seed", range(12))
def test_it_does_what_its_text_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 14, 2))
    values = a_map(rng, shape, holes=[0.2, 0.6, 0.95][seed % 3])
    values.flat[rng.integers(values.size)] = 2
    guide = a_picture(rng, shape) if seed % 2 else None
    same(inpaint(values, guide), by_the_text(values, guide))


def test_a_hole_between_two_surfaces_is_cut_along_the_colour() -> None:
    values, guide = np.full((32, 32), 1, F32), np.zeros((32, 32, 3), np.uint8)
    values[:, 18:], guide[:, 18:] = 4, 200
    values[8:24, 14:22] = np.nan
    filled = inpaint(values, guide)
    assert np.abs(filled[:, :18] - 1).max() < 0.4 and np.abs(filled[:, 18:] - 4).max() < 0.4
    assert (np.isfinite(filled)).all() and (filled[:8] == values[:8]).all()
    blind = inpaint(values)
    assert np.abs(blind[15, 17] - 1) > np.abs(filled[15, 17] - 1)


def test_refusals() -> None:
    with pytest.raises(HolesError, match="nothing to fill"):
        inpaint(np.full((3, 4), np.nan, F32))
    with pytest.raises(UsageError, match="guide"):
        inpaint(np.ones((3, 4), F32), np.zeros((4, 3, 3), np.uint8))


def test_guides_shrink_by_rounding_half_up() -> None:
    guide = np.array([[[0, 10, 255], [1, 10, 255], [7, 7, 7]]], np.uint8)
    assert shrink_guide(guide).tolist() == [[[1, 10, 255], [7, 7, 7]]]


@pytest.mark.parametrize("kind", ["a tenth at random", "nine tenths at random", "blocks", "behind edges"])
def test_it_beats_nearest_on_held_out_pixels(sample: Any, kind: str) -> None:
    """By rms, on pixels whose value is known; Middlebury's motorcycle."""
    scene = Scene(sample("depth/middlebury2014_MotorcycleQ_disp0GT.pfm"),
                  sample("depth/middlebury2014_MotorcycleQ_im0.png"))
    held = scene.held_out(kind)
    holed = np.where(held | ~scene.known, np.nan, scene.truth).astype(F32)

    def rms(values: Any) -> float:
        return float(np.sqrt(np.mean((values - scene.truth)[held] ** 2)))

    ours, _ = backend().inpaint(holed, scene.picture)
    nearest, _ = backend().fill(holed, "nearest", Quantity.DISPARITY)
    assert rms(ours) < 0.85 * rms(nearest)


@pytest.mark.parametrize("huge", [3e38, -3e38, 1e31])
def test_values_that_overflow_when_added(huge: float) -> None:
    """The pyramid always ends, and both back ends agree on what it says."""
    values = np.full((4, 6), np.nan, np.float32)
    values[:2, :2], values[2:, 4:] = huge, -huge
    ours, filled = backend("numpy").inpaint(values)
    assert np.isfinite(ours).all()
    assert filled.count == 16
    np.testing.assert_array_equal(ours[:2, :2], values[:2, :2])
    theirs, _ = host().inpaint(values)
    same(ours, theirs)
