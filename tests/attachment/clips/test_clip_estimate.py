"""Clips whose depth a network estimates: the maps are those of the frames as photos, and it runs once per frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import network_kit as kit
import numpy as np
import pytest
from devices_kit import with_devices
from kernel_kit import host
from PIL import Image
from run_kit import digest
from steady_kit import picture
from support import hostcc
from video_kit import colour

import gpudepth
from gpudepth.attachment.clips import estimated
from gpudepth.batch.runner import plan, run
from gpudepth.errors import JobError, PartialRunError
from gpudepth.maps.network import Session
from gpudepth.settings.job import parse_job
from gpudepth.video.frames import frames as clip_frames

COUNT, CUT = 6, 99
METRIC = "encoding: {kind: depth}\n"
RELATIVE = "encoding: {preset: depth-anything-v2, near: 0.5, far: 8}\n"


def write(base: Path, encoding: str = METRIC, clip: str = "{range: frame}", *, network: str = "", rotation: int = 0,
          output: str = "out/{frame}.jpg", more: str = "") -> Path:
    kit.write(base / "m.onnx", size=(48, 48) if "size" not in network else None, metric=encoding == METRIC)
    colour(base / "c.mp4", COUNT, rotation=rotation, frame=lambda number: picture(number, CUT))
    (base / "job.yaml").write_text(
        f"source: {{video: c.mp4, depth: {{kind: onnx, model: m.onnx{network}}}, clip: {clip}}}\n{encoding}"
        f"output: {{path: '{output}'}}\nmap: {{jpeg_quality: 100}}\nrun: {{workers: 1, backend: numpy}}\n{more}")
    return base / "job.yaml"


@pytest.fixture
def pictures_seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures went into the network at a time, in this process."""
    seen, real = list[int](), Session.run

    def counted(self: Session, pictures: Sequence[Any]) -> list[Any]:
        seen.append(len(pictures))
        return real(self, pictures)

    monkeypatch.setattr(Session, "run", counted)
    return seen


def here(path: Path, *settings: str) -> Any:
    """Run the one clip of a job in this process."""
    from gpudepth.batch.work_item import ItemContext, Task

    the_plan = plan(path, settings=list(settings))
    (item,) = the_plan.items
    return item.run(Task(item, the_plan.settings, "numpy", ""), ItemContext())


@pytest.mark.parametrize("rotation", [0, -90])
@pytest.mark.parametrize("suffix", ["jpg", "heic"])
def test_maps_are_those_of_the_frames_as_photos(tmp_path: Path, rotation: int, suffix: str) -> None:
    """The frames are extracted, with the rotation of the video as their orientation, and processed one by one."""
    from gpudepth.attachment.clips.still import rgb

    job = write(tmp_path, rotation=rotation, output=f"out/{{frame}}.{suffix}")
    assert run(job).describe() == "1 done, 0 already done, 0 failed"
    with av.open(str(tmp_path / "c.mp4")) as container:
        shown = [rgb(frame) for frame in container.decode(video=0)]
    for number, pixels in enumerate(shown):
        photo = tmp_path / f"{number}.png"
        about = Image.Exif()
        about[0x0112] = 6 if rotation else 1
        Image.fromarray(pixels).save(photo, exif=about)
        gpudepth.attach(photo, out=tmp_path / f"{number}.heic", estimate=tmp_path / "m.onnx", metric=True, transcode=True)
        ours, theirs = gpudepth.read(tmp_path / f"out/{number:06d}.{suffix}"), gpudepth.read(tmp_path / f"{number}.heic")
        assert ours is not None and theirs is not None and ours.storage is not None and theirs.storage is not None
        assert (ours.width, ours.height) == (theirs.width, theirs.height) == ((36, 48) if rotation else (48, 36))
        assert (ours.storage.lo, ours.storage.hi) == pytest.approx((theirs.storage.lo, theirs.storage.hi), abs=1e-6)
        if suffix == "heic":
            np.testing.assert_array_equal(ours.map, theirs.map)
        else:       # the map is a JPEG
            assert np.abs(ours.disparity() - theirs.disparity()).max() < 4 * (ours.storage.hi - ours.storage.lo) / 255


def test_a_relative_network_has_one_range(tmp_path: Path, pictures_seen: list[int]) -> None:
    """The least and the greatest value of all frames are near and far; each frame is estimated once."""
    job = write(tmp_path, RELATIVE, "{range: clip}", output="out.mkv")
    colour(tmp_path / "c.mp4", COUNT, frame=lambda number: picture(number, CUT) // (1 + number % 3))
    here(job)
    assert pictures_seen == [1] * COUNT
    ends = [(frame.data.disparity().min(), frame.data.disparity().max()) for frame in clip_frames(tmp_path / "out.mkv")]
    assert len({low for low, _ in ends}) > 1
    assert min(low for low, _ in ends) == pytest.approx(1 / 8, rel=1e-3)
    assert max(high for _, high in ends) == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("disk", ["limited", "one map", "full"])
def test_maps_that_are_not_kept_are_estimated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures_seen: list[int], disk: str) -> None:
    job = write(tmp_path, RELATIVE, "{range: clip}")
    here(job)
    once = digest(tmp_path / "out")
    pictures_seen.clear()
    if disk == "full":
        def full(*_: Any, **__: Any) -> Any:
            raise OSError(28, "No space left on device")
        monkeypatch.setattr(estimated.tempfile, "TemporaryFile", full)
    else:
        monkeypatch.setattr(estimated, "KEPT", 4 * 48 * 36 if disk == "one map" else 0)
    here(job)
    assert digest(tmp_path / "out") == once
    assert len(once) == COUNT
    assert pictures_seen == [1] * (3 * COUNT - (2 if disk == "one map" else 0))     # near and far, the range, the photos


def test_a_named_range_takes_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures_seen: list[int]) -> None:
    """And nothing is kept."""
    monkeypatch.setattr(estimated.tempfile, "TemporaryFile", None)
    here(write(tmp_path, METRIC, "{range: [1, 5]}"))
    assert pictures_seen == [1] * COUNT


def test_frames_go_in_together(tmp_path: Path, pictures_seen: list[int]) -> None:
    job = write(tmp_path, RELATIVE, "{range: clip}")
    here(job)
    alone = digest(tmp_path / "out")
    pictures_seen.clear()
    here(job, "source.depth.batch=4")
    assert pictures_seen == [4, 2]
    assert digest(tmp_path / "out") == alone


def test_chosen_frames_alone_are_estimated(tmp_path: Path, pictures_seen: list[int]) -> None:
    job = write(tmp_path, RELATIVE, "{range: clip, frames: '1:6', stride: 2}")
    here(job)
    assert pictures_seen == [1] * 3
    assert sorted(digest(tmp_path / "out")) == ["000001.jpg", "000003.jpg", "000005.jpg"]


def test_smoothed_over_time(tmp_path: Path, pictures_seen: list[int]) -> None:
    job = write(tmp_path, RELATIVE, "{range: clip}")
    here(job)
    given = digest(tmp_path / "out")
    pictures_seen.clear()
    here(job, "refine.temporal=rescale")
    assert pictures_seen == [1] * COUNT
    smoothed = digest(tmp_path / "out")
    assert smoothed["000000.jpg"] == given["000000.jpg"]
    assert smoothed != given


def test_a_picture_that_cannot_be_decoded(tmp_path: Path) -> None:
    """In a sequence of files: its row says why, and the others are written."""
    kit.write(tmp_path / "m.onnx", size=(48, 48))
    (tmp_path / "c").mkdir()
    for number in range(4):
        Image.fromarray(picture(number, CUT)).save(tmp_path / f"c/{number}.jpg")
    photo = (tmp_path / "c/2.jpg").read_bytes()
    (tmp_path / "c/2.jpg").write_bytes(photo[: len(photo) // 2])
    (tmp_path / "job.yaml").write_text("source: {video: 'c/{frame}.jpg', depth: {kind: onnx, model: m.onnx, batch: 4}}\n"
                                       f"{RELATIVE}output: {{path: 'out/{{frame}}.jpg'}}\n")
    summary = run(tmp_path / "job.yaml")
    assert summary.failed == 1
    (row,) = summary.rows
    assert "1 of 4 frames failed; the others were written: frame 2: " in row.message
    assert "c/2.jpg" in row.message
    assert sorted(digest(tmp_path / "out")) == ["000000.jpg", "000001.jpg", "000003.jpg"]


@pytest.mark.parametrize("temporal", ["", "refine: {temporal: rescale}\n"])
def test_workers_share_the_network_and_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporal: str) -> None:
    host()
    job = write(tmp_path, RELATIVE, "{range: clip}", more=temporal)
    (tmp_path / "a").mkdir()
    (tmp_path / "c.mp4").rename(tmp_path / "a/1.mp4")
    colour(tmp_path / "a/2.mp4", COUNT, frame=lambda number: picture(number, 3))
    job.write_text(job.read_text().replace("c.mp4", "'a/*.mp4'").replace("out/{frame}", "{stem}/{frame}").replace("workers: 1", "workers: 2"))
    assert run(job, settings=["output.path=numpy{stem}/{frame}.jpg"]).done == 2
    summary = with_devices(monkeypatch, job, hostcc.NAME, "output.path=out{stem}/{frame}.jpg", network=plan(job).settings.network)
    assert (summary.done, summary.failed) == (2, 0)
    for stem in "12":
        assert digest(tmp_path / f"out{stem}") == digest(tmp_path / f"numpy{stem}")
        assert len(digest(tmp_path / f"out{stem}")) == COUNT


def test_another_network_makes_the_clip_again(tmp_path: Path) -> None:
    job = write(tmp_path)
    assert run(job).done == 1
    assert run(job).skipped == 1
    (line,) = [line for line in plan(job).lines() if "c.mp4" in line]
    assert "c.mp4 + depth estimated by m.onnx -> " in line
    kit.write(tmp_path / "m.onnx", size=(32, 32), metric=True)
    assert run(job).done == 1


@pytest.mark.parametrize(("text", "words"), [
    ("source: {video: a, depth: {kind: onnx, model: m}, clip: {coding: hue}}\nencoding: {kind: depth}",
     "job:1: source.clip: coding applies to depth files, but source.depth is a network"),
    ("source: {video: a, depth: {kind: onnx, model: m}, clip: {offset: 2}}\nencoding: {kind: depth}", "offset applies to depth files"),
    ("source: {video: a, depth: {kind: onnx, model: m}}", "nothing defines what the values of the network mean"),
    ("source: {video: a, depth: {kind: onnx, model: m}, orientation: coded}\nencoding: {kind: depth}", "display orientation"),
])
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(text + "\noutput: {path: 'o/{frame}.jpg'}")
    assert words in str(caught.value)
    assert not isinstance(caught.value, PartialRunError)
