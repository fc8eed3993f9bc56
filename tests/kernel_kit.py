"""Maps of every awkward kind, and the kernels on the CPU to compare back ends with."""

from __future__ import annotations

import os
import shutil
from typing import Any

import numpy as np
import pytest

from gpudepth.compute.hostcc import HostDevice
from gpudepth.compute.kernels import KernelBackend

F32 = np.float32


def host(schedule: int = 0, flags: tuple[str, ...] = ()) -> KernelBackend:
    """The kernels, built by g++. Without it the test is skipped; on CI it fails."""
    if shutil.which("g++") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs the program g++")
    return KernelBackend(HostDevice(schedule=schedule, flags=flags))


def same(ours: Any, theirs: Any) -> None:
    """The same type, shape and bits."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_array_equal(ours.view(f"u{ours.itemsize}"), theirs.view(f"u{theirs.itemsize}"))


def a_map(rng: np.random.Generator, shape: tuple[int, int], dtype: Any = F32, holes: float = 0.1) -> Any:
    """Values 0.1 to 5, sometimes with many that are equal, sometimes all; holes are NaN and infinities of both signs."""
    values = rng.uniform(0.1, 5, shape)
    kind = rng.integers(4)
    if kind == 0:
        values = np.round(values * 2) / 2
    elif kind == 1:
        values = np.full(shape, rng.uniform(1, 3))
    out = values.astype(dtype)
    gone = rng.random(shape) < holes
    out[gone] = rng.choice(np.array([np.nan, np.inf, -np.inf]), int(gone.sum()))
    if rng.random() < 0.3:
        out.flat[rng.integers(out.size)] = -0.0
    return out


def a_picture(rng: np.random.Generator, shape: tuple[int, int]) -> Any:
    """(H, W, 3) of noise, or of few colours."""
    picture = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    return picture if rng.random() < 0.5 else picture // 85 * 85


def shapes(rng: np.random.Generator) -> tuple[int, int]:
    """1×1, 1×N, N×1, odd, even, a multiple of four."""
    choice = rng.integers(6)
    if choice == 0:
        return 1, 1
    n, m = (int(x) for x in rng.integers(2, 40, 2))
    return [(1, n), (n, 1), (2 * n + 1, 2 * m + 1), (n, m), (4 * n, 4 * m)][choice - 1]
