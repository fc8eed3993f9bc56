"""Measures runs: the overhead of the runner, the gain of a second core, and the time for planning and resuming.

    python -m benchmarks.runs

Overhead: processor time of a run with one worker, minus that of the same items in one process, both without their
start. Two cores: wall time of a job limited by encoding with one worker bound to one core, and with two workers on two
cores (libheif's encoder has its own threads, so one unbound worker uses more than one core). Two workers: photos a
second from the first row of the ledger to the last, and the wall time of a short job from its start to its end. Both
runs are bound to two cores and take turns; the figures are the medians of the rounds.

    python -m benchmarks.runs workers     only the last
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .measure import Row, gray, table

SMALL, LARGE, DONE, PAIRS = 1500, 48, 10_000, 100_000
MANY, FEW, ROUNDS = 400, 40, 5
JOB = """
source: {{color: "c/*.jpg", depth: "d/{{stem}}.png"}}
encoding: {{near: 0.5, far: 10}}
output: {{path: "out/{{stem}}{suffix}", transcode: true}}
run: {{backend: numpy, workers: {workers}}}
"""
LOOP = """
import sys
from pathlib import Path
from gpudepth.batch.runner import pair_files
from gpudepth.batch.work_item import ItemWorker, Task
from gpudepth.batch.workers import WorkerContext
work = ItemWorker()
plan, _ = pair_files(sys.argv[1])
for item in plan.items[: int(sys.argv[2])]:
    work(Task(item, plan.settings, "numpy", "loop"), WorkerContext())
"""


def make(base: Path, count: int, side: int, suffix: str, workers: int = 1) -> Path:
    """Write `count` copies of one photo and one map, and a job."""
    for name in ("c", "d"):
        (base / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (side // 8, side // 6, 3), np.uint8)).resize((side * 4 // 3, side))
    picture.save(base / "one.jpg", quality=92)
    gray(base / "large.png")
    with Image.open(base / "large.png") as image:
        image.resize((32, 24)).save(base / "one.png")
    depth = base / ("large.png" if side > 100 else "one.png")
    photo_bytes, depth_bytes = (base / "one.jpg").read_bytes(), depth.read_bytes()
    for n in range(count):
        (base / f"c/{n:06}.jpg").write_bytes(photo_bytes)
        (base / f"d/{n:06}.png").write_bytes(depth_bytes)
    return job(base, suffix, workers)


def job(base: Path, suffix: str, workers: int) -> Path:
    path = base / f"job{workers}.yaml"
    path.write_text(JOB.format(suffix=suffix, workers=workers).replace('"out/', f'"out{workers}/'))
    return path


def spent(*command: str, cores: int = 0) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and peak MB of a process and its children on `cores` cores (0: all)."""
    def children() -> tuple[float, float]:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000

    before, start = children()[0], time.perf_counter()
    bound = ["taskset", "-c", f"0-{cores - 1}"] if cores else []
    subprocess.run([*bound, sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, (after, peak) = time.perf_counter() - start, children()
    return wall, after - before, peak


def overhead(base: Path) -> Row:
    path, one = make(base / "many", SMALL, 48, ".jpg"), make(base / "one", 1, 48, ".jpg")
    run = ("-m", "gpudepth", "run", "-q")
    added = (spent(*run, str(path))[1] - spent(*run, str(one))[1]) - (
        spent("-c", LOOP, str(path), str(SMALL))[1] - spent("-c", LOOP, str(path), "1")[1])
    return Row("the runner's own, an item", added / (SMALL - 1) * 1000, "ms CPU", "≤ 1", added / (SMALL - 1) <= 0.001)


def two_cores(base: Path) -> list[Row]:
    path = make(base / "large", LARGE, 960, ".heic")
    run = ("-m", "gpudepth", "run", "-q")
    one, two = spent(*run, str(path), cores=1)[0], spent(*run, str(job(base / "large", ".heic", 2)), cores=2)[0]
    return [Row(f"{LARGE} photos of 1280×960 → HEIC, one worker, one core", LARGE / one, "items/s", "", True),
            Row("… two workers on two cores, against one", one / two, "×", "≥ 1.8", one / two >= 1.8)]


def watched(job_file: Path, out: Path, count: int) -> tuple[float, float]:
    """Run a job on two cores; return rows a second from the first row of its ledger to the last, and all seconds."""
    shutil.rmtree(out, ignore_errors=True)
    ledger, begin, first, last = out / "gpudepth-ledger.jsonl", time.perf_counter(), (0, 0.0), (0, 0.0)
    command = ["taskset", "-c", "0,1", sys.executable, "-m", "gpudepth", "run", "-q", str(job_file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.01)
            rows_ = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
            if rows_ > last[0]:
                last = rows_, time.perf_counter()
                first = first if first[0] else last
    end = time.perf_counter()
    if process.returncode or last[0] != count:
        raise SystemExit(f"{job_file}: {last[0]} of {count} rows, exit code {process.returncode}")
    return (last[0] - first[0]) / (last[1] - first[1]), end - begin


def two_workers(base: Path) -> list[Row]:
    """Compare two workers with one for JPEGs of 640×480 with maps of the same size."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    walls: dict[int, list[float]] = {1: [], 2: []}
    y, x = np.mgrid[:480, :640]
    noise = np.random.default_rng(1).integers(0, 200, (480, 640))
    for count in (MANY, FEW):
        path = make(base / str(count), count, 480, ".jpg")
        Image.fromarray((x * 60 + y * 30 + noise).astype(np.uint16)).save(base / "map.png")
        for file in (base / str(count) / "d").iterdir():
            shutil.copyfile(base / "map.png", file)
        jobs = {1: path, 2: job(base / str(count), ".jpg", 2)}
        for turn in range(ROUNDS):
            for workers in (1, 2) if turn % 2 else (2, 1):
                rate, wall = watched(jobs[workers], base / str(count) / f"out{workers}", count)
                if count == MANY:
                    rates[workers].append(rate)
                else:
                    walls[workers].append(wall)
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    short_one, short_two = (statistics.median(walls[workers]) for workers in (1, 2))
    return [Row(f"{MANY} JPEGs of 640×480 with maps of that size, one worker", one, "items/s", "", True),
            Row("… two workers", two, "items/s", "", True),
            Row("… against one", two / one, "×", "≥ 1.7", two / one >= 1.7),
            Row(f"{FEW} of them from start to end, one worker", short_one, "s", "", True),
            Row("… two workers", short_two, "s", "≤ one worker", short_two <= short_one)]


def planning(base: Path) -> list[Row]:
    path = make(base / "pairs", PAIRS, 48, ".jpg")
    wall, _, peak = spent("-m", "gpudepth", "run", str(path), "--dry-run")
    out = [Row(f"dry run of {PAIRS:,} pairs", wall, "s", "≤ 10", wall <= 10),
           Row("… peak memory", peak, "MB", "≤ 500", peak <= 500)]
    done = make(base / "done", DONE, 48, ".jpg", 2)
    spent("-m", "gpudepth", "run", "-q", str(done))
    wall, *_ = spent("-m", "gpudepth", "run", "-q", str(done))
    return [*out, Row(f"a second run over {DONE:,} that are done", wall, "s", "≤ 2", wall <= 2)]


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        base = Path(name)
        # the peak covers all children so far, so planning comes first
        if sys.argv[1:] == ["workers"]:
            return two_workers(base)
        return [*planning(base / "a"), overhead(base / "b"), *two_cores(base / "c"), *two_workers(base / "d")]


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
