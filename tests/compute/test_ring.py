"""The ring: order, reuse of slots, errors on the way; on streams that run late and on hostcc."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from kernel_kit import host, same

from gpudepth.compute import launch
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.cuda import CudaDevice
from gpudepth.compute.kernels import KernelBackend
from gpudepth.compute.launch import Ring
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS

TWIN = NumpyBackend()
RULE = Linear(65535, 1 / 12, 2.0, invalid=(0,))


@pytest.fixture(params=["cupy", "hostcc"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KernelBackend:
    if request.param == "hostcc":
        return host()
    host()
    for name, module in cupy_on_cpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return KernelBackend(CudaDevice())


def some_maps(seed: int, number: int = 20) -> list[Any]:
    """Sizes and types that stay the same for a while, and then do not."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(number):
        shape = [(12, 16), (12, 16), (7, 31)][i // 5 % 3]
        dtype = [np.uint16, np.uint16, np.float32, np.uint8][i // 7 % 4]
        out.append((rng.random(shape) * 200).astype(dtype))
    return out


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_of_maps(kernels: KernelBackend, seed: int) -> None:
    cupy_on_cpu.Stream.chance = np.random.default_rng(seed)
    maps = some_maps(seed)
    ours = list(kernels.convert_many(iter(maps), RULE, HDIS))
    theirs = list(TWIN.convert_many(iter(maps), RULE, HDIS))
    assert len(ours) == len(theirs) == len(maps)
    for a, b in zip(ours, theirs, strict=True):
        same(a, b)


def test_the_caller_may_reuse_its_array(kernels: KernelBackend) -> None:
    codes = np.zeros((6, 8), np.uint16)

    def frames() -> Iterator[Any]:
        for i in range(12):
            codes[...] = i
            yield codes

    for i, values in enumerate(kernels.convert_many(frames(), RULE, FDIS)):
        same(values, TWIN.convert(np.full((6, 8), i, np.uint16), RULE, FDIS))


def test_results_are_the_caller_s(kernels: KernelBackend) -> None:
    results = list(kernels.convert_many([np.full((4, 4), 5000 * i, np.uint16) for i in range(1, 9)], RULE, HDIS))
    assert len({float(r[0, 0]) for r in results}) == 8
    assert len({r.ctypes.data for r in results}) == 8


def test_what_the_ring_cannot_take_goes_alone(kernels: KernelBackend) -> None:
    maps = [np.full((3, 3), 5, np.uint16), np.zeros((0, 4), np.uint16), np.full((70000, 1), 7, np.uint16),
            np.full((3, 3), 9, np.uint16)]
    for ours, theirs in zip(kernels.convert_many(maps, RULE, HDIS), TWIN.convert_many(maps, RULE, HDIS), strict=True):
        same(ours, theirs)


def test_an_error_at_the_source(kernels: KernelBackend) -> None:
    """What was begun is waited for, and the ring can go on."""
    def broken() -> Iterator[Any]:
        yield np.ones((4, 4), np.uint16)
        yield np.ones((4, 4), np.uint16)
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="ends here"):
        list(kernels.convert_many(broken(), RULE, HDIS))
    assert len(list(kernels.convert_many([np.ones((4, 4), np.uint16)], RULE, HDIS))) == 1


def test_at_most_three_are_taken_ahead(kernels: KernelBackend) -> None:
    taken = 0

    def frames() -> Iterator[Any]:
        nonlocal taken
        for _ in range(10):
            taken += 1
            yield np.ones((4, 4), np.uint16)

    for given, _ in enumerate(kernels.convert_many(frames(), RULE, HDIS), start=1):
        assert taken <= given + launch.SLOTS


def test_memory_that_others_still_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that lies on the device leaves a block behind, on its own stream; the ring must not take that one."""
    host()
    for seed in range(40):
        cupy_on_cpu.Stream.chance = np.random.default_rng(seed)
        for name, module in cupy_on_cpu.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        kernels, rule = KernelBackend(CudaDevice()), Linear(1, 0, 1)
        kernels.convert(cupy_on_cpu.ndarray(np.ones((6, 8), np.float32)), rule, FDIS)    # type: ignore[arg-type]
        there: Any = cupy_on_cpu.ndarray(np.full((6, 8), 1.0))
        first, second = kernels.convert_many([there, np.full((6, 8), 2, np.float32)], rule, FDIS)
        same(kernels.host(first), np.ones((6, 8), np.float32))
        same(second, np.full((6, 8), 2, np.float32))


def test_work_that_fails_is_waited_for(kernels: KernelBackend) -> None:
    def fails(codes: Any) -> Any:
        raise ValueError("no such kernel")

    ring = Ring(kernels.device, fails)
    with pytest.raises(ValueError, match="no such kernel"):
        list(ring.run([np.ones((4, 4), np.float32)]))
    assert all(slot.done is None for slot in ring._slots)


class Hasty(Ring):
    """Does not wait for a slot's event."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for slot in self._slots:
            slot.finish = lambda slot=slot: slot.back.copy()  # type: ignore[method-assign]


def test_a_ring_that_does_not_wait_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's streams are late enough to show it."""
    host()
    for name, module in cupy_on_cpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("gpudepth.compute.kernels.Ring", Hasty)
    kernels = KernelBackend(CudaDevice())
    maps = some_maps(1)
    ours = list(kernels.convert_many(maps, RULE, HDIS))
    theirs = list(TWIN.convert_many(maps, RULE, HDIS))
    assert any((a.view("u2") != b.view("u2")).any() for a, b in zip(ours, theirs, strict=True))
