"""Three slots that overlap the way in, the kernels and the way out: while one map is computed, the next is copied to
the device and the one before is copied back.

A slot is a stream with a pinned buffer for each way and the device's copy of the input. Its work is queued in order on
its stream; nobody waits until the slot is needed again. So a slot's buffers are written only after the event behind
its last copy, and what a caller gets is a copy of its own.
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
        """Wait until all before it is done."""


class Lanes(Protocol):
    """What a ring needs of a device, beside its arrays."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any: ...

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]: ...

    def stream(self) -> AbstractContextManager[Any]: ...

    def upload(self, source: NDArray[Any], to: Any, stream: Any) -> None: ...

    def download(self, source: Any, to: NDArray[Any], stream: Any) -> None: ...

    def mark(self, stream: Any) -> Event: ...


class _Slot:
    def __init__(self, device: Lanes) -> None:
        self.device, self.stream = device, device.stream()
        self.lent: NDArray[Any] | None = None       # pinned, on the way in
        self.there: Any = None                      # on the device
        self.back: NDArray[Any] | None = None       # pinned, on the way out
        self.result: Any = None                     # on the device, alive until its copy is done
        self.done: Event | None = None

    def start(self, source: NDArray[Any], work: Callable[[Any], Any]) -> None:
        if self.lent is None or self.lent.shape != source.shape or self.lent.dtype != source.dtype:
            self.lent, self.there = self.device.pinned(source.shape, source.dtype.newbyteorder("=")), None
        np.copyto(self.lent, source)
        with self.stream as stream:
            # memory is the stream's that asks for it: others may still be at work on what it had been
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
        """No copy may still run into memory that is given back."""
        if self.done is not None:
            self.done.synchronize()
            self.done = None


class Ring:
    """`work` takes an array on the device and gives one, with nothing but launches: it must not wait for the device."""

    def __init__(self, device: Lanes, work: Callable[[Any], Any], slots: int = SLOTS) -> None:
        self.work = work
        self._slots = [_Slot(device) for _ in range(slots)]

    def run(self, sources: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """work(source) for each, in order. Sources are taken as slots become free, and may be reused by the caller as
        soon as the next one is asked for."""
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
