"""JPEG streams: where they end, what they hold, what is refused."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from gpudepth.errors import GpudepthError, LimitError, MalformedError, TruncatedError
from gpudepth.formats import jpeg
from gpudepth.formats.bytesource import ByteSource

SMALLEST = bytes.fromhex(
    "ffd8"              # SOI
    "ffe0 0010 4a46494600 0101 01 0048 0048 00 00"  # APP0 JFIF 1.01, 72 dpi, no thumbnail
    "fffe 0006 ffd9ffd8"  # COM that holds an EOI and a SOI
    "ffc0 000b 08 0002 0003 01 01 11 00"  # SOF0: 8 bit, 2 rows, 3 columns, 1 component
    "ffda 0008 01 01 00 00 3f 00"  # SOS
    "1234 ff00 56 ffd0 78 ff00"  # entropy-coded: stuffed ff, RST0
    "ff ff c4 0003 00"    # fill byte, DHT between scans
    "ffda 0008 01 01 00 00 3f 00"
    "9a bc"
    "ffd9"              # EOI
)


def parse(data: bytes, start: int = 0) -> jpeg.Stream:
    with ByteSource(data) as source:
        return jpeg.parse(source, start)


def test_bytes_to_stream() -> None:
    stream = parse(SMALLEST + b"trailer")
    assert (stream.start, stream.end) == (0, len(SMALLEST))
    assert [s.name for s in stream.header] == ["APP0", "COM", "SOF0"]
    assert stream.frame == jpeg.FrameHeader(0xC0, 8, 3, 2, 1)
    assert SMALLEST[stream.scan : stream.scan + 2] == b"\xff\xda"
    assert b"".join(s.serialise() for s in stream.header) == SMALLEST[2 : stream.scan]
    assert stream.find(jpeg.APP0, jpeg.JFIF) is stream.header[0]
    assert stream.find(jpeg.APP1) is None


def test_streams_inside_files() -> None:
    stream = parse(b"12345" + SMALLEST, 5)
    assert (stream.start, stream.end) == (5, 5 + len(SMALLEST))


@pytest.mark.parametrize("options", [
    {}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}, {"quality": 100},
    {"icc_profile": bytes(200_000)}, {"comment": b"\xff\xd9" * 20},
])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_what_libjpeg_writes(mode: str, options: dict[str, object]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (61, 83, len(mode)), np.uint8)
    buffer = io.BytesIO()
    Image.frombytes(mode, (83, 61), noise.tobytes()).save(buffer, "JPEG", **options)
    data = buffer.getvalue()
    stream = parse(data + b"\xff\xd8 something else")
    assert stream.end == len(data)
    assert (stream.frame.width, stream.frame.height, stream.frame.components) == (83, 61, len(mode))


@pytest.mark.parametrize(("data", "error", "message"), [
    (b"", MalformedError, "no JPEG at 0"),
    (b"\x89PNG\r\n\x1a\n", MalformedError, "no JPEG at 0"),
    (SMALLEST[:-2], TruncatedError, "without an EOI marker"),
    (SMALLEST[:60], TruncatedError, "without an EOI marker"),
    (SMALLEST[:2] + SMALLEST, MalformedError, "second SOI"),
    (SMALLEST[:20] + b"garbage" + SMALLEST[20:], MalformedError, "byte 67 at 20"),
    (b"\xff\xd8\xff\xc4\x00\x03\x00\xff\xd9", MalformedError, "no picture"),
    (b"\xff\xd8\xff\xe0\x00\x01\xff\xd9", MalformedError, "segment e0 declares 1 bytes"),
    (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 5000 + SMALLEST[2:], LimitError, "4,096"),
    (b"\xff\xd8" + b"\xff" * 4000, TruncatedError, "fill bytes"),
    (SMALLEST.replace(b"\x00\x02\x00\x03\x01", b"\x00\x02\x00\x00\x01"), MalformedError, "0 × 2"),
    (b"\xff\xd8\xff\xd0\xff\xd9", MalformedError, "outside entropy-coded data"),
])
def test_refusals(data: bytes, error: type[GpudepthError], message: str) -> None:
    with pytest.raises(error, match=message):
        parse(data)


def test_entropy_coded_data_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ff of a marker may be the last byte of one chunk and its code the first of the next."""
    for chunk in range(2, 30):
        monkeypatch.setattr(jpeg, "CHUNK", chunk)
        monkeypatch.setattr(jpeg, "SHORT", chunk)
        assert parse(SMALLEST).end == len(SMALLEST)


class Counted(ByteSource):
    """Says how often it was read, and how many bytes."""

    calls = total = 0

    def read(self, offset: int, length: int, what: str = "data") -> bytes:
        self.calls += 1
        self.total += length
        return super().read(offset, length, what)


@pytest.mark.parametrize("length", [1, 2, 3, 4095, 4096, 4097, 8191, 100_000])
def test_fill_bytes_are_read_once(length: int) -> None:
    comment = jpeg.make(jpeg.COM, b"\xff\xff")
    data = SMALLEST[:2] + (b"\xff" * length + comment) * 30 + SMALLEST[2:]
    source = Counted(data)
    stream = jpeg.parse(source)
    assert stream.end == len(data) and [s.payload for s in stream.header[:30]] == [b"\xff\xff"] * 30
    assert stream.header[1].start == stream.header[0].end and stream.header[0].end == 2 + length + 6
    assert source.calls < 30 * (6 + 2 * (length // 4096 + 1)) + 50 and source.total < 3 * len(data) + 60 * 4096


def test_many_short_scans_are_read_once() -> None:
    scan = SMALLEST[SMALLEST.index(b"\xff\xda") :][:12]
    at = len(SMALLEST) - 2
    data = SMALLEST[:at] + scan * 3000 + SMALLEST[at:] + bytes(1_000_000)
    source = Counted(data)
    assert jpeg.parse(source).end == len(data) - 1_000_000
    assert source.total < 3010 * 5000


def test_mutations_raise_only_our_errors() -> None:
    rng = np.random.default_rng(5)
    for _ in range(2000):
        data = bytearray(SMALLEST)
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.choice([0, 0xFF, 0xD8, 0xD9, 0xDA, 0x7F, int(rng.integers(256))])
        with contextlib.suppress(GpudepthError):
            parse(bytes(data[: rng.integers(4, len(data) + 1)]))


def test_segments_have_a_size() -> None:
    assert jpeg.make(0xE1, b"abc") == b"\xff\xe1\x00\x05abc"
    with pytest.raises(MalformedError, match="do not fit"):
        jpeg.make(0xE1, bytes(65534))
