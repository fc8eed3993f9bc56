"""Resizing: by the definition, pixel by pixel, and by what any good resize keeps."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.errors import UsageError

CPU = NumpyBackend()
F32 = np.float32
SHAPES = [((1, 1), (3, 2)), ((1, 9), (1, 4)), ((9, 1), (4, 1)), ((6, 8), (3, 4)), ((7, 11), (3, 5)), ((5, 4), (11, 9)),
          ((9, 5), (4, 8)), ((5, 9), (8, 4)), ((6, 6), (6, 6)), ((7, 13), (1, 1)), ((3, 3), (7, 3))]


def by_definition_taps(n: int, m: int, x: int, method: str) -> list[tuple[int, np.float32]]:
    """(index, weight) of the taps of output pixel x, in fractions."""
    if method == "area" and m <= n:
        start, end = Fraction(x * n, m), Fraction((x + 1) * n, m)
        return [(i, F32(float((min(Fraction(i + 1), end) - max(Fraction(i), start)) * Fraction(m, n))))
                for i in range(math.floor(start), math.ceil(end))]
    position = min(max((x + Fraction(1, 2)) * Fraction(n, m) - Fraction(1, 2), Fraction(0)), Fraction(n - 1))
    first = math.floor(position)
    rest = position - first
    return [(first, F32(float(1 - rest)))] + ([(first + 1, F32(float(rest)))] if rest else [])


def by_definition(values: np.ndarray, width: int, height: int, method: str) -> np.ndarray:
    out = np.empty((height, width), values.dtype)
    for y in range(height):
        rows = by_definition_taps(values.shape[0], height, y, method)
        for x in range(width):
            columns = by_definition_taps(values.shape[1], width, x, method)
            S, T, seen = F32(0), F32(0), []
            for j, wy in rows:
                s, t = F32(0), F32(0)
                for i, wx in columns:
                    v = F32(values[j, i])
                    if np.isfinite(v):
                        s, t = s + wx * v, t + wx
                        seen.append(v)
                S, T = S + wy * s, T + wy * t
            v = F32(np.nan) if T == 0 else min(max(S / T, min(seen)), max(seen)) + F32(0)
            out[y, x] = v
    return out


def scene(shape: tuple[int, int], seed: int, dtype: str = "f2", holes: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 9, shape)
    values[rng.random(shape) < holes] = rng.choice([np.nan, np.inf, -np.inf])
    return values.astype(dtype)


def same(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.view(f"u{got.itemsize}"), expected.view(f"u{expected.itemsize}"))


@pytest.mark.parametrize("method", ["area", "bilinear"])
@pytest.mark.parametrize("dtype", ["f2", "f4"])
@pytest.mark.parametrize(("old", "new"), SHAPES)
@pytest.mark.parametrize("holes", [0.0, 0.3, 0.9])
def test_it_is_its_definition(old: tuple[int, int], new: tuple[int, int], method: str, dtype: str,
                              holes: float) -> None:
    values = scene(old, 1, dtype, holes)
    same(CPU.resize(values, new[1], new[0], method), by_definition(values, new[1], new[0], method))


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_nearest_copies_the_pixel_at_each_centre(old: tuple[int, int], new: tuple[int, int]) -> None:
    values = scene(old, 2, "f2", 0.3)
    values[0, 0] = -0.0
    expected = np.array([[values[math.floor((y + Fraction(1, 2)) * Fraction(old[0], new[0])),
                                 math.floor((x + Fraction(1, 2)) * Fraction(old[1], new[1]))]
                          for x in range(new[1])] for y in range(new[0])])
    same(CPU.resize(values, new[1], new[0], "nearest"), expected)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(1, 40), st.integers(1, 40),
       st.integers(1, 60), st.integers(1, 60), st.sampled_from(["area", "bilinear", "nearest"]))
def test_a_constant_map_stays_exactly_constant(value: float, height: int, width: int, m: int, k: int,
                                               method: str) -> None:
    got = CPU.resize(np.full((height, width), value, np.float32), m, k, method)
    assert got.shape == (k, m)
    assert (got == np.float32(value)).all()


@pytest.mark.parametrize("method", ["area", "bilinear"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_zero_is_positive_zero(method: str, dtype: type) -> None:
    for size in (3, 8, 19):
        got = CPU.resize(np.full((8, 40), -0.0, dtype), size, size, method)
        assert not got.view(f"u{got.itemsize}").any()


@pytest.mark.parametrize("method", ["area", "bilinear"])
def test_constant_regions_with_holes_stay_exactly_constant(method: str) -> None:
    values = np.full((60, 90), 0.1, np.float32)
    values[:, 45:] = 7.3
    values[np.random.default_rng(0).random(values.shape) < 0.4] = np.nan
    got = CPU.resize(values, 31, 17, method)
    good = np.isfinite(got)
    assert (got[:, :15][good[:, :15]] == np.float32(0.1)).all()
    assert (got[:, 16:][good[:, 16:]] == np.float32(7.3)).all()


def test_area_keeps_the_mean() -> None:
    values = scene((300, 400), 3, "f4")
    means = [float(v.mean(dtype=np.float64)) for v in (values, CPU.resize(values, 37, 41))]
    assert means[1] == pytest.approx(means[0], abs=1e-5)
    blocks = values.astype(np.float64).reshape(30, 10, 40, 10).mean(axis=(1, 3))
    np.testing.assert_allclose(CPU.resize(values, 40, 30), blocks, atol=1e-5)


def test_bilinear_keeps_a_ramp() -> None:
    ramp = np.broadcast_to((np.arange(20) + 0.5).astype(np.float32), (4, 20))
    got = CPU.resize(ramp, 80, 4, "bilinear")
    np.testing.assert_allclose(got[0, 2:-2], ((np.arange(80) + 0.5) / 4)[2:-2], rtol=1e-6)
    assert got[0, 0] == 0.5     # beyond the outermost centres there is nothing to go by
    assert got[0, -1] == 19.5


def test_one_valid_tap_is_enough_and_none_is_a_hole() -> None:
    values = np.full((4, 4), np.nan, np.float16)
    values[0, 1] = 3
    assert CPU.resize(values, 2, 2)[0, 0] == 3
    assert CPU.resize(values, 2, 2).view(np.uint16).reshape(-1)[1:].tolist() == [0x7E00] * 3


def test_holes_do_not_bleed() -> None:
    values = np.full((8, 8), 2.0, np.float16)
    values[3, 3], values[4, 4] = np.inf, np.nan
    for method in ("area", "bilinear"):
        assert (CPU.resize(values, 4, 4, method) == 2).all()


@pytest.mark.parametrize("method", ["area", "bilinear", "nearest"])
def test_the_same_size_changes_nothing(method: str) -> None:
    for dtype in ("f2", "f4"):
        values = scene((37, 53), 4, dtype)
        got = CPU.resize(values, 53, 37, method)
        same(got, values)
        assert not np.shares_memory(got, values)


@pytest.mark.parametrize("method", ["area", "bilinear", "nearest"])
@pytest.mark.parametrize("dtype", [">f2", ">f4", "f2"])
def test_any_layout_and_byte_order(method: str, dtype: str) -> None:
    values = scene((61, 83), 5, dtype, 0.1)
    plain = values.astype(values.dtype.newbyteorder("="))
    for layout, twin in ((values, plain), (values.T, plain.T), (values[::2, ::-3], plain[::2, ::-3])):
        got = CPU.resize(layout, 40, 23, method)
        same(got, CPU.resize(np.ascontiguousarray(twin), 40, 23, method))
        assert got.flags.c_contiguous


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize(("width", "height"), [(123, 77), (900, 650), (900, 77)])
def test_threads_change_no_bit(threads: int, width: int, height: int) -> None:
    values = scene((401, 503), 6, "f4", 0.2)
    same(NumpyBackend(threads).resize(values, width, height), CPU.resize(values, width, height))


def test_huge_values_stay_finite() -> None:
    values = np.full((30, 30), 3.4e38, np.float32)
    assert (CPU.resize(values, 7, 7) == np.float32(3.4e38)).all()


def test_refusals() -> None:
    values = np.ones((2, 2), np.float16)
    with pytest.raises(UsageError, match="the resize method 'lanczos' is unknown"):
        CPU.resize(values, 1, 1, "lanczos")
    with pytest.raises(UsageError, match="cannot be resized to 0×1"):
        CPU.resize(values, 0, 1)
    with pytest.raises(UsageError, match="a map of 2×0"):
        CPU.resize(values[:0], 1, 1)
    with pytest.raises(TypeError):
        CPU.resize(values.astype(np.float64), 1, 1)
