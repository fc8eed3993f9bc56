"""Three slots in which copies to the device, kernels and copies from the device overlap.

While one map is computed, the next is copied to the device and the one before is copied back. A slot is a stream with
a pinned buffer for each direction and the device's copy of the input. Its work is queued in order on its stream, and
nothing waits until the slot is needed again. So a slot's buffers are written only after the event behind its last copy,
and the caller receives a copy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SLOTS = 3


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
