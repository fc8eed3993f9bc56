"""Photos with depth out of clips: the right map in each, times, ranges, and what happens to frames that fail."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from video_kit import colour, depth, metres, number_of

import gpudepth
from gpudepth.attachment.clips import photos as clip_photos
from gpudepth.attachment.clips.span import ClipContext
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.depth.encoding import Depth, Gray
from gpudepth.depth.pixel_format import HDEP
from gpudepth.errors import FileError, OutputError
from gpudepth.pairing.clips import Footage, find_clips
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize


def footage(path: Path) -> Footage:
    return Footage((path,))


def means(settings: Settings | None = None, threads: int = 2, **options: Any) -> ClipContext:
    return ClipContext(ClipSettings(**options), settings or Settings(), NumpyBackend(), threads)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "frames.csv").open() as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> Any:
    if path.suffix == ".heic":
        return np.asarray(pillow_heif.open_heif(path).to_pillow().convert("RGB"))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("suffix", [".jpg", ".heic"])
def test_every_photo_has_its_own_map(tmp_path: Path, suffix: str) -> None:
    """The number in the picture, by another reader, is the number in the depth; times are the video's."""
    times = [Fraction(n, 30) for n in (0, 1, 2, 4, 5, 7, 8, 9, 15, 16)]
    video = colour(tmp_path / "c.mp4", 10, times=times, options={"bf": "2"})
    maps = depth(tmp_path / "d.mkv", times=times, numbers=range(10))
    outcome = clip_photos.write(footage(video), footage(maps), str(tmp_path / f"out/{{frame}}{suffix}"), means())
    assert outcome.frames == 10
    rows = table(tmp_path / "out")
    assert [row["file"] for row in rows] == [f"{n:06d}{suffix}" for n in range(10)]
    np.testing.assert_allclose([float(row["seconds"]) for row in rows], [float(t) for t in times], atol=1e-6)
    np.testing.assert_allclose([float(row["map_seconds"]) for row in rows], [float(t) for t in times], atol=6e-4)
    for n in range(10):
        path = tmp_path / "out" / f"{n:06d}{suffix}"
        assert number_of(pixels(path)) == n
        data = gpudepth.read(path)
        assert data is not None
        assert data.storage is not None
        # one range for all, in the file's own numbers, and each map's own value within half a code of it
        assert (data.storage.lo, data.storage.hi) == (0.125, 2.0)
        step = (2.0 - 0.125) / 255
        assert abs(float(data.disparity()[24, 24]) - 1 / float(metres(n)[24, 24])) < 0.55 * step
        assert data.accuracy == "absolute"
        assert path.stat().st_size == int(rows[n]["bytes"])
    assert clip_photos.is_whole(tmp_path / "out" / "frames.csv")
    (tmp_path / "out" / f"000003{suffix}").unlink()
    assert not clip_photos.is_whole(tmp_path / "out" / "frames.csv")


def test_a_range_of_each_frames_own(tmp_path: Path) -> None:
    video = colour(tmp_path / "c.mp4", 3)
    np.savez(tmp_path / "d.npz", depths=np.stack([np.linspace(1, 2 + n, 64 * 48, dtype=np.float32).reshape(48, 64) for n in range(3)]))
    pattern = str(tmp_path / "{frame}.heic")
    for how, wanted in (("frame", [2, 3, 4]), ("clip", [4, 4, 4]), ((0.5, 8.0), [8, 8, 8])):
        settings = Settings(encoding=Depth(), pixel_format=HDEP)
        clip_photos.write(footage(video), footage(tmp_path / "d.npz"), pattern, means(settings, range=how))
        storages = [gpudepth.read(tmp_path / f"{n:06d}.heic").storage for n in range(3)]  # type: ignore[union-attr]
        assert [round(s.hi, 3) for s in storages if s] == wanted


@pytest.mark.parametrize("suffix", [".jpg", ".heic"])
def test_rotated_video(tmp_path: Path, suffix: str) -> None:
    """The video's rotation is the photo's orientation; maps that are given as displayed lie right in it."""
    video = colour(tmp_path / "c.mp4", 2, rotation=-90)
    upright = np.linspace(1, 4, 96 * 128, dtype=np.float32).reshape(128, 96)
    np.savez(tmp_path / "d.npz", depths=np.stack([upright] * 2))
    clip_photos.write(footage(video), footage(tmp_path / "d.npz"), str(tmp_path / f"{{frame}}{suffix}"), means(Settings(encoding=Depth())))
    data = gpudepth.read(tmp_path / f"000001{suffix}", orientation="coded")
    assert data is not None
    assert (data.orientation, data.width, data.height) == (6, 128, 96)
    np.testing.assert_allclose(data.displayed().depth(), upright, rtol=0.03)
    coded = np.rot90(upright)
    np.savez(tmp_path / "d.npz", depths=np.stack([coded] * 2))
    settings = Settings(encoding=Depth(), orientation="coded")
    clip_photos.write(footage(video), footage(tmp_path / "d.npz"), str(tmp_path / f"{{frame}}{suffix}"), means(settings))
    np.testing.assert_allclose(gpudepth.read(tmp_path / f"000000{suffix}").depth(), upright, rtol=0.03)  # type: ignore[union-attr]


def test_turned_on_top(tmp_path: Path) -> None:
    """Phones' exports lie on their side: picture and map are turned in their metadata."""
    video = colour(tmp_path / "c.mp4", 1)
    lying = np.linspace(1, 4, 96 * 128, dtype=np.float32).reshape(96, 128)
    np.savez(tmp_path / "d.npz", depths=lying[None])
    clip_photos.write(footage(video), footage(tmp_path / "d.npz"), str(tmp_path / "{frame}.jpg"), means(Settings(encoding=Depth(), turn=90)))
    data = gpudepth.read(tmp_path / "000000.jpg")
    assert data is not None
    np.testing.assert_allclose(data.depth(), np.rot90(lying, -1), rtol=0.03)


def test_refining_along_the_frame(tmp_path: Path) -> None:
    """Guided upsampling takes the frame's own pixels; the size is that of the photo as displayed."""
    video = colour(tmp_path / "c.mp4", 2)
    np.savez(tmp_path / "d.npz", depths=np.stack([np.where(np.arange(32) < 16, 1, 3)[None].repeat(24, 0).astype(np.float32)] * 2))
    settings = Settings(encoding=Depth(), resize=Resize(long_side=128, method="guided"), fill="inpaint", smooth=None)
    outcome = clip_photos.write(footage(video), footage(tmp_path / "d.npz"), str(tmp_path / "{frame}.jpg"), means(settings))
    data = gpudepth.read(tmp_path / "000000.jpg")
    assert data is not None
    assert (data.width, data.height) == (128, 96)
    assert "128×96" in outcome.summary


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    """With any number of threads, any part of the clip, and again; pixels, not bytes, with one encoder for all."""
    video, maps = footage(colour(tmp_path / "c.mp4", 6)), footage(depth(tmp_path / "d.mkv", 6))
    named = {"range": (0.5, 8.0)}
    for name, threads, options in (("one", 1, {}), ("three", 3, {}), ("part", 2, {"frames": "3:6"}), ("kept", 1, {"deterministic": False})):
        clip_photos.write(video, maps, str(tmp_path / name / "{frame}.heic"), means(threads=threads, **named, **options))
    for n in range(6):
        one = (tmp_path / f"one/{n:06d}.heic").read_bytes()
        assert (tmp_path / f"three/{n:06d}.heic").read_bytes() == one
        if n >= 3:
            assert (tmp_path / f"part/{n:06d}.heic").read_bytes() == one
        np.testing.assert_array_equal(pixels(tmp_path / f"kept/{n:06d}.heic"), pixels(tmp_path / f"one/{n:06d}.heic"))
    assert not (tmp_path / "part/000002.heic").exists()


def test_pictures_in_sequence_stay_as_they_are(tmp_path: Path) -> None:
    """Photos beside a depth video: their scans are copied, not coded again."""
    from video_kit import picture

    (tmp_path / "rgb").mkdir()
    for n in range(3):
        Image.fromarray(picture(n)).save(tmp_path / f"rgb/{n}.jpg", quality=77)
    depth(tmp_path / "d.mkv", 3)
    clip = find_clips(tmp_path, "rgb/{frame}.jpg", "d.mkv", "out/{frame}.jpg").clips[0]
    assert clip.depth is not None
    clip_photos.write(clip.video, clip.depth, clip.output, means())
    for n in range(3):
        old = (tmp_path / f"rgb/{n}.jpg").read_bytes()
        scan = old[old.index(b"\xff\xda") :]
        assert scan in (tmp_path / f"out/{n:06d}.jpg").read_bytes()


def test_a_bad_frame_costs_itself(tmp_path: Path) -> None:
    """A missing file, a hole, an aspect: rows of the table; the others are written."""
    colour(tmp_path / "c.mp4", 6)
    (tmp_path / "d").mkdir()
    for n in range(6):
        Image.fromarray(np.full((48, 64), 100 + n, np.uint16)).save(tmp_path / f"d/{n}.png")
    (tmp_path / "d/1.png").write_bytes(b"")
    Image.fromarray(np.full((48, 30), 100, np.uint16)).save(tmp_path / "d/2.png")
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(tmp_path / "d/4.png")
    clip = find_clips(tmp_path, "c.mp4", "d/{frame}.png", "out/{frame}.jpg").clips[0]
    settings = Settings(encoding=Depth())
    with pytest.raises(FileError, match="3 of 6 frames failed; the others were written: frame 1: ") as caught:
        clip_photos.write(clip.video, clip.depth, clip.output, means(settings, range=(50.0, 150.0)))
    assert "frame 2: " in str(caught.value)
    rows = table(tmp_path / "out")
    assert [bool(row["error"]) for row in rows] == [False, True, True, False, True, False]
    assert "is empty" in rows[1]["error"]
    assert "aspects differ" in rows[2]["error"]
    assert sorted(p.name for p in (tmp_path / "out").glob("*.jpg")) == ["000000.jpg", "000003.jpg", "000005.jpg"]
    assert not clip_photos.is_whole(tmp_path / "out" / "frames.csv")


def test_a_depth_video_that_breaks_off(tmp_path: Path) -> None:
    video, maps = colour(tmp_path / "c.mp4", 8), depth(tmp_path / "d.mkv", 8)
    blob = bytearray(maps.read_bytes())
    blob[int(len(blob) * 0.6)] ^= 0x55
    maps.write_bytes(blob)
    with pytest.raises(FileError, match="frames failed; the others were written"):
        clip_photos.write(footage(video), footage(maps), str(tmp_path / "out/{frame}.jpg"), means(range=(0.5, 8.0)))
    rows = table(tmp_path / "out")
    bad = [bool(row["error"]) for row in rows]
    assert any(bad)
    assert not bad[0]
    assert bad == sorted(bad)
    assert any("check sum is wrong" in row["error"] for row in rows)


def test_a_video_that_was_cut_off(tmp_path: Path) -> None:
    video = colour(tmp_path / "c.mp4", 40, options={"g": "10", "bf": "0"}, container={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 3 // 4])
    maps = depth(tmp_path / "d.mkv", 40)
    with pytest.raises(FileError, match=r"is cut off|frames failed"):
        clip_photos.write(footage(video), footage(maps), str(tmp_path / "out/{frame}.jpg"), means())
    rows = table(tmp_path / "out")
    good = [row for row in rows if not row["error"]]
    assert len(good) > 10
    for row in good:
        assert number_of(pixels(tmp_path / "out" / row["file"])) == int(row["frame"])


def test_nowhere_to_write(tmp_path: Path) -> None:
    """A full or forbidden place ends the clip at once."""
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(OutputError):
        clip_photos.write(footage(colour(tmp_path / "c.mp4", 4)), footage(depth(tmp_path / "d.mkv", 4)),
                          str(tmp_path / "out/{frame}.jpg"), means())


def test_codes_say_what_they_mean(tmp_path: Path) -> None:
    from video_kit import gray

    maps = gray(tmp_path / "d.mkv", [np.full((48, 64), 1000 * n, np.uint16) for n in range(3)])
    settings = replace(Settings(), encoding=Gray(0.5, 8))
    outcome = clip_photos.write(footage(colour(tmp_path / "c.mp4", 3)), footage(maps), str(tmp_path / "{frame}.jpg"), means(settings))
    assert outcome.summary.startswith("3 frames, black = 0.50 m, white = 8.00 m, linear in depth, 64×48, hdis as L008, 0.5 to 8 m")
    assert outcome.summary.endswith("all over the range that the encoding names")
    outcome = clip_photos.write(footage(colour(tmp_path / "c.mp4", 3)), footage(maps), str(tmp_path / "{frame}.jpg"),
                                means(settings, range="clip"))
    assert outcome.summary.endswith("hdis as L008, 0.5 to 0.7288 m, all over one range")


def test_what_would_be_written_over(tmp_path: Path) -> None:
    """Outputs are numbered by place: they may have the names of other inputs."""
    inputs = [tmp_path / "a" / "000001.heic", tmp_path / "a" / "x.heic", tmp_path / "b" / "000001.heic", tmp_path / "m.mov"]
    assert clip_photos.writes_over(str(tmp_path / "a" / "{frame}.heic"), inputs) == inputs[:1]
    assert clip_photos.writes_over(str(tmp_path / "a" / ".." / "b" / "{frame}.HEIC"), inputs) == inputs[2:3]
    assert clip_photos.writes_over(str(tmp_path / "a" / "{frame}.jpg"), inputs) == []
    assert clip_photos.writes_over(str(tmp_path / "m.mov"), inputs) == inputs[3:]


@pytest.mark.parametrize("text", ["file,bytes\na.jpg\n", "file\na.jpg\n", "file,bytes\na.jpg,many\n", "file,bytes\n" + "a" * (1 << 18) + ",1\n", "file,bytes\na.jpg,2\n", "file,bytes\nb.jpg,1\n"])
def test_a_table_that_says_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "frames.csv").write_text("file,bytes\na.jpg,1\n")
    assert clip_photos.is_whole(tmp_path / "frames.csv")
    (tmp_path / "frames.csv").write_text(text)
    assert not clip_photos.is_whole(tmp_path / "frames.csv")
