"""The numeric contract, in its plainest numpy form: the reference that every back end is tested against.

float32, no fused multiply-add, no flush to zero, round to nearest even, terms in the order written:

    g = float32(code) / float32(divisor)          true division
    v = a·(1−g) + b·g                             exact at both ends
    v = v·factor                                  only for distance → depth along the axis
    v = 1/v                                       when the ends are in the other quantity (1/0 = inf)
    half: round to nearest even; NaN → 0x7e00; ≥ 65520 → +inf; subnormals kept.   float: NaN → 0x7fc00000
    store: rint((v−lo)/(hi−lo)·max), lo = hi → 0  read: the same contract with a = lo, b = hi

Nothing here is fast; `gpudepth.compute` is.
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
    """A rule code → value: two ends and one flag.

    divisor      code value that gives g = 1 (255 for 8-bit gray, 256 for KITTI's v/256)
    a, b         values at g = 0 and g = 1, rounded once to float32
    reciprocal   the ends are in the other quantity: v = 1/v at the end
    invalid      integer codes that mean "no value" → NaN
    positive     values ≤ 0 of float sources mean "no value" (before the ends are applied)
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
        """The value of one code, by the contract itself."""
        return float(values(np.array([code], F32), replace(self, invalid=(), positive=False))[0])


def canonical(v: NDArray[Any]) -> NDArray[Any]:
    """`v` (float16 or float32) with every NaN replaced by the canonical one, in place."""
    bits: NDArray[Any]
    if v.dtype == np.float16:
        bits = v.view(np.uint16)
        bits[(bits & 0x7FFF) > 0x7C00] = NAN16
    else:
        bits = v.view(np.uint32)
        bits[(bits & 0x7FFFFFFF) > 0x7F800000] = NAN32
    return v


def values(codes: NDArray[Any], rule: Linear, factor: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """codes (any shape; uint8, uint16, float16, float32, float64) → float32 values, canonical NaN where invalid.

    `factor` (same shape, float32) turns distance along the ray into depth along the axis.
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
    """float32 values → the native format's dtype: halves rounded to nearest even, ≥ 65520 → inf, canonical NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        return canonical(v.astype(fmt.dtype, copy=True))


def reciprocal(v: NDArray[Any]) -> NDArray[np.float32]:
    """depth ↔ disparity of native values: 1/v in float32; 1/0 = inf, 1/inf = 0, NaN stays."""
    with np.errstate(all="ignore"):
        return canonical(np.asarray(F32(1) / v.astype(F32), F32))


def store(v: NDArray[Any], lo: float, hi: float, max_code: int) -> NDArray[Any]:
    """Native values → codes 0..max_code over [lo, hi]; values outside are clamped. `v` must hold no NaN."""
    dtype = np.uint8 if max_code <= 255 else np.uint16
    if not F32(hi) > F32(lo):
        return np.zeros(v.shape, dtype)
    with np.errstate(over="ignore"):    # far outside of a narrow range: infinite, then clamped
        x = (v.astype(F32) - F32(lo)) / (F32(hi) - F32(lo)) * F32(max_code)
    codes: NDArray[Any] = np.rint(np.clip(x, F32(0), F32(max_code))).astype(dtype)
    return codes


def load(codes: NDArray[Any], lo: float, hi: float, max_code: int) -> NDArray[np.float32]:
    """Codes → native values in float32: the contract with a = lo, b = hi."""
    return values(codes, Linear(max_code, lo, hi))


def code_values(rule: Linear, max_code: int) -> NDArray[np.float32]:
    """The value of every code 0..max_code: the table that 8- and 16-bit sources go through."""
    return values(np.arange(max_code + 1, dtype=np.uint16 if max_code < 65536 else np.uint32), rule)
