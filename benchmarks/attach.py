"""Measures attaching to a 12-megapixel HEIC against re-encoding it, and a folder with one and two workers.

    python -m benchmarks.attach

The photo is the first 12-megapixel HEIC under GPUDEPTH_SAMPLES without its depth. Without samples, libheif encodes a
noisy picture, which takes a minute.

"mux" is everything except coding the map: it parses the file, lays it out and writes it to memory. "attach" is the
whole call: it decodes a 16-bit PNG of 768×576, converts, quantises, codes it with x265, muxes, and writes to disk with
fsync. "re-encode" is the alternative: libheif decodes the photo and encodes it at quality 80.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from gpudepth import api
from gpudepth.attachment.pipeline import run_item
from gpudepth.batch.runner import run
from gpudepth.compute import backend
from gpudepth.containers.heif import writer
from gpudepth.containers.heif.heif import Heif
from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.depth.encoding import Gray
from gpudepth.formats.bytesource import ByteSource
from gpudepth.settings.job import parse_job
from gpudepth.settings.settings import Settings

from .measure import Row, coded_map, gray, median, table

SIZE = (4032, 3024)
PHOTOS = 40
LAPS = 4  # of the folder run, of which the least time counts
JOB = """
source:   {color: "photos/*.heic", depth: "depth/{stem}.png"}
encoding: {near: 0.5, far: 12}
output:   {path: "out/{stem}.heic"}
run:      {on_existing: overwrite}
"""


def photo(folder: Path) -> Path:
    """Return a 12-megapixel HEIC without depth."""
    path = folder / "photo.heic"
    for candidate in sorted(Path(os.environ.get("GPUDEPTH_SAMPLES", "/nonexistent")).glob("heic/*.heic")):
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
    pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    path.write_bytes(encode_pixels(Image.fromarray(pixels), quality=60))
    return path


def mux_seconds(path: Path, depth: Path) -> float:
    """Attach in memory without coding the map."""
    container = Heif()
    with ByteSource(path) as source:
        coded = coded_map(depth, container.picture(source), Settings(encoding=Gray(0.5, 12)), backend(), container)
    ready = writer.encode_monochrome(coded.codes)
    original = writer.encode_monochrome
    writer.encode_monochrome = lambda *_, **__: ready  # type: ignore[assignment]
    try:
        def mux() -> None:
            with ByteSource(path) as source:
                container.attach(source, coded).splice.write(io.BytesIO())

        return median(mux, 31)
    finally:
        writer.encode_monochrome = original


def rows(*, folder_only: bool = False) -> list[Row]:
    """Return all figures; re-encoding takes a minute or more."""
    out = []
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder = Path(name)
        source, depth = photo(folder), gray(folder / "depth.png")
        if not folder_only:
            mux = mux_seconds(source, depth)
            out.append(Row("mux", mux * 1000, "ms", "≤ 10 ms", mux <= 0.010))
            settings = Settings(encoding=Gray(0.5, 12))
            attach = median(lambda: run_item(source, depth, folder / "o.heic", settings, backend()))
            out.append(Row("attach, whole", attach * 1000, "ms", "", True))

            def reencode() -> None:
                pillow_heif.open_heif(source).save(folder / "re.heic", quality=80)

            start = time.perf_counter()
            reencode()
            again = time.perf_counter() - start
            out.append(Row("decode + re-encode (pillow-heif)", again * 1000, "ms", "", True))
            out.append(Row("re-encode / attach", again / attach, "×", "≥ 50", again / attach >= 50))
        (folder / "photos").mkdir()
        (folder / "depth").mkdir()
        for i in range(PHOTOS):
            os.link(source, folder / "photos" / f"p{i:02d}.heic")
            gray(folder / "depth" / f"p{i:02d}.png", i)
        seconds = {}
        for workers in (1, 2) * LAPS:
            start = time.perf_counter()
            summary = run(parse_job(JOB, [f"run.workers={workers}"]), base=folder)
            assert summary.done == PHOTOS
            seconds[workers] = min(time.perf_counter() - start, seconds.get(workers, float("inf")))
        out.append(Row(f"{PHOTOS} photos, one worker", seconds[1], "s", "", True))
        out.append(Row(f"{PHOTOS} photos, two workers", seconds[2], "s", "", True))
        out.append(Row("one worker / two", seconds[1] / seconds[2], "×", "≥ 1.7", seconds[1] / seconds[2] >= 1.7))
    return out


if __name__ == "__main__":
    print(table(rows(folder_only="--folder" in sys.argv)))
