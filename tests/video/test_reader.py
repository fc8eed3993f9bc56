"""Video streams: times before frames, frames by their place, and files that are none."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_kit import colour, gray, number_of, seconds_of

from gpudepth.depth import orientation as exif
from gpudepth.errors import FileError, LimitError, MissingInputError, UnsupportedError
from gpudepth.limits import Limits
from gpudepth.video.reader import describe, read_video, streams


def numbers(video: object, wanted: list[int] | None = None) -> list[tuple[int, int]]:
    return [(place, number_of(frame.to_ndarray(format="rgb24"))) for place, frame in video.frames(wanted)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi"])
def test_times_and_frames(tmp_path: Path, suffix: str) -> None:
    """B-frames and all: packets come in another order than frames are shown."""
    times = seconds_of(30, 25) if suffix == ".avi" else seconds_of(30)
    video = read_video(colour(tmp_path / f"v{suffix}", 30, times=times, options={"bf": "3", "g": "10"} if suffix != ".avi" else {},
                              codec="libx264" if suffix != ".avi" else "ffv1"))
    assert (video.width, video.height, len(video.times), video.lost) == (128, 96, 30, 0)
    assert [round(float(t - video.times[0]) * 1000) for t in video.times] == [round(float(t) * 1000) for t in times]
    assert numbers(video) == [(n, n) for n in range(30)]
    assert numbers(video, [0]) == [(0, 0)]
    assert numbers(video, [17, 18, 29]) == [(17, 17), (18, 18), (29, 29)]
    assert numbers(video, []) == []
    assert abs(video.rate() - Fraction(29) / times[-1]) < Fraction(1, 10)


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [Fraction(n, 30) for n in (0, 1, 2, 5, 6, 20, 21)]
    video = read_video(colour(tmp_path / "v.mp4", 7, times=times))
    assert [t - video.times[0] for t in video.times] == times
    assert numbers(video, [3, 5]) == [(3, 3), (5, 5)]


@pytest.mark.parametrize(("degrees", "orientation"), [(0, 1), (90, 8), (180, 3), (-90, 6)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation(tmp_path: Path, suffix: str, degrees: int, orientation: int) -> None:
    """FFmpeg counts degrees against the clock; the matrix in the file is the judge of the first, our reader of it the second."""
    video = read_video(colour(tmp_path / f"v{suffix}", 2, rotation=degrees))
    assert video.orientation == orientation
    turned = exif.apply(video.orientation, np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(turned, np.rot90(np.arange(6).reshape(2, 3), degrees // 90))


def test_streams_are_described(tmp_path: Path) -> None:
    path = gray(tmp_path / "g.mkv", [np.zeros((48, 64), np.uint16)] * 2)
    (info,) = streams(path)
    assert (info.gray, info.bits, info.codec, info.pixel_format) == (True, 16, "ffv1", "gray16le")
    assert describe((info,)) == "0 ffv1 gray16le"
    assert not streams(colour(tmp_path / "c.mp4", 2))[0].gray
    with pytest.raises(UnsupportedError, match="there is no stream 3: the file has 1 video streams"):
        read_video(path, 3)


def test_without_times(tmp_path: Path) -> None:
    """A raw stream has none: frames are counted, at its rate."""
    video = read_video(colour(tmp_path / "v.h264", 10, options={"bf": "0"}))
    assert video.counted
    assert numbers(video, [2, 9]) == [(2, 2), (9, 9)]


def test_cut_off(tmp_path: Path) -> None:
    """moov first: what is there comes, and how much is lost is known."""
    path = colour(tmp_path / "v.mp4", 60, options={"g": "10", "bf": "0"}, container={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    video = read_video(path)
    assert 10 < len(video.times) < 60
    assert video.lost == 60 - len(video.times)
    got = numbers(video)
    assert len(got) >= len(video.times) - 1     # the last packet may be half
    assert got == [(n, n) for n in range(len(got))]
    path.write_bytes(whole[:900])
    with pytest.raises(FileError):
        read_video(path)


def test_damage_inside(tmp_path: Path) -> None:
    """Frames around the damage come; those inside are left out, or not wrong in their place."""
    path = gray(tmp_path / "g.mkv", [np.full((48, 64), n * 1000, np.uint16) for n in range(20)], options={"slicecrc": "1", "level": "3"})
    blob = bytearray(path.read_bytes())
    middle = len(blob) // 2
    blob[middle : middle + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(blob)
    places = [place for place, _ in read_video(path).frames()]
    assert places == sorted(places)
    assert {0, 1, 18, 19} <= set(places)


@pytest.mark.parametrize(("name", "content"), [
    ("empty.mp4", b""), ("text.mp4", b"no video at all\n" * 100), ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"),
    ("concat.txt", b"ffconcat version 1.0\nfile /etc/passwd\n"), ("half.mkv", b"\x1a\x45\xdf\xa3" + bytes(100))])
def test_no_video(tmp_path: Path, name: str, content: bytes) -> None:
    """Playlists name other files: no format of that kind is let in."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_video(path)
    assert str(path) in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_video(tmp_path / "none.mp4")
    with pytest.raises(UnsupportedError, match="is a folder"):
        read_video(tmp_path)
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        sound = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        sound.sample_rate = 48000
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    with pytest.raises(UnsupportedError, match="the file has no video"):
        read_video(tmp_path / "a.mp4")


def test_unknown_codec(tmp_path: Path) -> None:
    path = colour(tmp_path / "v.mp4", 3)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(UnsupportedError, match="has no decoder in"):
        read_video(path)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_still_pictures_are_no_video(tmp_path: Path, brand: bytes) -> None:
    """FFmpeg would take them for one frame. What has a movie in it, whatever its brand, is one."""
    from photo_kit import heic

    path = heic(tmp_path / "a.heic", 64, 48)
    path.write_bytes(path.read_bytes().replace(b"ftypheic", b"ftyp" + brand))
    with pytest.raises(UnsupportedError, match=r"a.heic: the file is a still picture; expected a video"):
        read_video(path)
    path = colour(tmp_path / "v.mp4", 3)
    path.write_bytes(path.read_bytes().replace(b"ftypisom", b"ftyp" + brand))
    assert len(read_video(path).times) == 3


def test_limits(tmp_path: Path) -> None:
    path = colour(tmp_path / "v.mp4", 12)
    for limits in (Limits(max_pixels=1000), Limits(max_samples=5), Limits(max_movie=100)):
        with pytest.raises(LimitError):
            read_video(path, limits=limits)
    assert len(read_video(path, limits=Limits(max_file=10)).times) == 12    # of movies little is read at once


def test_a_matrix_that_is_no_turn(tmp_path: Path) -> None:
    path = colour(tmp_path / "v.mp4", 2)
    blob = path.read_bytes()
    plain = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    at = blob.rindex(plain)     # tkhd's, behind mvhd's
    path.write_bytes(blob[:at] + struct.pack(">9i", 46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30) + blob[at + 36 :])
    with pytest.raises(UnsupportedError, match="is not a rotation by quarter turns"):
        read_video(path)


def test_leaving_early_does_not_hang(tmp_path: Path) -> None:
    """Frame threads that are left before the end wait for Python's lock when FFmpeg's log goes through Python."""
    path = colour(tmp_path / "v.mp4", 40)
    script = ("import sys; from gpudepth.video.reader import read_video\n"
              "v = read_video(sys.argv[1])\n"
              "for _ in range(20):\n    f = v.frames(); next(f); f.close()\n")
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
    package = Path(__file__).parents[2] / "gpudepth"
    assert not [p for p in package.rglob("*.py") if "logging.set_level" in p.read_text(encoding="utf-8")]


def test_no_frame_at_all(tmp_path: Path) -> None:
    path = colour(tmp_path / "v.mp4", 1)
    blob = bytearray(path.read_bytes())
    start = blob.index(b"mdat") + 4
    blob[start : blob.index(b"moov") - 4] = bytes(blob.index(b"moov") - 4 - start)
    path.write_bytes(blob)
    with pytest.raises(FileError):
        read_video(path)


def test_ffmpegs_own_kinds_of_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not implemented is an error of no kind that Python has."""
    import av.error

    def refuse(*arguments: object, **options: object) -> None:
        raise av.error.PatchWelcomeError(1, "Not yet implemented in FFmpeg, patches welcome")

    path = colour(tmp_path / "v.mp4", 2)
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(UnsupportedError, match="Not yet implemented"):
        read_video(path)
