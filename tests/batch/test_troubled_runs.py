"""Runs with items that kill, hang or swell their workers, on little memory, held up, or told twice to stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import network_kit
import pytest
from run_kit import children, digest, finish, make, start, temporaries
from trouble_kit import install, put


def rows(job: Path) -> dict[str, dict[str, object]]:
    text = (job.parent / "out/gpudepth-ledger.jsonl").read_text()
    return {row["key"]: row for row in map(json.loads, text.splitlines())}


def test_five_bad_among_sixty(tmp_path: Path) -> None:
    """Each fails alone, by name; the others are what they are without them."""
    assert finish(make(tmp_path / "good", 65)) == 0
    wanted = digest(tmp_path / "good/out")
    job, environment = make(tmp_path / "job", 65), install(tmp_path / "site")
    bad = {"00003": ("poison", "crashed twice on this item (exit status -9)"), "00017": ("hang", "took longer than 3 s"),
           "00030": ("huge", "not enough memory"), "00041": ("junk", "the format of this file cannot hold depth"),
           "00055": ("empty", "the file is empty")}
    for stem, (kind, _) in bad.items():
        photo = job.parent / f"c/{stem}.jpg"
        if kind == "junk":
            photo.write_bytes(b"neither one thing nor the other" * 20)
        elif kind == "empty":
            photo.write_bytes(b"")
        else:
            put(photo, kind)
    process = start(job, "--set", "limits.seconds_per_item=3", env=environment)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3, errors
    assert b"Traceback" not in errors
    found = rows(job)
    for stem, (_, said) in bad.items():
        row = found.pop(f"c/{stem}.jpg")
        assert row["status"] == "error"
        assert said in str(row["message"])
    assert {row["status"] for row in found.values()} == {"ok"}
    assert digest(job.parent / "out") == {name: d for name, d in wanted.items() if name[:5] not in bad}
    assert temporaries(job.parent / "out") == []


@pytest.mark.parametrize(("word", "said"), [("poison", "crashed twice on this item (exit status -9)"), ("hang", "took longer than 8 s")])
def test_one_of_a_batch_takes_no_others_along(tmp_path: Path, word: str, said: str) -> None:
    """A network that takes several photos at a time: those before the bad one are done without it."""
    job, environment = make(tmp_path, 6), install(tmp_path / "site")
    network_kit.write(tmp_path / "m.onnx", size=(48, 48))
    put(tmp_path / "c/00002.jpg", word)
    job.write_text("""
source: {color: "c/*.jpg", depth: {kind: onnx, model: m.onnx, batch: 3}}
encoding: {preset: midas, near: 1, far: 5}
output: {path: "out/{stem}.jpg"}
run: {backend: numpy, workers: 1}
limits: {seconds_per_item: 8}
""")
    process = start(job, env=environment)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 3, errors
    found = rows(job)
    assert said in str(found.pop("c/00002.jpg")["message"])
    assert {row["status"] for row in found.values()} == {"ok"} and len(found) == 5


def test_a_bug_of_a_third_party_is_told_and_ends_nothing(tmp_path: Path) -> None:
    job, environment = make(tmp_path, 5), install(tmp_path / "site")
    put(tmp_path / "c/00002.jpg", "bug")
    process = start(job, env=environment)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3
    assert errors.count(b"Traceback") == 1
    assert b"ZeroDivisionError" in errors
    assert len(digest(tmp_path / "out")) == 4


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """A control group with that much memory; skips where none can be made."""
    for root, name in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        folder = root / f"gpudepth-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / name).exists():
                (folder / name).write_text(str(limit))
                yield folder
                return
        finally:
            deadline = time.monotonic() + 10
            while folder.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):      # the last process of it may still be going
                    folder.rmdir()
                time.sleep(0.05)
    pytest.skip("no control group for memory can be made here")


def test_a_worker_that_takes_all_memory_is_one_item(tmp_path: Path) -> None:
    """In 512 MB the kernel kills the worker, which is the largest; the run goes on."""
    job, environment = make(tmp_path, 20), install(tmp_path / "site")
    put(tmp_path / "c/00007.jpg", "hog")
    command = [sys.executable, "-m", "gpudepth", "run", str(job), "-q"]
    with memory_group(512 << 20) as folder:
        done = subprocess.run(["sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh", *command],
                              env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    found = rows(job)
    assert "crashed twice on this item (exit status -9)" in str(found.pop("c/00007.jpg")["message"])
    assert {row["status"] for row in found.values()} == {"ok"}
    assert len(found) == 19


def wait_for_rows(job: Path, count: int) -> int:
    ledger, deadline = job.parent / "out/gpudepth-ledger.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline:
        done = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
        if done >= count:
            return done
        time.sleep(0.01)
    raise AssertionError("nothing happens")


def test_workers_run_no_further_than_the_run_takes(tmp_path: Path) -> None:
    """While the run itself is held up, each worker ends its item and waits."""
    job = make(tmp_path, 400)
    process = start(job)
    try:
        wait_for_rows(job, 10)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.3)
        done = wait_for_rows(job, 0)
        time.sleep(0.7)
        made = len(digest(tmp_path / "out"))
        assert 10 <= done <= made <= done + 2 * 2
        assert len(children(process.pid)) == 2
    finally:
        os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert len(digest(tmp_path / "out")) == 400


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_at_once(tmp_path: Path, second: signal.Signals) -> None:
    """The first one waits for the items at work, here a hang; the second for nothing."""
    job, environment = make(tmp_path, 30), install(tmp_path / "site")
    put(tmp_path / "c/00010.jpg", "hang")
    process = start(job, env=environment)
    wait_for_rows(job, 29)      # all but the one that hangs
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    told = time.monotonic()
    process.send_signal(second)
    process.communicate(timeout=60)
    assert time.monotonic() - told < 2.5      # well before the 4 s that a drain may take
    assert process.returncode in (-second, 128 + second)
    assert len(digest(tmp_path / "out")) == 29


def test_a_hang_does_not_keep_an_interrupted_run(tmp_path: Path) -> None:
    job, environment = make(tmp_path, 30), install(tmp_path / "site")
    put(tmp_path / "c/00010.jpg", "hang")
    process = start(job, env=environment)
    wait_for_rows(job, 29)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    assert process.returncode == 143


def test_a_hang_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    job, environment = make(tmp_path, 10), install(tmp_path / "site")
    put(tmp_path / "c/00005.jpg", "hang")
    process = start(job, env=environment)
    wait_for_rows(job, 9)
    process.kill()
    process.communicate(timeout=15)     # its workers hold its stderr: this ends with the last of them
