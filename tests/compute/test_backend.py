"""Which back end is chosen, what is said about it, and that nothing depends on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from dng_kit import needs
from kernel_kit import host, same
from photo_kit import heic
from support import hostcc

import gpudepth
from gpudepth import compute
from gpudepth.compute import probe
from gpudepth.compute.cuda import CudaDevice
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import HDIS
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
    assert compute.backend().name == "numpy"


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


def test_what_lies_on_the_gpu_is_worked_on_there(gpu: None) -> None:
    there = cupy_on_cpu.ndarray(np.full((2, 2), 255, np.uint8))
    chosen = compute.backend(values=there)
    result: Any = chosen.convert(there, RULE, HDIS)     # type: ignore[arg-type]
    assert isinstance(result, cupy_on_cpu.ndarray)
    same(chosen.host(result), np.full((2, 2), 12, np.float16))


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
