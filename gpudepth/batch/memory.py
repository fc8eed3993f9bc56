"""Bounds the memory that all workers of a run together use for decoded pictures and maps.

Half of the memory is divided among the workers, which use their shares without asking, so that ordinary items cost
nothing. A worker that needs more requests the rest from the other half before it decodes, and waits while others hold
it. An item that is larger than that half is processed while no other worker has more than its share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Generic, TypeVar

from ..limits import Limits

Worker = TypeVar("Worker")


@dataclass(frozen=True)
class LeaseRequest:
    """A worker's request for more memory, which waits for an answer.

    Attributes:
        bytes: Number of bytes.
    """

    bytes: int


@dataclass
class MemoryLease:
    """The memory that one worker uses for its item.

    Attributes:
        share: Bytes that the worker uses without asking; None is any number.
        request: Requests more bytes and waits for them.
        used: Bytes that the item uses.
        granted: Bytes that were granted beyond the share.
    """

    share: int | None = None
    request: Callable[[int], None] = lambda size: None
    used: int = 0
    granted: int = 0

    def charge(self, size: int) -> None:
        """Count bytes that are about to be used. Threads of clips are not counted: their frames are few by design."""
        if threading.current_thread() is not threading.main_thread():
            return
        self.used += size
        missing = 0 if self.share is None else self.used - self.share - self.granted
        if missing > 0:
            self.request(missing)
            self.granted += missing

    def release(self) -> None:
        """Count from 0 again after a part of the item, which keeps what was granted for the next part."""
        self.used = 0

    def reset(self) -> None:
        """Count from 0 for the next item."""
        self.used = self.granted = 0

    def limits(self, limits: Limits) -> Limits:
        """Return the same limits, which charge this lease."""
        return _ChargedLimits(**{f.name: getattr(limits, f.name) for f in fields(Limits)}, lease=self)


@dataclass(frozen=True)
class _ChargedLimits(Limits):
    lease: MemoryLease = field(default_factory=MemoryLease, compare=False, repr=False)

    def charge(self, size: int) -> None:
        self.lease.charge(size)


@dataclass
class MemoryBudget(Generic[Worker]):
    """The memory that workers of a run request, first come, first served.

    Attributes:
        size: Bytes for all of them.
        held: Bytes by id of the worker.
        waiting: Workers and the bytes they request, in the order of the requests.
    """

    size: int
    held: dict[int, int] = field(default_factory=dict)
    waiting: list[tuple[Worker, int]] = field(default_factory=list)

    def request(self, worker: Worker, size: int) -> None:
        """Add a request of `size` bytes."""
        self.waiting.append((worker, size))

    def release(self, worker: Worker) -> None:
        """Free what a worker holds: its item is done, or the worker is gone."""
        self.held.pop(id(worker), None)
        self.waiting = [(w, n) for w, n in self.waiting if w is not worker]

    def grants(self) -> list[Worker]:
        """Return the workers whose requests are granted now.

        When every worker that holds memory waits for more, the first request is granted whatever its size, because no
        worker would release anything otherwise.
        """
        out: list[Worker] = []
        while self.waiting:
            worker, size = self.waiting[0]
            others = sum(n for key, n in self.held.items() if key != id(worker))
            stuck = set(self.held) <= {id(w) for w, _ in self.waiting}
            mine = self.held.get(id(worker), 0)
            if others + mine + size > self.size and others and not (stuck and not out):
                break
            self.waiting.pop(0)
            self.held[id(worker)] = mine + size
            out.append(worker)
        return out
