"""The phases of `tools.gpu_check`. Each is a function that takes its seconds and emits rows."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .gpu_check import REHEARSAL, ROOT, Row, emit

REHEARSED = bool(os.environ.get(REHEARSAL))
PACKAGES = ("gpudepth", "numpy", "cupy-cuda12x", "cupy-cuda13x", "torch", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc",
            "av", "pillow-heif", "opencv-contrib-python-headless")
MEGAPIXELS = 0.004 if REHEARSED else 12.2
LARGE = 1 << 16 if REHEARSED else 1 << 29       # bytes of the buffers of ceilings
PHOTO = (64, 48) if REHEARSED else (4000, 3000)
MAP = (32, 24) if REHEARSED else (768, 576)
ITEMS = 4 if REHEARSED else 24
FEW_AND_MORE = (1, 5)       # items of the runs whose transfers are compared
SMALL_NUMBERS = 100         # bytes of ranges and counts that come back
JOB = """
source: {color: "c/*.jpg", depth: "d/{stem}.png"}
encoding: {near: 0.5, far: 10}
"""
RECIPES = {
    "converted": "", "clamped, filled": "refine: {clamp: [0.6, 9], fill: nearest}",
    "smoothed by a bilateral filter": "refine: {smooth: bilateral5}",
    "guided to the photo's size, inpainted":
        f"refine: {{resize: {{width: {PHOTO[0]}, height: {PHOTO[1]}, method: guided}}, fill: inpaint}}"}


def run(phase: str, seconds: float) -> None:
    """Run a phase."""
    globals()[phase](seconds)


def versions(_: float) -> None:
    def row(name: str, value: str) -> None:
        emit(Row("versions", name, value))

    row("Python", platform.python_version())
    for name in PACKAGES:
        try:
            row(name, version(name))
        except PackageNotFoundError:
            continue
    query = "name,driver_version,memory.total,pcie.link.gen.current,pcie.link.width.current"
    if shutil.which("nvidia-smi"):
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True,
                              text=True, check=False)
        row(query, done.stdout.strip() or done.stderr.strip())
    for module in ("av", "pillow_heif", "click", "pydantic", "yaml", "pytest"):
        if importlib.util.find_spec(module) is None:
            emit(Row("versions", module, "is missing", ok=False))


def probe(_: float) -> None:
    from gpudepth.compute import probe as steps

    for step in steps.steps():
        emit(Row("probe", step.name, step.message or "not tried", step.ok is True))


def tests(seconds: float) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu", "--override-ini=addopts="]
    if REHEARSED:
        command += ["-k", "every_16_bit_code or bits_as_numpy and (0 or 1)"]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-300:]
    emit(Row("tests", "tests/gpu", f"{last} ({time.monotonic() - start:.0f} s)", done.returncode == 0))
    for line in done.stdout.splitlines():
        if line.startswith("FAILED"):
            emit(Row("tests", line.removeprefix("FAILED ")[:200], "failed", ok=False))


SANITIZED = """
import sys
sys.path[:0] = ["tests"]
import numpy as np
from kernel_kit import both, cases
from gpudepth.compute import probe
for seed in range({seeds}):
    for name, args in cases(np.random.default_rng(seed)):
        both(probe.kernels(), name, *args)
"""


def sanitizer(seconds: float) -> None:
    tool = shutil.which("compute-sanitizer") or next(iter(Path("/usr/local/cuda/bin").glob("compute-sanitizer")), None)
    command = [sys.executable, "-c", SANITIZED.format(seeds=1 if REHEARSED else 3)]
    if tool is None:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        emit(Row("sanitizer", "compute-sanitizer", "not installed"))
        emit(Row("sanitizer", "the set without it", "equal to numpy" if not done.returncode else done.stderr[-300:],
                 done.returncode == 0))
        return
    for name in ("memcheck", "racecheck"):
        try:
            done = subprocess.run([str(tool), "--tool", name, "--error-exitcode", "9", *command], cwd=ROOT,
                                  capture_output=True, text=True, check=False, timeout=seconds / 2)
        except subprocess.TimeoutExpired:
            emit(Row("sanitizer", name, f"not finished in {seconds / 2:.0f} s", ok=False))
            continue
        summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", done.stdout)
        emit(Row("sanitizer", name, summary[-1] if summary else done.stdout[-200:], done.returncode == 0))


def _backend() -> Any:
    from gpudepth.compute import probe as steps

    return steps.kernels()


def _rate(work: Callable[[], object], wait: Callable[[], None], size: int, rounds: int = 8) -> str:
    work()
    wait()
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        wait()
        best = min(best, time.perf_counter() - start)
    return f"{size / best / 1e9:.3g} GB/s"


def ceilings(_: float) -> None:
    """Copies on the device over buffers beyond its caches, and between host and device."""
    device = _backend().device
    host = np.ones(LARGE, np.uint8)
    first, second = device.array(host), device.array(host)

    def copy() -> None:
        second[...] = first

    emit(Row("ceilings", "copy on the device, read and written", _rate(copy, device.synchronize, 2 * LARGE)))
    emit(Row("ceilings", "to the device, pageable", _rate(lambda: device.array(host), device.synchronize, LARGE)))
    emit(Row("ceilings", "from the device, pageable", _rate(lambda: device.host(first), device.synchronize, LARGE)))
    unlock = device.lock_pages(host)
    with device.stream():
        emit(Row("ceilings", "to the device, locked pages", _rate(lambda: device.upload(host), device.finish, LARGE)))
        emit(Row("ceilings", "from the device, locked pages",
                 _rate(lambda: device.download(first, host), device.finish, LARGE)))
    unlock()


def stages(seconds: float) -> None:
    """Every operation on maps that are on the device, as a share of the speed of a copy there."""
    from gpudepth.compute.stages import BEYOND_DEVICE_CACHES, Device, measure
    from gpudepth.compute.stages import stages as all_stages

    backend, start = _backend(), time.monotonic()
    beyond = 0 if REHEARSED else BEYOND_DEVICE_CACHES
    device = Device(backend.device.array, backend.device.synchronize, time.perf_counter, beyond)
    for stage in all_stages(backend, MEGAPIXELS, device):
        if time.monotonic() - start > seconds - 3:
            emit(Row("stages", stage.name, "not run: no time was left", ok=False))
            continue
        timing = measure(stage, 0.0 if REHEARSED else 0.05, device)
        emit(Row("stages", stage.name, f"{timing.ms:.4g} ms, {timing.gb_per_s:.4g} GB/s, "
                                       f"{100 / max(timing.copies, 1e-9):.0f} % of a copy"))


def rivals(_: float) -> None:
    """The same conversion, 16 bits to half disparity, by other libraries."""
    from gpudepth.compute.cpu import NumpyBackend
    from gpudepth.depth.numeric import Linear
    from gpudepth.depth.pixel_format import HDIS

    height = round((MEGAPIXELS * 1e6 * 3 / 4) ** 0.5)
    codes = np.random.default_rng(0).integers(0, 65536, (height, height * 4 // 3)).astype(np.uint16)
    rule, backend, size = Linear(65535, 0.1, 2.0), _backend(), 4 * codes.size
    there = backend.device.array(codes)
    emit(Row("rivals", "gpudepth, on the device",
             _rate(lambda: backend.convert(there, rule, HDIS), backend.device.synchronize, size)))
    emit(Row("rivals", "gpudepth, numpy on one thread",
             _rate(lambda: NumpyBackend().convert(codes, rule, HDIS), lambda: None, size)))
    if not REHEARSED:
        import cupy

        def naive() -> object:
            gray = there.astype(cupy.float32) / cupy.float32(65535)
            return (cupy.float32(0.1) * (1 - gray) + cupy.float32(2.0) * gray).astype(cupy.float16)

        emit(Row("rivals", "CuPy's operators", _rate(naive, backend.device.synchronize, size)))
    if importlib.util.find_spec("torch") is not None and not REHEARSED:
        import torch

        tensor = torch.from_numpy(codes.astype(np.int32)).cuda()

        def by_torch() -> object:
            gray = tensor.to(torch.float32) / 65535
            return (0.1 * (1 - gray) + 2.0 * gray).to(torch.float16)

        emit(Row("rivals", "torch's operators", _rate(by_torch, torch.cuda.synchronize, size)))
    if importlib.util.find_spec("cv2") is not None:
        import cv2

        table = np.linspace(0.1, 2.0, 65536).astype(np.float32)
        cv2.setNumThreads(1)
        try:
            emit(Row("rivals", "cv2.LUT on one thread", _rate(lambda: cv2.LUT(codes, table), lambda: None, size)))
        except cv2.error:
            emit(Row("rivals", "cv2.LUT on one thread", "takes no codes of 16 bits"))


def _make(base: Path, recipe: str, count: int = ITEMS) -> Path:
    """Write photos, maps and a job."""
    rng = np.random.default_rng(0)
    for name in ("c", "d"):
        (base / name).mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize(PHOTO, Image.Resampling.BICUBIC)
    picture.save(base / "photo.jpg", quality=92)
    y, x = np.mgrid[:MAP[1], :MAP[0]]
    codes = (6000 + 50000 * y / MAP[1] + 4000 * np.sin(x / 9)).astype(np.uint16)
    codes[3:9, 5:11] = 0
    Image.fromarray(codes).save(base / "map.png")
    for n in range(count):
        shutil.copy(base / "photo.jpg", base / f"c/{n:03}.jpg")
        shutil.copy(base / "map.png", base / f"d/{n:03}.png")
    (base / "job.yaml").write_text(JOB + recipe + "\n")
    return base / "job.yaml"


def _run(job: Path, out: str, *settings: str, wait: bool = True) -> Any:
    command = [sys.executable, "-m", "gpudepth", "run", str(job), "--log-format", "json", "--set",
               f"output.path={out}/{{stem}}.jpg", *(part for one in settings for part in ("--set", one))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if not wait:
        return process
    _, errors = process.communicate()
    events = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    return next((one for one in events if one["event"] == "end"), {"error": errors[-300:]})


def _digest(folder: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.jpg"))]


def transfers(_: float) -> None:
    """What moves for each item of each recipe, beside the bytes of its inputs and of its codes."""
    for name, recipe in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            ends = [_run(_make(Path(folder), recipe, count), f"out{count}", "run.backend=cupy", "run.workers=1")
                    for count in FEW_AND_MORE]
            if any("transfers" not in end for end in ends):
                emit(Row("transfers", name, str(ends)[:300], ok=False))
                continue
            # the difference is what the items more need, without the tables that are copied once
            few, more = (next(iter(end["transfers"].values())) for end in ends)
            moved = {what: (more[what] - few[what]) / (FEW_AND_MORE[1] - FEW_AND_MORE[0]) for what in few}
            inputs = 2 * MAP[0] * MAP[1] + (3 * PHOTO[0] * PHOTO[1] if "guided" in recipe else 0) + (
                3 * MAP[0] * MAP[1] if "bilateral" in recipe else 0)
            codes = PHOTO[0] * PHOTO[1] if "guided" in recipe else MAP[0] * MAP[1]
            for way, needed in (("upload", inputs), ("download", codes)):
                size = moved[f"{way}_bytes"]
                emit(Row("transfers", f"{name}: {way}s of an item",
                         f"{moved[f'{way}s']:.3g} copies, {size:,.0f} bytes (needed: {needed:,})",
                         size <= 1.1 * needed + SMALL_NUMBERS))


def jobs(seconds: float) -> None:
    """Items a second of whole jobs, on numpy, on the device, and as auto decides, with processes and memory."""
    recipe, start = RECIPES["guided to the photo's size, inpainted"], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        job = _make(base, recipe)
        wanted: list[str] = []
        for backend in ("numpy", "cupy", "auto"):
            for workers in (1, 2) if REHEARSED else (1, 4, 12):
                name = f"{ITEMS} photos of {PHOTO[0]}×{PHOTO[1]}, guided, {backend}, workers: {workers}"
                if time.monotonic() - start > seconds - 5:
                    emit(Row("jobs", name, "not run: no time was left", ok=False))
                    continue
                memory = _Memory()
                end = _run(job, f"{backend}{workers}", f"run.backend={backend}", f"run.workers={workers}")
                used = memory.stop()
                made = _digest(base / f"{backend}{workers}")
                wanted = wanted or made
                same = made == wanted and len(made) == ITEMS
                wrong = "" if same else f"; its photos are not numpy's {end.get('error', '')}"
                emit(Row("jobs", name, f"{end.get('items_per_s', 0)} items/s{used}{wrong}", same))


class _Memory:
    """The processes on the GPU and their memory while something runs, as nvidia-smi lists them."""

    def __init__(self) -> None:
        self.most, self.processes, self.over = 0, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        if shutil.which("nvidia-smi") is None:
            return
        while not self.over.wait(0.2):
            done = subprocess.run(["nvidia-smi", "--query-compute-apps=used_memory", "--format=csv,noheader,nounits"],
                                  capture_output=True, text=True, check=False)
            used = [int(line) for line in done.stdout.split() if line.isdigit()]
            self.most, self.processes = max(self.most, sum(used)), max(self.processes, len(used))

    def stop(self) -> str:
        self.over.set()
        self.thread.join()
        return f", {self.processes} processes on the GPU with {self.most} MiB" if self.processes else ""


HOG = """
import cupy, time
free, _ = cupy.cuda.runtime.memGetInfo()
held = cupy.empty(int(free * 0.97) - (400 << 20), cupy.uint8)
print("held", flush=True)
time.sleep(600)
"""


def faults(seconds: float) -> None:
    """A device whose memory another program holds, and an owner that is killed: the photos are numpy's all the same."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        job = _make(base, RECIPES["guided to the photo's size, inpainted"])
        _run(job, "numpy", "run.backend=numpy")
        wanted = _digest(base / "numpy")
        process = _run(job, "killed", "run.backend=cupy", "run.workers=2", wait=False)
        killed = _kill_owner(process.pid, base / "killed")
        process.communicate()
        emit(Row("faults", "an owner that is killed", f"{killed}; exit status {process.returncode}",
                 process.returncode == 0 and _digest(base / "killed") == wanted))
        if REHEARSED:
            os.environ["GPUDEPTH_STAND_IN"] = json.dumps({"memory": 150_000})
            end = _run(job, "full", "run.backend=cupy")
        else:
            hog = subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE, text=True)
            assert hog.stdout is not None
            hog.stdout.readline()
            end = _run(job, "full", "run.backend=cupy")
            hog.kill()
        made = _digest(base / "full")
        emit(Row("faults", "a full device, named explicitly",
                 f"{end.get('done', 0) - end.get('failed', 0)} done, {end.get('failed', 0)} failed", "error" not in end
                 and all(one in wanted for one in made)))


def _kill_owner(run_pid: int, out: Path) -> str:
    """Kill the process that owns the device when the first photo is there."""
    deadline = time.monotonic() + 60
    while not list(out.glob("*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            maps = Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            continue
        parent = re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)
        if parent and int(parent[1]) == run_pid and "libcuda" in maps:
            os.kill(pid, 9)
            return "killed"
    return "not found"
