"""Measures the processor time of commands on a single photo, against another checkout.

    git worktree add ../before REVISION
    python -m benchmarks.start_up ../before

Each command is a process of its own; its time is user + system of the whole process. The two checkouts take turns, so
that other work on the machine affects both, and the first round, which compiles the modules, is left out.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .measure import Row, table

ROUNDS = 20
LIMIT = 0.6     # of the other checkout's time
RANGE = ("--near", "0.5", "--far", "12")


def seconds(checkout: Path, folder: Path, command: Sequence[str]) -> float:
    """Return the processor seconds of a command of one checkout."""
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(checkout), "PYTHONPYCACHEPREFIX": str(folder / "cache"),
                    "GPUDEPTH_BACKEND": "numpy"}
    before = used()
    subprocess.run([sys.executable, "-m", "gpudepth", *command], cwd=folder, env=environment, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return used() - before


def inputs(folder: Path) -> None:
    """Write a JPEG and a HEIC of 640×480, a 16-bit map of that size, and both photos with depth."""
    y, x = np.mgrid[:480, :640]
    Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)).save(folder / "photo.jpg")
    noise = np.random.default_rng(1).integers(0, 200, (480, 640))
    Image.fromarray((x * 60 + y * 30 + noise).astype(np.uint16)).save(folder / "map.png")
    here = Path(__file__).parent.parent
    seconds(here, folder, ["attach", "photo.jpg", "map.png", "-o", "photo.heic", "--transcode", *RANGE])
    seconds(here, folder, ["remove", "photo.heic", "-o", "plain.heic"])
    seconds(here, folder, ["attach", "photo.jpg", "map.png", "-o", "depth.jpg", *RANGE])


def rows(before: Path) -> list[Row]:
    commands = {"attach to a JPEG": ["attach", "photo.jpg", "map.png", "-o", "out.jpg", *RANGE],
                "attach to a HEIC": ["attach", "plain.heic", "map.png", "-o", "out.heic", *RANGE],
                "extract from a JPEG": ["extract", "depth.jpg", "-o", "out.npy"],
                "extract from a HEIC": ["extract", "photo.heic", "-o", "out.npy"],
                "--version": ["--version"]}
    out = []
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder, here = Path(name), Path(__file__).parent.parent
        inputs(folder)
        for title, command in commands.items():
            times: dict[Path, list[float]] = {before: [], here: []}
            for turn in range(ROUNDS + 1):
                for checkout in (before, here) if turn % 2 else (here, before):
                    times[checkout].append(seconds(checkout, folder, command))
            old, new = (statistics.median(times[checkout][1:]) for checkout in (before, here))
            best = min(times[here][1:]) / min(times[before][1:])
            out += [Row(f"{title}, before", old * 1000, "ms CPU", "", True),
                    Row(f"{title}, now", new * 1000, "ms CPU", "", True),
                    Row("… of the medians", new / old, "×", f"≤ {LIMIT}", new / old <= LIMIT),
                    Row("… of the shortest times", best, "×", f"≤ {LIMIT}", best <= LIMIT)]
    return out


if __name__ == "__main__":
    print(table(rows(Path(sys.argv[1]).resolve())))
