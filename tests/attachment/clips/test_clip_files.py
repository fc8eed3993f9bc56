"""LeRobot's depth video out of clips and back, and clips as OpenEXR frames."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from movie_kit import depth_movie, ramp
from test_clip_frames import mkv, mov  # noqa: F401

from gpudepth.attachment.clips.files import save_frames, save_lerobot
from gpudepth.cli.app import run_command
from gpudepth.depth.pixel_format import HDIS
from gpudepth.errors import MalformedError, UsageError
from gpudepth.video import frames as clip
from gpudepth.video.lerobot import Quantiser
from gpudepth.video.quicktime.log_code import LogRange


def metres(index: int) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return (1 / LogRange(0, 2).values(HDIS)[ramp(index)].astype(np.float32)).astype(np.float32)


def test_exr_frames_and_their_times(mov: Path, tmp_path: Path) -> None:  # noqa: F811
    assert save_frames(mov, tmp_path / "d" / "%06d.exr") == 6
    with (tmp_path / "d" / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["file"] for r in rows] == [f"{n:06d}.exr" for n in range(6)]
    assert [float(r["seconds"]) for r in rows] == pytest.approx([n / 30 for n in range(6)], abs=1e-6)
    for n in range(6):
        found = OpenEXR.File(str(tmp_path / "d" / f"{n:06d}.exr")).channels()["Z"].pixels
        np.testing.assert_array_equal(found, metres(n))


def test_a_movie_as_lerobot_and_back(mov: Path, tmp_path: Path) -> None:  # noqa: F811
    q = Quantiser(0.4, 6)
    number, notes = save_lerobot(mov, tmp_path / "l.mp4", q)
    assert number == 6
    assert any("farther than 6 m" in n for n in notes)
    assert "the depth is NOT metric, although LeRobot reads it as metres" in notes
    assert clip.kind(tmp_path / "l.mp4") == "lerobot"
    for n, frame in enumerate(clip.frames(tmp_path / "l.mp4")):
        assert frame.index == n
        assert float(frame.seconds) == pytest.approx(n / 30, abs=1e-5)
        np.testing.assert_array_equal(frame.data.map, q.values()[q.codes(metres(n))])
    assert [f.index for f in clip.frames(tmp_path / "l.mp4", clip.Choice(1, 6, 2))] == [1, 3, 5]
    facts = clip.about(tmp_path / "l.mp4")
    assert (facts["container"], facts["depth_min"], facts["depth_max"], facts["accuracy"]) == ("lerobot", 0.4, 6, "relative")
    assert facts["said_by"] == str(tmp_path / "l.json")


def test_what_a_movie_holds_itself_comes_first(mov: Path, tmp_path: Path) -> None:  # noqa: F811
    save_lerobot(mov, tmp_path / "clip.mp4")
    (tmp_path / "clip.mp4").write_bytes(depth_movie())
    assert clip.kind(tmp_path / "clip.mp4") == "quicktime"


def test_nothing_partial_stays(mkv: Path, tmp_path: Path) -> None:  # noqa: F811
    blob = bytearray(mkv.read_bytes())
    blob[int(len(blob) * 0.7)] ^= 0x55
    mkv.write_bytes(blob)
    with pytest.raises(MalformedError):
        save_lerobot(mkv, tmp_path / "l.mp4")
    assert [p.name for p in tmp_path.iterdir()] == [mkv.name]
    with pytest.raises(UsageError, match="LeRobot's depth video is an MP4"):
        save_lerobot(mkv, tmp_path / "l.mkv")


def test_from_the_command_line(mkv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    out = tmp_path / "sub" / "l.mp4"
    assert run_command(["extract", str(mkv), "--as", "lerobot", "--depth-range", "0.5,3", "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert "pixels farther than 3 m" in said.err
    assert "5 frames, 0.5 to 3 m" in said.err
    assert json.loads(out.with_suffix(".json").read_text())["features"]["observation.images.depth"]["info"]["video.depth_max"] == 3
    assert run_command(["extract", str(out), "-o", str(tmp_path / "f" / "%d.npy")]) == 0
    assert np.load(tmp_path / "f" / "4.npy").shape == (24, 32)
    capsys.readouterr()
    assert run_command(["inspect", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["container"] == "lerobot"
    for wrong in (["--as", "lerobot", "--values", "disparity"], ["--depth-range", "1,2"], ["--as", "lerobot", "--depth-range", "2,1"],
                  ["--as", "lerobot", "--aux", "all"]):
        assert run_command(["extract", str(mkv), "-o", str(tmp_path / "x.mp4"), *wrong]) == 2
    assert run_command(["extract", str(mkv), "-o", str(tmp_path / "x.mp4")]) == 2
    assert "--as lerobot" in capsys.readouterr().err
