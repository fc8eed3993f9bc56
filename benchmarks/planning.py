"""Measures planning a large set: python -m benchmarks.planning FOLDER [PAIRS] [store]

Makes PAIRS empty photos and as many maps unless they exist, and plans them in a separate process. Prints the time, and
the growth of memory between a tenth of the lines and the last one, then the time for a shard to read its part of the
plan. FOLDER remains for further runs. With `store` the pairs are in an object store with an artificial listing, and
only the plan is written.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

JOB = """
source:   {color: "photos/{folder}/*.jpg", depth: "depth/{folder}/{stem}.png"}
encoding: {near: 0.5, far: 12}
output:   {path: "out/{folder}/{stem}.jpg"}
"""
A_FOLDER = 100_000


def make(folder: Path, pairs: int) -> None:
    for start in range(0, pairs, A_FOLDER):
        for side, suffix in (("photos", "jpg"), ("depth", "png")):
            there = folder / side / f"{start // A_FOLDER:03}"
            if not there.is_dir():
                there.mkdir(parents=True)
                for n in range(start, min(pairs, start + A_FOLDER)):
                    (there / f"{n:08}.{suffix}").touch()
    (folder / "job.yaml").write_text(JOB)


def most() -> float:
    return resident("VmHWM")


STORE = """
source:   {color: "s3://bucket/photos/*.jpg", depth: "s3://bucket/depth/{stem}.png"}
encoding: {near: 0.5, far: 12}
output:   {path: "s3://bucket/out/{stem}.jpg"}
"""


def make_up(pairs: int) -> None:
    """An object store with an artificial listing of this many objects in each folder."""
    from gpudepth.pairing import catalogue
    from gpudepth.pairing.stores import RemoteFile

    def list_objects(folder: str) -> Iterator[RemoteFile]:
        suffix = "jpg" if folder.endswith("photos") else "png"
        return (RemoteFile(f"{folder}/{n:08}.{suffix}", n, f"{n:032x}") for n in range(pairs))

    catalogue.list_objects = list_objects


def resident(kind: str = "VmRSS") -> float:
    """Return the memory in MB."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{kind}:")[1].split()[0]) / 1024


def plan(job: Path, pairs: int) -> None:
    from gpudepth.batch import plan_file, runner
    from gpudepth.batch.plan_lines import LineCodec

    seen: list[float] = []
    write, count = LineCodec.write, 0

    def counted(self: LineCodec, item: object) -> bytes:
        nonlocal count
        count += 1
        if count % (pairs // 10) == 0:
            seen.append(resident())
        return write(self, item)        # type: ignore[arg-type]

    plan_file.LineCodec.write = counted     # type: ignore[method-assign, assignment]
    before, start = resident(), time.perf_counter()
    planned = runner.plan(job, write=job.parent / "plan.jsonl")
    seconds = time.perf_counter() - start
    size = (job.parent / "plan.jsonl").stat().st_size
    print(f"{len(planned.items):,} items, plan of {size / 1e6:.0f} MB: {seconds:.0f} s, {before:.0f} MB at the start, "
          f"{seen[0]:.0f} MB at a tenth of the lines, {seen[-1]:.0f} MB at the last, {most():.0f} MB at most")


def read(job: Path) -> None:
    from gpudepth.batch.runner import pair_files

    before, start = resident(), time.perf_counter()
    mine, _ = pair_files(job, shard=(3, 16), plan_file=job.parent / "plan.jsonl")
    found = time.perf_counter() - start
    items = sum(1 for _ in mine.items)
    print(f"a shard of 16: {items:,} items found in {found:.1f} s, all of them read in "
          f"{time.perf_counter() - start - found:.1f} s, {before:.0f} MB at the start, {most():.0f} MB at most")


def main() -> None:
    folder, pairs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2_000_000
    store = sys.argv[3:] == ["store"]
    job = folder / "job.yaml"
    if store:
        job.write_text(STORE)
    else:
        make(folder, pairs)
    first = f"make_up({pairs}); " if store else ""
    for what in (f"{first}plan(Path({str(job)!r}), {pairs})", f"read(Path({str(job)!r}))"):
        script = f"from pathlib import Path; from benchmarks.planning import make_up, plan, read; {what}"
        subprocess.run([sys.executable, "-c", script], check=True)


if __name__ == "__main__":
    main()
