"""Defines what the benchmarks of attaching share: a row of a table, a map, and medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpudepth.attachment.encode import encode_map
from gpudepth.attachment.prepare import prepare_map
from gpudepth.compute import Backend
from gpudepth.containers.base import CodedMap, Container, Picture
from gpudepth.settings.settings import Settings

RUNS = 9


@dataclass(frozen=True)
class Row:
    """One measurement: seconds, and the limit to keep."""

    name: str
    value: float
    unit: str
    limit: str
    holds: bool


def values(seed: int = 0) -> Any:
    """Return (576, 768) values 0…1 like those of a network: smooth surfaces, a few edges, a little noise."""
    y, x = np.mgrid[:576, :768]
    depth = 0.3 + 0.4 * y / 576 + 0.1 * np.sin((x + 37 * seed) / 60)
    depth[(x - 380) ** 2 + (y - 300) ** 2 < 150**2] = 0.15
    return np.clip(depth + np.random.default_rng(seed).normal(0, 0.002, depth.shape), 0, 1)


def gray(path: Path, seed: int = 0) -> Path:
    """Write the values as a 16-bit map."""
    Image.fromarray((values(seed) * 65535).astype(np.uint16)).save(path)
    return path


def coded_map(depth: Any, picture: Picture, settings: Settings, backend: Backend, container: Container) -> CodedMap:
    """Return a map as a container stores it for a picture."""
    frame = (picture.width, picture.height)
    return encode_map(prepare_map(depth, frame, settings, backend), picture, settings, backend, container)[0]


def median(run_: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median wall seconds after a warm-up."""
    run_()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run_()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def least(run_: Callable[[], object], runs: int = 25) -> float:
    """Return the least processor seconds, which other programs affect least."""
    run_()
    times = []
    for _ in range(runs):
        start = time.process_time()
        run_()
        times.append(time.process_time() - start)
    return min(times)


def table(measured: list[Row]) -> str:
    lines = ["| | measured | must hold | |", "|---|--:|--:|---|"]
    for r in measured:
        lines.append(f"| {r.name} | {r.value:.4g} {r.unit} | {r.limit} | {'' if r.holds else '**missed**'} |")
    return "\n".join(lines)
