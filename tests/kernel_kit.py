"""Maps of every awkward kind, and the kernels on the CPU to compare back ends with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.hostcc import HostDevice

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS, L008, L010, L012, L016, Quantity
from gpudepth.errors import GpudepthError
from gpudepth.resources import folder

F32 = np.float32
TWIN = NumpyBackend()


def host(schedule: int = 0, flags: tuple[str, ...] = ()) -> KernelBackend:
    """The kernels, built by g++. Without it the test is skipped; on CI it fails."""
    if shutil.which("g++") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs the program g++")
    return KernelBackend(HostDevice(schedule=schedule, flags=flags))


def without_barriers() -> dict[str, str]:
    """The text of the kernels by file name, with the barrier of orient.cu taken out: a race that tests have to find."""
    texts = {path.name: path.read_text() for path in folder("kernels").iterdir()}
    assert texts["orient.cu"].count("__syncthreads();") == 1
    return {**texts, "orient.cu": texts["orient.cu"].replace("__syncthreads();", "/* __syncthreads */")}


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


def both(kernels: KernelBackend, name: str, *args: Any, **options: Any) -> None:
    """The same result, or the same error."""
    results: list[Any] = []
    for backend in (kernels, TWIN):
        try:
            results.append(getattr(backend, name)(*args, **options))
        except GpudepthError as error:
            results.append(f"{type(error).__name__}: {error}")
    ours, theirs = results
    if isinstance(theirs, str):
        assert ours == theirs
    elif isinstance(theirs, tuple):
        same(kernels.host(ours[0]), theirs[0])
        assert repr(ours[1]) == repr(theirs[1])
    elif isinstance(theirs, np.ndarray):
        same(kernels.host(ours), theirs)
    else:
        assert repr(ours) == repr(theirs)


def cases(rng: np.random.Generator) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """One of each operation on maps of an awkward size."""
    shape = shapes(rng)
    large = tuple(int(n * f) for n, f in zip(shape, rng.uniform(1, 6, 2), strict=True))
    values, halves = a_map(rng, shape), a_map(rng, shape, np.float16)
    whole = np.where(np.isfinite(values), values, np.float32(1))
    small, picture = a_picture(rng, shape), a_picture(rng, large)       # type: ignore[arg-type]
    for dtype in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        codes = (rng.random(shape) * (255 if dtype == np.uint8 else 60000)).astype(dtype)
        rule = Linear(float(rng.choice([1, 255, 65535])), float(rng.uniform(0, 2)), float(rng.uniform(2, 9)),
                      reciprocal=bool(rng.integers(2)), positive=bool(rng.integers(2)), invalid=[(), (0,), (0, 255)][rng.integers(3)])
        for fmt in (HDIS, FDIS):
            yield "convert_span", (codes, rule, fmt)
    confidence = rng.integers(0, 3, shape).astype(np.uint8) * np.uint8(100)
    box = int(rng.integers(shape[1])), int(rng.integers(shape[0]))
    for native in (values, halves):
        yield "span", (native,)
        yield "clip", (native, 0.7, 3.3)
        yield "clip", (native, -1.0, 0.0)
        yield "mask", (native, confidence)
        yield "positive", (native,)
        yield "crop", (native, (*box, int(rng.integers(1, 1 + shape[1] - box[0])), int(rng.integers(1, 1 + shape[0] - box[1]))))
        yield "sample", (native, int(rng.integers(1, 40)))
        for fmt in (HDIS, FDIS):
            yield "cast", (native, fmt)
        yield "reciprocal_to", (native, HDIS)
        for how in ("nearest", "far", "near"):
            yield "fill", (native, how, Quantity.DISPARITY)
        for method in ("area", "bilinear", "nearest"):
            yield "resize", (native, large[1], large[0], method)
            yield "resize", (native, max(1, shape[1] // 3), max(1, shape[0] // 2), method)
    for stored in (L008, L010, L012, L016):
        yield "quantise", (whole, 0.5, 4.0, stored)
        yield "quantise", (values, 0.5, 4.0, stored)
    for orientation in range(1, 9):
        yield "orient", (values, orientation)
    confidence = rng.integers(0, 256, shape).astype(np.uint8)
    yield from [("upsample", (values, picture)), ("upsample", (values, picture, confidence)), ("inpaint", (values, small)),
                ("inpaint", (values,)), ("median", (values, 3)), ("median", (values, 5)), ("bilateral", (values, 3, small)),
                ("bilateral", (values, 1)), ("affine", (values, 1.7, -0.3)), ("blend", (values, whole, small, a_picture(rng, shape), 0.3))]
    later = np.where(rng.random((*shape, 1)) < 0.5, small, np.clip(small.astype(int) + rng.integers(-12, 13, small.shape), 0, 255)).astype(np.uint8)
    for limit in (0, 24, 96):
        yield "changes", (later, small, limit)
        yield "unchanged", (values, later, small, limit)
