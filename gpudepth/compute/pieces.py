"""What numpy does with one piece of a map, which lies in the cache: look-ups in tables, and arithmetic on floats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..depth.numeric import Linear
from . import bits
from .interface import Array
from .threads import Scratch

F32 = np.float32


def look_up(table: Array, pairs: Array | None = None) -> Callable[[Scratch, Array, Array], None]:
    """Return a function for `map_chunks` that looks codes up in a table, or in a table of pairs of 8-bit codes."""
    def stage(scratch: Scratch, part: Array, to: Array) -> None:
        part = plain(scratch, part)
        part = part if part.dtype == np.uint8 else part.view(np.uint16)
        # take needs a contiguous target of the table's dtype; mode="clip" saves a second pass over the indices
        target = to if to.flags.c_contiguous else scratch.like(to, to.dtype, "target")
        if pairs is None:
            np.take(table, part, mode="clip", out=target)
        else:
            source, flat, even = part.reshape(-1), target.reshape(-1), part.size & ~1
            np.take(pairs, source[:even].view(np.uint16), mode="clip", out=flat[:even].view(pairs.dtype))
            flat[even:] = table[source[even:]]
        if target is not to:
            np.copyto(to, target)
    return stage


def convert_floats(scratch: Scratch, codes: Array, rule: Linear, factor: Array | None, out: Array) -> None:
    """Convert a piece operation by operation, as `depth.numeric.values` and `pack` define."""
    v = scratch.like(codes, F32, "v")
    np.copyto(v, codes, casting="same_kind" if codes.dtype.kind == "f" else "unsafe")
    u = v.view(np.uint32)
    ordinary = bits.top(u) < bits.INF32     # finite, and no sign bit anywhere
    bad = None if ordinary and not _may_be_invalid(u, rule) else _invalid(v, rule)
    if bad is not None:
        np.copyto(v, F32(rule.divisor), where=bad)      # a harmless number for now; NaN is written at the end
        ordinary = bits.top(u) < bits.INF32
    if rule.divisor != 1:
        np.divide(v, F32(rule.divisor), out=v)
    # 0·(1−g) + 1·g equals g, so it is skipped, unless g is −0 or has overflowed.
    if not (rule.a == 0 and rule.b == 1 and ordinary and rule.divisor >= 1):
        left = np.subtract(F32(1), v, out=scratch.like(v, F32, "left"))
        np.multiply(F32(rule.a), left, out=left)
        np.multiply(F32(rule.b), v, out=v)
        np.add(left, v, out=v)
    if factor is not None:
        np.multiply(v, factor, out=v, dtype=F32)
    if rule.reciprocal:
        np.divide(F32(1), v, out=v)
    bits.pack(scratch, v, out)
    if bad is not None:
        bits.put_nan(out, bad)


def _may_be_invalid(u: Array, rule: Linear) -> bool:
    """Return whether values without a sign, of which `u` are the bits, may have a code that means no value."""
    zero_is_invalid = rule.positive or 0 in rule.invalid
    return any(code != 0 for code in rule.invalid) or (zero_is_invalid and not bits.bottom(u))


def _invalid(v: Array, rule: Linear) -> Array | None:
    """Return where a rule finds no value, or None if nowhere."""
    bad = ~np.isfinite(v)
    if rule.positive:
        bad |= ~(v > 0)
    for code in rule.invalid:
        bad |= v == F32(code)
    return bad if bad.any() else None


def store_floats(scratch: Scratch, v: Array, out: Array, *, lo: np.float32, hi: np.float32, max_code: int) -> None:
    """Quantise a piece operation by operation, as `depth.numeric.store` defines."""
    if not hi > lo:
        out[...] = 0
        return
    x = np.subtract(v, lo, out=scratch.like(v, F32, "x"))
    np.divide(x, hi - lo, out=x)
    np.multiply(x, F32(max_code), out=x)
    np.clip(x, F32(0), F32(max_code), out=x)
    np.rint(x, out=x)
    np.copyto(out, x, casting="unsafe")


def plain(scratch: Scratch, part: Array) -> Array:
    """Return `part`, or a copy in scratch if it is strided, misaligned or in the other byte order."""
    if part.flags.c_contiguous and part.flags.aligned and part.dtype.isnative:
        return part
    copy = scratch.like(part, part.dtype.newbyteorder("="), "plain")
    np.copyto(copy, part)
    return copy
