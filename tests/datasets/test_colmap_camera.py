"""COLMAP's camera models: formulas written out, and pycolmap as the judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dng_kit import needs

from gpudepth.datasets.colmap import MODELS, PROJECTED, Camera
from gpudepth.errors import MalformedError, UnsupportedError

PARAMETERS = {
    "SIMPLE_PINHOLE": (500, 320, 240), "PINHOLE": (500, 510, 320, 240), "SIMPLE_RADIAL": (500, 320, 240, 0.05),
    "RADIAL": (500, 320, 240, 0.05, -0.02), "OPENCV": (500, 510, 320, 240, 0.05, -0.02, 0.003, -0.004)}
POINTS = np.array([[0, 0, 1], [0.3, -0.2, 1.5], [-1.1, 0.7, 2], [0.5, 0.5, 0.9], [2, -1, 7]], float)


def by_hand(model: str, p: tuple[float, ...], x: float, y: float, z: float) -> tuple[float, float]:
    """colmap/sensor/models.h, one model at a time."""
    u, v = x / z, y / z
    r2 = u * u + v * v
    if model == "SIMPLE_PINHOLE":
        return p[0] * u + p[1], p[0] * v + p[2]
    if model == "PINHOLE":
        return p[0] * u + p[2], p[1] * v + p[3]
    if model == "SIMPLE_RADIAL":
        return p[0] * u * (1 + p[3] * r2) + p[1], p[0] * v * (1 + p[3] * r2) + p[2]
    if model == "RADIAL":
        bend = 1 + p[3] * r2 + p[4] * r2 * r2
        return p[0] * u * bend + p[1], p[0] * v * bend + p[2]
    fx, fy, cx, cy, k1, k2, p1, p2 = p
    bend = 1 + k1 * r2 + k2 * r2 * r2
    return (fx * (u * bend + 2 * p1 * u * v + p2 * (r2 + 2 * u * u)) + cx,
            fy * (v * bend + 2 * p2 * u * v + p1 * (r2 + 2 * v * v)) + cy)


@pytest.mark.parametrize("model", PROJECTED)
def test_the_formulas(model: str) -> None:
    found = Camera(1, model, 640, 480, PARAMETERS[model]).project(POINTS)
    np.testing.assert_allclose(found, [by_hand(model, PARAMETERS[model], *p) for p in POINTS], rtol=1e-13)


@pytest.mark.parametrize("model", PROJECTED)
def test_pycolmap_sees_points_at_the_same_pixels(model: str) -> None:
    pycolmap = needs("pycolmap")
    judge = pycolmap.Camera(model=model, width=640, height=480, params=PARAMETERS[model])
    theirs = np.array([judge.img_from_cam(p) for p in POINTS])
    np.testing.assert_allclose(Camera(1, model, 640, 480, PARAMETERS[model]).project(POINTS), theirs, atol=1e-9)


def test_the_numbers_of_models_are_pycolmap_s() -> None:
    pycolmap = needs("pycolmap")
    for number, (name, parameters) in MODELS.items():
        theirs = pycolmap.CameraModelId.__members__[name]
        assert int(theirs) == number
        assert len(pycolmap.Camera.create_from_model_id(1, theirs, 100.0, 64, 48).params) == parameters


@pytest.mark.parametrize("model", [m for m, _ in MODELS.values() if m not in PROJECTED] + ["NEWER"])
def test_other_models_are_refused_with_a_sentence(model: str) -> None:
    count = dict(MODELS.values()).get(model, 5)
    with pytest.raises(UnsupportedError, match=f"the camera model {model} is not supported") as caught:
        Camera(7, model, 640, 480, (1.0,) * count).project(POINTS)
    assert "camera 7" in str(caught.value)
    assert "image_undistorter" in str(caught.value)


def test_what_is_no_camera() -> None:
    with pytest.raises(MalformedError, match="PINHOLE has 4 parameters, not 3"):
        Camera(1, "PINHOLE", 640, 480, (1, 2, 3))
    with pytest.raises(MalformedError, match="the size of its pictures is 0 × 480"):
        Camera(1, "PINHOLE", 0, 480, (1, 2, 3, 4))
    with pytest.raises(MalformedError, match="has the parameters"):
        Camera(1, "PINHOLE", 640, 480, (1, 2, 3, math.nan))
