"""Ledgers that version 0.1.0 wrote are resumed: names of keys and fields may change, hashes may not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gpudepth.batch.job_hash import job_hash
from gpudepth.batch.runner import run
from gpudepth.settings.job import load_job, parse_job

pytestmark = pytest.mark.filterwarnings("ignore:.*output.quality is now called photo_quality:DeprecationWarning")
DATA = Path(__file__).parents[1] / "data" / "v1job"


@pytest.mark.parametrize(("name", "count"), [("gray", 6), ("preset", 3), ("metric", 3)])
def test_resumed(tmp_path: Path, name: str, count: int) -> None:
    shutil.copytree(DATA, tmp_path / "job")
    job = tmp_path / "job" / f"job_{name}.yaml"
    before = {path: path.read_bytes() for path in (tmp_path / "job").rglob("*") if path.is_file()}
    summary = run(job, quiet=True)
    assert (summary.done, summary.skipped, summary.failed) == (0, count, 0)
    assert {path: path.read_bytes() for path in (tmp_path / "job").rglob("*") if path.is_file()} == before
    changed = run(job, settings=["map.crf=20" if name != "preset" else "map.jpeg_quality=70"], quiet=True)
    assert changed.done == count


@pytest.mark.parametrize(("setting", "done"), [
    ("map.effort=balanced", 0), ("map.effort=small", 6), ("map.effort=fast", 6),
    ("output.photo_effort=balanced", 0), ("output.photo_effort=small", 6), ("refine.temporal=null", 0)])
def test_the_default_efforts_repeat_nothing(tmp_path: Path, setting: str, done: int) -> None:
    """Maps of version 0.1 hold the same codes as those of the default effort, in other bytes: they are still right."""
    shutil.copytree(DATA, tmp_path / "job")
    summary = run(tmp_path / "job" / "job_gray.yaml", settings=[setting], quiet=True)
    assert (summary.done, summary.skipped, summary.failed) == (done, 6 - done, 0)


def test_the_default_range_of_clips_was_that_of_the_clip() -> None:
    clip = """
source: {video: "*.mp4", depth: "{stem}.mkv", clip: {stride: 10}}
encoding: {kind: gray, near: 0.5, far: 12}
output: {path: "out/{stem}/{frame}.jpg"}
"""
    default, named = (job_hash(parse_job(text)) for text in (
        clip, clip.replace("stride: 10", "stride: 10, range: clip")))
    assert default.version_1 == named.version_1 == (
        "8772705119cf3fe16ee768dec22f2febf683c888319879616aef87a6dd2be441")     # version 0.1's for both
    assert default.value != named.value
    framed = job_hash(parse_job(clip.replace("stride: 10", "stride: 10, range: frame")))
    assert framed.version_1 not in ("", default.version_1)


def test_keys_that_version_1_did_not_have_have_no_hash_of_it() -> None:
    job = load_job(DATA / "job_gray.yaml")
    found = job_hash(job)
    assert found.covers(found.version_1)
    assert not found.covers("")
    for key in ("map.effort=small", "output.photo_effort=fast"):
        changed = job_hash(load_job(DATA / "job_gray.yaml", [key]))
        assert changed.version_1 == ""
        assert changed.value != found.value
