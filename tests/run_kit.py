"""Runs of many small photos as processes of their own, and what they leave behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from photo_kit import gray, plain

JOB = """
source: {color: "c/*.jpg", depth: "d/{stem}.png"}
encoding: {near: 0.5, far: 10}
output: {path: "out/{stem}.jpg"}
run: {backend: numpy, workers: 2}
"""


def make(base: Path, count: int, *, kinds: int = 7) -> Path:
    """`count` photos and maps, of a few kinds; returns the job."""
    for name in ("c", "d", "seed"):
        (base / name).mkdir(parents=True, exist_ok=True)
    seeds = []
    for n in range(kinds):
        photo, depth = plain(base / f"seed/{n}.jpg", 64 + 8 * n, 48 + 6 * n), gray(base / f"seed/{n}.png", 16, 12, 255 - n)
        seeds.append((photo.read_bytes(), depth.read_bytes()))
    shutil.rmtree(base / "seed")
    for n in range(count):
        photo_bytes, depth_bytes = seeds[n % kinds]
        (base / f"c/{n:05d}.jpg").write_bytes(photo_bytes)
        (base / f"d/{n:05d}.png").write_bytes(depth_bytes)
    (base / "job.yaml").write_text(JOB)
    return base / "job.yaml"


def start(job: Path, *more: str, **keywords: object) -> subprocess.Popen[bytes]:
    """A run in a session of its own, so that its whole group can be killed."""
    command = [sys.executable, "-m", "gpudepth", "run", str(job), "-q", *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, **keywords)  # type: ignore[call-overload, no-any-return]


def finish(job: Path, *more: str) -> int:
    """Run to the end; the exit code."""
    process = start(job, *more)
    _, errors = process.communicate(timeout=600)
    if process.returncode not in (0, 3):
        print(errors.decode(errors="replace"))
    return process.returncode


def digest(folder: Path, suffix: str = ".jpg") -> dict[str, str]:
    """What is in a folder, by content."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.suffix == suffix}


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(".gpudepth-*"))


def children(pid: int) -> list[int]:
    """The workers of a run: children of its fork server."""
    return [worker for server in _spawned(pid) for worker in _spawned(server)]


def _spawned(pid: int) -> list[int]:
    """The children of a process that are no resource trackers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == pid and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


def rss(pid: int) -> int:
    """Bytes that a process holds; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr:
        process.stderr.close()
