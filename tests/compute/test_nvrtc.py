"""NVRTC itself: what is built for which device, and what the cache believes. No GPU is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpudepth.compute import nvrtc
from gpudepth.compute.nvrtc import Nvrtc, cubin
from gpudepth.errors import BackendError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, and NVRTC or a skip; on CI it has to be there."""
    try:
        nvrtc.nvrtc()
    except BackendError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    monkeypatch.setenv("GPUDEPTH_CACHE", str(tmp_path))
    nvrtc._folder.cache_clear()
    yield tmp_path
    nvrtc._folder.cache_clear()


def test_a_cubin_is_built_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cubin("store", 80)
    assert path.parent == folder
    assert path.read_bytes()[:4] == b"\x7fELF"
    monkeypatch.setattr(Nvrtc, "compile", lambda *_: pytest.fail("compiled again"))
    assert cubin("store", 80) == path


def test_the_cache_hangs_on_all_source_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that changes makes another cubin; CuPy's own cache would not see it."""
    before = cubin("store", 80)
    changed = dict(nvrtc.texts())
    changed["numeric.cuh"] += "\n// another text\n"
    monkeypatch.setattr(nvrtc, "texts", lambda: changed)
    assert cubin("store", 80) != before
    monkeypatch.setattr(nvrtc, "FLAGS", (*nvrtc.FLAGS, "--extra-device-vectorization"))
    assert len({before, cubin("store", 80)}) == 2


@pytest.mark.parametrize(("capability", "target"), [(80, "sm_80"), (103, "compute_101"), (88, "compute_80"), (200, "compute_120")])
def test_devices_between_and_beyond(monkeypatch: pytest.MonkeyPatch, capability: int, target: str) -> None:
    """The nearest older architecture's PTX runs on any newer device."""
    asked: list[str] = []

    def compile_(self: Nvrtc, module: str, target: str) -> bytes:
        asked.append(target)
        return b"code"

    monkeypatch.setattr(Nvrtc, "architectures", lambda self: (70, 75, 80, 90, 100, 101, 120))
    monkeypatch.setattr(Nvrtc, "compile", compile_)
    path = cubin("store", capability)
    assert asked == [target]
    assert path.suffix == (".cubin" if target.startswith("sm_") else ".ptx")


def test_a_device_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nvrtc, "architectures", lambda self: (75, 80))
    with pytest.raises(BackendError, match=r"does not know compute capability 6\.1 \(install an older CUDA toolkit\)"):
        cubin("store", 61)


def test_without_nvrtc_what_is_cached_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise BackendError("NVRTC, which compiles the kernels, is not installed")

    path = cubin("store", 90)
    monkeypatch.setattr(nvrtc, "nvrtc", none)
    assert cubin("store", 90) == path
    with pytest.raises(BackendError, match="is not installed"):
        cubin("store", 80)


PLACES = ["/v/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "/v/nvidia/cu13/lib/libnvrtc.so.13", "libnvrtc.so", "/c/lib64/libnvrtc.so.11.2",
          "/w/nvrtc64_130_0.dll", "/c/lib64/libnvrtc.so.11.2"]


@pytest.mark.parametrize(("driver", "order"), [(None, [1, 4, 0, 3, 2]), ((13, 1), [1, 4, 0, 3, 2]), ((12, 4), [0, 3, 2, 1, 4]),
                                               ((11, 8), [3, 2, 1, 4, 0])])
def test_the_library_fits_the_driver(driver: tuple[int, int] | None, order: list[int]) -> None:
    """The newest that the driver supports comes first; those that it does not come last."""
    assert nvrtc.by_fitness(PLACES, driver) == [PLACES[n] for n in order]


def test_a_library_that_the_driver_does_not_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "driver_version", lambda: (11, 8))
    with pytest.raises(BackendError, match=r"is for CUDA 1[23], but the driver is for CUDA 11\.8"):
        Nvrtc()


@pytest.mark.parametrize("major", [12, 13])
def test_both_libraries_compile(major: int) -> None:
    """In a process that has loaded neither: what NVRTC opens while it compiles lies beside it, where nobody looks."""
    script = ("from ptx_machine import library; import sys; "
              f"found = library({major}); print(found.version[0], found.compile('store', 'sm_90')[:4])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    assert done.stdout == f"{major} {bytes([127])!r}ELF\n".replace("'ELF", "ELF'")


def test_errors_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = dict(nvrtc.texts())
    broken["store.cu"] += "\nGD_KERNEL broken(float *out) { out[0] = nothing; }\n"
    monkeypatch.setattr(nvrtc, "texts", lambda: broken)
    with pytest.raises(BackendError, match=r'store\.cu\(\d+\).*"nothing" is undefined'):
        cubin("store", 80)
