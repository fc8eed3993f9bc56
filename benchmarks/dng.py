"""Measures attaching to DNG files of growing size against copying them.

    python -m benchmarks.dng

The raw data is copied without decoding, so the time above a plain copy must not grow with its size. Copies and whole
calls are in wall seconds, both with fsync. Coding and laying out are in processor seconds, because they use no disk.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from gpudepth.attachment.pipeline import run_item
from gpudepth.compute import backend
from gpudepth.containers.dng.dng import Dng
from gpudepth.demo.photos import dng
from gpudepth.depth.encoding import Depth
from gpudepth.formats.bytesource import ByteSource
from gpudepth.settings.settings import Settings

from .measure import Row, coded_map, least, median, table, values

WIDTHS = (1024, 2048, 4096, 8192)
SAME = 1.5  # limit for the largest file, as a multiple of the smallest file's time


def copy(source: Path, target: Path) -> None:
    """Copy a file in pieces, with fsync."""
    with source.open("rb") as read, target.open("wb") as written:
        while piece := read.read(1 << 20):
            written.write(piece)
        os.fsync(written.fileno())


def rows() -> list[Row]:
    settings, out = Settings(encoding=Depth()), []
    layout: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder = Path(name)
        depth = folder / "depth.npy"
        np.save(depth, (0.5 + 11.5 * values()[:480, :640]).astype(np.float32))
        for width in WIDTHS:
            photo = folder / f"{width}.dng"
            photo.write_bytes(dng(np.random.default_rng(1).integers(0, 256, (width * 3 // 4, width, 3), np.uint8)))
            container = Dng()
            with ByteSource(photo) as source:
                coded = coded_map(depth, container.picture(source), settings, backend(), container)

            def lay_out(path: Path = photo, coded: object = coded) -> None:
                with ByteSource(path) as source:
                    Dng().attach(source, coded)  # type: ignore[arg-type]

            layout[width] = least(lay_out)
            whole = median(lambda path=photo: run_item(path, depth, folder / "o.dng", settings, backend()))  # type: ignore[misc]
            plain = median(lambda path=photo: copy(path, folder / "copy.dng"))  # type: ignore[misc]
            title = f"{photo.stat().st_size / 1e6:,.0f} MB"
            out += [Row(f"{title}: copy", plain * 1000, "ms", "", True),
                    Row(f"{title}: attach, whole", whole * 1000, "ms", "", True),
                    Row(f"{title}: code the map and lay the file out", layout[width] * 1000, "ms", "", True)]
            photo.unlink()
    growth = layout[WIDTHS[-1]] / layout[WIDTHS[0]]
    out.append(Row("laying out, largest / smallest", growth, "×", f"≤ {SAME}", growth <= SAME))
    return out


if __name__ == "__main__":
    print(table(rows()))
