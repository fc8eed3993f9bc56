"""Colour pictures through libx265, and back through FFmpeg's decoder."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from gpudepth.errors import UnsupportedError
from gpudepth.formats.hevc.codec import Colour, IntraEncoder
from gpudepth.formats.hevc.nal import split_lengths
from gpudepth.formats.hevc.parameter_sets import Configuration, ProfileTierLevel


def frame(seed: int = 0, name: str = "yuv420p", width: int = 64, height: int = 48) -> Any:
    y, x = np.mgrid[: height * 3 // 2, :width]
    top = 255 if name == "yuv420p" else 1023
    values = ((x * 3 + y * 2 + seed * 40) % (top + 1)).astype(np.uint8 if top == 255 else np.uint16)
    return av.VideoFrame.from_ndarray(values, format=name)


def decoded(hvcc: bytes, data: bytes) -> Any:
    configuration = Configuration.parse(hvcc[8:])
    stream = configuration.annex_b() + b"".join(b"\0\0\0\1" + n for n in split_lengths(data, 4, "test"))
    context = av.CodecContext.create("hevc", "r")
    return [*context.decode(av.Packet(stream)), *context.decode(None)][0]


@pytest.mark.parametrize(("name", "profile"), [("yuv420p", 3), ("yuv420p10le", 2)])
def test_pictures_come_back(name: str, profile: int) -> None:
    picture, colour = frame(name=name), Colour(9, 18, 9)
    hvcc, data = IntraEncoder(0).encode(picture, colour)
    back = decoded(hvcc, data)
    assert back.format.name == name
    assert np.abs(back.to_ndarray().astype(int) - picture.to_ndarray()).max() <= 2 << (picture.format.components[0].bits - 8)
    assert (int(back.color_primaries), int(back.color_trc), int(back.colorspace), int(back.color_range)) == (9, 18, 9, 1)
    sps = Configuration.parse(hvcc[8:]).first(33)
    assert sps is not None
    assert ProfileTierLevel.of(sps).serialise()[0] & 31 == profile


def test_full_range_is_said() -> None:
    assert int(decoded(*IntraEncoder(10).encode(frame(), Colour(full_range=True))).color_range) == 2


def test_a_fresh_encoder_for_each() -> None:
    """The same picture gives the same bytes, whatever was coded before; with one encoder for all it gives the same pixels."""
    fresh, kept = IntraEncoder(12), IntraEncoder(12, reuse=True)
    first = [fresh.encode(frame(n), Colour()) for n in (0, 1, 2, 3, 0)]
    assert first[0] == first[4]
    second = [kept.encode(frame(n), Colour()) for n in (0, 1, 2, 3, 0)]
    for one, other in zip(first, second, strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(decoded(*one).to_ndarray(), decoded(*other).to_ndarray())


def test_quality() -> None:
    sizes = [len(IntraEncoder(qp).encode(frame(), Colour())[1]) for qp in (0, 20, 40)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[2]


def test_what_is_refused() -> None:
    for picture in (frame(width=62, height=48).reformat(format="yuv444p"), frame(width=8, height=16),
                    av.VideoFrame(63, 48, "yuv420p")):
        with pytest.raises(UnsupportedError, match="be coded as HEVC:"):
            IntraEncoder(10).encode(picture, Colour())
