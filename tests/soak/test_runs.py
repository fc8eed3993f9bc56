"""Runs that are killed, run out of disk, are many at once or very long: what is there is whole, and the rest follows."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_kit import children, digest, finish, kill_group, make, rss, start, temporaries

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def clean_run(base: Path, count: int) -> dict[str, str]:
    """What a run that nobody disturbs makes of the same inputs."""
    assert finish(make(base, count)) == 0
    return digest(base / "out")


def strike(process: subprocess.Popen[bytes], how: str) -> None:
    """SIGKILL for the run itself, one of its workers, or all of them at once."""
    if how == "parent":
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    elif how == "group":
        kill_group(process)
    else:
        for worker in children(process.pid)[:1]:
            os.kill(worker, signal.SIGKILL)


def run_under_fire(job: Path, wanted: dict[str, str], how: str, kills: int, rng: random.Random) -> int:
    """Kill and run again; whatever is visible is what a clean run makes. Returns how many kills struck."""
    out, struck = job.parent / "out", 0
    while struck < kills:
        process = start(job)
        time.sleep(rng.uniform(0.25, 0.9))
        if process.poll() is None:
            strike(process, how)
            struck += 1
        if how == "worker":
            process.communicate(timeout=120)
            assert process.returncode == 0      # it costs nothing but its item's first try
        elif process.stderr:
            process.stderr.close()
            process.wait()
        visible = digest(out) if out.exists() else {}
        assert visible.items() <= wanted.items()
        if len(visible) == len(wanted):
            shutil.rmtree(out)
    deadline = time.monotonic() + 5     # an orphan may be at its last item, and hold nothing
    while finish(job) != 0:
        assert time.monotonic() < deadline
    assert digest(out) == wanted
    deadline = time.monotonic() + 5
    while temporaries(out) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert temporaries(out) == []
    rows = [json.loads(line) for line in (out / "gpudepth-ledger.jsonl").read_text().splitlines()]
    assert {row["key"] for row in rows if row["status"] == "ok"} == {f"c/{n:05d}.jpg" for n in range(len(wanted))}
    return struck


@pytest.mark.parametrize("how", ["parent", "worker", "group"])
def test_a_few_kills(tmp_path: Path, how: str) -> None:
    wanted = clean_run(tmp_path / "clean", 150)
    assert run_under_fire(make(tmp_path / "job", 150), wanted, how, 3, random.Random(how)) == 3


@pytest.mark.soak
@pytest.mark.parametrize(("how", "kills"), [("parent", 100), ("worker", 50), ("group", 50)])
def test_a_hundred_kills(tmp_path: Path, how: str, kills: int) -> None:
    wanted = clean_run(tmp_path / "clean", 400)
    struck = run_under_fire(make(tmp_path / "job", 400), wanted, how, kills, random.Random(how))
    print(f"\n{struck} × kill -9 of the {how}: every file that was ever visible is the clean run's")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes."""
    if not ROOT:
        pytest.skip("mounting a tmpfs takes root; CI has it")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "gpudepth-test", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    """Exit 74, nothing short, the ledger is readable; with more room the same command completes."""
    job = make(tmp_path / "job", 900)
    job.write_text(job.read_text().replace("out/{stem}", f"{small_disk}/out/{{stem}}"))
    wanted = clean_run(tmp_path / "clean", 900)
    process = start(job)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 74, errors
    assert b"Traceback" not in errors
    out = small_disk / "out"
    assert 0 < len(digest(out)) < 900
    assert digest(out).items() <= wanted.items()
    assert temporaries(out) == []
    *lines, torn = (out / "gpudepth-ledger.jsonl").read_bytes().split(b"\n")     # behind the last line end a row may be torn
    assert {json.loads(line)["status"] for line in lines} <= {"ok", "error"}
    assert len(lines) >= len(digest(out)) - 3    # a file may have its name before its row: one of each worker, and the torn one's
    assert len(torn) < 4096
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert finish(job) == 0
    assert digest(out) == wanted
    assert all(json.loads(line) for line in (out / "gpudepth-ledger.jsonl").read_text().splitlines())


def test_shards_at_once(tmp_path: Path) -> None:
    """Four of them, one folder: together what one run makes."""
    wanted = clean_run(tmp_path / "clean", 120)
    job = make(tmp_path / "job", 120)
    runs = [start(job, "--shard", f"{n}/4", "--set", "run.workers=1") for n in range(4)]
    for process in runs:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert digest(tmp_path / "job/out") == wanted
    assert temporaries(tmp_path / "job/out") == []
    assert len(list((tmp_path / "job/out").glob("*-of-4.jsonl"))) == 4


@pytest.mark.parametrize("how", ["read-only", "no folder", "few handles"])
def test_places_that_cannot_be_written(tmp_path: Path, how: str) -> None:
    """One line, no traceback, exit 74; 2 for a path that cannot be one."""
    job, more = make(tmp_path / "job", 5), ["-q"]
    if how == "read-only":
        if not ROOT:
            pytest.skip("mounting takes root; CI has it")
        place = tmp_path / "ro"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "gpudepth-test", str(place)], check=True)
        job.write_text(job.read_text().replace("out/{stem}", f"{place}/out/{{stem}}"))
    elif how == "no folder":
        (tmp_path / "file").write_bytes(b"")
        job.write_text(job.read_text().replace("out/{stem}", f"{tmp_path}/file/{{stem}}"))
    command = [sys.executable, "-m", "gpudepth", "run", str(job), *more]
    if how == "few handles":
        command = ["sh", "-c", 'ulimit -n 12; exec "$@"', "sh", *command]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    finally:
        if how == "read-only":
            subprocess.run(["umount", str(tmp_path / "ro")], check=True)
    assert done.returncode in ((74,) if how != "few handles" else (74, 1, 3)), done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") <= (3 if how != "few handles" else 12)


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    job = make(tmp_path, 60)
    assert finish(job) == 0
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (tmp_path / "out").iterdir()}
    assert finish(job) == 0
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (tmp_path / "out").iterdir()} == before
    (tmp_path / "d/00007.png").write_bytes((tmp_path / "d/00008.png").read_bytes())
    assert finish(job) == 0
    changed = {path.name for path, was in before.items() if (path.stat().st_mtime_ns, path.stat().st_ino) != was}
    assert changed == {"00007.jpg", "gpudepth-ledger.jsonl"}


@pytest.mark.soak
def test_ten_thousand_items(tmp_path: Path) -> None:
    """Memory of the run and of its workers is flat; doing it again takes nothing but a look."""
    count = 10_000
    job = make(tmp_path, count)
    process, ledger = start(job), tmp_path / "out/gpudepth-ledger.jsonl"
    seen: dict[float, tuple[int, int, int]] = {}
    started = time.monotonic()
    while process.poll() is None:
        done = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
        workers = children(process.pid)
        if done and workers:
            handles = sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir()) if process.poll() is None else 0
            seen[done / count] = rss(process.pid), max(map(rss, workers)), handles
        time.sleep(0.2)
    process.communicate()
    assert process.returncode == 0
    seconds = time.monotonic() - started
    early = [v for share, v in seen.items() if 0.15 <= share <= 0.3]
    late = [v for share, v in seen.items() if 0.9 <= share <= 0.99]
    assert early
    assert late
    parent, worker = (max(v[i] for v in late) - max(v[i] for v in early) for i in (0, 1))
    print(f"\n{count} items in {seconds:.1f} s; from 20 % to 95 % the run grew by {parent / 1e6:.2f} MB, a worker by {worker / 1e6:.2f} MB")
    assert parent <= 2 << 20
    assert worker <= 2 << 20
    assert len({v[2] for v in late}) == 1
    assert len(digest(tmp_path / "out")) == count
    started = time.monotonic()
    assert finish(job) == 0
    print(f"again, all of them done: {time.monotonic() - started:.2f} s")
