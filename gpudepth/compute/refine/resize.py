"""Resizes a map in float32, in such a way that holes do not grow.

Pixel centres are at x + ½. Along an axis from n to m pixels, output pixel x reads these taps, weights computed exactly

    area       the pixels that [x·n/m, (x+1)·n/m] covers, each weighted with the covered part · m/n. For shrinking;
               an axis that grows is read bilinearly.
    bilinear   the two pixels around (x+½)·n/m − ½, that position clamped to 0…n−1; weights 1−f and f
    nearest    the one pixel at ⌊(x+½)·n/m⌋: its bits are copied, holes included

A tap is valid when its value is finite. For each output pixel, taps in raster order, sums from left to right:

    per row of taps    s = Σ wx·v   t = Σ wx          over its valid taps, from 0
    over the rows      S = Σ wy·s   T = Σ wy·t        from 0
    v = S / T          then clamped to the smallest and largest of its valid taps, zero made +0; NaN where T = 0
    packed to the map's dtype as the contract says

The clamp keeps rounding from producing new values: where all taps agree the result is exactly their value, and a
resized map never leaves the range of the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .. import bits
from ..tables import sealed
from ..threads import CHUNK, Scratch, parallel_map

F32 = np.float32
METHODS = ("area", "bilinear", "nearest")


@dataclass(frozen=True)
class Taps:
    """The taps of m output pixels along one axis.

    An output pixel with fewer than k taps repeats its last one with weight 0, which changes no sum and no extreme.

    Attributes:
        index: The input pixels, (k, m), in ascending order.
        weight: Their weights, (k, m).
    """

    index: NDArray[np.int32]
    weight: NDArray[np.float32]


@lru_cache(maxsize=32)
def taps(n: int, m: int, method: str) -> Taps:
    """Return the taps from n to m pixels by the method "area" or "bilinear"; they cannot be written to."""
    x = np.arange(m, dtype=np.int64)
    if method == "area" and m <= n:
        first, last = x * n // m, ((x + 1) * n - 1) // m
        reach = np.arange(int((last - first).max()) + 1)[:, None]
        index = np.minimum(first + reach, last)
        # In units of 1/m input pixels, all of these are whole numbers.
        covered = np.minimum((index + 1) * m, (x + 1) * n) - np.maximum(index * m, x * n)
        weight = np.where(first + reach <= last, covered, 0) / n
    else:
        position = np.clip((2 * x + 1) * n - m, 0, (n - 1) * 2 * m)     # in units of 1/2m
        first, rest = position // (2 * m), position % (2 * m)
        index = np.stack([first, np.where(rest > 0, first + 1, first)])
        weight = np.stack([2 * m - rest, rest]) / (2 * m)
    return Taps(sealed(index.astype(np.int32)), sealed(weight.astype(F32)))


def resize(values: NDArray[Any], width: int, height: int, method: str = "area", *, threads: int = 1) -> NDArray[Any]:
    """Resize a map.

    Args:
        values: The map, float16 or float32, 2-D.
        width: The new width in pixels.
        height: The new height in pixels.
        method: "area", "bilinear" or "nearest".
        threads: The number of threads.

    Returns:
        A new contiguous map of the same dtype.

    Raises:
        UsageError: The method is unknown, or the size is below 1 × 1.
    """
    check(values.shape, width, height, method)
    dtype = values.dtype.newbyteorder("=")
    if method == "nearest":
        rows, columns = picks(values.shape[0], height), picks(values.shape[1], width)
        picked: NDArray[Any] = values.astype(dtype, copy=False)[rows[:, None], columns]
        return picked
    planes = _across(values, taps(values.shape[1], width, method), threads)
    return _down(planes, taps(values.shape[0], height, method), dtype, threads)


def check(shape: tuple[int, ...], width: int, height: int, method: str) -> None:
    """Raise what `resize` raises."""
    if method not in METHODS:
        raise UsageError(f"the resize method {method!r} is unknown", hint="choose one of " + ", ".join(METHODS))
    if width < 1 or height < 1 or 0 in shape:
        raise UsageError(f"a map of {shape[1]}×{shape[0]} cannot be resized to {width}×{height}")


@lru_cache(maxsize=32)
def picks(n: int, m: int) -> NDArray[np.int32]:
    """Return the pixel of n that each of m pixels takes by "nearest"; the array cannot be written to."""
    return sealed(((2 * np.arange(m, dtype=np.int64) + 1) * n // (2 * m)).astype(np.int32))


@dataclass
class Planes:
    """The sums after the pass along the rows, float32 (rows, new width).

    Attributes:
        sums: The sum s of each pixel.
        weights: The sum t of the weights.
        low: The smallest valid tap, NaN without any.
        high: The largest valid tap, NaN without any.
    """

    sums: NDArray[np.float32]
    weights: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def _across(values: NDArray[Any], along: Taps, threads: int) -> Planes:
    """Return the sums over the taps of each row."""
    shape = (values.shape[0], along.index.shape[1])
    planes = Planes(*(np.empty(shape, F32) for _ in range(4)))
    step = max(1, CHUNK // max(values.shape[1], shape[1]))

    def stage(scratch: Scratch, row: int) -> None:
        band = slice(row, row + step)
        source = scratch.like(values[band], F32, "source")
        np.copyto(source, values[band])
        whole = int(source.view(np.uint32).max()) < bits.INF32
        if not whole:
            np.copyto(source, F32(np.nan), where=~np.isfinite(source))
        sums, weights, low, high = (p[band] for p in (planes.sums, planes.weights, planes.low, planes.high))
        sums[...], weights[...], low[...], high[...] = 0, 0, np.nan, np.nan
        tap = scratch.like(sums, F32, "tap")
        for index, weight in zip(along.index, along.weight, strict=True):
            np.take(source, index, axis=1, mode="clip", out=tap)
            np.fmin(low, tap, out=low)
            np.fmax(high, tap, out=high)
            if whole:
                np.add(weights, weight, out=weights)
            else:
                good = np.equal(tap, tap)
                np.copyto(tap, F32(0), where=~good)
                np.add(weights, np.multiply(good, weight, dtype=F32), out=weights)
            np.multiply(tap, weight, out=tap)
            np.add(sums, tap, out=sums)

    parallel_map(stage, range(0, shape[0], step), threads)
    return planes


def _down(planes: Planes, along: Taps, dtype: np.dtype[Any], threads: int) -> NDArray[Any]:
    """Sum over the rows, divide and pack."""
    out = np.empty((along.index.shape[1], planes.sums.shape[1]), dtype)
    step = max(1, CHUNK // out.shape[1])

    def stage(scratch: Scratch, row: int) -> None:
        to = out[row:row + step]
        sums, weights, low, high, tap = (scratch.like(to, F32, name) for name in ("S", "T", "low", "high", "tap"))
        sums[...], weights[...], low[...], high[...] = 0, 0, np.nan, np.nan
        for index, weight in zip(along.index[:, row:row + step], along.weight[:, row:row + step, None], strict=True):
            for total, plane in ((sums, planes.sums), (weights, planes.weights)):
                np.take(plane, index, axis=0, mode="clip", out=tap)
                np.multiply(tap, weight, out=tap)
                np.add(total, tap, out=total)
            np.fmin(low, np.take(planes.low, index, axis=0, mode="clip", out=tap), out=low)
            np.fmax(high, np.take(planes.high, index, axis=0, mode="clip", out=tap), out=high)
        np.divide(sums, weights, out=sums)
        np.maximum(sums, low, out=sums)
        np.minimum(sums, high, out=sums)
        np.add(sums, F32(0), out=sums)
        bits.pack(scratch, sums, to)

    parallel_map(stage, range(0, out.shape[0], step), threads)
    return out
