"""Processors: quotas of control groups, as the kernel's files say them, and as a group really limits this process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpudepth.compute import threads


def lay(tmp_path: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    return tmp_path / "fs", tmp_path / "own"


@pytest.mark.parametrize(("own", "files", "allowed"), [
    ("0::/\n", {"cpu.max": "200000 100000\n"}, [2.0]),                          # version 2, inside a container
    ("0::/\n", {"cpu.max": "max 100000\n"}, []),
    ("0::/pods/one\n", {"pods/cpu.max": "400000 100000\n", "pods/one/cpu.max": "50000 100000\n"}, [4.0, 0.5]),
    ("4:memory:/m\n5:cpu,cpuacct:/docker/x\n0::/\n",                            # version 1
     {"cpu/docker/x/cpu.cfs_quota_us": "150000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"}, [1.5]),
    ("5:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, []),
    ("5:cpu:/\n", {"cpu/cpu.cfs_quota_us": "100\n", "cpu/cpu.cfs_period_us": "0\n"}, []),
    ("rubbish\n", {"cpu.max": "rubbish\n"}, []),
    ("", {}, []),
])
def test_quotas(tmp_path: Path, own: str, files: dict[str, str], allowed: list[float]) -> None:
    assert list(threads.quotas(*lay(tmp_path, own, files))) == allowed


def test_the_least_counts_and_a_part_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for allowed, wanted in (([0.5, 64.0], 1), ([], None), ([1.9], 1)):
        monkeypatch.setattr(threads, "quotas", lambda found=allowed: iter(found))
        assert threads.available_cores() >= 1
        assert wanted is None or threads.available_cores() == wanted


@contextlib.contextmanager
def group(processors: float) -> Iterator[Path]:
    """A control group of that many; skips where none can be made."""
    for root in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        folder = root / "gpudepth-test-cores"
        try:
            folder.mkdir(exist_ok=True)
        except OSError:
            continue
        try:
            if (folder / "cpu.cfs_quota_us").exists():
                (folder / "cpu.cfs_quota_us").write_text(str(int(processors * 100_000)))
            elif (folder / "cpu.max").exists():
                (folder / "cpu.max").write_text(f"{int(processors * 100_000)} 100000")
            else:
                continue
            yield folder
            return
        finally:
            folder.rmdir()
    pytest.skip("no control group for processors can be made here")


def test_a_real_group() -> None:
    script = "from gpudepth.compute.threads import available_cores as cores; print(cores())"
    with group(1.5) as folder:
        said = subprocess.run(["sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh", sys.executable, "-c", script],
                              capture_output=True, text=True, check=True).stdout
    assert said == "1\n"
