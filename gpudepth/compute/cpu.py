"""The numpy back end: tables for 8- and 16-bit pixels, arithmetic on bits for floats, piece by piece through the cache.

No number is decided here. Tables come from `depth.numeric`; the paths for floats repeat its operations in its order and
leave out a step only where it cannot change a bit, which a comment at that place explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import nan
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..depth import orientation as orientations
from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, Quantity, native
from ..errors import UsageError
from . import bits, tables
from .checks import expect, expect_box, expect_confidence, expect_factor, holes_error, max_code_of
from .interface import Array, Backend, Filled, Span, T
from .pieces import convert_floats, look_up, plain, store_floats
from .threads import CHUNK, Scratch, map_chunks, parallel_map

F32 = np.float32
PAIRS_FROM = 1 << 16     # pixels from which building the table of pairs pays
LOOK_UP_CHUNK = 1 << 17  # elements of a piece of a look-up, which is a single call
SPAN_CHUNK = 1 << 21     # elements of a piece of a span, which bits.span cuts further
TILE = 256               # rows and columns of a tile in a turn by 90°, so that both sides of the copy stay in the cache


class NumpyBackend:
    """`compute.interface.Backend` in numpy, on `threads` threads."""

    name = "numpy"

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise UsageError(f"a back end cannot have {threads} threads", hint="use 1 or more")
        self.threads = threads

    def attempt(self, work: Callable[[Backend], T]) -> T:
        """See `Backend.attempt`."""
        return work(self)

    def put(self, values: Array) -> Array:
        """See `Backend.put`."""
        there: Any = values
        return self.convert(there.codes, there.rule, there.fmt) if isinstance(there, KeptCodes) else values

    def host(self, values: Array) -> NDArray[Any]:
        """See `Backend.host`."""
        return self.put(values)

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """See `Backend.convert`."""
        expect(codes, "u1 u2 f2 f4 f8")
        out = _destination(codes, native(fmt).dtype, out)
        if factor is None and codes.itemsize <= 2:
            paired = codes.dtype == np.uint8 and out.itemsize == 2 and codes.size >= PAIRS_FROM
            stage = look_up(tables.of_codes(rule, fmt, codes.dtype),
                             tables.of_code_pairs(rule, fmt) if paired else None)
            map_chunks(stage, codes, out, threads=self.threads, chunk=LOOK_UP_CHUNK)
            return out
        if codes.dtype.kind != "f":
            rule = replace(rule, positive=False)    # the rule applies to float sources only
        if factor is None:
            map_chunks(lambda scratch, part, to: convert_floats(scratch, part, rule, None, to), codes, out,
                       threads=self.threads)
        else:
            expect_factor(factor, codes)
            map_chunks(lambda scratch, part, to, times: convert_floats(scratch, part, rule, times, to), codes, out,
                       factor, threads=self.threads)
        return out

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        """See `Backend.convert_span`."""
        values = self.convert(codes, rule, fmt)
        return values, self.span(values)

    def keep_codes(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span] | None:
        """See `Backend.keep_codes`: for 8 and 16 bits, where the values rise or fall with the codes and none is a hole.

        The range is then that of the smallest and the largest code.
        """
        expect(codes, "u1 u2 f2 f4 f8")
        if codes.dtype.kind != "u" or not codes.size:
            return None
        first, last = int(codes.min()), int(codes.max())
        values = tables.of_codes(rule, native(fmt), codes.dtype)[first:last + 1].astype(F32)
        if not np.isfinite(values).all():
            return None
        steps = np.diff(values)
        if not ((steps >= 0).all() or (steps <= 0).all()):
            return None
        lo, hi = sorted((float(values[0]) + 0.0, float(values[-1]) + 0.0))
        return cast(Array, KeptCodes(codes, rule, native(fmt))), Span(lo, hi, codes.size, codes.size)

    def span(self, values: Array) -> Span:
        """See `Backend.span`."""
        expect(values, "f2 f4")
        parts = map_chunks(lambda scratch, part: bits.span(plain(scratch, part)), values, threads=self.threads,
                           chunk=SPAN_CHUNK)
        lo, hi, valid = bits.merge(parts)
        if not valid:
            return Span(nan, nan, 0, values.size)
        return Span(bits.value(lo, values.dtype), bits.value(hi, values.dtype), valid, values.size)

    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        """See `Backend.quantise`."""
        max_code = max_code_of(fmt)
        there: Any = values
        if isinstance(there, KeptCodes):
            return there.quantised(float(F32(lo)), float(F32(hi)), fmt, self.threads)
        expect(values, "f2 f4")
        out = _destination(values, fmt.dtype, None)
        table = tables.of_stored(float(F32(lo)), float(F32(hi)), fmt) if values.itemsize == 2 else None

        def stage(scratch: Scratch, part: Array, to: Array) -> int:
            part = plain(scratch, part)
            gone = bits.holes(part)
            if table is None:
                store_floats(scratch, part, to, lo=F32(lo), hi=F32(hi), max_code=max_code)
            else:
                np.take(table, bits.of(part), mode="clip", out=to)
            return gone

        chunk = CHUNK if table is None else LOOK_UP_CHUNK
        missing = sum(map_chunks(stage, values, out, threads=self.threads, chunk=chunk))
        if missing:
            raise holes_error(missing, values.size, fmt)
        return out

    def load(self, codes: Array, lo: float, hi: float, stored: PixelFormat, native: PixelFormat) -> Array:
        """See `Backend.load`."""
        expect(codes, "u1 u2")
        return self.convert(codes, Linear(max_code_of(stored), lo, hi), native)

    def cast(self, values: Array, fmt: PixelFormat) -> Array:
        """See `Backend.cast`."""
        expect(values, "f2 f4")
        out = _destination(values, native(fmt).dtype, None)

        def stage(scratch: Scratch, part: Array, to: Array) -> None:
            v = scratch.like(part, F32, "v")
            np.copyto(v, part)
            bits.pack(scratch, v, to)

        map_chunks(stage, values, out, threads=self.threads)
        return out

    def clip(self, values: Array, lo: float, hi: float) -> Array:
        """See `Backend.clip`."""
        expect(values, "f2 f4")
        kind = values.dtype.type
        out = _destination(values, values.dtype.newbyteorder("="), None)

        def stage(_: Scratch, part: Array, to: Array) -> None:
            np.clip(part, kind(lo), kind(hi), out=to)
            np.add(to, kind(0), out=to)
            bits.put_nan(to, np.isnan(to))

        map_chunks(stage, values, out, threads=self.threads)
        return out

    def mask(self, values: Array, confidence: Array) -> Array:
        """See `Backend.mask`."""
        expect(values, "f2 f4")
        expect_confidence(confidence, values.shape)
        return self._without(values, confidence == 0)

    def positive(self, values: Array) -> Array:
        """See `Backend.positive`."""
        expect(values, "f2 f4")
        return self._without(values, ~(values > 0))

    def _without(self, values: Array, gone: NDArray[np.bool_]) -> Array:
        out = values.astype(values.dtype.newbyteorder("="), order="C", copy=True)
        bits.put_nan(out, gone)
        return out

    def crop(self, values: Array, box: tuple[int, int, int, int]) -> Array:
        """See `Backend.crop`."""
        expect(values)
        x, y, width, height = expect_box(box, values.shape)
        return values[y:y + height, x:x + width].copy(order="C")

    def sample(self, values: Array, every: int) -> NDArray[Any]:
        """See `Backend.sample`."""
        there: Any = values
        if isinstance(there, KeptCodes):
            some: NDArray[Any] = self.convert(there.codes.ravel()[None, ::every], there.rule, there.fmt)[0]
            return some
        expect(values, "f2 f4")
        return values.ravel()[::every]

    def reciprocal_to(self, values: Array, fmt: PixelFormat) -> Array:
        """See `Backend.reciprocal_to`."""
        expect(values, "f2 f4")
        out = _destination(values, native(fmt).dtype, None)
        if values.itemsize == 2:
            map_chunks(look_up(tables.of_reciprocals(fmt)), values, out, threads=self.threads, chunk=LOOK_UP_CHUNK)
        else:
            def stage(scratch: Scratch, part: Array, to: Array) -> None:
                bits.pack(scratch, np.divide(F32(1), part, out=scratch.like(part, F32, "v")), to)

            map_chunks(stage, values, out, threads=self.threads)
        return out

    def orient(self, values: Array, orientation: int) -> Array:
        """See `Backend.orient`."""
        expect(values)
        orientations.check(orientation)
        turned = orientation >= 5
        # Every orientation is a flip of rows and columns, followed by a transposition for 5 to 8.
        flipped = values[::-1 if orientation in (3, 4, 6, 7) else 1, ::-1 if orientation in (2, 3, 7, 8) else 1]
        if not turned:
            return flipped.copy(order="C")
        height, width = flipped.shape
        out = np.empty((width, height), values.dtype)

        def stage(_: Scratch, row: int) -> None:
            for column in range(0, width, TILE):
                tile = flipped[row:row + TILE, column:column + TILE]
                out[column:column + TILE, row:row + TILE] = tile.T

        parallel_map(stage, range(0, height, TILE), self.threads)
        return out

    def fill(self, values: Array, how: str, quantity: Quantity) -> tuple[Array, Filled]:
        """See `Backend.fill`."""
        from .refine.fill import fill

        expect(values, "f2 f4")
        return fill(values, how, quantity, self.span(values), threads=self.threads)

    def resize(self, values: Array, width: int, height: int, method: str = "area") -> Array:
        """See `Backend.resize`."""
        from .refine.resize import resize

        expect(values, "f2 f4")
        return resize(values, width, height, method, threads=self.threads)

    def upsample(self, values: Array, guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None) -> Array:
        """See `Backend.upsample`."""
        from .refine import guided

        expect(values, "f4")
        return guided.guided(values, guide, confidence, threads=self.threads)

    def inpaint(self, values: Array, guide: NDArray[np.uint8] | None = None) -> tuple[Array, Filled]:
        """See `Backend.inpaint`."""
        from .refine import inpaint

        expect(values, "f4")
        filled = inpaint.inpaint(values, guide, threads=self.threads)
        count = values.size - int(np.count_nonzero(np.isfinite(values)))
        return filled, Filled(count, count / values.size)

    def median(self, values: Array, size: int) -> Array:
        """See `Backend.median`."""
        from .refine import smooth

        expect(values, "f4")
        return smooth.median(values, size, threads=self.threads)

    def bilateral(self, values: Array, radius: int, guide: NDArray[np.uint8] | None = None) -> Array:
        """See `Backend.bilateral`."""
        from .refine import smooth

        expect(values, "f4")
        return smooth.bilateral(values, radius, guide, threads=self.threads)

    def affine(self, values: Array, scale: float, shift: float) -> Array:
        """See `Backend.affine`."""
        from .refine import align

        expect(values, "f4")
        return align.affine(values, scale, shift)

    def blend(self, values: Array, before: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8],
              share: float) -> Array:
        """See `Backend.blend`."""
        from .refine import temporal

        expect(values, "f4")
        return temporal.blend(values, before, guide, guide_before, share)

    def changes(self, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> int:
        """See `Backend.changes`."""
        from .refine import temporal

        temporal.check_pictures(guide.shape[:2], guide, guide_before)
        return int(np.count_nonzero(temporal.differences(guide, guide_before) > limit))

    def unchanged(self, values: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> Array:
        """See `Backend.unchanged`."""
        from .refine import temporal

        expect(values, "f4")
        temporal.check_pictures(values.shape, guide, guide_before)
        return np.where(temporal.differences(guide, guide_before) <= limit, values, F32(np.nan))


class KeptCodes:
    """A map that is still codes. Attributes as those of a native map, and those that convert it."""

    def __init__(self, codes: Array, rule: Linear, fmt: PixelFormat) -> None:
        self.codes, self.rule, self.fmt = codes, rule, fmt
        self.shape, self.size, self.ndim, self.dtype = codes.shape, codes.size, codes.ndim, fmt.dtype

    def quantised(self, lo: float, hi: float, stored: PixelFormat, threads: int) -> Array:
        """Return stored codes: the bits of quantising the converted map."""
        out = np.empty(self.shape, stored.dtype)
        table = tables.of_recoded(tables.of_codes(self.rule, self.fmt, self.codes.dtype), lo, hi, stored)
        paired = self.codes.dtype == np.uint8 and table.dtype == np.uint8 and self.size >= PAIRS_FROM
        stage = look_up(table, tables.paired(table) if paired else None)
        map_chunks(stage, self.codes, out, threads=threads, chunk=LOOK_UP_CHUNK)
        return out


def _destination(values: Array, dtype: np.dtype[Any], out: Array | None) -> Array:
    if out is None:
        return np.empty(values.shape, dtype)
    if out.dtype != dtype or not out.dtype.isnative or out.shape != values.shape:
        raise ValueError(f"out must be {dtype} {values.shape}, not {out.dtype} {out.shape}")
    return out
