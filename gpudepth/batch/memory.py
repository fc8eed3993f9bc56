"""Bytes in flight: what all workers may hold of decoded pictures and maps, together.

Each worker may take its share of half of the memory without asking, so that ordinary items cost nothing. What takes
more asks for the rest, of the other half, before it decodes, and waits while others hold it. An item that would not fit
at all is done while nobody else has more than their share. Sizes are those that headers declare: they are asked for
where limits are checked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Worker = TypeVar("Worker")


@dataclass(frozen=True)
class LeaseRequest:
    """A worker's: may I have so many bytes more? It waits for an answer."""

    bytes: int


@dataclass
class MemoryLease:
    """A worker's side. free: what it may take without asking; ask: asks and waits."""

    free: int
    ask: Callable[[int], None]
    taken: int = 0
    granted: int = 0

    def take(self, size: int) -> None:
        """Before something of that size is decoded. Clips' threads take nothing: their frames are few by design."""
        if threading.current_thread() is not threading.main_thread():
            return
        self.taken += size
        missing = self.taken - self.free - self.granted
        if missing > 0:
            self.ask(missing)
            self.granted += missing

    def let_go(self) -> None:
        """A part of the item is done, and holds nothing more: what was granted is there for the next one."""
        self.taken = 0

    def reset(self) -> None:
        """The item is done."""
        self.taken = self.granted = 0


@dataclass
class MemoryBudget(Generic[Worker]):
    """The run's side: `size` bytes that workers ask for. Who waits is served in the order of asking."""

    size: int
    held: dict[int, int] = field(default_factory=dict)
    waiting: list[tuple[Worker, int]] = field(default_factory=list)

    def ask(self, worker: Worker, size: int) -> None:
        self.waiting.append((worker, size))

    def release(self, worker: Worker) -> None:
        """Its item is done, or it is gone."""
        self.held.pop(id(worker), None)
        self.waiting = [(w, n) for w, n in self.waiting if w is not worker]

    def grants(self) -> list[Worker]:
        """Who may go on now.

        When all who hold something wait for more, the first of them goes on whatever it takes: the others would never
        give anything back.
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
