"""float16 and float32 arrays read as integers, because numpy is slow on halves and fast on their bits.

Non-negative IEEE numbers sort like their bits. Every NaN, infinity and negative number lies above the finite
non-negative ones if the bits are read as unsigned, so one unsigned maximum shows whether a piece needs any care.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth.numeric import NAN16, NAN32, canonical
from .threads import Scratch

INF16 = 0x7C00
INF32 = 0x7F800000
NORMAL16_AS_32 = 0x38800000     # 2^-14, the smallest normal half
OVERFLOW16_AS_32 = 0x477FF000   # 65520, the smallest float32 that rounds to an infinite half
REBIAS = (127 - 15) << 23       # difference of the biases of the exponents of float32 and float16

PIECE = 1 << 19
"""Elements between the two passes over a piece: few enough to stay in the cache, enough to hide numpy's overhead."""

Part = tuple[int, int, int]


def of(values: NDArray[Any]) -> NDArray[Any]:
    """Return the bits of a native float16 or float32 array as a view of uint16 or uint32."""
    return values.view(np.uint16 if values.itemsize == 2 else np.uint32)


def top(u: NDArray[Any]) -> int:
    """Return the largest of some bits, by the ufunc because the method `max` has more overhead."""
    return int(np.maximum.reduce(u, axis=None))


def bottom(u: NDArray[Any]) -> int:
    """Return the smallest of some bits."""
    return int(np.minimum.reduce(u, axis=None))


def inf_of(bits: NDArray[Any]) -> int:
    """Return the bits of +inf in the width of `bits`."""
    return INF16 if bits.itemsize == 2 else INF32


def pack(scratch: Scratch, v: NDArray[np.float32], out: NDArray[Any]) -> None:
    """Write float32 values to `out` (float16 or float32) with the bits of `numeric.pack`; `v` is overwritten."""
    u = v.view(np.uint32)
    most = top(u)
    if out.dtype == np.float32:
        np.copyto(out, v if most <= INF32 else canonical(v))
    elif most < OVERFLOW16_AS_32 and bottom(u) >= NORMAL16_AS_32:
        # Round to nearest even by integer addition: add half of the last bit of a half, less one if that bit is even.
        odd = scratch.like(v, np.uint32, "odd")
        np.right_shift(u, 13, out=odd)
        np.bitwise_and(odd, 1, out=odd)
        np.add(u, odd, out=u)
        np.subtract(u, REBIAS - 0xFFF, out=u)
        np.right_shift(u, 13, out=u)
        np.copyto(of(out), u, casting="unsafe")
    else:
        np.copyto(out, canonical(v.astype(np.float16)))


def put_nan(out: NDArray[Any], where: NDArray[np.bool_]) -> None:
    """Write the canonical NaN into `out` at `where`."""
    np.copyto(of(out), NAN16 if out.itemsize == 2 else NAN32, where=where)


def holes(values: NDArray[Any]) -> int:
    """Count the values that are NaN or infinite."""
    u = of(values)
    if top(u) < inf_of(u):
        return 0
    return int(values.size - np.count_nonzero(np.isfinite(values)))


def span(values: NDArray[Any]) -> Part:
    """Return (lo, hi, count) of the finite values of a contiguous array; count is 0 without any.

    lo and hi are ranks: integers that sort like the values. A rank is the value's bits, or for a negative value the
    negated bits of its magnitude.
    """
    u = of(values).reshape(-1)
    pieces = [u[i:i + PIECE] for i in range(0, u.size, PIECE)]
    # This loop holds nothing but reductions, because each one evicts from the cache whatever else Python would need.
    ends = [(np.maximum.reduce(piece), np.minimum.reduce(piece)) for piece in pieces]
    inf = inf_of(u)
    parts = [(int(lo), int(hi), piece.size) if hi < inf else _careful_span(piece, int(hi))
             for (hi, lo), piece in zip(ends, pieces, strict=True)]
    return merge(parts)


def merge(parts: list[Part]) -> Part:
    """Return the span of several spans."""
    found = [part for part in parts if part[2]]
    if not found:
        return 0, 0, 0
    lo, hi, counts = zip(*found, strict=True)
    return min(lo), max(hi), sum(counts)


def _careful_span(u: NDArray[Any], most: int) -> Part:
    inf, sign = inf_of(u), 1 << (8 * u.itemsize - 1)
    if most >= sign:
        finite = u[(u & (sign - 1)) < inf].astype(np.int64)
        ranks = np.where(finite < sign, finite, sign - finite)
        return (int(ranks.min()), int(ranks.max()), ranks.size) if ranks.size else (0, 0, 0)
    good = u < inf
    # Holes lie above every value, so they do not affect the minimum; for the maximum they are set to 0.
    return bottom(u), top(u * good), int(np.count_nonzero(good))


def value(rank: int, dtype: np.dtype[Any]) -> float:
    """Return the value of a rank; zero is +0."""
    magnitude = float(np.array(abs(rank), f"u{dtype.itemsize}").view(dtype.newbyteorder("=")))
    return magnitude if rank >= 0 else -magnitude
