"""Smoothing that keeps edges: median, and joint bilateral along the colours of a picture. Holes stay holes.

The map is float32 (H, W), with holes NaN or infinite; zeros become +0.

    median 3, 5    of the n valid values in the 3×3 or 5×5 pixels around, without those outside the map, the one of rank
                   ⌊(n−1)/2⌋, counted from the smallest
    bilateral r    v₀ + Σ w·d / Σ w, over the pixels in the (2r+1)² around whose value is near the middle one's:
                   d = v − v₀, |d| ≤ |v₀|·τ; float32, sums in raster order. Weights are integers converted to float32:
                   bell(dy) · bell(dx) · colour difference of the guide (`weights`), the last only with a guide.
                   Where all taps agree the value keeps its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import tables
from ..interface import check_radius, check_size
from ..threads import Scratch, parallel_map
from .inpaint import check

F32 = np.float32
SIGMA_COLOUR, TAU = 12.0, F32(0.04)
BAND = 1 << 15  # pixels of a band


def median(values: NDArray[np.float32], size: int, *, threads: int = 1) -> NDArray[np.float32]:
    """Return the median-filtered map; raise UsageError for a size that is neither 3 nor 5."""
    check_size(size)
    height, width = values.shape
    reach = size // 2
    padded = np.pad(_clean(values, np.inf), reach, constant_values=np.inf)
    out = np.empty((height, width), F32)
    step = max(1, BAND // max(width, 1))
    pairs = _network(size * size)

    def stage(scratch: Scratch, row: int) -> None:
        rows = min(step, height - row)
        taps = [scratch.like(out[row : row + rows], F32, f"tap{k}") for k in range(size * size)]
        number = scratch.like(out[row : row + rows], np.int32, "number")
        number.fill(0)
        for k, tap in enumerate(taps):
            np.copyto(tap, padded[row + k // size : row + k // size + rows, k % size : k % size + width])
            number += tap < np.inf
        spare = scratch.like(taps[0], F32, "spare")
        for a, b in pairs:
            np.minimum(taps[a], taps[b], out=spare)
            np.maximum(taps[a], taps[b], out=taps[b])
            np.copyto(taps[a], spare)
        to = out[row : row + rows]
        whole = (number == size * size).all()
        if whole:
            np.copyto(to, taps[(size * size - 1) // 2])
            return
        rank = np.maximum(number - 1, 0) >> 1
        for k in range((size * size + 1) // 2):
            np.copyto(to, taps[k], where=rank == k)
        middle = padded[row + reach : row + reach + rows, reach : reach + width]
        np.copyto(to, F32(np.nan), where=middle == np.inf)

    parallel_map(stage, range(0, height, step), threads)
    return out


def bilateral(values: NDArray[np.float32], radius: int, guide: NDArray[np.uint8] | None = None, *,
              threads: int = 1) -> NDArray[np.float32]:
    """Return the bilaterally filtered map; raise UsageError for a radius outside 1…8 or an unfit guide."""
    check_radius(radius)
    check(values.shape, guide)
    height, width = values.shape
    padded = np.pad(_clean(values, np.nan), radius, constant_values=np.nan)
    colours = None if guide is None else np.pad(guide, ((radius, radius), (radius, radius), (0, 0))).transpose(2, 0, 1)
    bell, table = tables.of_distance(radius, radius / 2), tables.of_colour(SIGMA_COLOUR)
    out = np.empty((height, width), F32)
    step = max(1, BAND // max(width, 1))

    def stage(scratch: Scratch, row: int) -> None:
        rows = slice(row, min(row + step, height))
        to = out[rows]

        def window(plane: NDArray[Any], dy: int, dx: int) -> NDArray[Any]:
            top = rows.start + radius + dy
            return plane[..., top : top + to.shape[0], radius + dx : radius + dx + width]

        middle = np.ascontiguousarray(window(padded, 0, 0))
        limit = np.abs(middle) * TAU
        total, mass, gap, size = (scratch.like(to, F32, n) for n in ("total", "mass", "gap", "size"))
        total[...], mass[...] = 0, 0
        weight = np.full(to.shape, 1, np.int32)
        here = None if colours is None else window(colours, 0, 0).copy()
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                np.subtract(window(padded, dy, dx), middle, out=gap)
                near = np.abs(gap, out=size) <= limit
                if here is not None and colours is not None:
                    np.take(table, _difference(scratch, here, window(colours, dy, dx)), mode="clip", out=weight)
                np.multiply(weight, np.int32(bell[dy + radius] * bell[dx + radius]), out=size, casting="unsafe")
                np.multiply(size, near, out=size)
                np.add(mass, size, out=mass)
                np.copyto(gap, F32(0), where=~near)
                np.multiply(size, gap, out=gap)
                np.add(total, gap, out=total)
        np.divide(total, mass, out=to)
        np.add(middle, to, out=to)
        np.copyto(to, F32(np.nan), where=np.isnan(middle))

    parallel_map(stage, range(0, height, step), threads)
    return out


def _difference(scratch: Scratch, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return |ΔR| + |ΔG| + |ΔB| of (3, rows, width) planes."""
    total, larger, smaller = (scratch.like(a[0], np.uint16, "total16"), scratch.like(a[0], np.uint8, "larger"),
                              scratch.like(a[0], np.uint8, "smaller"))
    for c in range(3):
        np.maximum(a[c], b[c], out=larger)
        np.minimum(a[c], b[c], out=smaller)
        np.subtract(larger, smaller, out=larger)
        if c:
            np.add(total, larger, out=total)
        else:
            np.copyto(total, larger)
    return total


def _clean(values: NDArray[np.float32], hole: float) -> NDArray[np.float32]:
    """Return a copy in which every hole is `hole` and every zero is +0."""
    return np.where(np.isfinite(values), values + F32(0), F32(hole)).astype(F32, copy=False)


def _network(n: int) -> list[tuple[int, int]]:
    """Return Batcher's merge exchange: pairs (a < b) that sort n values if each pair in turn is put in order."""
    pairs = []
    top = 1 << (n - 1).bit_length() - 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs
