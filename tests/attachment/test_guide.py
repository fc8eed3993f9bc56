"""The photo as a guide: as displayed or as stored, from every kind of file, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dng_kit import dng
from photo_kit import heic, plain
from PIL import Image, ImageOps

from gpudepth.attachment.photo import file_guide
from gpudepth.depth import orientation as exif
from gpudepth.errors import LimitError, MalformedError, TruncatedError, UnsupportedError
from gpudepth.limits import DEFAULT, Limits


def shown(path: Path) -> Any:
    """What a viewer shows of a JPEG or PNG."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["heic", "jpg", "png"])
def test_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / f"photo.{kind}"
    (heic if kind == "heic" else plain)(path, 96, 64, orientation)
    reference = shown(plain(tmp_path / "reference.png", 96, 64, orientation)).astype(int)
    height, width = reference.shape[:2]
    display = file_guide(path, "display", DEFAULT).at(width, height)
    assert (display.shape, display.dtype, display.flags.c_contiguous) == (reference.shape, np.uint8, True)
    assert np.abs(display - reference).mean() < 6      # what lossy coding leaves
    coded = file_guide(path, "coded", DEFAULT).at(96, 64)
    np.testing.assert_array_equal(exif.apply(orientation, coded), display)


def test_sizes(tmp_path: Path) -> None:
    guide = file_guide(plain(tmp_path / "photo.png", 96, 64, 6), "display", DEFAULT)
    whole = guide.at(64, 96).astype(float)
    small = guide.at(32, 48)
    assert small.shape == (48, 32, 3)
    means = whole.reshape(48, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(small - means).max() <= 1            # each pixel is the mean of what it covers
    assert guide.at(100, 150).shape == (150, 100, 3)


def test_modes(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "1", "CMYK"):
        path = tmp_path / ("photo.tiff" if mode == "CMYK" else f"{mode}.png")
        Image.new(mode, (20, 10)).save(path)
        assert file_guide(path, "display", DEFAULT).at(20, 10).shape == (10, 20, 3)


def test_raw_photos_cannot_guide(tmp_path: Path) -> None:
    path = tmp_path / "photo.dng"
    path.write_bytes(dng())
    with pytest.raises(UnsupportedError, match="a raw photo cannot guide"):
        file_guide(path, "display", DEFAULT).at(10, 10)


def test_damaged_and_too_large(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.effect_noise((200, 200), 80).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TruncatedError, match="that guide"):
        file_guide(path, "display", DEFAULT).at(10, 10)
    damaged = heic(tmp_path / "photo.heic", 64, 64)
    blob = bytearray(damaged.read_bytes())
    blob[-60:] = bytes(60)
    blob[blob.index(b"mdat") + 4:] = bytes(len(blob) - blob.index(b"mdat") - 4)
    damaged.write_bytes(blob)
    with pytest.raises(MalformedError, match="that guides the map"):
        file_guide(damaged, "display", DEFAULT).at(10, 10)
    with pytest.raises(LimitError, match="max_pixels"):
        file_guide(plain(tmp_path / "ok.png", 64, 64), "display", Limits(max_pixels=1000)).at(10, 10)
