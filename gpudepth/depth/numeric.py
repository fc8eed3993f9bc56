"""Implements the numeric contract in plain numpy, as the reference that every back end is tested against.

float32, no fused multiply-add, no flush to zero, round to nearest even, terms in the order written:

    g = float32(code) / float32(divisor)          true division
    v = a·(1−g) + b·g                             exact at both ends
    v = v·factor                                  only for distance → depth along the axis
    v = 1/v                                       when the ends are in the other quantity (1/0 = inf)
    half: round to nearest even; NaN → 0x7e00; ≥ 65520 → +inf; subnormals kept.   float: NaN → 0x7fc00000
    store: rint((v−lo)/(hi−lo)·max), lo = hi → 0  read: the same contract with a = lo, b = hi

This is not fast; `gpudepth.compute` is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pixel_format import PixelFormat

F32 = np.float32
NAN32 = np.uint32(0x7FC00000)
NAN16 = np.uint16(0x7E00)


@dataclass(frozen=True)
class Linear:
    """A rule from codes to values: two ends and one flag.

    Attributes:
        divisor: Code that results in g = 1 (255 for 8-bit gray, 256 for KITTI's v/256).
        a: Value at g = 0, rounded once to float32.
        b: Value at g = 1, rounded once to float32.
        reciprocal: Whether the ends are in the other quantity, so that the result is 1/v.
        invalid: Integer codes without a value, which become NaN.
        positive: Whether values ≤ 0 of float sources have no value (before the ends are applied).
    """

    divisor: float
    a: float
    b: float
    reciprocal: bool = False
    invalid: tuple[int, ...] = ()
    positive: bool = False

    def __post_init__(self) -> None:
        for name in ("divisor", "a", "b"):
            with np.errstate(over="ignore"):
                object.__setattr__(self, name, float(F32(getattr(self, name))))

    def at(self, code: float) -> float:
        """Return the value of one code, by the contract itself."""
        return float(values(np.array([code], F32), replace(self, invalid=(), positive=False))[0])


def canonical(v: NDArray[Any]) -> NDArray[Any]:
    """Replace every NaN in `v` (float16 or float32) by the canonical one, in place; return `v`."""
    bits: NDArray[Any]
    if v.dtype == np.float16:
        bits = v.view(np.uint16)
        bits[(bits & 0x7FFF) > 0x7C00] = NAN16
    else:
        bits = v.view(np.uint32)
        bits[(bits & 0x7FFFFFFF) > 0x7F800000] = NAN32
    return v


def values(codes: NDArray[Any], rule: Linear, factor: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Convert codes to float32 values, with canonical NaN where invalid.

    Args:
        codes: uint8, uint16, float16, float32 or float64 of any shape.
        rule: The rule.
        factor: float32 of the same shape that converts distance along the ray to depth along the axis.
    """
    with np.errstate(all="ignore"):
        source = codes.astype(F32)
        bad = ~np.isfinite(source)
        if codes.dtype.kind == "f" and rule.positive:
            bad |= ~(source > 0)
        for code in rule.invalid:
            bad |= source == F32(code)
        g = source / F32(rule.divisor)
        v = F32(rule.a) * (F32(1) - g) + F32(rule.b) * g
        if factor is not None:
            v = v * factor
        if rule.reciprocal:
            v = F32(1) / v
    v = np.asarray(v, F32)
    v[bad] = np.nan
    return canonical(v)


def pack(v: NDArray[np.float32], fmt: PixelFormat) -> NDArray[Any]:
    """Convert float32 to a format's dtype: halves round to nearest even, ≥ 65520 becomes inf, NaN is canonical."""
    with np.errstate(over="ignore", invalid="ignore"):
        return canonical(v.astype(fmt.dtype, copy=True))


def half_outward(value: float, *, up: bool) -> float:
    """Return the nearest half float that is not below (`up`) or not above the value."""
    with np.errstate(over="ignore"):
        half = np.float16(value)
    if up and float(half) < value:     # compared as doubles, because numpy would round `value` to a half
        half = np.nextafter(half, np.float16(np.inf))
    elif not up and float(half) > value:
        half = np.nextafter(half, np.float16(-np.inf))
    return float(half)


def reciprocal(v: NDArray[Any]) -> NDArray[np.float32]:
    """Convert depth to disparity or back: 1/v in float32; 1/0 = inf, 1/inf = 0, NaN stays."""
    with np.errstate(all="ignore"):
        return canonical(np.asarray(F32(1) / v.astype(F32), F32))


def store(v: NDArray[Any], lo: float, hi: float, max_code: int) -> NDArray[Any]:
    """Convert native values to codes 0..max_code over [lo, hi]; values outside are clamped. `v` must not hold NaN."""
    dtype = np.uint8 if max_code <= 255 else np.uint16
    if not F32(hi) > F32(lo):
        return np.zeros(v.shape, dtype)
    with np.errstate(over="ignore"):    # values far outside a narrow range become infinite and are clamped
        x = (v.astype(F32) - F32(lo)) / (F32(hi) - F32(lo)) * F32(max_code)
    codes: NDArray[Any] = np.rint(np.clip(x, F32(0), F32(max_code))).astype(dtype)
    return codes


def load(codes: NDArray[Any], lo: float, hi: float, max_code: int) -> NDArray[np.float32]:
    """Convert codes to native values in float32: the contract with a = lo, b = hi."""
    return values(codes, Linear(max_code, lo, hi))


def code_values(rule: Linear, max_code: int) -> NDArray[np.float32]:
    """Return the value of every code 0..max_code, the table that 8- and 16-bit sources use."""
    return values(np.arange(max_code + 1, dtype=np.uint16 if max_code < 65536 else np.uint32), rule)
