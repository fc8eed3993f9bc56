"""Jobs over clips: the section of the job, the plan, the ledger, and the time a long clip may take."""

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
from video_kit import colour, depth

from gpudepth.batch.runner import plan, run
from gpudepth.batch.work_item import ClipItem
from gpudepth.batch.workers import WorkerContext, run_tasks
from gpudepth.cli.app import run_command
from gpudepth.errors import JobError, MissingInputError, UsageError
from gpudepth.settings.job import parse_job

JOB = """
source: {video: "in/*.mp4", depth: "in/{stem}.mkv"}
output: {path: "out/{stem}/{frame}.jpg"}
run: {workers: 2}
"""


def write(base: Path, text: str = JOB, clips: tuple[str, ...] = ("a", "b"), count: int = 4, **size: int) -> Path:
    (base / "in").mkdir(exist_ok=True)
    for name in clips:
        colour(base / f"in/{name}.mp4", count, **size)
        depth(base / f"in/{name}.mkv", count)
    (base / "job.yaml").write_text(text)
    return base / "job.yaml"


def test_clips_are_items(tmp_path: Path) -> None:
    job = write(tmp_path)
    the_plan = plan(job)
    assert [i.key for i in the_plan.items] == ["in/a.mp4", "in/b.mp4"]
    assert all(isinstance(i, ClipItem) for i in the_plan.items)
    assert "in/a.mp4 + " in list(the_plan.lines())[1]
    summary = run(job)
    assert summary.describe() == "2 done, 0 already done, 0 failed"
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 8
    row = summary.rows[0]
    assert row.output in ("a/frames.csv", "b/frames.csv")
    assert row.summary.startswith("4 frames, 0.5 to 8 m")
    assert run(job).describe() == "0 done, 2 already done, 0 failed"


def test_what_makes_it_do_a_clip_again(tmp_path: Path) -> None:
    job = write(tmp_path)
    run(job)
    (tmp_path / "out/a/000002.jpg").unlink()
    assert run(job).describe() == "1 done, 1 already done, 0 failed"
    depth(tmp_path / "in/b.mkv", 5)
    assert run(job).describe() == "1 done, 1 already done, 0 failed"
    assert run(job, settings=["source.clip.stride=2"]).describe() == "2 done, 0 already done, 0 failed"


def test_a_clip_that_fails_costs_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = write(tmp_path)
    (tmp_path / "in/a.mp4").write_bytes(b"")
    assert run_command(["run", str(job), "-q"]) == 3
    rows = [json.loads(line) for line in (tmp_path / "out/gpudepth-ledger.jsonl").read_text().splitlines()]
    assert {row["key"]: row["status"] for row in rows} == {"in/a.mp4": "error", "in/b.mp4": "ok"}
    assert "empty" in next(row["message"] for row in rows if row["status"] == "error")
    capsys.readouterr()


def test_sequences_are_watched_file_by_file(tmp_path: Path) -> None:
    from PIL import Image

    colour(tmp_path / "c.mp4", 3)
    (tmp_path / "d").mkdir()
    for n in range(3):
        Image.fromarray(np.full((48, 64), 100 * n + 500, np.uint16)).save(tmp_path / f"d/{n}.png")
    (tmp_path / "job.yaml").write_text("source: {video: c.mp4, depth: 'd/{frame}.png'}\nencoding: {kind: depth, scale: mm}\n"
                                       "output: {path: 'out/{frame}.heic'}\n")
    assert run(tmp_path / "job.yaml").done == 1
    assert run(tmp_path / "job.yaml").skipped == 1
    Image.fromarray(np.full((48, 64), 501, np.uint16)).save(tmp_path / "d/1.png")
    assert run(tmp_path / "job.yaml").done == 1


def test_shards(tmp_path: Path) -> None:
    job = write(tmp_path, clips=("a", "b", "c"))
    keys = [{i.key for i in plan(job, shard=(n, 2)).items} for n in range(2)]
    assert keys[0] | keys[1] == {"in/a.mp4", "in/b.mp4", "in/c.mp4"}
    assert not keys[0] & keys[1]


@pytest.mark.parametrize(("text", "words"), [
    ("source: {video: 'a', color: 'b'}", "source.video names the pictures already"),
    ("source: {video: 'a', pairs: 'b'}", "names the files already; give one of them"),
    ("source: {color: 'a', depth: 'b', clip: {stride: 2}}", "requires source.video"),
    ("source: {video: 'a', match: time, depth: 'b'}", "for frames use source.clip.match"),
    ("source: {video: 'a', clip: {stride: 0}}", "greater than or equal to 1"),
    ("source: {video: 'a', clip: {frames: '5'}}", "is not a range A:B"),
    ("source: {video: 'a', clip: {range: [3, 2]}}", "0 < near < far"),
    ("source: {video: 'a', clip: {depth_crop: [0, 0, 0, 4]}}", "x, y, width, height"),
    ("source: {video: 'a', clip: {strides: 2}}", "did you mean stride"),
    ("source: {video: 'a'}\nrefine: {temporal: smooth}", "job:2: refine.temporal: input should be 'steady' or 'rescale'"),
    ("source: {color: 'a', depth: 'b'}\nrefine:\n  fill: far\n  temporal: steady", "job:4: refine.temporal: requires source.video"),
])
def test_mistakes_in_the_section(text: str, words: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(text + "\noutput: {path: 'o/{frame}.jpg'}")
    assert words in str(caught.value)


@pytest.mark.parametrize(("text", "error", "words"), [
    ("source: {video: 'in/*.mp4', depth: 'in/{stem}.mkv'}\noutput: {path: 'out/{frame}.jpg'}", UsageError, "several clips would write the same"),
    ("source: {video: 'in/*.mp4', depth: 'in/{stem}.mkv'}\noutput: {path: 'out/{stem}.jpg'}", UsageError, "cannot hold the frames of a clip"),
    ("source: {video: 'in/*.mp4', depth: 'in/{stem}.mkv'}\noutput: {path: 'out/{stem}/{frame}.npy'}", UsageError, "frames become .heic or .jpg"),
    ("source: {video: 'in/*.mp4', depth: 'in/{stem}.mkv'}\noutput: {path: 'in/{stem}.mkv'}", UsageError, "overwrite inputs"),
    ("source: {video: 'in/*.mp4', depth: 'no/{stem}.mkv'}\noutput: {path: 'out/{stem}.mov'}", UsageError, "no depth for some videos"),
    ("source: {video: 'in/*.webm', depth: 'no/{stem}.mkv'}\noutput: {path: 'out/{stem}.mov'}", MissingInputError, "no file matches"),
    ("source: {video: 'in/*.mp4', depth: 'in/{stem}.mkv'}\noutput: {path: 'out/{stem}/{frame}.jpg', container: heic}", JobError, "does not end in .heic"),
])
def test_mistakes_in_the_plan(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        plan(write(tmp_path, text))
    assert words in str(caught.value)


def test_smoothing_makes_it_do_a_clip_again(tmp_path: Path) -> None:
    """And a job that does not smooth keeps its hash."""
    job = write(tmp_path, clips=("a",))
    run(job)
    assert run(job, settings=["refine.temporal=null"]).describe() == "0 done, 1 already done, 0 failed"
    for how in ("steady", "rescale"):
        assert run(job, settings=[f"refine.temporal={how}"]).describe() == "1 done, 0 already done, 0 failed"
        assert run(job, settings=[f"refine.temporal={how}"]).describe() == "0 done, 1 already done, 0 failed"


def slow(task: float, worker: WorkerContext) -> str:
    for n in range(16):
        time.sleep(task / 16)
        worker.heartbeat(n)
    return "done"


def stuck_task(task: float, worker: WorkerContext) -> None:
    time.sleep(task)


def test_signs_of_life() -> None:
    """The limit is for what does not move, not for what is long."""
    (done,) = run_tasks(slow, [9.0], 1, 4.0)      # a process takes a while to start
    assert done.result == "done"
    (stuck,) = run_tasks(stuck_task, [30.0], 1, 1.0)
    assert "took longer than 1 s" in str(stuck.error)


def test_interrupted(tmp_path: Path) -> None:
    """Within five seconds nothing runs any more and nothing partial is left; run again, it is all there."""
    job = write(tmp_path, JOB.replace(".jpg", ".heic").replace("workers: 2", "workers: 1"), ("a",), 100, width=1920, height=1440)
    process = subprocess.Popen([sys.executable, "-m", "gpudepth", "run", str(job), "-q"], stderr=subprocess.PIPE)
    folder = tmp_path / "out/a"
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.heic")) if folder.exists() else []) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert time.monotonic() - started < 10      # of which a drain takes five at most; the machine may be busy
    written = list(folder.glob("*.heic"))
    assert 5 <= len(written) < 100
    assert not [p for p in folder.iterdir() if p.suffix == ".tmp"]
    assert run(job).describe() == "1 done, 0 already done, 0 failed"
    assert len(list(folder.glob("*.heic"))) == 100
    assert os.path.getsize(folder / "frames.csv") > 0  # noqa: PTH202


def test_the_job_of_the_repository(tmp_path: Path) -> None:
    """configs/video.yaml on clips such as it speaks of."""
    from gpudepth import resources

    (tmp_path / "configs").mkdir()
    (tmp_path / "clips").mkdir()
    colour(tmp_path / "clips/walk.mp4", 25)
    stack = np.stack([np.linspace(1, 5, 64 * 48, dtype=np.float32).reshape(48, 64) + n / 10 for n in range(25)])
    np.savez_compressed(tmp_path / "clips/walk_depths.npz", depths=stack)
    job = tmp_path / "configs/video.yaml"
    job.write_text(resources.text("configs", "video.yaml"), encoding="utf-8")
    summary = run(job)
    assert summary.describe() == "1 done, 0 already done, 0 failed"
    assert sorted(p.name for p in (tmp_path / "clips/out/walk").glob("*.jpg")) == ["000000.jpg", "000010.jpg", "000020.jpg"]
    assert summary.rows[0].metres is not None
    near, far = summary.rows[0].metres
    assert near == pytest.approx(0.5, rel=1e-3)
    assert far == pytest.approx(12, rel=2e-3)
