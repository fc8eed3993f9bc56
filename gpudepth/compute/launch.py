"""Defines the device that kernels run on, launches them, and overlaps copies with kernels in a ring of slots.

While one map is computed, the next is copied to the device and the one before is copied back. A slot is a stream with
a pinned buffer for each direction and the device's copy of the input. Its work is queued in order on its stream, and
nothing waits until the slot is needed again. So a slot's buffers are written only after the event behind its last copy,
and the caller receives a copy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .cpu import NumpyBackend, expect
from .interface import Array

T = TypeVar("T")
P = ParamSpec("P")
L = TypeVar("L", bound="Launcher")
I32, U32, F32 = np.int32, np.uint32, np.float32
MAX_ROWS = 65535    # the most rows of a grid
SLOTS = 3           # of a ring


class Event(Protocol):
    def synchronize(self) -> None:
        """Wait until all work queued before this event is done."""


class Lanes(Protocol):
    """What a ring needs of a device besides its arrays: memory, streams, copies and events."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any: ...

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]: ...

    def stream(self) -> AbstractContextManager[Any]: ...

    def upload(self, source: NDArray[Any], to: Any, stream: Any) -> None: ...

    def download(self, source: Any, to: NDArray[Any], stream: Any) -> None: ...

    def mark(self, stream: Any) -> Event: ...


class KernelDevice(Lanes, Protocol):
    """Arrays, launches and the lanes of a ring. Its arrays have shape, dtype, strides and view() as in numpy."""

    name: str

    def array(self, values: NDArray[Any]) -> Any:
        """Return a contiguous copy of a host array on the device."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a new, uninitialised array on the device."""

    def host(self, values: Any) -> NDArray[Any]:
        """Return a copy of a device array on the host."""

    def owns(self, values: Any) -> bool:
        """Return whether an array is on the device, so that it can be used in place."""

    def own(self, values: Any) -> Any:
        """Return such an array as one of this device, contiguous, without a copy if possible."""

    def launch(self, module: str, kernel: str, grid: tuple[int, int], block: tuple[int, int], *args: Any) -> None:
        """Run a kernel. Arguments are arrays (None is a null pointer) and numpy's int32, uint32 and float32."""


class Launcher:
    """Moves maps to a device and back, and launches kernels. `cpu` computes what exceeds the limits of a launch."""

    def __init__(self, device: KernelDevice) -> None:
        self.device = device
        self.cpu = NumpyBackend()

    def _in(self, values: Any) -> Any:
        """Return an array on the device, contiguous and in its byte order."""
        if self.device.owns(values):
            return self.device.own(values)
        return self.device.array(np.ascontiguousarray(values, values.dtype.newbyteorder("=")))

    def _out(self, result: Any, like: Any) -> Array:
        """Move a result to where `like` is: it stays on the device, or is copied to the host."""
        there: Array = result if self.device.owns(like) else self.device.host(result)
        return there

    def _taken(self, values: Any, kinds: str = "") -> Any:
        """Check a map as the numpy back end does; adopt an array of another library on the device."""
        values = self.device.own(values) if self.device.owns(values) else values
        expect(values, kinds)
        return values

    def _on_cpu(self, method: Callable[..., T], values: Any, *args: Any, **named: Any) -> T:
        """Compute on the CPU what exceeds the limits of a launch, and move the result to where the map is."""
        def there(result: Any) -> Any:
            on_device = isinstance(result, np.ndarray) and self.device.owns(values)
            return self.device.array(result) if on_device else result

        result: Any = method(self._on_host(values), *map(self._on_host, args),
                             **{k: self._on_host(v) for k, v in named.items()})
        moved: Any = tuple(map(there, result)) if isinstance(result, tuple) else there(result)
        return cast(T, moved)

    def _on_host(self, values: Any) -> NDArray[Any]:
        return self.device.host(values) if self.device.owns(values) else values

    def _too_tall(self, values: Any) -> bool:
        return bool(values.shape[0] > MAX_ROWS or not values.size)

    def _quads(self, module: str, kernel: str, source: Any, out: Any, *args: Any) -> None:
        """Launch one thread for every four pixels of a row; a block lies within one row."""
        height, width = source.shape
        threads = min(256, max(32, 1 << (-(-width // 4) - 1).bit_length()))
        self.device.launch(module, kernel, (-(-width // (4 * threads)), height), (threads, 1), *args)

    def _pixels(self, module: str, kernel: str, out: Any, *args: Any) -> None:
        """Launch one thread for each pixel of `out`."""
        height, width = out.shape[-2:]
        self.device.launch(module, kernel, (-(-width // 32), -(-height // 8)), (32, 8), *args)


def on_device(kinds: str) -> Callable[[Callable[Concatenate[L, Array, P], T]], Callable[Concatenate[L, Array, P], T]]:
    """Check the dtype of a method's map, adopt it, and compute on the CPU if it exceeds the limits of a launch."""
    def decorate(method: Callable[Concatenate[L, Array, P], T]) -> Callable[Concatenate[L, Array, P], T]:
        def run(self: L, values: Array, /, *args: P.args, **named: P.kwargs) -> T:
            values = self._taken(values, kinds)
            if self._too_tall(values):
                result: T = self._on_cpu(getattr(self.cpu, method.__name__), values, *args, **named)
                return result
            return method(self, values, *args, **named)

        update_wrapper(run, method)
        return run

    return decorate


class _Slot:
    def __init__(self, device: Lanes) -> None:
        self.device, self.stream = device, device.stream()
        self.lent: NDArray[Any] | None = None       # pinned memory for the input
        self.there: Any = None                      # the input on the device
        self.back: NDArray[Any] | None = None       # pinned memory for the result
        self.result: Any = None                     # the result on the device, kept until its copy is done
        self.done: Event | None = None

    def start(self, source: NDArray[Any], work: Callable[[Any], Any]) -> None:
        if self.lent is None or self.lent.shape != source.shape or self.lent.dtype != source.dtype:
            self.lent, self.there = self.device.pinned(source.shape, source.dtype.newbyteorder("=")), None
        np.copyto(self.lent, source)
        with self.stream as stream:
            # Memory belongs to the stream that asks for it, because other streams may still use what it held before.
            if self.there is None:
                self.there = self.device.empty(self.lent.shape, self.lent.dtype)
            try:
                self.device.upload(self.lent, self.there, stream)
                self.result = work(self.there)
                if self.back is None or self.back.shape != self.result.shape or self.back.dtype != self.result.dtype:
                    self.back = self.device.pinned(self.result.shape, self.result.dtype)
                self.device.download(self.result, self.back, stream)
            finally:
                self.done = self.device.mark(stream)

    def finish(self) -> NDArray[Any]:
        assert self.done is not None
        assert self.back is not None
        self.done.synchronize()
        self.done = self.result = None
        return self.back.copy()

    def stop(self) -> None:
        """Wait for the copies of this slot, which must not run into memory that is freed."""
        if self.done is not None:
            self.done.synchronize()
            self.done = None


class Ring:
    """Runs work on a device for many maps, with the copies of one beside the work of another.

    Args:
        device: The device.
        work: Turns an array on the device into another by launches only; it must not wait for the device.
        slots: The number of maps that are under way at once.
    """

    def __init__(self, device: Lanes, work: Callable[[Any], Any], slots: int = SLOTS) -> None:
        self.work = work
        self._slots = [_Slot(device) for _ in range(slots)]

    def run(self, sources: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Yield work(source) for each source, in order.

        Sources are taken as slots become free; the caller may reuse a source as soon as the next one is requested.
        """
        waiting: list[_Slot] = []
        try:
            for number, source in enumerate(sources):
                slot = self._slots[number % len(self._slots)]
                if len(waiting) == len(self._slots):
                    yield waiting.pop(0).finish()
                slot.start(source, self.work)
                waiting.append(slot)
            while waiting:
                yield waiting.pop(0).finish()
        finally:
            for slot in self._slots:
                slot.stop()
