"""Measures runs: the overhead of the runner, the gain of a second core, and the time for planning and resuming.

    python -m benchmarks.runs

Overhead: processor time of a run with one worker, minus that of the same items in one process, both without their
start. Two cores: wall time of a job limited by encoding with one worker bound to one core, and with two workers on two
cores (libheif's encoder has its own threads, so one unbound worker uses more than one core).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .measure import Row, gray, table

SMALL, LARGE, DONE, PAIRS = 1500, 48, 10_000, 100_000
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
        return [*planning(base / "a"), overhead(base / "b"), *two_cores(base / "c")]


def main() -> None:
    print(table(rows()))


if __name__ == "__main__":
    main()
