"""Compares guided upsampling with the filters of OpenCV's ximgproc (extra `bench`), each with its best settings.

    python -m benchmarks.rivals

The filters do not upsample: each starts from a map of full size, or from the samples.

    nearest, bilinear   holes filled from the nearest sample, then resized; the filter smooths the result
    samples             filter(samples, 0 elsewhere) / filter(1 at samples, 0 elsewhere): joint bilateral upsampling as
                        published, and the same with other linear filters; bilinear where no sample reaches

Each filter runs from each start with each combination of its grid below. The table has the result with the smallest
share of wrong pixels and the one with the smallest rms error. Both are chosen with knowledge of the truth, which
favours the filters: gpudepth has one setting for all scenes. The time of a filter is that of the filter alone, the time
of gpudepth that of the whole call.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gpudepth.compute import backend

from .scene import FACTOR, OFF, Quality, Scene

try:
    import cv2
except ImportError:
    cv2 = None

ROUNDS = 5
LINEAR = ("nearest", "bilinear", "samples")
MEDIAN = ("nearest", "bilinear")    # it is not linear and cannot be normalised

Settings = dict[str, float]


@dataclass(frozen=True)
class Rival:
    """A filter: `run(picture, map, **settings)`, its possible starts, and the settings to try."""

    name: str
    run: Callable[..., Any]
    starts: tuple[str, ...]
    grid: dict[str, tuple[float, ...]]

    def settings(self) -> Iterator[Settings]:
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))


@dataclass(frozen=True)
class Row:
    """A method and its result, or a note if it did not run."""

    name: str
    quality: Quality | None
    ms: float = 0.0
    note: str = ""


def motorcycle() -> Scene | None:
    """Return the scene, or None without samples."""
    folder = Path(os.environ.get("GPUDEPTH_SAMPLES", "/nonexistent")) / "depth"
    truth, picture = (folder / f"middlebury2014_MotorcycleQ_{name}" for name in ("disp0GT.pfm", "im0.png"))
    return Scene(truth, picture) if truth.is_file() and picture.is_file() else None


def rivals() -> list[Rival]:
    """Return the filters, with grids around the settings that documentation and papers suggest."""
    x = cv2.ximgproc
    return [
        Rival("jointBilateralFilter", _bilateral, LINEAR,
              {"sigmaColor": (5, 10, 20, 40), "sigmaSpace": (3, 6, 8, 12)}),
        Rival("guidedFilter", x.guidedFilter, LINEAR,
              {"radius": (1, 2, 4, 8, 16), "eps": (0.1, 0.3, 1, 10, 100, 1000, 10_000)}),
        Rival("fastGlobalSmootherFilter", _smoother, LINEAR,
              {"lambda": (1, 10, 30, 100, 1000), "sigma_color": (1, 2, 4, 5, 10)}),
        Rival("dtFilter (NC)", partial(x.dtFilter, mode=x.DTF_NC), LINEAR,
              {"sigmaSpatial": (4, 8, 16, 64, 128, 256), "sigmaColor": (5, 10, 20, 40, 80, 160)}),
        Rival("dtFilter (RF)", partial(x.dtFilter, mode=x.DTF_RF), LINEAR,
              {"sigmaSpatial": (4, 8, 16, 64, 128, 256), "sigmaColor": (5, 10, 20, 40, 80, 160)}),
        Rival("amFilter", x.amFilter, LINEAR, {"sigma_s": (1, 2, 4, 8, 16), "sigma_r": (0.02, 0.05, 0.1, 0.2, 0.4)}),
        Rival("weightedMedianFilter", x.weightedMedianFilter, MEDIAN,
              {"r": (4, 6, 8, 10, 12), "sigma": (10, 20, 25.5, 40)}),
        Rival("fastBilateralSolverFilter", _solver, MEDIAN,
              {"sigma_spatial": (8, 16), "sigma_luma": (8, 16), "sigma_chroma": (8,), "lambda_": (8, 128)}),
    ]


def rows(scene: Scene) -> list[Row]:
    """Measure gpudepth, resizing without a guide, and all filters."""
    cpu = backend("numpy")
    out = [Row(f"{method}, no guide", scene.quality(scene.resized(method)), _least(lambda m=method: scene.resized(m)))
           for method in ("nearest", "bilinear")]
    out.append(Row("**gpudepth**", scene.quality(cpu.upsample(scene.low, scene.picture)),
                   _least(lambda: cpu.upsample(scene.low, scene.picture))))
    if cv2 is None or not hasattr(cv2, "ximgproc"):
        return [*out, Row("OpenCV's filters", None, note="this OpenCV has no ximgproc: install opencv-contrib")]
    cv2.setNumThreads(1)
    starts = _starts(scene)
    for rival in rivals():
        out += _best(scene, rival, starts)
    return out


def table(measured: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [f"| method | off by > {OFF:g} px at edges, % | elsewhere, % | rms, px | mean, px | ms |",
             "|---|--:|--:|--:|--:|--:|"]
    for r in measured:
        if r.quality is None:
            lines.append(f"| {r.name} | {r.note} | | | | |")
        else:
            q = r.quality
            lines.append(f"| {r.name} | {100 * q.at_edges:.1f} | {100 * q.elsewhere:.2f} | {q.rms:.2f} | {q.mae:.2f} | "
                         f"{r.ms:.0f} |")
    return "\n".join(lines)


def _starts(scene: Scene) -> dict[str, tuple[Any, ...]]:
    samples, mask = np.zeros(scene.truth.shape, np.float32), np.zeros(scene.truth.shape, np.float32)
    there = np.isfinite(scene.low)
    middle = slice(FACTOR // 2, None, FACTOR)
    samples[middle, middle] = np.where(there, scene.low, 0)
    mask[middle, middle] = there
    bilinear = scene.resized("bilinear")
    return {"nearest": (scene.resized("nearest"),), "bilinear": (bilinear,), "samples": (samples, mask, bilinear)}


def _best(scene: Scene, rival: Rival, starts: dict[str, tuple[Any, ...]]) -> list[Row]:
    """Return the row with the fewest wrong pixels, and the row with the smallest rms error if it differs."""
    picture = scene.picture[..., ::-1].copy()
    tried: list[tuple[float, Quality, str, Settings]] = []
    for start, settings in itertools.product(rival.starts, rival.settings()):
        try:
            values = _filtered(rival, picture, starts[start], settings)
        except cv2.error as error:
            return [Row(rival.name, None, note=f"not in this build of OpenCV: {error.err.rpartition(': ')[2]}")]
        right = np.abs(values[scene.known] - scene.truth[scene.known]) <= OFF
        tried.append((1 - float(right.mean()), scene.quality(values), start, settings))
    fewest, smoothest = min(tried, key=lambda t: t[0]), min(tried, key=lambda t: t[1].rms)
    out = []
    for _, quality, start, settings in [fewest] if smoothest is fewest else [fewest, smoothest]:
        words = ", ".join(f"{key.rstrip('_')} {value:g}" for key, value in settings.items())
        out.append(Row(f"{rival.name}: {start}, {words}", quality,
                       _least(lambda f=starts[start], s=settings: _filtered(rival, picture, f, s))))
    return out


def _filtered(rival: Rival, picture: Any, start: tuple[Any, ...], settings: Settings) -> Any:
    if len(start) == 1:
        return rival.run(picture, start[0], **settings)
    samples, mask, otherwise = start
    mass = rival.run(picture, mask, **settings)
    with np.errstate(all="ignore"):
        return np.where(mass > 1e-12, rival.run(picture, samples, **settings) / mass, otherwise)


def _bilateral(picture: Any, values: Any, **settings: float) -> Any:
    return cv2.ximgproc.jointBilateralFilter(picture.astype(np.float32), values, -1, **settings)


def _smoother(picture: Any, values: Any, **settings: float) -> Any:
    return cv2.ximgproc.fastGlobalSmootherFilter(picture, values, settings["lambda"], settings["sigma_color"])


def _solver(picture: Any, values: Any, **settings: float) -> Any:
    return cv2.ximgproc.fastBilateralSolverFilter(picture, values, np.ones_like(values), **settings)


def _least(run: Callable[[], object]) -> float:
    """Return the CPU milliseconds of this thread."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return 1e3 * min(times)


if __name__ == "__main__":
    scene = motorcycle()
    print(table(rows(scene)) if scene else "needs Middlebury's motorcycle under GPUDEPTH_SAMPLES")
