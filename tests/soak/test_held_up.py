"""Large photos while the run is held up again and again: workers hold what one item takes, however many there are."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray
from PIL import Image
from run_kit import children, digest, rss, start

COUNT, WORKERS = 60, 2
WIDTH, HEIGHT = 4000, 3000      # 12 megapixels: 36 MB decoded
JOB = """
source: {color: "c/*.jpg", depth: "d/{stem}.png"}
encoding: {near: 0.5, far: 10}
refine: {resize: {long_side: 64, method: guided}}
output: {path: "out/{stem}.jpg"}
run: {backend: numpy, workers: 2}
"""


@pytest.mark.soak
def test_twelve_megapixels(tmp_path: Path) -> None:
    for name in ("c", "d"):
        (tmp_path / name).mkdir()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8))
    picture.save(tmp_path / "one.jpg", quality=60)
    depth = gray(tmp_path / "one.png", 16, 12).read_bytes()
    for n in range(COUNT):
        (tmp_path / f"c/{n:03}.jpg").write_bytes((tmp_path / "one.jpg").read_bytes())
        (tmp_path / f"d/{n:03}.png").write_bytes(depth)
    (tmp_path / "job.yaml").write_text(JOB)
    process = start(tmp_path / "job.yaml")
    out, peaks = tmp_path / "out", dict[int, int]()
    while process.poll() is None:
        os.kill(process.pid, signal.SIGSTOP)        # what takes results takes none
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGCONT)
        until = time.monotonic() + 0.3
        while time.monotonic() < until and process.poll() is None:
            done = len(list(out.glob("*.jpg"))) if out.exists() else 0
            workers = children(process.pid)
            if workers:
                peaks[done] = max(peaks.get(done, 0), *map(rss, workers))
            time.sleep(0.005)
    process.communicate()
    assert process.returncode == 0
    assert len(digest(out)) == COUNT
    early, late = (max(peak for done, peak in peaks.items() if low <= done < high) for low, high in ((2, 15), (30, COUNT)))
    print(f"\n{COUNT} photos of 12 megapixels, held up: a worker takes {early / 1e6:.0f} MB at most early on, {late / 1e6:.0f} MB later")
    assert late <= 1.2 * early
