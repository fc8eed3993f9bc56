"""Enlarges a map so that its edges fall on those of a picture: joint weighted median, then a bilinear mean.

The map is float32 disparity (h, w), with holes NaN or infinite; the guide is the picture (H, W, 3) uint8, at least as
large. Along an axis from n to m pixels, output pixel x is at p = (x+½)·n/m − ½ between the samples, clamped to 0…n−1;
its taps are the samples ⌊p⌋−1 … ⌊p⌋+2 that the map has. A tap's weight is the product of four integers:

    space, per axis    a bell over its distance from p (from the table of the axis)
    colour             from the difference between the guide here and at the sample: pixel ⌊(2i+1)·m/2n⌋
    trust              16, or the value that the confidence gives; 0 for holes

    m    the weighted median: the smallest tap value whose weight, with those of all smaller taps, is half the sum or
         more
    of the taps that are near m, |v − m| ≤ |m|·τ in float32, the members:
    v    the bilinear mean of those of the middle four, where their bilinear weights are ¼ or more, in raster order
         else the mean of all members with the weights above, in ascending order of value, equal ones in raster order
    then clamped to the smallest and largest value it was made of; zero is +0; NaN where no tap has weight

So the median decides by colour which surface a pixel belongs to; the mean keeps that surface smooth. A bilinear mean
alone smears an edge over the width of a sample, whatever the guide shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .. import tables
from ..threads import Scratch, parallel_map

F32 = np.float32
SIGMA, SIGMA_COLOUR, TAU = 0.75, 20.0, F32(0.08)
REACH = 4            # number of taps along an axis
QUARTER = F32(0.25)
BLOCK = 1 << 15      # pixels that are processed at a time


@dataclass(frozen=True)
class Axis:
    """The taps of m output pixels along an axis of n samples.

    Attributes:
        n: The number of samples.
        first: ⌊p⌋ of each output pixel, (m,).
        linear: The bilinear weights of the two middle taps, (m, 2).
        space: The integer weights of the four taps, (m, 4).
        centre: The pixel of the guide at each sample, (n,).
    """

    n: int
    first: NDArray[np.int32]
    linear: NDArray[np.float32]
    space: NDArray[np.int32]
    centre: NDArray[np.int32]


@lru_cache(maxsize=32)
def axis(n: int, m: int) -> Axis:
    """Return the taps from n samples to m pixels, which cannot be written to; raise UsageError if m < n."""
    if m < n:
        raise UsageError(f"a guide enlarges maps, so {n} pixels cannot become {m}",
                         hint="use ‹resize_method=area› to shrink a map")
    x = np.arange(m, dtype=np.int64)
    position = np.clip((2 * x + 1) * n - m, 0, (n - 1) * 2 * m)     # in units of 1/2m
    first, rest = position // (2 * m), position % (2 * m)
    linear = np.stack([2 * m - rest, rest], 1) / (2 * m)
    tap = first[:, None] + np.arange(-1, REACH - 1)
    distance = tap - (position / (2 * m))[:, None]
    space = np.maximum(np.rint(tables.SPACE * np.exp(-(distance**2) / (2 * SIGMA * SIGMA))), 1)
    space = np.where((tap >= 0) & (tap < n), space, 0)
    centre = (2 * np.arange(n, dtype=np.int64) + 1) * m // (2 * n)
    return Axis(n, tables.sealed(first.astype(np.int32)), tables.sealed(linear.astype(F32)),
                tables.sealed(space.astype(np.int32)), tables.sealed(centre.astype(np.int32)))


def check(shape: tuple[int, int], guide: NDArray[Any], confidence: NDArray[Any] | None) -> None:
    """Raise UsageError for an empty map, a guide that is not a picture, or a confidence of another size."""
    if 0 in shape:
        raise UsageError("an empty map cannot be enlarged")
    if guide.ndim != 3 or guide.shape[2] != 3 or guide.dtype != np.uint8:
        raise UsageError(f"a guide must be a picture (H, W, 3) of 8 bits, not {guide.shape} {guide.dtype}")
    if confidence is not None and (confidence.shape != shape or confidence.dtype != np.uint8):
        raise UsageError(f"the confidence is {confidence.shape} {confidence.dtype}, but the map is {shape}",
                         hint="give one byte for each pixel of the map")


def guided(values: NDArray[np.float32], guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None, *,
           threads: int = 1) -> NDArray[np.float32]:
    """Return the map at the size of the guide; raise UsageError for a guide that is smaller, or not a picture."""
    check(values.shape, guide, confidence)
    (height, width), (out_height, out_width) = values.shape, guide.shape[:2]
    down, across = axis(height, out_height), axis(width, out_width)
    source = np.pad(np.where(np.isfinite(values), values + F32(0), F32(np.nan)), ((1, 2), (1, 2)),
                    constant_values=np.nan)
    colours = np.pad(guide[down.centre[:, None], across.centre].astype(np.int16), ((1, 2), (1, 2), (0, 0)))
    trust = np.full(values.shape, tables.TRUST, np.int32) if confidence is None else tables.of_trust()[confidence]
    trust = np.pad(trust, ((1, 2), (1, 2)))
    trust[np.isnan(source)] = 0
    out = np.empty((out_height, out_width), F32)
    work = _Work(source, colours, trust, guide, down, across, out)
    bands = [list(rows) for _, rows in groupby(range(out_height), key=lambda y: int(down.first[y]))]
    parallel_map(work.band, bands, threads)
    return out


@dataclass(frozen=True)
class _Work:
    """The arrays of one call; source, colours and trust have one row and column of padding before, two behind."""

    source: NDArray[np.float32]
    colours: NDArray[np.int16]
    trust: NDArray[np.int32]
    guide: NDArray[np.uint8]
    down: Axis
    across: Axis
    out: NDArray[np.float32]

    def band(self, _: Scratch, rows: list[int]) -> None:
        """Compute the output rows whose taps are the same four rows of samples, so that each sample is read once."""
        y, step = int(self.down.first[rows[0]]), max(1, BLOCK // len(rows))
        simple = self._simple(y)
        for start in range(0, self.out.shape[1], step):
            columns = np.arange(start, min(start + step, self.out.shape[1]))
            plain = simple[self.across.first[columns]]
            if plain.any():
                self._bilinear(rows, columns[plain], y)
            if not plain.all():
                self._median(rows, columns[~plain], y)

    def _simple(self, y: int) -> NDArray[np.bool_]:
        """Return (w,) where no median is needed: the middle taps are valid and all sixteen are members anyway."""
        width = self.across.n
        taps = np.stack([self.source[y + i, j : j + width] for i in range(REACH) for j in range(REACH)])
        lo, hi = np.fmin.reduce(taps), np.fmax.reduce(taps)
        last = self.down.first.max() == y and bool((self.down.linear[self.down.first == y, 1] == 0).all())
        whole = np.isfinite(taps[5]) & (self.trust[y + 1, 1 : width + 1] > 0)
        right, below, corner = (np.isfinite(taps[t]) & (self.trust[y + 1 + t // 8, 1 + j : width + 1 + j] > 0)
                                for t, j in ((6, 1), (9, 0), (10, 1)))
        right[-1], corner[-1] = True, bool(below[-1])
        whole &= right
        if not last:
            whole &= below & corner
        simple: NDArray[np.bool_] = whole & (lo >= 0) & (hi - lo <= lo * TAU)
        return simple

    def _middle(self, rows: list[int], columns: NDArray[np.intp], y: int) -> Any:
        """Yield values (n,), trust (n,) and bilinear weights (rows, n) of the four middle taps in raster order."""
        x = self.across.first[columns]
        for i in range(2):
            for j in range(2):
                weight = self.down.linear[rows, i][:, None] * self.across.linear[columns, j]
                yield self.source[y + 1 + i, x + 1 + j], self.trust[y + 1 + i, x + 1 + j], weight

    def _bilinear(self, rows: list[int], columns: NDArray[np.intp], y: int) -> None:
        shape = len(rows), columns.size
        total, mass = np.zeros(shape, F32), np.zeros(shape, F32)
        low, high = np.full(shape, np.inf, F32), np.full(shape, -np.inf, F32)
        for value, _, weight in self._middle(rows, columns, y):
            _gather(value, weight, weight > 0, (total, mass, low, high))
        self.out[rows[0] : rows[-1] + 1, columns] = _mean(total, mass, low, high)

    def _median(self, rows: list[int], columns: NDArray[np.intp], y: int) -> None:
        x, shape = self.across.first[columns], (len(rows), columns.size)
        cells, inverse = np.unique(x, return_inverse=True)
        taps = np.stack([self.source[y + i, cells + j] for i in range(REACH) for j in range(REACH)])
        # NaN sorts last.
        order = np.argsort(taps, axis=0, kind="stable")[:, inverse]
        i, j = order // REACH, order % REACH
        value, trust = self.source[y + i, x + j], self.trust[y + i, x + j]
        here = self.guide[rows[0] : rows[-1] + 1, columns].astype(np.int16).transpose(2, 0, 1).copy()
        there = self.colours[y + i, x + j]
        column = trust * np.take_along_axis(self.across.space[columns].T, j, 0)
        row = self.down.space[rows]
        table = tables.of_colour(SIGMA_COLOUR)
        weight = np.empty((REACH * REACH, *shape), np.int32)
        difference, one = np.empty(shape, np.int16), np.empty(shape, np.int16)
        for k in range(REACH * REACH):
            np.abs(np.subtract(here[0], there[k, :, 0], out=difference), out=difference)
            for c in (1, 2):
                np.abs(np.subtract(here[c], there[k, :, c], out=one), out=one)
                np.add(difference, one, out=difference)
            np.take(table, difference, mode="clip", out=weight[k])
            np.multiply(weight[k], column[k], out=weight[k])
            np.multiply(weight[k], np.take(row, i[k], axis=1), out=weight[k])
        half = (weight.sum(0, dtype=np.int32) + 1) >> 1
        found, running = np.zeros(shape, np.intp), np.zeros(shape, np.int32)
        for k in range(REACH * REACH):
            np.add(running, weight[k], out=running)
            found += running < half
        empty = half == 0
        middle = value.reshape(-1)[np.minimum(found, REACH * REACH - 1) * columns.size + np.arange(columns.size)]
        limit = np.abs(middle) * TAU
        sums = total, mass, low, high = (np.zeros(shape, F32), np.zeros(shape, F32), np.full(shape, np.inf, F32),
                                         np.full(shape, -np.inf, F32))
        for v, trusted, w in self._middle(rows, columns, y):
            _gather(v, w, (np.abs(v - middle) <= limit) & (w > 0) & (trusted > 0), sums)
        poor = (mass < QUARTER) & ~empty
        result = _mean(total, mass, low, high)
        if poor.any():
            result[poor] = self._members(value, weight, middle, limit, poor)
        result[empty] = np.nan
        self.out[rows[0] : rows[-1] + 1, columns] = result

    @staticmethod
    def _members(value: NDArray[Any], weight: NDArray[Any], middle: NDArray[Any], limit: NDArray[Any],
                 where: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the mean of all members at the pixels `where`."""
        column = np.nonzero(where)[1]
        m, near, n = middle[where], limit[where], column.size
        sums = np.zeros(n, F32), np.zeros(n, F32), np.full(n, np.inf, F32), np.full(n, -np.inf, F32)
        for k in range(REACH * REACH):
            v, w = value[k, column], weight[k][where]
            _gather(v, w.astype(F32), (np.abs(v - m) <= near) & (w > 0), sums)
        return _mean(*sums)


def _gather(value: NDArray[Any], weight: NDArray[Any], member: NDArray[np.bool_],
            sums: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]) -> None:
    """Add a tap to Σ w·v, Σ w, smallest and largest where it is a member."""
    total, mass, low, high = sums
    value = np.broadcast_to(value, weight.shape)
    np.add(total, weight * value, out=total, where=member)
    np.add(mass, weight, out=mass, where=member)
    np.minimum(low, value, out=low, where=member)
    np.maximum(high, value, out=high, where=member)


def _mean(total: NDArray[Any], mass: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float32]:
    v: NDArray[np.float32] = np.minimum(np.maximum(total / mass, low), high)
    return np.add(v, F32(0), out=v)
