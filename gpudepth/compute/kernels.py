"""The back end of kernels: `compute.interface.Backend` by launches of `kernels/*.cu`, on whatever device runs them.

A device is a GPU (`compute.cuda`), or in tests the CPU. Maps on the host are copied to the device and back; maps that
are on the device stay there, and so do their results.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth import orientation as orientations
from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, native
from . import tables
from .cpu import expect, expect_factor, holes_error, max_code_of
from .interface import Array, Span
from .kernel_refine import RefineKernels
from .launch import F32, I32, MAX_ROWS, U32, Ring, on_device

MAX_INVALID = 4     # the same number as in kernels/numeric.cuh
RULE = np.dtype([("divisor", "<f4"), ("a", "<f4"), ("b", "<f4"), ("reciprocal", "<i4"), ("positive", "<i4"),
                 ("invalid_count", "<i4"), ("invalid", "<f4", (MAX_INVALID,))])
STATS = np.array([0xFFFFFFFF, 0, 0], U32)   # lo, hi and valid of no pixels


class KernelBackend(RefineKernels):
    """The complete back end of kernels. It holds no state except the device."""

    @property
    def name(self) -> str:
        return self.device.name

    def host(self, values: Array) -> NDArray[Any]:
        """See `Backend.host`."""
        return self._on_host(values)

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """See `Backend.convert`."""
        result = self._convert(codes, rule, fmt, factor, None, 0)
        if out is None:
            return result
        if out.dtype != fmt.dtype or out.shape != codes.shape:
            raise ValueError(f"out must be {fmt.dtype} {codes.shape}, not {out.dtype} {out.shape}")
        out[...] = result
        return out

    def convert_many(self, maps: Iterable[Array], rule: Linear, fmt: PixelFormat) -> Iterator[Array]:
        """See `Backend.convert_many`: maps on the host pass through a ring of three slots."""
        def fits(codes: Array) -> bool:
            if self.device.owns(codes):
                return False
            expect(codes, "u1 u2 f2 f4 f8")
            return not (self._too_tall(codes) or self._too_many(codes, rule))

        ring = Ring(self.device, lambda codes: self._convert(codes, rule, fmt, None, None, 0))
        for ringed, some in groupby(maps, fits):
            if ringed:
                yield from ring.run(some)
            else:
                yield from map(partial(self.convert, rule=rule, fmt=fmt), some)

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        """See `Backend.convert_span`: it takes one pass over the codes."""
        codes = self._taken(codes, "u1 u2 f2 f4 f8")
        if self._too_tall(codes) or self._too_many(codes, rule):
            return self._on_cpu(self.cpu.convert_span, codes, rule, fmt)
        stats = self.device.array(STATS)
        values = self._convert(codes, rule, fmt, None, stats, codes.shape[0])
        return values, _spans(self.device.host(stats), codes.size)[0]

    def convert_batch(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, list[Span]]:
        """Convert (N, H, W) codes to native maps and return the span of each, in one launch: for many small maps."""
        number, height, width = codes.shape
        flat = codes.reshape(number * height, width)
        if self._too_tall(flat) or self._too_many(codes, rule):
            maps, spans = zip(*(self.cpu.convert_span(c, rule, fmt) for c in self._on_host(codes)), strict=True)
            stacked = np.stack(maps)
            return self.device.array(stacked) if self.device.owns(codes) else stacked, list(spans)
        stats = self.device.array(np.tile(STATS, number))
        values = self._convert(flat, rule, fmt, None, stats, height)
        return values.reshape(codes.shape), _spans(self.device.host(stats), height * width)

    def _convert(self, codes: Array, rule: Linear, fmt: PixelFormat, factor: Any, stats: Any,  # noqa: PLR0917
                 rows: int) -> Array:
        codes = self._taken(codes, "u1 u2 f2 f4 f8")
        if self._too_tall(codes) or self._too_many(codes, rule, factor):
            return self._on_cpu(self.cpu.convert, codes, rule, fmt, factor=factor)
        kind, size = codes.dtype.kind, codes.dtype.itemsize
        source = self._in(codes)
        height, width = source.shape
        out = self.device.empty(source.shape, native(fmt).dtype)
        bits = f"f{8 * out.dtype.itemsize}"
        if factor is None and size <= 2:
            table = self.device.array(tables.of_codes(rule, fmt, np.dtype(f"{kind}{size}")))
            lead: tuple[Any, ...]
            name, lead = f"look_up_u{8 * size}_{bits}", (source.view(f"u{size}"), I32(width))
            tail: tuple[Any, ...] = (table,)
        else:
            if size > 2 or kind == "f":
                source = source if source.dtype == F32 else self._as_floats(source)
            if factor is not None:
                expect_factor(factor, codes)
            times = None if factor is None else self._in(factor)
            name = f"compute_{'f32' if source.dtype.kind == 'f' else f'u{8 * size}'}_{bits}"
            lead, tail = (source, I32(width), times, I32(width)), (self._rule(rule, floats=kind == "f"),)
        self._quads("convert", name, source, out, *lead, out, I32(width), I32(width), I32(height),
                    I32(rows or height), I32(width % 4 == 0), *tail, stats)
        return self._out(out, codes)

    @on_device("f2 f4")
    def span(self, values: Array) -> Span:
        """See `Backend.span`."""
        stats = self.device.array(STATS)
        source = self._in(values)
        height, width = source.shape
        size = source.dtype.itemsize
        self._quads("convert", f"span_f{8 * size}", source, None, source.view(f"u{size}"), I32(width), I32(width),
                    I32(height), I32(height), I32(width % 4 == 0), stats)
        return _spans(self.device.host(stats), height * width)[0]

    @on_device("f2 f4")
    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        """See `Backend.quantise`."""
        top = max_code_of(fmt)
        source = self._in(values)
        height, width = source.shape
        size = source.dtype.itemsize
        out, holes = self.device.empty(source.shape, fmt.dtype), self.device.array(np.zeros(1, U32))
        self._quads("store", f"quantise_f{8 * size}_u{8 * out.dtype.itemsize}", source, out, source.view(f"u{size}"),
                    I32(width), out, I32(width), I32(width), I32(height), I32(width % 4 == 0), F32(lo), F32(hi),
                    F32(top), holes)
        missing = int(self.device.host(holes)[0])
        if missing:
            raise holes_error(missing, int(np.prod(values.shape)), fmt)
        return self._out(out, values)

    def load(self, codes: Array, lo: float, hi: float, stored: PixelFormat, native: PixelFormat) -> Array:
        """See `Backend.load`."""
        codes = self._taken(codes, "u1 u2")
        return self.convert(codes, Linear(max_code_of(stored), lo, hi), native)

    @on_device("f2 f4")
    def reciprocal_to(self, values: Array, fmt: PixelFormat) -> Array:
        """See `Backend.reciprocal_to`."""
        source = self._in(values)
        height, width = source.shape
        out = self.device.empty(source.shape, native(fmt).dtype)
        bits = f"f{8 * out.dtype.itemsize}"
        if source.dtype.itemsize == 2:
            self._quads("convert", f"look_up_u16_{bits}", source, out, source.view("u2"), I32(width), out, I32(width),
                        I32(width), I32(height), I32(height), I32(width % 4 == 0),
                        self.device.array(tables.of_reciprocals(fmt)), None)
        else:
            self._pixels("convert", f"reciprocal_{bits}", out, source, I32(width), out, I32(width), I32(width),
                         I32(height))
        return self._out(out, values)

    def orient(self, values: Array, orientation: int) -> Array:
        """See `Backend.orient`."""
        values = self._taken(values)
        orientations.check(orientation)
        size = values.dtype.itemsize
        if not values.size or max(values.shape) > MAX_ROWS or size not in (1, 2, 4, 8):
            return self._on_cpu(self.cpu.orient, values, orientation)
        rows, columns = I32(orientation in (3, 4, 6, 7)), I32(orientation in (2, 3, 7, 8))
        source = self._in(values)
        height, width = source.shape
        turned = orientation >= 5
        out = self.device.empty((width, height) if turned else (height, width), source.dtype)
        args = (source.view(f"u{size}"), I32(width), out.view(f"u{size}"), I32(out.shape[1]), I32(width), I32(height),
                rows, columns)
        if turned:
            self.device.launch("orient", f"transpose_{size}", (-(-width // 32), -(-height // 32)), (32, 8), *args)
        else:
            self._pixels("orient", f"flip_{size}", out, *args)
        return self._out(out, values)

    def _too_many(self, codes: Any, rule: Linear, factor: Any = None) -> bool:
        """Return whether the rule has too many invalid codes for the kernels that compute; tables take any number."""
        computed = codes.dtype.itemsize > 2 or factor is not None
        return len(rule.invalid) > MAX_INVALID and computed

    def _as_floats(self, source: Any) -> Any:
        with np.errstate(over="ignore"):
            return source.astype(F32)

    def _rule(self, rule: Linear, *, floats: bool) -> Any:
        record = np.zeros(1, RULE)
        record[0] = (rule.divisor, rule.a, rule.b, rule.reciprocal, rule.positive and floats, len(rule.invalid),
                     (*rule.invalid, *(0,) * (MAX_INVALID - len(rule.invalid))))
        return self.device.array(record.view(np.uint8))


def _spans(stats: NDArray[np.uint32], total: int) -> list[Span]:
    """Return the span of each image."""
    return [Span(_number(lo), _number(hi), valid, total) if valid else Span(nan, nan, 0, total)
            for lo, hi, valid in stats.reshape(-1, 3).tolist()]


def _number(key: int) -> float:
    """Return the float that `gd_key` turned into an ordered integer."""
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array(bits, U32).view(F32))
