"""Measures refining maps: quality on real scenes, also against other programs; time and memory.

    python -m benchmarks.refine

Quality is measured on Middlebury's motorcycle, whose disparity is known (`benchmarks.scene`). Without GPUDEPTH_SAMPLES
only times, memory and temporal smoothing are measured. One thread; times are the thread's CPU seconds.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpudepth.compute import backend
from gpudepth.compute.refine.align import align
from gpudepth.compute.refine.temporal import Temporal
from gpudepth.compute.stages import sampled
from gpudepth.compute.stages import scene as made_up
from gpudepth.depth.pixel_format import Quantity

from . import rivals
from .measure import Row, table
from .scene import Scene

try:
    import cv2
except ImportError:
    cv2 = None

F32 = np.float32
SIZES = (((1440, 1920), 2.0), ((3024, 4032), 10.0))     # video frame and photo of a phone; limit in seconds
MEMORY = 100.0                                          # limit in MB above the result
PATTERNS = ("a tenth at random", "nine tenths at random", "blocks", "behind edges")
SEEDS, OUTLIERS, NOISE, MOST_OFF = 20, 0.2, 0.01, 0.5   # for aligning; the last in percent
FRAMES, CUT, SHAPE = 40, 20, (240, 320)                 # for a sequence


def cost() -> list[Row]:
    """Measure seconds and memory of guided upsampling from 256×192."""
    out = []
    for (height, width), limit in SIZES:
        gray, guide = made_up(height, width, np.random.default_rng(0))
        clean = sampled(1 / (F32(0.5) + F32(7.5) * gray), 192, 256)
        rng = np.random.default_rng(1)
        noisy = (clean * rng.normal(1, 0.1, clean.shape)).astype(F32)
        noisy[rng.random(clean.shape) < 0.1] = np.nan
        del gray
        for kind, low in (("clean", clean), ("10 % noise, 10 % holes", noisy)):
            out += _cost(f"256×192 → {width}×{height}, {kind}", low, guide, limit)
    real = _phone()
    return out if real is None else [*_cost("256×192 → 1920×1440, a phone's", *real, SIZES[0][1]), *out]


def _cost(name: str, low: Any, guide: Any, limit: float) -> list[Row]:
    seconds = min(_seconds(lambda: backend("numpy").upsample(low, guide)) for _ in range(3))
    tracemalloc.start()     # numpy reports each array to it
    result = backend("numpy").upsample(low, guide)
    above = (tracemalloc.get_traced_memory()[1] - result.nbytes) / 1e6
    tracemalloc.stop()
    return [Row(name, seconds, "s", f"≤ {limit:g} s", seconds <= limit),
            Row(f"{name}: memory above the result", above, "MB", f"≤ {MEMORY:g} MB", above <= MEMORY)]


def _phone() -> tuple[Any, Any] | None:
    """Return disparity and picture of a frame of a phone with a laser scanner."""
    folder = Path(os.environ.get("GPUDEPTH_SAMPLES", "/nonexistent")) / "depth"
    depth, picture = folder / "arkit_lidar_depth_promptda.png", folder / "arkit_lidar_color_promptda.jpg"
    if not (depth.is_file() and picture.is_file()):
        return None
    millimetres = np.asarray(Image.open(depth)).astype(F32)
    return F32(1000) / millimetres, np.asarray(Image.open(picture).convert("RGB"))


def holes(scene: Scene) -> str:
    """Measure filling held-out pixels in four patterns."""
    lines = ["| held out | method | rms, px | mean, px | ms |", "|---|---|--:|--:|--:|"]
    for kind in PATTERNS:
        held = scene.held_out(kind)
        holed = np.where(held | ~scene.known, np.nan, scene.truth).astype(F32)
        for name, run in _fillers(holed, scene.picture).items():
            ms = 1e3 * min(_seconds(run) for _ in range(3))
            error = run()[held] - scene.truth[held]
            rms, mean = np.sqrt(np.mean(error**2)), np.abs(error).mean()
            lines.append(f"| {kind} | {name} | {rms:.2f} | {mean:.2f} | {ms:.0f} |")
    return "\n".join(lines)


def _fillers(holed: Any, picture: Any) -> dict[str, Callable[[], Any]]:
    cpu = backend("numpy")
    out: dict[str, Callable[[], Any]] = {
        "**inpaint, guide**": lambda: cpu.inpaint(holed, picture)[0],
        "inpaint, no guide": lambda: cpu.inpaint(holed)[0],
        "fill nearest": lambda: cpu.fill(holed, "nearest", Quantity.DISPARITY)[0]}
    if cv2 is not None:
        cv2.setNumThreads(1)
        mask = np.isnan(holed).astype(np.uint8)
        values = np.where(mask, F32(0), holed)
        for name, method in (("Navier-Stokes", cv2.INPAINT_NS), ("Telea", cv2.INPAINT_TELEA)):
            out[f"cv2.inpaint, {name}, radius 3"] = lambda m=method: cv2.inpaint(values, mask, 3, m)
    return out


def aligned(scene: Scene) -> list[Row]:
    """Align a distorted copy by samples of which a fifth are wrong; return the worst errors of scale and shift."""
    metric = np.where(scene.known, scene.truth, np.nan).astype(F32) / F32(100)
    out = []
    for name, shape, points in (("every pixel", metric.shape, None), ("62×92 samples", (62, 92), None),
                                ("500 points", metric.shape, 500)):
        for kind in ("anything", "twice as near"):
            worst = np.zeros(2)
            for seed in range(SEEDS):
                worst = np.maximum(worst, _misaligned(metric, shape, points, kind, np.random.default_rng(seed)))
            for what, error in zip(("scale", "shift"), 100 * worst, strict=True):
                out.append(Row(f"{name}, outliers {kind}: {what}", float(error), "%", f"≤ {MOST_OFF} %",
                               bool(error <= MOST_OFF)))
    return out


def _misaligned(metric: Any, shape: tuple[int, int], points: int | None, kind: str, rng: np.random.Generator) -> Any:
    """Return the errors of scale and shift for one seed."""
    scale, shift = rng.uniform(0.01, 3), rng.uniform(0.02, 0.2)
    relative = ((metric - F32(shift)) / F32(scale)).astype(F32)
    samples = sampled(metric, *shape) * rng.normal(1, NOISE, shape).astype(F32)
    if points is not None:
        samples[rng.random(shape) >= points / samples.size] = np.nan
    wrong = rng.random(shape) < OUTLIERS
    samples[wrong] = 2 * samples[wrong] if kind == "twice as near" else np.where(
        np.isnan(samples[wrong]), np.nan, rng.uniform(0, 2, int(wrong.sum())))
    found = align(relative, samples)
    return np.array([abs(found.scale / scale - 1), abs(found.shift / shift - 1)])


def in_time() -> list[Row]:
    """Smooth frames of a box that moves before a still scene, with one cut: with noise, then also changing scales."""
    out = []
    for name, jumps in (("1 % noise", False), ("a scale and shift of its own each", True)):
        rng = np.random.default_rng(0)
        frames = [_frame(k, jumps, rng) for k in range(FRAMES)]
        temporal = Temporal(backend("numpy"), rescale=jumps)
        results = [temporal.push(values, picture) for values, picture, *_ in frames]
        values, cuts = [r.values for r in results], [k for k, r in enumerate(results) if r.cut]
        before, after = _flicker([f[0] for f in frames], frames), _flicker(values, frames)
        as_given = cuts == [0, CUT] and np.array_equal(values[CUT], frames[CUT][0])
        out += [Row(f"{name}: flicker as given", before, "%", "", True),
                Row(f"{name}: flicker of what comes out", after, "%", "≤ 0.4 of it", after <= 0.4 * before),
                Row(f"{name}: cuts found", len(cuts) - 1, "", f"one, frame {CUT} as given", as_given),
                *_faithful(name, values, frames)]
    return out


def _frame(k: int, jumps: bool, rng: np.random.Generator) -> tuple[Any, Any, Any, Any]:
    """Return values, picture, the truth without noise and scale, and where the box is or just was."""
    gray, picture = made_up(*SHAPE, np.random.default_rng(7))
    truth = 1 / (F32(0.5) + F32(7.5) * gray)
    if k >= CUT:
        truth, picture = truth[::-1].copy(), 255 - picture[::-1]
    box, was = (np.zeros(SHAPE, bool) for _ in range(2))
    box[90:150, 6 * k : 6 * k + 50] = was[90:150, max(0, 6 * k - 6) : 6 * k + 50] = True
    truth[box], picture = 3, np.where(box[..., None], np.uint8([250, 30, 200]), picture)
    picture = np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8)
    scale, shift = (rng.uniform(0.7, 1.4), rng.uniform(0, 0.1)) if jumps else (1, 0)
    values = (truth * rng.normal(1, 0.01, SHAPE) * scale + shift).astype(F32)
    return values, picture, truth, was


def _flicker(values: list[Any], frames: list[Any]) -> float:
    """Return the rms change between frames where nothing moves and no cut is, in percent of the median disparity."""
    changes = [((values[k] - values[k - 1]) / np.median(values[k - 1]))[~frames[k][3]]
               for k in range(1, len(values)) if k != CUT]
    return 100 * float(np.sqrt(np.mean(np.concatenate(changes) ** 2)))


def _faithful(name: str, values: list[Any], frames: list[Any]) -> list[Row]:
    """Return the error behind the box, and the drift of the scale from that of the first frame, up to the cut."""
    fits = [align(f[2], v) for v, f in zip(values[:CUT], frames[:CUT], strict=True)]
    off = [(v / (fit.scale * f[2] + fit.shift) - 1)[f[3]] for v, f, fit in zip(values, frames, fits, strict=False)]
    ghost = 100 * float(np.mean(np.abs(np.concatenate(off)) > 0.05))
    drift = 100 * abs(fits[-1].scale / fits[0].scale - 1)
    return [Row(f"{name}: more than 5 % off where the box is or was", ghost, "% of its pixels", "≤ 1 %", ghost <= 1),
            Row(f"{name}: drift of the scale over {CUT} frames", drift, "%", "", True)]


def _seconds(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start


def main() -> None:
    scene = rivals.motorcycle()
    parts = [("Time and memory of guided upsampling", table(cost())), ("Frames in time", table(in_time()))]
    if scene is not None:
        parts = [("Guided upsampling, 8×, a tenth of the samples missing", rivals.table(rivals.rows(scene))), parts[0],
                 ("Filling holes", holes(scene)), ("Aligning", table(aligned(scene))), parts[1]]
    print("\n\n".join(f"### {title}\n\n{text}" for title, text in parts))


if __name__ == "__main__":
    main()
