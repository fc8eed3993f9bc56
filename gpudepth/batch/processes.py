"""Starts the worker processes of a run: forked from a server that has loaded their modules, or spawned.

A spawned process imports all modules again. On Linux, one process is spawned for a run, the fork server. It imports
what workers need, and is forked for each of them. It has one thread and no state of CUDA, FFmpeg or libheif, so that a
fork is safe whatever the process of the run holds. It belongs to one run, so that workers have the environment, the
folder and the streams that the process has when the run starts; the start method "forkserver" of `multiprocessing`
keeps one server as long as the process lives.

When the process of a run is killed, the fork server ends the workers, because it never runs code that could hang.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

DRAIN_SECONDS = 4.0
KILL_SECONDS = 1.0
POLL_SECONDS = 0.01

Serve = Callable[..., None]
"""What a worker does with its pipe and with arguments that all workers of a run share."""

_MESSAGE = struct.Struct("=qcqq")     # a number, an operation of the server, the id of a process, a signal
_REPLY = struct.Struct("=qq")         # the number of the message, and the answer
_RUNNING = -(1 << 32)                 # an answer instead of an exit code
_DIE_WITH_PARENT = 1                  # PR_SET_PDEATHSIG of prctl


class Process(Protocol):
    """A worker process, as in `multiprocessing`."""

    @property
    def exitcode(self) -> int | None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    def join(self, timeout: float | None = None) -> None: ...


class Spawner:
    """Starts each worker as a new process.

    Args:
        serve: See `Serve`.
        arguments: For `serve`, after the pipe.
    """

    def __init__(self, serve: Serve, *arguments: Any) -> None:
        self.context, self.serve, self.arguments = multiprocessing.get_context("spawn"), serve, arguments

    def start(self, pipe: Connection) -> Process:
        """Start a worker, which gets a copy of its end of a pipe."""
        process = self.context.Process(target=_run_spawned, args=(self.serve, pipe, *self.arguments), daemon=True)
        with without_main():
            process.start()
        return process

    def stop(self) -> None:
        """Do nothing: the workers have ended."""


class ForkServer:
    """Forks each worker from a server process. Arguments as for `Spawner`."""

    def __init__(self, serve: Serve, *arguments: Any) -> None:
        self.serve, self.arguments = serve, arguments
        self.process: BaseProcess | None = None
        self.numbers = itertools.count()

    def start(self, pipe: Connection) -> Process:
        """Start a worker, which gets a copy of its end of a pipe. A server that was killed is replaced."""
        if self.process is None or self.process.exitcode is not None:
            self._start_server()
        return _Forked(self, self.ask(b"f", files=[pipe.fileno()]) or 0)

    def ask(self, operation: bytes, process: int = 0, signal_: int = 0, files: Sequence[int] = ()) -> int | None:
        """Return the server's answer; None if it has ended."""
        number = next(self.numbers)
        with contextlib.suppress(OSError):
            socket.send_fds(self.control, [_MESSAGE.pack(number, operation, process, signal_)], files)
            while len(reply := self.control.recv(_REPLY.size, socket.MSG_WAITALL)) == _REPLY.size:
                replied, answer = _REPLY.unpack(reply)
                if replied == number:       # an interrupt left the replies to earlier messages
                    return int(answer)
        return None

    def stop(self) -> None:
        """End the server, whose workers have ended."""
        if self.process is not None:
            self.control.close()
            self.process.join()

    def _start_server(self) -> None:
        self.stop()
        self.control, theirs = socket.socketpair()
        process = multiprocessing.get_context("spawn").Process(
            target=_run_server, args=(theirs, self.serve, *self.arguments), daemon=True)
        with without_main(), _one_thread_of_blas():
            process.start()
        self.process = process      # one that could not be started cannot be ended
        theirs.close()


class _Forked:
    """A worker that the server has forked; its id is not used again before the server was asked how it ended."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid = server, pid
        self.exitcode: int | None = None

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.exitcode is None:
            self.server.ask(b"s", self.pid, number)

    def join(self, timeout: float | None = None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.exitcode is None:
            status = self.server.ask(b"w", self.pid) if self.pid else None
            if status is None:          # the server was killed, and the workers with it
                self.exitcode = -signal.SIGKILL
            elif status != _RUNNING:
                self.exitcode = status
            elif deadline is not None and time.monotonic() >= deadline:
                return
            else:
                time.sleep(POLL_SECONDS)


def launcher(serve: Serve, *arguments: Any) -> Spawner | ForkServer:
    """Return what starts the workers of one run on this system."""
    return (ForkServer if sys.platform == "linux" else Spawner)(serve, *arguments)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Hide the program's main module while a process is spawned, because multiprocessing would import it there.

    Workers need nothing from it. They start sooner, and a script may call `gpudepth.run` without a `__main__` guard.
    multiprocessing has no public option for that.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _one_thread_of_blas() -> Iterator[None]:
    """Let OpenBLAS start no threads in the processes that are started: in a fork of theirs they would be missing."""
    name = "OPENBLAS_NUM_THREADS"
    named = name in os.environ
    os.environ.setdefault(name, "1")
    try:
        yield
    finally:
        if not named:
            del os.environ[name]


def _run_spawned(serve: Serve, pipe: Connection, *arguments: Any) -> None:
    """Run a worker that a thread ends some seconds after its run is killed, as when the run is stopped."""
    def watch(sentinel: int) -> None:
        wait([sentinel])
        time.sleep(DRAIN_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(KILL_SECONDS)
        os._exit(143)

    run_ = multiprocessing.parent_process()
    assert run_ is not None
    threading.Thread(target=watch, args=(run_.sentinel,), daemon=True).start()
    serve(pipe, *arguments)


def _run_server(control: socket.socket, serve: Serve, function: Any, *arguments: Any) -> None:
    """Load what workers need, then fork them and report how they end, until the run closes its end of the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # the run decides what an interrupt means
    signal.signal(signal.SIGTERM, unwind)
    for name in getattr(function, "modules", ()):
        import_module(name)
    workers: set[int] = set()
    try:
        while message := _receive(control):
            (number, operation, process, signal_), files = message
            answer = 0
            if operation == b"f":
                if files:       # none came if this process has too many open files
                    answer = _fork(control, files[0], serve, (function, *arguments))
                    workers.add(answer)
            elif operation == b"w":
                done, status = os.waitpid(process, os.WNOHANG)
                workers.discard(done)
                answer = os.waitstatus_to_exitcode(status) if done else _RUNNING
            elif process in workers:
                os.kill(process, signal_)
            control.sendall(_REPLY.pack(number, answer))
    except OSError:     # the run is gone
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(workers, 0 if isinstance(sys.exc_info()[1], SystemExit) else DRAIN_SECONDS)


def _receive(control: socket.socket) -> tuple[tuple[int, bytes, int, int], list[int]] | None:
    """Return the next message and the files that come with it; None when the run has closed the socket."""
    data, files, *_ = socket.recv_fds(control, _MESSAGE.size, 1)
    return (_MESSAGE.unpack(data), files) if len(data) == _MESSAGE.size else None


def _fork(control: socket.socket, pipe: int, serve: Serve, arguments: tuple[Any, ...]) -> int:
    """Fork a worker and return its id."""
    server = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])      # in the worker it must not unwind to the server
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.close(pipe)
        return process
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        _die_with(server)
        control.close()
        serve(Connection(pipe), *arguments)
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)      # not what the server would do at its end
    raise AssertionError


def _die_with(server: int) -> None:
    """Let the kernel kill this process when the server is killed."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:      # it was killed before the call
        os._exit(1)


def _end(workers: set[int], seconds: float) -> None:
    """End workers whose run is gone: they get some seconds for their item, as when a run is stopped."""
    for patience, number in ((seconds, signal.SIGTERM), (KILL_SECONDS, signal.SIGKILL), (KILL_SECONDS, None)):
        deadline = time.monotonic() + patience
        while workers:
            for process in tuple(workers):
                if os.waitpid(process, os.WNOHANG)[0]:
                    workers.discard(process)
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
        for process in workers:
            if number is not None:
                os.kill(process, number)


def unwind(signum: int, frame: types.FrameType | None) -> None:
    """Unwind the stack, so that temporary files are removed."""
    sys.exit(128 + signum)
