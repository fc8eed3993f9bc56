"""The launch on the CPU refuses what a GPU would choke on; kernels build without a warning and without a bad access."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_kit import host
from support import hostcc
from support.hostcc import HostDevice, build

from gpudepth import resources
from gpudepth.compute import nvrtc
from gpudepth.errors import BackendError

I32, F32 = np.int32, np.float32
MODULES = sorted(path.stem for path in resources.folder("kernels").glob("*.cu"))


@pytest.fixture(autouse=True, scope="module")
def _compiler() -> None:
    host()


def flip(device: HostDevice, *changed: tuple[int, Any], kernel: str = "flip_4") -> None:
    source = np.zeros((8, 32), F32)
    args: list[Any] = [source, I32(32), np.empty_like(source), I32(32), I32(32), I32(8), I32(1), I32(0)]
    for index, value in changed:
        args[index] = value
    device.launch("orient", kernel, (1, 1), (32, 8), *args)


@pytest.mark.parametrize("module", MODULES)
def test_no_warnings(module: str) -> None:
    build(module, ("-Werror",))


def test_wrong_arguments_are_refused_before_anything_runs() -> None:
    device = HostDevice()
    flip(device)
    for wrong in (np.int64(32), 32, F32(32), np.uint32(32)):
        with pytest.raises(TypeError, match="argument 1 of flip_4 must be int32"):
            flip(device, (1, wrong))
    with pytest.raises(TypeError, match="argument 0 of flip_4 must be a pointer,"):
        flip(device, (0, I32(0)))
    with pytest.raises(TypeError, match="takes 8 arguments"):
        device.launch("orient", "flip_4", (1, 1), (32, 8), I32(1))
    with pytest.raises(TypeError, match="no kernel flip_3"):
        flip(device, kernel="flip_3")


@pytest.mark.parametrize(("grid", "block"), [((1, 1), (64, 32)), ((1, 70000), (32, 8)), ((0, 1), (32, 8))])
def test_launches_that_no_gpu_takes(grid: tuple[int, int], block: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="grid"):
        HostDevice().launch("orient", "flip_4", grid, block)


def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """kernels/own.cu beside the others."""
    for path in resources.folder("kernels").iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "own.cu").write_text('#include "grid.cuh"\n' + text)
    monkeypatch.setattr(hostcc, "folder", lambda _: tmp_path)
    build.cache_clear()


def test_a_barrier_that_some_threads_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path, monkeypatch, "GD_KERNEL own(int n) { if (gd_x() < n) __syncthreads(); }")
    HostDevice().launch("own", "own", (2, 1), (32, 1), I32(64))
    with pytest.raises(RuntimeError, match="own: not all threads of a block reach a barrier"):
        HostDevice().launch("own", "own", (1, 1), (32, 1), I32(31))
    build.cache_clear()


def test_what_does_not_build_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path, monkeypatch, "GD_KERNEL own(int n) { return n }")
    with pytest.raises(BackendError, match=r"own\.cu:2"):
        build("own")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BackendError, match="compiler"):
        build("own")
    build.cache_clear()


SANITIZED = """
import sys
import numpy as np
sys.path.insert(0, {tests!r})
from kernel_kit import a_map, a_picture, shapes
from support.hostcc import HostDevice
from gpudepth.compute.kernels import KernelBackend
from gpudepth.depth.numeric import Linear
from gpudepth.depth.pixel_format import HDIS, L008, Quantity
device = HostDevice(flags=("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"))
if {planted}:
    source = np.zeros((8, 32), np.float32)
    device.launch("orient", "flip_4", (1, 1), (32, 8), source, np.int32(32), np.empty((7, 32), np.float32),
                  *(np.int32(n) for n in (32, 32, 8, 0, 0)))
k, rng = KernelBackend(device), np.random.default_rng(1)
for _ in range(6):
    shape = shapes(rng)
    v, codes = a_map(rng, shape, holes=0.2), rng.integers(0, 65536, shape).astype(np.uint16)
    v.flat[0] = 1
    k.convert_span(codes, Linear(65535, 0.5, 9), HDIS)
    k.convert(v, Linear(1, 0, 1), HDIS)
    k.span(v)
    k.quantise(np.nan_to_num(v, posinf=1, neginf=1), 0.0, 5.0, L008)
    for o in range(1, 9):
        k.orient(v, o)
    for method in ("area", "bilinear", "nearest"):
        k.resize(v, 13, 9, method)
    k.fill(v, "nearest", Quantity.DEPTH)
    k.fill(v, "far", Quantity.DEPTH)
    guide = a_picture(rng, shape)
    k.upsample(v, a_picture(rng, (shape[0] + 5, shape[1] + 9)))
    k.inpaint(v, guide)
    k.median(v, 5)
    k.bilateral(v, 3, guide)
    k.affine(v, 2.0, 0.1)
    k.blend(v, v, guide, guide, 0.5)
print("clean")
"""


def sanitized(planted: bool) -> subprocess.CompletedProcess[str]:
    library = subprocess.run([hostcc.compiler(), "-print-file-name=libasan.so"], capture_output=True, text=True,
                             check=True).stdout.strip()
    if not Path(library).is_absolute():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the compiler has no libasan")
    script = SANITIZED.format(tests=str(Path(__file__).parent.parent), planted=planted)
    environment = {**os.environ, "LD_PRELOAD": library,
                   "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:allocator_may_return_null=1"}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)


def test_sanitizers_find_nothing() -> None:
    done = sanitized(planted=False)
    assert done.stdout.strip().endswith("clean"), done.stderr[-3000:]


def test_sanitizers_find_a_short_buffer() -> None:
    done = sanitized(planted=True)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stderr and "orient.cu" in done.stderr


def test_the_cache_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUDEPTH_CACHE", str(tmp_path / "a"))
    assert nvrtc.cache_folder() == tmp_path / "a" and (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("GPUDEPTH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert nvrtc.cache_folder() == tmp_path / "gpudepth"
    monkeypatch.setenv("GPUDEPTH_CACHE", "/proc/nowhere")
    assert nvrtc.cache_folder().is_dir()
