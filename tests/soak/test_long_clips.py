"""Half a minute of 1080p: flat memory, every frame with its own map, nothing lost on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from video_kit import burn, colour, number_of, picture, seconds_of

import gpudepth
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import HDEP
from gpudepth.video.matroska import DepthVideoWriter, read_depth_video
from gpudepth.video.quicktime import reader

SCRIPT = """
import json, sys
from pathlib import Path
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.attachment.clips import movie as clip_movie, photos as clip_photos
from gpudepth.attachment.clips.span import ClipContext
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings
from gpudepth.pairing.clips import Footage

video, maps, output = sys.argv[1:4]
rss = {}
def heartbeat(done):
    with open("/proc/self/statm") as f:
        rss[done] = max(rss.get(done, 0), int(f.read().split()[1]) * 4096)
means = ClipContext(ClipSettings(quality=70), Settings(), NumpyBackend(), 2, heartbeat)
write = clip_photos.write if "{frame}" in output else clip_movie.write
write(Footage((Path(video),)), Footage((Path(maps),)), output if "{frame}" in output else Path(output), means)
print(json.dumps(rss))
"""


def metres(number: int, width: int = 768, height: int = 432) -> Any:
    """A floor that goes back, a wall of the frame's own distance, a little noise."""
    y = np.linspace(1, 6, height, dtype=np.float32)[:, None].repeat(width, 1)
    y += np.random.default_rng(number).normal(0, 0.005, (height, width)).astype(np.float32)
    y[100:300, 200:500] = 1 + number / 256
    y[0], y[-1] = 0.5, 8
    return y.astype(np.float16)


def make(folder: Path, count: int, width: int, height: int) -> tuple[Path, Path]:
    """A clip and its depth video; the real clip in a loop where it is at hand."""
    root = os.environ.get("GPUDEPTH_SAMPLES")
    real = Path(root) / "video" / "street_walk_color.mp4" if root else None

    def looped() -> Any:
        for _ in cycle((1,)):
            with av.open(str(real)) as container:
                for frame in container.decode(video=0):
                    yield frame.to_ndarray(format="rgb24", width=width, height=height)

    frames = looped() if real is not None and real.exists() else None
    made: Callable[[int], Any] = (lambda n: burn(next(frames), n)) if frames else (lambda n: picture(n, width, height))
    video = colour(folder / "clip.mp4", count, frame=made, width=width, height=height, options={"preset": "ultrafast", "crf": "20"})
    with (folder / "depth.mkv").open("wb") as file, DepthVideoWriter(file) as out:
        for n, when in enumerate(seconds_of(count)):
            out.write(DepthData(metres(n), HDEP, accuracy="absolute"), when)
    return video, folder / "depth.mkv"


def run(video: Path, maps: Path, output: str) -> dict[int, int]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(video), str(maps), output], check=True, capture_output=True, text=True)
    return {int(k): v for k, v in json.loads(done.stdout).items()}


def flat(what: str, rss: dict[int, int], count: int, resolve_preset: int) -> None:
    """What is held at most around a frame: which of the frames in flight are whole at the moment makes the rest."""
    assert max(rss) == count
    window = count // 10
    first = max(v for n, v in rss.items() if resolve_preset <= n < resolve_preset + window)
    last = max(v for n, v in rss.items() if n > count - window)
    print(f"\n{what}: {first / 1e6:.1f} MB from frame {resolve_preset} on, {last / 1e6:.1f} MB at the end, {max(rss.values()) / 1e6:.1f} MB at most")
    assert last < 1.1 * first
    assert max(rss.values()) < 1.25 * first


def check(folder: Path, count: int, resolve_preset: int, size: tuple[int, int], suffix: str) -> None:
    video, maps = make(folder, count, *size)
    for n, frame in enumerate(read_depth_video(maps)):      # FFV1 keeps every bit
        np.testing.assert_array_equal(frame.depth.map.view(np.uint16), metres(n).view(np.uint16))
    flat("photos", run(video, maps, str(folder / f"out/{{frame}}{suffix}")), count, resolve_preset)
    step = (2.0 - 0.125) / 255
    for n in range(count):
        path = folder / f"out/{n:06d}{suffix}"
        data = gpudepth.read(path)
        assert data is not None
        assert abs(float(data.disparity()[200, 300]) - 1 / (1 + n / 256)) < step, n
        if suffix == ".jpg":
            with Image.open(path) as image:
                assert number_of(np.asarray(image)) == n
        elif n % 25 == 0:
            import pillow_heif

            assert number_of(np.asarray(pillow_heif.open_heif(path).to_pillow().convert("RGB"))) == n
    flat("movie", run(video, maps, str(folder / "out.mov")), count, resolve_preset)
    with reader.open_depth(folder / "out.mov") as track:
        assert track.frames == count
        for found in reader.frames(track):
            assert found.seconds == Fraction(found.index, 30)
            assert abs(float(found.data.disparity()[200, 300]) - 1 / (1 + found.index / 256)) < 0.004


def test_three_seconds(tmp_path: Path) -> None:
    check(tmp_path, 90, 20, (640, 360), ".jpg")


@pytest.mark.soak
def test_thirty_seconds(tmp_path: Path) -> None:
    check(tmp_path, 900, 200, (1920, 1080), ".heic")
