"""The back end "auto": the GPU for calls that gain from it, numpy for the rest, with the same bits.

A map on the host has to be copied to the GPU and back. That pays when numpy would take longer than the two copies: the
time of numpy is estimated from `NANOSECONDS`, the time of the copies is measured once on the machine. Maps that are on
a GPU are processed there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, Quantity
from ..errors import BackendError
from . import probe
from .cpu import NumpyBackend
from .interface import Array, Backend, Filled, Span, on_gpu

if TYPE_CHECKING:
    from .kernels import KernelBackend

log = logging.getLogger(__name__)
T = TypeVar("T")

NANOSECONDS = {
    "convert": 1.0, "convert_span": 1.1, "span": 0.2, "quantise": 1.0, "load": 0.9, "reciprocal_to": 0.8, "orient": 0.7,
    "fill": 50, "resize": 6, "upsample": 100, "inpaint": 40, "median": 35, "bilateral": 150, "affine": 2, "blend": 35}
"""The time of numpy per pixel of the larger of input and result, on one core: the order of magnitude that
benchmarks/RESULTS.md shows."""
PAYS = 2.0              # the gain has to be twice the cost of copying, because other costs of a call are not counted
LITTLE = 50_000         # nanoseconds of numpy below which no GPU is looked for
PROBE_BYTES = 1 << 22


class AutoBackend:
    """Chooses between the GPU and numpy for each call, and uses numpy alone once no GPU turns out to be usable."""

    name = "auto"

    def __init__(self, numpy: NumpyBackend, gpu: Callable[[], KernelBackend] = probe.kernels) -> None:
        self.numpy, self._find = numpy, gpu
        self._gpu: KernelBackend | None = None
        self._lost, self._logged = False, set[str]()
        self._trip: tuple[float, float] | None = None

    def settled(self) -> Backend:
        """Look for the GPU now; return this back end if there is one and the numpy back end otherwise."""
        return self if self._kernels() is not None else self.numpy

    def _kernels(self) -> KernelBackend | None:
        if self._gpu is None and not self._lost:
            try:
                found = self._find()
                self._trip = trip(found)
                self._gpu = found
            except BackendError as error:
                self._lost = True
                probe.fallback(error.message.removeprefix(probe.UNUSABLE))
        return self._gpu

    def _pick(self, method: str, pixels: int, bytes_: int, *arrays: Any) -> Backend:
        if any(on_gpu(a) for a in arrays):
            return self._find()     # a map on the GPU can be used nowhere else, so the error must reach the caller
        if NANOSECONDS[method] * pixels < LITTLE:   # decided before CuPy, which takes half a second to import
            self._log_once(method, "numpy: %s of %s pixels are not enough for a GPU", method, f"{pixels:,}")
            return self.numpy
        kernels = self._kernels()
        if kernels is None or self._trip is None:
            return self.numpy
        latency, rate = self._trip
        least = smallest(NANOSECONDS[method], latency, rate * bytes_ / max(pixels, 1))
        paying = pixels >= least
        at = f"from {least:,.0f} pixels on" if np.isfinite(least) else "at no size"
        self._log_once(method, "%s: %s of %s pixels; copying to the GPU pays %s", "cupy" if paying else "numpy", method,
                  f"{pixels:,}", at)
        return kernels if paying else self.numpy

    def _log_once(self, method: str, text: str, *args: str) -> None:
        """Log the choice for a method the first time that it is made."""
        if method not in self._logged:
            self._logged.add(method)
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
        """Run `work` on one map whose result takes `more` bytes per pixel."""
        pixels, size = _pixels(values), getattr(values.dtype, "itemsize", 4)
        return self._do(method, pixels, pixels * (size + more), (values,), work)

    def _do(self, method: str, pixels: int, bytes_: int, arrays: tuple[Any, ...], work: Callable[[Backend], T]) -> T:
        chosen = self._pick(method, pixels, bytes_, *arrays)
        try:
            return work(chosen)
        except BackendError as error:       # such as a full GPU; a map on the host does not need it
            if chosen is self.numpy or any(on_gpu(a) for a in arrays):
                raise
            probe.fallback(error.message)
            return work(self.numpy)


def smallest(numpy: float, latency: float, copying: float) -> float:
    """Return the number of pixels from which the GPU pays.

    Args:
        numpy: The time of numpy in nanoseconds per pixel.
        latency: The time of a round trip without data in nanoseconds.
        copying: The time of the copies in nanoseconds per pixel.
    """
    gain = numpy - PAYS * copying
    return PAYS * latency / gain if gain > 0 else np.inf


def trip(kernels: KernelBackend) -> tuple[float, float]:
    """Measure a round trip to the device: nanoseconds without data, and nanoseconds for each byte."""
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


def _pixels(values: Any) -> int:
    return int(np.prod(values.shape))
