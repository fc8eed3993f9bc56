"""Runs with a device: a process owns it, and workers send it their maps. Whatever happens to it, the photos are numpy's.

The devices are g++'s build of the kernels, and the stand-in for CuPy, which can fail, be full, or be two.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices_kit import kill_after, with_devices
from kernel_kit import both, cases, host, same
from run_kit import digest, make
from stand_in_kit import environment
from support import hostcc
from video_kit import colour, depth

from gpudepth.batch import choice as choice_module
from gpudepth.batch import runner
from gpudepth.batch.choice import Choice
from gpudepth.batch.devices import owners as owners_module
from gpudepth.batch.devices.owners import Owners
from gpudepth.batch.devices.remote import RemoteBackend
from gpudepth.batch.devices.slot import LEAST
from gpudepth.batch.memory import MemoryLease
from gpudepth.compute import probe
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.depth.pixel_format import HDIS
from gpudepth.errors import BackendError, DeviceError, DeviceMemoryError, HolesError
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize, Smooth

NUMPY = NumpyBackend()
GUIDED = "\nrefine: {resize: {width: 32, height: 24, method: guided}, fill: inpaint}\n"
ITEMS = 12


def job(base: Path, more: str = GUIDED, count: int = ITEMS) -> Path:
    path = make(base, count)
    path.write_text(path.read_text() + more)
    return path


def on_numpy(path: Path) -> dict[str, str]:
    """The photos that numpy makes."""
    assert runner.run(path, settings=["output.path=numpy/{stem}.jpg"]).failed == 0
    return digest(path.parent / "numpy")


def test_every_operation_through_an_owner(name: str) -> None:
    owners = Owners.start(name)
    try:
        remote = RemoteBackend(owners.links[0])
        for seed in range(3):
            for method, args in cases(np.random.default_rng(seed)):
                both(remote, method, *args)     # type: ignore[arg-type]
    finally:
        owners.stop()


RECIPES = {
    "plain": "\nmap: {pixel_format: hdep}\n", "guided": GUIDED,
    "smoothed": "\nrefine: {smooth: bilateral2, clamp: [0.6, 8], fill: nearest}\nmap: {calibration: none}\n",
    "map alone": "\nrefine: {smooth: median3}\n"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_is_numpy_s_byte_for_byte(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    path = job(tmp_path, RECIPES[recipe])
    suffix = ".npy" if recipe == "map alone" else ".jpg"
    runner.run(path, settings=[f"output.path=numpy/{{stem}}{suffix}"])
    summary = with_devices(monkeypatch, path, name, f"output.path=out/{{stem}}{suffix}")
    assert (summary.done, summary.failed) == (ITEMS, 0)
    assert digest(tmp_path / "out", suffix) == digest(tmp_path / "numpy", suffix)
    (moved,) = summary.transfers.values()
    inputs = 1 if recipe in ("plain", "map alone") else 2
    assert ITEMS * inputs <= moved.uploads <= ITEMS * inputs + 40       # and the tables, once
    assert moved.downloads <= ITEMS * 6


def test_a_large_map_grows_the_slot(name: str) -> None:
    owners = Owners.start(name)
    try:
        remote, rng = RemoteBackend(owners.links[0]), np.random.default_rng(0)
        for shape in ((8, 8), (1500, 2000), (9, 7), (2100, 2300)):
            values = rng.random(shape).astype(np.float32)
            there = remote.put(values)
            half = remote.cast(there, HDIS)
            same(remote.host(half), values.astype(np.float16))
            same(remote.host(there), values)
    finally:
        owners.stop()


def test_errors_of_the_data_come_back(name: str) -> None:
    owners = Owners.start(name)
    try:
        remote = RemoteBackend(owners.links[0])
        holes = np.full((4, 4), np.nan, np.float32)
        with pytest.raises(HolesError, match="none of the map's 16 pixels"):
            remote.inpaint(remote.put(holes))
        assert remote.span(remote.put(holes)).valid == 0        # and the connection goes on
    finally:
        owners.stop()


def test_dropped_arrays_are_freed(stand_in: Any) -> None:
    """A worker that keeps nothing does not fill the device: it has room for 20 of these maps and gets 200."""
    stand_in(memory=20 * 40_000 + 500_000)
    owners = Owners.start("cupy")
    try:
        remote, values = RemoteBackend(owners.links[0]), np.ones((100, 100), np.float32)
        for _ in range(200):
            same(remote.host(remote.clip(remote.put(values), 0, 2)), values)
        kept = []
        with pytest.raises(DeviceMemoryError, match="cannot hold another 40,000 bytes"):
            kept.extend(remote.put(values) for _ in range(200))
    finally:
        owners.stop()


def test_a_device_that_fails_once(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capfd: pytest.CaptureFixture[str]) -> None:
    path = job(tmp_path)
    wanted = on_numpy(path)
    (tmp_path / "token").touch()
    stand_in(launches=30, token=str(tmp_path / "token"))
    monkeypatch.setattr(runner, "choose_named", lambda plan: Choice("cupy", Owners.start("cupy")))
    summary = runner.run(path, quiet=False)
    assert (summary.done, summary.failed) == (ITEMS, 0)
    assert digest(tmp_path / "out") == wanted
    assert not (tmp_path / "token").exists()
    said = [line for line in capfd.readouterr().err.splitlines() if "GPU 0" in line]
    assert said == ["warning: GPU 0 stopped (the GPU failed: cudaErrorIllegalAddress: an illegal memory access was encountered); "
                    "it is started again, and what it was computing is repeated"]


def test_a_device_that_always_fails(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy does the work; a run that names the back end ends."""
    path = job(tmp_path, count=6)
    wanted = on_numpy(path)
    stand_in(launches=5)      # enough for the trial of the probe, and for no item
    summary = with_devices(monkeypatch, path, "cupy")
    assert (summary.done, summary.failed) == (6, 0)
    assert digest(tmp_path / "out") == wanted
    with pytest.raises(DeviceError, match="GPU"):
        with_devices(monkeypatch, path, "cupy", "run.on_existing=overwrite", "output.path=again/{stem}.jpg", required=True)


def test_a_full_device(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = job(tmp_path, count=6)
    wanted = on_numpy(path)
    stand_in(memory=140_000)
    summary = with_devices(monkeypatch, path, "cupy")
    assert (summary.done, summary.failed) == (6, 0)
    assert digest(tmp_path / "out") == wanted


def test_shared_memory_is_charged(name: str) -> None:
    """To the memory of the run: the slot when it is made, what it grows by, and again for the next item."""
    owners, lease = Owners.start(name), MemoryLease()
    try:
        remote = RemoteBackend(owners.links[0], lease)
        remote.put(np.zeros((8, 8), np.float32))
        assert lease.used == LEAST
        remote.put(np.zeros((1500, 2000), np.float32))
        assert lease.used == remote.connection.slot.size > 12_000_000
        lease.reset()
        remote.charge_again()
        assert lease.used == remote.connection.slot.size
    finally:
        owners.stop()


def test_two_devices(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = job(tmp_path)
    wanted = on_numpy(path)
    stand_in(devices=2)
    summary = with_devices(monkeypatch, path, "cupy")
    assert digest(tmp_path / "out") == wanted
    assert list(summary.transfers) == ["GPU 0", "GPU 1"]
    assert all(moved.uploads > 4 for moved in summary.transfers.values())
    only = with_devices(monkeypatch, path, "cupy", "run.on_existing=overwrite", "output.path=again/{stem}.jpg", devices=[1])
    assert list(only.transfers) == ["GPU 1"]
    with pytest.raises(BackendError, match="there is no GPU 2: the driver finds 2 devices"):
        Owners.start("cupy", [2])


def test_an_owner_that_is_killed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a run, twice."""
    path = job(tmp_path, count=40)
    wanted = on_numpy(path)
    kills = kill_after(monkeypatch, tmp_path / "out", [5, 10])
    summary = with_devices(monkeypatch, path, name)
    assert kills
    assert (summary.done, summary.failed) == (40, 0)
    assert digest(tmp_path / "out") == wanted


def test_an_owner_ends_with_its_run(stand_in: Any, tmp_path: Path) -> None:
    """kill -9 of the run leaves no process behind."""
    path = job(tmp_path, count=300)
    process = subprocess.Popen([sys.executable, "-m", "gpudepth", "run", str(path), "-q", "--set", "run.backend=cupy"],
                               env=environment(), stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while (left := _of_session(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


def _of_session(session: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        state, _, _, its = text.rpartition(")")[2].split()[:4]
        if int(its) == session and state != "Z":
            found.append(text)
    return found


def test_what_a_run_reports(tmp_path: Path) -> None:
    path = job(tmp_path, count=4)
    command = [sys.executable, "-m", "gpudepth", "run", str(path), "--set", "run.backend=cupy", "--set", "run.on_existing=overwrite"]
    done = subprocess.run([*command, "--log-format", "json"], env=environment(), capture_output=True, text=True, check=True)
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["event"], last["done"], last["backend"]) == ("end", 4, "cupy")
    moved = last["transfers"]["GPU 0"]
    assert list(moved) == ["uploads", "upload_bytes", "downloads", "download_bytes"]
    assert moved["uploads"] >= 8
    done = subprocess.run([*command, "-v"], env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1].startswith("GPU 0: ")
    assert " uploads of " in done.stderr.splitlines()[-1]


def test_strangers_are_refused(name: str) -> None:
    """One who does not know the key, and one who says nothing: workers connect all the same."""
    owners = Owners.start(name)
    try:
        link = owners.links[0]
        with pytest.raises((AuthenticationError, EOFError, OSError)):
            Client(link.address, authkey=b"another")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(link.address)
            remote = RemoteBackend(link)
            assert remote.span(remote.put(np.ones((3, 4), np.float32))).valid == 12
    finally:
        owners.stop()


def test_an_owner_that_cannot_start(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(capability="37")
    with pytest.raises(BackendError, match=r"capability: the compute capability 3\.7 is below 5\.0"):
        Owners.start("cupy")
    monkeypatch.setattr(owners_module, "START_SECONDS", 0.0)
    stand_in()
    with pytest.raises(BackendError, match="was not ready within 0 s"):
        Owners.start("cupy")


def test_numpy_s_workers_import_no_cupy(tmp_path: Path) -> None:
    """A job that only converts runs on the CPU, although there is a GPU, and says so."""
    path = job(tmp_path, "", count=4)
    path.write_text(path.read_text().replace("backend: numpy", "backend: auto"))
    trap = tmp_path / "trap/cupy"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise SystemExit('CuPy was imported')\n")
    env = environment()
    env["PYTHONPATH"] = f"{trap.parent}{os.pathsep}{env['PYTHONPATH']}"
    done = subprocess.run([sys.executable, "-m", "gpudepth", "run", str(path)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "note: numpy computes: converting takes less time than copying maps to a GPU" in done.stderr


WHAT = "(guided upsampling and inpainting, maps of 16×12)"
AUTO = [("heavy", 100.0, f"GPU 0: a map takes about 1e+02 s on numpy and 0.5 s on the GPU {WHAT}"),
        ("light", 0.0, f"numpy computes: it needs about 0 s in the whole run {WHAT}, less than a GPU takes to start"),
        ("slower on the GPU", 1.0, f"numpy computes: a map takes about 1 s on numpy and 2 s on the GPU {WHAT}")]


@pytest.mark.parametrize(("what", "seconds", "line"), AUTO, ids=[a[0] for a in AUTO])
def test_auto_decides_once(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
                           what: str, seconds: float, line: str) -> None:
    """By the time that numpy would take: too little to start a GPU, less than the GPU takes, or more."""
    path = job(tmp_path, GUIDED)
    wanted = on_numpy(path)
    stand_in()
    monkeypatch.setattr(probe, "_driver", lambda: None)     # this process was started without the stand-in's
    monkeypatch.setattr(choice_module, "_estimate", lambda settings, size: seconds)
    monkeypatch.setattr(choice_module, "_trip", lambda remote, settings, size: 0.5 if what == "heavy" else 2.0)
    summary = runner.run(path, settings=["run.backend=auto"], quiet=False)
    assert digest(tmp_path / "out") == wanted
    assert bool(summary.transfers) == (what == "heavy")
    notes = [text for text in capfd.readouterr().err.splitlines() if text.startswith("note: ")]
    assert notes == [f"note: {line}"]


def test_auto_looks_at_several_items(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged first map decides nothing; frames of clips and photos of tars count one by one."""
    path = job(tmp_path, GUIDED, count=4)
    (tmp_path / "d/00000.png").write_bytes(b"no map")
    the_plan = runner.pair_files(path)[0]
    assert choice_module._sizes(the_plan) == choice_module.Sizes((16, 12))
    for map_ in (tmp_path / "d").glob("*.png"):
        map_.write_bytes(b"")
    assert choice_module._sizes(the_plan) is None
    (tmp_path / "v").mkdir()
    video, maps = colour(tmp_path / "v/clip.mp4", 7), depth(tmp_path / "v/clip_depth.mkv", 7)
    clips = tmp_path / "clips.yaml"
    clips.write_text(f'source: {{video: "v/clip.mp4", depth: "v/{maps.name}"}}\noutput: {{path: "out/{{frame}}.jpg"}}\n')
    sizes = choice_module._sizes(runner.pair_files(clips)[0])
    assert sizes is not None and video.exists()
    assert sizes.maps == 7
    assert choice_module.heavy_operations(Settings(temporal="steady")) == ["smoothing over time"]


def test_memory_that_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are slower then, and the device is used all the same."""
    host()
    (tmp_path / "unlocked.py").write_text(
        "from support.hostcc import HostDevice\nfrom gpudepth.compute.kernels import KernelBackend\n"
        "from gpudepth.errors import DeviceError\n"
        "class Device(HostDevice):\n    def lock_pages(self, memory):\n        raise DeviceError('not supported')\n"
        "def backend():\n    return KernelBackend(Device())\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    owners = Owners.start("unlocked:backend")
    try:
        remote = RemoteBackend(owners.links[0])
        for shape in ((3, 4), (1500, 2000)):
            assert remote.span(remote.put(np.ones(shape, np.float32))).valid == np.prod(shape)
    finally:
        owners.stop()


def test_threads_leave_nothing_behind(name: str) -> None:
    """The memory that a thread shared with the owner goes with the thread, on both sides."""
    owners = Owners.start(name)
    try:
        remote, values = RemoteBackend(owners.links[0]), np.ones((1500, 2000), np.float32)
        for _ in range(6):
            thread = threading.Thread(target=lambda: remote.span(remote.put(values)))
            thread.start()
            thread.join()
        gc.collect()
        assert not [fd for fd in Path("/proc/self/fd").iterdir() if "memfd:gpudepth" in _target(fd)]
        deadline = time.monotonic() + 10
        theirs = Path(f"/proc/{owners.found[0].process.pid}/fd")
        while (held := [fd for fd in theirs.iterdir() if "memfd:gpudepth" in _target(fd)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not held
    finally:
        owners.stop()


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def test_a_bug_in_the_owner_has_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host()
    (tmp_path / "buggy.py").write_text(
        "from support.hostcc import HostDevice\nfrom gpudepth.compute.kernels import KernelBackend\n"
        "class Buggy(KernelBackend):\n    def sibling(self):\n        return Buggy(self.device, self.constants)\n"
        "    def upsample(self, *_):\n        return 1 // 0\n"
        "def backend():\n    return Buggy(HostDevice())\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    summary = with_devices(monkeypatch, job(tmp_path, count=2), "buggy:backend")
    assert summary.failed == 2
    assert all("ZeroDivisionError" in bug and "in upsample" in bug for bug in summary.bugs)
    assert len(summary.bugs) == 2


def test_what_auto_measures(stand_in: Any) -> None:
    """The time of numpy grows with the pixels of the result; a trip is a real one."""
    settings = Settings(resize=Resize(256, 192, method="guided"), fill="inpaint", smooth=Smooth("median", 3))
    small = choice_module._estimate(settings, (64, 48))
    large = choice_module._estimate(replace(settings, resize=Resize(1024, 768, method="guided")), (64, 48))
    assert 4 < large / small < 64
    owners = Owners.start(hostcc.NAME)
    try:
        assert choice_module._trip(RemoteBackend(owners.links[0]), settings, (64, 48)) > 0
        assert next(owners.transfers())[1].downloads > 1
    finally:
        owners.stop()
