"""Rules of depth in clips: what we write keeps them, every broken file breaks the rule that is meant, and only it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from movie_kit import Sample, Trak, build, coded, colour_trak, depth_movie, depth_trak, muxed, ramp, u32, visual_entry
from photo_kit import heic
from test_mp4at import assembled, depth_samples, h264_trak, range_trak
from test_mp4at import written as mp4at
from test_quicktime_writer import written as quicktime

import gpudepth
from gpudepth.attachment.inspection import check_file
from gpudepth.cli.app import run_command
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import HDIS
from gpudepth.errors import LimitError, UsageError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import make, make_full
from gpudepth.limits import Limits
from gpudepth.video import checks
from gpudepth.video.matroska import DepthVideoWriter
from gpudepth.video.mp4at.writer import GrayEncoder


def broken(data: bytes, verdict: str = "fail", profile: str | None = None) -> dict[str, str]:
    """Rule → place, of what is broken."""
    with ByteSource(data) as source:
        return {f.rule: f.where for f in check_file(source, profile).findings if f.verdict == verdict}


def kept(data: bytes) -> int:
    return len(broken(data, "ok"))


# -- quicktime --------------------------------------------------------------------------------------------------------

GOOD = {"colour": {"references": {"vdep": [2]}}}


def test_what_the_writer_of_movies_writes_passes() -> None:
    for fmt in ("hdis", "hdep"):
        y, x = np.mgrid[:32, :48]
        maps = ((Fraction(n, 30), DepthData.from_values(0.5 + ((x + y + n) % 9) / 10, fmt)) for n in range(6))
        data = quicktime(muxed(), maps, ends=(0.5, 1.5))
        assert not broken(data) and not broken(data, "warn") and not broken(data, profile="quicktime")
        assert kept(data) >= 20


def test_a_movie_by_hand_passes() -> None:
    data = depth_movie(**GOOD)
    assert not broken(data)
    assert not broken(data, "warn")


def in_colour() -> tuple[bytes, tuple[Sample, ...]]:
    """A stream of Main 10, 4:2:0."""
    encoder = GrayEncoder(48, 32, bits=10)
    packets = [*(p for n in range(6) for p in encoder.encode(ramp(n))), *encoder.finish()]
    assert encoder.configuration is not None
    return encoder.configuration.serialise()[8:], tuple(Sample(data, 20 * n, 20 * n, sync) for n, (data, sync) in enumerate(packets))


QUICKTIME: dict[str, tuple[Callable[[], bytes], dict[str, str]]] = {
    "no depth track": (lambda: build([colour_trak()]), {"depth-present": "moov"}),
    "relabelled by hand, as the usual workaround does": (
        lambda: depth_movie(kind="hvc1", handler="vide"), {"sample-entry": "moov/trak[1]/mdia/minf/stbl/stsd/hvc1", "depth-present": "moov"}),
    "another handler": (lambda: depth_movie(handler="pict"), {"handler": "moov/trak[1]/mdia/hdlr"}),
    "switched off": (lambda: depth_movie(flags=2), {"enabled": "moov/trak[1]/tkhd"}),
    "4:2:0": (lambda: depth_movie(stream=in_colour()), {"monochrome": "moov/trak[1]/mdia/minf/stbl/stsd/dish/hvcC"}),
    "8 bits": (lambda: depth_movie(stream=coded(pix_fmt="gray")), {"bits": "moov/trak[1]/mdia/minf/stbl/stsd/dish/hvcC"}),
    "no hvcC": (lambda: build([colour_trak(references={"vdep": [2]}), Trak(2, "auxv", visual_entry(
        "dish", 48, 32, make("disc", bytes.fromhex("00000000 01 00000000 00020000"))), coded()[1])]),
        {"hvcc": "moov/trak[1]/mdia/minf/stbl/stsd/dish"}),
    "a damaged hvcC": (lambda: depth_movie(stream=(coded()[0][:30], coded()[1])), {"hvcc": "moov/trak[1]/mdia/minf/stbl/stsd/dish/hvcC"}),
    "an upside-down disc": (lambda: depth_movie(disc=bytes.fromhex("00000000 01 00030000 00020000")),
                            {"disc-parses": "moov/trak[1]/mdia/minf/stbl/stsd/dish/disc"}),
    "a disc of another kind": (lambda: depth_movie(disc=bytes.fromhex("00000000 02 00000000 00020000")),
                               {"disc-parses": "moov/trak[1]/mdia/minf/stbl/stsd/dish/disc"}),
    "no reference": (lambda: depth_movie(colour={"references": {}}), {"reference": "moov/trak/tref"}),
    "a reference the other way only": (lambda: depth_movie(colour={"references": {}}, references={"vdep": [1]}), {"reference": "moov/trak/tref"}),
    "no colour": (lambda: build([depth_trak()]), {"colour-track": "moov"}),
    "tables that do not fit": (lambda: depth_movie(replace={"stts": make_full("stts", 0, 0, u32(1, 5, 20))}),
                               {"sample-tables": "moov/trak[1]/mdia/minf/stbl/stts"}),
    "no samples": (lambda: depth_movie(stream=(coded()[0], ())), {"sample-tables": "moov/trak[1]/mdia/minf/stbl"}),
    "no sync sample at the start": (lambda: depth_movie(replace={"stss": make_full("stss", 0, 0, u32(1, 5))}),
                                    {"sync": "moov/trak[1]/mdia/minf/stbl/stss"}),
    "two at one time": (lambda: depth_movie(stream=(coded(bframes=0)[0], tuple(
        Sample(s.data, min(s.shown, 80), s.decoded, s.sync) for s in coded(bframes=0)[1]))), {"distinct-times": "moov/trak[1]/mdia/minf/stbl"}),
    "another aspect": (lambda: depth_movie(stream=coded(width=64, height=32)), {"aspect": "moov/trak[1]"}),
    "samples that are no pictures": (lambda: depth_movie(stream=(coded()[0], tuple(
        Sample(b"\0\0\0\4junk", s.shown, s.decoded, s.sync) for s in coded()[1]))), {"decodes": "moov/trak[1]/mdia/minf/stbl: sample 0 at "}),
    "cut off before moov": (lambda: depth_movie()[:400], {"structure": "mdat"}),
}


@pytest.mark.parametrize("name", QUICKTIME)
def test_broken_movies(name: str) -> None:
    make_it, want = QUICKTIME[name]
    found = broken(make_it())
    assert set(found) == set(want), found
    for rule, where in want.items():
        assert found[rule].startswith(where), found


def test_what_is_a_warning_in_movies() -> None:
    for data, rule in ((depth_movie(disc=None), "disc"), (depth_movie(colour={"references": {"vdep": [2]}, "matrix": bytes(36)}), "matrix"),
                       (build([colour_trak(references={"vdep": [2, 3]}), depth_trak(), depth_trak(3)]), "one-map"),
                       (depth_movie(edits=[(10, -1), (120, 0)]), "times"), (depth_movie(colour={"count": 3, "references": {"xyzw": [2]}}), "times")):
        assert set(broken(data, "warn")) == {rule}
        assert not broken(data), rule


# -- mp4-at -----------------------------------------------------------------------------------------------------------

RANGES = [(0.5, 4.0)] * 4


def android(traks: Any = None, types: Any = (2, 3), **options: Any) -> bytes:
    return assembled(traks or [h264_trak(), range_trak(2, RANGES)], list(types), **options)


def patched(data: bytes, old: bytes, new: bytes, which: int = 0) -> bytes:
    at = -1
    for _ in range(which + 1):
        at = data.index(old, at + 1)
    return data[:at] + new + data[at + len(old) :]


KEY_TYPE = b"\0\0\0\x4e\0\0\0\0"        # of data boxes: 64-bit unsigned


def _moved() -> bytes:
    """The box is eight bytes behind where the keys say."""
    data = android()
    at = data.rindex(b"axte") - 4
    return data[:at] + make("free", b"") + data[at:]


def _boxed(inner: bytes) -> bytes:
    """The keys are right, and the box holds only this."""
    data = android()
    at = data.rindex(b"axte") - 4
    old = len(data) - at
    box = make("axte", inner)
    return patched(data[:at] + box, KEY_TYPE + old.to_bytes(8, "big"), KEY_TYPE + len(box).to_bytes(8, "big"))


MP4AT: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "no keys": (lambda: android(keys=False), {"keys"}),
    "a key of another type": (lambda: patched(android(), KEY_TYPE, b"\0\0\0\x4d\0\0\0\0"), {"keys"}),
    "a key that points elsewhere": (_moved, {"axte-place"}),
    "the box was cut off": (lambda: android()[: android().rindex(b"axte") - 4], {"axte"}),
    "nothing in the box": (lambda: _boxed(b""), {"auxiliary-mp4"}),
    "no movie in the box": (lambda: _boxed(make("ftyp", b"isom" + bytes(4))), {"auxiliary-mp4"}),
    "interleaved by half": (lambda: android(extra={"auxiliary_tracks_interleaved": (75, b"\2")}), {"interleaved"}),
    "interleaved of another type": (lambda: android(extra={"auxiliary_tracks_interleaved": (1, b"\0")}), {"interleaved"}),
    "no map": (lambda: android(extra={"auxiliary_tracks_map": None}), {"track-map", "depth-present"}),
    "a map of version 2": (lambda: android(extra={"auxiliary_tracks_map": (0, b"\2\2\2\3")}), {"track-map", "depth-present"}),
    "a map of more tracks": (lambda: android(extra={"auxiliary_tracks_map": (0, b"\1\3\2\3\1")}), {"track-map"}),
    "a map of another type": (lambda: android(extra={"auxiliary_tracks_map": (1, b"\1\2\2\3")}), {"track-map"}),
    "a reserved type": (lambda: android(types=(2, 99)), {"track-types"}),
    "sharp video alone": (lambda: android([h264_trak()], (0,)), {"depth-present"}),
    "12 bits": (lambda: android([Trak(1, "vide", visual_entry("hvc1", 48, 32, make("hvcC", coded(pix_fmt="gray12le")[0])), coded(pix_fmt="gray12le")[1]),
                                 range_trak(2, [(0.5, 4)] * 6)]), {"bits"}),
    "another MIME type": (lambda: patched(android(), b"x-depth-metadata", b"x-other-metadata"), {"mime-type"}),
    "near behind far": (lambda: android([h264_trak(), range_trak(2, [*RANGES[:3], (4.0, 0.5)])]), {"near-far"}),
    "samples outside of any mdat": (lambda: patched(android(), b"mdat", b"free", 1), {"samples-place"}),
    "samples that are no pictures": (lambda: android([Trak(1, "vide", visual_entry("avc1", 48, 32, make("avcC", depth_samples()[0])), tuple(
        Sample(b"\0\0\0\4junk", s.shown, s.decoded, s.sync) for s in depth_samples()[1])), range_trak(2, RANGES)]), {"decodes"}),
    "no samples": (lambda: android([Trak(1, "vide", visual_entry("avc1", 48, 32, make("avcC", depth_samples()[0])), ()), range_trak(2, RANGES)]),
                   {"decodes"}),
    "cut off before moov": (lambda: android()[:30], {"structure"}),
}


@pytest.mark.parametrize("name", MP4AT)
def test_broken_android_movies(name: str) -> None:
    make_it, want = MP4AT[name]
    profile = None if b"axte" in make_it() else "mp4-at"
    assert set(broken(make_it(), profile=profile)) == want


def test_what_the_writer_of_mp4at_writes_passes() -> None:
    for bits in (8, 10):
        data = mp4at(muxed(container="mp4"), bits=bits)
        assert not broken(data) and not broken(data, "warn")
        assert kept(data) >= 18
    for interleaved in (False, True):
        data = android(interleaved=interleaved)
        assert not broken(data)
        assert set(broken(data, "warn")) == {"times"}        # four maps, six frames of the movie


def test_what_is_a_warning_in_android_movies() -> None:
    six = lambda: [h264_trak_of_six(), range_trak(2, [(0.5, 4.0)] * 6)]  # noqa: E731
    assert not broken(android(six()), "warn")
    assert set(broken(android(six()) + make("free", b"12345678"), "warn")) == {"axte-last"}
    assert set(broken(android(six()[:1], (2,)), "warn")) == {"depth-metadata"}
    assert set(broken(android([six()[0], range_trak(2, [(0.5, 4.0)])]), "warn")) == {"times"}
    assert set(broken(android([six()[0], h264_trak_of_six(7), range_trak(2, [(0.5, 4.0)] * 6)], (1, 2, 3)), "warn")) == {"one-map"}
    vp9 = Trak(1, "vide", visual_entry("vp09", 48, 32), depth_samples(n=6)[1])
    assert set(broken(android([vp9, six()[1]]), "warn")) == {"codec"}


def h264_trak_of_six(number: int = 1) -> Trak:
    configuration, samples = depth_samples(n=6)
    return Trak(number, "vide", visual_entry("avc1", 48, 32, make("avcC", configuration)), samples)


# -- depth video ------------------------------------------------------------------------------------------------------

CAMERA = Calibration(np.array([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]), 48, 32)
TAGS = {"GPUDEPTH": "1", "DEPTH_FORMAT": "hdis", "DEPTH_UNIT": "1/m", "DEPTH_ACCURACY": "relative",
        "DEPTH_CALIBRATION": json.dumps({"intrinsics": CAMERA.intrinsics.tolist(), "width": 48, "height": 32})}
OPTIONS = {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}


def matroska(tags: dict[str, str | None] | None = None, options: dict[str, str] | None = None, codec: str = "ffv1", pix_fmt: str = "gray16le",
             times: tuple[int, ...] = (0, 33, 66)) -> bytes:
    """A file by FFmpeg alone, with what is to be wrong about it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        out.metadata.update({k: v for k, v in (TAGS | (tags or {})).items() if v is not None})
        stream = out.add_stream(codec, rate=30, options=OPTIONS | (options or {}) if codec == "ffv1" else {})
        stream.width, stream.height, stream.pix_fmt = 48, 32, pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        y, x = np.mgrid[:32, :48]
        for n, tick in enumerate(times):
            values = (0.5 + ((x * 5 + y * 3 + n) % 64) / 64).astype(np.float16).view(np.uint16)
            frame = av.VideoFrame.from_ndarray(values, format="gray16le").reformat(format=pix_fmt)
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def _flipped() -> bytes:
    """A bit of the last frame."""
    data = bytearray(matroska())
    at = data.rindex(b"\x1c\x53\xbb\x6b") - 60      # the last Cluster lies before Cues
    data[at] ^= 4
    return bytes(data)


MATROSKA: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "no tags": (lambda: matroska(dict.fromkeys(TAGS)), {"depth-present"}),
    "a newer layout": (lambda: matroska({"GPUDEPTH": "2"}), {"version"}),
    "another format": (lambda: matroska({"DEPTH_FORMAT": "fdis"}), {"format"}),
    "a unit that is not the format's": (lambda: matroska({"DEPTH_UNIT": "m"}), {"unit"}),
    "no accuracy": (lambda: matroska({"DEPTH_ACCURACY": None}), {"accuracy"}),
    "a calibration that is none": (lambda: matroska({"DEPTH_CALIBRATION": "{}"}), {"calibration"}),
    "a calibration of NaN": (lambda: matroska({"DEPTH_CALIBRATION": TAGS["DEPTH_CALIBRATION"].replace("40.0", "NaN")}), {"calibration"}),
    "another codec": (lambda: matroska(codec="libx264", pix_fmt="gray"), {"codec"}),
    "pixels of 10 bits": (lambda: matroska(pix_fmt="gray10le"), {"pixels"}),
    "version 1": (lambda: matroska(options={"level": "1", "slicecrc": "0", "slices": "1"}), {"level", "check-sums"}),
    "version 4": (lambda: matroska(options={"level": "4", "strict": "experimental"}), {"level", "pixels"}),      # half floats, to FFmpeg
    "no check sums": (lambda: matroska(options={"slicecrc": "0"}), {"check-sums"}),
    "a bit of a frame": (_flipped, {"check-sums"}),
    "cut off in its head": (lambda: matroska()[:60], {"structure"}),
}


@pytest.mark.parametrize("name", MATROSKA)
def test_broken_depth_video(name: str) -> None:
    make_it, want = MATROSKA[name]
    assert set(broken(make_it())) == want


def test_what_the_writer_of_depth_video_writes_passes() -> None:
    buffer = io.BytesIO()
    with DepthVideoWriter(buffer) as video:
        for n in range(4):
            video.write(DepthData(np.full((32, 48), n + 1, np.float16), HDIS, calibration=CAMERA), Fraction(n, 30))
    data = buffer.getvalue()
    assert not broken(data) and not broken(data, "warn") and not broken(data, profile="depth-video")
    assert kept(data) == 14
    assert not broken(matroska())
    assert set(broken(matroska(options={"g": "3"}), "warn")) == {"frames-alone"}


# -- which, and from the command line ---------------------------------------------------------------------------------

def test_which_rules(tmp_path: Path) -> None:
    assert checks.PROFILES == ("quicktime", "mp4-at", "depth-video")
    both = mp4at(depth_movie(**GOOD))
    with ByteSource(both) as source:
        verdicts = check_file(source)
    rules = {f.rule for f in verdicts.findings}
    assert {"disc", "track-map"} <= rules
    assert (verdicts.container, verdicts.conforms) == ("movie", True)
    assert "track-map" not in {f.rule for f in check_file(ByteSource(both), "quicktime").findings}
    for data, profile in ((both, "depth-video"), (both, "apple-depth"), (matroska(), "quicktime")):
        with pytest.raises(UsageError, match="does not apply to a clip of this kind"):
            check_file(ByteSource(data), profile)
    with pytest.raises(UsageError, match="is a profile of clips"), ByteSource(heic(tmp_path / "p.heic")) as source:
        check_file(source, "quicktime")


def test_large_files(tmp_path: Path) -> None:
    """limits.max_file is about photos, limits.max_movie about clips."""
    (tmp_path / "c.mov").write_bytes(depth_movie(**GOOD))
    assert gpudepth.check(tmp_path / "c.mov", limits=Limits(max_file=1000)).conforms
    with pytest.raises(LimitError, match=r"limits\.max_file"):
        gpudepth.check(tmp_path / "c.mov", limits=Limits(max_movie=1000))
    with pytest.raises(LimitError, match=r"limits\.max_file"):
        gpudepth.check(heic(tmp_path / "p.heic"), limits=Limits(max_file=100))


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.mov").write_bytes(depth_movie(**GOOD))
    (tmp_path / "bad.mov").write_bytes(depth_movie(flags=2))
    (tmp_path / "d.mkv").write_bytes(matroska())
    assert run_command(["check", str(tmp_path / "good.mov"), str(tmp_path / "d.mkv"), "--all"]) == 0
    said = capsys.readouterr().out
    assert "conforms (movie)" in said and "conforms (matroska)" in said
    assert run_command(["check", str(tmp_path / "bad.mov"), "--json"]) == 4
    verdict = json.loads(capsys.readouterr().out)
    (fail,) = [f for f in verdict["findings"] if f["verdict"] == "fail"]
    assert (fail["rule"], fail["where"]) == ("enabled", "moov/trak[1]/tkhd")
    assert "Cinematic.framework" in fail["source"]
    assert run_command(["check", str(tmp_path / "d.mkv"), "--profile", "dng"]) == 2


def test_mutations() -> None:
    """Whatever changes is a finding, never an error."""
    rng = np.random.default_rng(7)
    for data in (depth_movie(**GOOD), android(), matroska()):
        for at in rng.integers(0, len(data), 120):
            blob = bytearray(data)
            blob[at] = rng.integers(0, 256)
            with ByteSource(bytes(blob), Limits(max_pixels=1 << 20)) as source:
                assert check_file(source).findings
        for stop in range(0, len(data), 211):
            with ByteSource(data[:stop]) as source:
                assert check_file(source).findings
