"""Movies, tracks and sample descriptions: hex with a comment per field → records; what may be missing, and what may not."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from movie_kit import IDENTITY, build, colour_trak, depth_movie, hexed, muxed, parse, u32, visual_entry

from gpudepth.errors import LimitError, MalformedError, TruncatedError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import make, make_full, walk
from gpudepth.formats.quicktime import movie
from gpudepth.formats.quicktime.brands import is_movie
from gpudepth.formats.quicktime.movie import EditListEntry
from gpudepth.formats.quicktime.samples import parse_stsd

TRAK = """
    0000013c 7472616b                   # 'trak'
    0000005c 746b6864 00 000003         # 'tkhd', version 0, enabled and in the movie
    00000000 00000000 00000007 00000000 # creation, modification, track_ID 7, reserved
    00000078                            # duration
    0000000000000000 0000 0000 0000 0000  # reserved, layer, alternate_group, volume, reserved
    00000000 00010000 00000000 ffff0000 00000000 00000000 00200000 00000000 40000000   # a quarter turn
    00300000 00200000                   # 48 × 32
    00000024 65647473                   # 'edts'
    0000001c 656c7374 00000000 00000001 # 'elst', one entry
    00000078 00000028 00010000          # duration 120, media_time 40, rate 1
    00000018 74726566                   # 'tref'
    00000010 76646570 00000003 00000004 # 'vdep': tracks 3 and 4
    0000009c 6d646961                   # 'mdia'
    0000002c 6d646864 01 000000         # 'mdhd', version 1
    0000000000000000 0000000000000000 00000258 0000000000000078 55c40000   # times, 600 a second, duration 120, language
    00000020 68646c72 00000000          # 'hdlr'
    6d686c72 61757876 61707070 00000000 00000000   # 'mhlr', 'auxv', 'appl', flags, flags mask
    00000048 6d696e66                   # 'minf'
    00000040 7374626c                   # 'stbl'
    00000018 73747364 00000000 00000001 # 'stsd', one entry
    00000008 64697368                   # 'dish', cut short below
    00000010 73747473 00000000 00000000 # 'stts'
    00000010 6374747300000000 00000000  # 'ctts'
"""


def boxed(entry: bytes) -> bytes:
    """That track, its stsd with this entry, in a moov."""
    raw = hexed(TRAK)
    stsd = make_full("stsd", 0, 0, u32(1) + entry)
    stbl = make("stbl", stsd + raw[-32:])
    mdia = make("mdia", raw[-0x94:-0x48] + make("minf", stbl))
    head = raw[8 : len(raw) - 0x9C]
    mvhd = make_full("mvhd", 0, 0, u32(0, 0, 600, 120, 1 << 16) + bytes(12) + IDENTITY + bytes(24) + u32(8))
    return make("moov", mvhd + make("trak", head + mdia))


def test_a_track_by_its_bytes():
    m = parse(boxed(visual_entry("dish", 48, 32, make("hvcC", b"abc") + make("disc", b"x") + bytes(4))))
    assert (m.time_scale, m.duration, m.next_track, m.fragmented) == (600, 120, 8, False)
    t = m.track(7)
    assert t is m.tracks[0]
    assert (t.id, t.flags, t.enabled, t.width, t.height, t.orientation) == (7, 3, True, 48, 32, 6)
    assert (t.time_scale, t.duration, t.handler) == (600, 120, "auxv")
    assert t.references == {"vdep": (3, 4)}
    assert t.edits == (EditListEntry(120, 40),)
    assert t.shift(600) == Fraction(-40, 600)
    (entry,) = t.entries
    assert (entry.format, entry.width, entry.height) == ("dish", 48, 32)
    assert entry.path == "moov/trak/mdia/minf/stbl/stsd/dish"
    assert entry.extension(m.source, "hvcC") == b"abc"
    assert entry.extension(m.source, "colr") is None
    assert (m.track(8), m.of_handler("vide"), m.of_handler("auxv")) == (None, [], [t])


@pytest.mark.parametrize(("end", "kinds"), [
    (b"", ["a   "]), (bytes(4), ["a   "]), (bytes(8), ["a   "]), (bytes(3), ["a   "]),
])
def test_extensions_may_end_with_zeros(end, kinds):
    data = make_full("stsd", 0, 0, u32(1) + visual_entry("hvc1", 4, 4, make("a   ", b"1") + end))
    source = ByteSource(data)
    (entry,) = parse_stsd(source, next(walk(source, 0, len(data))), visual=True)
    assert list(entry.extensions) == kinds


@pytest.mark.parametrize(("payload", "words"), [
    (u32(2) + visual_entry("hvc1", 4, 4), "declares 2 entries, but has 1"),
    (u32(0xFFFFFFFF), "4,294,967,295 entries, but has 0"),
    (u32(0), "declares 0 entries,"),
    (u32(1) + make("hvc1", bytes(20)), "stsd/hvc1: a visual sample entry needs 78 bytes, but this one has 20"),
    (u32(1) + visual_entry("hvc1", 4, 4, hexed("00000007 61616161")), "stsd/hvc1/aaaa: size 7 is smaller"),
    (u32(1) + visual_entry("hvc1", 4, 4, hexed("00000009 61616161")), "of 9 bytes at 102 exceeds stsd/hvc1,"),
])
def test_descriptions_that_lie(payload, words):
    data = make_full("stsd", 0, 0, payload)
    source = ByteSource(data)
    with pytest.raises(MalformedError, match=words):
        parse_stsd(source, next(walk(source, 0, len(data))), visual=True)


@pytest.mark.parametrize(("edits", "shift"), [
    ([], Fraction(0)),
    ([(120, 40)], Fraction(-40, 600)),
    ([(30, -1), (120, 0)], Fraction(30, 600)),
    ([(30, -1), (60, -1), (120, 10)], Fraction(80, 600)),
    ([(60, 0), (60, 60)], None),       # cut in two
    ([(60, -1)], None),                # never shown
])
def test_edit_lists(edits, shift):
    assert parse(build([colour_trak(edits=edits)])).tracks[0].shift(600) == shift


def test_time_scale_zero_is_said_where_it_matters():
    m = parse(build([colour_trak(time_scale=0)]))
    with pytest.raises(MalformedError, match="moov/trak/mdia/mdhd: the time scale"):
        m.tracks[0].unit()
    with pytest.raises(MalformedError, match="moov/trak/edts/elst: the movie's time scale is 0, but the"):
        parse(build([colour_trak(edits=[(30, -1), (120, 0)])], time_scale=0)).tracks[0].shift(0)


@pytest.mark.parametrize(("trak", "where"), [
    ({"tkhd": None}, r"moov/trak\[1\]: there is no tkhd"),
    ({"mdhd": None}, r"moov/trak\[1\]/mdia: there is no mdhd"),
    ({"hdlr": make_full("hdlr", 0, 0, b"ab")}, r"moov/trak\[1\]/mdia/hdlr: 8 bytes are"),
    ({"stsd": None}, r"moov/trak\[1\]/mdia/minf/stbl: there is no stsd"),
    ({"tkhd": make_full("tkhd", 0, 0, bytes(70000))}, r"moov/trak\[1\]/tkhd: the box has 70,004 bytes;"),
    ({"tref": make("tref", make("vdep", b"abc"))}, r"moov/trak\[1\]/tref/vdep: 3 bytes are not a"),
    ({"edts": make("edts", make_full("elst", 0, 0, u32(0xFFFFFFFF)))}, "4,294,967,295 entries of"),
])
def test_places_of_what_is_wrong(trak, where):
    with pytest.raises((MalformedError, TruncatedError), match=where):
        parse(build([colour_trak(), colour_trak(2, replace=trak)]))


def test_ids():
    with pytest.raises(MalformedError, match="moov: track id 1 occurs twice"):
        parse(build([colour_trak(), colour_trak()]))
    with pytest.raises(MalformedError, match="track id 0 is not"):
        parse(build([colour_trak(0)]))


def test_top_level():
    data = depth_movie()
    assert is_movie(ByteSource(data))
    at = data.index(b"mdat") - 4
    assert is_movie(ByteSource(data[at:]))        # QuickTime before ftyp
    assert not is_movie(ByteSource(hexed("00000018 66747970 68656963")))
    assert not is_movie(ByteSource(b""))
    with pytest.raises(TruncatedError, match="moov: the file ends before its moov box"):
        parse(data[: data.index(b"moov") - 4])
    with pytest.raises(LimitError, match="boxes are side by side;"):
        parse(make("free", b"") * 5000)
    first = depth_movie(moov_first=True)
    assert [t.id for t in parse(first[: first.index(b"mdat") + 10]).tracks] == [1, 2]  # what is cut lies behind moov


@pytest.mark.parametrize("container", ["mov", "mp4"])
def test_what_ffmpeg_writes(container):
    """Sizes, offsets and times of every sample are those that FFmpeg's own demuxer finds."""
    import io

    data = muxed(12, container=container)
    (t,) = parse(data).tracks
    with av.open(io.BytesIO(data)) as ffmpeg:
        packets = [p for p in ffmpeg.demux(video=0) if p.size]
        base = ffmpeg.streams.video[0].time_base
    assert [(int(o), int(s)) for o, s in zip(t.samples.offsets, t.samples.sizes, strict=True)] == [(p.pos, p.size) for p in packets]
    assert t.samples.sync.tolist() == [p.is_keyframe for p in packets]
    shift = t.shift(parse(data).time_scale)
    assert [c * t.unit() + shift for c in t.samples.presentation_times.tolist()] == [p.pts * base for p in packets]
    for o, s, p in zip(t.samples.offsets, t.samples.sizes, packets, strict=True):
        assert data[o : o + s] == bytes(p)


def test_a_real_movie(sample):
    with ByteSource(sample("video/street_walk_color.mp4")) as source:
        m = movie.read(source)
        (t,) = m.tracks
        assert (t.handler, t.entries[0].format, t.entries[0].width, t.samples.count) == ("vide", "avc1", 1280, 195)
        assert t.samples.offsets[-1] + t.samples.sizes[-1] <= source.size
