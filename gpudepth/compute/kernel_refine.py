"""The kernels that change the values of a map: fill, resize, upsample, inpaint, smooth; see `compute.refine`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth.pixel_format import Quantity
from ..errors import HolesError
from . import tables
from .interface import Array, Filled, Span, check_radius, check_size
from .launch import F32, I32, MAX_ROWS, U32, Launcher, on_device
from .refine import fill, guided, inpaint, resize, smooth, temporal
from .refine.resize import Taps


class RefineKernels(Launcher):
    """The half of `Backend` that refines maps; `kernels.KernelBackend` is the whole."""

    def span(self, values: Array) -> Span:
        """See `Backend.span`."""
        raise NotImplementedError

    @on_device("f2 f4")
    def fill(self, values: Array, how: str, quantity: Quantity) -> tuple[Array, Filled]:
        """See `Backend.fill`."""
        span = self.span(values)
        fill.check(values.shape, how, span)
        source, size = self._in(values), values.dtype.itemsize
        height, width = source.shape
        count = span.total - span.valid
        shape = I32(width), I32(height)
        if how == "nearest" and count:
            out = self.device.empty(source.shape, source.dtype)
            seeds, found = (self.device.empty(source.shape, I32) for _ in range(2))
            self._pixels("fill", f"seed_f{8 * size}", out, source.view(f"u{size}"), seeds, *shape)
            for step in fill.steps(max(height, width)):
                self._pixels("fill", "flood", out, seeds, found, *shape, I32(step))
                seeds, found = found, seeds
            self._pixels("fill", f"take_{size}", out, source.view(f"u{size}"), seeds, out.view(f"u{size}"), *shape)
        else:
            out = self.device.empty(source.shape, source.dtype)
            out[...] = source
            if count:
                largest = (how == "far") == (quantity is Quantity.DEPTH)
                value = np.array(span.hi if largest else span.lo, f"f{size}").view(f"u{size}")
                self._pixels("fill", f"put_{size}", out, out.view(f"u{size}"), U32(value), *shape)
        return self._out(out, values), Filled(count, count / span.total if count else 0.0)

    def resize(self, values: Array, width: int, height: int, method: str = "area") -> Array:
        """See `Backend.resize`."""
        values = self._taken(values, "f2 f4")
        resize.check(values.shape, width, height, method)
        if self._too_tall(values) or height > MAX_ROWS:
            return self._on_cpu(self.cpu.resize, values, width, height, method)
        source, size = self._in(values), values.dtype.itemsize
        rows, columns = source.shape
        out = self.device.empty((height, width), source.dtype)
        view = source.view(f"u{size}")
        if method == "nearest":
            picks = [self._constant(resize.picks(n, m)) for n, m in ((rows, height), (columns, width))]
            self._pixels("resize", f"nearest_{size}", out, view, I32(columns), out.view(f"u{size}"), I32(width),
                         I32(height), *picks)
            return self._out(out, values)
        across, down = resize.taps(columns, width, method), resize.taps(rows, height, method)
        planes = self.device.empty((4, rows, width), F32)
        self._pixels("resize", f"across_f{8 * size}", planes[0], view, I32(columns), planes, I32(width), I32(rows),
                     I32(len(across.index)), *self._taps(across))
        self._pixels("resize", f"down_f{8 * size}", out, planes, I32(rows), out.view(f"u{size}"), I32(width),
                     I32(height), I32(len(down.index)), *self._taps(down))
        return self._out(out, values)

    def upsample(self, values: Array, guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None) -> Array:
        """See `Backend.upsample`."""
        values = self._taken(values, "f4")
        guided.check(values.shape, guide, confidence)
        height, width = guide.shape[:2]
        down, across = guided.axis(values.shape[0], height), guided.axis(values.shape[1], width)
        if height > MAX_ROWS:
            return self._on_cpu(self.cpu.upsample, values, guide, confidence)
        axes = [self._constant(table) for axis in (down, across)
                for table in (axis.first, axis.linear, axis.space, axis.centre)]
        out = self.device.empty((height, width), F32)
        self._pixels("guided", "guided", out, self._in(values), None if confidence is None else self._in(confidence),
                     self._constant(tables.of_trust()), I32(values.shape[1]), I32(values.shape[0]), self._in(guide),
                     out, I32(width), I32(height), *axes, self._constant(tables.of_colour(guided.SIGMA_COLOUR)),
                     guided.TAU)
        return self._out(out, values)

    @on_device("f4")
    def inpaint(self, values: Array, guide: NDArray[np.uint8] | None = None) -> tuple[Array, Filled]:
        """See `Backend.inpaint`."""
        inpaint.check(values.shape, guide)
        span = self.span(values)
        if not span.valid:
            raise HolesError(inpaint.no_values(span.total))
        levels = [self._level(values, guide)]
        colour = self._constant(tables.of_colour(inpaint.SIGMA_COLOUR))
        # Levels beyond the first without holes change nothing; asking whether there is one would wait for the device.
        while span.valid < span.total and max(levels[-1][0].shape) > 1:
            fine, picture = levels[-1]
            height, width = fine.shape
            half = (height + 1) // 2, (width + 1) // 2
            coarse = self.device.empty(half, F32)
            self._pixels("fill", "shrink", coarse, fine, coarse, I32(width), I32(height))
            above = None
            if picture is not None:
                above = self.device.empty((*half, 3), np.uint8)
                self._pixels("fill", "shrink_guide", coarse, picture, above, I32(width), I32(height))
            levels.append((coarse, above))
        for (fine, picture), (coarse, above) in zip(levels[-2::-1], levels[:0:-1], strict=True):
            height, width = fine.shape
            self._pixels("fill", "pull", fine, fine, picture, coarse, above, colour, I32(width), I32(height))
        count = span.total - span.valid
        return self._out(levels[0][0], values), Filled(count, count / span.total)

    def _level(self, values: Array, guide: Any) -> tuple[Any, Any]:
        clean = self.device.empty(values.shape, F32)
        self._pixels("fill", "clean", clean, self._in(values), clean, I32(values.shape[1]), I32(values.shape[0]))
        return clean, None if guide is None else self._in(guide)

    @on_device("f4")
    def median(self, values: Array, size: int) -> Array:
        """See `Backend.median`."""
        check_size(size)
        out = self.device.empty(values.shape, F32)
        self._pixels("smooth", f"median_{size}", out, self._in(values), out, I32(values.shape[1]),
                     I32(values.shape[0]))
        return self._out(out, values)

    @on_device("f4")
    def bilateral(self, values: Array, radius: int, guide: NDArray[np.uint8] | None = None) -> Array:
        """See `Backend.bilateral`."""
        check_radius(radius)
        inpaint.check(values.shape, guide)
        out = self.device.empty(values.shape, F32)
        self._pixels("smooth", "bilateral", out, self._in(values), None if guide is None else self._in(guide), out,
                     I32(values.shape[1]), I32(values.shape[0]), I32(radius),
                     self._constant(tables.of_distance(radius, radius / 2)),
                     self._constant(tables.of_colour(smooth.SIGMA_COLOUR)), smooth.TAU)
        return self._out(out, values)

    @on_device("f4")
    def affine(self, values: Array, scale: float, shift: float) -> Array:
        """See `Backend.affine`."""
        out = self.device.empty(values.shape, F32)
        self._pixels("smooth", "affine", out, self._in(values), out, I32(values.shape[1]), I32(values.shape[0]),
                     F32(scale), F32(shift))
        return self._out(out, values)

    @on_device("f4")
    def blend(self, values: Array, before: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8],
              share: float) -> Array:
        """See `Backend.blend`."""
        out = self.device.empty(values.shape, F32)
        self._pixels("smooth", "blend", out, self._in(values), self._in(before), self._in(guide),
                     self._in(guide_before), out, I32(values.shape[1]), I32(values.shape[0]), F32(share), temporal.TAU,
                     I32(temporal.STILL))
        return self._out(out, values)

    def changes(self, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> int:
        """See `Backend.changes`."""
        temporal.check_pictures(guide.shape[:2], guide, guide_before)
        if self._too_tall(guide):
            return self._on_cpu(self.cpu.changes, guide, guide_before, limit)
        (height, width), count = guide.shape[:2], self.device.zeros((1,), U32)
        self.device.launch("smooth", "changes", (-(-width // 128), -(-height // 8)), (32, 8), self._in(guide),
                           self._in(guide_before), I32(width), I32(height), I32(limit), count)
        return int(self._on_host(count)[0])

    @on_device("f4")
    def unchanged(self, values: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> Array:
        """See `Backend.unchanged`."""
        temporal.check_pictures(values.shape, guide, guide_before)
        out = self.device.empty(values.shape, F32)
        self._pixels("smooth", "unchanged", out, self._in(values), self._in(guide), self._in(guide_before), out,
                     I32(values.shape[1]), I32(values.shape[0]), I32(limit))
        return self._out(out, values)

    def _taps(self, taps: Taps) -> tuple[Any, Any]:
        return self._constant(taps.index), self._constant(taps.weight)
