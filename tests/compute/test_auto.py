"""Which back end is chosen, what is said about it, and that nothing depends on it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from dng_kit import needs
from kernel_kit import a_map, host, same
from photo_kit import heic
from support import hostcc

import gpudepth
from gpudepth import compute
from gpudepth.compute import auto, probe
from gpudepth.compute.auto import AutoBackend, smallest
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.cuda import CudaDevice
from gpudepth.compute.interface import Backend
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import FDIS, HDIS, L008, L016, Quantity
from gpudepth.errors import BackendError, UsageError

RULE = Linear(255, 0.5, 12.0)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is found once per process is found anew."""
    monkeypatch.delenv(probe.VARIABLE, raising=False)
    for cached in (probe._steps, probe.fallback):
        cached.cache_clear()
    yield
    for cached in (probe._steps, probe.fallback):
        cached.cache_clear()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU, as far as anybody can see."""
    host()
    for name, module in cupy_on_cpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(probe, "_driver", lambda: None)


def test_names() -> None:
    assert compute.backend("numpy").name == "numpy"
    with pytest.raises(UsageError, match="back end 'cuda' is unknown"):
        compute.backend("cuda")
    with pytest.raises(UsageError, match="0 threads"):
        compute.backend("numpy", threads=0)


def test_the_variable_decides_for_auto_only(monkeypatch: pytest.MonkeyPatch) -> None:
    host()
    monkeypatch.setenv(probe.VARIABLE, hostcc.NAME)
    assert compute.backend().name == hostcc.NAME
    assert compute.backend("numpy").name == "numpy"
    monkeypatch.setenv(probe.VARIABLE, "quantum")
    with pytest.raises(UsageError, match="back end 'quantum' is unknown"):
        compute.backend()
    monkeypatch.setenv(probe.VARIABLE, "")
    assert compute.backend().name in ("numpy", "auto")


def test_hostcc_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BackendError, match=r"need a C\+\+ compiler"):
        compute.backend(hostcc.NAME)


def test_without_cupy_nothing_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(probe.importlib.util, "find_spec", lambda name: None)
    assert compute.backend().name == "numpy"
    assert not caplog.records
    with pytest.raises(BackendError, match="cupy: CuPy is not installed; run pip install"):
        compute.backend("cupy")


def test_without_a_driver_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(probe.DRIVERS, sys.platform, "libnothing.so.1")
    monkeypatch.setattr(probe, "_installed", lambda: None)
    for _ in range(3):
        assert compute.backend().name == "numpy"
    assert [r.getMessage() for r in caplog.records] == [
        "no GPU is used (device: there is no NVIDIA driver: libnothing.so.1 cannot be loaded): "
        "numpy computes instead, with the same results; GPUDEPTH_BACKEND=numpy silences this"]


def test_real_cupy_without_a_driver() -> None:
    """The extra is installed and there is no GPU: auto works, cupy says why, and CuPy is never imported by auto."""
    needs("cupy")
    try:
        probe._driver()
    except probe.Missing:
        pass
    else:
        pytest.skip("there is a driver here")
    script = ("from gpudepth.compute import backend, probe; import sys; "
              "print(backend().name, 'cupy' in sys.modules, [(s.name, s.ok) for s in probe.steps()])\n"
              "backend('cupy')")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == ("numpy False [('wanted', True), ('cupy', True), ('device', False), ('capability', None), "
                           "('kernels', None), ('trial', None)]\n")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("no GPU is used (device: there is no NVIDIA driver")
    assert "BackendError: the back end cupy cannot be used: device: there is no NVIDIA driver" in lines[-1]


def test_real_cupy_s_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver library that can be loaded, and still no GPU: CuPy's runtime is asked."""
    needs("cupy")
    monkeypatch.setitem(probe.DRIVERS, sys.platform, None)
    monkeypatch.setattr(probe, "_driver", lambda: None)
    import cupy

    if cupy.cuda.is_available():
        pytest.skip("there is a GPU here")
    step = probe.failed()
    assert step is not None
    assert step.name == "device"
    assert "cudaError" in step.message


def test_all_steps(gpu: None) -> None:
    steps = probe.steps()
    assert [s.ok for s in steps] == [True] * 6
    assert steps[2].message == "Paper tiger, 8,192 MiB, driver for CUDA 12.9"
    assert steps[3].message == "8.0"
    assert probe.failed() is None
    assert compute.backend("cupy").name == "cupy"


def test_an_old_device(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy_on_cpu.modules(capability="37")["cupy"])
    step = probe.failed()
    assert step == probe.Step("capability", False, "the compute capability 3.7 is below 5.0")


def test_no_nvrtc_and_nothing_cached(gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def none() -> None:
        raise BackendError("NVRTC, which compiles the kernels, is not installed")

    monkeypatch.setenv("GPUDEPTH_CACHE", str(tmp_path))
    monkeypatch.setattr("gpudepth.compute.nvrtc.nvrtc", none)
    step = probe.failed()
    assert step is not None
    assert step.name == "kernels"
    assert "NVRTC, which compiles the kernels" in step.message


def test_wrong_numbers(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU whose arithmetic is not the contract's is not used."""
    real = KernelBackend.convert
    monkeypatch.setattr(KernelBackend, "convert", lambda *a, **k: real(*a, **k) + np.float16(1))
    step = probe.failed()
    assert step == probe.Step("trial", False, "64 pixels differ from those of numpy")


def test_a_broken_installation(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(CudaDevice, "__init__", broken)
    assert probe.failed() == probe.Step("device", False, "ZeroDivisionError: of all things")


def test_auto_falls_back_late(gpu: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What only the later steps see is said when a GPU would pay, once; and numpy does the work."""
    monkeypatch.setitem(sys.modules, "cupy", cupy_on_cpu.modules(capability="37")["cupy"])
    chosen = compute.backend()
    assert chosen.name == "auto"
    values = a_map(np.random.default_rng(0), (64, 64))
    for _ in range(2):
        same(chosen.median(values, 3), NumpyBackend().median(values, 3))
    assert [r.getMessage() for r in caplog.records] == [
        "no GPU is used (capability: the compute capability 3.7 is below 5.0): "
        "numpy computes instead, with the same results; GPUDEPTH_BACKEND=numpy silences this"]
    assert isinstance(chosen, AutoBackend)
    assert chosen.settled().name == "numpy"


class Counting:
    """Tells who was asked."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.asked = backend, list[str]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.backend, name)
        if callable(found) and not name.startswith("_"):
            self.asked.append(name)
        return found


def test_the_gpu_is_for_what_pays(gpu: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gpudepth")
    monkeypatch.setattr(auto, "trip", lambda kernels: (50_000.0, 0.1))
    numpy: Any = Counting(NumpyBackend())
    kernels: Any = Counting(probe.kernels())
    chosen = AutoBackend(numpy, lambda: kernels)
    codes = np.zeros((300, 400), np.uint8)
    values = np.ones((300, 400), np.float32)
    monkeypatch.setitem(auto.NANOSECONDS, "convert", 1.5)
    monkeypatch.setitem(auto.NANOSECONDS, "bilateral", 300.0)
    chosen.convert(codes, RULE, HDIS)           # 1.5 ns a pixel against 0.6 for copying: from 111,112 on
    chosen.convert(codes[:100], RULE, HDIS)     # too little
    chosen.span(np.ones((600, 800), np.float32))    # copying alone takes longer
    chosen.affine(values[:10], 2, 1)            # not asked
    chosen.bilateral(values[:50], 2)
    assert numpy.asked == ["convert", "span", "affine"]
    assert kernels.asked == ["convert", "bilateral"]
    said = [r.getMessage() for r in caplog.records]
    assert said == ["cupy: convert of 120,000 pixels; copying to the GPU pays from 111,111 pixels on",
                    "numpy: span of 480,000 pixels; copying to the GPU pays at no size",
                    "numpy: affine of 4,000 pixels are not enough for a GPU",
                    "cupy: bilateral of 20,000 pixels; copying to the GPU pays from 336 pixels on"]


def test_what_lies_on_the_gpu_is_worked_on_there(gpu: None) -> None:
    chosen = compute.backend()
    there = cupy_on_cpu.ndarray(np.full((2, 2), 255, np.uint8))
    result: Any = chosen.convert(there, RULE, HDIS)     # type: ignore[arg-type]
    assert isinstance(result, cupy_on_cpu.ndarray)
    same(chosen.host(result), np.full((2, 2), 12, np.float16))
    assert chosen.host(result[:1].memory) is not None


def test_sizes() -> None:
    assert smallest(10, 1000, 1) == pytest.approx(250)
    assert smallest(1, 1000, 0.5) == np.inf


def test_every_method_is_passed_on(gpu: None) -> None:
    """The same results, whoever does it."""
    rng = np.random.default_rng(5)
    values, whole = a_map(rng, (40, 50)), rng.uniform(1, 2, (40, 50)).astype(np.float32)
    picture = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    codes = rng.integers(0, 256, (40, 50)).astype(np.uint8)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("convert", (codes, RULE, HDIS)), ("convert_span", (codes, RULE, HDIS)), ("span", (values,)), ("quantise", (whole, 1, 2, L008)),
        ("load", (codes.astype(np.uint16), 1, 2, L016, HDIS)), ("reciprocal_to", (whole, FDIS)), ("orient", (values, 7)),
        ("fill", (values, "nearest", Quantity.DEPTH)), ("resize", (values, 30, 20)), ("upsample", (values, picture)),
        ("inpaint", (values, picture)), ("median", (values, 5)), ("bilateral", (values, 1)), ("affine", (values, 2, 1)),
        ("blend", (values, whole, picture, picture, 0.5))]
    for trip in ((0.0, 0.0), (1e12, 1e12)):
        chosen = AutoBackend(NumpyBackend())
        chosen._kernels()
        chosen._trip = trip
        for name, args in calls:
            ours, theirs = getattr(chosen, name)(*args), getattr(NumpyBackend(), name)(*args)
            if isinstance(theirs, tuple):
                assert repr(ours[1]) == repr(theirs[1])
                ours, theirs = ours[0], theirs[0]
            same(ours, theirs) if isinstance(theirs, np.ndarray) else None
        same(next(chosen.convert_many([codes], RULE, HDIS)), NumpyBackend().convert(codes, RULE, HDIS))


def test_a_full_gpu_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """For what lies on the host: numpy does it, and that is said once."""
    host()
    for name, module in cupy_on_cpu.modules(room=200_000).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(probe, "_driver", lambda: None)
    monkeypatch.setattr(auto, "trip", lambda kernels: (0.0, 0.0))
    chosen = compute.backend()
    values = np.ones((300, 400), np.float32)
    for _ in range(2):
        same(chosen.bilateral(values, 1), NumpyBackend().bilateral(values, 1))
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["no GPU is used (the memory of the GPU cannot hold another 480,000 bytes"]
    with pytest.raises(BackendError, match="cannot hold"):
        chosen.bilateral(cupy_on_cpu.ndarray(values), 1)    # type: ignore[arg-type]


def test_a_trip_that_fails_is_no_gpu(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(kernels: object) -> None:
        raise BackendError("out of order")

    monkeypatch.setattr(auto, "trip", fails)
    chosen = compute.backend()
    assert isinstance(chosen, AutoBackend)
    assert chosen.settled().name == "numpy"


def test_trip() -> None:
    latency, rate = auto.trip(host())
    assert latency > 0
    assert rate >= 0


def test_a_tensor_on_the_gpu_is_attached(gpu: None, tmp_path: Any) -> None:
    """A network's result goes in where it lies: through DLPack, or through CUDA's array interface."""
    photo = heic(tmp_path / "photo.heic", 96, 64)
    metres = np.linspace(1, 5, 48 * 32, dtype=np.float32).reshape(32, 48)
    gpudepth.attach(photo, metres, tmp_path / "numpy.heic", backend="numpy")
    wanted = (tmp_path / "numpy.heic").read_bytes()
    tensor: Any = SimpleNamespace(__dlpack_device__=lambda: (2, 0), memory=metres.copy(), dtype="torch.float32")
    for name, there in (("auto", tensor), ("cupy", cupy_on_cpu.ndarray(metres.copy()))):
        gpudepth.attach(photo, there, tmp_path / "gpu.heic", backend=name)
        assert (tmp_path / "gpu.heic").read_bytes() == wanted
    gray: Any = cupy_on_cpu.ndarray(metres / 5)
    gpudepth.attach(photo, gray, tmp_path / "gpu.heic", near=1, far=5, backend="auto")
    with pytest.raises(UsageError, match="gray is from 0 to 1"):
        gpudepth.attach(photo, tensor, tmp_path / "gpu.heic", near=1, far=5, backend="auto")
    with pytest.raises(BackendError, match="is on a GPU, but the back end numpy works on the host"):
        gpudepth.attach(photo, tensor, tmp_path / "gpu.heic", backend="numpy")
