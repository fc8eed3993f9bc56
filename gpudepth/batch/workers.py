"""Workers: one spawned process takes one item at a time, from reading to rename; no pixels travel.

A worker that dies costs its item and one retry of it; one that takes too long is killed. The pool is ours because
`concurrent.futures` gives up the whole run when a worker is killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from .. import limits
from ..errors import GpudepthError
from .memory import LeaseRequest, MemoryBudget, MemoryLease

Task = TypeVar("Task")

RETRIES = 1
POLL_SECONDS = 0.5
DRAIN_SECONDS = 4.0
END_SECONDS = 5.0
ALIVE_SECONDS = 1.0


@dataclass(frozen=True)
class Done:
    """What came back for a task: a result, or an error of ours; `bug` holds a traceback when it was none of ours.
    seconds: by the clock; cpu: of the processor, all threads."""

    task: Any
    result: Any = None
    error: GpudepthError | None = None
    bug: str = ""
    seconds: float = 0.0
    cpu: float = 0.0


def attempt(function: Callable[[Any], Any], task: Any) -> Done:
    """Run one task here."""
    start, cpu = time.monotonic(), time.process_time()

    def done(result: Any = None, error: GpudepthError | None = None, bug: str = "") -> Done:
        return Done(task, result, error, bug, time.monotonic() - start, time.process_time() - cpu)

    try:
        return done(function(task))
    except GpudepthError as error:
        return done(error=error)
    except MemoryError:
        return done(error=GpudepthError("not enough memory for this item", hint="run.workers: 1 leaves more for each"))
    except Exception as error:
        return done(error=GpudepthError(f"internal error: {type(error).__name__}: {error}"), bug=traceback.format_exc())


def run_tasks(function: Callable[[Task], Any], tasks: Iterable[Task], workers: int,
              seconds_per_task: float = 0, *, beat: Callable[[], None] = lambda: None,
              memory: int = 0, alone: Callable[[Task], Task] = lambda task: task) -> Iterator[Done]:
    """Results as they come. `function` must be importable, its argument and result picklable. beat: called now and
    then while nothing comes. memory: bytes of decoded pictures that all workers may hold together (`memory`); 0: any.
    alone: a task without what is done along with it, which may be to blame when a worker dies or hangs; or itself.

    A single worker is a process of its own too: what kills or hangs it must not end the run.
    """
    pool = _Pool(function, workers, seconds_per_task, beat, memory, alone=alone)
    try:
        yield from pool.run(tasks)
    finally:
        pool.stop()


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: Any = None
    busy: bool = False
    since: float = 0.0
    tries: int = 0
    waits: bool = False     # for memory


class _Pool:
    def __init__(self, function: Callable[[Any], Any], count: int, seconds: float,
                 beat: Callable[[], None], memory: int, *, alone: Callable[[Any], Any]) -> None:
        # spawn: a fork would copy locks, CUDA state and the pipe ends of siblings
        self.context = multiprocessing.get_context("spawn")
        self.function, self.count, self.seconds, self.beat, self.alone = function, count, seconds, beat, alone
        self.workers: list[_Worker] = []
        self.free, self.purse = memory // 2 // max(1, count), MemoryBudget[_Worker](memory // 2)

    def start(self) -> _Worker:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(theirs, self.function, self.free), daemon=True)
        with _no_main():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        return worker

    def run(self, tasks: Iterable[Any]) -> Iterator[Done]:
        source = iter(tasks)
        again: deque[tuple[Any, int]] = deque()
        exhausted = False

        def take() -> tuple[Any, int] | None:
            nonlocal exhausted
            if again:
                return again.popleft()
            if exhausted:
                return None
            for task in source:
                return task, 0
            exhausted = True
            return None

        while True:
            idle = [w for w in self.workers if not w.busy]
            while idle or len(self.workers) < self.count:
                job = take()
                if job is None:
                    break
                worker = idle.pop() if idle else self.start()
                self.give(worker, *job)
            busy = [w for w in self.workers if w.busy]
            if not busy:
                return
            ready = wait([w.pipe for w in busy], timeout=POLL_SECONDS)
            self.beat()
            for worker in busy:
                if worker.pipe in ready:
                    try:
                        done = worker.pipe.recv()
                    except (EOFError, OSError):
                        done = self.lost(worker, again)
                    if isinstance(done, Alive):
                        worker.since = time.monotonic()
                        continue
                    if isinstance(done, LeaseRequest):
                        self.purse.ask(worker, done.bytes)
                        worker.waits = True
                        continue
                    worker.busy = False
                    self.purse.release(worker)
                    if done is not None:
                        yield done
                elif self.seconds and not worker.waits and time.monotonic() - worker.since > self.seconds:
                    self.discard(worker)
                    if (task := self.alone(worker.task)) is not worker.task:
                        again.append((task, worker.tries))
                        continue
                    yield Done(worker.task, error=GpudepthError(
                        f"took longer than {self.seconds:g} s and was stopped", hint="limits.seconds_per_item"),
                        seconds=self.seconds)
            for worker in self.purse.grants():
                worker.since, worker.waits = time.monotonic(), False
                with contextlib.suppress(OSError):      # it died while it waited: reading from its pipe will say so
                    worker.pipe.send(True)

    def give(self, worker: _Worker, task: Any, tries: int) -> None:
        worker.task, worker.tries, worker.busy, worker.since = task, tries, True, time.monotonic()
        with contextlib.suppress(OSError):  # it died while idle: reading from its pipe will say so
            worker.pipe.send(task)

    def lost(self, worker: _Worker, again: deque[tuple[Any, int]]) -> Done | None:
        """A worker died over its task: give the task to another one, once."""
        self.discard(worker)
        if worker.tries < RETRIES:
            again.append((self.alone(worker.task), worker.tries + 1))
            return None
        code = worker.process.exitcode
        return Done(worker.task, error=GpudepthError(f"the worker died over it, twice (exit status {code})",
                                                     hint="out of memory? run.workers: 1 leaves more for each"),
                    seconds=time.monotonic() - worker.since)

    def discard(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.purse.release(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()

    def stop(self) -> None:
        """End the workers; those at work get a few seconds to finish their item, so that nothing partial is left."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for worker in self.workers:
            if worker.busy and not _finished(worker.pipe, deadline):
                worker.process.terminate()
        for worker in self.workers:
            worker.pipe.close()  # idle workers end at the end of their pipe
        deadline = time.monotonic() + END_SECONDS      # of all together: what hangs in a codec heeds no signal
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


def _finished(pipe: Connection, deadline: float) -> bool:
    """Does the worker come to the end of its task by then?"""
    while pipe.poll(max(0.0, deadline - time.monotonic())):
        try:
            said = pipe.recv()
            if isinstance(said, LeaseRequest):
                pipe.send(True)     # nothing new begins: there is room
            elif not isinstance(said, Alive):
                return True
        except (EOFError, OSError):
            return True
    return False


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Hide the program's main module while a worker is spawned: multiprocessing would import it there once more.

    Workers need nothing of it. They start sooner, and a script may call `gpudepth.run` without a `__main__` guard.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: Connection, function: Callable[[Any], Any], free: int) -> None:
    """The worker: take a task, send what became of it, until the pipe ends. free: bytes to decode without asking; 0:
    any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    signal.signal(signal.SIGTERM, _end)
    _end_with_the_run()
    _VOICE.pipe = pipe
    allowance = MemoryLease(free, lambda size: _ask(pipe, size))
    if free:
        limits.ASKED.before_decoding, limits.ASKED.let_go = allowance.take, allowance.let_go
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        allowance.reset()
        done = attempt(function, task)
        try:
            pipe.send(done)
        except OSError:     # the run is gone
            return


def _ask(pipe: Connection, size: int) -> None:
    """Wait until there is memory for so much."""
    try:
        pipe.send(LeaseRequest(size))
        pipe.recv()
    except (EOFError, OSError):     # the run is gone
        sys.exit(1)


def _end_with_the_run() -> None:
    """When the run is killed, its workers get as long as when it is told to stop: a hang would stay for ever."""
    run_ = multiprocessing.parent_process()
    if run_ is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        time.sleep(DRAIN_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        os._exit(143)

    threading.Thread(target=watch, args=(run_.sentinel,), daemon=True).start()


def _end(signum: int, frame: types.FrameType | None) -> None:
    """Unwind, so that what is half written goes away."""
    sys.exit(128 + signum)


@dataclass(frozen=True)
class Alive:
    """A sign of life of a worker over a long task: how much of it is done."""

    done: int


@dataclass
class _Voice:
    """What the worker that this process is speaks through."""

    pipe: Connection | None = None
    spoke: float = 0.0


_VOICE = _Voice()


def heartbeat(done: int = 0) -> None:
    """Say that a long task goes on: its time limit starts anew. Free of charge when said often, or in no worker."""
    now = time.monotonic()
    if _VOICE.pipe is not None and now - _VOICE.spoke >= ALIVE_SECONDS:
        _VOICE.spoke = now
        try:
            _VOICE.pipe.send(Alive(done))
        except OSError:     # nobody listens: the run was killed, and another one may do this task already
            sys.exit(1)
