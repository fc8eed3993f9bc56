from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gpudepth.demo.scene import View, render
from gpudepth.errors import UnsupportedError
from gpudepth.maps.pictures import palette_of
from gpudepth.maps.reader import read_map

H, W = 120, 160


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    _, depth = render(View(W, H, focal=124.0))
    inverse = 1 / depth
    return np.rint((inverse - inverse.min()) / np.ptp(inverse) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return render(View(W, H, focal=124.0))[0]


def coloured(gray: np.ndarray, name: str) -> np.ndarray:
    if name == "Spectral_r":
        anchors = np.array([(94, 79, 162), (50, 136, 189), (102, 194, 165), (171, 221, 164), (230, 245, 152),
                            (255, 255, 191), (254, 224, 139), (253, 174, 97), (244, 109, 67), (213, 62, 79),
                            (158, 1, 66)])
        at = np.linspace(0, 10, 256)
        table = np.stack([np.interp(at, np.arange(11), anchors[:, c]) for c in range(3)], axis=1)
        return np.rint(table).astype(np.uint8)[gray]
    return np.ascontiguousarray(cv2.applyColorMap(gray, getattr(cv2, f"COLORMAP_{name.upper()}"))[..., ::-1])


@pytest.mark.parametrize("name", ["inferno", "Spectral_r", "magma", "viridis", "plasma", "turbo", "jet"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_palettes_are_named(tmp_path: Path, gray: np.ndarray, name: str, suffix: str) -> None:
    Image.fromarray(coloured(gray, name)).save(tmp_path / f"map{suffix}")
    with pytest.raises(UnsupportedError, match=rf"probably {name}.*MiDaS --grayscale") as caught:
        read_map(tmp_path / f"map{suffix}")
    assert "--pred-only" in (caught.value.hint or "")


def test_indexed_picture_with_coloured_palette(tmp_path: Path, gray: np.ndarray) -> None:
    Image.fromarray(coloured(gray, "viridis")).quantize(256).save(tmp_path / "map.png")
    with pytest.raises(UnsupportedError, match="palette"):
        read_map(tmp_path / "map.png")


def test_unknown_palette_has_few_colours(tmp_path: Path, gray: np.ndarray) -> None:
    Image.fromarray(coloured(gray, "ocean")).save(tmp_path / "map.png")
    with pytest.raises(UnsupportedError, match="was coloured with a palette; "):
        read_map(tmp_path / "map.png")


def test_photo_is_no_palette(tmp_path: Path, photo: np.ndarray) -> None:
    assert palette_of(photo) is None
    Image.fromarray(photo).save(tmp_path / "photo.png")
    with pytest.raises(UnsupportedError, match="is a colour picture"):
        read_map(tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["depth/kitti2015_image_2_000046_10.png", "depth/tum_rgbd_1_color.png",
                                  "depth/middlebury2014_MotorcycleQ_im0.png", "depth/arkit_lidar_color_promptda.jpg",
                                  "heic/article_input_color.png"])
def test_real_photos_are_no_palette(sample, name: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnsupportedError, match="is a colour picture"):
        read_map(sample(name))


@pytest.mark.parametrize("margin", [0, 50])
@pytest.mark.parametrize("palette", [None, "inferno"])
@pytest.mark.parametrize("known", [True, False])
def test_side_by_side(
    tmp_path: Path, photo: np.ndarray, gray: np.ndarray, margin: int, palette: str | None, known: bool
) -> None:
    right = coloured(gray, palette) if palette else np.repeat(gray[..., None], 3, axis=2)
    both = np.concatenate([photo, np.full((H, margin, 3), 255, np.uint8), right], axis=1)
    Image.fromarray(both).save(tmp_path / "both.png")
    with pytest.raises(UnsupportedError, match=r"--pred-only; MiDaS run\.py without --side\)"):
        read_map(tmp_path / "both.png", photo_size=(W, H) if known else None)


def test_gray_side_by_side_needs_the_photos_size(tmp_path: Path, gray: np.ndarray) -> None:
    both = np.concatenate([gray, np.full((H, 50), 255, np.uint8), gray], axis=1)
    Image.fromarray(both).save(tmp_path / "both.png")
    with pytest.raises(UnsupportedError, match="twice as wide as the photo"):
        read_map(tmp_path / "both.png", photo_size=(W, H))
    assert read_map(tmp_path / "both.png").codes.shape == (H, 2 * W + 50)
    assert read_map(tmp_path / "both.png", photo_size=(4 * W, H)).codes.shape == (H, 2 * W + 50)


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"quality": 80}), ("WEBP", {"lossless": True}), ("JPEG", {})])
def test_gray_stays_gray_in_lossy_formats(tmp_path: Path, gray: np.ndarray, kind: str, options: dict[str, int]) -> None:
    data = io.BytesIO()
    Image.fromarray(gray).convert("RGB").save(data, kind, **options)
    (tmp_path / "map").write_bytes(data.getvalue())
    found = read_map(tmp_path / "map")
    assert found.max_code == 255
    assert np.abs(found.codes.astype(int) - gray).mean() < 4
