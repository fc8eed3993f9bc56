"""Which depth goes to which video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.pairing.clips import Footage, find_clips


def make(base: Path, *names: str) -> None:
    for name in names:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_videos_and_depth_videos(tmp_path: Path) -> None:
    make(tmp_path, "clips/a.mp4", "clips/b.mov", "clips/b.txt", "depth/a.mkv", "depth/c.mkv")
    found = find_clips(tmp_path, "clips/*.m*", "depth/{stem}.mkv", "out/{stem}/{frame}.heic")
    (clip,) = found.clips
    assert clip.key == "clips/a.mp4"
    assert clip.video == Footage((tmp_path / "clips/a.mp4",))
    assert clip.depth == Footage((tmp_path / "depth/a.mkv",))
    assert clip.output == str(tmp_path / "out/a/{frame}.heic")
    assert found.without_depth == ("clips/b.mov",)
    assert found.without_video == (str(tmp_path / "depth/c.mkv"),)


def test_the_video_holds_it(tmp_path: Path) -> None:
    make(tmp_path, "a.MOV")
    (clip,) = find_clips(tmp_path, "*.mov", None, "o/{stem}.mkv").clips
    assert clip.depth is None
    (clip,) = find_clips(tmp_path, "*.mov", "{stem}.MOV", "o/{stem}.mkv").clips
    assert clip.depth is None


def test_depth_beside_the_video_is_no_video(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "a_depth.mp4", "b.mp4", "b_depth.mp4")
    found = find_clips(tmp_path, "*.mp4", "{stem}_depth.mp4", "o/{stem}/{frame}.jpg")
    assert [clip.key for clip in found.clips] == ["a.mp4", "b.mp4"]
    assert found.without_depth == ()


def test_numbered_maps(tmp_path: Path) -> None:
    """In the order of their numbers, whatever their digits."""
    make(tmp_path, "s1/rgb.mp4", *(f"s1/depth/{n}.png" for n in (0, 1, 2, 10, 9)), "s2/rgb.mp4", "s2/depth/000.png")
    found = find_clips(tmp_path, "{scene}/rgb.mp4", "{scene}/depth/{frame}.png", "o/{scene}/{frame}.jpg")
    assert [clip.key for clip in found.clips] == ["s1/rgb.mp4", "s2/rgb.mp4"]
    depth = found.clips[0].depth
    assert depth is not None
    assert depth.numbers == (0, 1, 2, 9, 10)
    assert [path.name for path in depth.files] == ["0.png", "1.png", "2.png", "9.png", "10.png"]
    assert depth.sequence


def test_timed_maps(tmp_path: Path) -> None:
    make(tmp_path, "rgb.mp4", "d/1.50.png", "d/1.5.png", "d/0.25.png")
    with pytest.raises(UsageError, match="has the same number or time"):
        find_clips(tmp_path, "rgb.mp4", "d/{time}.png", "o/{frame}.jpg")
    (tmp_path / "d/1.50.png").unlink()
    depth = find_clips(tmp_path, "rgb.mp4", "d/{time}.png", "o/{frame}.jpg").clips[0].depth
    assert depth is not None
    assert depth.times == (Fraction(1, 4), Fraction(3, 2))


def test_pictures_in_sequence(tmp_path: Path) -> None:
    make(tmp_path, *(f"{s}/rgb/{n:03d}.jpg" for s in "xy" for n in range(3)), "x/d.mkv", "y/d.mkv")
    found = find_clips(tmp_path, "{scene}/rgb/{frame}.jpg", "{scene}/d.mkv", "o/{scene}/{frame}.jpg")
    assert [(clip.key, len(clip.video.files)) for clip in found.clips] == [("x/rgb", 3), ("y/rgb", 3)]


def test_mistakes(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "d1/a.mkv", "d2/a.mkv", "n/x.png")
    with pytest.raises(MissingInputError):
        find_clips(tmp_path, "*.webm", None, "o/{frame}.jpg")
    with pytest.raises(UsageError, match="the undefined placeholder"):
        find_clips(tmp_path, "*.mp4", "{other}/{stem}.mkv", "o/{frame}.jpg")
    with pytest.raises(UsageError, match="the undefined placeholder"):
        find_clips(tmp_path, "*.mp4", None, "o/{nothing}/{frame}.jpg")
    with pytest.raises(UsageError, match="in a folder"):
        find_clips(tmp_path, "*.mp4", None, "o/{frame}/{stem}.jpg")
    with pytest.raises(UsageError, match="more than once"):
        find_clips(tmp_path, "*.mp4", None, "o/{frame}_{frame}.jpg")
    with pytest.raises(UsageError, match="is not a frame number"):
        find_clips(tmp_path, "*.mp4", "n/{frame}.png", "o/{frame}.jpg")
    with pytest.raises(UsageError, match="not a time stamp"):
        find_clips(tmp_path, "*.mp4", "n/{time}.png", "o/{frame}.jpg")
    with pytest.raises(UsageError, match="matches 2 files for one clip"):
        make(tmp_path, "d1/a.npz")
        find_clips(tmp_path, "a.mp4", "d1/{stem}.*", "o/{frame}.jpg")
