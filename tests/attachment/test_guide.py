"""The photo as a guide: as displayed or as stored, from every kind of file, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dng_kit import dng, needs
from photo_kit import heic, plain
from PIL import Image, ImageOps

from gpudepth.attachment.photo import Pixels, file_guide
from gpudepth.batch.memory import MemoryLease
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


def scene(width: int, height: int) -> Image.Image:
    """Return a picture with smooth shades, edges and some noise."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4, (height, width))
    shades = np.stack([x * 255 / width, y * 255 / height, 200.0 * ((x // 29 + y // 31) % 2)], -1) + noise[..., None]
    return Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))


def charged(path: Path, width: int, height: int) -> int:
    lease = MemoryLease()
    file_guide(path, "display", lease.limits(DEFAULT)).at(width, height)
    return lease.used


@pytest.mark.parametrize(("used", "scale"), [
    ((1600, 1200), 1), ((3200, 2400), 1), ((401, 300), 1), ((400, 301), 1), ((400, 300), 2), ((201, 150), 2),
    ((200, 150), 4), ((101, 75), 4), ((100, 75), 8), ((1, 1), 8), ((50, 300), 2)])
def test_a_picture_is_decoded_at_least_twice_as_large_as_it_is_used(used: tuple[int, int], scale: int) -> None:
    assert Pixels(1600, 1200, 1, lambda scale: None, (8, 4, 2)).scale(*used) == scale
    assert Pixels(1600, 1200, 1, lambda scale: None).scale(*used) == 1        # formats without scales


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("size", "used", "scale"), [((320, 240), (80, 60), 2), ((331, 247), (40, 30), 4),
                                                     ((327, 249), (13, 9), 8), ((320, 240), (161, 120), 1)])
def test_a_jpeg_is_decoded_at_a_scale(tmp_path: Path, size: tuple[int, int], used: tuple[int, int], scale: int,
                                      orientation: int) -> None:
    path = tmp_path / "photo.jpg"
    scene(*size).save(path, quality=92, exif=plain_exif(orientation))
    with Image.open(path) as image:
        image.draft(None, (size[0] // scale, size[1] // scale))
        assert image.size == (-(-size[0] // scale), -(-size[1] // scale))
        box = (0, 0, size[0] / scale, size[1] / scale)
        expected = np.asarray(image.convert("RGB").resize(used, Image.Resampling.BOX, box))
    with Image.open(path) as image:
        whole = np.asarray(image.convert("RGB").resize(used, Image.Resampling.BOX)).astype(int)
    shown_size = used if orientation == 1 else used[::-1]
    small = exif.apply(exif.inverse(orientation), file_guide(path, "display", DEFAULT).at(*shown_size))
    np.testing.assert_array_equal(small, expected)
    np.testing.assert_array_equal(file_guide(path, "coded", DEFAULT).at(*used), expected)
    assert np.array_equal(small, whole) == (scale == 1)
    assert np.abs(small - whole)[..., :2].mean() < 2        # the same part of the photo
    assert file_guide(path, "coded", DEFAULT).size == size


def plain_exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def test_a_size_does_not_depend_on_the_sizes_before(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    scene(320, 240).save(path)
    sizes = [(320, 240), (400, 300), (100, 75), (80, 60), (40, 30)]
    alone = [file_guide(path, "display", DEFAULT).at(*size) for size in sizes]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        guide = file_guide(path, "display", DEFAULT)
        for n in order:
            np.testing.assert_array_equal(guide.at(*sizes[n]), alone[n])
    np.testing.assert_array_equal(alone[0], shown(path))


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"mode": "L"}, {"mode": "CMYK"},
                                     {"format": "MPO"}])
def test_kinds_of_jpeg_at_a_scale(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "photo.jpg"
    image = scene(320, 240).convert(options.pop("mode", "RGB"))
    if options.get("format") == "MPO":      # the second picture is no preview of the first
        options |= {"save_all": True, "append_images": [Image.new("RGB", (40, 30))]}
    image.save(path, **{"format": "JPEG", **options})
    with Image.open(path) as opened:
        whole = np.asarray(opened.convert("RGB").resize((40, 30), Image.Resampling.BOX)).astype(int)
    small = file_guide(path, "display", DEFAULT).at(40, 30)
    assert 0 < np.abs(small - whole).mean() < 4


def test_a_lossless_jpeg_has_no_scales(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    pixels = np.asarray(scene(320, 240))
    path.write_bytes(needs("imagecodecs").jpeg8_encode(pixels, lossless=True))
    means = pixels.reshape(30, 8, 40, 8, 3).mean((1, 3))
    assert np.abs(file_guide(path, "display", DEFAULT).at(40, 30) - means).max() <= 1


def test_the_size_needs_no_pixels_and_damage_is_found_at_any_scale(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    scene(320, 240).save(path, exif=plain_exif(6))
    path.write_bytes(path.read_bytes()[:-3000])
    guide = file_guide(path, "display", DEFAULT)
    assert guide.size == (240, 320)
    for size in ((240, 320), (60, 80), (30, 40), (15, 20)):
        with pytest.raises(TruncatedError, match="the pixels that guide the map cannot be decoded"):
            guide.at(*size)
    with pytest.raises(LimitError, match="max_pixels"):
        file_guide(path, "display", Limits(max_pixels=320 * 240 - 1)).at(15, 20)


def test_memory_is_charged_for_the_scale(tmp_path: Path) -> None:
    baseline, progressive = tmp_path / "baseline.jpg", tmp_path / "progressive.jpg"
    scene(331, 247).save(baseline)
    scene(331, 247).save(progressive, progressive=True)
    assert charged(baseline, 331, 247) == 8 * 331 * 247
    assert charged(baseline, 40, 30) == 8 * 83 * 62
    assert charged(progressive, 40, 30) == 8 * 331 * 247       # its coefficients are in memory
