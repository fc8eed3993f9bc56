"""One clip without a job, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_kit import colour, depth

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.cli.options import key_values
from gpudepth.errors import UsageError
from gpudepth.settings.clip import of_clips
from gpudepth.video.quicktime import reader


def test_which_outputs_are_of_clips() -> None:
    for name in ("out/%06d.heic", "out/%d.jpg", "out/{frame}.jpg", "o.mov", "o.MOV", "o.mkv"):
        assert of_clips(name)
    for name in ("o.heic", "100%.jpg", "%s.jpg", "{stem}/o.jpg"):
        assert not of_clips(name)


def test_settings() -> None:
    assert key_values("--clip", ["fps=15", "depth_crop=right", "range=[0.5, 8]", "match=index"]) == {
        "fps": 15, "depth_crop": "right", "range": [0.5, 8], "match": "index"}
    for wrong in ("fps", "=3", "fps=.nan"):
        with pytest.raises(UsageError):
            key_values("--clip", [wrong])


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, maps = str(colour(tmp_path / "c.mp4", 6)), str(depth(tmp_path / "d.mkv", 6))
    out = str(tmp_path / "o" / "%04d.jpg")
    assert run_command(["attach", video, maps, "-o", out, "--frames", "1:6", "--stride", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["output"]) == (3, out)
    assert sorted(p.name for p in (tmp_path / "o").glob("*.jpg")) == ["000001.jpg", "000003.jpg", "000005.jpg"]
    movie = tmp_path / "o.mov"
    assert run_command(["attach", video, maps, "-o", str(movie), "--clip", "range=[0.5,8]"]) == 0
    assert "experiment" in capsys.readouterr().err
    with reader.open_depth(movie) as track:
        assert track.frames == 6
    assert run_command(["attach", str(movie), str(movie), "-o", str(tmp_path / "back" / "{frame}.heic")]) == 0
    data = gpudepth.read(tmp_path / "back" / "000003.heic")
    assert data is not None
    assert abs(float(data.depth()[24, 24]) - (1 + 3 / 64)) < 0.02
    for wrong in (["--clip", "fsp=3"], ["--clip", "stride=x"], ["--frames", "9:"]):
        assert run_command(["attach", video, maps, "-o", out, *wrong]) == 2
    assert run_command(["attach", video, maps, "-o", str(tmp_path / "o.jpg"), "--stride", "2"]) == 2
    assert "require" in capsys.readouterr().err


def test_sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    colour(tmp_path / "c.mp4", 3)
    Path("d").mkdir()
    for n in range(3):
        Image.fromarray(np.full((48, 64), 1000 + n, np.uint16)).save(f"d/{n + 1:03d}.png")
    assert run_command(["attach", "c.mp4", "d/%03d.png", "--scale", "mm", "-o", "o/%06d.heic"]) == 0
    data = gpudepth.read("o/000002.heic")
    assert data is not None
    assert abs(float(data.depth()[0, 0]) - 1.002) < 0.001
    assert run_command(["attach", "c.mp4", "none/%03d.png", "--scale", "mm", "-o", "o/%06d.heic"]) == 2
    (tmp_path / "rgb").mkdir()
    for n in range(3):
        Image.new("RGB", (128, 96)).save(f"rgb/{n + 1:06d}.jpg")
    before = {p.name: p.read_bytes() for p in Path("rgb").iterdir()}
    assert run_command(["attach", "rgb/%06d.jpg", "d/%03d.png", "--scale", "mm", "-o", "rgb/%06d.jpg"]) == 2
    assert {p.name: p.read_bytes() for p in Path("rgb").iterdir()} == before
    assert run_command(["attach", "c.mp4", "d/%03d.png", "--scale", "mm", "-o", "c.mp4"]) == 2
    assert "overwrite its own input" in capsys.readouterr().err
