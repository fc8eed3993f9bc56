"""Both sides of a clip: what counts as depth, and which map goes to which frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from movie_kit import depth_movie
from PIL import Image
from video_kit import colour, depth, gray, metres, number_of, seconds_of

from gpudepth.attachment.clips.match import Streams, open_clip
from gpudepth.depth.data import DepthData
from gpudepth.depth.encoding import Gray
from gpudepth.errors import GpudepthError, NoDepthError, UsageError
from gpudepth.maps.reader import SourceMap
from gpudepth.pairing.clips import Footage, find_clips
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings

GRAY = Settings(encoding=Gray(0.5, 8))


def footage(path: Path) -> Footage:
    return Footage((path,))


def codes(number: int) -> Any:
    out = np.full((48, 64), number * 100, np.uint16)
    out[0, 0] = 65535
    return out


def read(streams: Streams) -> list[tuple[int, int, int]]:
    """(frame, the number burnt into the picture, the number that the map holds)."""
    out = []
    for r in streams.read():
        shown = number_of(r.picture.to_ndarray(format="rgb24"))
        if isinstance(r.depth, DepthData):
            held = round((float(r.depth.depth()[24, 24]) - 1) * 64)
        else:
            source = r.depth.codes if isinstance(r.depth, SourceMap) else np.asarray(Image.open(r.depth)) if isinstance(r.depth, Path) else r.depth
            held = int(source[24, 24]) // 100
        out.append((r.frame, shown, held))
    return out


def same(*numbers: int) -> list[tuple[int, int, int]]:
    return [(n, n, n) for n in numbers]


def test_depth_video_of_ours(tmp_path: Path) -> None:
    """Milliseconds in Matroska against 1/90000 in MP4."""
    video, maps = colour(tmp_path / "c.mp4", 12, options={"bf": "2"}), depth(tmp_path / "d.mkv", 12)
    streams = open_clip(footage(video), footage(maps), ClipSettings(), Settings())
    assert read(streams) == same(*range(12))
    assert streams.notes == ()
    chosen = ClipSettings(frames="2:10", stride=3)
    assert read(open_clip(footage(video), footage(maps), chosen, Settings())) == same(2, 5, 8)
    with pytest.raises(UsageError, match=r"has 12 frames, but clip\.frames starts at 20"):
        open_clip(footage(video), footage(maps), ClipSettings(frames="20:"), Settings())
    with pytest.raises(UsageError, match="depth video that has a range"):
        open_clip(footage(video), footage(maps), ClipSettings(), GRAY)


@pytest.mark.parametrize(("suffix", "pix_fmt", "codec"), [(".mkv", "gray16le", "ffv1"), (".mkv", "gray10le", "ffv1"), (".avi", "gray16le", "ffv1"),
                                                         (".mkv", "gray12le", "libx265")])
def test_gray_video(tmp_path: Path, suffix: str, pix_fmt: str, codec: str) -> None:
    lossless = {"x265-params": "lossless=1:log-level=none"} if codec == "libx265" else {}
    frames = [np.full((48, 64), n * 100, np.uint16) for n in range(8)]
    maps = gray(tmp_path / f"d{suffix}", frames, pix_fmt, codec=codec, options=lossless)
    streams = open_clip(footage(colour(tmp_path / "c.mp4", 8)), footage(maps), ClipSettings(), GRAY)
    assert read(streams) == same(*range(8))
    source = next(iter(streams.maps.read([3])))[1]
    assert isinstance(source, SourceMap)
    assert source.max_code == (1 << int(pix_fmt[4:6])) - 1


def test_the_azure_kinects_matroska(tmp_path: Path) -> None:
    """Its recorder's tracks: colour as MJPG, depth and infrared as raw 16-bit big-endian gray ('b16g'), told by their names."""
    import io

    from mkv_kit import RawTrack, matroska
    from video_kit import picture

    def jpeg(n: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture(n)).save(buffer, "JPEG", quality=95)
        return buffer.getvalue()

    when = [33 * n for n in range(6)]
    infrared = np.full((48, 64), 7, ">u2").tobytes()
    tracks = [RawTrack("COLOR", b"MJPG", 128, 96, [(t, jpeg(n)) for n, t in enumerate(when)]),
              RawTrack("IR", b"b16g", 64, 48, [(t, infrared) for t in when]),
              RawTrack("DEPTH", b"b16g", 64, 48, [(t, codes(n).astype(">u2").tobytes()) for n, t in enumerate(when)])]
    path = tmp_path / "k4a.mkv"
    path.write_bytes(matroska(tracks))
    streams = open_clip(footage(path), None, ClipSettings(), GRAY)
    assert read(streams) == same(*range(6))
    source = next(iter(streams.maps.read([4])))[1]
    assert isinstance(source, SourceMap)
    np.testing.assert_array_equal(source.codes, codes(4))
    assert read(open_clip(footage(path), None, ClipSettings(color_stream=0, depth_stream=2), GRAY)) == same(*range(6))
    wrong = open_clip(footage(path), None, ClipSettings(depth_stream=1), GRAY)
    assert all(int(r.depth.codes[0, 0]) == 7 for r in wrong.read() if isinstance(r.depth, SourceMap))


def test_a_second_stream_of_gray(tmp_path: Path) -> None:
    from video_kit import picture

    path = tmp_path / "both.mkv"
    with av.open(str(path), "w") as out:
        one, two = out.add_stream("libx264", rate=30), out.add_stream("ffv1", rate=30)
        one.width, one.height, one.pix_fmt = 128, 96, "yuv420p"
        two.width, two.height, two.pix_fmt = 64, 48, "gray16le"
        for n in range(6):
            for stream, pixels, name in ((one, picture(n), "rgb24"), (two, codes(n), "gray16le")):
                frame = av.VideoFrame.from_ndarray(pixels, format=name)
                frame.pts, frame.time_base = n, Fraction(1, 30)
                out.mux(stream.encode(frame))
        out.mux([*one.encode(None), *two.encode(None)])
    assert read(open_clip(footage(path), None, ClipSettings(), GRAY)) == same(*range(6))


def test_raw_gray_that_ffmpeg_reads_back_as_rgb555(tmp_path: Path) -> None:
    """Its MOV muxer writes no format that says what it was: such a file is refused, and not taken for depth."""
    maps = gray(tmp_path / "d.mov", [np.zeros((48, 64), np.uint16)] * 4, "gray16le", codec="rawvideo")
    video = footage(colour(tmp_path / "c.mp4", 4))
    with pytest.raises(GpudepthError, match="decode to rgb555be:"):
        for r in open_clip(video, footage(maps), ClipSettings(), GRAY).read():
            if r.error:
                raise r.error


def test_side_by_side(tmp_path: Path) -> None:
    """Colour left, gray right, in one frame."""
    from video_kit import picture

    def both(number: int) -> Any:
        return np.concatenate([picture(number), np.full((96, 128, 3), 10 * number + 20, np.uint8)], 1)

    path = colour(tmp_path / "sbs.mp4", 6, frame=both, width=256, options={"crf": "4"})
    with pytest.raises(NoDepthError, match="holds no depth"):
        open_clip(footage(path), None, ClipSettings(), GRAY)
    for options in (ClipSettings(depth_crop="right"), ClipSettings(depth_crop=(128, 0, 128, 96), color_crop="left"),
                    ClipSettings(depth_crop=(130, 2, 100, 90), color_crop=(0, 0, 128, 96))):
        streams = open_clip(footage(path), None, options, GRAY)
        for read_ in streams.read():
            assert number_of(read_.picture.to_ndarray(format="rgb24")) == read_.frame
            assert isinstance(read_.depth, SourceMap)
            assert abs(float(np.median(read_.depth.codes)) - (10 * read_.frame + 20)) <= 3
            assert streams.notes[0].endswith("which is lossy")
    with pytest.raises(UsageError, match="does not lie inside"):
        open_clip(footage(path), None, ClipSettings(depth_crop=(200, 0, 128, 96)), GRAY)


def test_stacks(tmp_path: Path) -> None:
    video = colour(tmp_path / "c.mp4", 5)
    np.savez(tmp_path / "c_depths.npz", depths=np.stack([np.full((48, 64), n * 100, np.float32) for n in range(5)]))
    maps = footage(tmp_path / "c_depths.npz")
    assert read(open_clip(footage(video), maps, ClipSettings(), GRAY)) == same(*range(5))
    longer = footage(colour(tmp_path / "l.mp4", 7))
    with pytest.raises(UsageError, match="7 pictures and 5 maps"):
        open_clip(longer, maps, ClipSettings(), GRAY)
    streams = open_clip(longer, maps, ClipSettings(allow_missing=True), GRAY)
    assert read(streams) == same(*range(5))
    assert "2 of 7 frames have no map" in streams.notes[0]


def test_half_rate_by_fps(tmp_path: Path) -> None:
    """15 maps a second, made of every other frame."""
    np.savez(tmp_path / "d.npz", depths=np.stack([np.full((48, 64), n * 100, np.float32) for n in range(0, 10, 2)]))
    video = footage(colour(tmp_path / "c.mp4", 10))
    options = ClipSettings(fps=15, allow_missing=True)
    assert read(open_clip(video, footage(tmp_path / "d.npz"), options, GRAY)) == same(0, 2, 4, 6, 8)
    with pytest.raises(UsageError, match="5 of 10 frames have no map, for example frame 1"):
        open_clip(video, footage(tmp_path / "d.npz"), replace(options, allow_missing=False), GRAY)
    with pytest.raises(UsageError, match="the maps have no times"):
        open_clip(video, footage(tmp_path / "d.npz"), ClipSettings(match="time"), GRAY)


def sequence(folder: Path, numbers: range | list[int], start: int = 0) -> None:
    folder.mkdir()
    for n in numbers:
        Image.fromarray(codes(n)).save(folder / f"{n + start:06d}.png")


def found(base: Path, depth_template: str) -> tuple[Footage, Footage | None]:
    clip = find_clips(base, "c.mp4", depth_template, "o/{frame}.jpg").clips[0]
    return clip.video, clip.depth


@pytest.mark.parametrize("start", [0, 1])
def test_numbered_files_with_gaps(tmp_path: Path, start: int) -> None:
    """A missing map moves none of the others; numbers may start at 0 or at 1, as FFmpeg's do."""
    colour(tmp_path / "c.mp4", 8)
    sequence(tmp_path / "d", [0, 1, 2, 4, 5, 6, 7], start)
    video, maps = found(tmp_path, "d/{frame}.png")
    streams = open_clip(video, maps, ClipSettings(allow_missing=True), GRAY)
    assert read(streams) == same(0, 1, 2, 4, 5, 6, 7)
    with pytest.raises(UsageError, match="1 of 8 frames have no map, for example frame 3"):
        open_clip(video, maps, ClipSettings(), GRAY)


def test_numbers_that_may_mean_two_things(tmp_path: Path) -> None:
    colour(tmp_path / "c.mp4", 8)
    sequence(tmp_path / "d", [1, 2, 3, 4, 5])
    video, maps = found(tmp_path, "d/{frame}.png")
    with pytest.raises(UsageError, match="it is unknown which map belongs to the first frame"):
        open_clip(video, maps, ClipSettings(allow_missing=True), GRAY)
    assert read(open_clip(video, maps, ClipSettings(match="time", fps=30, offset=1 / 30, allow_missing=True), GRAY)) == same(1, 2, 3, 4, 5)


def test_gaps_stay_gaps_in_times(tmp_path: Path) -> None:
    """clip.fps gives numbered maps their own times, not those of their place."""
    colour(tmp_path / "c.mp4", 8)
    sequence(tmp_path / "d", [0, 1, 2, 4, 5, 6, 7])
    video, maps = found(tmp_path, "d/{frame}.png")
    assert read(open_clip(video, maps, ClipSettings(fps=30, allow_missing=True), GRAY)) == same(0, 1, 2, 4, 5, 6, 7)


def test_variable_frame_rate_and_times_in_names(tmp_path: Path) -> None:
    when = [Fraction(n, 10) for n in (0, 1, 3, 4, 9)]
    colour(tmp_path / "c.mp4", 5, times=when)
    (tmp_path / "d").mkdir()
    for n, time in enumerate(when):
        Image.fromarray(codes(n)).save(tmp_path / "d" / f"{float(time) + 100:.4f}.png")
    video, maps = found(tmp_path, "d/{time}.png")
    assert read(open_clip(video, maps, ClipSettings(offset=-100), GRAY)) == same(*range(5))
    with pytest.raises(UsageError, match="no frame has a map") as caught:
        open_clip(video, maps, ClipSettings(), GRAY)
    assert "maps from 100.000 to 100.900 s" in str(caught.value)


def test_different_lengths(tmp_path: Path) -> None:
    video, maps = footage(colour(tmp_path / "c.mp4", 6)), footage(depth(tmp_path / "d.mkv", 9))
    streams = open_clip(video, maps, ClipSettings(), Settings())
    assert read(streams) == same(*range(6))
    assert streams.notes == ("3 of 9 maps belong to no frame",)


def test_missing_frames_of_depth(tmp_path: Path) -> None:
    """Times say which; the others keep theirs."""
    left = [0, 1, 4, 5]
    maps = depth(tmp_path / "d.mkv", times=[seconds_of(6)[n] for n in left], numbers=left)
    video = footage(colour(tmp_path / "c.mp4", 6))
    assert read(open_clip(video, footage(maps), ClipSettings(allow_missing=True), Settings())) == same(*left)


def test_a_movie_that_holds_its_depth(tmp_path: Path) -> None:
    from movie_kit import muxed

    from gpudepth.formats.bytesource import ByteSource
    from gpudepth.video.quicktime import writer

    path = tmp_path / "clip.MOV"
    with path.open("wb") as file, ByteSource(muxed(6)) as source:
        times = writer.colour_times(source)
        maps = ((t, DepthData(metres(n), "hdep")) for n, t in enumerate(times))  # type: ignore[arg-type]
        writer.write(source, maps, file, (0.5, 8))
    streams = open_clip(footage(path), None, ClipSettings(), Settings())
    values = [float(r.depth.depth()[24, 24]) for r in streams.read() if isinstance(r.depth, DepthData)]
    np.testing.assert_allclose(values, [1 + n / 64 for n in range(6)], atol=0.01)
    (tmp_path / "other.MOV").write_bytes(depth_movie())
    with pytest.raises(GpudepthError):
        open_clip(footage(tmp_path / "other.MOV"), None, ClipSettings(), Settings())     # nobody decodes its colour


def test_hue_comes_with_a_warning(tmp_path: Path) -> None:
    import colorsys

    def drawn(number: int) -> Any:
        rgb = [round(255 * c) for c in colorsys.hsv_to_rgb(number / 10, 1, 1)]
        return np.full((96, 128, 3), rgb, np.uint8)

    maps = colour(tmp_path / "d.mp4", 6, frame=drawn, options={"crf": "4"})
    video = footage(colour(tmp_path / "c.mp4", 6))
    with pytest.raises(GpudepthError, match="has colours; a depth video must be gray"):
        for r in open_clip(video, footage(maps), ClipSettings(), GRAY).read():
            if r.error:
                raise r.error
    streams = open_clip(video, footage(maps), ClipSettings(coding="hue"), GRAY)
    for r in streams.read():
        assert isinstance(r.depth, SourceMap)
        assert abs(float(np.median(r.depth.codes)) - r.frame / 10) < 0.02
    assert "has large errors" in streams.notes[0]
