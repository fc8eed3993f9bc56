"""Every kernel, built for the CPU, against numpy: the same bits, on thousands of seeded cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kernel_kit import a_map, a_picture, both, host, same, shapes, without_barriers
from support import hostcc

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS, L008, L010, L012, L016, Quantity
from gpudepth.errors import HolesError

TWIN = NumpyBackend()
SEEDS = range(8)
CASES = 8  # of a seed


@pytest.fixture(scope="module")
def kernels() -> KernelBackend:
    return host()


@pytest.mark.parametrize("seed", SEEDS)
def test_convert(kernels: KernelBackend, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = shapes(rng)
        for kind in ("u1", "u2", "f2", "f4", "f8", ">u2", ">f4"):
            if kind[-2] == "u":
                codes = rng.integers(0, 256 if kind == "u1" else 65536, shape).astype(kind)
            else:
                codes = a_map(rng, shape, kind)
            rule = Linear(float(rng.choice([255, 65535, 1, 256])), float(rng.uniform(0, 2)), float(rng.uniform(2, 9)),
                          reciprocal=bool(rng.integers(2)), positive=bool(rng.integers(2)),
                          invalid=[(), (0,), (0, 255), (0, 1, 2, 3, 4)][rng.integers(4)])
            factor = rng.uniform(0.5, 1, shape).astype(np.float32)
            for fmt in (HDIS, FDIS):
                both(kernels, "convert", codes, rule, fmt)
                both(kernels, "convert", codes, rule, fmt, factor=factor)
                both(kernels, "convert_span", codes, rule, fmt)


@pytest.mark.parametrize("seed", SEEDS)
def test_ranges_codes_and_reciprocals(kernels: KernelBackend, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = shapes(rng)
        for kind in ("f2", "f4"):
            values = a_map(rng, shape, kind, holes=rng.choice([0, 0, 0.1, 1]))
            both(kernels, "span", values)
            for fmt in (HDIS, FDIS):
                both(kernels, "reciprocal_to", values, fmt)
            for fmt in (L008, L010, L012, L016):
                lo, hi = sorted(rng.uniform(-1, 6, 2))
                both(kernels, "quantise", values, lo, hi, fmt)
                codes = rng.integers(0, (fmt.max_code or 0) + 1, shape).astype(fmt.dtype)
                both(kernels, "load", codes, lo, hi, fmt, HDIS)


@pytest.mark.parametrize("seed", SEEDS)
def test_orientation(kernels: KernelBackend, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = shapes(rng)
        for kind in ("u1", "u2", "f4", "f8"):
            values = rng.integers(0, 200, shape).astype(kind)
            for orientation in range(1, 9):
                both(kernels, "orient", values, orientation)
    both(kernels, "orient", np.zeros((2, 2), np.uint8), 9)


@pytest.mark.parametrize("seed", SEEDS)
def test_resize_and_fill(kernels: KernelBackend, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = shapes(rng)
        for kind in ("f2", "f4"):
            values = a_map(rng, shape, kind, holes=rng.choice([0, 0.1, 0.9, 1]))
            for method in ("area", "bilinear", "nearest", "cubic"):
                both(kernels, "resize", values, int(rng.integers(0, 50)), int(rng.integers(1, 50)), method)
            for how in ("nearest", "far", "near", "else"):
                for quantity in Quantity:
                    both(kernels, "fill", values, how, quantity)


@pytest.mark.parametrize("seed", SEEDS)
def test_refine(kernels: KernelBackend, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = shapes(rng)
        values = a_map(rng, shape, holes=rng.choice([0, 0.1, 0.5, 0.95, 1]))
        larger = shape[0] + int(rng.integers(-1, 50)), shape[1] + int(rng.integers(-1, 50))
        confidence = rng.integers(0, 256, shape).astype(np.uint8) if rng.integers(2) else None
        both(kernels, "upsample", values, a_picture(rng, (max(1, larger[0]), max(1, larger[1]))), confidence)
        picture = a_picture(rng, shape)
        for guide in (None, picture):
            both(kernels, "inpaint", values, guide)
            for radius in (0, 1, 3, 9):
                both(kernels, "bilateral", values, radius, guide)
        for size in (-3, 3, 4, 5):
            both(kernels, "median", values, size)
        both(kernels, "affine", values, rng.uniform(-1, 2), rng.uniform(-1, 1))
        before = (values * rng.uniform(0.9, 1.1, shape)).astype(np.float32)
        moved = np.clip(picture.astype(int) + rng.integers(-9, 9, picture.shape), 0, 255).astype(np.uint8)
        both(kernels, "blend", values, before, picture, moved, rng.uniform(0.1, 1))


def test_every_code_and_every_half(kernels: KernelBackend) -> None:
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
    for fmt in (HDIS, FDIS):
        both(kernels, "reciprocal_to", halves, fmt)
        both(kernels, "convert", halves.view(np.uint16), Linear(65535, 0.3, 20, reciprocal=True), fmt)
        both(kernels, "convert", halves, Linear(1, 0, 1, positive=True), fmt)
    finite = np.where(np.isfinite(halves), halves, np.float16(0))
    both(kernels, "quantise", finite, -3.0, 700.0, L016)


@pytest.mark.parametrize("schedule", [1, 2, 3, 4, 5])
def test_the_order_of_threads_changes_nothing(schedule: int) -> None:
    kernels, rng = host(schedule), np.random.default_rng(schedule)
    for _ in range(10):
        shape = shapes(rng)
        values = a_map(rng, shape)
        both(kernels, "span", values)
        both(kernels, "convert_span", rng.integers(0, 65536, shape).astype(np.uint16), Linear(65535, 0.5, 9), HDIS)
        for orientation in (5, 6, 7, 8):
            both(kernels, "orient", values, orientation)
        both(kernels, "fill", values, "nearest", Quantity.DEPTH)
        both(kernels, "inpaint", values)


def test_a_missing_barrier_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its barrier, the results of orient.cu depend on the order of threads, and are wrong."""
    for name, text in without_barriers().items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(hostcc, "folder", lambda _: tmp_path)
    values = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    results = [host(schedule, ("-DWITHOUT_BARRIERS",)).orient(values, 5) for schedule in range(5)]
    assert len({r.tobytes() for r in results}) > 1
    assert any((r != values.T).any() for r in results)


def test_padded_rows(kernels: KernelBackend) -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 256, (5, 13), np.uint8)
    for backend in (kernels, TWIN):
        scratch = np.full((5, 32), 7, np.float16)
        out = backend.convert(codes, Linear(255, 1, 2), HDIS, out=scratch[:, :13])
        same(out, TWIN.convert(codes, Linear(255, 1, 2), HDIS))
        assert (scratch[:, 13:] == 7).all()


def test_holes_are_named(kernels: KernelBackend) -> None:
    with pytest.raises(HolesError, match="1 of 4 pixels"):
        kernels.quantise(np.array([[1, 2], [np.nan, 3]], np.float32), 0, 1, L008)


def test_taller_than_a_grid(kernels: KernelBackend) -> None:
    """Falls back to the twin, silently: the bits are the same."""
    tall = np.linspace(1, 2, 70000, dtype=np.float32).reshape(-1, 1)
    for name, args in (("span", ()), ("orient", (6,)), ("resize", (1, 10)), ("median", (3,))):
        both(kernels, name, tall, *args)
    both(kernels, "orient", tall.reshape(1, -1), 6)
    both(kernels, "resize", tall[:10], 1, 70000, "bilinear")
