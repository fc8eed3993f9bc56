"""Measures conversion, range and quantisation of a 12-megapixel map on one thread against copying the same bytes.

    python -m benchmarks.conversion

A stage that reads r and writes w bytes is compared with `np.copyto` of (r + w) / 2 bytes, which moves the same number
of bytes. No stage can be much faster, and the ratio has the same meaning on each machine. Each run of a candidate uses
another map and target, as a run over many photos does, so that the cache holds nothing of the previous run. Candidates
alternate, and the least CPU time of all rounds counts, so that a busy machine has little effect.

"plain" is the straightforward numpy expression. "cv2.LUT" is OpenCV's table look-up of the same pixels (extra `bench`),
which is faster; gpudepth does not use it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.depth import numeric
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import HDIS, L008

try:
    import cv2
except ImportError:
    cv2 = None

WIDTH, HEIGHT = 4032, 3024
MAPS = 4        # 50 MB or more per candidate, which exceeds most caches
LAPS = 3
ROUNDS = 16

Run = Callable[[int], object]


@dataclass(frozen=True)
class Stage:
    """What to measure: runs by name, each called with the number of its map."""

    name: str
    bytes_per_pixel: int
    limit: float
    runs: dict[str, Run]


@dataclass(frozen=True)
class Row:
    """One stage: its milliseconds, and its limit in copies of the same bytes."""

    stage: str
    bytes_per_pixel: int
    copy: float
    ours: float
    limit: float
    plain: float
    opencv: float | None

    @property
    def ratio(self) -> float:
        """The time of gpudepth in copies."""
        return self.ours / self.copy

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its limit."""
        return self.ratio <= self.limit


def rows() -> list[Row]:
    """Measure all stages, which takes some ten seconds and 2 GB of memory."""
    if cv2 is not None:
        cv2.setNumThreads(1)
    cpu = NumpyBackend()
    gray = [_scene(i) for i in range(MAPS)]
    u8 = [(g * 255).astype(np.uint8) for g in gray]
    u16 = [(g * 65535).astype(np.uint16) for g in gray]
    depth = [g * np.float32(11.5) + np.float32(0.5) for g in gray]
    halves = [(1 / d).astype(np.float16) for d in depth]
    out16 = [np.zeros((HEIGHT, WIDTH), np.float16) for _ in range(MAPS)]
    ends8, ends16 = Linear(255, 1 / 12, 1 / 0.5), Linear(65535, 1 / 12, 1 / 0.5)
    metres = Linear(1, 0, 1, reciprocal=True, positive=True)
    lut8 = numeric.pack(numeric.code_values(ends8, 255), HDIS)
    lut16 = numeric.pack(numeric.code_values(ends16, 65535), HDIS)
    lo, hi = cpu.span(halves[0]).lo, cpu.span(halves[0]).hi
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    codes = numeric.store(np.where(np.isfinite(every), every, 0), lo, hi, 255)

    def whole(i: int) -> object:
        """Make stored codes of codes, over the range of the map."""
        kept = cpu.keep_codes(u16[i], ends16, HDIS)
        assert kept is not None
        return cpu.quantise(kept[0], kept[1].lo, kept[1].hi, L008)

    def in_two_steps(i: int) -> object:
        values, span = cpu.convert_span(u16[i], ends16, HDIS)
        return cpu.quantise(values, span.lo, span.hi, L008)

    def expression(source: list[Any], rule: Linear) -> Run:
        return lambda i: numeric.pack(numeric.values(source[i], rule), HDIS)

    def lut(source: list[Any], table: Any) -> Run | None:
        return (lambda i: cv2.LUT(source[i], table)) if cv2 is not None else None

    return _measure([
        _stage("u8 → hdis", 3, 5, ours=lambda i: cpu.convert(u8[i], ends8, HDIS, out=out16[i]),
               plain=expression(u8, ends8), opencv=lut(u8, lut8.view(np.int16))),
        _stage("u16 → hdis", 4, 6, ours=lambda i: cpu.convert(u16[i], ends16, HDIS, out=out16[i]),
               plain=expression(u16, ends16), opencv=lut(u16, lut16.view(np.int16))),
        _stage("f32 metres → hdis", 6, 9, ours=lambda i: cpu.convert(depth[i], metres, HDIS, out=out16[i]),
               plain=expression(depth, metres)),
        _stage("f16 min, max", 2, 1.5, ours=lambda i: cpu.span(halves[i]),
               plain=lambda i: (np.nanmin(halves[i]), np.nanmax(halves[i]))),
        _stage("f16 → L008", 3, 8, ours=lambda i: cpu.quantise(halves[i], lo, hi, L008),
               plain=lambda i: numeric.store(halves[i], lo, hi, 255),
               opencv=lut([h.view(np.uint16) for h in halves], codes)),
        _stage("u16 → L008 over its range; plain: in two steps", 3, 9, ours=whole, plain=in_two_steps,
               opencv=lut(u16, codes)),
    ])


def table(measured: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| stage, 4032×3024, one thread | B/px | copy, ms | gpudepth, ms | copies | limit | plain numpy, ms | "
             "cv2.LUT, ms |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for row in measured:
        opencv = "" if row.opencv is None else f"{row.opencv:.1f}"
        lines.append(f"| {row.stage} | {row.bytes_per_pixel} | {row.copy:.2f} | {row.ours:.1f} | **{row.ratio:.1f}** | "
                     f"{row.limit:g}{'' if row.holds else ' (missed)'} | {row.plain:.0f} | {opencv} |")
    return "\n".join(lines)


def _scene(seed: int) -> Any:
    """Return a smooth gray scene 0…1 with sensor noise, float32, whose neighbours are similar as in a real map."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    smooth = (np.sin(x / np.float32(400 + seed)) + np.cos(y / np.float32(300)) + 2) / 4
    noise = rng.normal(0, 0.002, (HEIGHT, WIDTH)).astype(np.float32)
    return np.clip(smooth + noise, 0, 1).astype(np.float32)


def _stage(name: str, bytes_per_pixel: int, limit: float, **candidates: Run | None) -> Stage:
    half = WIDTH * HEIGHT * bytes_per_pixel // 2
    sources = [np.full(half, i, np.uint8) for i in range(MAPS)]
    targets = [np.full(half, 9, np.uint8) for _ in range(MAPS)]
    runs: dict[str, Run] = {"copy": lambda i: np.copyto(targets[i], sources[i])}
    return Stage(name, bytes_per_pixel, limit, runs | {key: run for key, run in candidates.items() if run is not None})


def _measure(stages: list[Stage]) -> list[Row]:
    least = [dict.fromkeys(stage.runs, float("inf")) for stage in stages]
    for lap in range(LAPS):     # several, so that a slow moment of the machine does not affect all rounds of a stage
        for stage, best in zip(stages, least, strict=True):
            for turn in range(ROUNDS):
                for place, (name, run) in enumerate(stage.runs.items()):
                    if name == "plain" and (lap or turn >= 3):
                        continue    # slow, and only for comparison
                    start = time.thread_time()
                    run((turn + place) % MAPS)
                    best[name] = min(best[name], 1e3 * (time.thread_time() - start))
    return [Row(stage.name, stage.bytes_per_pixel, best["copy"], best["ours"], stage.limit, best["plain"],
                best.get("opencv")) for stage, best in zip(stages, least, strict=True)]


if __name__ == "__main__":
    print(table(rows()))
