"""Gives the holes of a map a value. A hole is a pixel that is NaN or infinite; every other pixel keeps its bits.

far, near   the farthest or nearest finite value of the map: the largest or smallest depth, the reverse for disparity.
nearest     the value of the nearest valid pixel, found by jump flooding ("1+JFA") in integers only:

    Each pixel holds a seed: the coordinates of a valid pixel, or none. A valid pixel starts with itself, a hole with
    none. N is the smallest power of two that is not below width and height. There is a pass for each of the steps
    1, N/2, N/4, …, 1, in that order. In a pass every hole looks at nine pixels: (x + i·step, y + j·step) for i, j in
    −1, 0, 1; those outside the map are left out. Of the seeds these held *before* the pass it takes the one with the
    smallest squared distance (x−sx)² + (y−sy)²; of several equally near, the first in raster order. A valid pixel
    always keeps itself, so the order in which pixels and taps are visited changes nothing.

    Jump flooding may miss the nearest pixel by a little where three seeds are almost equally near. The result is
    defined by the algorithm, so any machine repeats it exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...depth.pixel_format import Quantity
from ...errors import HolesError, UsageError
from .. import bits
from ..interface import Filled, Span
from ..threads import CHUNK, Scratch, parallel_map

METHODS = ("nearest", "far", "near")
MAX_SIDE = 1 << 14
"""The longest side for `nearest`: up to here squared distances fit 31 bits, including those to the "no seed" below."""

NO_SEED = np.int32(0x7FFF7FFF)
"""y and x of 32767: farther from any pixel of the map than every seed in it, so it loses every comparison."""


def fill(values: NDArray[Any], how: str, quantity: Quantity, span: Span, *,
         threads: int = 1) -> tuple[NDArray[Any], Filled]:
    """Fill a map.

    Args:
        values: The map, float16 or float32, 2-D.
        how: "nearest", "far" or "near".
        quantity: The quantity of the map, which decides what is far.
        span: The span of the map, as a back end computes it.
        threads: The number of threads.

    Returns:
        A contiguous copy without holes, and the number of holes.

    Raises:
        HolesError: Every pixel is a hole.
        UsageError: `how` is unknown, or a side is longer than MAX_SIDE with "nearest".
    """
    check(values.shape, how, span)
    filled = values.astype(values.dtype.newbyteorder("="), order="C", copy=True)
    count = span.total - span.valid
    if not count:
        return filled, Filled(0, 0.0)
    hole = np.flatnonzero(~np.isfinite(filled))
    if how == "nearest":
        raw = bits.of(filled).reshape(-1)
        raw[hole] = raw[_nearest(filled.shape[0], filled.shape[1], hole, threads)]
    else:
        largest = (how == "far") == (quantity is Quantity.DEPTH)
        filled.reshape(-1)[hole] = span.hi if largest else span.lo
    return filled, Filled(count, count / span.total)


def check(shape: tuple[int, ...], how: str, span: Span) -> None:
    """Raise what `fill` raises."""
    if how not in METHODS:
        raise UsageError(f"the fill {how!r} is unknown", hint="choose one of " + ", ".join(METHODS))
    if span.valid == span.total:
        return
    if not span.valid:
        raise HolesError(f"none of the map's {span.total:,} pixels holds a value, so there is nothing to fill it with")
    if how == "nearest" and max(shape) > MAX_SIDE:
        raise UsageError(f"a map of {shape[1]}×{shape[0]} is too large to fill from the nearest pixel",
                         hint=f"a side may have {MAX_SIDE:,} pixels: resize it first, or use ‹fill=far› or ‹fill=near›")


def steps(longest: int) -> tuple[int, ...]:
    """Return the steps of the passes over a map whose longer side is `longest`."""
    return (1, *(1 << k for k in reversed(range((longest - 1).bit_length()))))


def _nearest(height: int, width: int, hole: NDArray[np.intp], threads: int) -> NDArray[np.intp]:
    """Return the raster indices of the pixels that the holes (raster indices, ascending) take their values from."""
    # A seed is y << 16 | x: its integers sort in raster order, and shift and mask return its halves.
    seeds = np.arange(height, dtype=np.int32)[:, None] << 16 | np.arange(width, dtype=np.int32)
    flat = seeds.reshape(-1)
    home = flat[hole]
    flat[hole] = NO_SEED
    found = np.empty_like(home)
    for step in steps(max(height, width)):
        def stage(scratch: Scratch, start: int, step: int = step) -> None:
            part = slice(start, start + CHUNK)
            _pass(scratch, seeds, step, (hole[part], home[part]), found[part])

        parallel_map(stage, range(0, hole.size, CHUNK), threads)
        flat[hole] = found     # written after the pass, which must not see its own results
    chosen = found.astype(np.intp)
    return (chosen >> 16) * width + (chosen & 0xFFFF)


def _pass(scratch: Scratch, seeds: NDArray[np.int32], step: int, holes: tuple[NDArray[np.intp], NDArray[np.int32]],
          found: NDArray[np.int32]) -> None:
    """Write the best of the nine seeds for each of `holes` (raster indices, and y << 16 | x) into `found`."""
    (height, width), (at, home) = seeds.shape, holes
    y, x = home >> 16, home & 0xFFFF
    where, key, best = (scratch.like(at, np.int64, name) for name in ("where", "key", "best"))
    seed, dy, dx = (scratch.like(at, np.int32, name) for name in ("seed", "dy", "dx"))
    best.fill(np.iinfo(np.int64).max)
    outside = {-step: x < step, 0: None, step: x >= width - step}
    for jump in (-step, 0, step):
        # Holes come in raster order, so those whose tap is inside the map's rows form one run.
        run = slice(*np.searchsorted(y, (-jump, height - jump)))
        for slide, gone in outside.items():
            np.add(at[run], jump * width + slide, out=where[run])
            np.take(seeds, where[run], mode="clip", out=seed[run])
            if gone is not None:
                np.copyto(seed[run], NO_SEED, where=gone[run])
            np.right_shift(seed[run], 16, out=dy[run])
            np.subtract(dy[run], y[run], out=dy[run])
            np.multiply(dy[run], dy[run], out=dy[run])
            np.bitwise_and(seed[run], 0xFFFF, out=dx[run])
            np.subtract(dx[run], x[run], out=dx[run])
            np.multiply(dx[run], dx[run], out=dx[run])
            np.add(dy[run], dx[run], out=dy[run])
            # The key holds the distance above the seed: the smaller key is the nearer seed, or the earlier of two.
            np.copyto(key[run], dy[run])
            np.left_shift(key[run], 32, out=key[run])
            np.bitwise_or(key[run], seed[run], out=key[run])
            np.minimum(best[run], key[run], out=best[run])
    np.bitwise_and(best, 0xFFFFFFFF, out=best)
    np.copyto(found, best, casting="unsafe")
