"""DepthData: the surface of AVDepthData."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpudepth.depth import orientation as exif
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData, Storage
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, NATIVE
from gpudepth.errors import UsageError

VALUES = np.array([[0.5, 1.0, 4.0], [2.0, 0.25, 8.0]], np.float32)


def data(**fields):
    return DepthData.from_values(VALUES, "hdis", **fields)


def test_fields():
    d = data()
    assert (d.width, d.height, d.quantity, d.pixel_format) == (3, 2, "disparity", HDIS)
    assert (d.orientation, d.accuracy, d.quality, d.filtered, d.calibration, d.storage) == (
        1, "relative", "high", True, None, None)
    assert d.range() == (0.25, 8.0)
    assert np.array_equal(d.disparity(), VALUES)
    assert np.array_equal(d.depth(), 1 / VALUES)
    assert d.depth().dtype == d.disparity().dtype == np.float32
    assert repr(d) == "<DepthData 3×2 hdis, disparity 0.25…8 1/m, relative>"


@pytest.mark.parametrize("fmt", NATIVE)
@pytest.mark.parametrize("quantity", ["depth", "disparity"])
def test_from_values(fmt, quantity):
    d = DepthData.from_values(VALUES, fmt, quantity=quantity)
    assert d.map.dtype == fmt.dtype
    assert np.array_equal(d.values(quantity), VALUES)
    assert np.array_equal(DepthData.from_values(VALUES, fmt.name).map, VALUES.astype(fmt.dtype))


def test_values_without_a_value():
    v = np.array([[0.0, math.inf, math.nan, -0.0]], np.float32)
    d = DepthData.from_values(v, "fdep")
    assert np.array_equal(d.disparity(), [[math.inf, 0, math.nan, -math.inf]], equal_nan=True)
    assert d.range() == (0, 0)
    assert all(map(math.isnan, DepthData.from_values(v[:, 2:3], "fdep").range()))
    before = d.map.copy()
    d.values("depth")[:] = 7  # a copy
    assert np.array_equal(d.map, before, equal_nan=True)


@pytest.mark.parametrize("source", NATIVE)
@pytest.mark.parametrize("target", NATIVE)
def test_to(source, target):
    d = DepthData.from_values(VALUES, source, accuracy="absolute", storage=Storage(L008, 0.25, 8.0))
    out = d.to(target.name)
    assert out.pixel_format == target
    assert out.map.dtype == target.dtype
    assert np.array_equal(out.depth(), d.depth())  # powers of two: exact in all formats
    assert out.accuracy == "absolute"
    assert (out.storage is None) == (source.quantity is not target.quantity)
    assert d.to(source) is d


def test_to_a_stored_format_is_a_mistake():
    with pytest.raises(UsageError, match="codes, not values"):
        data().to("L008")


@pytest.mark.parametrize("o", range(1, 9))
@pytest.mark.parametrize("have", [1, 6, 7])
def test_oriented(o, have):
    c = Calibration(np.array([[3.0, 0, 1.25], [0, 3, 0.75], [0, 0, 1]]), 3, 2)
    d = data(calibration=c, orientation=have)
    turned = d.oriented(o)
    assert np.array_equal(turned.map, exif.apply(o, d.map))
    assert turned.map.flags.c_contiguous
    assert turned.calibration == c.oriented(o)
    # whoever follows `orientation` afterwards sees the same picture
    assert np.array_equal(turned.displayed().map, d.displayed().map)
    assert turned.displayed().orientation == 1
    assert d.oriented(have).orientation == 1


def test_oriented_by_nothing_is_itself():
    d = data()
    assert d.oriented(1) is d
    assert d.displayed() is d
    with pytest.raises(UsageError):
        d.oriented(0)


def test_replacing_map():
    d = data(storage=Storage(L008, 0, 1), accuracy="absolute", orientation=6)
    new = d.replacing_map(np.ones((4, 5), np.float16))
    assert (new.width, new.height, new.storage, new.accuracy, new.orientation) == (5, 4, None, "absolute", 6)
    with pytest.raises(UsageError, match="hdis requires float16, not float32"):
        d.replacing_map(VALUES)


@pytest.mark.parametrize(("values", "fmt", "words"), [
    (VALUES, HDIS, "float16, not float32"), (VALUES.astype(np.float16), FDEP, "float32, not float16"),
    (VALUES[0], FDIS, r"\(height, width\)"), (np.zeros((0, 3), np.float32), FDIS, r"\(height, width\)"),
    (np.zeros((2, 2, 1), np.float16), HDEP, r"\(height, width\)"), (np.zeros((2, 2), np.uint8), L008, "codes"),
])
def test_what_is_no_map(values, fmt, words):
    with pytest.raises(UsageError, match=words):
        DepthData(values, fmt)


def test_wrong_orientation():
    with pytest.raises(UsageError, match="orientation 9"):
        data(orientation=9)


def test_auxiliary_data_info():
    from gpudepth.depth.data import DATA, map_from_info

    info = data().auxiliary_data_info(16)
    values, fmt = map_from_info(info)
    assert fmt == HDIS
    assert np.array_equal(values, data().map)
    assert len(info[DATA]) == 32
