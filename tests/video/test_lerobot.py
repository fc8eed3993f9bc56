"""LeRobot's depth video: its formula, its metadata, every code through the video, FFmpeg as the judge."""

from __future__ import annotations

import io
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import FDEP
from gpudepth.errors import (
    FileError,
    GpudepthError,
    LimitError,
    MalformedError,
    NoDepthError,
    UnsupportedError,
    UsageError,
)
from gpudepth.limits import Limits
from gpudepth.video.lerobot import FEATURE, TOP, LerobotWriter, Quantiser, describe, of_video, read_lerobot

RANGES = [Quantiser(), Quantiser(0.3, 4.0, 0.5), Quantiser(0.0, 10.0, 3.5), Quantiser(0.2, 8.0, 0.0, use_log=False)]
EVERY = np.arange(TOP + 1, dtype=np.uint16).reshape(64, 64)
TIMES = [Fraction(n, 30) for n in range(5)]


def by_hand(q: Quantiser, d: float) -> float:
    """LeRobot's text: the share of the way from min to max, times 4095."""
    if q.use_log:
        return 4095 * (math.log(d + q.shift) - math.log(q.depth_min + q.shift)) / (math.log(q.depth_max + q.shift) - math.log(q.depth_min + q.shift))
    return 4095 * (d - q.depth_min) / (q.depth_max - q.depth_min)


@pytest.mark.parametrize("q", RANGES, ids=str)
def test_codes_are_the_formula(q: Quantiser) -> None:
    metres = np.random.default_rng(0).uniform(q.depth_min, q.depth_max, 20000).astype(np.float32)
    codes = q.codes(metres.reshape(200, 100)).ravel()
    for d, code in zip(metres.tolist(), codes.tolist(), strict=True):
        assert abs(code - by_hand(q, d)) <= 0.5 + 1e-9


@pytest.mark.parametrize("q", RANGES, ids=str)
def test_codes_are_lerobot_s_own_arithmetic(q: Quantiser) -> None:
    """In float32, as depth_utils.py computes with what floats it is given; ties may fall the other way."""
    metres = np.random.default_rng(1).uniform(0, 12, (300, 300)).astype(np.float32)
    lo, hi, shift = np.float32(q.depth_min), np.float32(q.depth_max), np.float32(q.shift)
    if q.use_log:
        start, end = math.log(float(lo + shift)), math.log(float(hi + shift))
        norm = (np.log(metres + shift) - start) / (end - start)
    else:
        norm = (metres - lo) / (hi - lo)
    theirs = np.rint(norm * 4095).clip(0, 4095).astype(np.uint16)
    difference = np.abs(q.codes(metres).astype(int) - theirs)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 2e-3


@pytest.mark.parametrize("q", RANGES, ids=str)
def test_values_are_the_inverse(q: Quantiser) -> None:
    values = q.values()
    assert np.isnan(values[0])
    assert values[TOP] == np.float32(q.depth_max)
    np.testing.assert_array_equal(q.codes(values[1:].reshape(1, -1))[0], np.arange(1, TOP + 1))
    assert (np.diff(values[1:]) > 0).all()


def test_what_has_no_code_of_its_own() -> None:
    q = Quantiser()
    metres = np.array([[np.nan, 0.0, 0.01, 0.02, 10.0, 10.001, np.inf]], np.float32)
    codes = q.codes(metres)
    assert codes.tolist() == [[0, 0, 0, codes[0, 3], TOP, TOP, TOP]]
    assert codes[0, 3] > 0
    assert q.outside(metres, codes) == (2, 2)


@pytest.mark.parametrize("wrong", [(1, 1), (5, 1), (-1, 2), (0, float("inf")), (float("nan"), 2), (0, 2, 0), (0.1, 2, -0.1)])
def test_what_is_no_range(wrong: tuple[float, ...]) -> None:
    with pytest.raises(UsageError):
        Quantiser(*wrong)


def video(path: Path, frames: list[Any], q: Quantiser = RANGES[0], times: list[Fraction] = TIMES, accuracy: Any = "absolute") -> LerobotWriter:
    """Frames of metres, and the JSON beside them."""
    with path.open("wb") as file, LerobotWriter(file, q) as out:
        for metres, seconds in zip(frames, times, strict=False):
            out.write(DepthData(metres.astype(np.float32), FDEP, accuracy=accuracy), seconds)
    path.with_suffix(".json").write_bytes(out.metadata())
    return out


@pytest.mark.parametrize("q", RANGES, ids=str)
def test_every_code_goes_through(tmp_path: Path, q: Quantiser) -> None:
    """Coded without loss: every code, shuffled anew in every frame; PTS stay."""
    rng = np.random.default_rng(2)
    planes = [rng.permutation(EVERY.ravel()).reshape(64, 64) for _ in TIMES]
    video(tmp_path / "d.mp4", [q.values()[p] for p in planes], q)
    found = list(read_lerobot(tmp_path / "d.mp4"))
    assert [f.seconds for f in found] == TIMES
    for frame, plane in zip(found, planes, strict=True):
        np.testing.assert_array_equal(frame.depth.map, q.values()[plane])
        assert (frame.depth.pixel_format, frame.depth.accuracy) == (FDEP, "absolute")


def test_ffmpeg_sees_12_bit_gray_without_loss(tmp_path: Path) -> None:
    """Decoded by FFmpeg alone, without anything of ours; HEVC of the range extensions, Main 12 or monochrome."""
    video(tmp_path / "d.mp4", [RANGES[0].values()[EVERY], RANGES[0].values()[EVERY.T]])
    with av.open(str(tmp_path / "d.mp4")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.codec_context.codec_tag) == ("hevc", "gray12le", "hvc1")
        planes = [f.to_ndarray() for f in container.decode(stream)]
    np.testing.assert_array_equal(planes, [EVERY, EVERY.T])


def test_metadata(tmp_path: Path) -> None:
    """The keys of LeRobot's meta/info.json, under the feature's `info`."""
    q = Quantiser(0.3, 4.0, 0.5)
    video(tmp_path / "d.mp4", [np.full((48, 64), 1.0)] * 3, q)
    feature = json.loads((tmp_path / "d.json").read_text())["features"][FEATURE]
    assert (feature["dtype"], feature["shape"], feature["names"]) == ("video", [48, 64, 1], ["height", "width", "channels"])
    assert feature["info"] == {
        "is_depth_map": True, "depth_unit": "m", "video.depth_min": 0.3, "video.depth_max": 4.0, "video.shift": 0.5, "video.use_log": True,
        "video.codec": "hevc", "video.pix_fmt": "gray12le", "video.height": 48, "video.width": 64, "video.channels": 1, "video.fps": 30.0,
        "has_audio": False}
    found = of_video(tmp_path / "d.mp4")
    assert found is not None
    assert (found.name, found.quantiser, found.accuracy, found.source) == (FEATURE, q, "absolute", tmp_path / "d.json")


def test_relative_depth_is_told(tmp_path: Path) -> None:
    out = video(tmp_path / "d.mp4", [np.full((48, 64), 1.0)] * 3, accuracy="relative")
    assert out.notes() == ["the depth is NOT metric, although LeRobot reads it as metres"]
    assert next(read_lerobot(tmp_path / "d.mp4")).depth.accuracy == "relative"


def test_notes(tmp_path: Path) -> None:
    frame = np.full((48, 64), 1.0)
    frame[:2], frame[2:5] = 0, 11
    out = video(tmp_path / "d.mp4", [frame] * 3, times=[Fraction(0), Fraction(1, 30), Fraction(1, 5)])
    assert out.notes() == ["384 pixels at 0.01 m or nearer have no value in the video", "576 pixels farther than 10 m were stored as 10 m",
                           "the frames are not evenly spaced, although LeRobot assumes it: 0.0333 to 0.1667 s apart"]
    assert out.rate == 10
    back = next(read_lerobot(tmp_path / "d.mp4")).depth.map
    assert np.isnan(back[:2]).all() and (back[2:5] == 10).all()


def data_set(root: Path, features: dict[str, Any]) -> Path:
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / "meta" / "info.json").write_text(json.dumps({"codebase_version": "v3.0", "fps": 30, "features": features}))
    return root


def entry(depth_max: float = 10.0, **other: Any) -> dict[str, Any]:
    info = json.loads(describe(Quantiser(depth_max=depth_max), 64, 48, Fraction(30), "absolute"))["features"][FEATURE]
    info["info"] |= other
    return info     # type: ignore[no-any-return]


@pytest.mark.parametrize("path", ["videos/observation.images.wrist_depth/chunk-000/file-000.mp4",
                                  "videos/chunk-000/observation.images.wrist_depth/episode_000000.mp4"])
def test_a_video_of_a_data_set(tmp_path: Path, path: str) -> None:
    """Its folder says which feature it is (v3.0 and v2.1)."""
    data_set(tmp_path, {"observation.images.wrist_depth": entry(4), "observation.images.head_depth": entry(7),
                        "observation.images.wrist": {"dtype": "video", "shape": [48, 64, 3], "info": {"video.codec": "av1"}}})
    place = tmp_path / path
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    found = of_video(place)
    assert found is not None
    assert (found.name, found.quantiser.depth_max) == ("observation.images.wrist_depth", 4)
    colour = tmp_path / path.replace("wrist_depth", "wrist")
    colour.parent.mkdir(parents=True)
    assert of_video(colour) is None
    assert of_video(tmp_path / "other" / "clip.mp4") is None


def test_legacy_marker(tmp_path: Path) -> None:
    feature = entry(4)
    feature["info"] = {("video." if k == "is_depth_map" else "") + k: v for k, v in feature["info"].items()}
    (tmp_path / "info.json").write_text(json.dumps({"features": {"d": feature}}))
    assert of_video(tmp_path / "a.mp4") is not None


@pytest.mark.parametrize(("change", "words"), [
    ({"video.depth_min": None}, "video.depth_min is None"), ({"video.depth_max": "10"}, "video.depth_max is '10'"),
    ({"video.shift": True}, "video.shift is True"), ({"video.use_log": 1}, "video.use_log is 1"), ({"video.depth_max": 0.001}, "is not a valid range"),
    ({"video.pix_fmt": "yuv420p12le"}, "video.pix_fmt is 'yuv420p12le'"), ({"video.depth_max": 1e400}, "is not a valid range"),
])
def test_metadata_that_does_not_say_what_it_should(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"features": {"d": entry(**change)}}))
    with pytest.raises(GpudepthError) as caught:
        of_video(tmp_path / "a.mp4")
    assert words in str(caught.value)
    assert "features/d/info" in str(caught.value)


def test_several_features_beside_a_video(tmp_path: Path) -> None:
    (tmp_path / "info.json").write_text(json.dumps({"features": {"a": entry(), "b": entry()}}))
    with pytest.raises(MalformedError, match="declares 2 depth features"):
        of_video(tmp_path / "clip.mp4")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"features": 3}', '{"features": {"a": 3, "b": {"info": []}}}', "[" * 5000, '"' + "\xff" * 9])
def test_other_json_is_no_business_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    assert of_video(tmp_path / "a.mp4") is None


def test_reading_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "d.mp4"
    video(path, [np.full((48, 64), 1.0)] * 2)
    whole = path.read_bytes()
    with pytest.raises(LimitError, match=r"limits\.max_pixels"):
        list(read_lerobot(path, limits=Limits(max_pixels=1000)))
    (tmp_path / "d.json").rename(tmp_path / "x.json")
    with pytest.raises(NoDepthError, match=r"d\.json, or meta/info\.json"):
        list(read_lerobot(path))
    (tmp_path / "x.json").rename(tmp_path / "d.json")
    colour = io.BytesIO()
    with av.open(colour, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    path.write_bytes(colour.getvalue())
    with pytest.raises(UnsupportedError, match=r"is h264 yuv420p, but .* declares depth in gray12le"):
        list(read_lerobot(path))
    for stop in range(0, len(whole), 97):
        path.write_bytes(whole[:stop])
        with pytest.raises(FileError):
            list(read_lerobot(path))


def test_damage_is_no_depth(tmp_path: Path) -> None:
    """A changed byte of a picture is always found: pictures carry an MD5. What else changes nothing is in boxes that FFmpeg passes over."""
    path, rng = tmp_path / "d.mp4", np.random.default_rng(3)
    video(path, [RANGES[0].values()[EVERY]] * 2)
    whole = path.read_bytes()
    start = whole.index(b"mdat")
    size = int.from_bytes(whole[start - 4 : start], "big")
    values = RANGES[0].values()[EVERY]
    for at in [*rng.integers(0, len(whole), 60), *rng.integers(start + 4, start - 4 + size, 100)]:
        blob = bytearray(whole)
        blob[at] ^= 0xFF
        path.write_bytes(blob)
        try:
            for frame in read_lerobot(path, limits=Limits(max_pixels=1 << 20)):
                np.testing.assert_array_equal(frame.depth.map, values)
        except GpudepthError:
            pass


def test_writing_what_cannot_be(tmp_path: Path) -> None:
    def frame(width: int, height: int) -> DepthData:
        return DepthData(np.ones((height, width), np.float32), FDEP)

    with (tmp_path / "a.mp4").open("wb") as file:
        with pytest.raises(UnsupportedError, match="too small"), LerobotWriter(file, Quantiser()) as out:
            out.write(frame(8, 64), 0)
        with pytest.raises(UsageError, match="a video needs at least one frame"), LerobotWriter(file, Quantiser()):
            pass
        with pytest.raises(UsageError, match="a video needs at least one frame"):
            LerobotWriter(file, Quantiser()).metadata()
    for second, words in ((frame(64, 32), "frame is 64×32, the video 64×48"), (frame(64, 48), r"frame at 0\.000 s comes after one")):
        with (tmp_path / "a.mp4").open("wb") as file, pytest.raises(UsageError, match=words), LerobotWriter(file, Quantiser()) as out:
            out.write(frame(64, 48), 0)
            out.write(second, 0 if second.height == 48 else 1)
