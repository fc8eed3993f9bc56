"""The processes of workers: how they start, what they inherit, and that none outlives its run."""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from run_kit import children

from gpudepth.batch import processes
from gpudepth.batch import workers as module
from gpudepth.batch.processes import ForkServer, Spawner
from gpudepth.batch.work_item import ItemWorker
from gpudepth.batch.workers import WorkerContext, run_tasks

STUCK = """
import sys, threading
from gpudepth.batch import processes, workers
from test_processes import hang, stuck
def run():
    for done in workers.run_tasks({work}, sys.argv[1:], 2):
        print(done)
workers.launcher = processes.{method}
if {in_thread}:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
else:
    run()
"""


def state(task: str, worker: WorkerContext) -> tuple[object, ...]:
    """What a worker has inherited."""
    mask = os.umask(0)
    os.umask(mask)
    print(f"{task} on stdout", flush=True)
    os.write(2, f"{task} on stderr\n".encode())
    return os.environ.get("GPUDEPTH_TEST"), Path.cwd(), mask, "__main__" in sys.modules and hasattr(sys.modules["__main__"], "pytest")


def stuck(path: str, worker: WorkerContext) -> None:
    """Sleep in C code that holds the interpreter's lock, so that no signal handler and no thread runs."""
    Path(path).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(600)


def hang(path: str, worker: WorkerContext) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def facts(task: int, worker: WorkerContext) -> tuple[int, int, int]:
    """The worker, its parent, and how many threads both have, with numpy loaded."""
    assert "numpy" in sys.modules
    return os.getpid(), os.getppid(), sum(1 for pid in ("self", os.getppid()) for _ in Path(f"/proc/{pid}/task").iterdir())


class Loads:
    """Work whose modules the fork server loads."""

    modules = ("gpudepth.maps.pictures",)

    def __call__(self, task: object, worker: WorkerContext) -> bool:
        return "gpudepth.maps.pictures" in sys.modules


class Shares:
    """Work that shares memory with its run, which may only be inherited."""

    def __init__(self) -> None:
        self.number = multiprocessing.get_context("spawn").Value("i", 0)

    def __call__(self, task: int, worker: WorkerContext) -> None:
        with self.number.get_lock():
            self.number.value += task


def kill_server(task: Path, worker: WorkerContext) -> str:
    """Kill the fork server once: all workers go with it."""
    if not task.exists():
        task.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return "second try"


def missing(task: object, worker: WorkerContext) -> None: ...


@pytest.fixture(params=[ForkServer, Spawner])
def start_method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "launcher", request.param)
    return request.param


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.usefixtures("start_method")
def test_workers_have_the_state_of_the_process_when_their_run_starts(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Also in the second run of a process, whose state has changed since the first."""
    before = os.umask(0o22)
    try:
        for value, mask in (("first", 0o27), ("second", 0o77)):
            folder = tmp_path / value
            folder.mkdir()
            monkeypatch.chdir(folder)
            monkeypatch.setenv("GPUDEPTH_TEST", value)
            os.umask(mask)
            (done,) = run_tasks(state, [value], 1)
            assert done.result == (value, folder, mask, False)
            captured = capfd.readouterr()
            assert (captured.out, captured.err) == (f"{value} on stdout\n", f"{value} on stderr\n")
    finally:
        os.umask(before)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no fork server")
def test_workers_are_forked_from_a_server_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found = [done.result for done in run_tasks(facts, range(20), 2)]
    assert len({pid for pid, _, _ in found}) <= 2
    (server,) = {parent for _, parent, _ in found}
    assert server != os.getpid()
    assert {threads for _, _, threads in found} == {2}
    assert gone(server)
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_what_the_server_loads_starts_no_threads_and_no_codec() -> None:
    names = ["gpudepth.batch.work_item", *ItemWorker.modules]
    code = (f"import importlib, os, sys\nfor name in {names!r}: importlib.import_module(name)\n"
            "print(len(os.listdir('/proc/self/task')), [m for m in ('av', 'pillow_heif', 'cupy', 'pydantic', 'onnxruntime') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert done.stdout == "1 []\n"
    assert all(importlib.import_module(name) for name in ItemWorker.modules)


def test_modules_of_the_work_are_loaded_before_it() -> None:
    assert [done.result for done in run_tasks(Loads(), [1], 1)] == [True]


@pytest.mark.usefixtures("start_method")
def test_work_may_share_memory_with_its_run() -> None:
    work = Shares()
    assert all(done.error is None for done in run_tasks(work, range(10), 2))
    assert work.number.value == 45


def test_a_killed_server_costs_one_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "launcher", ForkServer)
    done = list(run_tasks(kill_server, [tmp_path / "a", tmp_path / "b"], 1))
    assert [one.result for one in done] == ["second try"] * 2


@pytest.mark.usefixtures("start_method")
def test_work_that_cannot_be_loaded_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing, "__module__", "no_such_module")
    monkeypatch.setitem(sys.modules, "no_such_module", sys.modules[__name__])
    (done,) = run_tasks(missing, [1], 1)
    assert done.error is not None and "crashed twice" in str(done.error)


def test_an_interrupted_request_does_not_shift_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ForkServer(module._serve, len, None)
    ours, theirs = multiprocessing.Pipe()
    process = server.start(theirs)
    theirs.close()
    receive = processes.socket.socket.recv
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(processes.socket.socket, "recv", lambda *_: exec("raise KeyboardInterrupt"))
        server.ask(b"w", process.pid)       # type: ignore[attr-defined]
    assert processes.socket.socket.recv is receive
    process.kill()
    process.join(10)
    ours.close()
    server.stop()
    assert process.exitcode == -signal.SIGKILL


def stuck_run(folder: Path, *, work: str = "stuck", method: str = "ForkServer",
              in_thread: bool = False) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start a run whose two workers are busy for ever; return its process, and the workers."""
    files = [folder / "a", folder / "b"]
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK.format(work=work, method=method, in_thread=in_thread), *map(str, files)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])})
    deadline = time.monotonic() + 60
    while not all(file.exists() and file.read_text() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, [int(file.read_text()) for file in files]


def wait_until_gone(pids: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline, [pid for pid in pids if not gone(pid)]
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread of the worker ends it")
@pytest.mark.parametrize("in_thread", [False, True])
def test_stuck_workers_end_with_a_killed_run(tmp_path: Path, in_thread: bool) -> None:
    """No thread and no handler of theirs can run. The parent of the workers, which is not stuck, ends them."""
    process, workers = stuck_run(tmp_path, in_thread=in_thread)
    assert sorted(children(process.pid)) == sorted(workers)
    servers = [int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) for pid in workers]
    assert len(set(servers)) == 1
    process.kill()
    process.wait()
    wait_until_gone([*workers, *servers], 15)


@pytest.mark.skipif(sys.platform != "linux", reason="uses the kernel's signal for the death of a parent")
def test_stuck_workers_end_with_a_killed_server(tmp_path: Path) -> None:
    process, workers = stuck_run(tmp_path)
    server = int(Path(f"/proc/{workers[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(server, signal.SIGKILL)
    wait_until_gone(workers, 5)
    process.kill()
    process.wait()


def test_spawned_workers_end_with_a_killed_run(tmp_path: Path) -> None:
    """A thread of theirs ends them, unless they are stuck in code that holds the interpreter's lock."""
    process, workers = stuck_run(tmp_path, work="hang", method="Spawner")
    process.kill()
    process.wait()
    wait_until_gone(workers, 15)
