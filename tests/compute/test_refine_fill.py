"""Filling holes: by the definition, pixel by pixel, and against the true nearest pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpudepth.compute import Filled
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.refine.fill import MAX_SIDE
from gpudepth.depth.pixel_format import Quantity
from gpudepth.errors import HolesError, UsageError

CPU = NumpyBackend()
DEPTH, DISPARITY = Quantity.DEPTH, Quantity.DISPARITY


def by_definition(values: np.ndarray) -> np.ndarray:
    """Jump flooding as its description says, one pixel at a time."""
    height, width = values.shape
    seeds = {(y, x): (y, x) for y in range(height) for x in range(width) if math.isfinite(values[y, x])}
    n = 1
    while n < max(height, width):
        n *= 2
    steps = [1]
    while n > 1:
        n //= 2
        steps.append(n)
    for step in steps:
        after = dict(seeds)
        for y in range(height):
            for x in range(width):
                if math.isfinite(values[y, x]):
                    continue
                taps = [(y + j * step, x + i * step) for j in (-1, 0, 1) for i in (-1, 0, 1)]
                found = [seeds[tap] for tap in taps if tap in seeds]
                if found:
                    after[y, x] = min(found, key=lambda s: ((y - s[0]) ** 2 + (x - s[1]) ** 2, s))
        seeds = after
    out = values.copy()
    for (y, x), seed in seeds.items():
        out[y, x] = values[seed]
    return out


def holed(height: int, width: int, share: float, seed: int, dtype: str = "f2") -> np.ndarray:
    """A map whose values all differ (as far as the dtype allows), with holes of every kind."""
    rng = np.random.default_rng(seed)
    values = np.arange(1, height * width + 1, dtype=np.float32).reshape(height, width)
    gone = rng.random(values.shape) < share
    gone[rng.integers(height), rng.integers(width)] = False
    values[gone] = rng.choice([np.nan, np.inf, -np.inf], int(gone.sum()))
    return values.astype(dtype)


def bits(a: np.ndarray) -> np.ndarray:
    return a.view(f"u{a.itemsize}")


@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (17, 1), (2, 2), (5, 9), (16, 16), (13, 33), (40, 7)])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
def test_nearest_is_its_definition(shape: tuple[int, int], share: float) -> None:
    for seed in range(3):
        values = holed(*shape, share, seed)
        filled, report = CPU.fill(values, "nearest", DEPTH)
        np.testing.assert_array_equal(bits(filled), bits(by_definition(values)))
        count = int((~np.isfinite(values)).sum())
        assert report == Filled(count, count / values.size)


@pytest.mark.parametrize(("height", "width", "share", "seed"), [
    (20, 41, 0.95, 46), (20, 41, 0.95, 63), (33, 13, 0.9, 149), (33, 13, 0.98, 129), (40, 7, 0.8, 244)])
def test_where_flooding_misses_the_nearest_it_misses_it_as_defined(height: int, width: int, share: float,
                                                                   seed: int) -> None:
    # Patterns in which a tap too many, such as one that wraps around the edge, would find a nearer pixel.
    rng = np.random.default_rng(seed)
    gone = rng.random((height, width)) < share
    gone[rng.integers(height), rng.integers(width)] = False
    values = np.arange(height * width, dtype=np.float32).reshape(height, width)
    values[gone] = np.nan
    np.testing.assert_array_equal(CPU.fill(values, "nearest", DEPTH)[0], by_definition(values))


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(lambda m: bool(m.any())))
def test_nearest_of_any_pattern(valid: np.ndarray) -> None:
    values = np.where(valid, np.arange(1, valid.size + 1).reshape(valid.shape), np.nan).astype(np.float32)
    filled, _ = CPU.fill(values, "nearest", DEPTH)
    np.testing.assert_array_equal(filled, by_definition(values))


def distances(values: np.ndarray, filled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each hole: squared distance to the pixel its value came from, and to the truly nearest one."""
    valid = np.argwhere(np.isfinite(values))
    place = {values[y, x]: (y, x) for y, x in valid}
    taken, best = [], []
    for y, x in np.argwhere(~np.isfinite(values)):
        sy, sx = place[filled[y, x]]
        taken.append((y - sy) ** 2 + (x - sx) ** 2)
        best.append(int(((valid - (y, x)) ** 2).sum(axis=1).min()))
    return np.array(taken), np.array(best)


@pytest.mark.parametrize("seed", range(4))
def test_nearest_is_truly_nearest_in_typical_maps(seed: int) -> None:
    values = holed(60, 80, 0.05, seed, "f4")
    values[20:26, 30:41] = np.nan   # a shadow behind an edge
    taken, best = distances(values, CPU.fill(values, "nearest", DEPTH)[0])
    np.testing.assert_array_equal(taken, best)


@pytest.mark.parametrize("seed", range(4))
def test_nearest_is_all_but_nearest_in_sparse_maps(seed: int) -> None:
    values = holed(60, 80, 0.99, seed, "f4")
    taken, best = distances(values, CPU.fill(values, "nearest", DEPTH)[0])
    assert (np.sqrt(taken) <= np.sqrt(best) + 1).all()
    assert (taken == best).mean() > 0.99


def test_ties_go_to_the_first_in_raster_order() -> None:
    nan = np.nan
    assert CPU.fill(np.array([[1, nan, 2]], np.float16), "nearest", DEPTH)[0].tolist() == [[1, 1, 2]]
    assert CPU.fill(np.array([[1], [nan], [2]], np.float16), "nearest", DEPTH)[0].tolist() == [[1], [1], [2]]
    cross = np.array([[nan, 1, nan], [2, nan, 3], [nan, 4, nan]], np.float16)
    assert CPU.fill(cross, "nearest", DEPTH)[0].tolist() == [[1, 1, 1], [2, 1, 3], [2, 4, 3]]


@pytest.mark.parametrize("how", ["nearest", "far", "near"])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f2", ">f4"])
def test_pixels_with_a_value_keep_their_bits_and_the_input_is_left_alone(how: str, dtype: str) -> None:
    values = holed(30, 40, 0.3, 9, dtype)
    values[3, 3], values[4, 4] = -0.0, -2.5
    for layout in (values, values.T, values[::2, ::-1]):
        before = layout.copy()
        filled, _ = CPU.fill(layout, how, DISPARITY)
        good = np.isfinite(before)
        assert np.isfinite(filled).all()
        assert filled.dtype == values.dtype.newbyteorder("=")
        assert filled.flags.c_contiguous
        np.testing.assert_array_equal(bits(filled)[good], bits(before.astype(filled.dtype))[good])
        np.testing.assert_array_equal(bits(layout), bits(before))


@pytest.mark.parametrize(("how", "quantity", "expected"), [
    ("far", DEPTH, 9.0), ("near", DEPTH, 0.5), ("far", DISPARITY, 0.5), ("near", DISPARITY, 9.0),
])
def test_far_and_near_depend_on_the_quantity(how: str, quantity: Quantity, expected: float) -> None:
    values = np.array([[0.5, np.nan, 9.0], [np.inf, 2.0, -np.inf]], np.float16)
    filled, report = CPU.fill(values, how, quantity)
    assert filled.tolist() == [[0.5, expected, 9.0], [expected, 2.0, expected]]
    assert report == Filled(3, 0.5)


@pytest.mark.parametrize("how", ["nearest", "far", "near"])
def test_without_holes_it_is_a_copy_and_with_nothing_else_an_error(how: str) -> None:
    values = np.ones((3, 4), np.float32)
    filled, report = CPU.fill(values, how, DEPTH)
    assert report == Filled(0, 0.0)
    np.testing.assert_array_equal(filled, values)
    assert not np.shares_memory(filled, values)
    with pytest.raises(HolesError, match="none of the map's 12 pixels"):
        CPU.fill(np.full((3, 4), np.inf, np.float16), how, DEPTH)


def test_refusals() -> None:
    values = np.array([[1, np.nan]], np.float16)
    with pytest.raises(UsageError, match="fill 'inpainting' is unknown"):
        CPU.fill(values, "inpainting", DEPTH)
    wide = np.full((1, MAX_SIDE + 1), np.nan, np.float16)
    wide[0, 0] = 1
    with pytest.raises(UsageError, match="too large"):
        CPU.fill(wide, "nearest", DEPTH)
    assert (CPU.fill(wide, "far", DEPTH)[0] == 1).all()


def test_the_longest_side_works_from_end_to_end() -> None:
    wide = np.full((2, MAX_SIDE), np.nan, np.float32)
    wide[1, -1] = 5
    assert (CPU.fill(wide, "nearest", DEPTH)[0] == 5).all()
    wide[0, 0] = 3
    filled = CPU.fill(wide, "nearest", DEPTH)[0]
    assert (filled[:, :MAX_SIDE // 2 - 1] == 3).all()
    assert (filled[:, MAX_SIDE // 2 + 1:] == 5).all()


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    values = holed(301, 401, 0.8, 1, "f4")
    one, many = (b.fill(values, "nearest", DEPTH)[0] for b in (CPU, NumpyBackend(threads)))
    np.testing.assert_array_equal(bits(one), bits(many))
