"""disc and the logarithmic codes: bytes, ends, monotony, what is clamped."""

from __future__ import annotations

import numpy as np
import pytest
from movie_kit import hexed

from gpudepth.depth.pixel_format import FDIS, HDIS
from gpudepth.errors import HolesError, MalformedError, RangeError, TruncatedError, UnsupportedError
from gpudepth.video.quicktime.log_code import LogRange

DISC = hexed("""
    00000015 64697363   # size 21, 'disc'
    00000000 01         # version and flags, 1
    00004000            # min 0.25, unsigned 16.16
    00038000            # max 3.5
""")


def test_disc_by_its_bytes():
    assert LogRange.parse(DISC[8:]) == LogRange(0.25, 3.5)
    assert LogRange(0.25, 3.5).serialise() == DISC
    assert LogRange() == LogRange(0, 16)


@pytest.mark.parametrize(("payload", "error", "words"), [
    (DISC[8:-1], TruncatedError, "x/disc: 4 bytes are needed"),
    (DISC[8:] + b"\0", MalformedError, "x/disc: there are 1 bytes too many"),
    (DISC[8:12] + b"\2" + DISC[13:], UnsupportedError, "x/disc: the box starts with 0000000002"),
    (b"\1" + DISC[9:], UnsupportedError, "starts with 0100000001"),
    (DISC[8:13] + DISC[17:] + DISC[13:17], MalformedError, "x/disc: 3.5 to 0.25 is not a valid range"),
    (DISC[8:13] + DISC[13:17] * 2, MalformedError, "0.25 to 0.25 is not a valid range"),
    (DISC[8:13] + hexed("80010000 80020000"), MalformedError, "is not a valid range"),
])
def test_discs_that_lie(payload, error, words):
    with pytest.raises(error, match=words):
        LogRange.parse(payload, "x/disc")


@pytest.mark.parametrize("ends", [LogRange(), LogRange(0, 2), LogRange(0.25, 3.5), LogRange(100, 100.5), LogRange(0, 65000)])
def test_table(ends):
    table = ends.values(FDIS)
    assert (table.shape, table.dtype, float(table[0]), float(table[-1])) == ((1024,), np.float32, ends.lo, ends.hi)
    assert (np.diff(table) > 0).all()
    i = np.arange(1024)
    formula = ends.lo + (ends.hi - ends.lo + 1) ** (i / 1023) - 1
    assert np.allclose(table, formula, rtol=1e-6, atol=1e-6)
    assert np.array_equal(ends.codes(formula), i)
    half = ends.values(HDIS)
    assert half.dtype == np.float16
    assert np.array_equal(half, table.astype(np.float16))


def test_thresholds_between_codes():
    """Between code i and i + 1: min + R^((i + 0.5) / 1023) − 1."""
    ends = LogRange(0.25, 3.5)
    i = np.arange(1023)
    threshold = ends.lo + (ends.hi - ends.lo + 1) ** ((i + 0.5) / 1023) - 1
    assert np.array_equal(ends.codes(threshold - 1e-9), i)
    assert np.array_equal(ends.codes(threshold + 1e-9), i + 1)


def test_what_lies_outside():
    ends = LogRange(0.25, 3.5)
    values = np.array([-1, 0, 0.2, 9, np.inf, -np.inf], np.float32)
    assert ends.codes(values).tolist() == [0, 0, 0, 1023, 1023, 0]
    with pytest.raises(HolesError, match="1 pixels have no value"):
        ends.codes(np.array([1, np.nan]))


def test_outward():
    ends = LogRange.outward(0.1, 1.7)
    assert ends.lo <= 0.1 <= 1.7 <= ends.hi
    assert LogRange.parse(ends.serialise()[8:]) == ends
    assert LogRange.outward(2, 2).hi > 2
    for lo, hi in ((-1, 2), (0, np.inf), (40000, 50000)):
        with pytest.raises(RangeError):
            LogRange.outward(lo, hi)
