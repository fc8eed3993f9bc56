"""The reference contract against arithmetic that is not numpy's: exact fractions, rounded by hand; struct's halves."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.depth import numeric
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP, HDIS

NAN = float("nan")
RANGES = [(0.5, 12.0), (12.0, 0.5), (1 / 12, 2.0), (0.0, 1.0), (1.0, 0.0), (0.001, 1e9), (-4.0, 7.0), (3.0, 3.0),
          (0.0, 65535.0), (2.0 ** -30, 2.0 ** -10)]


def f32(x: Fraction) -> Fraction:
    """x rounded to the nearest float32, ties to even: exact integer arithmetic, no float in it."""
    if x == 0:
        return x
    # |x| in [2^e, 2^(e+1)); the last bit kept is worth 2^(e-23), or 2^-149 for subnormals
    size = abs(x)
    e = size.numerator.bit_length() - size.denominator.bit_length()
    e -= size < Fraction(2) ** e
    return round(x / (unit := Fraction(2) ** max(e - 23, -149))) * unit


def contract(code: int, rule: Linear) -> Fraction | None:
    """The contract in fractions; None for 1/0."""
    g = f32(Fraction(code) / Fraction(rule.divisor))
    v = f32(f32(Fraction(rule.a) * f32(1 - g)) + f32(Fraction(rule.b) * g))
    if rule.reciprocal:
        return None if v == 0 else f32(1 / v)
    return v


def half_bits(v: float) -> int:
    """CPython's own half packing, which knows nothing of numpy."""
    if math.isnan(v):
        return 0x7E00
    try:
        return int.from_bytes(struct.pack(">e", v), "big")
    except OverflowError:
        return 0x7C00 if v > 0 else 0xFC00


@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize(("a", "b"), RANGES)
def test_every_8_bit_code_by_exact_fractions(a: float, b: float, reciprocal: bool) -> None:
    rule = Linear(255, a, b, reciprocal=reciprocal)
    got = numeric.values(np.arange(256, dtype=np.uint8), rule)
    for code, v in enumerate(got.tolist()):
        exact = contract(code, rule)
        assert v == (math.inf if exact is None else float(exact)), code


@pytest.mark.parametrize("divisor", [65535, 256, 1000])
@pytest.mark.parametrize(("a", "b"), [(12.0, 0.5), (1 / 300, 1 / 0.3), (0.0, 1.0)])
def test_a_sample_of_16_bit_codes_by_exact_fractions(a: float, b: float, divisor: int) -> None:
    codes = np.unique(np.r_[0, 1, 2, 32767, 32768, 65534, 65535, np.arange(0, 65536, 97)]).astype(np.uint16)
    for reciprocal in (False, True):
        rule = Linear(divisor, a, b, reciprocal=reciprocal)
        for code, v in zip(codes.tolist(), numeric.values(codes, rule).tolist(), strict=True):
            exact = contract(code, rule)
            assert v == (math.inf if exact is None else float(exact)), code


@pytest.mark.parametrize(("a", "b"), RANGES)
def test_every_16_bit_code_by_float64_rounded_at_each_step(a: float, b: float) -> None:
    # float64 holds sums, products and quotients of two float32 well enough that rounding twice equals rounding once.
    rule = Linear(65535, a, b)
    r = lambda x: np.asarray(x, np.float64).astype(np.float32).astype(np.float64)  # noqa: E731
    g = r(np.arange(65536) / 65535.0)
    v = r(r(rule.a * r(1 - g)) + r(rule.b * g))
    np.testing.assert_array_equal(numeric.code_values(rule, 65535), v.astype(np.float32))


@given(st.floats(2.0 ** -20, 1e9, width=32), st.floats(0, 1e9, width=32), st.sampled_from([255, 65535, 256, 1000]))
def test_black_and_white_land_exactly_on_the_ends(a: float, b: float, divisor: int) -> None:
    rule = Linear(divisor, a, b)
    black, white = numeric.values(np.array([0, divisor], np.uint16), rule).tolist()
    assert (black, white) == (rule.a, rule.b)
    assert (rule.at(0), rule.at(divisor)) == (rule.a, rule.b)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64, ">u2", ">f4"])
def test_every_source_dtype_gives_the_same_value_for_the_same_code(dtype: str) -> None:
    codes = np.arange(256).astype(dtype)
    expected = numeric.values(np.arange(256, dtype=np.uint8), Linear(255, 4.0, 0.25))
    got = numeric.values(codes, Linear(255, 4.0, 0.25))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_invalid_codes_are_canonical_nan_and_nothing_else_is() -> None:
    got = numeric.values(np.array([[0, 1, 65535, 2]], np.uint16), Linear(65535, 1.0, 2.0, invalid=(0, 65535)))
    assert got.view(np.uint32)[0, [0, 2]].tolist() == [0x7FC00000] * 2
    assert np.isfinite(got[0, [1, 3]]).all()


def test_non_finite_floats_are_invalid_and_positive_makes_zero_and_below_invalid() -> None:
    codes = np.array([NAN, math.inf, -math.inf, -1.0, -0.0, 0.0, 1e-45, 2.0], np.float32)
    plain = numeric.values(codes, Linear(1, 0, 1))
    assert np.isnan(plain).tolist() == [True] * 3 + [False] * 5
    assert not np.signbit(plain[4])
    positive = numeric.values(codes, Linear(1, 0, 1, positive=True))
    assert np.isnan(positive).tolist() == [True] * 6 + [False] * 2
    assert positive[6] == np.float32(1e-45)     # a subnormal is a value
    assert numeric.values(np.array([0], np.uint8), Linear(255, 3, 4, positive=True))[0] == 3    # a code is no float


def test_float64_beyond_float32_is_invalid() -> None:
    assert np.isnan(numeric.values(np.array([1e300]), Linear(1, 0, 1))).all()


def test_factor_comes_before_the_reciprocal() -> None:
    factor = np.array([0.5, 0.0, NAN], np.float32)
    codes = np.array([4.0, 4.0, 4.0], np.float32)
    assert numeric.values(codes, Linear(1, 0, 1), factor)[:2].tolist() == [2.0, 0.0]
    got = numeric.values(codes, Linear(1, 0, 1, reciprocal=True), factor)
    assert got[:2].tolist() == [0.5, math.inf]
    assert got.view(np.uint32)[2] == 0x7FC00000


def test_ends_are_rounded_to_float32_once() -> None:
    rule = Linear(255, 0.1, 1 / 3)
    assert (rule.a, rule.b) == (float(np.float32(0.1)), float(np.float32(1 / 3)))


def test_half_packing_of_every_half_and_its_neighbourhood() -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    near = halves[np.isfinite(halves)].astype(np.float32).view(np.uint32)
    pick = np.concatenate([near[::3] + d for d in (0, 1, 0x0FFF, 0x1000, 0x1001)] + [near[1:] - 1])
    v = pick.view(np.float32)
    got = numeric.pack(v, HDIS).view(np.uint16)
    assert got.tolist() == [half_bits(x) for x in v.tolist()]


@pytest.mark.parametrize(("value", "bits"), [
    (65504.0, 0x7BFF), (65519.996, 0x7BFF), (65520.0, 0x7C00), (1e38, 0x7C00), (math.inf, 0x7C00), (-65520.0, 0xFC00),
    (2.0 ** -24, 1), (2.0 ** -25, 0), (2.0 ** -25 * 1.001, 1), (2.0 ** -14, 0x400), (0.0, 0), (-0.0, 0x8000),
    (NAN, 0x7E00), (-NAN, 0x7E00),
])
def test_half_packing_at_the_edges(value: float, bits: int) -> None:
    assert numeric.pack(np.array([value], np.float32), HDEP).view(np.uint16)[0] == bits


def test_every_nan_becomes_the_canonical_one_and_the_input_is_left_alone() -> None:
    bits = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFC00000, 0x7F800000, 0x3F800000], np.uint32)
    before = bits.copy()
    assert numeric.pack(bits.view(np.float32), HDIS).view(np.uint16).tolist() == [0x7E00] * 4 + [0x7C00, 0x3C00]
    assert numeric.pack(bits.view(np.float32), FDIS).view(np.uint32).tolist() == [0x7FC00000] * 4 + bits[4:].tolist()
    np.testing.assert_array_equal(bits, before)


def test_reciprocal() -> None:
    v = np.array([0.5, 0.0, -0.0, math.inf, NAN, 3.0], np.float32)
    got = numeric.reciprocal(v)
    assert got[:4].tolist() == [2.0, math.inf, -math.inf, 0.0]
    assert got.view(np.uint32)[4] == 0x7FC00000
    assert got[5] == np.float32(1 / 3)
    assert numeric.reciprocal(v.astype(np.float16)).dtype == np.float32


@pytest.mark.parametrize("max_code", [255, 1023, 4095, 65535])
@pytest.mark.parametrize(("lo", "hi"), [(0.0, 1.0), (1 / 12, 2.0), (-1.0, 3.0), (0.5, 0.5005)])
def test_store_by_exact_fractions(lo: float, hi: float, max_code: int) -> None:
    rng = np.random.default_rng(max_code)
    v = np.r_[lo, hi, rng.uniform(lo - 0.1, hi + 0.1, 500)].astype(np.float32)
    low, high = (Fraction(float(np.float32(x))) for x in (lo, hi))
    expected = []
    for x in v.tolist():
        scaled = f32(f32(f32(Fraction(x) - low) / f32(high - low)) * max_code)
        expected.append(round(min(max(scaled, Fraction(0)), Fraction(max_code))))
    got = numeric.store(v, lo, hi, max_code)
    assert got.dtype == (np.uint8 if max_code == 255 else np.uint16)
    assert got.tolist() == expected
    assert got[:2].tolist() == [0, max_code]


def test_store_of_a_constant_map_is_zero() -> None:
    v = np.full((2, 3), 1.5, np.float16)
    for lo, hi in ((1.5, 1.5), (2.0, 1.0)):
        assert not numeric.store(v, lo, hi, 255).any()


def test_store_clamps_quietly_whatever_lies_outside() -> None:
    v = np.array([3e38, -3e38, math.inf, -math.inf], np.float32)
    assert numeric.store(v, 0.0, 1e-30, 255).tolist() == [255, 0, 255, 0]


@pytest.mark.parametrize("max_code", [255, 1023, 4095, 65535])
def test_stored_codes_survive_load_and_store(max_code: int) -> None:
    codes = np.arange(max_code + 1).astype(np.uint8 if max_code == 255 else np.uint16)
    for lo, hi in ((0.0, 1.0), (1 / 12, 2.0), (0.3, 80.0)):
        v = numeric.load(codes, lo, hi, max_code)
        assert (v[0], v[-1]) == (np.float32(lo), np.float32(hi))
        np.testing.assert_array_equal(numeric.store(numeric.pack(v, FDEP), lo, hi, max_code), codes)
