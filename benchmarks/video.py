"""Measures clips: each stage, the whole, and FFmpeg for decoding and encoding the same frames.

    python -m benchmarks.video

The clip has 1920×1080 pixels and 30 frames per second, its depth video 768×432 half floats in FFV1. With
GPUDEPTH_SAMPLES a real clip is repeated. A whole run may take 1.15 times the least time of two cores, which is the
slowest serial stage or half of all processor time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import numpy as np

from gpudepth.attachment import pipeline
from gpudepth.attachment.clips import movie as clip_movie
from gpudepth.attachment.clips import photos as clip_photos
from gpudepth.attachment.clips.span import ClipContext
from gpudepth.attachment.clips.still import StillEncoder
from gpudepth.compute import backend
from gpudepth.containers.base import Picture
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import HDEP
from gpudepth.formats.bytesource import ByteSource
from gpudepth.pairing.clips import Footage
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings
from gpudepth.video.matroska import DepthVideoWriter, read_depth_video
from gpudepth.video.reader import read_video

from .measure import Row, coded_map, table

WIDTH, HEIGHT, FRAMES, HEIC_FRAMES, CORES = 1920, 1080, 300, 60, 2
MOST = 1.15


def pictures() -> Iterator[Any]:
    """Yield (H, W, 3) pictures without end."""
    root = os.environ.get("GPUDEPTH_SAMPLES")
    if root:
        for _ in cycle((1,)):
            with av.open(str(Path(root) / "video" / "street_walk_color.mp4")) as container:
                for frame in container.decode(video=0):
                    yield frame.to_ndarray(format="rgb24", width=WIDTH, height=HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rng = np.random.default_rng(0)
    for n in cycle(range(256)):
        noise = rng.integers(0, 12, (HEIGHT, WIDTH, 1), np.uint8)
        yield np.stack([x + n, y + 2 * n, (x ^ y) + n], -1).astype(np.uint8) // 2 + noise


def make(folder: Path) -> tuple[Path, Path]:
    video, depth = folder / "clip.mp4", folder / "clip.mkv"
    with av.open(str(video), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for n, picture in zip(range(FRAMES), pictures(), strict=False):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", dst_colorspace=1)
            frame.pts, frame.time_base = n, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    y, x = np.mgrid[:432, :768]
    rng = np.random.default_rng(1)
    with depth.open("wb") as file, DepthVideoWriter(file) as target:
        for n in range(FRAMES):
            metres = 1 + 6 * y / 432 + 0.3 * np.sin((x + 5 * n) / 60) + rng.normal(0, 0.004, y.shape)
            metres[(x - 3 * n % 768) ** 2 + (y - 216) ** 2 < 90**2] = 1.2
            target.write(DepthData(metres.astype(np.float16), HDEP, accuracy="absolute"), Fraction(n, 30))
    return video, depth


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds, including children."""
    def spent() -> float:
        return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (
            resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))

    wall, cpu = time.perf_counter(), spent()
    work()
    return time.perf_counter() - wall, spent() - cpu


def ffmpeg(video: Path, out: Path) -> None:
    """Run FFmpeg's decoder, scaler and JPEG encoder, without depth and containers."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(video), "-q:v", "3", str(out / "%06d.jpg")], check=True)


def stages(video: Path, depth: Path) -> list[tuple[str, float]]:
    """Return names, and the CPU milliseconds per frame; the first two are serial."""
    found = read_video(video)
    frames = [frame for _, frame in found.frames(range(30))]
    maps = [f.depth for _, f in zip(range(30), read_depth_video(depth), strict=False)]
    work, settings, picture = backend("numpy"), Settings(span=(0.125, 1.0)), Picture(WIDTH, HEIGHT)
    container = pipeline.target_of(Path("a.jpg"))
    coded = coded_map(maps[0], picture, settings, work, container)
    jpeg = StillEncoder(90).encode(frames[0], ".jpg")

    def attach() -> None:
        for _ in range(30):
            with ByteSource(jpeg) as source:
                container.attach(source, coded, settings.placement()).splice.to_bytes()

    def drain(items: Iterator[Any]) -> None:
        for _ in items:
            pass

    return [
        ("decode colour, H.264", timed(lambda: drain(found.frames()))[1] / FRAMES * 1000),
        ("decode depth, FFV1", timed(lambda: drain(iter(read_depth_video(depth))))[1] / FRAMES * 1000),
        ("convert and quantise a map", timed(lambda: [coded_map(m, picture, settings, work, container)
                                                      for m in maps])[1] / 30 * 1000),
        ("JPEG of a frame", timed(lambda: [StillEncoder(90).encode(f, ".jpg") for f in frames])[1] / 30 * 1000),
        ("HEVC of a frame", timed(lambda: [StillEncoder(80).encode(f, ".heic") for f in frames[:10]])[1] / 10 * 1000),
        ("JPEG of a map, attach", timed(attach)[1] / 30 * 1000)]


def rows() -> list[Row]:
    out = []
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder = Path(name)
        video, depth = make(folder)
        measured = stages(video, depth)
        out += [Row(f"{what}, one core", ms, "ms/frame", "", True) for what, ms in measured]
        serial = max(ms for _, ms in measured[:2]) / 1000
        for suffix, frames, quality in ((".jpg", FRAMES, 90), (".heic", HEIC_FRAMES, 80)):
            means = ClipContext(ClipSettings(frames=f"0:{frames}", quality=quality, range=(1.0, 8.0)), Settings(),
                          backend("numpy"), CORES)
            pattern = str(folder / suffix[1:] / f"{{frame}}{suffix}")
            wall, cpu = timed(lambda p=pattern, m=means: clip_photos.write(  # type: ignore[misc]
                Footage((video,)), Footage((depth,)), p, m))
            bound = max(serial * frames, cpu / CORES)
            out.append(Row(f"clip → {suffix[1:].upper()} with depth, two cores", frames / wall, "frames/s", "", True))
            out.append(Row("… against the least that two cores need", wall / bound, "×", f"≤ {MOST}",
                           wall / bound <= MOST))
        means = ClipContext(ClipSettings(range=(1.0, 8.0)), Settings(), backend("numpy"), CORES)
        wall, cpu = timed(lambda: clip_movie.write(Footage((video,)), Footage((depth,)), folder / "o.mov", means))
        bound = max(serial * FRAMES, cpu / CORES)
        out.append(Row("clip → QuickTime with a depth track", FRAMES / wall, "frames/s", "", True))
        (folder / "ff").mkdir()
        try:
            wall, cpu = timed(lambda: ffmpeg(video, folder / "ff"))
        except FileNotFoundError:
            print("no ffmpeg here: its row is missing", file=sys.stderr)
        else:
            out.append(Row("ffmpeg: decode, scale, JPEG; no depth", FRAMES / wall, "frames/s", "", True))
            out.append(Row("… processor time", cpu / FRAMES * 1000, "ms/frame", "", True))
    return out


if __name__ == "__main__":
    print(table(rows()))
