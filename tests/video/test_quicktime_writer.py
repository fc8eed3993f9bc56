"""Depth put into movies: read back by our reader, by FFmpeg (both streams) and by exiftool; colour samples untouched."""

from __future__ import annotations

import io
import json
import random
from fractions import Fraction

import av
import numpy as np
import pytest
from heif_kit import tool
from movie_kit import build, colour_trak, depth_movie, hexed, matrix_for, muxed, parse, u32

from gpudepth.depth.data import DepthData
from gpudepth.errors import (
    ExistingDepthError,
    GpudepthError,
    HolesError,
    LimitError,
    OutputError,
    RangeError,
    UnsupportedError,
    UsageError,
)
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import make, walk
from gpudepth.limits import Limits
from gpudepth.video.quicktime import trak, writer
from gpudepth.video.quicktime.log_code import LogRange
from gpudepth.video.quicktime.reader import frames, open_depth

ENDS = LogRange(0, 2)


def disparity(n: int, width: int = 48, height: int = 32, fmt: str = "hdis") -> DepthData:
    y, x = np.mgrid[:height, :width]
    return DepthData.from_values(0.2 + (np.sin(x / 9 + n / 3) + np.cos(y / 7)) * 0.4 + 0.7, fmt)


def written(movie: bytes, maps=None, ends=(0, 2), **options) -> bytes:
    out = io.BytesIO()
    source = ByteSource(movie)
    if maps is None:
        maps = ((t, disparity(n)) for n, t in enumerate(writer.colour_times(source)))
    writer.write(source, maps, out, ends, **options)
    return out.getvalue()


def packets(data: bytes, stream: int = 0):
    with av.open(io.BytesIO(data)) as container:
        return [(p.pts, p.dts, p.is_keyframe, bytes(p)) for p in container.demux(container.streams[stream]) if p.size]


# -- boxes ------------------------------------------------------------------------------------------------------------

REFERENCES = """
    00000020 74726566                   # 'tref'
    0000000c 76646570 00000002          # 'vdep' → 2
    0000000c 6175786c 00000002          # 'auxl' → 2
"""


def test_a_reference_goes_before_mdia():
    plain = hexed("00000020 7472616b  00000008 746b6864  00000008 6d646961  00000008 75647461")
    assert trak.refer(plain, 2) == hexed("00000040 7472616b 00000008 746b6864" + REFERENCES + "00000008 6d646961 00000008 75647461")


def test_references_that_are_there_stay():
    """tmcd → 9 and vdep → 7."""
    old = hexed("0000003c 7472616b 00000008 746b6864  00000024 74726566 0000000c 746d6364 00000009 00000010 76646570 00000007 00000008"
                "00000008 6d646961")
    new = trak.refer(old, 2)
    (box,) = walk(ByteSource(new), 0, len(new))
    found = {b.type: new[b.payload : b.end] for t in walk(ByteSource(new), 8, box.end, "trak") if t.type == "tref"
             for b in walk(ByteSource(new), t.payload, t.end, "tref")}
    assert found == {"tmcd": u32(9), "vdep": u32(7, 8, 2), "auxl": u32(2)}


# -- movies -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("container", "options"), [("mov", {}), ("mp4", {}), ("mp4", {"movflags": "faststart"})])
def test_our_reader_finds_what_was_written(container, options):
    movie = muxed(40, container=container, options=options)
    times = writer.colour_times(ByteSource(movie))
    data = written(movie)
    with open_depth(data) as d:
        assert (d.coding, d.range, d.width, d.height, d.frames, d.notes) == ("dish", ENDS, 48, 32, 40, ())
        assert (d.colour.id, d.related_by, d.track.enabled, d.track.handler) == (1, "tref/vdep of the colour track", True, "auxv")
        assert d.track.references == {"vdep": (1,), "auxl": (1,)}
        assert d.colour.references == {"vdep": (2,), "auxl": (2,)}
        assert np.flatnonzero(d.track.samples.sync).tolist() == [0, 30]
        found = list(frames(d))
    assert [f.seconds for f in found] == times
    step = np.diff(ENDS.values(disparity(0).pixel_format).astype(np.float64)).max()
    for n, frame in enumerate(found):
        assert np.array_equal(frame.codes, ENDS.codes(disparity(n).map))        # lossless
        assert np.abs(frame.data.map.astype(np.float64) - disparity(n).map).max() <= step
    m = parse(data)
    assert (m.next_track, len(m.tracks)) == (3, 2)
    assert m.duration >= parse(movie).duration


@pytest.mark.parametrize(("container", "options"), [("mov", {}), ("mp4", {}), ("mp4", {"movflags": "faststart"})])
def test_colour_is_untouched_for_ffmpeg_and_in_the_bytes(container, options):
    movie = muxed(12, container=container, options=options)
    data = written(movie)
    assert packets(data) == packets(movie)
    before, after = parse(movie).tracks[0].samples, parse(data).tracks[0].samples
    assert np.array_equal(before.offsets, after.offsets)
    same = len(movie) - (parse(movie).moov.size if not options else 0)
    old, new = bytearray(movie[:same]), bytearray(data[:same])
    if options:  # the room of the old moov
        m = parse(movie).moov
        old[m.start : m.end] = new[m.start : m.end]
        assert new[m.start + 4 : m.payload] == b"free"
        assert not any(new[m.payload : m.end])
    assert old == new
    with av.open(io.BytesIO(movie)) as a, av.open(io.BytesIO(data)) as b:
        for one, other in zip(a.decode(video=0), b.decode(video=0), strict=True):
            assert np.array_equal(one.to_ndarray(), other.to_ndarray())


def test_ffmpeg_sees_a_data_stream_and_decodes_it_as_hevc():
    data = written(muxed(6))
    with av.open(io.BytesIO(data)) as container:
        assert [s.type for s in container.streams] == ["video", "data"]
    renamed = data.replace(b"auxv", b"vide").replace(b"dish", b"hvc1")
    with av.open(io.BytesIO(renamed)) as container:
        stream = container.streams.video[1]
        assert (stream.codec_context.pix_fmt, stream.codec_context.profile) == ("gray10le", "Rext")
        codes = [f.to_ndarray() for f in container.decode(stream)]
        times = [p * stream.time_base for p in sorted(p[0] for p in packets(renamed, 1))]
    assert len(codes) == 6
    for n, plane in enumerate(codes):
        assert np.array_equal(plane, ENDS.codes(disparity(n).map))
    assert times == writer.colour_times(ByteSource(muxed(6)))


def test_exiftool(tmp_path):
    path = tmp_path / "a.mov"
    path.write_bytes(written(muxed(6)))
    (tags,) = json.loads(tool("exiftool", "-j", "-n", "-G1", "-validate", "-warning", "-a", "-Track2:all", "-Track1:TrackID", path))
    assert (tags["Track2:TrackID"], tags["Track2:HandlerType"]) == (2, "auxv")
    assert tags["Track2:OtherFormat"] == "dish" or tags.get("Track2:CompressorID") == "dish"
    assert tags["Track2:MediaTimeScale"] == parse(path.read_bytes()).tracks[0].time_scale
    assert "Warning" not in " ".join(tags), tags


def test_configuration_is_apples_profile_and_level():
    with open_depth(written(muxed(2))) as d:
        assert d.configuration[1:13] == hexed("04 08000000 bdc800000000 3c")     # RExt, Monochrome 10, level 2


@pytest.mark.parametrize(("qp", "worst"), [(0, 24), (4, 40)])
def test_a_quantiser_is_smaller_and_close(qp, worst):
    movie = muxed(8)
    data = written(movie, qp=qp)
    assert len(data) < len(written(movie))
    with open_depth(data) as d:
        for n, frame in enumerate(frames(d)):
            assert np.abs(frame.codes.astype(int) - ENDS.codes(disparity(n).map)).max() <= worst


def test_depth_and_a_turned_movie():
    movie = build([colour_trak(matrix=matrix_for(6, 96, 64), count=3)])
    maps = [(Fraction(n, 30), disparity(n, fmt="fdep")) for n in range(3)]
    with open_depth(written(movie, maps, (0.3, 1.9))) as d:
        assert (d.coding, d.orientation, d.notes) == ("deph", 6, ())
        assert d.range.lo <= 0.3 <= 1.9 <= d.range.hi
        assert str(next(iter(frames(d))).data.quantity) == "depth"


@pytest.mark.parametrize("times", [
    [Fraction(-1, 30), Fraction(0), Fraction(1, 30)],        # the first is hidden by the colour's edit list
    [Fraction(1, 2), Fraction(3, 5), Fraction(2)],           # later, and not regular
    [Fraction(0)],
])
def test_times(times):
    data = written(build([colour_trak()]), [(t, disparity(0)) for t in times])
    with open_depth(data) as d:
        assert [d.seconds(n) for n in range(d.frames)] == times
        assert d.notes == ()


def test_a_last_box_without_a_size_gets_one():
    movie = build([colour_trak()], moov_first=True)
    at = movie.index(b"mdat") - 4
    data = written(movie[:at] + bytes(4) + movie[at + 4 :], [(Fraction(0), disparity(0))])
    assert data[at : at + 4] == movie[at : at + 4]
    with open_depth(data) as d:
        assert len(list(frames(d))) == 1


def test_other_tracks_and_boxes_stay():
    """A sound track behind, a reference that is there, user data in moov."""
    sound = colour_trak(3, handler="soun", replace={})
    movie = build([colour_trak(references={"tmcd": [3]}), sound])
    at = movie.index(b"moov") - 4
    movie = movie[:at] + make("moov", movie[at + 8 :] + make("udta", b"abcd"))
    data = written(movie, [(Fraction(0), disparity(0))])
    m = parse(data)
    assert [(t.id, t.handler) for t in m.tracks] == [(1, "vide"), (3, "soun"), (4, "auxv")]
    assert m.tracks[0].references == {"tmcd": (3,), "vdep": (4,), "auxl": (4,)}
    assert data.endswith(make("udta", b"abcd"))
    old = parse(movie)
    assert data.count(movie[old.tracks[1].box.start : old.tracks[1].box.end]) == 1
    assert m.next_track == 5


@pytest.mark.parametrize(("maps", "options", "error", "words"), [
    ([], {}, UsageError, "there is no map to write"),
    ([(0, disparity(0)), (0, disparity(1))], {}, UsageError, "map 1 at 0 s is not later than"),
    ([(0, disparity(0)), (1, disparity(1, 64))], {}, UsageError, "map is 64×32, the track 48×32"),
    ([(0, disparity(0)), (1, disparity(1, fmt="hdep"))], {}, UsageError, "map 1 holds depth, but those before it hold disparity"),
    ([(0, DepthData.from_values(np.full((32, 48), np.nan)))], {}, HolesError, "1,536 pixels have no value"),
    ([(0, disparity(0, 8, 8))], {}, UnsupportedError, "8×8 cannot be coded"),
    ([(0, disparity(0))], {"ends": (2, 1)}, RangeError, "is not a valid range"),
    ([(0, disparity(0))], {"qp": 20}, UsageError, "quantiser 20 is not in 0 to 4"),
])
def test_refusals(maps, options, error, words):
    with pytest.raises(error, match=words):
        written(muxed(2), maps, **options)


def test_movies_that_will_not_do():
    one = [(0, disparity(0))]
    with pytest.raises(ExistingDepthError, match="already has a depth track"):
        written(depth_movie(), one)
    with pytest.raises(UnsupportedError, match="has no video track"):
        written(build([colour_trak(handler="soun")]), one)
    with pytest.raises(UnsupportedError, match="fragmented"):
        written(muxed(4, container="mp4", options={"movflags": "frag_keyframe+empty_moov"}), one)
    with pytest.raises(LimitError, match="max_moov"):
        writer.write(ByteSource(muxed(2), Limits(max_moov=100)), one, io.BytesIO(), (0, 2))


class Full(io.RawIOBase):
    def write(self, data):
        raise OSError(28, "No space left on device")


def test_a_full_disk():
    with pytest.raises(OutputError, match="No space left"):
        writer.write(ByteSource(muxed(2)), [(0, disparity(0))], Full(), (0, 2))


def test_a_real_movie(sample, tmp_path):
    """Depth for every 65th frame; colour packets are those of the original."""
    path = sample("video/street_walk_color.mp4")
    out = tmp_path / "out.mov"
    with ByteSource(path) as source, out.open("wb") as file:
        times = writer.colour_times(source)
        assert writer.write(source, [(t, disparity(n)) for n, t in enumerate(times[::65])], file, (0, 2)) == 3
    with open_depth(out) as d:
        assert [f.seconds for f in frames(d)] == times[::65]
    assert packets(out.read_bytes()) == packets(path.read_bytes())


@pytest.mark.parametrize("moov_first", [False, True])
def test_damaged_movies_give_typed_errors_or_movies(moov_first):
    movie = build([colour_trak(count=2, edits=[(40, 0)])], moov_first=moov_first)
    start = movie.index(b"moov") - 4
    rng = random.Random(5)
    whole = 0
    for _ in range(400):
        data = bytearray(movie)
        for _ in range(rng.choice((1, 2, 4))):
            data[rng.randrange(start, len(data))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        try:
            out = written(bytes(data), [(Fraction(0), disparity(0, 16, 16))])
        except GpudepthError as error:
            assert error.where, repr(error)
            continue
        with open_depth(out) as d:
            assert d.frames == 1
        whole += 1
    assert 50 < whole < 400
