"""What is told before a run, of ranges that the encoding names and of maps that were looked at."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archive_kit import capture
from photo_kit import pixels
from PIL import Image

from gpudepth.batch import runner
from gpudepth.batch.preflight import RangeProbe, evenly, known_range, precision_warnings, probe_range
from gpudepth.batch.work_item import PhotoItem
from gpudepth.batch.workers import WorkerContext
from gpudepth.depth.encoding import Depth, DisparityRange, Gray, Relative, Stereo, ZBuffer
from gpudepth.settings.settings import Settings

JOB = ('source: {color: "*.jpg", depth: "{stem}.png"}\nencoding: {preset: kitti-depth}\n'
       'output: {path: "out/{stem}.heic", transcode: true}\nrun: {workers: 1}\n')


def photos(base: Path, count: int, low: float = 2, high: float = 80) -> Path:
    for i in range(count):
        pixels(64, 48).save(base / f"{i}.jpg")
        metres = np.linspace(low, high, 64 * 48).reshape(48, 64)
        Image.fromarray(np.rint(metres * 256).astype(np.uint16)).save(base / f"{i}.png")
    (base / "job.yaml").write_text(JOB)
    return base / "job.yaml"


def test_a_dry_run_shows_it(tmp_path: Path) -> None:
    job = photos(tmp_path, 3)
    plan = runner.plan(job)
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("8 bits of disparity (hdis) over 2 to 80 m, the range of 3 maps: values near 80 m are "
                                       "off by up to 5.7 m")
    assert f"warning: {plan.warnings[0]}" in plan.lines()
    assert runner.plan(job, settings=["map.bits=12"]).warnings == ()
    assert runner.plan(job, settings=["refine.clamp=[2,40]"]).warnings == ()
    assert "values near 2 m" in runner.plan(job, settings=["map.pixel_format=hdep"]).warnings[0]
    assert runner.plan(job, settings=["output.path=out/{stem}.npy"]).warnings == ()     # floats cost nothing


def test_a_run_says_it_once_and_not_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = photos(tmp_path, 2)
    runner.run(job, quiet=False)
    assert capsys.readouterr().err.count("warning: 8 bits of disparity") == 1
    summary = runner.run(job, quiet=False)
    assert summary.skipped == 2 and "8 bits" not in capsys.readouterr().err


def test_ranges_that_cost_little(tmp_path: Path) -> None:
    assert runner.plan(photos(tmp_path, 1, 1, 10)).warnings == ()


def test_maps_that_cannot_be_read_are_the_items_business(tmp_path: Path) -> None:
    job = photos(tmp_path, 3)
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n junk")
    plan = runner.plan(job)
    assert "the range of 1 of 3 maps" in plan.warnings[0] and plan.notes == ()
    (tmp_path / "2.png").write_bytes(b"")
    assert runner.plan(job).warnings == ()


def test_a_range_that_is_named_needs_no_map(tmp_path: Path) -> None:
    item = PhotoItem("a.jpg", tmp_path / "none.jpg", tmp_path / "none.png", tmp_path / "o.heic", "o.heic")
    warnings, notes = precision_warnings([item], Settings(encoding=Gray(0.5, 50)), 10)
    assert "over 0.5 to 50 m, the range that the encoding names" in warnings[0] and notes == []
    assert precision_warnings([item], Settings(encoding=Gray(0.5, 50), clamp=(0.5, 10)), 10) == ([], [])
    assert precision_warnings([item], Settings(encoding=ZBuffer(0.1)), 10) == ([], [])       # to infinity: nothing to say
    assert precision_warnings([item], Settings(), 10) == ([], [])                            # codes are kept


@pytest.mark.parametrize(("encoding", "wanted"), [
    (Gray(1, 5), (1, 5)), (DisparityRange(0.5, 2), (0.5, 2)), (DisparityRange(2, 0), (0.5, math.inf)), (ZBuffer(0.1, 9), (0.1, 9)),
    (Relative(1, 9), (1, 9)), (Depth(), None), (Stereo(1, 1), None), (None, None),
])
def test_known_ranges(encoding: Any, wanted: Any) -> None:
    assert known_range(encoding) == wanted


def test_maps_are_chosen_evenly(tmp_path: Path) -> None:
    items = [PhotoItem(str(i), tmp_path, tmp_path, tmp_path, "") for i in range(100)]
    assert [i.key for i in evenly(items, 8)] == ["0", "14", "28", "42", "57", "71", "85", "99"]
    assert evenly(items[:8], 8) == items[:8]


def test_what_is_seen_of_a_map(tmp_path: Path) -> None:
    photos(tmp_path, 1)
    item = PhotoItem("0.jpg", tmp_path / "0.jpg", tmp_path / "0.png", tmp_path / "o.heic", "")
    seen = probe_range(RangeProbe(item, Settings().with_preset("kitti-depth")), WorkerContext())
    assert (seen.near, seen.far) == pytest.approx((2, 80), rel=1e-3)
    guided = Settings(smooth=None, fill="inpaint").with_preset("kitti-depth")
    assert (probe_range(RangeProbe(item, guided), WorkerContext()).far) == pytest.approx(80, rel=1e-3)
    np.save(tmp_path / "e.npy", np.full((4, 4), np.nan, np.float32))
    empty = PhotoItem("0.jpg", tmp_path / "0.jpg", tmp_path / "e.npy", tmp_path / "o.heic", "")
    assert math.isnan(probe_range(RangeProbe(empty, Settings(encoding=Depth())), WorkerContext()).near)


def test_a_preset_that_is_recognised_is_told(tmp_path: Path) -> None:
    capture(tmp_path / "a.r3d", frames=1)
    (tmp_path / "job.yaml").write_text('source: {archive: "*.r3d"}\nencoding: {preset: auto}\noutput: {path: "o/{frame}.jpg"}\n')
    assert runner.plan(tmp_path / "job.yaml").notes == (
        "a.r3d/rgbd/0.jpg: preset auto recognised its map as record3d (LZFSE data, as in a Record3D capture)",)
    job = photos(tmp_path, 1)
    plan = runner.plan(job, settings=["encoding.preset=auto"])
    assert "preset auto: " in plan.notes[0] and "the preset cannot be determined from the file" in plan.notes[0]
