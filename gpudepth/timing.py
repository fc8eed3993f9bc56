"""Where the time of an item goes: stages of the road, timed on the thread that does them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

STAGES = ("fetch", "estimate", "read", "refine", "encode", "write", "hash", "put")
"""estimate: a network. read: decode and convert a map. refine: what is done to it. encode: codes, containers, photos
that have to be coded. write: to the disk. hash: of inputs and outputs, for the ledger. fetch, put: from an object
store, and into it."""


class _Watch(threading.local):
    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.inner = 0.0        # spent by stages inside of the one that runs


_WATCH = _Watch()


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """What runs in the block counts as this stage's, less what stages inside of it count."""
    outer, _WATCH.inner, start = _WATCH.inner, 0.0, time.perf_counter()
    try:
        yield
    finally:
        whole = time.perf_counter() - start
        _WATCH.spent[name] = _WATCH.spent.get(name, 0.0) + whole - _WATCH.inner
        _WATCH.inner = outer + whole


def lap() -> dict[str, float]:
    """Seconds by stage, on this thread, since the last lap."""
    spent, _WATCH.spent = _WATCH.spent, {}
    return spent


def rounded(spent: dict[str, float]) -> dict[str, float]:
    """To a tenth of a millisecond, for ledgers; what took nothing is left out."""
    return {name: round(seconds, 4) for name, seconds in spent.items() if seconds >= 5e-5}


def add(total: dict[str, float], more: dict[str, float]) -> None:
    """Sum into the first."""
    for name, seconds in more.items():
        total[name] = total.get(name, 0.0) + seconds
