"""The CUDA device's own text, on a stand-in for CuPy; a real GPU runs tests/gpu."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from kernel_kit import a_map, a_picture, both, cases, host, same

from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.cuda import CudaDevice
from gpudepth.compute.interface import on_gpu
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS, L008, L016, Quantity
from gpudepth.errors import BackendError, HolesError

TWIN = NumpyBackend()
RULE = Linear(65535, 1 / 12, 2.0)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> KernelBackend:
    host()  # g++ or a skip
    for name, module in cupy_on_cpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return KernelBackend(CudaDevice())


@pytest.mark.parametrize("seed", range(10))
def test_every_operation(gpu: KernelBackend, seed: int) -> None:
    """What tests/gpu asks of a GPU."""
    for name, args in cases(np.random.default_rng(seed)):
        both(gpu, name, *args)


def there(values: Any) -> cupy_on_cpu.ndarray:
    return cupy_on_cpu.ndarray(values.copy())


@pytest.mark.parametrize("seed", range(4))
def test_maps_on_the_host_go_there_and_back(gpu: KernelBackend, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 65536, (17, 23)).astype(np.uint16)
    same(gpu.convert(codes, RULE, HDIS), TWIN.convert(codes, RULE, HDIS))
    same(gpu.convert(codes.astype(">u2"), RULE, FDIS), TWIN.convert(codes, RULE, FDIS))
    values = a_map(rng, (17, 23))
    picture = a_picture(rng, (40, 50))
    same(gpu.upsample(values, picture), TWIN.upsample(values, picture))
    same(gpu.orient(values, 6), TWIN.orient(values, 6))


@pytest.mark.parametrize("seed", range(4))
def test_what_lies_there_stays_there(gpu: KernelBackend, seed: int) -> None:
    """Every operation on a map of the device gives a map of the device, with numpy's bits."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 65536, (19, 21)).astype(np.uint16)
    values = a_map(rng, (19, 21), holes=0.2)
    whole = np.where(np.isfinite(values), values, np.float32(1))
    halves = whole.astype(np.float16)
    small, large = a_picture(rng, (19, 21)), a_picture(rng, (44, 53))
    confidence = rng.integers(0, 256, (19, 21)).astype(np.uint8)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("convert", (codes, RULE, HDIS)), ("convert_span", (codes, RULE, HDIS)), ("span", (values,)),
        ("quantise", (halves, 0.5, 4.0, L008)), ("load", (codes, 0.5, 4.0, L016, HDIS)),
        ("reciprocal_to", (halves, FDIS)), ("reciprocal_to", (values, HDIS)), ("orient", (codes, 5)), ("orient", (values, 2)),
        ("fill", (values, "nearest", Quantity.DEPTH)), ("fill", (values, "far", Quantity.DEPTH)), ("fill", (whole, "near", Quantity.DISPARITY)),
        ("resize", (values, 9, 11, "area")), ("resize", (values, 40, 41, "bilinear")), ("resize", (values, 40, 41, "nearest")),
        ("upsample", (values, large)), ("upsample", (values, large, confidence)), ("inpaint", (values, small)), ("inpaint", (values,)),
        ("median", (values, 3)), ("bilateral", (values, 2, small)), ("bilateral", (values, 2)), ("affine", (values, 1.5, -0.5)),
        ("blend", (values, whole, small, small, 0.3)),
    ]
    for name, args in calls:
        theirs = getattr(TWIN, name)(*args)
        ours = getattr(gpu, name)(there(args[0]), *args[1:])
        pair = isinstance(theirs, tuple)
        if pair:
            assert repr(ours[1]) == repr(theirs[1]), name
            ours, theirs = ours[0], theirs[0]
        if isinstance(theirs, np.ndarray):
            assert isinstance(ours, cupy_on_cpu.ndarray), name
            same(gpu.host(ours), theirs)
        else:
            assert repr(ours) == repr(theirs)


def test_arrays_of_others_go_in_without_a_copy(gpu: KernelBackend) -> None:
    codes = np.arange(64, dtype=np.uint16).reshape(8, 8)
    by_interface = SimpleNamespace(__cuda_array_interface__={"memory": codes}, shape=codes.shape, dtype=codes.dtype, size=codes.size, itemsize=2)
    by_dlpack = SimpleNamespace(__dlpack_device__=lambda: (2, 0), memory=codes)
    assert gpu.device.own(by_interface).memory is codes
    assert gpu.device.own(by_dlpack).memory is codes
    assert on_gpu(by_interface)
    assert on_gpu(by_dlpack)
    assert not on_gpu(codes)
    assert not on_gpu(SimpleNamespace(__dlpack_device__=lambda: (1, 0)))
    turned = cupy_on_cpu.ndarray(codes.T)
    assert not turned.memory.flags.c_contiguous
    same(gpu.host(gpu.convert(turned, RULE, HDIS)), TWIN.convert(codes.T, RULE, HDIS))


def test_arrays_that_start_anywhere(gpu: KernelBackend) -> None:
    """Four pixels are loaded at once: a part of an array may not be aligned to that, and is copied."""
    flat = np.arange(65, dtype=np.uint16)
    part = cupy_on_cpu.ndarray(flat[1:].reshape(8, 8))
    taken = gpu.device.own(part)
    assert taken.data.ptr % 16 == 0
    same(gpu.host(gpu.convert(part, RULE, HDIS)), TWIN.convert(flat[1:].reshape(8, 8), RULE, HDIS))    # type: ignore[arg-type]


def test_arrays_that_cannot_be_taken(gpu: KernelBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        """torch's, when it wants a gradient."""

        shape, dtype = (2, 2), "torch.float32"

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        @property
        def __cuda_array_interface__(self) -> None:
            raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad")

    def refuses(values: object) -> None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    assert on_gpu(Tensor())
    monkeypatch.setattr(sys.modules["cupy"], "from_dlpack", refuses)
    with pytest.raises(BackendError, match=r"cannot be used.*detach"):
        gpu.convert(Tensor(), RULE, HDIS)    # type: ignore[arg-type]

    with cupy_on_cpu.Device(1):
        elsewhere = there(np.ones((2, 2), np.float32))
    with pytest.raises(BackendError, match="is on GPU 1, but GPU 0 computes"):
        gpu.span(elsewhere)    # type: ignore[arg-type]


def test_what_no_launch_has_room_for(gpu: KernelBackend) -> None:
    """Very tall maps and many invalid codes go by way of the host, and come back."""
    tall = np.arange(70000, dtype=np.float32).reshape(70000, 1)
    tall[5] = np.nan
    for name, args in (("convert", (RULE, HDIS)), ("span", ()), ("fill", ("far", Quantity.DEPTH)), ("inpaint", ()), ("orient", (6,)),
                       ("resize", (1, 10)), ("affine", (2, 1)), ("median", (3,)), ("reciprocal_to", (FDIS,)), ("convert_span", (RULE, FDIS))):
        ours, theirs = getattr(gpu, name)(there(tall), *args), getattr(TWIN, name)(tall, *args)
        if isinstance(theirs, tuple):
            assert repr(ours[1]) == repr(theirs[1])
            ours, theirs = ours[0], theirs[0]
        if isinstance(theirs, np.ndarray):
            assert isinstance(ours, cupy_on_cpu.ndarray), name
            same(gpu.host(ours), theirs)
        else:
            assert repr(ours) == repr(theirs)
    many = Linear(1, 0, 1, invalid=(1, 2, 3, 4, 5))
    same(gpu.host(gpu.convert(there(tall[:20]), many, FDIS)), TWIN.convert(tall[:20], many, FDIS))
    empty = np.zeros((3, 0), np.float32)
    for orientation in range(1, 9):
        same(gpu.orient(empty, orientation), TWIN.orient(empty, orientation))


def test_holes_are_an_error_there_too(gpu: KernelBackend) -> None:
    with pytest.raises(HolesError, match="1 of 4"):
        gpu.quantise(there(np.array([[1, 2], [np.nan, 3]], np.float32)), 0, 4, L008)


def test_no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in cupy_on_cpu.modules(largest=100).items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(BackendError, match="cannot hold another 400 bytes"):
        CudaDevice().empty((10, 10), np.float32)


def test_a_launch_that_no_gpu_takes(gpu: KernelBackend) -> None:
    with pytest.raises(ValueError, match="grid"):
        gpu.device.launch("convert", "span_f32", (1, 70000), (32, 1))


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="CuPy is not installed"):
        CudaDevice()
