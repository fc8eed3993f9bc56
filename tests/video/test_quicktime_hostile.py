"""Damaged and hostile movies: a typed error that says where, or a result; never a crash, a hang or much memory."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from movie_kit import coded, depth_movie, u32

from gpudepth.errors import FileError, GpudepthError, LimitError, MalformedError, NoDepthError, TruncatedError
from gpudepth.formats.isobmff.box import make, make_full
from gpudepth.limits import Limits
from gpudepth.video.quicktime.reader import frames, open_depth

LIMITS = Limits(max_pixels=1 << 16, max_decoded_bytes=1 << 20, max_samples=1 << 10)
MUTATIONS = 10_000
NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"tref", b"edts")


def outcome(data: bytes) -> GpudepthError | int:
    """The error, or how many frames came out. Anything but a GpudepthError escapes and fails the test."""
    count = 0
    try:
        with open_depth(data, LIMITS) as depth:
            for frame in frames(depth):
                assert frame.data.map.dtype == np.float16
                count += 1
    except GpudepthError as error:
        assert error.where or not isinstance(error, FileError), repr(error)
        assert len(str(error)) < 1000
        return error
    return count


def borders(data: bytes, start: int = 0, end: int | None = None) -> set[int]:
    """Starts of all boxes, and of their payloads."""
    end = len(data) if end is None else end
    found = set()
    while start + 8 <= end:
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        found |= {start, start + 8}
        if kind in NESTED:
            found |= borders(data, start + 8, start + size)
        if kind == b"stsd":
            found |= borders(data, start + 16, start + size)
        if kind == b"dish":
            found |= borders(data, start + 86, start + size)
        start += size
    return found


@pytest.fixture(scope="module")
def tiny() -> bytes:
    """Two frames, everything that is parsed."""
    return depth_movie({"count": 2}, stream=coded(2, bframes=0), edits=[(40, 0)], references={"auxl": [1]})


def test_the_file_itself_is_fine(tiny):
    assert outcome(tiny) == 2
    assert len(borders(tiny)) > 70


@pytest.mark.parametrize("moov_first", [False, True])
def test_cut_off_at_every_box_and_in_the_middle_of_it(moov_first):
    data = depth_movie(moov_first=moov_first)
    at_boxes = borders(data)
    for at in sorted(at_boxes | {b + 3 for b in at_boxes} | {b + 13 for b in at_boxes}):
        if 0 < at < len(data):
            found = outcome(data[:at])
            assert isinstance(found, FileError), at


def test_cut_off_in_the_samples_gives_what_is_whole():
    """moov first, and the file ends inside the last sample: nothing is read that is not there."""
    data = depth_movie(moov_first=True)
    with pytest.raises(TruncatedError, match=r"moov/trak\[1\]/mdia/minf/stbl: sample 5 at .* is outside the file"), \
            open_depth(data[:-1]) as depth:
        list(frames(depth))


@pytest.mark.parametrize("value", [0, 1, 7, 8, 0x7F, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
def test_every_size_field(tiny, value):
    for at in sorted(borders(tiny)):
        if at + 4 <= len(tiny):
            outcome(tiny[:at] + u32(value) + tiny[at + 4 :])


@pytest.mark.parametrize(("fields", "error", "words"), [
    ({"replace": {"stsz": make_full("stsz", 0, 0, u32(1, 0xFFFFFFFF))}}, LimitError, r"moov/trak\[1\]/.*/stbl/stsz: .*max_samples"),
    ({"replace": {"stts": make_full("stts", 0, 0, u32(1, 0xFFFFFFFF, 1))}}, MalformedError, "stbl/stts: the box describes 4,294,967,295"),
    ({"replace": {"stco": make_full("stco", 0, 0, u32(3, 50, 50, 50))}}, MalformedError, "share bytes"),
    ({"replace": {"stco": make_full("stco", 0, 0, u32(3, 50, 0xFFFFFFFF, 60))}}, TruncatedError, "a chunk starts at 4,294,967,295"),
    ({"replace": {"co64": make_full("co64", 0, 0, u32(3) + b"\xff" * 24), "stco": None}}, TruncatedError, "a chunk starts"),
    ({"time_scale": 0}, MalformedError, "time scale is 0"),
    ({"replace": {"stsd": make_full("stsd", 0, 0, u32(1) + make("dish", bytes(78)))}}, MalformedError, "dish: hvcC is missing"),
    ({"replace": {"stsd": make_full("stsd", 0, 0, u32(1) + make("dish", bytes(10)))}}, MalformedError, "needs 78 bytes"),
])
def test_absurd_tables(fields, error, words):
    with pytest.raises(error, match=words), open_depth(depth_movie(**fields)) as depth:
        list(frames(depth))


def test_what_is_wrong_with_other_tracks_tables_does_not_matter():
    bad = {"replace": {"stco": make_full("stco", 0, 0, u32(0xFFFFFF)), "stsz": None}, "time_scale": 0}
    assert outcome(depth_movie(bad)) == 6


def test_samples_that_are_no_pictures():
    """Bytes of the stream itself: an error, or as many frames as there are; never frames of another size."""
    _, samples = coded()
    rng = random.Random(7)
    start = depth_movie().index(samples[0].data)
    length = sum(len(s.data) for s in samples)
    for _ in range(300):
        data = bytearray(depth_movie())
        for _ in range(rng.randrange(1, 5)):
            data[start + rng.randrange(length)] = rng.randrange(256)
        found = outcome(bytes(data))
        assert isinstance(found, MalformedError) or found == 6


def test_ten_thousand_mutations(tiny):
    """Bytes changed, runs removed and inserted, from a fixed seed."""
    rng = random.Random(20)
    whole, damaged, absent = 0, 0, 0
    moov = tiny.index(b"moov") - 4
    for _ in range(MUTATIONS):
        data = bytearray(tiny)
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(moov, len(data)) if rng.random() < 0.9 else rng.randrange(len(data))
            kind = rng.random()
            if kind < 0.6:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))
            elif kind < 0.8:
                data[at : at + 4] = u32(rng.choice((0, 1, 8, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)))
            elif kind < 0.9:
                del data[at : at + rng.randrange(1, 9)]
            else:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
        found = outcome(bytes(data))
        whole += isinstance(found, int)
        absent += isinstance(found, NoDepthError)
        damaged += isinstance(found, FileError)
    assert min(whole, damaged, absent) > 50     # mutations of all consequences were among them


def test_memory_is_that_of_a_frame():
    many = depth_movie(stream=coded(200, 256, 192, bframes=0, keyint=30))
    with open_depth(many) as depth:
        tracemalloc.start()
        count = sum(1 for _ in frames(depth))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 200
    assert peak < 20 * 256 * 192 * 2, f"{peak:,} bytes"      # 200 maps are ten times that


def test_kinds_of_tracks_are_text_whatever_bytes_they_are() -> None:
    from types import SimpleNamespace

    from gpudepth.video.quicktime.depth_track import kinds

    def track(handler: str, entry: str) -> SimpleNamespace:
        return SimpleNamespace(handler=handler, entries=[SimpleNamespace(format=entry)])

    movie = SimpleNamespace(tracks=[track("\0\0\0\0", "avc1"), track("\x1b[2J", "hv\nc"), track("vide", "hvc1")])
    assert kinds(movie) == "\\x00\\x00\\x00\\x00 (avc1), \\x1b[2J (hv\\x0ac), vide (hvc1)"  # type: ignore[arg-type]
    assert kinds(SimpleNamespace(tracks=[])) == "none"  # type: ignore[arg-type]
