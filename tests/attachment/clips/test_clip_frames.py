"""Clips: frames into numbered files and depth video, from Apple's movies and from depth video itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from movie_kit import build, colour_trak, depth_movie, depth_trak, matrix_for, muxed, ramp
from photo_kit import heic

from gpudepth.attachment.clips.files import save_frames
from gpudepth.cli.app import run_command
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import HDEP, HDIS
from gpudepth.errors import MalformedError, NoDepthError, UsageError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import make
from gpudepth.formats.quicktime.metadata import Metadata, Value
from gpudepth.video import frames as clip
from gpudepth.video.choice import Choice
from gpudepth.video.frames import frames
from gpudepth.video.matroska import DepthVideoWriter, read_depth_video
from gpudepth.video.mp4at import writer
from gpudepth.video.quicktime.log_code import LogRange
from gpudepth.video.quicktime.writer import colour_times
from gpudepth.video.sniff import is_clip_file


@pytest.fixture
def mov(tmp_path: Path) -> Path:
    path = tmp_path / "clip.MOV"
    path.write_bytes(depth_movie())
    return path


@pytest.fixture
def mkv(tmp_path: Path) -> Path:
    path = tmp_path / "depth.mkv"
    rng = np.random.default_rng(0)
    with path.open("wb") as file, DepthVideoWriter(file) as video:
        for i in range(5):
            video.write(DepthData(rng.uniform(1, 4, (24, 32)).astype(np.float16), HDEP, accuracy="absolute"), i / 10)
    return path


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open() as file:
        return list(csv.DictReader(file))


def test_frames_of_a_movie(mov: Path, tmp_path: Path) -> None:
    assert save_frames(mov, tmp_path / "out" / "%06d.npy") == 6
    rows = table(tmp_path / "out")
    assert [r["file"] for r in rows] == [f"{i:06d}.npy" for i in range(6)]
    assert [float(r["seconds"]) for r in rows] == pytest.approx([20 * i / 600 for i in range(6)], abs=1e-6)
    disparity = LogRange(0, 2).values(HDIS)
    for i in range(6):
        metres = np.load(tmp_path / "out" / f"{i:06d}.npy")
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(metres, 1 / disparity[ramp(i)].astype(np.float32))


def test_some_of_them(mov: Path, mkv: Path, tmp_path: Path) -> None:
    assert [f.index for f in frames(mov, Choice(1, 6, 2))] == [1, 3, 5]
    assert [f.index for f in frames(mkv, Choice(1, None, 3))] == [1, 4]
    assert [f.index for f in frames(mov, Choice(4, 100))] == [4, 5]
    assert save_frames(mov, tmp_path / "f%d.pfm", "disparity", Choice(2, 4)) == 2
    assert sorted(p.name for p in tmp_path.glob("f*.pfm")) == ["f2.pfm", "f3.pfm"]
    assert Choice.parse("3:", 2) == Choice(3, None, 2)
    assert Choice.parse(":7") == Choice(0, 7)
    assert Choice.parse(None) == Choice()
    for wrong in ("5", "a:b", "5:2", "-1:3", "1:2:3"):
        with pytest.raises(UsageError):
            Choice.parse(wrong)
    with pytest.raises(UsageError):
        Choice.parse(None, 0)
    with pytest.raises(UsageError, match="the track has 6 frames"):
        list(frames(mov, Choice(6)))


def test_a_movie_as_depth_video_and_back(mov: Path, tmp_path: Path) -> None:
    assert save_frames(mov, tmp_path / "d.mkv", "disparity") == 6
    found = list(read_depth_video(tmp_path / "d.mkv"))
    disparity = LogRange(0, 2).values(HDIS)
    for i, frame in enumerate(found):
        np.testing.assert_array_equal(frame.depth.map, disparity[ramp(i)])
        assert abs(float(frame.seconds) - 20 * i / 600) <= 0.0005
    assert save_frames(tmp_path / "d.mkv", tmp_path / "back" / "%02d.npz", "disparity") == 6
    with np.load(tmp_path / "back" / "03.npz") as archive:
        np.testing.assert_array_equal(archive["disparity"], disparity[ramp(3)].astype(np.float32))


def test_turned_movies_come_upright(tmp_path: Path) -> None:
    path = tmp_path / "clip.MOV"
    path.write_bytes(depth_movie(colour={"matrix": matrix_for(6, 48, 32)}))
    assert next(frames(path)).data.orientation == 6
    save_frames(path, tmp_path / "u%d.npy", "disparity", Choice(0, 1))
    save_frames(path, tmp_path / "c%d.npy", "disparity", Choice(0, 1), coded=True)
    np.testing.assert_array_equal(np.load(tmp_path / "u0.npy"), np.rot90(np.load(tmp_path / "c0.npy"), -1))


def mp4at(path: Path, **options: Any) -> Path:
    """A movie whose last box holds six maps, disparity 0.25 to 2."""
    y, x = np.mgrid[:32, :48]
    with ByteSource(muxed(container="mp4")) as source, path.open("wb") as file:
        maps = ((t, DepthData.from_values(0.25 + 1.75 * ((x + y + n) % 64) / 63)) for n, t in enumerate(colour_times(source)))
        writer.write(source, maps, file, (0.25, 2), **options)
    return path


def test_an_android_movie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mp4at(tmp_path / "clip.mp4")
    assert clip.kind(path) == "mp4-at"
    y, x = np.mgrid[:32, :48]
    assert save_frames(path, tmp_path / "out" / "%02d.npy", "disparity") == 6
    for n in range(6):
        want = 0.25 + 1.75 * ((x + y + n) % 64) / 63
        assert np.abs(np.load(tmp_path / "out" / f"{n:02d}.npy") - want).max() <= 1.75 / 510 + 1e-3
    assert [f.index for f in frames(path, Choice(1, 100, 2))] == [1, 3, 5]
    assert [r["seconds"] for r in table(tmp_path / "out")][:2] == ["0.000000", "0.033333"]
    assert run_command(["inspect", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["container"], facts["near"], facts["far"], facts["linear_in"], facts["frames"]) == ("mp4-at", 0.5, 4, "disparity", 6)
    assert run_command(["extract", str(path), "-o", str(tmp_path / "d.mkv")]) == 0
    assert next(read_depth_video(tmp_path / "d.mkv")).depth.accuracy == "relative"


def test_names(mov: Path, tmp_path: Path) -> None:
    for name in ("depth.npy", "%d_%d.npy", "%s.npy", "%06d.xyz", "%.npy"):
        with pytest.raises(UsageError, match="need a number in their names"):
            save_frames(mov, tmp_path / name)


def test_what_is_a_clip(mov: Path, mkv: Path, tmp_path: Path) -> None:
    assert is_clip_file(mov)
    assert is_clip_file(mkv)
    assert not is_clip_file(heic(tmp_path / "p.heic"))
    with pytest.raises(NoDepthError, match="has no depth track") as caught:
        list(frames(_no_depth(tmp_path)))
    assert "All Photos Data" in str(caught.value)


def test_what_a_clip_without_depth_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How to keep it, of a movie; what is missing, of a gray video; that a Cinematic movie lost it, by its own metadata."""
    def said(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        assert run_command(["extract", str(tmp_path / name), "-o", str(tmp_path / "%d.npy")]) == 1
        return capsys.readouterr().err

    plain = said("plain.mov", build([colour_trak()]))
    for words in ("its tracks are vide (jpeg)", "turn on Options > All Photos Data", "Export Unmodified Original", "Keep Originals", "iPhones 17 reportedly"):
        assert words in plain
    assert "Cinematic mode" not in plain.splitlines()[0]
    whole = build([colour_trak()])
    moov = whole.rindex(b"moov") - 4
    about = Metadata({}).adding({"com.apple.quicktime.cinematic-video": Value(0, b"private")}).serialise()
    lost = said("lost.mov", whole[:moov] + make("moov", whole[moov + 8 :] + about))
    assert "it is marked as a movie of Cinematic mode" in lost
    gray = said("gray.mp4", build([depth_trak(1, kind="hvc1", disc=None, handler="vide")], brand="isom"))
    assert "does not define what its codes mean: LeRobot's requires its meta/info.json" in gray
    assert "All Photos Data" not in gray
    with av.open(str(tmp_path / "n.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "gray16le"
        out.mux(stream.encode(av.VideoFrame(32, 24, "gray16le")))
        out.mux(stream.encode(None))
    assert "gpudepth attach CLIP THIS --near M --far M, or use a job" in said("n.mkv", (tmp_path / "n.mkv").read_bytes())


def _no_depth(folder: Path) -> Path:
    path = folder / "plain.mov"
    path.write_bytes(build([colour_trak()]))
    return path


def test_damage_keeps_what_was_before(mkv: Path, tmp_path: Path) -> None:
    """Frames before the damage are written, and the table says which."""
    blob = bytearray(mkv.read_bytes())
    blob[int(len(blob) * 0.7)] ^= 0x55
    mkv.write_bytes(blob)
    with pytest.raises(MalformedError, match="check sum is wrong"):
        save_frames(mkv, tmp_path / "out" / "%d.npy")
    written = sorted(p.name for p in (tmp_path / "out").glob("*.npy"))
    assert written
    assert [r["file"] for r in table(tmp_path / "out")] == written
    with pytest.raises(MalformedError):
        save_frames(mkv, tmp_path / "again.mkv")
    assert not (tmp_path / "again.mkv").exists()


def test_from_the_command_line(mov: Path, mkv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["extract", str(mov), "-o", str(tmp_path / "d" / "%03d.npy"), "--frames", "0:4", "--stride", "2"]) == 0
    assert capsys.readouterr().err == "2 frames\n"
    assert run_command(["inspect", str(mov), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["container"], facts["coding"], facts["frames"], facts["max"]) == ("quicktime", "dish", 6, 2)
    assert run_command(["inspect", str(mkv)]) == 0
    assert "native_format: hdep" in capsys.readouterr().out
    assert run_command(["extract", str(_no_depth(tmp_path)), "-o", str(tmp_path / "%d.npy")]) == 1
    assert "All Photos Data" in capsys.readouterr().err
    assert run_command(["extract", str(heic(tmp_path / "p.heic")), "-o", str(tmp_path / "x.npy"), "--frames", "0:1"]) == 2
    assert clip.about(mkv)["accuracy"] == "absolute"


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["extract", "clip.MOV", "-o", "%d.npy", "--values", "metres"], 2, "--values 'metres' is not one of"),
    (["extract", "clip.MOV", "-o", "%d.npy", "--side-car"], 2, "--side-car cannot be used for a clip"),
    (["remove", "clip.MOV", "-o", "b.MOV"], 1, "the file is a movie; expected a photo"),
])
def test_what_does_not_go_with_clips(mov: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(arguments) == code
    assert words in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["clip.MOV"]


def test_a_matrix_that_is_no_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a note, and no reason not to give what is stored."""
    path = tmp_path / "a.mov"
    path.write_bytes(depth_movie(colour={"matrix": bytes(36)}))
    facts = clip.about(path)
    assert (facts["orientation"], facts["track"], facts["colour_track"], facts["time_scale"]) == (None, 2, 1, 600)
    assert "is not a rotation by quarter turns" in facts["notes"][-1]
    assert run_command(["extract", str(path), "-o", str(tmp_path / "%d.npy")]) == 1
    assert "--coded uses pictures as they are stored" in capsys.readouterr().err
    assert run_command(["extract", str(path), "--coded", "-o", str(tmp_path / "%d.npy")]) == 0
    assert np.load(tmp_path / "3.npy").shape == (32, 48)
