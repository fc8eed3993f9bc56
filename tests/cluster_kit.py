"""Runs on engines of many processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from photo_kit import gray, plain

from gpudepth import resources
from gpudepth.batch.runner import plan
from gpudepth.demo.scene import write_set
from gpudepth.demo.tour import CHECKOUT_FOLDER

JOB = """
source:   {color: "photos/*", depth: "depth/{stem}.png"}
encoding: {near: 0.5, far: 12}
output:   {path: "out/{stem}.heic", transcode: true}
"""


def make_job(folder: Path, count: int, width: int, height: int) -> Path:
    """A job over photos that are encoded anew."""
    for name in ("photos", "depth"):
        (folder / name).mkdir()
    for i in range(count):
        plain(folder / "photos" / f"p{i:02}.jpg", width, height)
        gray(folder / "depth" / f"p{i:02}.png", 32, 24)
    job = folder / "job.yaml"
    job.write_text(JOB)
    return job


def outputs(folder: Path) -> dict[str, bytes]:
    """What lies there, all but ledgers."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix != ".jsonl"}


def holder(path: Path) -> int | None:
    """The process that has a file open."""
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if handle.readlink() == path:
                return int(handle.parts[2])
        except OSError:
            continue
    return None


def wait_for_rows(ledgers: list[Path], seconds: float = 90) -> Path:
    """The first of these ledgers that has a row."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for ledger in ledgers:
            if ledger.exists() and ledger.stat().st_size:
                return ledger
        time.sleep(0.005)
    raise AssertionError("no shard wrote anything")


def kill_one(ledgers: list[Path]) -> tuple[str, int, Path]:
    """SIGKILL whoever writes a ledger once it has a row; returns its command line, how many rows there were, and where.
    """
    ledger = wait_for_rows(ledgers)
    pid = holder(ledger)
    assert pid is not None, "the shard was at its end already"
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    os.kill(pid, signal.SIGKILL)
    return command, ledger.read_bytes().count(b"\n"), ledger


def demo_job(folder: Path) -> Path:
    """The demo's twelve photos, and its job."""
    write_set(folder)
    job = folder / "job.yaml"
    job.write_text(resources.text("configs", "demo.yaml").replace(CHECKOUT_FOLDER, "").replace("heic/{stem}", "out/{stem}"))
    return job


def run_and_kill_one(job: Path, engine: str, shards: int = 4) -> tuple[str, int, Path, subprocess.CompletedProcess[str]]:
    """The same of a whole run on an engine, which is waited for; of a shard that has more than two items."""
    items = [len(plan(job, shard=(i, shards)).items) for i in range(shards)]
    environment = {k: v for k, v in os.environ.items() if k not in {"RAY_ADDRESS", "DASK_SCHEDULER_ADDRESS"}}
    arguments = ["run", str(job), "--engine", engine, "--shards", str(shards), "--set", "run.workers=1"]
    process = subprocess.Popen([sys.executable, "-m", "gpudepth", *arguments], env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        killed = kill_one([job.parent / "out" / f"gpudepth-ledger.{i}-of-{shards}.jsonl" for i in range(shards)
                           if items[i] > 2])
        out, errors = process.communicate(timeout=180)
    finally:
        process.kill()
    return *killed, subprocess.CompletedProcess(process.args, process.returncode, out, errors)
