"""Plans as files: what is written is read back, by shards as by the whole; what is no plan is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_kit import capture, tar, zipped
from cluster_kit import make_job, outputs
from photo_kit import gray

import gpudepth
from gpudepth.batch import runner
from gpudepth.batch.merge import merge
from gpudepth.batch.plan import Plan, make_plan
from gpudepth.batch.plan_file import read_plan, write_plan
from gpudepth.batch.runner import pair_files, run
from gpudepth.errors import GpudepthError, JobError, MissingInputError, UsageError
from gpudepth.settings.job import parse_job

JOB = """
source: {%s}
encoding: {near: 1, far: 4}
output: {path: "out/%s"}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path, 8, 64, 48)


@pytest.fixture
def written(job: Path, tmp_path: Path) -> Path:
    runner.plan(job, write=tmp_path / "plan.jsonl")
    return tmp_path / "plan.jsonl"


def same(one: Plan, other: Plan) -> None:
    assert list(one.items) == list(other.items)
    assert [(r.key, type(r.error), str(r.error)) for r in one.refused] == [
        (r.key, type(r.error), str(r.error)) for r in other.refused]
    assert (one.root, one.notes, one.settings, one.ledger) == (other.root, other.notes, other.settings, other.ledger)


def round_trip(text: str, base: Path) -> Plan:
    job_file = base / "job.yaml"
    job_file.write_text(text)
    plan, folder = pair_files(job_file)
    write_plan(plan, folder, base / "plan.jsonl")
    same(plan, read_plan(base / "plan.jsonl", plan.job, folder))
    return plan


def touch(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).touch()


def test_names_of_all_kinds(tmp_path: Path) -> None:
    strange = os.fsdecode(b"\xff\n\"")
    touch(tmp_path, "p/a.jpg", "d/a.png", "p/ü.jpg", "d/ü.png", f"p/{strange}.jpg", f"d/{strange}.png", "d/left.png")
    plan = round_trip(JOB % ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg"), tmp_path)
    assert len(plan.items) == 3 and len(plan.notes) == 1


def test_relative_and_absolute_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "far/p/a.jpg", "jobs/d/a.png")
    monkeypatch.chdir(tmp_path)
    for base in (Path("jobs"), tmp_path / "jobs"):
        round_trip(JOB % (f"color: '{tmp_path}/far/p/*.jpg', depth: 'd/{{stem}}.png'", "{stem}.jpg"), base)
        round_trip(JOB.replace("out/", "../out/") % ("color: '../far/p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg"), base)
    monkeypatch.chdir(tmp_path / "jobs")
    plan = round_trip(JOB % ("color: '../far/p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg"), Path())
    assert "/" not in json.loads((tmp_path / "jobs/plan.jsonl").read_text().splitlines()[1])["depth"][2:]
    assert len(plan.items) == 1


def test_what_comes_beside(tmp_path: Path) -> None:
    touch(tmp_path, "p/a.jpg", "d/a.png", "m/a.png", "c/a.png")
    plan = round_trip((JOB % ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg"))
                      + "refine: {align: {to: 'm/{stem}.png', scale: mm}, confidence: {path: 'c/{stem}.png'}}", tmp_path)
    [item] = plan.items
    assert len(item.inputs) == 4
    touch(tmp_path, "q/a.png", "q/a.pfm", "q/calib.txt")
    plan = round_trip("source: {color: 'q/*.png', depth: 'q/{stem}.pfm'}\nencoding: {preset: auto}\n"
                      "output: {path: 'out/{stem}.heic'}", tmp_path)
    [item] = plan.items
    assert len(item.inputs) == 3


@pytest.mark.parametrize("pack", [tar, zipped])
def test_members_of_archives(tmp_path: Path, pack: Callable[..., Path]) -> None:
    pack(tmp_path / "s/one.x", {"p/a.jpg": b"x" * 9, "d/a.png": b"y" * 99})
    (tmp_path / "s/one.x").rename(tmp_path / ("s/one.tar" if pack is tar else "s/one.zip"))
    (tmp_path / "s/two.tar").write_bytes(b"no archive" * 99)
    plan = round_trip(JOB % ("archive: 's/*', color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg"), tmp_path)
    assert len(plan.items) == len(plan.refused) == 1


def test_tars(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{side}/{n}.{suffix}" for n in range(9) for side, suffix in (("c", "jpg"), ("d", "png"))))
    plan = round_trip("source: {color: c/*.jpg, depth: 'd/{stem}.png'}\noutput: {path: 'out/{tar}.tar/a/{stem}.jpg', tars: 4}\n"
                      "encoding: {near: 1, far: 2}", tmp_path)
    assert sum(len(tar.items) for tar in plan.items) == 9  # type: ignore[attr-defined]
    assert 1 < len(plan.items) <= 4


def test_clips(tmp_path: Path) -> None:
    touch(tmp_path, "v/a.mp4", "d/a.mkv", *(f"s/{n:03}.png" for n in range(3)), *(f"t/{n}.5.png" for n in range(3)))
    plan = round_trip(JOB % ("video: 'v/*.mp4', depth: 'd/{stem}.mkv'", "{stem}/{frame}.heic"), tmp_path)
    assert len(plan.items) == 1
    round_trip(JOB % ("video: 'v/*.mp4'", "{stem}.mkv"), tmp_path)
    round_trip(JOB % ("video: 's/{frame}.png', depth: 't/{time}.png', clip: {fps: 5}", "{frame}.heic"), tmp_path)


def test_captures_keep_their_preset(tmp_path: Path) -> None:
    capture(tmp_path / "a.r3d", frames=2)
    plan = round_trip("source: {archive: '*.r3d'}\noutput: {path: 'out/{archive}/{frame}.jpg'}\nrefine: {fill: nearest}", tmp_path)
    assert plan.preset == "record3d" and all(item.camera for item in plan.items)    # type: ignore[attr-defined]


def test_shards_read_their_own_lines(job: Path, written: Path) -> None:
    whole, _ = pair_files(job)
    parts = [pair_files(job, shard=(i, 3), plan_file=written)[0] for i in range(3)]
    for i, part in enumerate(parts):
        same(part, pair_files(job, shard=(i, 3))[0])
    assert sorted(item.key for part in parts for item in part.items) == [item.key for item in whole.items]
    items = pair_files(job, plan_file=written)[0].items
    assert [items[n] for n in (0, -1, 3)] == [whole.items[n] for n in (0, -1, 3)]
    assert list(items[2:4]) == list(whole.items[2:4])


def test_a_run_of_it_lists_nothing(job: Path, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(job, settings=["output.path=local/{stem}.heic"])
    monkeypatch.setattr(runner, "make_plan", None)
    gray(job.parent / "depth/p00.png", 40, 30)     # content is the ledger's business
    assert run(job, plan_file=written, shard=(0, 2)).failed == 0
    assert run(job, plan_file=written, shard=(1, 2)).failed == 0
    merged = merge(job, plan_file=written)
    assert merged.describe() == "8 done, 0 failed, 0 missing"
    assert run(job, plan_file=written).skipped == 8
    (job.parent / "out/p03.heic").unlink()
    assert gpudepth.run(job, plan_file=written, shards=2).done == 1
    one, other = outputs(job.parent / "local"), outputs(job.parent / "out")
    assert {k: v for k, v in one.items() if k != "p00.heic"} == {k: v for k, v in other.items() if k != "p00.heic"}


def test_of_another_job(job: Path, written: Path, tmp_path: Path) -> None:
    for settings, message in [
            ("encoding.far=13", "another job: encoding, refine, map or output have changed"),
            ("source.depth=depth/{stem}.*", r"source.depth is 'depth/\{stem\}.\*' but in the plan 'depth/\{stem\}.png'"),
            ("output.path=other/{stem}.heic", "output.path is 'other/"),
            ("source.allow_missing=true", "source.allow_missing is True but in the plan False")]:
        with pytest.raises(UsageError, match=message) as caught:
            run(job, settings=[settings], plan_file=written)
        assert caught.value.hint == f"write it again: gpudepth plan job.yaml -o {written}"
        assert caught.value.exit_code == 2
    assert run(job, settings=["run.workers=1", "limits.max_items=5"], plan_file=written).done == 8
    with pytest.raises(MissingInputError, match="the plan does not exist"):
        run(job, plan_file=tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="not a regular file"):
        run(job, plan_file=tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="not a regular file"):
        run(job, plan_file=tmp_path / "fifo")


def test_every_damage_is_found(job: Path, written: Path, tmp_path: Path) -> None:
    whole = written.read_bytes()
    the_job = runner.load_job(job)
    cuts = [whole[:n] for n in range(0, len(whole), 97)]
    flips = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:] for n in range(0, len(whole), 61)]
    lines = whole.splitlines(keepends=True)
    moved = [b"".join([*lines[:2], *lines[3:]]), whole + lines[-1], whole + b"\n", b"".join([lines[0], lines[2], lines[1], *lines[3:]])]
    bad = tmp_path / "bad.jsonl"
    for data in cuts + flips + moved:
        bad.write_bytes(data)
        with pytest.raises(UsageError):
            list(read_plan(bad, the_job, tmp_path).items)


def rewritten(written: Path, change: Callable[[dict[str, object]], object]) -> bytes:
    """The plan with another first item, and an end that fits."""
    import hashlib

    lines = written.read_bytes().splitlines(keepends=True)
    item = json.loads(lines[1])
    change(item)
    lines[1] = json.dumps(item, separators=(",", ":")).encode() + b"\n"
    end = json.loads(lines[-1])
    end["end"]["sha256"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    return b"".join(lines[:-1]) + json.dumps(end).encode() + b"\n"


@pytest.mark.parametrize(("change", "message"), [
    (lambda d: d.update(key="other"), "the hash is not that of the key"),
    (lambda d: d.pop("depth"), "the field 'depth' is missing"),
    (lambda d: d.update(depth=7), "7 does not name a file"),
    (lambda d: d.update(depth=""), "'' is not a path"),
    (lambda d: d.update(depth="a\0b"), "is not a path"),
    (lambda d: d.update(output=["x"]), "should be text"),
    (lambda d: d.update(more=1), "unknown field 'more'"),
    (lambda d: d.update(aids={}), "should be a list"),
    (lambda d: d.update(photo={"archive": "a.zip"}), "the field 'offset' is missing"),
    (lambda d: d.update(photo={"archive": "a", "kind": "rar", "inside": "x", "offset": 0, "size": 1, "packed": 1, "method": 0, "problem": ""}), "unknown kind of archive"),
    (lambda d: d.update(photo={"archive": "a", "kind": "zip", "inside": "x", "offset": -1, "size": 1, "packed": 1, "method": 0, "problem": ""}), "negative"),
    (lambda d: d.update(video={"files": ["a"], "sequence": False}), "a clip, but the job has photos"),
    (lambda d: d.update(photo=float("nan")), "NaN is not a number"),
])
def test_items_that_are_none(job: Path, written: Path, change: Callable[[dict[str, object]], object], message: str) -> None:
    written.write_bytes(rewritten(written, change))
    with pytest.raises(JobError, match=message) as caught:
        list(read_plan(written, runner.load_job(job), job.parent).items)
    assert f"{written}: byte " in str(caught.value) and f"write it again: gpudepth plan job.yaml -o {written}" in str(caught.value)


def test_deep_and_long_lines(job: Path, written: Path, tmp_path: Path) -> None:
    the_job = runner.load_job(job)
    for head in (b"[" * 200_000, b"{" * 10, b'{"gpudepth_plan":' + b"9" * 5000 + b"}", b"\xff\xfe", b"x" * (1 << 25), b'{"gpudepth_plan": true}'):
        (tmp_path / "bad.jsonl").write_bytes(head + b"\n")
        with pytest.raises(UsageError, match="not a plan"):
            read_plan(tmp_path / "bad.jsonl", the_job, tmp_path)
    (tmp_path / "bad.jsonl").write_bytes(written.read_bytes().replace(b'"gpudepth_plan":1', b'"gpudepth_plan":2'))
    with pytest.raises(UsageError, match="format 2; this gpudepth reads format 1"):
        read_plan(tmp_path / "bad.jsonl", the_job, tmp_path)
    (tmp_path / "bad.jsonl").write_bytes(rewritten(written, lambda d: d.update(photo="x" * 300_000)))
    assert len(str(read_plan(tmp_path / "bad.jsonl", the_job, tmp_path).items[0].inputs[0])) > 300_000     # long, and well
    with (tmp_path / "bad.jsonl").open("wb") as file:
        file.write(written.read_bytes().splitlines(keepends=True)[0] + b'{"hash":"0123456789abcdef",')
        file.truncate(1 << 32)      # no line, four gigabytes long
    with pytest.raises(JobError, match="damaged"):
        read_plan(tmp_path / "bad.jsonl", the_job, tmp_path)


def test_it_is_written_whole_or_not_at_all(job: Path, tmp_path: Path) -> None:
    with pytest.raises(GpudepthError) as caught:
        runner.plan(job, write=tmp_path / "nowhere/plan.jsonl")
    assert caught.value.exit_code == 74
    runner.plan(job, write=tmp_path / "plan.jsonl")
    before = (tmp_path / "plan.jsonl").read_bytes()
    runner.plan(job, write=tmp_path / "plan.jsonl")
    assert (tmp_path / "plan.jsonl").read_bytes() == before
    assert not list(tmp_path.glob(".gpudepth-*"))


def test_a_plan_that_is_replaced_meanwhile(job: Path, written: Path) -> None:
    items = read_plan(written, runner.load_job(job), job.parent).items
    written.with_name("new").write_bytes(b"")
    written.with_name("new").replace(written)
    assert len(list(items)) == 8


FILES = ["p/a.jpg", "p/b.jpg", "p/10.jpg", "p/9.jpg", "p/one/1.jpg", "p/two/1.jpg", "d/a.png", "d/b.png", "d/9.png", "d/10.png",
         "d/one/1.png", "d/two/1.png", "m/a.npy", "m/b.npy", "m/9.npy", "m/10.npy", "q/a.jpg", "q/b.jpg", "q/a.npz", "q/a_vis.jpg"]
WAYS = [
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.png", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.txt", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.npy", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "x.jpg", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.*'", "../p/{stem}.jpg", ""),
    ("color: 'p/**/*.jpg', depth: 'd/{stem}.png', allow_missing: true", "{stem}.jpg", ""),
    ("color: 'p/{f}/*.jpg', depth: 'd/{f}/{stem}.png'", "{f}/{stem}.jpg", ""),
    ("color: 'p/{f}/*.jpg', depth: 'd/{f}/{stem}.png'", "{stem}.jpg", ""),
    ("color: 'q/*.jpg', depth: 'q/{stem}.npz'", "{stem}.jpg", ""),
    ("color: 'q/*.jpg', depth: 'q/{stem}.npz', allow_missing: true", "{stem}.jpg", ""),
    ("color: 'p/*.jpg', depth: 'd/{other}.png'", "{stem}.jpg", ""),
    ("color: 'x/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg", ""),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg", "refine: {align: {to: 'm/{stem}.npy'}, confidence: {path: 'd/{stem}.png'}}"),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "../m/{stem}.npy", "refine: {align: {to: 'm/{stem}.npy'}}"),
    ("color: 'p/**/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg", "refine: {confidence: {path: 'm/{stem}.npy'}}"),
    ("color: 'p/*.jpg', depth: 'd/{stem}.png'", "{stem}.jpg", "refine: {align: {}}"),
    ("color: 'p/*.jpg', depth: 'd/*.png', match: index", "{stem}.jpg", ""),
    ("color: 'p/{time}.jpg', depth: 'd/{time}.png', match: time", "{stem}.jpg", ""),
    ("color: 'p/*.jpg', match: embedded", "{stem}.jpg", ""),
    ("pairs: pairs.csv", "{stem}.jpg", ""),
    ("archive: '*.tar', color: 'p/*.jpg', depth: 'd/{stem}.png'", "{archive}/{stem}.jpg", ""),
    ("shards: '*.tar'", "{shard}/{key}.jpg", ""),
]


@pytest.mark.parametrize(("source", "output", "more"), WAYS)
def test_on_disk_as_in_memory(tmp_path: Path, source: str, output: str, more: str) -> None:
    """The same items, refusals and messages, whatever the way of pairing; those by name are not held in memory."""
    touch(tmp_path, *FILES)
    (tmp_path / "pairs.csv").write_text("color,depth,out\np/a.jpg,d/b.png,out/z.jpg\np/b.jpg,d/a.png,\n")
    tar(tmp_path / "one.tar", {"p/a.jpg": b"x", "d/a.png": b"y", "k.jpg": b"x", "k.depth.png": b"y"})
    job = parse_job(JOB % (source, output) + more)
    try:
        plan = make_plan(job, tmp_path)
    except GpudepthError as error:
        with pytest.raises(type(error)) as caught:
            make_plan(job, tmp_path, on_disk=True)
        assert str(caught.value) == str(error)
        return
    on_disk = make_plan(job, tmp_path, on_disk=True)
    same(plan, on_disk)
    assert isinstance(plan.items, tuple) and isinstance(on_disk.items, tuple) != job.source.by_name


def test_it_is_made_on_the_disk(job: Path, tmp_path: Path) -> None:
    assert not isinstance(runner.plan(job, write=tmp_path / "plan.jsonl").items, tuple)
