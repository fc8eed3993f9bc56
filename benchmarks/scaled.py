"""Measures decoding a JPEG at the scale at which it guides a map: edges of maps on a real scene, and time.

    python -m benchmarks.scaled

The scene is Middlebury's motorcycle, whose disparity is known (`benchmarks.scene`), reduced by several factors. Its
picture is a JPEG of 736×496 pixels, which is decoded as a whole or at the scale of the rule. Without GPUDEPTH_SAMPLES
only times are measured. Times are processor time, the least of interleaved rounds.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpudepth.attachment.photo import Guide, file_guide
from gpudepth.compute import backend
from gpudepth.limits import DEFAULT

from . import rivals
from .measure import Row, table
from .scene import HOLES, Scene

FACTORS, UP, SEEDS, HELD = (4, 5, 6, 7), 4, 10, 0.7
MOST_WORSE = 0.3        # limit in percent of the pixels at edges
ROUNDS = 15


def guides(path: Path) -> tuple[Guide, Guide]:
    """Return the guide of a photo that is decoded as a whole, and the one that is decoded at a scale."""
    scaled = file_guide(path, "display", DEFAULT)
    return Guide(lambda: replace(scaled.read(), scales=())), scaled


def edges(scene: Scene, path: Path) -> list[Row]:
    """Measure pixels off at edges after guided upsampling and inpainting, with 10 patterns of holes."""
    out = []
    for subsampling, name in ((2, "4:2:0"), (0, "4:4:4")):
        Image.fromarray(scene.picture).save(path, quality=92, subsampling=subsampling)
        for factor in FACTORS:
            small = scene.reduced(factor, UP)
            height, width = small.truth.shape
            size = scene.truth.shape[1] // factor, scene.truth.shape[0] // factor
            found = []
            for guide in guides(path):
                found.append(_off(small, np.ascontiguousarray(guide.at(*size)[:height, :width])))
            for step, before, after in zip(("guided", "inpaint"), *found, strict=True):
                out += [Row(f"{name}, 1/{factor}, {step}: off at edges, whole picture decoded", before, "%", "", True),
                        Row("… decoded at the scale", after, "%", f"≤ {MOST_WORSE} % more",
                            after - before <= MOST_WORSE)]
    return out


def _off(scene: Scene, picture: Any) -> tuple[float, float]:
    """Return the percentage of pixels at edges that are off after upsampling, and after inpainting."""
    upsampled, inpainted = [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        low = scene.low.copy()
        low[rng.random(low.shape) < HOLES] = np.nan
        upsampled.append(scene.quality(backend("numpy").upsample(low, picture)).at_edges)
        held = np.where((rng.random(scene.truth.shape) < HELD) | ~scene.known, np.nan, scene.truth)
        inpainted.append(scene.quality(backend("numpy").inpaint(held.astype(np.float32), picture)[0]).at_edges)
    return 100 * float(np.mean(upsampled)), 100 * float(np.mean(inpainted))


def times(path: Path) -> list[Row]:
    """Measure decoding a photo of 12 megapixels to the size of a network's input and of a map."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (378, 504, 3), np.uint8)).resize((4032, 3024))
    noisy = np.asarray(picture).astype(np.int16) + rng.normal(0, 3, (3024, 4032, 1)).astype(np.int16)
    picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    out = []
    for name, options in (("", {}), (", progressive", {"progressive": True})):
        picture.save(path, quality=92, **options)
        for what, size in (("a network's input, 518×392", (518, 392)), ("a guide, 768×576", (768, 576)),
                           ("a guide, 1920×1440", (1920, 1440))):
            least = [float("inf")] * 2
            for _ in range(ROUNDS):
                for n, guide in enumerate(guides(path)):
                    start = time.process_time()
                    guide.at(*size)
                    least[n] = min(least[n], time.process_time() - start)
            out += [Row(f"12 MP JPEG{name} → {what}: whole picture decoded", 1e3 * least[0], "ms", "", True),
                    Row("… decoded at the scale", 1e3 * least[1], "ms", "", True),
                    Row("… against the whole", least[1] / least[0], "×", "", True)]
    return out


def main() -> None:
    scene = rivals.motorcycle()
    with tempfile.TemporaryDirectory(prefix="gpudepth-bench-") as folder:
        path = Path(folder) / "photo.jpg"
        print("\n\n".join(table(rows) for rows in ([] if scene is None else [edges(scene, path)]) + [times(path)]))


if __name__ == "__main__":
    main()
