"""What source codes mean, against plain arithmetic in metres."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from gpudepth.depth import numeric
from gpudepth.depth.encoding import (
    Depth,
    Disparity,
    DisparityRange,
    Distance,
    Gray,
    Kinect,
    Stereo,
    ZBuffer,
    factor_of,
    parse_scale,
)
from gpudepth.depth.pixel_format import Quantity
from gpudepth.errors import UsageError

DEPTH, DISPARITY = Quantity.DEPTH, Quantity.DISPARITY
INF = math.inf


def metres(encoding, codes, top, quantity=DEPTH):
    """float64 metres that an encoding gives, by way of either quantity."""
    v = numeric.values(np.asarray(codes), encoding.linear(quantity, top)).astype(float)
    with np.errstate(divide="ignore"):
        return v if quantity is DEPTH else 1 / v


# -- gray -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("curve", "white", "quantity", "top"), list(itertools.product(
    ("depth", "disparity"), ("far", "near"), (DEPTH, DISPARITY), (255, 65535, None))))
def test_gray(curve, white, quantity, top):
    near, far = 0.5, 12.0
    rule = Gray(near, far, curve, white).linear(quantity, top)
    black, bright = (near, far) if white == "far" else (far, near)
    one = top or 1
    ends = [black, bright] if quantity is DEPTH else [1 / black, 1 / bright]
    assert [rule.at(0), rule.at(one)] == [np.float32(e) for e in ends]  # exactly
    for g in (0.1, 0.25, 0.5, 0.9):
        code = round(g * one) if top else g
        t = code / one
        plain = black + (bright - black) * t if curve == "depth" else 1 / (1 / black + (1 / bright - 1 / black) * t)
        assert rule.at(code) == pytest.approx(plain if quantity is DEPTH else 1 / plain, rel=1e-6)


def test_grays_with_an_open_end():
    g = Gray(0.5, INF, "disparity")
    assert g.linear(DISPARITY, 255).at(255) == 0
    assert g.linear(DEPTH, 255).at(255) == INF
    assert g.linear(DEPTH, 255).at(0) == 0.5
    assert Gray(0, 4).linear(DEPTH, 255).at(0) == 0


@pytest.mark.parametrize(("arguments", "words"), [
    ((12, 0.5), "must be smaller"), ((3, 3), "must be smaller"), ((math.nan, 3), "must be smaller"),
    ((1, math.nan), "must be smaller"), ((-1, 3), "negative"), ((0, 3, "disparity"), "no disparity"),
    ((1e-9, 3, "disparity"), "no disparity"), ((0.5, INF), "infinite"),
])
def test_grays_that_make_no_sense(arguments, words):
    with pytest.raises(UsageError, match=words):
        Gray(*arguments)


def test_near_zero_has_depth_and_no_disparity():
    assert Gray(0, 4).linear(DEPTH, 255).at(255) == 4
    with pytest.raises(UsageError, match="no disparity"):
        Gray(0, 4).linear(DISPARITY, 255)


def test_disparity_range():
    """The numbers of the article's own example."""
    d = DisparityRange(1.2627, 6.8086)
    assert d.linear(DISPARITY, 255).at(0) == np.float32(1.2627)
    assert d.linear(DISPARITY, 255).at(255) == np.float32(6.8086)
    assert d.linear(DISPARITY, 255).at(51) == pytest.approx(1.2627 + 0.2 * (6.8086 - 1.2627), rel=1e-6)
    assert d.linear(DEPTH, 255).at(255) == pytest.approx(1 / 6.8086, rel=1e-6)
    assert DisparityRange(0, 2).linear(DEPTH, 255).at(0) == INF
    assert DisparityRange(2, 0).linear(DISPARITY, 255).at(0) == 2
    for black, white in ((1, 1), (-1, 2), (1, INF), (math.nan, 1)):
        with pytest.raises(UsageError):
            DisparityRange(black, white)


# -- metric -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("scale", "offset"), [("mm", 0.0), ("1/5000", 0.0), ("1/256", 0.0), ("cm", -0.5), ("1", 2.0)])
@pytest.mark.parametrize("quantity", [DEPTH, DISPARITY])
def test_depth(scale, offset, quantity):
    encoding = Depth(parse_scale(scale), offset)
    codes = np.array([1, 100, 1000, 30000, 65535], np.uint16)
    plain = codes * float(parse_scale(scale)) + offset
    assert metres(encoding, codes, 65535, quantity) == pytest.approx(plain, rel=1e-5)
    assert math.isnan(metres(encoding, np.array([0], np.uint16), 65535)[0])


def test_depth_of_floats_is_itself():
    values = np.array([0.25, 1.5, 65504.0, 3e38], np.float32)
    assert np.array_equal(numeric.values(values, Depth().linear(DEPTH, None)), values)
    bad = np.array([0, -1, math.nan, INF], np.float32)
    assert np.isnan(numeric.values(bad, Depth().linear(DEPTH, None))).all()


def test_invalid_codes_that_are_named():
    rule = Depth(parse_scale("mm"), invalid=(0, 65535)).linear(DEPTH, 65535)
    assert np.isnan(numeric.values(np.array([0, 1, 65535], np.uint16), rule)).tolist() == [True, False, True]
    assert not np.isnan(numeric.values(np.array([0], np.uint16), Depth(invalid=()).linear(DEPTH, 65535)))[0]


def test_disparity():
    encoding = Disparity(parse_scale("1/256"))
    codes = np.array([0, 1, 512, 65535], np.uint16)
    assert np.array_equal(numeric.values(codes, encoding.linear(DISPARITY, 65535)), codes / np.float32(256))
    assert metres(encoding, codes, 65535).tolist()[:3] == [INF, 256, 0.5]


# -- stereo -----------------------------------------------------------------------------------------------------------

def test_stereo_by_middleburys_formula(sample):
    """Z = baseline · f / (d + doffs), baseline in mm, from the calib.txt of the data set."""
    text = sample("depth/middlebury2014_MotorcycleQ_calib.txt").read_text()
    calib = dict(line.split("=") for line in text.split("\n") if "=" in line)
    focal = float(calib["cam0"].strip("[").split()[0])
    baseline, doffs = float(calib["baseline"]), float(calib["doffs"])
    shifts = np.array([5.0, 20.0, 64.5], np.float32)
    encoding = Stereo(focal, baseline / 1000, doffs)
    plain = baseline / 1000 * focal / (shifts.astype(float) + doffs)
    for quantity in (DEPTH, DISPARITY):
        assert metres(encoding, shifts, None, quantity) == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize(("doffs", "top"), [(0.0, 65535), (31.2, 65535), (31.2, None), (0.0, None), (-4.0, 255)])
def test_stereo(doffs, top):
    """KITTI: uint16 / 256."""
    scale = Fraction(1, 256) if top else Fraction(1)
    codes = np.array([30, 200], np.uint8) if top == 255 else np.array([2560, 65535], np.uint16)
    if top is None:
        codes = np.array([10.0, 255.0], np.float32)
    encoding = Stereo(721.5, 0.54, doffs, scale)
    plain = 721.5 * 0.54 / (codes.astype(float) * float(scale) + doffs)
    assert metres(encoding, codes, top) == pytest.approx(plain, rel=1e-4)
    assert metres(encoding, codes, top, DISPARITY) == pytest.approx(plain, rel=1e-4)


def test_shift_zero_means_no_match_only_without_doffs():
    zero = np.array([0], np.uint16)
    assert np.isnan(numeric.values(zero, Stereo(700, 0.5).linear(DISPARITY, 65535)))[0]
    assert numeric.values(zero, Stereo(700, 0.5, 7).linear(DISPARITY, 65535))[0] == np.float32(7 / 350)
    assert np.isnan(numeric.values(np.zeros(1, np.float32), Stereo(700, 0.5).linear(DISPARITY, None)))[0]


@pytest.mark.parametrize("arguments", [(0, 1), (-1, 1), (700, 0), (INF, 1), (700, math.nan)])
def test_stereo_that_makes_no_sense(arguments):
    with pytest.raises(UsageError, match="must be positive"):
        Stereo(*arguments)


# -- z-buffer ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("far", "reverse", "ndc"), list(itertools.product((100.0, INF), (False, True), (False, True))))
def test_z_buffer_by_the_projection_matrix(far, reverse, ndc):
    """Project points as a renderer does, then read the buffer back."""
    near = 0.1
    z = np.array([0.1, 0.2, 1.0, 7.0, 50.0])
    scale = 1.0 if math.isinf(far) else far / (far - near)
    buffer = scale * (1 - near / z)  # 0 at near, 1 at far
    if reverse:
        buffer = 1 - buffer
    if ndc:
        buffer = 2 * buffer - 1
    encoding = ZBuffer(near, far, reverse, ndc)
    for quantity in (DEPTH, DISPARITY):
        assert metres(encoding, buffer, None, quantity) == pytest.approx(z, rel=1e-3)


def test_z_buffer_ends():
    for top in (255, 65535, None):
        one = top or 1
        assert ZBuffer(0.5, 8).linear(DEPTH, top).at(0) == 0.5
        assert ZBuffer(0.5, 8).linear(DEPTH, top).at(one) == 8
        assert ZBuffer(0.5, reversed=True).linear(DEPTH, top).at(0) == INF
        assert ZBuffer(0.5, reversed=True).linear(DEPTH, top).at(one) == 0.5
    assert ZBuffer(0.5, 8, ndc=True).linear(DEPTH, None).at(-1) == 0.5
    assert ZBuffer(0.5, 8, ndc=True).linear(DEPTH, None).at(1) == 8


def test_z_buffers_that_make_no_sense():
    for arguments in ((0, 10), (-1, 10), (10, 1), (5, 5)):
        with pytest.raises(UsageError):
            ZBuffer(*arguments)
    with pytest.raises(UsageError, match="ndc"):
        ZBuffer(0.1, 10, ndc=True).linear(DEPTH, 65535)


# -- distance ---------------------------------------------------------------------------------------------------------

def test_distance_by_hypersims_formula():
    """From the data set's page: depth = distance / ‖(x, y, f)‖ · f, pixel centres from −W/2 + 0.5."""
    width, height, focal = 64, 48, 55.5
    x = np.linspace(-0.5 * width + 0.5, 0.5 * width - 0.5, width).reshape(1, width).repeat(height, 0)
    y = np.linspace(-0.5 * height + 0.5, 0.5 * height - 0.5, height).reshape(height, 1).repeat(width, 1)
    plane = np.dstack([x, y, np.full((height, width), focal)])
    plain = focal / np.linalg.norm(plane, axis=2)
    encoding = Distance(focal_px=focal)
    factor = factor_of(encoding, width, height)
    assert factor.dtype == np.float32
    assert factor == pytest.approx(plain, rel=1e-7)
    distance = np.full((height, width), 3.0, np.float32)
    got = numeric.values(distance, encoding.linear(DEPTH, None), factor)
    assert got == pytest.approx(3 * plain, rel=1e-6)
    assert numeric.values(distance, encoding.linear(DISPARITY, None), factor) == pytest.approx(1 / (3 * plain), rel=1e-6)


def test_distance_from_a_named_centre():
    factor = Distance(focal_px=10, cx=3, cy=4).factor(8, 8)
    assert factor[4, 3] == 1
    assert factor[4, 3 + 4] == np.float32(10 / math.sqrt(116))
    assert factor_of(Depth(), 8, 8) is None
    for focal in (0, -1, INF, math.nan):
        with pytest.raises(UsageError, match="focal"):
            Distance(focal_px=focal)


# -- words ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "value"), [
    ("mm", Fraction(1, 1000)), (" cm ", Fraction(1, 100)), ("m", Fraction(1)), ("dm", Fraction(1, 10)),
    ("1/256", Fraction(1, 256)), ("0.001", Fraction(1, 1000)), (5e-3, Fraction(1, 200)), (2, Fraction(2)),
    (Fraction(1, 3), Fraction(1, 3)), ("1e-3", Fraction(1, 1000))])
def test_parse_scale(text, value):
    assert parse_scale(text) == value


@pytest.mark.parametrize("text", ["", "km", "1/0", "0", "-1", -2.5, "nan", "inf", math.nan, INF, "1/x", None])
def test_scales_that_are_none(text):
    with pytest.raises(UsageError):
        parse_scale(text)


@pytest.mark.parametrize(("encoding", "words"), [
    (Gray(0.5, 12), "black = 0.50 m, white = 12.00 m, linear in depth"),
    (Gray(0.05, INF, "disparity", "near"), "black = infinity, white = 0.05 m, linear in disparity"),
    (DisparityRange(0, 2), "black = infinity, white = 0.50 m, linear in disparity"),
    (Depth(Fraction(1, 1000)), "depth = value · 1/1000 m"),
    (Depth(Fraction(1), 0.5), "depth = value · 1 +0.5 m"),
    (Disparity(Fraction(1, 256)), "disparity = value · 1/256 1/m"),
    (Stereo(700, 0.5, 3, Fraction(1, 256)), "disparity = (value · 1/256 +3 px) / (700 px · 0.5 m)"),
    (ZBuffer(0.1, reversed=True), "z-buffer: 0 = infinity, 1 = 0.10 m"),
    (ZBuffer(0.1, 10, ndc=True), "z-buffer: -1 = 0.10 m, 1 = 10.00 m"),
    (Distance(focal_px=886.81), "distance along the ray = value · 1 m, focal length 886.81 px"),
])
def test_describe(encoding, words):
    assert encoding.describe(None) == words


def test_kinect_codes_are_linear_in_disparity() -> None:
    codes = np.arange(1, 1093, dtype=np.uint16)
    for quantity, wanted in ((Quantity.DISPARITY, (1092.5 - codes) / 351.3), (Quantity.DEPTH, 351.3 / (1092.5 - codes))):
        found = numeric.values(codes, Kinect().linear(quantity, 65535))
        np.testing.assert_allclose(found, wanted, rtol=2e-4)        # at the far end two codes from nothing
        np.testing.assert_allclose(found[:1000], wanted[:1000], rtol=2e-6)
    assert np.isnan(numeric.values(np.zeros(1, np.uint16), Kinect().linear(Quantity.DEPTH, 65535))).all()
    assert Kinect().describe(65535) == "depth = 351.3 / (1092.5 − value) m"
