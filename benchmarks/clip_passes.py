"""Measures the processor time of attaching gray depth to a clip, against another checkout.

    git worktree add ../before REVISION
    python -m benchmarks.clip_passes ../before

The clip has 1920×1080 pixels and 150 frames, its depth video the same, as gray in 8-bit H.264. Each command is a
process of its own, and the checkouts take turns, as in `benchmarks.start_up`. Outputs are JPEG.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from .measure import Row, table
from .start_up import RANGE, seconds
from .video import HEIGHT, WIDTH, pictures

FRAMES, ROUNDS, LIMIT = 150, 7, 0.75


def grays() -> Iterator[Any]:
    """Yield (H, W, 3) pictures of a map: a ground, a disc that moves before it, and a little noise."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rng = np.random.default_rng(1)
    for n in range(FRAMES):
        gray = 0.2 + 0.6 * y / HEIGHT + 0.1 * np.sin((x + 5 * n) / 60) + rng.normal(0, 0.002, y.shape)
        gray[(x - 3 * n % WIDTH) ** 2 + (y - HEIGHT // 2) ** 2 < (HEIGHT // 5) ** 2] = 0.9
        yield np.repeat((gray.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, 2)


def write(path: Path, frames: Iterable[Any], crf: int) -> None:
    """Write pictures as H.264 of 30 frames per second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for n, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", dst_colorspace=1)
            frame.pts, frame.time_base = n, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def rows(before: Path) -> list[Row]:
    times: dict[Path, list[float]] = {before: [], Path(__file__).parent.parent: []}
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder = Path(name)
        write(folder / "clip.mp4", islice(pictures(), FRAMES), 21)
        write(folder / "depth.mp4", grays(), 16)
        for turn in range(ROUNDS + 1):
            for number, (checkout, found) in enumerate(times.items()):
                out = str(folder / f"{turn}-{number}" / "%06d.jpg")
                found.append(seconds(checkout, folder, ["attach", "clip.mp4", "depth.mp4", *RANGE, "-o", out]))
    old, new = (found[1:] for found in times.values())      # the first round compiles the modules
    ratio = statistics.median(new) / statistics.median(old)
    return [Row("clip → JPEG, gray depth, before", 1000 * statistics.median(old) / FRAMES, "ms CPU/frame", "", True),
            Row("clip → JPEG, gray depth, now", 1000 * statistics.median(new) / FRAMES, "ms CPU/frame", "", True),
            Row("… of the medians", ratio, "×", f"≤ {LIMIT}", ratio <= LIMIT),
            Row("… of the shortest times", min(new) / min(old), "×", "", True)]


if __name__ == "__main__":
    print(table(rows(Path(sys.argv[1]).resolve())))
