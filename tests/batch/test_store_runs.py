"""Runs from and into an object store: the files of a local run, whatever is killed, changed or gone."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from photo_kit import gray, plain
from store_kit import JOB, SECRET, Server, environment, fill, serving

from gpudepth import resources
from gpudepth.batch import runner
from gpudepth.batch.merge import merge
from gpudepth.batch.plan import make_plan
from gpudepth.batch.runner import run
from gpudepth.cli.app import run_command
from gpudepth.errors import AccessError, MissingInputError, UsageError
from gpudepth.pairing import stores
from gpudepth.settings.job import load_job

COUNT = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as one, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(one.address).items():
            patch.setenv(name, value)
        forget()
        yield one
        forget()


def forget() -> None:
    stores._system.cache_clear()


@pytest.fixture
def job(server: Server, tmp_path: Path) -> Path:
    job = fill(server, tmp_path, COUNT)
    server.requests()
    return job


def local(server: Server, folder: Path, count: int = COUNT) -> dict[str, bytes]:
    """What the same job makes of the same files on a disk."""
    for side in ("photos", "depth"):
        (folder / "local" / side).mkdir(parents=True)
        for name, data in server.objects(f"{side}/").items():
            (folder / "local" / side / name).write_bytes(data)
    (folder / "local/job.yaml").write_text(JOB.replace("s3://bucket/", ""))
    assert run(folder / "local/job.yaml").done == count
    return {path.name: path.read_bytes() for path in (folder / "local/out").glob("*.jpg")}


def start(job: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "gpudepth", "run", str(job), *more], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True,
                            env={**os.environ, "TMPDIR": str(job.parent)})      # where a killed one leaves its scratch folder


def wait_for_parts(server: Server, process: subprocess.Popen[str], count: int = 1) -> list[str]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        parts = server.parts()
        if len(parts) >= count:
            return parts
        time.sleep(0.02)
    raise AssertionError(f"no part was written: {process.communicate()[1] if process.poll() is not None else ''}")


def test_the_files_of_a_local_run(job: Path, server: Server, tmp_path: Path) -> None:
    summary = run(job)
    assert summary.describe() == f"{COUNT} done, 0 already done, 0 failed"
    assert len(summary.rows) == COUNT
    assert server.objects() == local(server, tmp_path)
    assert len(server.parts()) == 3                 # of three rows, three, and the rest
    row = summary.rows[0]
    assert row.photo is not None and row.photo.etag and row.photo.mtime_ns == 0
    assert server.requests("PUT /bucket/out/p") and not list(tmp_path.glob(".gpudepth*"))
    head = server.client.head_object(Bucket="bucket", Key=f"out/{row.output}")
    assert (head["ContentLength"], head["ETag"].strip('"')) == (row.output_size, row.output_etag)


def test_a_second_run_writes_nothing(job: Path, server: Server) -> None:
    run(job)
    server.requests()
    assert run(job).describe() == f"0 done, {COUNT} already done, 0 failed"
    asked = server.requests()
    assert not [one for one in asked if one.startswith(("PUT", "POST", "DELETE"))]
    assert not [one for one in asked if one.startswith(("GET /bucket/photos", "GET /bucket/depth"))]
    assert len([one for one in asked if one.startswith("HEAD /bucket/out/p")]) == COUNT


def test_what_changed_is_done_again(job: Path, server: Server, tmp_path: Path) -> None:
    run(job)
    server.put("depth/p03.png", gray(tmp_path / "d.png", 32, 24, 99).read_bytes())
    server.put("out/p05.jpg", b"something else")
    server.client.delete_object(Bucket="bucket", Key="out/p06.jpg")
    server.requests()
    assert run(job).describe() == f"3 done, {COUNT - 3} already done, 0 failed"
    assert sorted(server.requests("PUT /bucket/out/p")) == [f"PUT /bucket/out/p{n:02}.jpg" for n in (3, 5, 6)]
    assert server.objects() == local(server, tmp_path)
    assert run(job, settings=["encoding.far=13"]).done == COUNT
    assert run(job, settings=["run.on_existing=overwrite", "encoding.far=13"]).done == COUNT
    with pytest.raises(UsageError, match="the output exists but is not in the ledger"):
        run(job, settings=["run.on_existing=error", f"run.ledger={tmp_path}/none.jsonl"])


def test_four_shards_by_a_plan(job: Path, server: Server, tmp_path: Path) -> None:
    plan = tmp_path / "plan.jsonl"
    runner.plan(job, write=plan)
    server.requests()
    for shard in range(4):
        assert run(job, shard=(shard, 4), plan_file=plan).failed == 0
    asked = server.requests()
    assert not [one for one in asked if "prefix=photos" in one or "prefix=depth" in one]    # nobody lists them again
    assert server.objects() == local(server, tmp_path)
    merged = merge(job, plan_file=plan)
    assert (merged.describe(), merged.shards) == (f"{COUNT} done, 0 failed, 0 missing", tuple(f"{n}/4" for n in range(4) if any(
        part.startswith(f"{n}-of-4") for part in server.parts())))
    assert run(job, plan_file=plan).skipped == COUNT        # a run of everything reads all parts
    assert run(job, shard=(1, 3), plan_file=plan).done == 0     # and another cut


def test_a_plan_in_the_store(job: Path, server: Server) -> None:
    assert run_command(["plan", str(job), "-o", "s3://bucket/plan.jsonl"]) == 0
    assert run_command(["run", str(job), "--plan", "s3://bucket/plan.jsonl", "--shard", "0/1", "-q"]) == 0
    assert run_command(["merge", str(job), "--plan", "s3://bucket/plan.jsonl"]) == 0
    assert run_command(["run", str(job), "--plan", "s3://bucket/plan.jsonl", "--engine", "local", "--shards", "2", "-q"]) == 0
    assert len(server.objects()) == COUNT
    with pytest.raises(MissingInputError):
        run(job, plan_file="s3://bucket/no.jsonl")


def test_an_input_that_changed_after_the_plan(job: Path, server: Server, tmp_path: Path) -> None:
    plan = tmp_path / "plan.jsonl"
    runner.plan(job, write=plan)
    server.put("photos/p02.jpg", plain(tmp_path / "x.jpg", 128, 96).read_bytes())
    server.client.delete_object(Bucket="bucket", Key="depth/p04.png")
    summary = run(job, plan_file=plan)
    assert summary.describe() == f"{COUNT - 2} done, 0 already done, 2 failed"
    told = {row.key: row.message for row in summary.rows if row.status == "error"}
    assert "s3://bucket/photos/p02.jpg: the object changed after it was listed" in told["s3://bucket/photos/p02.jpg"]
    assert "s3://bucket/depth/p04.png: the object does not exist" in told["s3://bucket/photos/p04.jpg"]
    assert len(server.objects()) == COUNT - 2


def test_a_shard_that_is_killed(server: Server, tmp_path: Path) -> None:
    count = 24
    job = fill(server, tmp_path, count, 640, 480)
    runner.plan(job, write=tmp_path / "plan.jsonl")
    process = start(job, "--plan", str(tmp_path / "plan.jsonl"), "--shard", "0/1", "-q")
    try:
        wait_for_parts(server, process, 2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    rows = sum(server.client.get_object(Bucket="bucket", Key=f"out/gpudepth-ledger/{part}")["Body"].read().count(b"\n") for part in server.parts())
    assert rows < count and list(tmp_path.glob("gpudepth-run-*"))
    before = server.objects()
    summary = run(job, plan_file=tmp_path / "plan.jsonl", shard=(0, 1))
    assert (summary.skipped, summary.done) == (rows, count - rows)
    assert len(before) - rows <= 3 + 2      # a part's rows, and what two workers had at work: done again, and no more
    whole = server.objects()
    assert whole == local(server, tmp_path, count)
    assert all(whole[name] == data for name, data in before.items())


def test_sigterm_writes_the_last_part(server: Server, tmp_path: Path) -> None:
    job = fill(server, tmp_path, 24, 640, 480)
    process = start(job, "--set", "run.ledger_rows=5")
    try:
        wait_for_parts(server, process)
        process.terminate()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, errors
    assert not list(tmp_path.glob("gpudepth-*"))
    rows = [json.loads(line) for part in server.parts()
            for line in server.client.get_object(Bucket="bucket", Key=f"out/gpudepth-ledger/{part}")["Body"].read().splitlines()]
    assert len(rows) == len({row["key"] for row in rows}) < 24
    summary = run(job)
    assert (summary.skipped, summary.done, summary.failed) == (len(rows), 24 - len(rows), 0)


def test_folders_and_stores_together(job: Path, server: Server, tmp_path: Path) -> None:
    whole = local(server, tmp_path)
    job.write_text(JOB.replace("s3://bucket/photos", "local/photos").replace("s3://bucket/out", "out"))
    assert run(job).done == COUNT
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.jpg")} == whole
    assert run(job).skipped == COUNT
    server.put("depth/p01.png", gray(tmp_path / "d.png", 32, 24, 99).read_bytes())
    assert run(job).done == 1
    job.write_text(JOB.replace("s3://bucket/photos", "local/photos").replace("s3://bucket/depth", "local/depth"))
    assert run(job).done == COUNT
    assert server.objects() == whole
    gray(tmp_path / "local/depth/p01.png", 32, 24, 98)
    assert run(job).describe() == f"1 done, {COUNT - 1} already done, 0 failed"
    job.write_text(JOB.replace("s3://bucket/photos", "local/photos").replace("s3://bucket/depth", "local/depth").replace(
        "ledger_rows: 3", "ledger: own.jsonl"))
    assert run(job).done == COUNT and (tmp_path / "own.jsonl").exists()
    assert run(job).skipped == COUNT


def test_what_comes_beside_and_maps_alone(job: Path, server: Server) -> None:
    for n in range(COUNT):
        server.put(f"metric/p{n:02}.png", server.objects("depth/")[f"p{n:02}.png"])
    job.write_text(JOB + "refine: {align: {to: 's3://bucket/metric/{stem}.png', scale: mm}}\n")
    plan = runner.plan(job)
    assert len(plan.items[0].inputs) == 3
    job.write_text(JOB.replace("{stem}.jpg\"", "{stem}.npy\""))
    assert run(job).done == COUNT
    assert sorted(server.objects()) == [f"p{n:02}.npy" for n in range(COUNT)]


def test_planned_on_the_disk_as_in_memory(job: Path, server: Server, tmp_path: Path) -> None:
    for key in ("photos/deep/x.jpg", "photos/P99.JPG", "depth/p99.png", "photos/", "photos//odd.jpg", "depth/left.png", "photos/ü #?%.jpg", "depth/ü #?%.png"):
        server.put(key, b"x")
    for settings in ([], ["source.color=s3://bucket/photos/**/*.jpg"], ["source.allow_missing=true"], ["output.path=s3://bucket/photos/{stem}.jpg"],
                     ["source.color=s3://bucket/none/*.jpg"], ["output.path=s3://bucket/out/one.jpg"], ["source.color=s3://bucket/{folder}/*.jpg"]):
        the_job = load_job(job, settings)
        try:
            plan = make_plan(the_job, tmp_path)
        except UsageError as error:
            with pytest.raises(type(error)) as caught:
                make_plan(the_job, tmp_path, on_disk=True)
            assert str(caught.value) == str(error)
            continue
        on_disk = make_plan(the_job, tmp_path, on_disk=True)
        assert list(plan.items) == list(on_disk.items) and plan.notes == on_disk.notes
        assert "s3://bucket/photos/ü #?%.jpg + s3://bucket/depth/ü #?%.png -> s3://bucket/out/ü #?%.jpg" in "\n".join(plan.lines())


def test_strange_parts(job: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are none are skipped, and so is what is no part."""
    run(job)
    good = server.parts()[0]
    for name, data in [("all-20990101T000000-00000000-000000.jsonl", b"[1]\n{}\n\xff\n{\"key\": 7}\n" + b"[" * 99_999 + b"\n{\"key\":\"s3"),
                       ("notes.txt", b"x"), (good.replace("all", "9-of-4"), b"not of this cut")]:
        server.put(f"out/gpudepth-ledger/{name}", data)
    assert run(job).skipped == COUNT
    assert merge(job).done == COUNT


def test_maps_are_looked_at_before(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", str(job), "--sample", "2"]) == 0
    assert "2 of 8 items processed as a sample, 0 failed" in capsys.readouterr().out
    job.write_text(JOB.replace("near: 0.5, far: 12", "kind: depth, scale: 1"))
    assert run_command(["plan", str(job)]) == 0
    out = capsys.readouterr().out
    assert "warning: " in out and "refine.clamp limits the range" in out


def test_the_example_job(job: Path, server: Server, tmp_path: Path) -> None:
    """configs/store.yaml on objects such as it speaks of."""
    job.write_text(resources.text("configs", "store.yaml"), encoding="utf-8")
    assert run(job).done == COUNT
    assert server.objects() == local(server, tmp_path)
    assert len(server.parts()) == 1


def test_no_scratch_folder(job: Path, tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", "import sys, tempfile; tempfile.tempdir = '/nowhere'; from gpudepth.cli.app import run_command; sys.exit(run_command(sys.argv[1:]))",
                              "run", str(job)], capture_output=True, text=True, check=False)
    assert process.returncode == 74 and "no folder for temporary files" in process.stderr and "TMPDIR" in process.stderr


def test_stages(job: Path) -> None:
    assert {"fetch", "put", "encode"} <= set(run(job).rows[0].stages)


def test_too_large_is_told_before_anything_is_fetched(job: Path, server: Server) -> None:
    summary = run(job, settings=["limits.max_file=100"])
    assert summary.failed == COUNT
    assert "limits.max_file is 100" in summary.rows[0].message
    assert not [one for one in server.requests("GET") if "/photos/p" in one]


def test_what_the_store_refuses(job: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for setting in ("source.color=s3://nowhere/photos/*.jpg", "output.path=s3://nowhere/{stem}.jpg"):
        with pytest.raises(AccessError, match="the bucket does not exist"):
            run(job, settings=[setting])
    with pytest.raises(MissingInputError, match="no object matches 's3://bucket/none"):
        run(job, settings=["source.color=s3://bucket/none/*.jpg"])
    for setting, message in [("source.color=s3://bucket", "name a bucket and an object"), ("source.color=s3://*/x/y.jpg", "name a bucket"),
                             ("source.color=s3://me:word@bucket/*.jpg", "contain credentials"), ("output.path=s3://me:word@bucket/{stem}.jpg", "contain credentials"),
                             ("source.match=index", "paired by name only"), ("source.color=nothing://x/*.jpg", "nothing:// is not a")]:
        with pytest.raises(UsageError, match=message) as caught:
            run(job, settings=[setting])
        assert "word" not in str(caught.value)
    forget()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert run_command(["run", str(job)]) == 2
    assert "rejects the credentials: NoCredentialsError" in capsys.readouterr().err
    forget()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    begin = time.monotonic()
    assert run_command(["run", str(job)]) == 74
    told = capsys.readouterr().err
    assert "the store failed: EndpointConnectionError" in told and SECRET not in told
    assert time.monotonic() - begin < 60
    forget()


def test_a_store_that_goes_away_ends_the_run(server: Server, tmp_path: Path) -> None:
    """With status 74, and not with as many failed items as there are left."""
    with serving(tmp_path) as other, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(other.address).items():
            patch.setenv(name, value)
        forget()
        job = fill(other, tmp_path, 24, 640, 480)
        process = start(job)
        try:
            wait_for_parts(other, process)
            other.stop()
            _, errors = process.communicate(timeout=90)
        finally:
            process.kill()
    forget()
    assert process.returncode == 74, errors
    assert "the store failed: " in errors and SECRET not in errors and "Traceback" not in errors


def test_tars_in_a_store(job: Path, server: Server, tmp_path: Path) -> None:
    """Photos and maps from the store into tars of it, the photos of a local run; done once, and redone where they are."""
    settings = ["output.path=s3://bucket/tars/{tar}.tar/{stem}.jpg", "output.tars=3"]
    assert run(job, settings=settings).failed == 0
    found: dict[str, bytes] = {}
    for data in server.objects("tars/").values():
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found |= {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert found == local(server, tmp_path)
    server.requests()
    again = run(job, settings=settings)
    assert (again.done, again.skipped) == (0, len(server.objects("tars/")))
    assert not server.requests("PUT /")
    plan = tmp_path / "plan.jsonl"
    assert run_command(["plan", str(job), *(word for one in settings for word in ("--set", one)), "-o", str(plan)]) == 0
    assert run(job, settings=settings, plan_file=plan).done == 0
