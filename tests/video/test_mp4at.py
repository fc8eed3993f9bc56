"""MP4-AT: box for box by hex, our reader, FFmpeg on the movie and on what is cut out of its last box, and hostile files."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from movie_kit import Trak, build, colour_trak, hexed, matrix_for, muxed, parse, u16, u32, visual_entry

from gpudepth.depth.data import DepthData
from gpudepth.errors import (
    ExistingDepthError,
    GpudepthError,
    HolesError,
    MalformedError,
    NoDepthError,
    RangeError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import make, walk
from gpudepth.formats.quicktime.metadata import metadata_of
from gpudepth.limits import Limits
from gpudepth.video.mp4at import tracks, writer
from gpudepth.video.mp4at.tracks import NearFar
from gpudepth.video.mp4at.writer import GrayEncoder
from gpudepth.video.quicktime.writer import colour_times

ENDS = (0.25, 2.0)      # disparity: 0.5 to 4 m, exact halves


def scene(n: int, width: int = 48, height: int = 32, fmt: str = "hdis", **about: Any) -> DepthData:
    y, x = np.mgrid[:height, :width]
    disparity = 0.25 + 1.75 * ((x * 7 + y * 13 + n * 31) % 256) / 255
    return DepthData.from_values(disparity, fmt, quantity="disparity", **about)


def written(source: bytes, maps: Any = None, ends: tuple[float, float] = ENDS, fmt: str = "hdis", **options: Any) -> bytes:
    out = io.BytesIO()
    with ByteSource(source) as opened:
        times = colour_times(opened)
        writer.write(opened, maps or ((t, scene(n, fmt=fmt)) for n, t in enumerate(times)), out, ends, **options)
    return out.getvalue()


def axte_of(data: bytes) -> bytes:
    """What is inside the last box, by the outer file's own words."""
    *_, last = walk(ByteSource(data), 0, len(data))
    assert last.type == "axte"
    return data[last.payload :]


@pytest.fixture(scope="module")
def colour() -> bytes:
    return muxed(container="mp4")


@pytest.fixture(scope="module")
def movie(colour: bytes) -> bytes:
    return written(colour)


# -- near and far -----------------------------------------------------------------------------------------------------

def test_a_metadata_sample() -> None:
    """near f16 0.5, far f16 4, no focal table; then one with an entry of distance 1 and radius 2."""
    sample = hexed("0038  0044  0000")
    assert NearFar(0.5, 4, True).serialise() == sample
    assert NearFar.parse(sample, "s", inverse=True) == NearFar(0.5, 4, True)
    assert NearFar.parse(hexed("0038 0044 0100 003c 0040"), "s", inverse=False) == NearFar(0.5, 4, False)
    assert NearFar.parse(hexed("0038 007c 0000"), "s", inverse=True).ends == (0, 2)
    for short in range(6):
        with pytest.raises(TruncatedError, match=f"the sample has {short} bytes"):
            NearFar.parse(sample[:short], "s", inverse=True)
    with pytest.raises(TruncatedError, match="a focal table of 2 entries"):
        NearFar.parse(hexed("0038 0044 0200 003c 0040"), "s", inverse=True)
    for wrong in ("0044 0038 0000", "0000 0044 0000", "007e 0044 0000", "00b8 0044 0000", "0038 007e 0000"):
        with pytest.raises(MalformedError, match="are not a valid range"):
            NearFar.parse(hexed(wrong), "s", inverse=True)


@pytest.mark.parametrize("ends", [(0.25, 2), (0.3, 1.7), (0, 2), (1e-6, 3), (0.001, 0.0011), (1, 1)])
def test_a_range_that_halves_hold(ends: tuple[float, float]) -> None:
    rule = NearFar.outward(*ends, inverse=True)
    assert np.float16(rule.near) == rule.near and np.float16(rule.far) == rule.far
    lo, hi = rule.ends
    assert lo <= ends[0] and ends[1] <= hi
    linear = NearFar.outward(*ends, inverse=False)
    assert linear.near <= ends[0] and ends[1] <= linear.far


@pytest.mark.parametrize("ends", [(1, 0.5), (-1, 1), (float("nan"), 1), (0, float("inf")), (0, 0)])
def test_what_is_no_range(ends: tuple[float, float]) -> None:
    with pytest.raises(RangeError):
        NearFar.outward(*ends, inverse=True)


@pytest.mark.parametrize("inverse", [True, False])
def test_codes_are_the_formulas(inverse: bool) -> None:
    """Dynamic Depth: v = far·(d − near) / (d·(far − near)), or (d − near) / (far − near); 0 is near."""
    rule = NearFar(0.5, 4, inverse)
    depth = np.random.default_rng(0).uniform(0.5, 4, (60, 60))
    v = 4 * (depth - 0.5) / (depth * 3.5) if inverse else (depth - 0.5) / 3.5
    for top in (255, 1023):
        codes = rule.codes((1 / depth if inverse else depth).astype(np.float32), top)
        assert np.abs(codes - v * top).max() <= 0.5 + 1e-3
    with pytest.raises(HolesError):
        rule.codes(np.full((2, 2), np.nan, np.float32), 255)


# -- boxes ------------------------------------------------------------------------------------------------------------



def test_the_outer_file_box_by_box(colour: bytes, movie: bytes) -> None:
    """All of the old file, its moov a free box or gone; a moov with the two keys; axte, last."""
    old = list(walk(ByteSource(colour), 0, len(colour)))
    new = list(walk(ByteSource(movie), 0, len(movie)))
    assert [b.type for b in new] == [b.type for b in old if b.type != "moov"] + ["moov", "axte"]
    for a in old[:-1]:
        assert movie[a.start : a.end] == colour[a.start : a.end]
    axte = new[-1]
    content = parse(movie)
    raw = metadata_of(ByteSource(movie), content.moov)
    value = b"\0\0\0\x4e\0\0\0\0"        # type 78: 64-bit unsigned, big-endian
    offset, length = axte.start.to_bytes(8, "big"), axte.size.to_bytes(8, "big")
    keys = [hexed("0000001f 6d647461") + b"auxiliary.tracks.offset", hexed("0000001f 6d647461") + b"auxiliary.tracks.length"]
    items = [hexed("00000020 00000001 00000018 64617461") + value + offset, hexed("00000020 00000002 00000018 64617461") + value + length]
    hdlr = hexed("00000021 68646c72 00000000 00000000 6d647461 000000000000000000000000 00")
    want = make("meta", hdlr + make("keys", bytes(4) + u32(2) + b"".join(keys)) + make("ilst", b"".join(items)))
    assert raw.serialise() == want
    assert want in movie
    assert movie[axte.start : axte.start + 8] == hexed("00000001 61787465")      # a 64-bit size


def test_the_inner_file_box_by_box(movie: bytes) -> None:
    inner = axte_of(movie)
    boxes = list(walk(ByteSource(inner), 0, len(inner)))
    assert [b.type for b in boxes] == ["ftyp", "mdat", "mdat", "moov"]
    assert inner[boxes[2].payload : boxes[2].end] == hexed("0038 0044 0000") * 6      # near 0.5, far 4, of each frame
    content = parse(inner)
    values = metadata_of(ByteSource(inner), content.moov).values
    assert (values["auxiliary.tracks.interleaved"].type, values["auxiliary.tracks.interleaved"].data) == (75, b"\0")
    assert (values["auxiliary.tracks.map"].type, values["auxiliary.tracks.map"].data) == (0, bytes([1, 2, 2, 3]))
    depth, ranges = content.tracks
    assert (depth.handler, depth.entries[0].format, depth.width, depth.height) == ("vide", "hvc1", 48, 32)
    assert depth.entries[0].extension(ByteSource(inner), "colr") == b"nclx" + hexed("0002 0002 0002 80")
    assert (ranges.handler, ranges.entries[0].format) == ("meta", "mett")
    entry = hexed("0000002e 6d657474 000000000000 0001 00") + b"application/x-depth-metadata\0"
    assert entry in inner
    np.testing.assert_array_equal(depth.samples.presentation_times, ranges.samples.presentation_times)


def test_ffmpeg_takes_the_movie_as_before(colour: bytes, movie: bytes) -> None:
    def packets(data: bytes) -> list[Any]:
        with av.open(io.BytesIO(data)) as container:
            assert len(container.streams) == 1
            return [(p.pts, p.dts, bytes(p)) for p in container.demux(video=0) if p.size]

    assert packets(movie) == packets(colour)


@pytest.mark.parametrize("bits", [8, 10])
def test_ffmpeg_decodes_what_is_cut_out_of_axte(colour: bytes, bits: int) -> None:
    """A movie of its own, without loss: the codes, by the formula written out."""
    inner = axte_of(written(colour, bits=bits))
    top = (1 << bits) - 1
    with av.open(io.BytesIO(inner)) as container:
        video, data = container.streams
        assert (video.type, data.type) == ("video", "data")
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("hevc", "yuvj420p" if bits == 8 else "yuv420p10le")
        assert video.codec_context.profile == ("Main" if bits == 8 else "Main 10")
        found = [np.asarray(f.to_ndarray())[: f.height, : f.width] for f in container.decode(video)]
        times = [float(f.pts * f.time_base) for f in av.open(io.BytesIO(inner)).decode(video=0)]
    assert times == pytest.approx([n / 30 for n in range(6)], abs=1e-4)
    for n, luma in enumerate(found):
        disparity = scene(n).disparity().astype(np.float64)
        assert np.abs(luma - (2 - disparity) / 1.75 * top).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("fmt", ["hdis", "hdep"])
@pytest.mark.parametrize("bits", [8, 10])
def test_our_reader(colour: bytes, fmt: str, bits: int) -> None:
    ends = ENDS if fmt == "hdis" else (0.5, 4)
    data = written(colour, ends=ends, fmt=fmt, bits=bits)
    with tracks.open_depth(data) as track:
        assert (track.inverse, track.bits, track.frames, track.orientation, track.notes) == (fmt == "hdis", bits, 6, 1, ())
        found = list(tracks.frames(track))
        assert [f.index for f in tracks.frames(track, 1, 6, 2)] == [1, 3, 5]
    step = (ends[1] - ends[0]) / ((1 << bits) - 1)
    for n, frame in enumerate(found):
        want = scene(n, fmt=fmt)
        assert frame.data.quantity is want.quantity
        assert frame.seconds == Fraction(n, 30)
        assert np.abs(frame.data.map.astype(np.float64) - want.map.astype(np.float64)).max() <= step / 2 + 1e-3
        assert frame.data.accuracy == "relative"
        assert frame.data.storage is not None and str(frame.data.storage.format) == ("L008" if bits == 8 else "L010")


def test_absolute_depth_is_said_by_a_key_of_ours(colour: bytes) -> None:
    maps = ((Fraction(n, 30), scene(n, accuracy="absolute")) for n in range(6))
    with tracks.open_depth(written(colour, maps)) as track:
        assert next(iter(tracks.frames(track))).data.accuracy == "absolute"


def test_turned_movies() -> None:
    source = build([colour_trak(matrix=matrix_for(6, 96, 64))], brand="isom")
    with tracks.open_depth(written(source)) as track:
        assert track.orientation == 6
        assert next(iter(tracks.frames(track))).data.orientation == 6
        assert next(iter(tracks.frames(track, oriented=False))).data.orientation == 1


@pytest.mark.parametrize("first", [Fraction(1, 10), Fraction(0)])
def test_times_of_the_movie(first: Fraction) -> None:
    source = build([colour_trak(edits=[(60, -1), (120, 0)])] if first else [colour_trak()], brand="isom")
    data = written(source)
    with tracks.open_depth(data) as track, ByteSource(source) as opened:
        assert [f.seconds for f in tracks.frames(track)] == colour_times(opened)
    with av.open(io.BytesIO(axte_of(data))) as container:
        assert float(next(container.decode(video=0)).time) == pytest.approx(float(first), abs=1e-3)


def test_moov_first_and_metadata_that_is_there() -> None:
    """moov before mdat becomes a free box; a QuickTime meta and an ISO one keep what they hold."""
    source = muxed(container="mp4", options={"movflags": "faststart"})
    data = written(source)
    assert "free" in [b.type for b in walk(ByteSource(data), 0, len(data))]
    with tracks.open_depth(data) as track:
        assert track.frames == 6
    for head in (b"", bytes(4)):
        hdlr = make("hdlr", bytes(8) + b"mdta" + bytes(13))
        meta = make("meta", head + hdlr + make("keys", bytes(4) + u32(1) + make("mdta", b"com.example.x"))
                    + make("ilst", make("\0\0\0\1", make("data", u32(1, 0) + b"hello"))) + make("free", b"12"))
        whole = build([colour_trak()], brand="isom")
        moov = next(b for b in walk(ByteSource(whole), 0, len(whole)) if b.type == "moov")
        whole = whole[: moov.start] + make("moov", whole[moov.payload : moov.end] + meta)
        data = written(whole)
        content = parse(data)
        values = metadata_of(ByteSource(data), content.moov).values
        assert values["com.example.x"].data == b"hello"
        assert set(values) == {"com.example.x", "auxiliary.tracks.offset", "auxiliary.tracks.length"}
        assert make("free", b"12") in data
        with tracks.open_depth(data) as track:
            assert track.notes == ()


def test_writing_again(movie: bytes) -> None:
    """Refused while the box is there; where it was cut off, the keys that stayed behind are set anew."""
    with pytest.raises(ExistingDepthError, match="already has auxiliary tracks"):
        written(movie)
    axte = next(b for b in walk(ByteSource(movie), 0, len(movie)) if b.type == "axte")
    again = written(movie[: axte.start])
    with tracks.open_depth(again) as track:
        assert track.notes == ()
    assert again.count(b"auxiliary.tracks.offset") == 1


def test_what_cannot_be_written(colour: bytes) -> None:
    with pytest.raises(UnsupportedError, match=r"47×32 cannot be coded in 4:2:0"):
        written(colour, [(Fraction(0), scene(0, 47))])
    with pytest.raises(UsageError, match="8 or 10 bits, not 12"):
        written(colour, bits=12)
    with pytest.raises(UsageError, match="there is no map"):
        written(colour, iter(()))
    with pytest.raises(UsageError, match="is not later than"):
        written(colour, [(Fraction(1), scene(0)), (Fraction(1), scene(1))])
    with pytest.raises(UsageError, match="depth, but those before"):
        written(colour, [(Fraction(0), scene(0)), (Fraction(1), scene(1, fmt="hdep"))])
    hole = DepthData(np.full((32, 48), np.nan, np.float16), scene(0).pixel_format)
    with pytest.raises(HolesError):
        written(colour, [(Fraction(0), hole)])
    with pytest.raises(RangeError):
        written(colour, ends=(2, 1))
    with pytest.raises(UsageError, match="quantiser 9"):
        GrayEncoder(32, 32, 9)


# -- files of others --------------------------------------------------------------------------------------------------

def meta(**values: tuple[int, bytes]) -> bytes:
    hdlr = make("hdlr", bytes(8) + b"mdta" + bytes(13))
    keys = b"".join(make("mdta", k.replace("_", ".").encode()) for k in values)
    items = b"".join(make(u32(n).decode("latin-1"), make("data", u32(kind, 0) + data)) for n, (kind, data) in enumerate(values.values(), 1))
    return make("meta", hdlr + make("keys", bytes(4) + u32(len(values)) + keys) + make("ilst", items))


def assembled(traks: list[Trak], types: list[int], *, interleaved: bool = False, extra: dict[str, Any] | None = None,
              keys: bool = True) -> bytes:
    """An MP4-AT file laid out here: the samples in axte's mdat, or in the outer one's."""
    about = {"auxiliary_tracks_map": (0, bytes([1, len(types), *types])), "auxiliary_tracks_interleaved": (75, bytes([interleaved]))}
    about |= extra or {}
    inner_meta = meta(**{k: v for k, v in about.items() if v is not None})

    def with_meta(whole: bytes, box: bytes) -> bytes:
        moov = next(b for b in walk(ByteSource(whole), 0, len(whole)) if b.type == "moov")
        return whole[: moov.start] + make("moov", whole[moov.payload : moov.end] + box)

    if interleaved:
        outer = build([colour_trak(99), *traks], brand="isom")      # its mdat holds all samples; the traks go
        content = parse(outer)
        raw = [outer[t.box.start : t.box.end] for t in content.tracks]
        mvhd = next(outer[b.start : b.end] for b in walk(ByteSource(outer), content.moov.payload, content.moov.end, "moov") if b.type == "mvhd")
        inner = make("ftyp", b"isom" + bytes(4)) + make("moov", mvhd + b"".join(raw[1:]) + inner_meta)
        base = outer[: content.moov.start] + make("moov", mvhd + raw[0])
    else:
        inner = with_meta(build(traks, brand="isom"), inner_meta)
        base = build([colour_trak()], brand="isom")
    axte = make("axte", inner)
    if not keys:
        return base + axte
    empty = with_meta(base, meta(auxiliary_tracks_offset=(78, bytes(8)), auxiliary_tracks_length=(78, bytes(8))))
    outer_meta = meta(auxiliary_tracks_offset=(78, len(empty).to_bytes(8, "big")), auxiliary_tracks_length=(78, len(axte).to_bytes(8, "big")))
    return with_meta(base, outer_meta) + axte


def depth_samples(codec: str = "libx264", n: int = 4) -> tuple[bytes, Any]:
    """A gray H.264 stream of FFmpeg's: its avcC, and samples."""
    from movie_kit import Sample

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream(codec, rate=30, options={"crf": "0", "bf": "2"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for i in range(n):
            codes = np.full((48, 48), 128, np.uint8)
            codes[:32] = (40 + 50 * i) % 256
            frame = av.VideoFrame.from_ndarray(codes, format="yuv420p")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(io.BytesIO(buffer.getvalue())) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        unit = Fraction(1, 600) / stream.time_base
        samples = tuple(Sample(bytes(p), round(p.pts / unit), round(p.dts / unit), p.is_keyframe) for p in packets)
        return bytes(stream.codec_context.extradata), samples


def h264_trak(number: int = 1, **fields: Any) -> Trak:
    configuration, samples = depth_samples()
    return Trak(number, "vide", visual_entry("avc1", 48, 32, make("avcC", configuration)), samples, **fields)


def range_trak(number: int, ranges: list[tuple[float, float]], step: int = 20) -> Trak:
    from movie_kit import Sample

    samples = tuple(Sample(struct.pack("<eeH", near, far, 0), n * step, n * step, True) for n, (near, far) in enumerate(ranges))
    return Trak(number, "meta", make("mett", bytes(6) + u16(1) + b"\0application/x-depth-metadata\0"), samples, 0, 0, per_chunk=1)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("keys", [True, False])
def test_h264_with_a_range_for_every_frame(interleaved: bool, keys: bool) -> None:
    """Samples in axte, or in the outer mdat; B-frames; near and far change from frame to frame."""
    ranges = [(0.5, 4.0), (0.25, 8.0), (1.0, 2.0), (0.125, 64.0)]
    data = assembled([h264_trak(), range_trak(2, ranges)], [2, 3], interleaved=interleaved, keys=keys)
    with tracks.open_depth(data) as track:
        assert (track.codec, track.inverse, track.bits) == ("h264", True, 8)
        assert any("full range is assumed" in n for n in track.notes)
        assert any("are not those of the axte box" in n for n in track.notes) == (not keys)
        found = list(tracks.frames(track))
    for n, (frame, (near, far)) in enumerate(zip(found, ranges, strict=True)):
        v = (40 + 50 * n) / 255
        assert set(np.unique(frame.codes)) == {40 + 50 * n}
        np.testing.assert_allclose(frame.data.disparity().astype(float), 1 / near - v * (1 / near - 1 / far), rtol=2e-3)


def test_linear_depth_and_a_metadata_track_that_says_it_once() -> None:
    data = assembled([range_trak(7, [(0.5, 4.0)]), h264_trak(2)], [3, 1])
    with tracks.open_depth(data) as track:
        for n, frame in enumerate(tracks.frames(track)):
            np.testing.assert_allclose(frame.data.depth(), 0.5 + (40 + 50 * n) / 255 * 3.5, rtol=2e-3)


@pytest.mark.parametrize(("traks", "types", "options", "error", "words"), [
    ([h264_trak()], [2], {}, NoDepthError, "no timed depth metadata"),
    ([h264_trak(), range_trak(2, [])], [2, 3], {}, NoDepthError, "the timed depth metadata is empty"),
    ([h264_trak(), range_trak(2, [(4.0, 0.5)])], [2, 3], {}, MalformedError, "near 4 and far 0.5 are not a valid range"),
    ([h264_trak()], [0], {}, NoDepthError, "has no auxiliary depth track"),
    ([h264_trak()], [2], {"extra": {"auxiliary_tracks_map": None}}, MalformedError, "declares the types of the tracks, is missing"),
    ([h264_trak()], [2], {"extra": {"auxiliary_tracks_map": (0, b"\2\1\2")}}, MalformedError, "auxiliary.tracks.map is 020102"),
    ([h264_trak()], [2], {"extra": {"auxiliary_tracks_map": (0, b"\1\3\2")}}, MalformedError, "auxiliary.tracks.map is 010302"),
    ([Trak(1, "vide", visual_entry("vp09", 48, 32), depth_samples()[1])], [2], {}, UnsupportedError, "is coded as 'vp09'"),
    ([Trak(1, "vide", visual_entry("avc1", 48, 32), depth_samples()[1])], [2], {}, MalformedError, "the avcC box is missing"),
])
def test_why_a_file_is_not_read(traks: list[Trak], types: list[int], options: Any, error: type[GpudepthError], words: str) -> None:
    with pytest.raises(error) as caught, tracks.open_depth(assembled(traks, types, **options)) as track:
        list(tracks.frames(track))
    assert words in str(caught.value)


def test_keys_alone_are_no_proof(movie: bytes) -> None:
    axte = next(b for b in walk(ByteSource(movie), 0, len(movie)) if b.type == "axte")
    with pytest.raises(NoDepthError, match="has no auxiliary depth track"), tracks.open_depth(movie[: axte.start]):
        pass


def test_cut_anywhere(movie: bytes) -> None:
    for stop in range(0, len(movie), 61):
        with pytest.raises(GpudepthError), tracks.open_depth(movie[:stop]) as track:
            list(tracks.frames(track))


def test_mutations(movie: bytes) -> None:
    """Whatever changes, errors are ours, and pictures have the size that was checked."""
    rng = np.random.default_rng(5)
    start = movie.index(b"axte")
    for at in [*rng.integers(0, len(movie), 150), *rng.integers(start, len(movie), 250)]:
        blob = bytearray(movie)
        blob[at] = rng.integers(0, 256)
        try:
            with tracks.open_depth(bytes(blob), Limits(max_pixels=1 << 20)) as track:
                for frame in tracks.frames(track, 0, min(2, track.frames) or None):
                    assert frame.data.map.shape == frame.codes.shape
        except GpudepthError:
            pass
