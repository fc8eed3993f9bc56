"""Processes a stream with several threads: results keep the order of the stream, and only a few exist at a time.

Decoders and encoders release the GIL, as numpy does for large arrays, so threads of one process suffice and no pixels
are copied between processes.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2       # waiting items per thread


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield work(item) for each item, computed on `threads` threads, in the order of the items.

    Errors of `work` or `items` are raised at their position in that order. Items are only taken as results are
    consumed.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                del item
                if len(waiting) >= max(1, threads) * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            close = getattr(items, "close", None)
            if close is not None:
                close()


def prefetch(items: Iterator[Item], most: int = AHEAD) -> Iterator[Item]:
    """Yield the same items, produced by another thread up to `most` items ahead.

    If iteration ends early, the thread ends first, because decoders must be closed by the thread that uses them.
    """
    channel: queue.Queue[Any] = queue.Queue(most)
    stop = threading.Event()

    def put(entry: Any) -> bool:
        while not stop.is_set():
            try:
                channel.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put(None)
        except BaseException as error:
            put((None, error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (entry := channel.get()) is not None:
            item, error = entry
            if error is not None:
                raise error
            yield item
    finally:
        stop.set()
        thread.join()
