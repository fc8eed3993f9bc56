from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpudepth.attachment.output import TEMP_MARK, atomic, remove_stale
from gpudepth.errors import OutputError


def test_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with atomic(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with pytest.raises(RuntimeError), atomic(path) as file:
        file.write(b"two")
        raise RuntimeError
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "x").symlink_to(tmp_path / "target")
    with atomic(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert (tmp_path / "x").read_bytes() == b"new"


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"), atomic(tmp_path / "a" / "x"):
        pass
    with atomic(tmp_path / "a" / "b" / "x", make_folder=True) as file:
        file.write(b"1")
    with pytest.raises(OutputError, match="is a folder"), atomic(tmp_path / "a"):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError), atomic(tmp_path / "file" / "x", make_folder=True):
        pass


def test_long_names(tmp_path: Path) -> None:
    with atomic(tmp_path / ("x" * 250)) as file:
        file.write(b"1")
    assert (tmp_path / ("x" * 250)).exists()


def test_what_is_being_written_is_not_stale(tmp_path: Path) -> None:
    """Another job may write into the same folder; what a killed one left goes."""
    script = ("import os, signal, sys; from pathlib import Path; from gpudepth.attachment.output import atomic\n"
              "with atomic(Path(sys.argv[1])) as file:\n    file.write(b'1'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)")
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], check=False)
    with atomic(tmp_path / "x") as file:
        file.write(b"one")
        assert len(list(tmp_path.glob(f"{TEMP_MARK}*"))) == 2
        assert remove_stale(tmp_path) == 1
    assert (tmp_path / "x").read_bytes() == b"one"
    assert remove_stale(tmp_path) == 0 and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A file size limit stands in for a full disk: write() fails in the middle."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from gpudepth.attachment.output import atomic;"
        "from gpudepth.errors import OutputError; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));\n"
        "try:\n"
        "    with atomic(Path(sys.argv[1])) as f: f.write(b'x' * 5000)\n"
        "except OutputError as e: print(e); sys.exit(74)\n")
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert run.returncode == 74, run.stderr
    assert "cannot be written" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_stale_temporaries_are_removed(tmp_path: Path) -> None:
    (tmp_path / f"{TEMP_MARK}a-1.tmp").write_bytes(b"")
    (tmp_path / "keep.tmp").write_bytes(b"")
    assert remove_stale(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["keep.tmp"]


def test_modification_time_is_kept(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(5, 10**18 + 7))
    stat = tmp_path.stat()
    with atomic(tmp_path / "x", like=stat) as file:
        file.write(b"1")
    assert (tmp_path / "x").stat().st_mtime_ns == 10**18 + 7
