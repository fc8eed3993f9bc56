"""In which order the system is asked to write: a name appears only when what it names is on the disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_kit import make

CALL = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= (-?\d+)")


def test_written_then_synced_then_named(tmp_path: Path) -> None:
    """openat(O_EXCL) → write → fsync → rename → fsync(folder) for every output; nothing is written after the rename."""
    if shutil.which("strace") is None:
        assert not os.environ.get("CI"), ".ci/run installs strace"
        pytest.skip("needs strace")
    job, log = make(tmp_path, 6), tmp_path / "calls"
    subprocess.run(["strace", "-f", "--seccomp-bpf", "-s", "300", "-e", "trace=openat,write,fsync,rename,renameat,renameat2,close", "-o", str(log),
                    sys.executable, "-m", "gpudepth", "run", str(job), "-q", "--set", "run.workers=1"], check=True, timeout=120,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    opened: dict[str, str] = {}     # handle → temporary
    steps: dict[str, list[str]] = {}
    folder = str(tmp_path / "out")
    for line in log.read_text(errors="replace").splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        name, arguments, result = found.groups()
        handle = arguments.split(",")[0]
        if name == "openat" and ".gpudepth-" in arguments:
            temporary = arguments.split('"')[1]
            assert "O_EXCL" in arguments
            opened[result], steps[temporary] = temporary, ["open"]
        elif name == "openat" and "O_DIRECTORY" in arguments and f'"{folder}"' in arguments and opened.get("last"):
            opened[result] = "folder"
        elif name in ("write", "fsync") and opened.get(handle) in steps:
            steps[opened[handle]].append(name)
        elif name == "fsync" and opened.get(handle) == "folder":
            steps[opened["last"]].append("fsync folder")
        elif name == "close" and handle != "last":
            opened.pop(handle, None)
        elif name.startswith("rename") and ".gpudepth-" in arguments:
            temporary = arguments.split('"')[1]
            steps[temporary].append("rename")
            opened["last"] = temporary
    assert len(steps) == 6
    for calls in steps.values():
        kinds = [call for n, call in enumerate(calls) if n == 0 or call != calls[n - 1]]
        assert kinds == ["open", "write", "fsync", "rename", "fsync folder"]
