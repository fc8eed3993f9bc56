"""The back end of kernels: `compute.interface.Backend` by launches of `kernels/*.cu`, on whatever device runs them.

A device is a GPU (`compute.cuda`), or in tests the CPU. Maps on the host are copied to the device and back; maps that
are on the device stay there, and so do their results.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth import orientation as orientations
from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, native
from . import tables
from .checks import expect_box, expect_confidence, expect_factor, holes_error, max_code_of
from .interface import Array, Backend, Span, T
from .kernel_refine import RefineKernels
from .launch import F32, I32, MAX_ROWS, U32, on_device

MAX_INVALID = 4     # the same number as in kernels/numeric.cuh


class KernelBackend(RefineKernels):
    """The complete back end of kernels. It holds no state of a map."""

    @property
    def name(self) -> str:
        return self.device.name

    def sibling(self) -> KernelBackend:
        """Return a back end on the same device, with the same tables and transfers of its own: for another thread."""
        return KernelBackend(self.device, self.constants)

    def attempt(self, work: Callable[[Backend], T]) -> T:
        """See `Backend.attempt`."""
        return work(self)

    def host(self, values: Array) -> NDArray[Any]:
        """See `Backend.host`."""
        return self._on_host(values)

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """See `Backend.convert`."""
        result = self._convert(codes, rule, fmt, factor, None)
        if out is None:
            return result
        if out.dtype != fmt.dtype or out.shape != codes.shape:
            raise ValueError(f"out must be {fmt.dtype} {codes.shape}, not {out.dtype} {out.shape}")
        out[...] = result
        return out

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        """See `Backend.convert_span`: it takes one pass over the codes."""
        codes = self._taken(codes, "u1 u2 f2 f4 f8")
        if self._too_tall(codes) or self._too_many(codes, rule):
            return self._on_cpu(self.cpu.convert_span, codes, rule, fmt)
        stats = self.device.zeros((3,), U32)
        values = self._convert(codes, rule, fmt, None, stats)
        return values, self._span(stats, codes.size)

    def _convert(self, codes: Array, rule: Linear, fmt: PixelFormat, factor: Any, stats: Any) -> Array:
        codes = self._taken(codes, "u1 u2 f2 f4 f8")
        if self._too_tall(codes) or self._too_many(codes, rule, factor):
            return self._on_cpu(self.cpu.convert, codes, rule, fmt, factor=factor)
        kind, size = codes.dtype.kind, codes.dtype.itemsize
        source = self._in(self._narrow(codes))
        height, width = source.shape
        out = self.device.empty(source.shape, native(fmt).dtype)
        bits = f"f{8 * out.dtype.itemsize}"
        last = out, I32(width), I32(width), I32(height), I32(width % 4 == 0)
        if factor is None and size <= 2:
            table = self._constant(tables.of_codes(rule, fmt, np.dtype(f"{kind}{size}")))
            self._quads("convert", f"look_up_u{8 * size}_{bits}", source, out, source.view(f"u{size}"), I32(width),
                        *last, table, stats)
        else:
            if factor is not None:
                expect_factor(factor, codes)
            source = self._as_floats(source) if kind == "f" else source
            times = None if factor is None else self._in(factor)
            name = f"compute_{'f32' if kind == 'f' else f'u{8 * size}'}_{bits}"
            self._quads("convert", name, source, out, source, I32(width), times, I32(width), *last,
                        *_arguments(rule, floats=kind == "f"), stats)
        return self._out(out, codes)

    def keep_codes(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span] | None:
        """See `Backend.keep_codes`: it has no use where a map is converted as fast as it is read."""
        return None

    @on_device("f2 f4")
    def span(self, values: Array) -> Span:
        """See `Backend.span`."""
        stats = self.device.zeros((3,), U32)
        source = self._in(values)
        height, width = source.shape
        size = source.dtype.itemsize
        self._quads("convert", f"span_f{8 * size}", source, None, source.view(f"u{size}"), I32(width), I32(width),
                    I32(height), I32(width % 4 == 0), stats)
        return self._span(stats, height * width)

    def _span(self, stats: Any, total: int) -> Span:
        below, above, valid = self._on_host(stats).tolist()
        return Span(_number(~below & 0xFFFFFFFF), _number(above), valid, total) if valid else Span(nan, nan, 0, total)

    @on_device("f2 f4")
    def cast(self, values: Array, fmt: PixelFormat) -> Array:
        """See `Backend.cast`."""
        source, dtype = self._in(values), native(fmt).dtype
        height, width = source.shape
        out = self.device.empty(source.shape, dtype)
        name = f"cast_f{8 * source.dtype.itemsize}_f{8 * dtype.itemsize}"
        self._pixels("convert", name, out, source, out, I32(width), I32(height))
        return self._out(out, values)

    @on_device("f2 f4")
    def clip(self, values: Array, lo: float, hi: float) -> Array:
        """See `Backend.clip`."""
        kind = values.dtype.type
        return self._adjusted("clip", values, F32(kind(lo)), F32(kind(hi)))

    @on_device("f2 f4")
    def mask(self, values: Array, confidence: Array) -> Array:
        """See `Backend.mask`."""
        confidence = self._taken(confidence)
        expect_confidence(confidence, values.shape)
        return self._adjusted("mask", values, before=(self._in(confidence),))

    @on_device("f2 f4")
    def positive(self, values: Array) -> Array:
        """See `Backend.positive`."""
        return self._adjusted("positive", values)

    def _adjusted(self, kernel: str, values: Array, *args: Any, before: tuple[Any, ...] = ()) -> Array:
        source, bits = self._in(values), 8 * values.dtype.itemsize
        height, width = source.shape
        out = self.device.empty(source.shape, source.dtype)
        self._pixels("adjust", f"{kernel}_f{bits}", out, source, *before, out, I32(width), I32(height), *args)
        return self._out(out, values)

    def crop(self, values: Array, box: tuple[int, int, int, int]) -> Array:
        """See `Backend.crop`."""
        values = self._taken(values)
        x, y, width, height = expect_box(box, values.shape)
        if self._too_tall(values) or not width * height or values.dtype.itemsize not in (1, 2, 4):
            return self._on_cpu(self.cpu.crop, values, box)
        source, size = self._in(values), values.dtype.itemsize
        out = self.device.empty((height, width), source.dtype)
        self._pixels("adjust", f"crop_{size}", out, source.view(f"u{size}"), I32(source.shape[1]), out.view(f"u{size}"),
                     I32(width), I32(height), I32(x), I32(y))
        return self._out(out, values)

    def sample(self, values: Array, every: int) -> NDArray[Any]:
        """See `Backend.sample`."""
        values = self._taken(values, "f2 f4")
        if not self.device.owns(values) or not values.size:
            return self.cpu.sample(self._on_host(values), every)
        size, count = values.dtype.itemsize, -(-values.size // every)
        width = min(count, 1024)
        out = self.device.empty((-(-count // width), width), values.dtype)
        self._pixels("adjust", f"sample_{size}", out, values.view(f"u{size}"), out.view(f"u{size}"), I32(width),
                     I32(out.shape[0]), I32(count), I32(every))
        return self._on_host(out).reshape(-1)[:count]

    @on_device("f2 f4")
    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        """See `Backend.quantise`."""
        top = max_code_of(fmt)
        source = self._in(values)
        height, width = source.shape
        size = source.dtype.itemsize
        out, holes = self.device.empty(source.shape, fmt.dtype), self.device.zeros((1,), U32)
        self._quads("store", f"quantise_f{8 * size}_u{8 * out.dtype.itemsize}", source, out, source.view(f"u{size}"),
                    I32(width), out, I32(width), I32(width), I32(height), I32(width % 4 == 0), F32(lo), F32(hi),
                    F32(top), holes)
        missing = int(self._on_host(holes)[0])
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
                        I32(width), I32(height), I32(width % 4 == 0), self._constant(tables.of_reciprocals(fmt)), None)
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
        """Return an array of floats on the device as float32."""
        if source.dtype == F32:
            return source
        if source.dtype.itemsize == 8:      # another library's array, for copies from the host are float32 already
            with np.errstate(over="ignore"):
                return source.astype(F32)
        out = self.device.empty(source.shape, F32)
        self._pixels("convert", "cast_f16_f32", out, source, out, I32(source.shape[1]), I32(source.shape[0]))
        return out


def _arguments(rule: Linear, *, floats: bool) -> tuple[Any, ...]:
    """Return the parameters of a kernel that are the fields of a rule."""
    invalid = (*rule.invalid, *(0,) * (MAX_INVALID - len(rule.invalid)))
    return (F32(rule.divisor), F32(rule.a), F32(rule.b), I32(rule.reciprocal), I32(rule.positive and floats),
            I32(len(rule.invalid)), *map(F32, invalid))


def _number(key: int) -> float:
    """Return the float that `gd_key` turned into an ordered integer."""
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array(bits, U32).view(F32))
