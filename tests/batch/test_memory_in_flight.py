"""Bytes in flight: who may go on, who waits, and that nobody waits for ever."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.batch.memory import MemoryBudget, MemoryLease
from gpudepth.batch.workers import WorkerContext, run_tasks
from gpudepth.limits import DEFAULT, Limits

MEASURE = Path(__file__).with_name("measure_charge.py")
CASES = ["JPEG", "HEIC", "filled", "PNG to HEIC", "guided by a JPEG", "guided by a HEIC", "the map alone"]


class Name:
    """Something with an identity."""


def test_in_the_order_of_asking() -> None:
    a, b, c = Name(), Name(), Name()
    budget = MemoryBudget[Name](100)
    budget.request(a, 60)
    assert budget.grants() == [a]
    budget.request(b, 50)
    budget.request(c, 10)
    assert budget.grants() == []     # c would fit, and b is first
    budget.release(a)
    assert budget.grants() == [b, c]


def test_more_than_there_is() -> None:
    """Alone, and then only."""
    a, b = Name(), Name()
    budget = MemoryBudget[Name](100)
    budget.request(a, 10)
    assert budget.grants() == [a]
    budget.request(b, 500)
    assert budget.grants() == []
    budget.release(a)
    assert budget.grants() == [b]


def test_nobody_waits_for_ever() -> None:
    """Both hold something and want more: the first goes on."""
    a, b = Name(), Name()
    budget = MemoryBudget[Name](100)
    for one in (a, b):
        budget.request(one, 50)
    assert budget.grants() == [a, b]
    for one in (a, b):
        budget.request(one, 50)
    assert budget.grants() == [a]
    budget.release(a)
    assert budget.grants() == [b]


@given(st.lists(st.lists(st.integers(1, 150), min_size=1, max_size=4), min_size=1, max_size=12), st.integers(1, 5), st.randoms())
def test_every_item_ends(items: list[list[int]], workers: int, rng: random.Random) -> None:
    """Any asks, any order: all are served; more than the size is held by one alone, or where all who hold something wait."""
    budget, todo, busy, done = MemoryBudget[Name](100), list(items), dict[Name, list[int]](), 0
    while todo or busy:
        while todo and len(busy) < workers:
            busy[Name()] = list(todo.pop())
        waiting = {id(w) for w, _ in budget.waiting}
        free = [w for w in busy if id(w) not in waiting]
        if free:
            worker = rng.choice(free)
            if busy[worker]:
                budget.request(worker, busy[worker].pop())
            else:
                budget.release(worker)
                del busy[worker]
                done += 1
        stuck = set(budget.held) <= {id(w) for w, _ in budget.waiting}
        granted = budget.grants()
        assert free or granted
        if granted and not stuck and sum(budget.held.values()) > 100:
            assert len(budget.held) == 1
    assert done == len(items)


def test_a_share_is_free() -> None:
    asked: list[int] = []
    lease = MemoryLease(100, asked.append)
    for size in (40, 60):
        lease.charge(size)
    assert asked == []
    lease.charge(30)
    lease.charge(5)
    assert asked == [30, 5]
    lease.reset()
    lease.charge(100)
    assert asked == [30, 5]
    lease.charge(10)
    for _ in range(5):      # photos of one tar: what was granted for one is there for the next
        lease.release()
        lease.charge(110)
    assert asked == [30, 5, 10]
    lease.reset()
    thread = threading.Thread(target=lease.charge, args=(1000,))     # a clip's
    thread.start()
    thread.join()
    assert asked == [30, 5, 10]


def hold(task: tuple[str, int, float], worker: WorkerContext) -> str:
    """Say when so much is held, and when no more."""
    log, pixels, seconds = task
    worker.lease.limits(Limits(max_pixels=0, max_decoded_bytes=0)).check_decode(pixels, 1, 1)
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


def test_only_decodes_are_charged() -> None:
    """A header that is read costs nothing; limits without a lease charge nothing."""
    lease = MemoryLease()
    limits = lease.limits(Limits(max_file=5))
    limits.check_picture(1000, 1000, 4)
    assert (lease.used, limits.max_file) == (0, 5)
    limits.check_decode(1000, 1000, 1.5)
    replace(limits, max_file=7).check_decode(10, 10, 1)
    assert lease.used == 1_500_100
    DEFAULT.check_decode(1000, 1000, 4)
    assert lease.used == 1_500_100


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    subprocess.run([sys.executable, MEASURE, folder], check=True)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_an_item_is_charged_what_it_uses(measured: Path, case: str) -> None:
    """The charge is within 1.5 times of the growth of the process at its peak."""
    out = subprocess.run([sys.executable, MEASURE, measured, case], check=True, capture_output=True, text=True).stdout
    found = json.loads(out)
    assert found["used"] / 1.5 <= found["charged"] <= found["used"] * 1.5
