"""Work on streams by threads: in order, bounded, and ended whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from gpudepth.video.ordered import AHEAD, ordered_map, prefetch


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_in_the_order_of_the_items(threads: int) -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n % 5 == 0 else 0)
        return n * n

    assert list(ordered_map(slow_first, range(40), threads)) == [n * n for n in range(40)]


def test_never_many_at_once() -> None:
    """However slow the end of the line is, no more are made than wait for it."""
    made, given = 0, 0

    def items() -> Iterator[int]:
        nonlocal made
        for n in range(50):
            made += 1
            assert made - given <= 2 * AHEAD + 1
            yield n

    for _ in ordered_map(lambda n: n, items(), 2):
        given += 1
    assert given == 50


def test_errors_come_where_they_belong() -> None:
    def work(n: int) -> int:
        if n == 7:
            raise ValueError(str(n))
        return n

    got = []
    with pytest.raises(ValueError, match="7"):
        got.extend(ordered_map(work, range(20), 3))

    got = []
    with pytest.raises(ValueError, match="7"):
        for n in ordered_map(work, range(20), 3):
            got.append(n)
    assert got == list(range(7))


def test_ahead() -> None:
    assert list(prefetch(iter(range(100)))) == list(range(100))
    assert list(prefetch(iter([None, None]))) == [None, None]

    def fails() -> Iterator[int]:
        yield 1
        raise KeyError("x")

    items = prefetch(fails())
    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)


def test_left_early_nothing_stays_behind() -> None:
    """The iterator is closed, by the thread that ran it, before the one who leaves goes on."""
    before, closed = threading.active_count(), []

    def endless() -> Iterator[int]:
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            closed.append(threading.current_thread() is not threading.main_thread())

    with closing(prefetch(endless())) as items:  # type: ignore[type-var]
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert closed == [True]
    with closing(ordered_map(lambda n: n, prefetch(endless()), 2)) as items:  # type: ignore[type-var]
        next(items)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
