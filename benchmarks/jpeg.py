"""Measures attaching to a 12-megapixel JPEG against re-encoding it.

    python -m benchmarks.jpeg

The photo is the first 12-megapixel JPEG under GPUDEPTH_SAMPLES without its depth. Without samples, Pillow makes one of
noise. Times are processor seconds, the least of 25 runs, so that a busy machine has little effect.

"attach" is everything except coding the map: it parses the file, lays it out and writes it to memory. "whole" is the
call: it reads a map of 768×576 floats in metres, converts, quantises, codes it as a JPEG, attaches it, and writes to
disk with fsync. "re-encode" is the alternative: Pillow decodes the photo and encodes it at quality 95.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpudepth import api
from gpudepth.attachment.pipeline import run_item
from gpudepth.compute import backend
from gpudepth.containers.jpeg import image
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.depth.encoding import Depth
from gpudepth.formats.bytesource import ByteSource
from gpudepth.settings.settings import Settings

from .measure import Row, coded_map, least, table, values

SIZE = (4032, 3024)


def photo(folder: Path) -> Path:
    """Return a 12-megapixel JPEG without depth."""
    path = folder / "photo.jpg"
    for candidate in sorted(Path(os.environ.get("GPUDEPTH_SAMPLES", "/nonexistent")).glob("jpeg/*.jpg")):
        report = api.inspect(candidate)
        if report.width * report.height == SIZE[0] * SIZE[1]:
            if report.depth is None:
                shutil.copy(candidate, path)
            else:
                api.remove(candidate, path)
            return path
    noise = np.random.default_rng(1).normal(0, 6, (SIZE[1], SIZE[0], 3))
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    smooth = np.stack([x * 255 // SIZE[0], y * 255 // SIZE[1], (x + y) // 30 % 256], -1)
    Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


@contextlib.contextmanager
def coded_once() -> Iterator[None]:
    """Attach to the photo; only the first call codes the map."""
    original: Any = image.encode
    ready: list[bytes] = []

    def encode(*args: Any) -> bytes:
        ready[:] = ready or [original(*args)]
        return ready[0]

    image.encode = encode
    try:
        yield
    finally:
        image.encode = original


def rows() -> list[Row]:
    settings = Settings(encoding=Depth(), orientation="coded")  # independent of the orientation of the photo
    container = Jpeg()
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder = Path(name)
        path, depth = photo(folder), folder / "depth.npy"
        np.save(depth, (0.5 + 11.5 * values()).astype(np.float32))
        with ByteSource(path) as source:
            coded = coded_map(depth, container.picture(source), settings, backend(), container)

        def attach() -> None:
            with ByteSource(path) as source:
                container.attach(source, coded).splice.write(io.BytesIO())

        def whole() -> None:
            run_item(path, depth, folder / "o.jpg", settings, backend())

        def reencode() -> None:
            with Image.open(path) as picture:
                picture.save(io.BytesIO(), "JPEG", quality=95)

        with coded_once():
            alone = least(attach)
        call, again = least(whole), least(reencode)
        size = path.stat().st_size
    return [Row(f"attach, {size / 1e6:.1f} MB", alone * 1000, "ms", "", True),
            Row("attach, whole", call * 1000, "ms", "", True),
            Row("decode + re-encode (Pillow)", again * 1000, "ms", "", True),
            Row("re-encode / attach", again / alone, "×", "≥ 40", again / alone >= 40),
            Row("re-encode / attach, whole", again / call, "×", "≥ 10", again / call >= 10)]


if __name__ == "__main__":
    print(table(rows()))
