"""Fills holes smoothly, from coarse to fine, along the colours of the picture: push and pull.

The map is float32 (H, W), with holes NaN or infinite; the optional guide is a picture (H, W, 3) uint8.

    push    a level of half the size, rounded up, until it is 1×1 or has no hole. A pixel is the mean of its valid
            children in raster order (float32: their sum divided by their number, each clamped to ±10³⁰ so that nothing
            overflows), and a hole if it has none; the guide's pixel is the mean of its children, rounded half up.
    pull    from the coarsest level down. A hole at (y, x) takes four pixels of the level above: (p, q), (p, q'),
            (p', q), (p', q') with p = ⌊y/2⌋ and p' its neighbour on the side of y; those outside are left out.
            Weights are integers: 9, 3, 3, 1 times the colour's (`tables.of_colour` of the difference between the
            guide here and there); v = Σ w·v / Σ w in that order, clamped to the smallest and largest of the taps.

Valid pixels keep their value. A hole far from every value gets the mean of a wide neighbourhood; a hole inside a
surface of one colour gets the value of that surface.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import HolesError, UsageError
from .. import tables
from ..threads import CHUNK, Scratch, parallel_map

F32 = np.float32
SIGMA_COLOUR = 6.0
MOST = F32(1e30)
FAR, CLOSE = 1, 3  # the bilinear weights of a parent's neighbour and of the parent


def inpaint(values: NDArray[np.float32], guide: NDArray[np.uint8] | None = None, *,
            threads: int = 1) -> NDArray[np.float32]:
    """Return the map without holes.

    Args:
        values: The map, float32 (H, W).
        guide: The picture, uint8 (H, W, 3).
        threads: The number of threads.

    Raises:
        HolesError: Every pixel is a hole.
        UsageError: The guide is not a picture of the size of the map.
    """
    check(values.shape, guide)
    clean: NDArray[np.float32] = np.where(np.isfinite(values), values + F32(0), F32(np.nan)).astype(F32)
    levels: list[tuple[NDArray[np.float32], NDArray[np.uint8] | None]] = [(clean, guide)]
    if not np.isfinite(levels[0][0]).any():
        raise HolesError(no_values(values.size))
    while np.isnan(levels[-1][0]).any():
        fine, picture = levels[-1]
        levels.append((shrink(fine), None if picture is None else shrink_guide(picture)))
    for lower, upper in zip(levels[-2::-1], levels[:0:-1], strict=True):
        pull(lower[0], lower[1], upper[0], upper[1], threads=threads)
    return levels[0][0]


def check(shape: tuple[int, ...], guide: NDArray[Any] | None) -> None:
    """Raise UsageError unless the guide is a picture of the size of the map."""
    if guide is not None and (guide.dtype != np.uint8 or guide.shape != (*shape, 3)):
        raise UsageError(f"a guide must be a picture of the map's size {shape}, not {guide.shape} {guide.dtype}",
                         hint="give an array (H, W, 3) of 8 bits")


def no_values(total: int) -> str:
    """Return the message for a map that consists of holes."""
    return f"none of the map's {total:,} pixels holds a value, so there is nothing to fill it with"


def shrink(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the next coarser level of a map."""
    shape = (values.shape[0] + 1) // 2, (values.shape[1] + 1) // 2
    total, count = np.zeros(shape, F32), np.zeros(shape, F32)
    for i in range(2):
        for j in range(2):
            child = values[i::2, j::2]
            part = slice(0, child.shape[0]), slice(0, child.shape[1])
            valid = child == child  # noqa: PLR0124 - not NaN
            np.add(total[part], np.clip(child, -MOST, MOST), out=total[part], where=valid)
            np.add(count[part], F32(1), out=count[part], where=valid)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float32] = np.divide(total, count, dtype=F32)
    mean[count == 0] = np.nan
    return mean


def shrink_guide(guide: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the next coarser level of a guide."""
    height, width = guide.shape[0], guide.shape[1]
    total = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.uint16)
    for i in range(2):
        for j in range(2):
            child = guide[i::2, j::2]
            total[: child.shape[0], : child.shape[1]] += child
    rows = np.where(np.arange(total.shape[0]) * 2 + 1 < height, 2, 1)
    columns = np.where(np.arange(total.shape[1]) * 2 + 1 < width, 2, 1)
    number = (rows[:, None] * columns).astype(np.uint16)[..., None]
    return ((total + number // 2) // number).astype(np.uint8)


def pull(fine: NDArray[np.float32], guide: NDArray[np.uint8] | None, coarse: NDArray[np.float32],
         above: NDArray[np.uint8] | None, *, threads: int = 1) -> None:
    """Write the values of the holes of `fine` in place."""
    hole = np.flatnonzero(np.isnan(fine))
    table, (height, width) = tables.of_colour(SIGMA_COLOUR), coarse.shape
    flat = fine.reshape(-1)

    def stage(_: Scratch, start: int) -> None:
        at = hole[start : start + CHUNK]
        y, x = at // fine.shape[1], at % fine.shape[1]
        p, q = y >> 1, x >> 1
        total, mass = np.zeros(at.size, F32), np.zeros(at.size, np.int32)
        low, high = np.full(at.size, np.inf, F32), np.full(at.size, -np.inf, F32)
        here = None if guide is None else guide.reshape(-1, 3)[at].astype(np.int16)
        for row, tall in ((p, CLOSE), (p + 2 * (y & 1) - 1, FAR)):
            for column, wide in ((q, CLOSE), (q + 2 * (x & 1) - 1, FAR)):
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                parent = np.where(inside, row * width + column, 0)
                weight: NDArray[Any] = np.where(inside, np.int32(tall * wide), np.int32(0))
                if here is not None and above is not None:
                    there = above.reshape(-1, 3)[parent].astype(np.int16)
                    weight = weight * table[np.abs(here - there).sum(1)]
                value = coarse.reshape(-1)[parent]
                np.add(total, weight.astype(F32) * value, out=total, where=inside)
                np.add(mass, weight, out=mass)
                np.minimum(low, value, out=low, where=inside)
                np.maximum(high, value, out=high, where=inside)
        flat[at] = np.minimum(np.maximum(total / mass.astype(F32), low), high) + F32(0)

    parallel_map(stage, range(0, hole.size, CHUNK), threads)
