"""What there is to show of a file: upright, at a size, or why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, heic, plain

import gpudepth
from gpudepth.depth.data import DepthData
from gpudepth.errors import NoDepthError
from gpudepth.view.depth_view import DepthView, fitted, load, resized


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_upright(tmp_path: Path, orientation: int) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48, orientation)
    width, height = (64, 48) if orientation < 5 else (48, 64)
    out = gpudepth.attach(photo, gray(tmp_path / "d.png", width // 2, height // 2), tmp_path / "o.heic", near=0.5, far=12)
    shown = load(out, 32)
    assert shown.picture is not None
    assert shown.picture.shape[:2] == ((24, 32) if width > height else (32, 24))
    assert (shown.data.width, shown.data.height, shown.data.orientation) == (width // 2, height // 2, 1)
    assert shown.fitted(320) == ((320, 240) if width > height else (240, 320))


def test_near_is_one(tmp_path: Path) -> None:
    metres = np.linspace(1, 4, 40 * 30).reshape(30, 40)
    metres[0, 0] = np.nan
    near = DepthView("x", DepthData.from_values(metres, "fdep", quantity="depth")).near()
    assert np.isnan(near[0, 0])
    assert near[0, 1] == 1
    assert near[-1, -1] == 0
    assert (np.diff(near[5]) < 0).all()


def test_maps_without_a_span() -> None:
    flat = DepthView("x", DepthData.from_values(np.full((4, 4), 2.0), "fdep", quantity="depth"))
    assert (flat.near() == 0.5).all()
    empty = DepthView("x", DepthData.from_values(np.full((4, 4), np.nan), "fdep", quantity="depth"))
    assert np.isnan(empty.near()).all()
    far = DepthView("x", DepthData.from_values(np.array([[0.0, 0.5], [1, 2]]), "fdis", quantity="disparity"))    # 0: infinity
    assert far.near().min() == 0


def test_a_map_alone(tmp_path: Path) -> None:
    photo = plain(tmp_path / "p.jpg", 64, 48)
    with pytest.raises(NoDepthError) as error:
        load(photo, 64)
    assert "gpudepth attach p.jpg" in str(error.value.hint)
    out = gpudepth.attach(photo, gray(tmp_path / "d.png", 32, 24), tmp_path / "o.jpg", near=0.5, far=12)
    shown = load(gpudepth.convert(out, tmp_path / "o.plist"), 64)
    assert shown.picture is None
    assert shown.note == "a map without a photo"
    assert shown.fitted(64) == (64, 48)


def test_sizes() -> None:
    assert fitted(4000, 1, 100) == (100, 1)
    assert resized(np.arange(6).reshape(2, 3), 3, 2).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert resized(np.arange(6).reshape(2, 3), 6, 4).tolist()[3] == [3, 3, 4, 4, 5, 5]
