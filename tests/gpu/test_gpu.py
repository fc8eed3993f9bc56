"""On a real GPU, where there is one: every vector of the CPU's proofs again, and the ring under load."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_kit import both, cases, same

from gpudepth.compute import probe
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS

pytestmark = pytest.mark.gpu
TWIN = NumpyBackend()
RULE = Linear(65535, 1 / 12, 2.0, invalid=(0,))


@pytest.fixture(scope="module")
def gpu() -> KernelBackend:
    step = probe.failed()
    if step is not None:
        pytest.skip(f"no GPU: {step.name}: {step.said}")
    return probe.kernels()


@pytest.mark.parametrize("seed", range(40))
def test_the_same_bits_as_numpy(gpu: KernelBackend, seed: int) -> None:
    for name, args in cases(np.random.default_rng(seed)):
        both(gpu, name, *args)


def test_every_16_bit_code(gpu: KernelBackend) -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for reciprocal in (False, True):
        rule = Linear(65535, 0.3, 7.0, reciprocal=reciprocal)
        for fmt in (HDIS, FDIS):
            same(gpu.convert(codes, rule, fmt), TWIN.convert(codes, rule, fmt))


def test_what_lies_there_stays_there(gpu: KernelBackend) -> None:
    import cupy

    codes = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)
    values: Any = gpu.convert(cupy.asarray(codes), RULE, HDIS)
    assert isinstance(values, cupy.ndarray)
    same(gpu.host(values), TWIN.convert(codes, RULE, HDIS))
    turned: Any = gpu.orient(values, 6)
    same(gpu.host(turned), TWIN.orient(TWIN.convert(codes, RULE, HDIS), 6))


@pytest.mark.parametrize("shape", [(7, 5), (256, 192), (1080, 1920), (3024, 4032)])
def test_the_ring_under_load(gpu: KernelBackend, shape: tuple[int, int]) -> None:
    """Many maps, each of its own numbers: a buffer that is reused too early shows."""
    number = 400 if shape[0] < 1000 else 40
    rng = np.random.default_rng(0)
    base = rng.integers(0, 60000, shape).astype(np.uint16)
    frames = (base + np.uint16(i) for i in range(number))
    for i, values in enumerate(gpu.convert_many(frames, RULE, HDIS)):
        same(values, TWIN.convert(base + np.uint16(i), RULE, HDIS))
