"""The five calls, from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, heic, ramp

import gpudepth
from gpudepth.errors import MissingInputError, NoDepthError, UnsupportedError, UsageError


def test_attach_read_remove_inspect(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48, 8)
    out = gpudepth.attach(photo, gray(tmp_path / "d.png", 24, 32), tmp_path / "o.heic", near=0.5, far=12)
    assert out == tmp_path / "o.heic"
    data = gpudepth.read(out)
    coded = gpudepth.read(out, orientation="coded")
    assert data is not None and coded is not None
    assert (data.width, data.height, data.orientation) == (24, 32, 1)
    assert (coded.width, coded.height, coded.orientation) == (32, 24, 8)
    assert np.array_equal(coded.displayed().map, data.map)
    assert gpudepth.inspect(out).depth is not None
    assert gpudepth.read(gpudepth.remove(out, tmp_path / "r.heic")) is None
    assert (tmp_path / "r.heic").read_bytes() == photo.read_bytes()


def test_arrays(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    metres = np.linspace(1, 4, 32 * 24).reshape(24, 32)
    for array in (metres, metres.astype(np.float32), metres.astype(">f4"), np.asfortranarray(metres)):
        data = gpudepth.read(gpudepth.attach(photo, array, tmp_path / "o.heic"))
        assert data is not None
        assert data.depth()[-1, -1] == pytest.approx(4, rel=1e-3)
    for codes in (ramp(32, 24), ramp(32, 24, 255)):
        data = gpudepth.read(gpudepth.attach(photo, codes, tmp_path / "o.heic", near=1, far=4, white="near"))
        assert data is not None
        assert data.depth()[0, 0] == pytest.approx(4, rel=1e-3)
    with pytest.raises(UsageError, match="nothing defines"):
        gpudepth.attach(photo, ramp(32, 24), tmp_path / "x.heic")


def test_options(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    metres = np.linspace(1, 4, 64 * 48).reshape(48, 64)
    for resize in ((32, 24), 32):
        data = gpudepth.read(gpudepth.attach(photo, metres, tmp_path / "o.heic", resize=resize, bits=12,
                                             pixel_format="fdep", accuracy="absolute", quality="low", filtered=False))
        assert data is not None and data.storage is not None
        assert (data.width, data.height, str(data.pixel_format), data.storage.format.name) == (32, 24, "fdep", "L012")
        assert (data.accuracy, data.quality, data.filtered) == ("absolute", "low", False)
    gpudepth.attach(photo, metres, in_place=True)
    assert gpudepth.read(photo) is not None


def test_refusals(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    with pytest.raises(UsageError, match="in_place"):
        gpudepth.attach(photo, ramp(32, 24), near=1, far=2)
    with pytest.raises(UsageError, match="go together"):
        gpudepth.attach(photo, ramp(32, 24), tmp_path / "x.heic", near=1)
    with pytest.raises(UsageError, match="unknown setting"):
        gpudepth.attach(photo, ramp(32, 24), tmp_path / "x.heic", near=1, far=2, nonsense=3)
    with pytest.raises(MissingInputError):
        gpudepth.read(tmp_path / "none.heic")
    with pytest.raises(UnsupportedError):
        gpudepth.read(gray(tmp_path / "d.png"))
    with pytest.raises(NoDepthError):
        gpudepth.remove(photo, tmp_path / "x.heic")
    assert gpudepth.read(photo) is None
    assert not (tmp_path / "x.heic").exists()


def test_from_model(tmp_path: Path) -> None:
    """What models return becomes metres, in one call."""
    disparity = np.linspace(2, 7, 32 * 24, dtype=np.float32).reshape(1, 24, 32)
    data = gpudepth.from_model(disparity, near=0.5, far=10)
    metres = data.depth()
    assert data.accuracy == "relative"
    assert metres[-1, -1] == pytest.approx(0.5, rel=1e-3)
    assert metres[0, 0] == pytest.approx(10, rel=1e-3)
    middle = 1 / (0.1 + (2 - 0.1) * (disparity[0, 12, 5] - 2) / 5)
    assert metres[12, 5] == pytest.approx(middle, rel=2e-3)
    far = gpudepth.from_model(disparity, 0.5, 10, quantity="depth").depth()
    assert (far[0, 0], far[-1, -1]) == (pytest.approx(0.5, rel=1e-3), pytest.approx(10, rel=1e-3))
    metric = gpudepth.from_model({"predicted_depth": disparity})
    assert metric.accuracy == "absolute"
    assert np.allclose(metric.depth(), disparity[0], rtol=1e-3)
    codes = gpudepth.from_model(ramp(32, 24), near=0.5, far=10, pixel_format="fdep").depth()
    assert codes.max() == pytest.approx(10, rel=1e-3)
    assert np.allclose(gpudepth.from_model(disparity, preset="marigold", near=0.5, far=10).map,
                       gpudepth.from_model(disparity, 0.5, 10, quantity="depth").map)
    out = gpudepth.read(gpudepth.attach(heic(tmp_path / "p.heic", 64, 48), data, tmp_path / "o.heic"))
    assert out is not None
    assert np.allclose(out.depth(), metres, rtol=0.1)
    with pytest.raises(UsageError, match="must be passed together"):
        gpudepth.from_model(disparity, near=1)
    with pytest.raises(UsageError, match="not take far,"):
        gpudepth.from_model(disparity, near=1, far=2, preset="depth-pro")
