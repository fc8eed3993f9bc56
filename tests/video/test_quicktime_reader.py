"""Depth tracks: which one it is, what it says, and its frames."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from movie_kit import Sample, build, coded, colour_trak, depth_movie, depth_trak, matrix_for, muxed, parse, ramp, u16

from gpudepth.depth.pixel_format import FDIS, HDEP, HDIS
from gpudepth.errors import (
    FileError,
    LimitError,
    MalformedError,
    NoDepthError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from gpudepth.formats.isobmff.box import make
from gpudepth.limits import Limits
from gpudepth.video.quicktime.depth_track import find
from gpudepth.video.quicktime.log_code import LogRange
from gpudepth.video.quicktime.reader import frames, open_depth


def read(data: bytes, *arguments, **options):
    with open_depth(data) as depth:
        return list(frames(depth, *arguments, **options))


def test_what_a_track_says():
    with open_depth(depth_movie()) as d:
        assert (d.coding, d.pixel_format, d.range, d.bits) == ("dish", HDIS, LogRange(0, 2), 10)
        assert (d.width, d.height, d.frames, d.orientation, d.notes) == (48, 32, 6, 1, ())
        assert (d.colour.id, d.related_by) == (1, "tref/vdep of the colour track")


def test_frames_come_in_presentation_order_with_their_times():
    assert [s.shown for s in coded()[1]] != sorted(s.shown for s in coded()[1])     # there are B-frames
    found = read(depth_movie())
    table = LogRange(0, 2).values(HDIS)
    assert [f.index for f in found] == list(range(6))
    assert [f.seconds for f in found] == [Fraction(20 * n, 600) for n in range(6)]
    for n, frame in enumerate(found):
        assert np.array_equal(frame.codes, ramp(n))
        assert frame.codes.dtype == np.uint16
        assert np.array_equal(frame.data.map, table[ramp(n)])
        assert (frame.data.pixel_format, frame.data.map.dtype, frame.data.orientation) == (HDIS, np.float16, 1)
    assert 0 < float(found[0].data.depth()[5, 5]) == 1 / np.float32(table[ramp(0)[5, 5]])


def test_ffmpeg_decodes_the_same_codes():
    """The judge: FFmpeg's own demuxer and decoder, on the file with handler and entry renamed to what it knows."""
    import io

    data = depth_movie().replace(b"auxv", b"vide").replace(b"dish", b"hvc1")
    with av.open(io.BytesIO(data)) as container:
        planes = [f.to_ndarray() for f in container.decode(video=1)]
    ours = read(depth_movie())
    assert len(planes) == len(ours) == 6
    for plane, frame in zip(planes, ours, strict=True):
        assert np.array_equal(plane, frame.codes)


@pytest.mark.parametrize(("start", "stop", "stride"), [(0, 6, 2), (1, 2, 1), (3, 6, 1), (4, 5, 1), (5, 6, 1), (2, 6, 3), (0, 1, 1)])
@pytest.mark.parametrize("keyint", [2, 4, 60])
def test_parts(start, stop, stride, keyint):
    data = depth_movie(stream=coded(keyint=keyint))
    found = read(data, start, stop, stride)
    assert [f.index for f in found] == list(range(start, stop, stride))
    for frame in found:
        assert np.array_equal(frame.codes, ramp(frame.index))


def test_decoding_starts_at_the_sync_sample_that_is_needed():
    """Frame 4 starts the second group: what is before it may be damaged."""
    configuration, samples = coded()
    assert [n for n, s in enumerate(samples) if s.sync] == [0, 4]
    broken = tuple(Sample(b"\xff" * len(s.data), s.shown, s.decoded, s.sync) if n < 4 else s for n, s in enumerate(samples))
    data = depth_movie(stream=(configuration, broken))
    assert [f.index for f in read(data, 4)] == [4, 5]
    with pytest.raises(MalformedError, match=r"moov/trak\[1\]/mdia/minf/stbl: sample 0 at [\d,]+: the HEVC decoder refused"):
        read(data)


@pytest.mark.parametrize(("start", "stop", "stride"), [(6, 7, 1), (3, 3, 1), (0, 7, 1), (-1, 2, 1), (0, 2, 0)])
def test_ranges_outside_the_track(start, stop, stride):
    with pytest.raises(UsageError, match="the track has 6 frames"):
        read(depth_movie(), start, stop, stride)


def test_formats():
    (frame, *_) = read(depth_movie(), pixel_format="fdis")
    assert np.array_equal(frame.data.map, LogRange(0, 2).values(FDIS)[ramp(0)])
    assert frame.data.map.dtype == np.float32
    (frame, *_) = read(depth_movie(kind="deph"))
    assert (frame.data.pixel_format, str(frame.data.quantity)) == (HDEP, "depth")
    with pytest.raises(UsageError, match="hdep does not hold disparity"):
        read(depth_movie(), pixel_format="hdep")


def native_threads() -> int:
    """Threads of this process, those of FFmpeg's decoders included."""
    return len(list(Path("/proc/self/task").iterdir()))


def test_leaving_early_ends_the_decoder():
    before = native_threads()
    for _ in range(20):
        with open_depth(depth_movie()) as depth:
            assert next(iter(frames(depth))).index == 0
    gc.collect()
    assert native_threads() <= before


@pytest.mark.parametrize(("colour", "depth", "related"), [
    ({"references": {"auxl": [2]}}, {}, (1, "tref/auxl of the colour track")),
    ({"references": {}}, {"references": {"vdep": [1]}}, (1, "tref/vdep of the depth track")),
    ({"references": {}}, {}, (1, "the only video track")),
    ({"references": {}, "handler": "soun"}, {}, None),
])
def test_the_colour_track(colour, depth, related):
    trak = colour_trak()
    vars(trak).update(colour)
    found = find(parse(build([trak, depth_trak(**depth)])))
    assert (found.colour and (found.colour.id, found.related_by)) == related


def test_orientation_is_the_colour_tracks():
    upright = matrix_for(6, 96, 64)
    with open_depth(depth_movie({"matrix": upright})) as d:
        assert d.orientation == 6
        assert "matrix differs" in d.notes[0]
        shown = next(iter(frames(d))).data.displayed()
    assert np.array_equal(shown.map, np.rot90(LogRange(0, 2).values(HDIS)[ramp(0)], -1))


def test_notes():
    with open_depth(depth_movie(disc=None, handler="vide", edits=[(60, 40), (60, 0)])) as d:
        assert d.range == LogRange(0, 16)
        assert [n.split(":")[0].split(";")[0] for n in d.notes] == [
            "there is no disc box", "the handler is 'vide', not 'auxv'", "the edit list is more than a shift"]
        assert d.seconds(0) == 0


def test_edit_list_shifts_the_times():
    with open_depth(depth_movie(edits=[(30, -1), (120, 20)])) as d:
        assert [d.seconds(n) for n in (0, 1)] == [Fraction(10, 600), Fraction(30, 600)]


@pytest.mark.parametrize("data", [muxed(2), build([colour_trak()]), build([colour_trak(), colour_trak(2, handler="auxv")])])
def test_without_depth_the_error_says_how_to_keep_it(data):
    with pytest.raises(NoDepthError, match=r"bytes: the movie has no depth track; its tracks are vide .*Export Unmodified Original"), open_depth(data):
        pass


def test_a_real_movie_without_depth(sample):
    with pytest.raises(NoDepthError, match=r"street_walk_color\.mp4: the movie has no depth track; its tracks are vide \(avc1\)"), \
            open_depth(sample("video/street_walk_color.mp4")):
        pass


@pytest.mark.parametrize(("fields", "error", "words"), [
    ({"stream": coded(pix_fmt="gray")}, UnsupportedError, r"stsd/dish/hvcC: codes have 8 bits;"),
    ({"extensions": make("mdat", b"")}, None, ""),
    ({"disc": b"\1"}, TruncatedError, r"moov/trak\[1\]/mdia/minf/stbl/stsd/dish/disc: 4 bytes are needed"),
    ({"stream": (coded()[0][:30], coded()[1])}, FileError, "dish/hvcC"),
    ({"time_scale": 0}, MalformedError, r"moov/trak\[1\]/mdia/mdhd: the time scale is 0"),
    ({"stream": (coded()[0], coded()[1][:1] * 2)}, MalformedError, "samples 0 and 1 have the same presentation time"),
    ({"stream": (coded()[0], ())}, UsageError, "the track has 0 frames"),
    ({"stream": coded(width=64)}, None, ""),       # the SPS decides, not the entry
])
def test_refusals(fields, error, words):
    data = depth_movie(**fields)
    if error is None:
        assert len(read(data)) == 6
        return
    with pytest.raises(error, match=words):
        read(data)


def test_pictures_of_another_size_than_the_first_says():
    other = coded(width=64)[1]
    configuration, samples = coded()
    nal_of_sps = coded(width=64)[0]
    from gpudepth.formats.hevc.nal import join_lengths
    from gpudepth.formats.hevc.parameter_sets import Configuration

    sets = [n for _, nals in Configuration.parse(nal_of_sps).arrays for n in nals]
    mixed = tuple(Sample(join_lengths(sets) + o.data, s.shown, s.decoded, s.sync) if n == 4 else s
                  for n, (s, o) in enumerate(zip(samples, other, strict=True)))
    with pytest.raises(MalformedError):
        read(depth_movie(stream=(configuration, mixed)))


def test_a_sample_too_large_for_its_picture():
    configuration, samples = coded()
    big = Sample(samples[0].data + bytes(100_000), 0, 0, True)
    with pytest.raises(LimitError, match=r"sample 0 at [\d,]+: 1\d\d,\d\d\d bytes for a picture of 48×32, limits.max_coded"):
        read(depth_movie(stream=(configuration, (big, *samples[1:]))))


def test_limits(tmp_path):
    path = tmp_path / "a.mov"
    path.write_bytes(depth_movie())
    with open_depth(path, Limits(max_file=10)):
        pass
    with pytest.raises(LimitError, match="max_file"), open_depth(path, Limits(max_movie=10)):
        pass
    with pytest.raises(LimitError, match="max_samples"), open_depth(path, Limits(max_samples=5)) as d:
        d.frames  # noqa: B018
    with pytest.raises(LimitError, match="max_pixels"), open_depth(path, Limits(max_pixels=100)) as d:
        list(frames(d))


def test_other_files_and_fragments():
    with pytest.raises(UnsupportedError, match="bytes: not a QuickTime or MP4 movie"), open_depth(b"P5 1 1 255 x" + u16(0)):
        pass
    data = depth_movie()
    at = data.index(b"moov") - 4
    moov = make("moov", data[at + 8 :] + make("mvex", b""))
    with pytest.raises(UnsupportedError, match="fragmented"), open_depth(data[:at] + moov):
        pass
