"""Bytes in flight: who may go on, who waits, and that nobody waits for ever."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth import limits
from gpudepth.batch.memory import MemoryBudget, MemoryLease
from gpudepth.batch.workers import run_tasks
from gpudepth.limits import Limits


class Name:
    """Something with an identity."""


def test_in_the_order_of_asking() -> None:
    a, b, c = Name(), Name(), Name()
    purse = MemoryBudget[Name](100)
    purse.ask(a, 60)
    assert purse.grants() == [a]
    purse.ask(b, 50)
    purse.ask(c, 10)
    assert purse.grants() == []     # c would fit, and b is first
    purse.release(a)
    assert purse.grants() == [b, c]


def test_more_than_there_is() -> None:
    """Alone, and then only."""
    a, b = Name(), Name()
    purse = MemoryBudget[Name](100)
    purse.ask(a, 10)
    assert purse.grants() == [a]
    purse.ask(b, 500)
    assert purse.grants() == []
    purse.release(a)
    assert purse.grants() == [b]


def test_nobody_waits_for_ever() -> None:
    """Both hold something and want more: the first goes on."""
    a, b = Name(), Name()
    purse = MemoryBudget[Name](100)
    for one in (a, b):
        purse.ask(one, 50)
    assert purse.grants() == [a, b]
    for one in (a, b):
        purse.ask(one, 50)
    assert purse.grants() == [a]
    purse.release(a)
    assert purse.grants() == [b]


@given(st.lists(st.lists(st.integers(1, 150), min_size=1, max_size=4), min_size=1, max_size=12), st.integers(1, 5), st.randoms())
def test_every_item_ends(items: list[list[int]], workers: int, rng: random.Random) -> None:
    """Any asks, any order: all are served; more than the size is held by one alone, or where all who hold something wait."""
    purse, todo, busy, done = MemoryBudget[Name](100), list(items), dict[Name, list[int]](), 0
    while todo or busy:
        while todo and len(busy) < workers:
            busy[Name()] = list(todo.pop())
        waiting = {id(w) for w, _ in purse.waiting}
        free = [w for w in busy if id(w) not in waiting]
        if free:
            worker = rng.choice(free)
            if busy[worker]:
                purse.ask(worker, busy[worker].pop())
            else:
                purse.release(worker)
                del busy[worker]
                done += 1
        stuck = set(purse.held) <= {id(w) for w, _ in purse.waiting}
        granted = purse.grants()
        assert free or granted
        if granted and not stuck and sum(purse.held.values()) > 100:
            assert len(purse.held) == 1
    assert done == len(items)


def test_a_share_is_free() -> None:
    asked: list[int] = []
    allowance = MemoryLease(100, asked.append)
    for size in (40, 60):
        allowance.take(size)
    assert asked == []
    allowance.take(30)
    allowance.take(5)
    assert asked == [30, 5]
    allowance.reset()
    allowance.take(100)
    assert asked == [30, 5]
    allowance.take(10)
    for _ in range(5):      # photos of one tar: what was granted for one is there for the next
        allowance.let_go()
        allowance.take(110)
    assert asked == [30, 5, 10]
    allowance.reset()
    thread = threading.Thread(target=allowance.take, args=(1000,))     # a clip's
    thread.start()
    thread.join()
    assert asked == [30, 5, 10]


def hold(task: tuple[str, int, float]) -> str:
    """Say when so much is held, and when no more."""
    log, pixels, seconds = task
    Limits(max_pixels=0, max_decoded_bytes=0).check_picture(pixels, 1, 1)
    with Path(log).open("a") as file:
        print(f"+{pixels}", file=file, flush=True)
    time.sleep(seconds)
    with Path(log).open("a") as file:
        print(f"-{pixels}", file=file, flush=True)
    return str(os.getpid())


@pytest.mark.parametrize(("size", "most"), [(100, 4), (300, 2), (5000, 1)])
def test_workers_wait(tmp_path: Path, size: int, most: int) -> None:
    """1000 bytes, four workers: 125 each without asking, 500 for what takes more."""
    log = tmp_path / "log"
    done = list(run_tasks(hold, [(str(log), size, 0.15)] * 10, 4, 30, memory=1000))
    assert all(d.error is None for d in done)
    now = highest = 0
    for line in log.read_text().splitlines():
        now += 1 if line[0] == "+" else -1
        highest = max(highest, now)
    assert highest <= most


def test_waiting_is_no_hang(tmp_path: Path) -> None:
    """The time limit is for work."""
    done = list(run_tasks(hold, [(str(tmp_path / "log"), 5000, 1.5)] * 3, 3, 4.0, memory=1000))
    assert [d.error for d in done] == [None] * 3


def test_outside_of_runs_nobody_is_asked() -> None:
    limits.DEFAULT.check_picture(1000, 1000, 4)
    assert limits.ASKED.before_decoding(10) is None
