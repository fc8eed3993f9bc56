"""Photos in tar files: whole, the same bytes whoever makes them, redone where something changed; tarfile is the judge."""

from __future__ import annotations

import json
import signal
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from run_kit import finish, make, start

import gpudepth
from gpudepth.batch import tars as tar_files
from gpudepth.batch.memory import MemoryLease
from gpudepth.batch.runner import pair_files
from gpudepth.batch.work_item import ItemWorker, Task
from gpudepth.batch.workers import WorkerContext
from gpudepth.cli.app import run_command
from gpudepth.errors import JobError, UsageError
from gpudepth.pairing import templates

TARS = ["--set", "output.path=tars/{tar}.tar/{stem}.jpg", "--set", "output.tars=5"]


def tars(base: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((base / "tars").glob("*.tar"))}


def members(base: Path) -> dict[str, bytes]:
    """All photos of all tars; each is in one."""
    out: dict[str, bytes] = {}
    for path in sorted((base / "tars").glob("*.tar")):
        with tarfile.open(path) as archive:
            names = archive.getnames()
            assert names == sorted(names)
            for member in archive:
                assert (member.uid, member.gid, member.mtime, member.isfile()) == (0, 0, 0, True)
                file = archive.extractfile(member)
                assert file is not None and member.name not in out
                out[member.name] = file.read()
    return out


def test_the_photos_are_those_of_a_run_without_tars(tmp_path: Path) -> None:
    job = make(tmp_path, 40)
    assert finish(job) == 0
    assert finish(job, *TARS) == 0
    assert len(tars(tmp_path)) == 5
    assert members(tmp_path) == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.jpg")}
    rows = [json.loads(line) for line in (tmp_path / "tars/gpudepth-ledger.jsonl").read_text().splitlines()]
    assert sorted(row["key"] for row in rows) == [f"{n}.tar" for n in range(5)]
    assert sum(int(row["said"].split()[0]) for row in rows) == 40
    with tarfile.open(tmp_path / "tars/0.tar") as archive:
        archive.extract(archive.getnames()[0], tmp_path, filter="data")
        assert gpudepth.read(tmp_path / archive.getnames()[0]) is not None


def test_the_same_bytes_whoever_makes_them(tmp_path: Path) -> None:
    first = make(tmp_path / "one", 30)
    assert finish(first, *TARS, "--set", "run.workers=1") == 0
    wanted = tars(first.parent)
    second = make(tmp_path / "two", 30)
    for shard in range(3):
        assert finish(second, *TARS, "--shard", f"{shard}/3") == 0
    assert tars(second.parent) == wanted
    third = make(tmp_path / "three", 30)
    assert run_command(["plan", str(third), *TARS, "-o", str(third.parent / "plan.jsonl")]) == 0
    assert finish(third, *TARS, "--plan", str(third.parent / "plan.jsonl")) == 0
    assert tars(third.parent) == wanted


def test_what_changes_is_made_again_and_nothing_else(tmp_path: Path) -> None:
    job = make(tmp_path, 30)
    assert finish(job, *TARS) == 0
    before = {path.name: path.stat().st_ino for path in (tmp_path / "tars").glob("*.tar")}
    assert finish(job, *TARS) == 0
    assert {path.name: path.stat().st_ino for path in (tmp_path / "tars").glob("*.tar")} == before
    (tmp_path / "d/00004.png").write_bytes((tmp_path / "d/00005.png").read_bytes())
    assert finish(job, *TARS) == 0
    changed = {path.name for path in (tmp_path / "tars").glob("*.tar") if path.stat().st_ino != before[path.name]}
    assert len(changed) == 1
    with tarfile.open(tmp_path / "tars" / changed.pop()) as archive:
        assert "00004.jpg" in archive.getnames()
    for kind in "cd":       # another photo goes into one tar
        suffix = {"c": "jpg", "d": "png"}[kind]
        (tmp_path / f"{kind}/00777.{suffix}").write_bytes((tmp_path / f"{kind}/00003.{suffix}").read_bytes())
    before = {path.name: path.stat().st_ino for path in (tmp_path / "tars").glob("*.tar")}
    assert finish(job, *TARS) == 0
    assert sum(path.stat().st_ino != before[path.name] for path in (tmp_path / "tars").glob("*.tar")) == 1
    assert "00777.jpg" in members(tmp_path)


def test_photos_that_are_called_otherwise_are_put_in_again(tmp_path: Path) -> None:
    """Their bytes and times are the same; in one tar, so that it stays theirs."""
    job, one = make(tmp_path, 6), [*TARS, "--set", "output.tars=1"]
    assert finish(job, *one) == 0
    for name in ("c/00003.jpg", "d/00003.png"):
        (tmp_path / name).rename(tmp_path / name.replace("00003", "00003b"))
    assert finish(job, *one) == 0
    assert set(members(tmp_path)) == {"00000.jpg", "00001.jpg", "00002.jpg", "00003b.jpg", "00004.jpg", "00005.jpg"}
    assert finish(job, *one, "--set", "output.path=tars/{tar}.tar/depth-{stem}.jpg") == 0
    assert set(members(tmp_path)) == {f"depth-{n}.jpg" for n in ("00000", "00001", "00002", "00003b", "00004", "00005")}


def test_tars_of_another_number_of_tars_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They hold the same photos once more; nobody deletes them."""
    job = make(tmp_path, 12)
    assert run_command(["plan", str(job), *TARS]) == 0
    assert "stale tar file" not in capsys.readouterr().out
    assert finish(job, *TARS) == 0
    (tmp_path / "tars/other-7.tar").touch()
    assert not any("stale tar file" in note for note in pair_files(job, settings=TARS[1::2])[0].notes)
    fewer = [*TARS[:-1], "output.tars=2"]
    assert run_command(["plan", str(job), *fewer]) == 0
    old = [name for name in tars(tmp_path) if name not in ("0.tar", "1.tar", "other-7.tar")]
    assert old
    assert f"stale tar file{'s' * (len(old) > 1)} in the output folder would be read as well, for example {tmp_path / 'tars' / old[0]}" in capsys.readouterr().out


def test_a_tar_holds_the_memory_of_one_photo(tmp_path: Path) -> None:
    """As much is asked for as for its largest photo, not for all of them together."""
    job = make(tmp_path, 40)
    plan, _ = pair_files(job, settings=["output.path=tars/{tar}.tar/{stem}.jpg", "output.tars=1"])
    [tar] = plan.items
    assert isinstance(tar, tar_files.Tar)
    asked: list[int] = []
    lease = MemoryLease(1, asked.append)
    worker = WorkerContext(lease=lease)
    photo = replace(tar.items[0], output=tmp_path / "alone.jpg")
    ItemWorker()(Task(photo, plan.settings, "numpy", "job"), worker)
    alone = sum(asked)
    lease.reset()
    asked.clear()
    ItemWorker()(Task(tar, plan.settings, "numpy", "job"), worker)
    assert 0 < sum(asked) < 4 * alone


def test_a_bad_photo_is_left_out_and_told(tmp_path: Path) -> None:
    job = make(tmp_path, 30)
    (tmp_path / "c/00011.jpg").write_bytes(b"\xff\xd8 and no more")
    assert finish(job, *TARS) == 3
    assert sorted(members(tmp_path)) == [f"{n:05}.jpg" for n in range(30) if n != 11]
    rows = [json.loads(line) for line in (tmp_path / "tars/gpudepth-ledger.jsonl").read_text().splitlines()]
    bad = [row for row in rows if row["status"] == "error"]
    assert len(bad) == 1
    assert "1 of " in bad[0]["message"]
    assert "c/00011.jpg: " in bad[0]["message"]
    (tmp_path / "c/00011.jpg").write_bytes((tmp_path / "c/00010.jpg").read_bytes())
    assert finish(job, *TARS) == 0
    assert len(members(tmp_path)) == 30


def test_killed_runs_leave_whole_tars(tmp_path: Path) -> None:
    clean = make(tmp_path / "clean", 60)
    assert finish(clean, *TARS) == 0
    wanted = tars(clean.parent)
    job = make(tmp_path / "job", 60)
    for wait in (0.9, 1.3, 1.7):
        process = start(job, *TARS)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = tars(job.parent)
        assert found.items() <= wanted.items()
    deadline = time.monotonic() + 10
    while finish(job, *TARS) != 0:
        assert time.monotonic() < deadline
    assert tars(job.parent) == wanted
    assert not list((job.parent / "tars").glob(".gpudepth-*"))


@pytest.mark.parametrize("path", ["out/{stem}.jpg", "out/{tar}.tar/fixed.jpg", "out/x.tar/{stem}.jpg", "{stem}/{tar}.tar/{stem}.jpg", "out/{tar}/{stem}.jpg",
                                  "{tar}/a.tar/{stem}.jpg", "{tar}.tar/{tar}.tar/{stem}.jpg"])
def test_paths_that_name_no_tar(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a tar"):
        templates.check(path)
    with pytest.raises(JobError, match="name a tar"):
        pair_files(make(tmp_path, 2), settings=["output.tars=3", f"output.path={path}"])


def test_names() -> None:
    assert templates.tar_of("out/0.tar/a/b.heic", "out/{tar}.tar/{folder}/{stem}.heic", 7, 64) == "out/07.tar"
    assert templates.tar_of("s3://b/x/depth-0.tar/b.heic", "s3://b/x/depth-{tar}.tar/{stem}.heic", 7, 5) == "s3://b/x/depth-7.tar"
    assert templates.tar_of("0.tar/b.heic", "{tar}.tar/{stem}.heic", 0, 1) == "0.tar"


def test_a_sample_and_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = make(tmp_path, 12)
    assert run_command(["plan", str(job), *TARS]) == 0
    shown = capsys.readouterr().out
    assert " photos -> " in shown
    assert run_command(["run", str(job), *TARS, "--dry-run", "--sample", "3"]) == 0
    assert "3 of 12 items processed as a sample" in capsys.readouterr().out
