"""How a camera follows its picture: points in space must land on the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from gpudepth.depth import orientation as exif
from gpudepth.depth.calibration import Calibration

ALL = range(1, 9)


@pytest.fixture
def camera():
    angle = 0.2
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    return Calibration(
        np.array([[500.0, 0, 310], [0, 480, 250], [0, 0, 1]]), 640, 480,
        extrinsics=np.hstack([rotation, [[10.0], [-20.0], [30.0]]]), pixel_size=0.002,
        distortion=(0.0, 0.1), inverse_distortion=(0.0, -0.1), distortion_center=(312.0, 247.0))


def project(c, point):
    """Pixel of a point in camera coordinates (x right, y down, z ahead of the picture as stored)."""
    x, y, w = c.intrinsics @ point
    return np.array([x / w, y / w])


def turned_pixel(o, pixel, width, height):
    """Where apply() moves a point of the picture plane; (0, 0) is the upper left corner of the frame."""
    x, y = pixel
    corners = {1: (x, y), 2: (width - x, y), 3: (width - x, height - y), 4: (x, height - y), 5: (y, x),
               6: (height - y, x), 7: (height - y, width - x), 8: (y, width - x)}
    return np.array(corners[o])


@pytest.mark.parametrize("o", ALL)
def test_oriented_projects_to_the_turned_pixel(o, camera):
    turned = camera.oriented(o)
    turn = np.eye(3)
    turn[:2, :2] = exif.matrix(o)
    rng = np.random.default_rng(o)
    for point in rng.uniform([-1, -1, 1], [1, 1, 5], (20, 3)):
        pixel = turned_pixel(o, project(camera, point), 640, 480)
        assert project(turned, turn @ point) == pytest.approx(pixel)
    assert (turned.reference_width, turned.reference_height) == exif.size(o, 640, 480)
    assert turned.distortion_center == pytest.approx(tuple(turned_pixel(o, camera.distortion_center, 640, 480)))


@pytest.mark.parametrize("o", ALL)
def test_extrinsics_turn_against_the_picture(o, camera):
    """R takes camera coordinates to the reference's: the turned R takes the turned ones there too."""
    turn = np.eye(3)
    turn[:2, :2] = exif.matrix(o)
    before, after = camera.extrinsics, camera.oriented(o).extrinsics
    assert after[:, :3] @ turn == pytest.approx(before[:, :3])
    assert after[:, 3] == pytest.approx(before[:, 3])


def test_upright_exports_of_the_identity():
    """Files exported upright by Apple software hold 0,−1,0, 1,0,0, 0,0,1, 0,0,0, column by column."""
    upright = Calibration(np.array([[3032.0, 0, 1988], [0, 3032, 1512], [0, 0, 1]]), 4032, 3024).oriented(6)
    assert upright.extrinsics.T.ravel().tolist() == [0, -1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert (upright.reference_width, upright.reference_height) == (3024, 4032)
    assert upright.center == (3024 - 1512, 1988)


@pytest.mark.parametrize("o", ALL)
def test_there_and_back(o, camera):
    back = camera.oriented(o).oriented(exif.inverse(o))
    assert np.allclose(back.intrinsics, camera.intrinsics)
    assert np.allclose(back.extrinsics, camera.extrinsics)
    assert back.distortion_center == pytest.approx(camera.distortion_center)
    assert (back.reference_width, back.reference_height) == (640, 480)
    assert (back.distortion, back.pixel_size) == (camera.distortion, camera.pixel_size)


@pytest.mark.parametrize(("a", "b"), [(a, b) for a in ALL for b in ALL])
def test_one_turn_after_another(a, b, camera):
    twice, once = camera.oriented(a).oriented(b), camera.oriented(exif.then(a, b))
    assert np.allclose(twice.intrinsics, once.intrinsics)
    assert np.allclose(twice.extrinsics, once.extrinsics)


def test_scaled(camera):
    half = camera.scaled(320, 120)
    for point in ([0.1, 0.2, 1.0], [-0.4, 0.3, 2.0]):
        assert project(half, point) == pytest.approx(project(camera, point) * [0.5, 0.25])
    assert half.distortion_center == (156.0, 61.75)
    assert half.pixel_size == 0.004
    assert (half.reference_width, half.reference_height) == (320, 120)
    assert half.scaled(640, 480) == camera
    assert camera.scaled(640, 480) is camera


def test_cropped(camera):
    window = camera.cropped(10, 20, 100, 80)
    for point in ([0.1, 0.2, 1.0], [-0.4, 0.3, 2.0]):
        assert project(window, point) == pytest.approx(project(camera, point) - [10, 20])
    assert window.distortion_center == (302.0, 227.0)
    assert (window.reference_width, window.reference_height, window.pixel_size) == (100, 80, 0.002)


def test_without_a_distortion_centre():
    plain = Calibration(np.eye(3), 4, 3)
    for other in (plain.scaled(8, 6), plain.cropped(1, 1, 2, 2), plain.oriented(7)):
        assert other.distortion_center is None


def test_from_the_focal_length_of_exif():
    """26 mm on a 36 mm wide frame, whichever way the picture lies."""
    for width, height in ((4032, 3024), (3024, 4032)):
        c = Calibration.from_focal35(26, width, height)
        assert c.focal == pytest.approx((4032 * 26 / 36,) * 2)
        assert c.center == (width / 2, height / 2)
    landscape = Calibration.from_focal35(26, 4032, 3024).oriented(6)
    assert np.allclose(landscape.intrinsics, Calibration.from_focal35(26, 3024, 4032).intrinsics)


def test_equality(camera):
    assert camera == camera.oriented(3).oriented(3)
    assert camera != camera.scaled(320, 240)
    assert camera != "camera"
    with pytest.raises(TypeError):
        hash(camera)
