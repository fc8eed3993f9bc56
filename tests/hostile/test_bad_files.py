"""Bad files through every reader: each ends in a result or an error of ours, in time, in bounds, and leaves nothing."""

from __future__ import annotations

import io
import os
import time
import zipfile
import zlib
from pathlib import Path

import bad_files
import numpy as np
import probe
import pytest
from bad_files.builders import raw_zeros, zeros, zip_bomb

from gpudepth.errors import MalformedError

EVERY = 8       # of a family's files, in make test


def told(troubles: list[probe.Result]) -> str:
    return "\n".join(f"{r.file} | {r.reader}: {r.trouble}" for r in troubles)


@pytest.mark.parametrize("family", list(bad_files.FAMILIES))
def test_some_of_each_family(family: str, tmp_path: Path) -> None:
    bad_files.write(tmp_path, family, every=EVERY)
    assert (found := sorted((tmp_path / family).iterdir()))
    assert not (troubles := probe.run(found, together=16)), told(troubles)


@pytest.mark.soak
@pytest.mark.parametrize("family", list(bad_files.FAMILIES))
def test_all_of_each_family(family: str, tmp_path: Path) -> None:
    """Half an hour: every file in every reader, each in a process of its own."""
    assert bad_files.write(tmp_path, family) >= 8
    assert not (troubles := probe.run([tmp_path])), told(troubles)


@pytest.mark.soak
def test_real_files() -> None:
    folder = os.environ.get("GPUDEPTH_SAMPLES")
    if not folder:
        pytest.skip("needs real files under GPUDEPTH_SAMPLES")
    small = [p for p in sorted(Path(folder).rglob("*")) if p.is_file() and p.stat().st_size < 64 << 20]
    assert small
    assert not (troubles := probe.run(small)), told(troubles)


# -- the probe itself sees what it is to see -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> probe.Kit:
    return probe.make_kit(tmp_path_factory.mktemp("kit"))


def seen(kit: probe.Kit, monkeypatch: pytest.MonkeyPatch, reader: probe.Reader) -> str:
    """What it says of a reader; that of a batch has to agree that not all is well."""
    monkeypatch.setitem(probe.READERS, "bad", reader)
    if reader is _spin:
        monkeypatch.setattr(probe, "CPU_SECONDS", 1)
    trouble = probe.probe(kit.photo, "bad", kit).trouble
    assert probe.all_well([kit.photo], ["bad"], kit) is not bool(trouble)
    return trouble


def _spin(file: Path, kit: probe.Kit) -> None:
    start = time.process_time()
    while time.process_time() < start + 30:
        pass


def _grow(file: Path, kit: probe.Kit) -> None:
    np.ones(70 << 20)


def _leave(file: Path, kit: probe.Kit) -> None:
    (kit.out / "half").write_bytes(b"1")
    raise MalformedError("no", where=file)


def _leave_temporary(file: Path, kit: probe.Kit) -> None:
    (kit.out / ".gpudepth-x.tmp").write_bytes(b"1")


def _leave_frames(file: Path, kit: probe.Kit) -> None:
    """Those of a clip that its table names stay, another does not."""
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        (kit.out / name).write_bytes(b"123")
    (kit.out / "frames.csv").write_text("frame,file,bytes\n0,0.jpg,3\n1,1.jpg,99\n")
    raise MalformedError("no", where=file)


def _raise(error: Exception) -> probe.Reader:
    def reader(file: Path, kit: probe.Kit) -> None:
        raise error

    return reader


@pytest.mark.parametrize(("reader", "says"), [
    (lambda file, kit: 5, ""),
    (_raise(MalformedError("no", where="a")), ""),
    (_raise(MalformedError("no")), "says no place"),
    (_raise(MalformedError("m" * 990, where="w" * 990, hint="h" * 990)), "a message of 2"),
    (_raise(ValueError("odd")), "ValueError: odd"),
    (_raise(MemoryError()), "MemoryError"),
    (lambda file, kit: os.kill(os.getpid(), 9), "signal SIGKILL"),
    (lambda file, kit: os._exit(3), "ended without a word"),
    (_spin, "signal SIGXCPU"),
    (_grow, "grew by 5"),
    (_leave, "left behind ['half']"),
    (_leave_temporary, "left behind ['.gpudepth-x.tmp']"),
    (_leave_frames, "left behind ['1.jpg', '2.jpg']"),
], ids=["result", "error", "no place", "long", "other", "memory", "kill", "exit", "time", "growth", "output", "temporary", "frames"])
def test_the_probe_sees_it(kit: probe.Kit, monkeypatch: pytest.MonkeyPatch, reader: probe.Reader, says: str) -> None:
    trouble = seen(kit, monkeypatch, reader)
    assert says in trouble
    assert bool(says) is bool(trouble), trouble


def test_zeros_are_packed_without_being_made() -> None:
    for count in (0, 5, 1 << 20, (3 << 20) + 77):
        assert zlib.decompress(zeros(count)) == bytes(count)
    assert len(raw_zeros(1 << 30)) < 2 << 20
    with zipfile.ZipFile(io.BytesIO(zip_bomb("a.npy", b"head", (3 << 20) + 5))) as archive:
        assert archive.read("a.npy") == b"head" + bytes((3 << 20) + 5)
