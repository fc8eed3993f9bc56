"""Depth video: every bit pattern goes through, time stamps stay, and FFmpeg reads what we say is there."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heif_kit import tool

from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import FDIS, HDEP, HDIS
from gpudepth.errors import (
    GpudepthError,
    LimitError,
    MalformedError,
    MissingInputError,
    NoDepthError,
    UnsupportedError,
    UsageError,
)
from gpudepth.limits import Limits
from gpudepth.video.matroska import DepthVideoWriter, read_depth_video

EVERY = np.arange(65536, dtype=np.uint16).reshape(256, 256).view(np.float16)
TIMES = [Fraction(0), Fraction(1, 30), Fraction(1, 15), Fraction(1, 2), Fraction(7, 2)]     # of no constant rate
CAMERA = Calibration(np.array([[200.5, 0, 128], [0, 201.25, 127.5], [0, 0, 1]]), 256, 256)


def clip(path: Path, fmt: Any = HDIS, **about: Any) -> list[DepthData]:
    rng = np.random.default_rng(0)
    frames = [DepthData(np.roll(EVERY, int(rng.integers(60000))), fmt, **about) for _ in TIMES]
    with path.open("wb") as file, DepthVideoWriter(file) as video:
        for frame, seconds in zip(frames, TIMES, strict=True):
            video.write(frame, seconds)
    return frames


@pytest.mark.parametrize("fmt", [HDIS, HDEP])
def test_every_half_goes_through(tmp_path: Path, fmt: Any) -> None:
    frames = clip(tmp_path / "d.mkv", fmt, accuracy="absolute", calibration=CAMERA)
    found = list(read_depth_video(tmp_path / "d.mkv"))
    assert len(found) == len(frames)
    for ours, theirs, seconds in zip(found, frames, TIMES, strict=True):
        np.testing.assert_array_equal(ours.depth.map.view(np.uint16), theirs.map.view(np.uint16))
        assert abs(ours.seconds - seconds) <= Fraction(1, 2000)
        assert (ours.depth.pixel_format, ours.depth.accuracy, ours.depth.calibration) == (fmt, "absolute", CAMERA)


@pytest.mark.parametrize("size", [(3, 7), (17, 16), (96, 2)])
def test_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    values = np.random.default_rng(1).random(size).astype(np.float16)
    with (tmp_path / "d.mkv").open("wb") as file, DepthVideoWriter(file) as video:
        video.write(DepthData(values, HDIS), 0)
    found = list(read_depth_video(tmp_path / "d.mkv"))
    np.testing.assert_array_equal(found[0].depth.map, values)
    assert found[0].depth.calibration is None


def test_ffmpeg_sees_what_we_say(tmp_path: Path) -> None:
    clip(tmp_path / "d.mkv", accuracy="absolute")
    with av.open(str(tmp_path / "d.mkv")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "gray16le")
        assert {k: container.metadata[k] for k in ("GPUDEPTH", "DEPTH_FORMAT", "DEPTH_UNIT", "DEPTH_ACCURACY")} == {
            "GPUDEPTH": "1", "DEPTH_FORMAT": "hdis", "DEPTH_UNIT": "1/m", "DEPTH_ACCURACY": "absolute"}
        frames = [f.to_ndarray(format="gray16le") for f in container.decode(stream)]
    assert len(frames) == len(TIMES)


def test_exiftool_reads_the_tags(tmp_path: Path) -> None:
    clip(tmp_path / "d.mkv")
    said = tool("exiftool", "-a", "-G1", tmp_path / "d.mkv")
    assert "Matroska" in said
    assert "V_FFV1" in said
    assert "hdis" in said


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    clip(tmp_path / "a.mkv")
    clip(tmp_path / "b.mkv")
    a, b = ((tmp_path / n).read_bytes() for n in ("a.mkv", "b.mkv"))
    assert len(a) == len(b)


def test_what_does_not_belong(tmp_path: Path) -> None:
    frame = DepthData(np.ones((4, 4), np.float16), HDIS)
    with DepthVideoWriter(io.BytesIO()) as video:
        video.write(frame, 1)
        with pytest.raises(UsageError, match=r"frame at 1\.000 s comes after one at 1\.000 s"):
            video.write(frame, 1)
        with pytest.raises(UsageError, match="4×4 hdep, but the video is 4×4 hdis"):
            video.write(frame.to("hdep"), 2)
        with pytest.raises(UsageError, match="5×4"):
            video.write(DepthData(np.ones((4, 5), np.float16), HDIS), 2)
    with pytest.raises(UsageError, match="holds hdis or hdep, not fdis"), DepthVideoWriter(io.BytesIO()) as video:
        video.write(DepthData(np.ones((4, 4), np.float32), FDIS), 1)
    with pytest.raises(UnsupportedError, match="cannot encode frames of 1×1:"), DepthVideoWriter(io.BytesIO()) as video:
        video.write(DepthData(np.ones((1, 1), np.float16), HDIS), 0)
    with pytest.raises(UsageError, match="needs at least one frame"), DepthVideoWriter(io.BytesIO()):
        pass


def mkv(path: Path, codec: str = "ffv1", pixels: str = "gray16le", **tags: str) -> Path:
    """A video of others, or one whose tags are not right."""
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=30)
        stream.width = stream.height = 32
        stream.pix_fmt = pixels
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32), np.uint16 if "16" in pixels else np.uint8), format=pixels)
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def first(path: Path, **options: Any) -> Any:
    return next(read_depth_video(path, **options))


def test_others_videos(tmp_path: Path) -> None:
    good = {"GPUDEPTH": "1", "DEPTH_FORMAT": "hdis", "DEPTH_ACCURACY": "relative"}
    assert first(mkv(tmp_path / "v.mkv", **good)).depth.accuracy == "relative"
    with pytest.raises(NoDepthError, match="does not declare any depth"):
        first(mkv(tmp_path / "v.mkv"))
    with pytest.raises(UnsupportedError, match="version '2'"):
        first(mkv(tmp_path / "v.mkv", **{**good, "GPUDEPTH": "2"}))
    with pytest.raises(MalformedError, match="'L008'"):
        first(mkv(tmp_path / "v.mkv", **{**good, "DEPTH_FORMAT": "L008"}))
    with pytest.raises(MalformedError, match="no FFV1 video of 16-bit gray"):
        first(mkv(tmp_path / "v.mkv", pixels="gray", **good))
    for text in ("[]", "{", '{"intrinsics": [1, 2], "width": 3, "height": 4}', '{"intrinsics": [[NaN, 0, 0], [0, 1, 0], [0, 0, 1]], "width": 3, "height": 4}',
                 "[" * 5000):
        with pytest.raises(MalformedError, match="DEPTH_CALIBRATION"):
            first(mkv(tmp_path / "v.mkv", DEPTH_CALIBRATION=text, **good))
    with pytest.raises(LimitError):
        first(mkv(tmp_path / "v.mkv", **good), limits=Limits(max_pixels=1000))
    with pytest.raises(MissingInputError):
        first(tmp_path / "none.mkv")
    (tmp_path / "text.mkv").write_text("no video" * 100)
    with pytest.raises(MalformedError, match="Matroska"):
        first(tmp_path / "text.mkv")


def test_damage(tmp_path: Path) -> None:
    """Cut off or overwritten: whole frames, then a typed error or the end; never other numbers."""
    frames = clip(tmp_path / "d.mkv")
    whole = (tmp_path / "d.mkv").read_bytes()
    rng = np.random.default_rng(3)
    for trial in range(200):
        blob = bytearray(whole)
        if trial % 2:
            blob = blob[: int(rng.integers(len(blob)))]
        else:
            at = int(rng.integers(len(blob) - 8))
            blob[at : at + 8] = rng.bytes(8)
        (tmp_path / "x.mkv").write_bytes(blob)
        try:
            for ours in read_depth_video(tmp_path / "x.mkv"):
                assert any(np.array_equal(ours.depth.map.view(np.uint16), f.map.view(np.uint16)) for f in frames)
        except GpudepthError:
            pass
