"""On a real GPU, where there is one: the operations on awkward maps, from the host and from the device; every way in;
the ring under load."""

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
from gpudepth.errors import GpudepthError

pytestmark = pytest.mark.gpu
TWIN = NumpyBackend()
RULE = Linear(65535, 1 / 12, 2.0, invalid=(0,))


@pytest.fixture(scope="module")
def gpu() -> KernelBackend:
    step = probe.failed()
    if step is not None:
        pytest.skip(f"no GPU: {step.name}: {step.message}")
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


@pytest.mark.parametrize("seed", range(10))
def test_what_lies_there_stays_there(gpu: KernelBackend, seed: int) -> None:
    import cupy

    for name, args in cases(np.random.default_rng(100 + seed)):
        try:
            theirs = getattr(TWIN, name)(*args)
        except GpudepthError as error:
            with pytest.raises(type(error)):
                getattr(gpu, name)(cupy.asarray(args[0]), *args[1:])
            continue
        ours = getattr(gpu, name)(cupy.asarray(args[0]), *args[1:])
        if isinstance(theirs, tuple):
            assert repr(ours[1]) == repr(theirs[1]), name
            ours, theirs = ours[0], theirs[0]
        if isinstance(theirs, np.ndarray):
            assert isinstance(ours, cupy.ndarray), name
            same(gpu.host(ours), theirs)


def test_ways_in(gpu: KernelBackend) -> None:
    """By CUDA's interface and DLPack, from any address, strided, from a stream of its own, in any byte order."""
    import cupy

    codes = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    wanted = TWIN.convert(codes, RULE, HDIS)

    class Other:
        def __init__(self, array: Any) -> None:
            self.__cuda_array_interface__ = array.__cuda_array_interface__
            self.shape, self.dtype, self.array = array.shape, array.dtype, array

    class ByDlpack:
        def __init__(self, array: Any) -> None:
            self.shape, self.dtype, self.array = array.shape, "torch.uint16", array

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

        def __dlpack__(self, **options: Any) -> Any:
            return self.array.__dlpack__(**options)

    there = cupy.asarray(codes)
    offset = cupy.empty(codes.size + 1, np.uint16)
    offset[1:] = there.ravel()
    for array in (Other(there), ByDlpack(there), offset[1:].reshape(codes.shape), cupy.asfortranarray(there)):
        same(gpu.host(gpu.convert(array, RULE, HDIS)), wanted)    # type: ignore[arg-type]
    with cupy.cuda.Stream(non_blocking=True) as stream:
        made = there + np.uint16(0)
        same(gpu.host(gpu.convert(made, RULE, HDIS)), wanted)
        stream.synchronize()
    same(gpu.convert(codes.astype(">u2"), RULE, HDIS), wanted)
    padded = np.zeros((24, 40), np.float16)
    gpu.convert(codes, RULE, HDIS, out=padded[:, :32])
    same(np.ascontiguousarray(padded[:, :32]), wanted)
    factor = np.linspace(0.5, 1, codes.size, dtype=np.float32).reshape(codes.shape)
    same(gpu.convert(codes, RULE, FDIS, factor=factor), TWIN.convert(codes, RULE, FDIS, factor=factor))


def test_tall_maps(gpu: KernelBackend) -> None:
    import cupy

    tall = np.random.default_rng(0).random((70000, 3)).astype(np.float32)
    for values in (tall, cupy.asarray(tall)):
        same(gpu.host(gpu.median(values, 3)), TWIN.median(tall, 3))
        assert repr(gpu.span(values)) == repr(TWIN.span(tall))
