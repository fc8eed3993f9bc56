"""The back end "auto": the GPU for what is worth the trip there, numpy for the rest. The bits are the same.

A map on the host has to be copied to the GPU and back. That is worth it when numpy would take longer than the trip:
numpy's time is that of `NANOSECONDS`, the trip's is measured once, on the machine at hand. Maps that lie on a GPU are
worked on there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, Quantity
from ..errors import BackendError
from . import probe
from .cpu import NumpyBackend
from .cuda import on_gpu
from .interface import Array, Backend, Filled, Span
from .kernels import KernelBackend

log = logging.getLogger(__name__)
T = TypeVar("T")

NANOSECONDS = {
    "convert": 1.0, "convert_span": 1.1, "span": 0.2, "quantise": 1.0, "load": 0.9, "reciprocal_to": 0.8, "orient": 0.7,
    "fill": 50, "resize": 6, "upsample": 100, "inpaint": 40, "median": 35, "bilateral": 150, "affine": 2, "blend": 35}
"""numpy's time per pixel of the larger side, input or result, on one core: order of magnitude of benchmarks/RESULTS.md.
The rest of a trip is left out, so it has to pay twice."""
PAYS = 2.0
LITTLE = 50_000     # nanoseconds of numpy's
PROBE_BYTES = 1 << 22


class AutoBackend:
    """Chooses for each call. Where no GPU turns out to be usable, it is numpy from then on, and says so once."""

    name = "auto"

    def __init__(self, numpy: NumpyBackend, gpu: Callable[[], KernelBackend] = probe.kernels) -> None:
        self.numpy, self._find = numpy, gpu
        self._gpu: KernelBackend | None = None
        self._lost, self._said = False, set[str]()
        self._trip: tuple[float, float] | None = None

    def settled(self) -> Backend:
        """Itself with a GPU, numpy without: for who would rather know now."""
        return self if self._kernels() is not None else self.numpy

    def _kernels(self) -> KernelBackend | None:
        if self._gpu is None and not self._lost:
            try:
                found = self._find()
                self._trip = trip(found)
                self._gpu = found
            except BackendError as error:
                self._lost = True
                fallback(error.message.removeprefix(probe.UNUSABLE))
        return self._gpu

    def _pick(self, method: str, pixels: int, bytes_: int, *arrays: Any) -> Backend:
        if any(on_gpu(a) for a in arrays):
            return self._find()     # what lies there can be used nowhere else: its error is the answer
        if NANOSECONDS[method] * pixels < LITTLE:   # and CuPy need not be loaded
            self._say(method, "numpy: %s of %s pixels, too little for a GPU", method, f"{pixels:,}")
            return self.numpy
        kernels = self._kernels()
        if kernels is None or self._trip is None:
            return self.numpy
        latency, rate = self._trip
        least = smallest(NANOSECONDS[method], latency, rate * bytes_ / max(pixels, 1))
        paying = pixels >= least
        at = f"from {least:,.0f} pixels on" if np.isfinite(least) else "at no size"
        self._say(method, "%s: %s of %s pixels; the trip to the GPU pays %s", "cupy" if paying else "numpy", method,
                  f"{pixels:,}", at)
        return kernels if paying else self.numpy

    def _say(self, method: str, text: str, *args: str) -> None:
        """For `-v`, once for each method."""
        if method not in self._said:
            self._said.add(method)
            log.info(text, *args)

    def host(self, values: Array) -> NDArray[Any]:
        return self._find().host(values) if on_gpu(values) else values

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        return self._map("convert", codes, fmt.dtype.itemsize,
                         lambda b: b.convert(codes, rule, fmt, factor=factor, out=out))

    def convert_many(self, maps: Iterable[Array], rule: Linear, fmt: PixelFormat) -> Iterator[Array]:
        for codes in maps:
            yield self.convert(codes, rule, fmt)

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        return self._map("convert_span", codes, fmt.dtype.itemsize, lambda b: b.convert_span(codes, rule, fmt))

    def span(self, values: Array) -> Span:
        return self._map("span", values, 0, lambda b: b.span(values))

    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        return self._map("quantise", values, fmt.dtype.itemsize, lambda b: b.quantise(values, lo, hi, fmt))

    def load(self, codes: Array, lo: float, hi: float, stored: PixelFormat, native: PixelFormat) -> Array:
        return self._map("load", codes, native.dtype.itemsize, lambda b: b.load(codes, lo, hi, stored, native))

    def reciprocal_to(self, values: Array, fmt: PixelFormat) -> Array:
        return self._map("reciprocal_to", values, fmt.dtype.itemsize, lambda b: b.reciprocal_to(values, fmt))

    def orient(self, values: Array, orientation: int) -> Array:
        return self._map("orient", values, 4, lambda b: b.orient(values, orientation))

    def fill(self, values: Array, how: str, quantity: Quantity) -> tuple[Array, Filled]:
        return self._map("fill", values, 4, lambda b: b.fill(values, how, quantity))

    def resize(self, values: Array, width: int, height: int, method: str = "area") -> Array:
        after = width * height
        return self._do("resize", max(_pixels(values), after), 4 * (_pixels(values) + after), (values,),
                        lambda b: b.resize(values, width, height, method))

    def upsample(self, values: Array, guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None) -> Array:
        pixels = _pixels(guide) // 3
        return self._do("upsample", pixels, 7 * pixels, (values, guide),
                        lambda b: b.upsample(values, guide, confidence))

    def inpaint(self, values: Array, guide: NDArray[np.uint8] | None = None) -> tuple[Array, Filled]:
        return self._map("inpaint", values, 7, lambda b: b.inpaint(values, guide))

    def median(self, values: Array, size: int) -> Array:
        return self._map("median", values, 4, lambda b: b.median(values, size))

    def bilateral(self, values: Array, radius: int, guide: NDArray[np.uint8] | None = None) -> Array:
        return self._map("bilateral", values, 7, lambda b: b.bilateral(values, radius, guide))

    def affine(self, values: Array, scale: float, shift: float) -> Array:
        return self._map("affine", values, 4, lambda b: b.affine(values, scale, shift))

    def blend(self, values: Array, before: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8],
              share: float) -> Array:
        return self._do("blend", _pixels(values), 18 * _pixels(values), (values, before),
                        lambda b: b.blend(values, before, guide, guide_before, share))

    def _map(self, method: str, values: Array, more: int, work: Callable[[Backend], T]) -> T:
        """`work` on a map that is copied there, with `more` bytes a pixel."""
        pixels, size = _pixels(values), getattr(values.dtype, "itemsize", 4)
        return self._do(method, pixels, pixels * (size + more), (values,), work)

    def _do(self, method: str, pixels: int, bytes_: int, arrays: tuple[Any, ...], work: Callable[[Backend], T]) -> T:
        chosen = self._pick(method, pixels, bytes_, *arrays)
        try:
            return work(chosen)
        except BackendError as error:       # the GPU is full, say: what lies on the host needs none
            if chosen is self.numpy or any(on_gpu(a) for a in arrays):
                raise
            fallback(error.message)
            return work(self.numpy)


def smallest(numpy: float, latency: float, copying: float) -> float:
    """The pixels from which a trip pays: numpy and copying in nanoseconds per pixel, latency in nanoseconds."""
    gain = numpy - PAYS * copying
    return PAYS * latency / gain if gain > 0 else np.inf


def trip(kernels: KernelBackend) -> tuple[float, float]:
    """(latency, rate): nanoseconds of a round trip of next to nothing, and of each byte more."""
    device = kernels.device
    times = []
    for size in (64, PROBE_BYTES):
        source, best = np.zeros(size, np.uint8), np.inf
        for _ in range(3):
            start = time.perf_counter_ns()
            device.host(device.array(source))
            best = min(best, time.perf_counter_ns() - start)
        times.append(best)
    small, large = times
    return float(small), max(0.0, large - small) / (2 * PROBE_BYTES)


@lru_cache(maxsize=8)
def fallback(why: str) -> None:
    """Say once that it is numpy, and why, in a line."""
    log.warning("no GPU (%s): computing with numpy, the results are the same; %s=numpy silences this line",
                probe.first_line(why), probe.VARIABLE)


def _pixels(values: Any) -> int:
    return int(np.prod(values.shape))
