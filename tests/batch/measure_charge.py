"""Process one item and print the bytes that were charged and the bytes that were used: python measure_charge.py FOLDER CASE."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from gpudepth.batch.memory import MemoryLease
from gpudepth.batch.work_item import ItemWorker, PhotoItem, Task
from gpudepth.batch.workers import WorkerContext
from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.depth.encoding import Depth
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize

LARGE, SMALL, TINY = (2000, 1500), (768, 576), (64, 48)
GUIDED = Settings(encoding=Depth(), resize=Resize(long_side=1600, method="guided"))
CASES = {   # photo, size of the map, output, settings
    "JPEG": (".jpg", LARGE, ".jpg", Settings(encoding=Depth())),
    "HEIC": (".heic", LARGE, ".heic", Settings(encoding=Depth())),
    "filled": (".heic", LARGE, ".heic", Settings(encoding=Depth(), fill="inpaint")),
    "PNG to HEIC": (".png", SMALL, ".heic", Settings(encoding=Depth())),
    "guided by a JPEG": (".jpg", SMALL, ".jpg", GUIDED),
    "guided by a HEIC": (".heic", SMALL, ".heic", GUIDED),
    "the map alone": (".jpg", LARGE, ".npy", Settings(encoding=Depth())),
}


def photo(path: Path, size: tuple[int, int]) -> Path:
    if not path.exists():
        noise = np.random.default_rng(1).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
        picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        if path.suffix == ".heic":
            path.write_bytes(encode_pixels(picture, quality=60))
        else:
            picture.save(path)
    return path


def depth(path: Path, size: tuple[int, int]) -> Path:
    if not path.exists():
        Image.fromarray(np.linspace(1, 5000, size[0] * size[1]).reshape(size[::-1]).astype(np.uint16)).save(path)
    return path


def status(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    return next(int(line.split()[1]) << 10 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))


def measure(folder: Path, case: str) -> dict[str, int]:
    suffix, size, output, settings = CASES[case]
    work, lease = ItemWorker(), MemoryLease()

    def run(name: str, picture: tuple[int, int], map_size: tuple[int, int], how: Settings) -> None:
        item = PhotoItem(name, photo(folder / f"{name}{suffix}", picture), depth(folder / f"{map_size}.png", map_size),
                         folder / f"out{output}", "out")
        work(Task(item, how, "numpy", "job"), WorkerContext(lease=lease))

    photo(folder / f"large{suffix}", LARGE)
    depth(folder / f"{size}.png", size)
    run("tiny", TINY, TINY, replace(settings, resize=None))      # what is loaded once is not the item's
    lease.reset()
    Path("/proc/self/clear_refs").write_text("5")       # the peak begins here
    before = status("VmRSS")
    run("large", LARGE, size, settings)
    return {"charged": lease.used, "used": status("VmHWM") - before}


if __name__ == "__main__":
    if sys.argv[2:]:
        print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2])))
    else:
        for suffix in (".jpg", ".heic", ".png"):     # once, by a process of its own, whose memory does not count
            photo(Path(sys.argv[1]) / f"large{suffix}", LARGE)
        for size in (LARGE, SMALL, TINY):
            depth(Path(sys.argv[1]) / f"{size}.png", size)
