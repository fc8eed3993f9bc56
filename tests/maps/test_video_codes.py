"""Frames of video → codes, against what was put into them."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from gpudepth.errors import UnsupportedError
from gpudepth.maps.video_codes import codes, hue

PATH = Path("clip.mkv")
Y, X = np.mgrid[:48, :70]


@pytest.mark.parametrize(("name", "bits"), [("gray", 8), ("gray9le", 9), ("gray10le", 10), ("gray12le", 12), ("gray14le", 14),
                                            ("gray16le", 16), ("gray16be", 16)])
def test_gray_as_it_is(name: str, bits: int) -> None:
    """70 pixels a row: FFmpeg pads rows, and what it pads with is no code."""
    wanted = ((X * 97 + Y * 31) % (1 << bits)).astype(np.uint8 if bits == 8 else np.uint16)
    source = codes(av.VideoFrame.from_ndarray(wanted, format=name), PATH)
    np.testing.assert_array_equal(source.codes, wanted)
    assert (source.max_code, source.codes.dtype, source.path) == ((1 << bits) - 1, wanted.dtype, PATH)


def test_floats() -> None:
    wanted = (X / 7 + Y).astype(np.float32)
    wanted[0, 0] = np.nan
    for name in ("grayf32le", "grayf32be"):
        source = codes(av.VideoFrame.from_ndarray(wanted, format=name), PATH)
        np.testing.assert_array_equal(source.codes, wanted)
        assert source.max_code is None


def yuv(luma: Any, name: str, chroma: int = 128, color_range: ColorRange = ColorRange.MPEG) -> Any:
    rows, width = luma.shape
    flat = np.concatenate([luma.ravel(), np.full(rows * width // 2, chroma, luma.dtype)]).reshape(rows * 3 // 2, width)
    frame = av.VideoFrame.from_ndarray(flat, format=name)
    frame.color_range = color_range
    return frame


def test_limited_range_is_stretched() -> None:
    """BT.709: 16 is black, 235 white; what lies outside is cut."""
    luma = (X + 2 * Y).clip(0, 255).astype(np.uint8)
    wanted = np.rint(np.clip((luma.astype(np.float64) - 16) / 219, 0, 1) * 255)
    source = codes(yuv(luma, "yuv420p"), PATH)
    np.testing.assert_array_equal(source.codes, wanted)
    assert source.max_code == 255
    np.testing.assert_array_equal(codes(yuv(luma, "yuv420p", color_range=ColorRange.JPEG), PATH).codes, luma)
    np.testing.assert_array_equal(codes(yuv(luma, "yuvj420p"), PATH).codes, luma)


def test_ten_bits() -> None:
    luma = (X * 9 + Y * 4).astype(np.uint16)
    frame = yuv(luma, "yuv420p10le", 512)
    source = codes(frame, PATH)
    np.testing.assert_array_equal(source.codes, np.rint(np.clip((luma - 64.0) / 876, 0, 1) * 1023))
    assert source.max_code == 1023
    hardware = av.VideoFrame(luma.shape[1], luma.shape[0], "p010le")     # codes in the upper bits, both chromas in one plane
    for plane, values in zip(hardware.planes, (luma, np.full((24, 70), 512, np.uint16)), strict=True):
        rows = np.zeros((values.shape[0], plane.line_size // 2), np.uint16)
        rows[:, : values.shape[1]] = values << 6
        plane.update(rows.tobytes())
    hardware.color_range = ColorRange.MPEG
    np.testing.assert_array_equal(codes(hardware, PATH).codes, source.codes)


def test_both_chromas_in_one_plane() -> None:
    luma = (X + 2 * Y).clip(16, 235).astype(np.uint8)
    nv12 = yuv(luma, "yuv420p").reformat(format="nv12")
    np.testing.assert_array_equal(codes(nv12, PATH).codes, codes(yuv(luma, "yuv420p"), PATH).codes)


def test_rgb_that_is_gray() -> None:
    gray = (X * 3).astype(np.uint8)
    for name in ("rgb24", "bgr24", "gbrp"):
        frame = av.VideoFrame.from_ndarray(np.repeat(gray[..., None], 3, 2), format="rgb24").reformat(format=name)
        np.testing.assert_array_equal(codes(frame, PATH).codes, gray)


def test_colours_are_refused() -> None:
    """A palette cannot be undone; a little colour from lossy coding is none."""
    rgb = np.stack([X * 3, Y * 5, 255 - X * 3], -1).astype(np.uint8)
    for frame in (av.VideoFrame.from_ndarray(rgb, format="rgb24"), av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p"),
                  av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="nv12")):
        with pytest.raises(UnsupportedError, match="colours; a depth video must be gray"):
            codes(frame, PATH)
    codes(yuv(X.astype(np.uint8), "yuv420p", 136), PATH)


def test_crop() -> None:
    wanted = (X * 97 + Y * 31).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(wanted, format="gray16le")
    np.testing.assert_array_equal(codes(frame, PATH, crop=(35, 10, 30, 20)).codes, wanted[10:30, 35:65])


def test_hue() -> None:
    """Against the standard library, pixel by pixel; what has no colour is no value."""
    rgb = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    got = hue(rgb)
    for y, x in np.ndindex(20, 20):
        h, s, v = colorsys.rgb_to_hsv(*(int(c) / 255 for c in rgb[y, x]))
        if s * v * 255 >= 24:
            assert abs((float(got[y, x]) - h + 0.5) % 1 - 0.5) < 1e-6
        else:
            assert np.isnan(got[y, x])
    assert np.isnan(hue(np.zeros((1, 1, 3), np.uint8))).all()
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    np.testing.assert_array_equal(codes(frame, PATH, "hue").codes, got)
