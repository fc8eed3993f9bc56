"""Runs tasks in worker processes: one process takes one task at a time, and pixels stay in that process.

When a worker is killed, its task is retried once; a worker that takes too long is killed. This pool exists because
`concurrent.futures` ends the whole run when one worker is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from ..errors import GpudepthError, OutputError
from .memory import LeaseRequest, MemoryBudget, MemoryLease
from .processes import DRAIN_SECONDS, Process, launcher, unwind

Task = TypeVar("Task")

RETRIES = 1
POLL_SECONDS = 0.5
END_SECONDS = 5.0
ALIVE_SECONDS = 1.0


@dataclass
class WorkerContext:
    """The connection of a task to the run that it is a part of.

    Attributes:
        heartbeat: Reports that a long task goes on, with the number of parts that are done, so that its time limit
            starts again. It may be called often.
        lease: The memory that the task may use for pixels.
        number: The number of the worker in its run, from 0.
    """

    heartbeat: Callable[[int], None] = lambda done: None
    lease: MemoryLease = field(default_factory=MemoryLease)
    number: int = 0


@dataclass(frozen=True)
class Done:
    """The end of a task.

    Attributes:
        task: The task.
        result: Its result; None after an error.
        error: Its error.
        bug: A traceback, if the error is not one of `gpudepth.errors`.
        seconds: Elapsed seconds.
        cpu: Seconds of the processor, all threads.
    """

    task: Any
    result: Any = None
    error: GpudepthError | None = None
    bug: str = ""
    seconds: float = 0.0
    cpu: float = 0.0


def attempt(function: Callable[..., Any], task: Any, *context: WorkerContext) -> Done:
    """Run one task in this process and return its result or its error."""
    start, cpu = time.monotonic(), time.process_time()

    def done(result: Any = None, error: GpudepthError | None = None, bug: str = "") -> Done:
        return Done(task, result, error, bug, time.monotonic() - start, time.process_time() - cpu)

    try:
        return done(function(task, *context))
    except GpudepthError as error:
        return done(error=error, bug="\n".join(getattr(error, "__notes__", ())))     # of a bug in the owner of a device
    except MemoryError:
        return done(error=GpudepthError("not enough memory for this item",
                                        hint="use run.workers: 1, which leaves more memory for each item"))
    except Exception as error:
        return done(error=GpudepthError(f"internal error: {type(error).__name__}: {error}"), bug=traceback.format_exc())


def run_tasks(function: Callable[[Task, WorkerContext], Any], tasks: Iterable[Task], workers: int,
              seconds_per_task: float = 0, *, on_poll: Callable[[], None] = lambda: None,
              memory: int = 0, isolate: Callable[[Task], Task] = lambda task: task) -> Iterator[Done]:
    """Yield the results of tasks as they end.

    A single worker is also a process of its own, so that a task that kills or hangs it does not end the run.

    Args:
        function: Called in a worker for each task. Each worker has its own copy, so that an object can keep what it has
            loaded; arguments and results are pickled. Its attribute `modules`, if there is one, names modules that are
            loaded before workers are forked.
        tasks: The tasks, read as workers become free.
        workers: Number of processes.
        seconds_per_task: Time limit of a task; 0 means no limit.
        on_poll: Called about twice a second.
        memory: Bytes that all workers together may use for pixels; 0 is any number.
        isolate: Returns a task without the others that are processed along with it, which may be at fault when a worker
            is killed or hangs; or the same task.
    """
    pool = _Pool(function, workers, seconds_per_task, on_poll=on_poll, memory=memory, isolate=isolate)
    try:
        yield from pool.run(tasks)
    finally:
        pool.stop()


@dataclass
class _Worker:
    process: Process
    pipe: Connection
    task: Any = None
    busy: bool = False
    since: float = 0.0
    tries: int = 0
    waits: bool = False     # for memory


class _Queue:
    """Tasks to give out: those to retry first, then new ones, each with the number of times it was tried."""

    def __init__(self, tasks: Iterable[Any]) -> None:
        self.new, self.retries = iter(tasks), deque[tuple[Any, int]]()

    def next(self) -> tuple[Any, int] | None:
        if self.retries:
            return self.retries.popleft()
        return next(((task, 0) for task in self.new), None)


class _Pool:
    def __init__(self, function: Callable[[Any, WorkerContext], Any], count: int, seconds: float, *,
                 on_poll: Callable[[], None], memory: int, isolate: Callable[[Any], Any]) -> None:
        self.count, self.seconds, self.on_poll, self.isolate = count, seconds, on_poll, isolate
        self.workers: list[_Worker] = []
        self.launcher = launcher(_serve, function, memory // 2 // max(1, count) if memory else None)
        self.budget = MemoryBudget[_Worker](memory // 2)
        self.numbers = itertools.count()

    def start(self) -> _Worker:
        try:
            ours, theirs = multiprocessing.Pipe()
            worker = _Worker(self.launcher.start(theirs), ours)
        except OSError as error:
            raise OutputError(f"a worker process cannot be started: {error.strerror}",
                              hint="raise the limits of open files and processes (ulimit -n, ulimit -u)") from None
        with contextlib.suppress(OSError):      # it was killed at once: the next read from its pipe shows it
            ours.send(next(self.numbers))
        theirs.close()
        self.workers.append(worker)
        return worker

    def run(self, tasks: Iterable[Any]) -> Iterator[Done]:
        queue = _Queue(tasks)
        while True:
            self.assign(queue)
            busy = [w for w in self.workers if w.busy]
            if not busy:
                return
            ready = wait([w.pipe for w in busy], timeout=POLL_SECONDS)
            self.on_poll()
            for worker in busy:
                done = self.receive(worker, queue) if worker.pipe in ready else self.check_time(worker, queue)
                if done is not None:
                    yield done
            for worker in self.budget.grants():
                worker.since, worker.waits = time.monotonic(), False
                with contextlib.suppress(OSError):      # it was killed meanwhile: the next read from its pipe shows it
                    worker.pipe.send(True)

    def assign(self, queue: _Queue) -> None:
        """Give tasks to idle workers, and start workers up to their number."""
        idle = [w for w in self.workers if not w.busy]
        while (idle or len(self.workers) < self.count) and (job := queue.next()) is not None:
            worker = idle.pop() if idle else self.start()
            worker.task, worker.tries = job
            worker.busy, worker.since = True, time.monotonic()
            with contextlib.suppress(OSError):  # it was killed while idle: the next read from its pipe shows it
                worker.pipe.send(worker.task)

    def receive(self, worker: _Worker, queue: _Queue) -> Done | None:
        """Handle the next message of a worker; return the end of its task, if that is the message."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self.lost(worker, queue)
        if isinstance(message, Alive):
            worker.since = time.monotonic()
            return None
        if isinstance(message, LeaseRequest):
            self.budget.request(worker, message.bytes)
            worker.waits = True
            return None
        worker.busy = False
        self.budget.release(worker)
        done: Done = message
        return done

    def lost(self, worker: _Worker, queue: _Queue) -> Done | None:
        """Retry the task of a worker that was killed, once, in another worker."""
        self.discard(worker)
        if worker.tries < RETRIES:
            queue.retries.append((self.isolate(worker.task), worker.tries + 1))
            return None
        return Done(worker.task, error=GpudepthError(
            f"the worker crashed twice on this item (exit status {worker.process.exitcode})",
            hint="if memory ran out, run.workers: 1 leaves more for each item"),
            seconds=time.monotonic() - worker.since)

    def check_time(self, worker: _Worker, queue: _Queue) -> Done | None:
        """Stop a worker whose task takes too long."""
        if not self.seconds or worker.waits or time.monotonic() - worker.since <= self.seconds:
            return None
        self.discard(worker)
        if (task := self.isolate(worker.task)) is not worker.task:
            queue.retries.append((task, worker.tries))
            return None
        return Done(worker.task, error=GpudepthError(
            f"the item took longer than {self.seconds:g} s and was stopped",
            hint="raise limits.seconds_per_item"), seconds=self.seconds)

    def discard(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.budget.release(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()

    def stop(self) -> None:
        """End the workers; busy ones get a few seconds to finish their item, so that nothing partial is left."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for worker in self.workers:
            if worker.waits:        # there is memory, because no new task begins
                with contextlib.suppress(OSError):
                    worker.pipe.send(True)
        for worker in self.workers:
            if worker.busy and not _finished(worker.pipe, deadline):
                worker.process.terminate()
        for worker in self.workers:
            worker.pipe.close()  # idle workers end when their pipe does
        deadline = time.monotonic() + END_SECONDS      # for all: a process that hangs in a codec ignores signals
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
        self.launcher.stop()


def _finished(pipe: Connection, deadline: float) -> bool:
    """Return whether the worker ends its task before the deadline."""
    while pipe.poll(max(0.0, deadline - time.monotonic())):
        try:
            message = pipe.recv()
            if isinstance(message, LeaseRequest):
                pipe.send(True)     # there is memory, because no new task begins
            elif not isinstance(message, Alive):
                return True
        except (EOFError, OSError):
            return True
    return False


@dataclass(frozen=True)
class Alive:
    """A worker's message that its task goes on.

    Attributes:
        done: Number of parts that are done.
    """

    done: int


class _RunLink:
    """A worker's side of the pipe to its run. When the run is gone, the worker ends."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.last = pipe, 0.0

    def heartbeat(self, done: int) -> None:
        """Send a sign of life, at most once a second."""
        now = time.monotonic()
        if now - self.last >= ALIVE_SECONDS:
            self.last = now
            try:
                self.pipe.send(Alive(done))
            except OSError:     # the run was killed, and another one may process this task already
                sys.exit(1)

    def request(self, size: int) -> None:
        """Request memory and wait for it."""
        try:
            self.pipe.send(LeaseRequest(size))
            self.pipe.recv()
        except (EOFError, OSError):
            sys.exit(1)


def _serve(pipe: Connection, function: Callable[[Any, WorkerContext], Any], share: int | None) -> None:
    """Run a worker: receive a task, send its end, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides what an interrupt means
    signal.signal(signal.SIGTERM, unwind)
    link = _RunLink(pipe)
    context = WorkerContext(link.heartbeat, MemoryLease(share, link.request))
    with contextlib.suppress(EOFError, OSError):
        context.number = pipe.recv()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        context.lease.reset()
        done = attempt(function, task, context)
        try:
            pipe.send(done)
        except OSError:     # the run is gone
            return
