"""Frames as photos: pixels, colours and orientation, by other readers."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from gpudepth.attachment.clips.still import StillEncoder, colour_of, rgb, warnings_of
from gpudepth.errors import UnsupportedError
from gpudepth.formats.hevc.codec import Colour

# (R, G, B) → Y', Cb, Cr of limited range, worked out by hand from Kr and Kb
KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
COLOURS = [(200, 40, 60), (30, 180, 90), (50, 70, 210), (128, 128, 128)]


def flat(colour: tuple[int, int, int], matrix: int, *, full: bool = False, said: int | None = None, height: int = 48) -> Any:
    """A yuv420p frame of one colour, by the matrix; `said` is what it says of it."""
    kr, kb = KR_KB[matrix]
    r, g, b = (c / 255 for c in colour)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    planes = [255 * y, 128 + 255 * cb, 128 + 255 * cr] if full else [16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr]
    values = np.concatenate([np.full(64 * height // part, round(p)) for p, part in zip(planes, (1, 4, 4), strict=True)])
    frame = av.VideoFrame.from_ndarray(values.astype(np.uint8).reshape(height * 3 // 2, 64), format="yuv420p")
    frame.colorspace, frame.color_range = matrix if said is None else said, 2 if full else 1
    return frame


def decode(data: bytes) -> Any:
    if data[:2] == b"\xff\xd8":
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    return np.asarray(pillow_heif.open_heif(io.BytesIO(data)).to_pillow().convert("RGB"))


@pytest.mark.parametrize("suffix", [".jpg", ".heic"])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("matrix", "full"), [(1, False), (6, False), (9, False), (1, True), (6, True)])
def test_colours(suffix: str, colour: tuple[int, int, int], matrix: int, full: bool) -> None:
    got = decode(StillEncoder(98).encode(flat(colour, matrix, full=full), suffix))
    assert np.abs(got.astype(int) - colour).max() <= 4


@pytest.mark.parametrize(("height", "matrix"), [(720, 1), (480, 6)])
def test_what_is_not_said(height: int, matrix: int) -> None:
    """BT.709 for HD, BT.601 below, as players take it."""
    frame = flat(COLOURS[0], matrix, said=2, height=height)
    assert colour_of(frame).matrix == matrix
    assert np.abs(rgb(frame).astype(int) - COLOURS[0]).max() <= 4
    assert np.abs(decode(StillEncoder(98).encode(frame, ".heic")).astype(int) - COLOURS[0]).max() <= 4


@pytest.mark.parametrize("suffix", [".jpg", ".heic"])
@pytest.mark.parametrize("name", ["yuv422p", "yuv444p", "yuvj420p", "yuv420p10le", "nv12", "rgb24", "gbrp", "gray"])
def test_pixel_formats(suffix: str, name: str) -> None:
    y, x = np.mgrid[:48, :64]
    source = np.repeat((2 * x + y + 40)[..., None], 3, 2).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(source, format="rgb24")
    frame.colorspace = 6    # what swscale turns rgb into
    got = decode(StillEncoder(98).encode(frame.reformat(format=name), suffix))
    assert np.abs(got.astype(int) - source).mean() < 3


@pytest.mark.parametrize("suffix", [".jpg", ".heic"])
def test_orientation(suffix: str) -> None:
    from gpudepth.containers import registry
    from gpudepth.formats.bytesource import ByteSource

    for orientation in range(1, 9):
        data = StillEncoder(80).encode(flat(COLOURS[0], 1), suffix, orientation)
        with ByteSource(data) as source:
            picture = registry.require(source).picture(source)
        assert (picture.orientation, picture.coded_width, picture.coded_height) == (orientation, 64, 48)
        if suffix == ".jpg":
            assert Image.open(io.BytesIO(data)).getexif().get(0x112, 1) == orientation


def test_quality_and_determinism() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format="yuv420p")
    for suffix in (".jpg", ".heic"):
        sizes = [len(StillEncoder(q).encode(frame, suffix)) for q in (-1, 90, 50, 10)]
        assert sizes == sorted(sizes, reverse=True)
        encoder = StillEncoder(90)
        first = encoder.encode(frame, suffix)
        encoder.encode(flat(COLOURS[1], 1), suffix)
        assert encoder.encode(frame, suffix) == first == StillEncoder(90).encode(frame, suffix)


def test_odd_sizes() -> None:
    """A JPEG takes them; 4:2:0 HEVC does not."""
    frame = av.VideoFrame.from_ndarray(np.zeros((33, 47, 3), np.uint8), format="rgb24")
    assert decode(StillEncoder().encode(frame, ".jpg")).shape == (33, 47, 3)
    with pytest.raises(UnsupportedError, match="both sides must be even"):
        StillEncoder().encode(frame, ".heic")


def test_high_dynamic_range() -> None:
    """Numbers and meaning stay in a HEIC; a JPEG gets a warning."""
    frame = av.VideoFrame.from_ndarray(np.full((72, 64), 300, np.uint16), format="yuv420p10le")
    frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = 9, 18, 9, 1
    assert colour_of(frame) == Colour(9, 18, 9)
    data = StillEncoder(98).encode(frame, ".heic")
    assert bytes.fromhex("6e636c78 0009 0012 0009 00") in data
    with av.open(io.BytesIO(data)) as container:
        back = next(container.decode(video=0))
    assert back.format.name == "yuv420p10le"
    assert np.abs(back.to_ndarray().astype(int) - 300).max() <= 2
    assert "HLG" in warnings_of(frame, ".jpg")[0]
    assert warnings_of(frame, ".heic") == []
    frame.color_trc = 1
    assert "BT.2020" in warnings_of(frame, ".JPG")[0]
    assert warnings_of(flat(COLOURS[0], 1), ".jpg") == []
