"""Clips into movies with a depth track, and into depth video alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from video_kit import colour, depth, gray, metres

from gpudepth.attachment.clips import movie as clip_movie
from gpudepth.attachment.clips.span import ClipContext
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.depth.encoding import Depth
from gpudepth.depth.pixel_format import HDEP
from gpudepth.errors import ExistingDepthError, FileError, HolesError, UsageError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.pairing.clips import Footage, find_clips
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize
from gpudepth.video import frames as clip
from gpudepth.video.matroska import read_depth_video
from gpudepth.video.quicktime import reader, writer


def write(video: Path, maps: Path | None, out: Path, settings: Settings | None = None, **options: Any) -> Any:
    means = ClipContext(ClipSettings(**options), settings or Settings(), NumpyBackend(), 2)
    return clip_movie.write(Footage((video,)), Footage((maps,)) if maps else None, out, means)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]


def test_bits_are_those_that_were_named_or_an_error(tmp_path: Path) -> None:
    video, maps = colour(tmp_path / "c.mp4", 4), depth(tmp_path / "d.mkv", 4)
    for bits in (None, 8, 10):
        write(video, maps, tmp_path / f"{bits}.mp4", Settings(bits=bits))
        assert clip.about(tmp_path / f"{bits}.mp4")["bits"] == (bits or 8)
        for n, frame in enumerate(clip.frames(tmp_path / f"{bits}.mp4")):
            off = np.abs(frame.data.disparity() - 1 / metres(n).astype(np.float32)).max()
            assert off <= (2 - 0.125) * 0.51 / (2 ** (bits or 8) - 1) + 2**-11      # half a step, and a half float
    for name, bits in (("o.mp4", 12), ("o.mov", 8), ("o.mkv", 10)):
        with pytest.raises(UsageError, match=f"bits, not {bits}"):
            write(video, maps, tmp_path / name, Settings(bits=bits))      # type: ignore[arg-type]
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("fmt", ["hdis", "hdep"])
def test_a_depth_track_beside_the_colour(tmp_path: Path, fmt: str) -> None:
    """Colour samples are the old ones; each map is shown with its frame; codes are off by half a step of 1023."""
    times = [Fraction(n, 30) for n in (0, 1, 2, 4, 5, 9)]
    video = colour(tmp_path / "c.mp4", 6, times=times, options={"bf": "2"})
    settings = Settings(pixel_format=HDEP) if fmt == "hdep" else Settings()
    outcome = write(video, depth(tmp_path / "d.mkv", times=times, numbers=range(6)), tmp_path / "out.mov", settings)
    assert packets(tmp_path / "out.mov") == packets(video)
    assert "experiment" in outcome.warnings[0]
    with ByteSource(video) as source:
        shown = writer.colour_times(source)
    with reader.open_depth(tmp_path / "out.mov") as track:
        assert track.coding == {"hdis": "dish", "hdep": "deph"}[fmt]
        found = list(reader.frames(track))
    assert [f.seconds for f in found] == shown
    for n, frame in enumerate(found):
        value = float(frame.data.map[24, 24])
        wanted = float(metres(n)[24, 24]) if fmt == "hdep" else 1 / float(metres(n)[24, 24])
        top = 8.0 if fmt == "hdep" else 2.0
        assert abs(value - wanted) < 0.006 * top
    with pytest.raises(ExistingDepthError):
        write(tmp_path / "out.mov", tmp_path / "d.mkv", tmp_path / "again.mov")
    assert not (tmp_path / "again.mov").exists()


@pytest.mark.parametrize("fmt", ["hdis", "hdep"])
def test_android(tmp_path: Path, fmt: str) -> None:
    """MP4-AT: the movie's samples are the old ones, the depth behind it is that of its frames; and it goes in again."""
    video = colour(tmp_path / "c.mp4", 6, options={"bf": "2"})
    settings = Settings(pixel_format=HDEP) if fmt == "hdep" else Settings()
    outcome = write(video, depth(tmp_path / "d.mkv", 6), tmp_path / "out.mp4", settings)
    assert outcome.warnings == ()
    assert packets(tmp_path / "out.mp4") == packets(video)
    found = list(clip.frames(tmp_path / "out.mp4"))
    assert [f.seconds for f in found] == [Fraction(n, 30) for n in range(6)]
    for n, frame in enumerate(found):
        value, wanted = float(frame.data.depth()[24, 24]), float(metres(n)[24, 24])
        assert abs(value - wanted) < (0.02 if fmt == "hdep" else 0.01)
    write(tmp_path / "out.mp4", None, tmp_path / "back.mkv", settings)
    assert len(list(read_depth_video(tmp_path / "back.mkv"))) == 6


def test_lerobot_goes_in(tmp_path: Path) -> None:
    from gpudepth.attachment.clips.files import save_lerobot

    save_lerobot(depth(tmp_path / "d.mkv", 5), tmp_path / "l.mp4")
    write(colour(tmp_path / "c.mp4", 5), tmp_path / "l.mp4", tmp_path / "o.mkv", Settings(pixel_format=HDEP))
    for n, frame in enumerate(read_depth_video(tmp_path / "o.mkv")):
        assert abs(float(frame.depth.map[24, 24]) - float(metres(n)[24, 24])) < 0.01


def test_some_frames(tmp_path: Path) -> None:
    write(colour(tmp_path / "c.mp4", 9), depth(tmp_path / "d.mkv", 9), tmp_path / "o.mov", frames="3:9", stride=2)
    with reader.open_depth(tmp_path / "o.mov") as track:
        assert [f.seconds for f in reader.frames(track)] == [Fraction(n, 30) for n in (3, 5, 7)]


def test_rotated(tmp_path: Path) -> None:
    """A track lies as the colour's samples do; depth video alone is upright."""
    video = colour(tmp_path / "c.mp4", 2, rotation=-90)
    upright = np.linspace(1, 4, 96 * 128, dtype=np.float32).reshape(128, 96)
    np.savez(tmp_path / "d.npz", depths=np.stack([upright] * 2))
    settings = Settings(encoding=Depth(), pixel_format=HDEP)
    write(video, tmp_path / "d.npz", tmp_path / "o.mov", settings)
    with reader.open_depth(tmp_path / "o.mov") as track:
        frame = next(reader.frames(track))
    assert frame.data.orientation == 6
    np.testing.assert_allclose(frame.data.displayed().map, upright, rtol=0.01)
    write(video, tmp_path / "d.npz", tmp_path / "o.mkv", settings)
    np.testing.assert_array_equal(next(iter(read_depth_video(tmp_path / "o.mkv"))).depth.map, upright.astype(np.float16))


def test_depth_video_alone(tmp_path: Path) -> None:
    """Bit for bit, refined as the job says; holes may stay."""
    codes = [np.full((48, 64), 1000 + 100 * n, np.uint16) for n in range(4)]
    codes[2][5, 5] = 0
    maps = gray(tmp_path / "d.mkv", codes)
    settings = Settings(encoding=Depth(Fraction(1, 1000)), pixel_format=HDEP)
    outcome = write(colour(tmp_path / "c.mp4", 4), maps, tmp_path / "out" / "o.mkv", settings)
    found = list(read_depth_video(tmp_path / "out" / "o.mkv"))
    for n, frame in enumerate(found):
        wanted = (codes[n] / 1000).astype(np.float16)
        wanted[codes[n] == 0] = np.nan
        np.testing.assert_array_equal(frame.depth.map, wanted)
        assert abs(float(frame.seconds) - n / 30) <= 0.0005
    assert outcome.metres == (1.0, 1.2998046875)
    write(colour(tmp_path / "c.mp4", 4), maps, tmp_path / "s.mkv", Settings(encoding=Depth(Fraction(1, 1000)), resize=Resize(long_side=32), fill="far"))
    small = next(iter(read_depth_video(tmp_path / "s.mkv"))).depth
    assert (small.width, small.height, small.pixel_format.name) == (32, 24, "hdis")
    with pytest.raises(HolesError, match="frame 2: some pixels have no finite value"):
        write(colour(tmp_path / "c.mp4", 4), maps, tmp_path / "o.mov", settings)
    assert not (tmp_path / "o.mov").exists()


def test_every_frame_has_to_be_there(tmp_path: Path) -> None:
    video, maps = colour(tmp_path / "c.mp4", 8), depth(tmp_path / "d.mkv", 8)
    blob = bytearray(maps.read_bytes())
    blob[int(len(blob) * 0.6)] ^= 0x55
    maps.write_bytes(blob)
    for name in ("o.mov", "o.mkv"):
        with pytest.raises(FileError, match="check sum is wrong"):
            write(video, maps, tmp_path / name, range=(0.5, 8.0))
        assert not list(tmp_path.glob(f"*{name[:1]}.*"))
    video = colour(tmp_path / "l.mp4", 40, options={"g": "10", "bf": "0"}, container={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 3 // 4])
    with pytest.raises(FileError, match="is cut off"):
        write(video, depth(tmp_path / "d2.mkv", 40), tmp_path / "o.mov")


def test_pictures_in_sequence_are_no_movie(tmp_path: Path) -> None:
    for n in range(2):
        Image.fromarray(np.zeros((96, 128, 3), np.uint8)).save(tmp_path / f"{n}.jpg")
    clip = find_clips(tmp_path, "{frame}.jpg", None, "o.mov").clips[0]
    means = ClipContext(ClipSettings(match="index"), Settings(), NumpyBackend())
    with pytest.raises(UsageError, match="is a sequence of pictures"):
        clip_movie.write(clip.video, Footage((depth(tmp_path / "d.mkv", 2),)), tmp_path / "o.mov", means)
