"""Measures the efforts of HEVC maps and of HEIC photos against the settings of version 0.1.

    python -m benchmarks.effort

Real maps and photos are read under GPUDEPTH_SAMPLES; the demo scene is always measured. Times are processor seconds of
all threads, the least of several rounds in which the competitors take turns, so that other programs affect all of them.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image

from gpudepth import api
from gpudepth.attachment.pipeline import run_item
from gpudepth.compute import backend
from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.demo.scene import View, render
from gpudepth.depth.encoding import Gray
from gpudepth.formats.hevc import codec
from gpudepth.formats.hevc.effort import Effort
from gpudepth.settings.settings import Settings

from .attach import photo
from .measure import Row, gray, table

EFFORTS: tuple[Effort, ...] = get_args(Effort)
MAPS = {"iPhone 13 Pro": "heic/iphone13pro_portrait.heic", "iPhone 7 Plus": "jpeg/iphone7plus_portrait.jpg",
        "Apple's article": "heic/article_output.heic", "Android": "jpeg/android_gdepth.jpg"}
PHOTOS = {"iPhone 13 Pro": "heic/iphone13pro_portrait.heic", "iPhone 7 Plus": "jpeg/iphone7plus_portrait.jpg",
          "iPhone 14 Pro": "heic/iphone14pro_front_rotated_mirrored_no_depth.heic",
          "Android": "jpeg/android_gdepth.jpg"}
SIDE = 2048         # pixels of the long side of a photo of 3 megapixels
SETTINGS = Settings(encoding=Gray(0.5, 12))


@contextlib.contextmanager
def before() -> Iterator[None]:
    """Code maps of the default effort as version 0.1 did."""
    own = dict(codec._LOSSLESS)
    codec._LOSSLESS["balanced"] = "lossless=1:rd=1"
    try:
        yield
    finally:
        codec._LOSSLESS.update(own)


def rounds(competitors: dict[Any, Callable[[], Any]], count: int) -> dict[Any, float]:
    """Return the least processor seconds of each, after one round that does not count."""
    least = dict.fromkeys(competitors, float("inf"))
    for lap in range(count + 1):
        for name, run in competitors.items():
            start = time.process_time()
            run()
            spent = time.process_time() - start
            if lap:
                least[name] = min(least[name], spent)
    return least


def sample(name: str) -> Path | None:
    """Return a real file, or None."""
    path = Path(os.environ.get("GPUDEPTH_SAMPLES", "/nonexistent")) / name
    return path if path.is_file() else None


def maps() -> Iterator[tuple[str, Any, int]]:
    """Yield names, codes and bits of maps."""
    for name, file in MAPS.items():
        path = sample(file)
        depth = api.read(path, orientation="coded") if path else None
        if depth is not None and depth.storage is not None:
            lo, hi = depth.storage.lo, depth.storage.hi
            codes = np.rint((depth.map.astype(np.float64) - lo) / (hi - lo) * 255).clip(0, 255)
            yield name, codes.astype(np.uint8), 8
    disparity = 1 / render(View())[1]
    unit = (disparity - disparity.min()) / (disparity.max() - disparity.min())
    for bits in (8, 10, 12):
        yield "demo scene", np.rint(unit * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16), bits


def encode_before(codes: Any, bits: int) -> tuple[bytes, bytes]:
    with before():
        return codec.encode_monochrome(codes, bits)


def map_table() -> str:
    """Return sizes and times of maps alone."""
    lines = ["| map | bits | " + " | ".join(f"{e}, bytes | ms | × before" for e in ("before", *EFFORTS)) + " |"]
    lines[0] = lines[0].replace("before, bytes | ms | × before", "before, bytes | ms", 1)
    lines.append("|---|--:" + "|--:" * (2 + 3 * len(EFFORTS)) + "|")
    for name, codes, bits in maps():
        ways: dict[str, Callable[[], tuple[bytes, bytes]]] = {"before": partial(encode_before, codes, bits)}
        ways |= {e: partial(codec.encode_monochrome, codes, bits, effort=e) for e in EFFORTS}
        took, size = rounds(ways, 5), {e: len(run()[1]) for e, run in ways.items()}
        cells = [f"{size['before']:,} | {took['before'] * 1000:.1f}"]
        cells += [f"{size[e]:,} | {took[e] * 1000:.1f} | {took[e] / took['before']:.2f}" for e in EFFORTS]
        height, width = codes.shape
        lines.append(f"| {name}, {width}×{height} | {bits} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def photos() -> Iterator[tuple[str, Image.Image]]:
    """Yield photos of 3 megapixels."""
    for name, file in PHOTOS.items():
        path = sample(file)
        if path is not None:
            image: Image.Image = (pillow_heif.open_heif(path).to_pillow() if path.suffix == ".heic"
                                  else Image.open(path)).convert("RGB")
            image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
            image.info.clear()
            yield name, image
    yield "demo scene", Image.fromarray(render(View(SIDE, SIDE * 3 // 4, focal=SIDE * 28 / 36))[0])


def psnr(image: Image.Image, data: bytes) -> float:
    """Return the PSNR of a HEIC file in dB, over all channels."""
    decoded = np.asarray(pillow_heif.open_heif(io.BytesIO(data)).to_pillow().convert("RGB"), np.float64)
    return float(10 * np.log10(255**2 / ((decoded - np.asarray(image)) ** 2).mean()))


def photo_table(folder: Path, measured: list[Row]) -> str:
    """Return sizes, times and PSNR of photos alone; `measured` gets PNG → HEIC with depth."""
    lines = ["| photo | effort | bytes | × small | s | × small | PSNR, dB |", "|---|---|--:|--:|--:|--:|--:|"]
    depth = gray(folder / "map.png")
    for name, image in photos():
        ways = {e: partial(encode_pixels, image, effort=e) for e in EFFORTS}
        took, data = rounds(ways, 2), {e: run() for e, run in ways.items()}
        quality = {e: psnr(image, data[e]) for e in EFFORTS}
        lines += [f"| {name}, {image.width}×{image.height} | {e} | {len(data[e]):,} | "
                  f"{len(data[e]) / len(data['small']):.3f} | {took[e]:.2f} | {took[e] / took['small']:.2f} | "
                  f"{quality[e]:.2f} |" for e in EFFORTS]
        png = folder / "photo.png"
        image.save(png)
        item = {e: partial(run_item, png, depth, folder / f"{e}.heic",
                           Settings(encoding=Gray(0.5, 12), fit="stretch", photo_effort=e), backend()) for e in EFFORTS}

        def old(run: Callable[[], Any] = item["small"]) -> None:
            with before():
                run()

        ratio = _ratio(rounds({"new": item["balanced"], "old": old}, 2), "new", "old")
        larger = len(data["balanced"]) / len(data["small"]) - 1
        worse = quality["small"] - quality["balanced"]
        measured += [Row(f"PNG → HEIC, {name}: balanced / before", ratio, "×", "≤ 0.45", ratio <= 0.45),
                     Row("… its size", 100 * larger, "% more", "≤ 3 %", larger <= 0.03),
                     Row("… its loss of PSNR", worse, "dB", "≤ 0.5 dB", worse <= 0.5)]
    return "\n".join(lines)


def _ratio(took: dict[Any, float], one: Any, other: Any) -> float:
    return took[one] / took[other]


def bars(folder: Path) -> list[Row]:
    """Return what efforts must hold."""
    out = []
    scene = View()
    small = folder / "small.heic"
    small.write_bytes(encode_pixels(Image.fromarray(render(scene)[0])))
    vga = folder / "vga.png"
    Image.fromarray((np.asarray(render(scene)[1]) / 12 * 65535).clip(0, 65535).astype(np.uint16)).save(vga)
    item = partial(run_item, small, vga, folder / "o.heic", SETTINGS, backend())

    def old() -> None:
        with before():
            item()

    took = rounds({"new": item, "old": old}, 15)
    ratio = _ratio(took, "new", "old")
    out += [Row("attach to HEIC, 640×480 map, before", 1000 * took["old"], "ms", "", True),
            Row("… balanced / before", ratio, "×", "≤ 0.5", ratio <= 0.5)]
    large, depth = photo(folder), gray(folder / "depth.png")
    whole = {e: partial(run_item, large, depth, folder / f"{e}.heic", Settings(encoding=Gray(0.5, 12), effort=e),
                        backend()) for e in EFFORTS}
    took = rounds(whole, 15)
    out += [Row(f"attach to a 12 MP HEIC, 768×576 map, {e}", 1000 * took[e], "ms", "", True) for e in EFFORTS]
    ratio = _ratio(took, "fast", "small")
    out.append(Row("… fast / small", ratio, "×", "≤ 0.15", ratio <= 0.15))
    for name, codes, bits in maps():
        took = rounds({"fast": partial(codec.encode_monochrome, codes, bits, effort="fast"),
                       "JPEG-LS": partial(imagecodecs.jpegls_encode, codes),
                       "zlib": partial(zlib.compress, codes.tobytes(), 1)}, 15)
        ratio = _ratio(took, "fast", "JPEG-LS")
        out += [Row(f"{name}, map alone, {bits} bits: fast / JPEG-LS", ratio, "×", "≤ 1", ratio <= 1),
                Row("… fast / zlib, level 1", _ratio(took, "fast", "zlib"), "×", "", True)]
    return out


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as name:
        folder = Path(name)
        print(f"### Maps\n\n{map_table()}\n")
        measured: list[Row] = []
        print(f"### Photos\n\n{photo_table(folder, measured)}\n")
        print(f"### Limits\n\n{table(bars(folder) + measured)}")


if __name__ == "__main__":
    main()
