from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from kernel_kit import host
from photo_kit import gray, heic, plain
from PIL import Image

import gpudepth
from gpudepth import resources
from gpudepth.batch import runner
from gpudepth.batch.ledger import Ledger
from gpudepth.batch.runner import run
from gpudepth.errors import BackendError, JobError, LockedError, MissingInputError, UsageError

JOB = """
source:   {color: "photos/*", depth: "depth/{stem}.png"}
encoding: {near: 0.5, far: 12}
output:   {path: "out/{stem}.heic", transcode: true}
run:      {workers: 1}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "depth").mkdir()
    for i in range(1, 6):
        (heic if i % 2 else plain)(tmp_path / "photos" / f"p{i}.{'heic' if i % 2 else 'jpg'}", 64, 48, orientation=i)
        gray(tmp_path / "depth" / f"p{i}.png", *((32, 24) if i < 5 else (24, 32)))
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


def outputs(job: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((job.parent / "out").glob("*.heic"))}


def test_a_run_and_its_ledger(job: Path) -> None:
    summary = run(job)
    assert (summary.done, summary.skipped, summary.failed) == (5, 0, 0)
    for i in range(1, 6):
        data = gpudepth.read(job.parent / "out" / f"p{i}.heic")
        assert data is not None
        assert data.depth()[0, 0] == pytest.approx(0.5, rel=1e-3)
    rows = [json.loads(line) for line in (job.parent / "out" / "gpudepth-ledger.jsonl").read_text().splitlines()]
    assert [r["key"] for r in rows] == [f"photos/p{i}.{'heic' if i % 2 else 'jpg'}" for i in range(1, 6)]
    assert rows[0]["output"] == "p1.heic"
    assert rows[0]["metres"] == pytest.approx([0.5, 12], rel=1e-3)
    assert len(rows[0]["output_sha256"]) == 64


@pytest.mark.parametrize("workers", [2, 3])
def test_the_same_bytes_for_any_number_of_workers(job: Path, workers: int) -> None:
    run(job)
    first = outputs(job)
    summary = run(job, settings=[f"run.workers={workers}", "run.on_existing=overwrite"])
    assert summary.done == 5
    assert outputs(job) == first


def test_resume_by_the_ledger(job: Path) -> None:
    run(job)
    stats = {p: p.stat() for p in (job.parent / "out").iterdir()}
    again = run(job)
    assert (again.done, again.skipped) == (0, 5)
    assert all(p.stat().st_mtime_ns == s.st_mtime_ns and p.stat().st_ino == s.st_ino for p, s in stats.items())

    photos, out = job.parent / "photos", job.parent / "out"
    os.utime(photos / "p1.heic")  # touched, the content is the same: the hash decides
    assert run(job).skipped == 5
    gray(job.parent / "depth" / "p2.png", 40, 30)  # changed input
    (out / "p3.heic").unlink()  # lost output
    (out / "p4.heic").write_bytes(b"short")  # damaged output
    third = run(job)
    assert sorted(r.key for r in third.rows) == ["photos/p2.jpg", "photos/p3.heic", "photos/p4.jpg"]
    assert run(job, settings=["encoding.far=13"]).done == 5  # changed job


def test_an_output_without_a_row_is_made_again(job: Path) -> None:
    """A file that exists proves nothing."""
    (job.parent / "out").mkdir()
    (job.parent / "out" / "p1.heic").write_bytes(b"half")
    with pytest.raises(UsageError, match="on_existing"):
        run(job, settings=["run.on_existing=error"])
    assert run(job).done == 5
    assert run(job, settings=["run.on_existing=error"]).skipped == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_items_are_rows(job: Path, workers: int) -> None:
    (job.parent / "photos" / "p1.heic").write_bytes(b"")
    (job.parent / "depth" / "p2.png").write_bytes(b"junk")
    gray(job.parent / "depth" / "p3.png", 90, 24)
    summary = run(job, settings=[f"run.workers={workers}"])
    assert (summary.done, summary.failed) == (2, 3)
    errors = {r.key: (r.error, r.message) for r in summary.rows if r.status == "error"}
    assert errors["photos/p3.heic"][0] == "AspectError"
    assert all(message for _, message in errors.values())
    assert sorted(outputs(job)) == ["p4.heic", "p5.heic"]
    assert not [p for p in (job.parent / "out").iterdir() if p.name.endswith(".tmp")]
    heic(job.parent / "photos" / "p1.heic", 64, 48)
    again = run(job)  # only the failed ones
    assert sorted(r.key for r in again.rows) == ["photos/p1.heic", "photos/p2.jpg", "photos/p3.heic"]
    assert again.done == 1


def test_on_error_stop(job: Path) -> None:
    (job.parent / "photos" / "p2.jpg").write_bytes(b"")
    summary = run(job, settings=["run.on_error=stop"])
    assert (summary.done, summary.failed) == (1, 1)


def test_shards_cover_everything_once(job: Path) -> None:
    run(job)
    whole = outputs(job)
    for path in (job.parent / "out").iterdir():
        path.unlink()
    summaries = [run(job, shard=(i, 3)) for i in range(3)]
    assert sum(s.done for s in summaries) == 5
    assert outputs(job) == whole
    assert len(list((job.parent / "out").glob("gpudepth-ledger.*-of-3.jsonl"))) == 3
    with pytest.raises(UsageError, match="are numbered from 0"):
        run(job, shard=(3, 3))


def test_plans_are_checked_before_anything_runs(job: Path) -> None:
    cases = {
        "output.path=out/all.heic": "the same file",
        "source.depth=maps/{stem}.png": "no map for some photos",
        "output.path=out/{stem}.png": "no format with that suffix",
    }
    for setting, message in cases.items():
        with pytest.raises(UsageError, match=message):
            run(job, settings=[setting])
    with pytest.raises(MissingInputError, match="nothing"):
        run(job, settings=["source.color=nothing/*.heic"])
    with pytest.raises(UsageError, match="engine"):
        gpudepth.run(job, engine="spark")
    with pytest.raises(BackendError):
        run(job, settings=["run.backend=cupy"])
    with pytest.raises(JobError):
        run(job, settings=["encoding.near=20"])
    assert not (job.parent / "out").exists()
    (job.parent / "depth" / "p1.png").unlink()
    plan = runner.plan(job, settings=["source.allow_missing=true"])
    assert len(plan.items) == 4
    assert any("left out: 1 photo without a map" in n for n in plan.notes)


def test_two_runs_of_one_folder(job: Path) -> None:
    with Ledger(runner.plan(job).ledger), pytest.raises(LockedError, match="another run"):
        run(job)
    assert run(job).done == 5


def test_a_torn_last_line_is_cut_off(job: Path) -> None:
    run(job)
    ledger = job.parent / "out" / "gpudepth-ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:4]) + lines[4][:50])
    assert run(job).skipped == 4
    assert all(json.loads(line) for line in ledger.read_text().splitlines())


def test_unwritable_output(job: Path) -> None:
    (job.parent / "out").write_bytes(b"a file where a folder should be")
    from gpudepth.errors import OutputError

    with pytest.raises(OutputError):
        run(job)


def test_a_script_without_a_main_guard(job: Path) -> None:
    """Spawned workers do not import the program's main module."""
    script = job.parent / "script.py"
    script.write_text(f"import gpudepth\nprint(gpudepth.run({str(job)!r}, settings=['run.workers=2']).describe())\n")
    run_ = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run_.stdout == "5 done, 0 already done, 0 failed\n", run_.stderr


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupts_leave_nothing_partial_and_resume(job: Path, signum: int, code: int) -> None:
    for i in range(6, 60):
        (job.parent / "photos" / f"p{i}.heic").write_bytes((job.parent / "photos" / "p1.heic").read_bytes())
        (job.parent / "depth" / f"p{i}.png").write_bytes((job.parent / "depth" / "p1.png").read_bytes())
    process = subprocess.Popen([sys.executable, "-m", "gpudepth", "run", str(job), "--set", "run.workers=2"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ledger = job.parent / "out" / "gpudepth-ledger.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (ledger.exists() and ledger.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    recorded = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert 0 < len(recorded) < 59
    summary = run(job)
    assert summary.failed == 0
    assert summary.done + summary.skipped == 59
    assert len(outputs(job)) == 59
    assert not [p for p in (job.parent / "out").iterdir() if p.name.endswith(".tmp")]


REFINED = """
source:   {color: "photos/*", depth: "depth/{stem}.png"}
encoding: {kind: depth, scale: mm}
refine:
  confidence: {path: "confidence/{stem}.png", highest: 2}
  smooth: median3
  resize: {long_side: 64, method: guided}
  fill: inpaint
output:   {path: "out/{stem}.heic", transcode: true}
run:      {workers: 1}
"""


@pytest.fixture
def refined(job: Path) -> Path:
    """Millimetres with holes, and a confidence for each."""
    rng = np.random.default_rng(0)
    (job.parent / "confidence").mkdir()
    for depth in sorted((job.parent / "depth").glob("*.png")):
        with Image.open(depth) as image:
            shape = image.height, image.width
        values = np.where(rng.random(shape) < 0.1, 0, np.linspace(500, 3000, shape[0] * shape[1]).reshape(shape))
        Image.fromarray(values.astype(np.uint16)).save(depth)
        Image.fromarray(rng.integers(0, 3, shape).astype(np.uint8)).save(job.parent / "confidence" / depth.name)
    job.write_text(REFINED)
    return job


def test_a_whole_job_through_the_kernels(refined: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUDEPTH_BACKEND=support.hostcc:backend: workers run what a GPU would, and the files are numpy's to the byte."""
    host()
    monkeypatch.setenv("GPUDEPTH_BACKEND", "numpy")
    assert run(refined).describe() == "5 done, 0 already done, 0 failed"
    ours = outputs(refined)
    monkeypatch.setenv("GPUDEPTH_BACKEND", "support.hostcc:backend")
    assert run(refined, settings=["run.on_existing=overwrite"]).describe() == "5 done, 0 already done, 0 failed"
    assert outputs(refined) == ours


def test_what_comes_beside_counts_for_resume(refined: Path) -> None:
    run(refined)
    assert run(refined).describe() == "0 done, 5 already done, 0 failed"
    path = refined.parent / "confidence" / "p3.png"
    with Image.open(path) as image:
        turned = np.asarray(image)[::-1].copy()
    Image.fromarray(turned).save(path)
    assert run(refined).describe() == "1 done, 4 already done, 0 failed"
    path.unlink()
    with pytest.raises(UsageError, match=r"must match exactly one file for each photo: 0 files for photos/p3\.heic"):
        run(refined)
    with pytest.raises(UsageError, match=r"unknown placeholder|lidar|names"):
        run(refined, settings=["refine.confidence.path=confidence/{lidar}.png"])


def test_outputs_never_write_over_what_comes_beside(refined: Path) -> None:
    for i in range(1, 6):
        (refined.parent / "confidence" / f"p{i}.png").rename(refined.parent / "confidence" / f"p{i}.npy")
    with pytest.raises(UsageError, match="would overwrite"):
        run(refined, settings=["refine.confidence.path=confidence/{stem}.npy", "output.path=confidence/{stem}.npy"])


def test_relative_maps_of_a_job_become_metric(refined: Path) -> None:
    """MiDaS beside LiDAR: no encoding, and `align`."""
    rng = np.random.default_rng(0)
    (refined.parent / "lidar").mkdir()
    for depth in sorted((refined.parent / "depth").glob("*.png")):
        with Image.open(depth) as image:
            shape = image.height, image.width
        metres = rng.uniform(1, 4, shape)
        Image.fromarray((40000 / metres).astype(np.uint16)).save(depth)
        Image.fromarray((metres * 1000).astype(np.uint16)).save(refined.parent / "lidar" / depth.name)
    refined.write_text(JOB.replace("encoding: {near: 0.5, far: 12}", "refine: {align: {to: 'lidar/{stem}.png', scale: mm}}"))
    summary = run(refined)
    assert summary.describe() == "5 done, 0 already done, 0 failed"
    for row in summary.rows:
        assert "relative disparity, aligned by" in row.summary
        assert row.metres == (pytest.approx(1, rel=0.02), pytest.approx(4, rel=0.02))


def test_the_data_set_job(tmp_path: Path) -> None:
    """configs/dataset.yaml on a folder laid out as TUM's are."""
    scene = tmp_path / "rgbd_dataset_freiburg1_xyz"
    for name in ("rgb", "depth"):
        (scene / name).mkdir(parents=True)
    lists: dict[str, list[str]] = {"rgb": ["# time file"], "depth": ["# time file"]}
    for n in range(3):
        for name, late in (("rgb", 0.0), ("depth", 0.011)):
            time = f"{1305031102 + n + late:.4f}"
            lists[name].append(f"{time} {name}/{time}.png")
            if name == "rgb":
                plain(scene / name / f"{time}.png", 640, 480)
            else:
                codes = np.full((480, 640), 5000 * (n + 1), np.uint16)
                codes[:40], codes[-1] = 0, 50000
                Image.fromarray(codes).save(scene / name / f"{time}.png")
    lists["rgb"].append("1305031109.0 rgb/late.png")    # no map is near in time
    plain(scene / "rgb" / "late.png", 640, 480)
    for name, lines in lists.items():
        (scene / f"{name}.txt").write_text("\n".join(lines))
    (tmp_path / "configs").mkdir()
    job = tmp_path / "configs" / "dataset.yaml"
    job.write_text(resources.text("configs", "dataset.yaml"), encoding="utf-8")
    summary = run(job)
    assert summary.describe() == "3 done, 0 already done, 0 failed"
    data = gpudepth.read(scene / "heic" / "1305031103.0000.heic")
    assert data is not None
    assert data.accuracy == "absolute"
    assert abs(float(data.depth()[240, 320]) - 2) < 0.01
    assert abs(float(data.depth().max()) - 8) < 0.01


def test_the_lidar_job(tmp_path: Path) -> None:
    """configs/lidar.yaml on a capture such as it speaks of."""
    rng = np.random.default_rng(0)
    capture = tmp_path / "capture"
    for name in ("color", "depth", "confidence"):
        (capture / name).mkdir(parents=True)
    plain(capture / "color" / "frame_0001.jpg", 2048, 1536)
    millimetres = np.tile(np.linspace(500, 4000, 256).astype(np.uint16), (192, 1))
    millimetres[rng.random((192, 256)) < 0.05] = 0
    Image.fromarray(millimetres).save(capture / "depth" / "frame_0001.png")
    Image.fromarray(rng.choice([0, 1, 2], (192, 256), p=[0.1, 0.2, 0.7]).astype(np.uint8)).save(capture / "confidence" / "frame_0001.png")
    (tmp_path / "configs").mkdir()
    job = tmp_path / "configs" / "lidar.yaml"
    job.write_text(resources.text("configs", "lidar.yaml"), encoding="utf-8")
    summary = run(job)
    assert summary.describe() == "1 done, 0 already done, 0 failed"
    data = gpudepth.read(capture / "heic" / "frame_0001.heic")
    assert data is not None
    assert (data.width, data.height, data.accuracy) == (1920, 1440, "absolute")
    depth = data.depth()
    truth = np.tile(np.interp((np.arange(1920) + 0.5) * 256 / 1920 - 0.5, np.arange(256), np.linspace(0.5, 4, 256)), (1440, 1))
    assert np.median(np.abs(depth - truth) / truth) < 0.01
