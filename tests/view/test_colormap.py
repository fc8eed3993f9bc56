"""Colours of depth: evenly lighter, evenly apart, and what has no value looks like nothing else."""

from __future__ import annotations

import cv2
import numpy as np

from gpudepth.view.canvas import coloured, table


def lab() -> np.ndarray:
    """CIELAB by OpenCV, a judge that does not know OKLab."""
    rgb = (table()[None].astype(np.float32)) / 255
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0]


def test_lightness_rises_evenly() -> None:
    lightness = lab()[:, 0]
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert lightness[0] < 15
    assert lightness[-1] > 90
    assert np.abs(np.convolve(steps, np.ones(16) / 16, "valid") - steps.mean()).max() < 0.6 * steps.mean()


def test_steps_look_alike() -> None:
    apart = np.linalg.norm(np.diff(lab()[::8], axis=0), axis=1)
    assert apart.max() < 3.5 * apart.min()


def test_near_is_bright_and_holes_are_gray() -> None:
    out = coloured(np.array([[0.0, 1.0, np.nan, -3, 7, np.inf]]))
    assert out.dtype == np.uint8
    assert out[0, 0].tolist() == out[0, 3].tolist() == table()[0].tolist()
    assert out[0, 1].tolist() == out[0, 4].tolist() == table()[255].tolist()
    for hole in (out[0, 2], out[0, 5]):
        assert np.ptp(hole) == 0
    assert (np.ptp(table(), axis=1) > 30).all()     # no colour of the table is gray


def test_holes_are_striped() -> None:
    out = coloured(np.full((24, 24), np.nan))
    assert set(np.unique(out)) == {120, 180}
