from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gpudepth.batch import workers as module
from gpudepth.batch.workers import WorkerContext, run_tasks
from gpudepth.errors import HolesError


def work(task: object, worker: WorkerContext) -> object:
    """Tasks: a number is doubled; a path dies once (the file remembers); words misbehave."""
    if isinstance(task, Path):
        if not task.exists():
            task.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "second try"
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "hang":
        time.sleep(60)
    if task == "holes":
        raise HolesError("9 pixels", where="map.png", hint="--fill nearest")
    if task == "bug":
        return 1 // 0
    if task == "memory":
        raise MemoryError
    assert isinstance(task, int)
    return task * 2


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results(workers: int) -> None:
    done = list(run_tasks(work, range(20), workers))
    assert sorted(d.result for d in done) == [2 * i for i in range(20)]
    assert sorted(d.task for d in done) == list(range(20))


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_back_typed(workers: int) -> None:
    done = {d.task: d for d in run_tasks(work, ["holes", "bug", "memory", 3], workers)}
    assert isinstance(done["holes"].error, HolesError)
    assert str(done["holes"].error) == "map.png: 9 pixels (--fill nearest)"
    assert "ZeroDivisionError" in done["bug"].bug
    assert done["memory"].error is not None and "memory" in str(done["memory"].error)
    assert done[3].result == 6


def test_a_killed_worker_costs_one_retry(tmp_path: Path) -> None:
    done = list(run_tasks(work, [1, tmp_path / "once", 2, 3, 4], 2))
    assert sorted(str(d.result) for d in done) == ["2", "4", "6", "8", "second try"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_poison_task_is_one_named_error(workers: int) -> None:
    done = {d.task: d for d in run_tasks(work, [1, "die", *range(2, 12)], workers)}
    assert done["die"].error is not None
    assert "crashed twice on this item" in str(done["die"].error)
    assert all(done[i].result == 2 * i for i in range(1, 12))


def test_a_hang_is_ended() -> None:
    done = {d.task: d for d in run_tasks(work, ["hang", 1, 2, 3], 2, seconds_per_task=2)}
    assert "longer than 2 s" in str(done["hang"].error)
    assert [done[i].result for i in (1, 2, 3)] == [2, 4, 6]


def test_stopping_early_ends_the_workers() -> None:
    results = run_tasks(work, range(100), 2)
    next(results)
    assert multiprocessing.active_children()
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_tasks_are_taken_as_needed() -> None:
    taken = []

    def tasks() -> object:
        for i in range(50):
            taken.append(i)
            yield i

    results = run_tasks(work, tasks(), 2)  # type: ignore[arg-type]
    next(results)
    assert len(taken) < 10
    results.close()  # type: ignore[attr-defined]


def test_all_that_hang_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of many processors gets no more time to stop than one of two: a cluster waits 30 seconds and kills."""
    clock = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    class Stuck:
        """In a codec, where no signal is heeded."""

        exitcode: int | None = None

        def join(self, timeout: float | None = None) -> None:
            clock[0] += timeout or 0

        def kill(self) -> None:
            self.exitcode = -9

    pool = module._Pool(len, 64, 0, on_poll=lambda: None, memory=0, isolate=lambda task: task)
    stuck: list[Any] = [Stuck() for _ in range(64)]
    pool.workers = [module._Worker(process, multiprocessing.Pipe()[0]) for process in stuck]
    pool.stop()
    assert clock[0] == module.END_SECONDS
    assert {process.exitcode for process in stuck} == {-9}
