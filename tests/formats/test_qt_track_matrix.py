"""tkhd's matrix: hex with a comment per field ↔ orientation ↔ the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from movie_kit import hexed, matrix_for

from gpudepth.depth import orientation as exif
from gpudepth.errors import UnsupportedError
from gpudepth.formats.quicktime import movie

PORTRAIT = hexed("""
    00000000 00010000 00000000   # a 0, b 1, u 0
    ffff0000 00000000 00000000   # c −1, d 0, v 0
    04380000 00000000 40000000   # x 1080, y 0, w 1
""")


def test_a_phone_held_upright():
    assert movie.orientation_of(PORTRAIT) == 6
    assert matrix_for(6, 1920, 1080) == PORTRAIT


def test_identity():
    assert matrix_for(1, 640, 480) == movie.IDENTITY
    assert movie.orientation_of(movie.IDENTITY) == 1


@pytest.mark.parametrize("number", range(1, 9))
def test_all_eight_and_the_picture_stays_where_it_is_seen(number):
    raw = matrix_for(number, 64, 48)
    assert movie.orientation_of(raw) == number
    a, b, _, c, d, _, tx, ty, _ = np.frombuffer(raw, ">i4") / 65536
    corners = [(a * x + c * y + tx, b * x + d * y + ty) for x in (0, 64) for y in (0, 48)]
    assert np.min(corners, 0).tolist() == [0, 0]
    assert tuple(np.max(corners, 0)) == exif.size(number, 64, 48)


def test_scaled_is_a_turn_still():
    assert movie.orientation_of(PORTRAIT.replace(hexed("00010000"), hexed("00008000"))) == 6


@pytest.mark.parametrize("raw", [bytes(36), movie.IDENTITY[:4] + hexed("00008000") + movie.IDENTITY[8:]])
def test_other_matrices_are_refused(raw):
    with pytest.raises(UnsupportedError, match=r'not a rotation by quarter turns \(orientation="coded"'):
        movie.orientation_of(raw, "moov/trak/tkhd")
