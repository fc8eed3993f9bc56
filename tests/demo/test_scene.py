from __future__ import annotations

from math import cos, radians, sin
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from heif_kit import tool
from PIL import Image, ImageOps

from gpudepth.demo.scene import FAR, NEAR, Sample, View, render, views, write_set
from gpudepth.errors import OutputError, UsageError
from gpudepth.maps.reader import read_map
from gpudepth.pairing.by_name import find_pairs

FLOOR = 1.35


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("set")


@pytest.fixture(scope="module")
def samples(folder: Path) -> list[Sample]:
    return write_set(folder)


def test_depth_of_floor_and_walls_by_hand() -> None:
    view = View(64, 48, focal=50.0)
    _, depth = render(view)
    assert depth.shape == (48, 64) and depth.dtype == np.float64
    # The ceiling, 2.6 m up, in the top row: Z = 2.6 / (y/f) for every column short of the side walls.
    assert depth[0, 20:44] == pytest.approx(2.6 * 50 / 23.5)
    # The floor at the far left of the bottom row: Z = 1.35 / (y/f).
    assert depth[47, 0] == pytest.approx(FLOOR * 50 / 23.5)
    # The back wall, 10 m away, a little above the middle; the side wall, 4 m to the left, at the left edge.
    assert depth[18, 24] == pytest.approx(10.0)
    assert depth[15, 0] == pytest.approx(4 * 50 / 31.5)


def test_depth_on_a_sphere_by_hand() -> None:
    view = View(65, 49, (0.2, 0.1, -0.3), 7.0, 60.0)
    _, depth = render(view)
    centre, radius = np.array((0.10, FLOOR - 0.62, 4.10)), 0.62
    # Into camera axes: undo the position, then the yaw about the vertical.
    x, y, z = centre - view.position
    c, s = cos(radians(7)), sin(radians(7))
    x, z = c * x - s * z, s * x + c * z
    hits = 0
    for row in range(49):
        for column in range(65):
            u, v = (column + 0.5 - 32.5) / 60, (row + 0.5 - 24.5) / 60
            a, b = u * u + v * v + 1, u * x + v * y + z
            square = b * b - a * (x * x + y * y + z * z - radius**2)
            near = (b - square**0.5) / a if square > 0 else np.inf
            if near < depth[row, column] + 1e-9:
                assert depth[row, column] == pytest.approx(near, abs=1e-9)
                hits += 1
            else:
                assert depth[row, column] < near        # something stands in front, or the ray misses
    assert hits > 150


def test_depth_is_planar_and_not_along_the_ray() -> None:
    _, depth = render(View(64, 48, (0.0, -1.5, 5.0), focal=50.0))
    assert np.ptp(depth[20:28, 20:44]) == pytest.approx(0, abs=1e-9)       # a wall faced straight on is one depth


def test_every_view_lies_within_the_maps_range_and_looks_alive() -> None:
    for view in views():
        small = View(view.width // 10, view.height // 10, view.position, view.yaw, view.focal / 10)
        picture, depth = render(small)
        assert picture.shape == (small.height, small.width, 3) and picture.dtype == np.uint8
        assert np.isfinite(depth).all() and depth.min() > NEAR and depth.max() < FAR
        assert np.ptp(depth) > 4 and picture.std() > 25
        assert view.focal_35mm == 28 and view.focal == pytest.approx(28 / 36 * max(view.width, view.height))


def test_the_set_pairs_and_decodes(samples: list[Sample], folder: Path) -> None:
    found = find_pairs(folder, "photos/*", "depth/{stem}.png")
    assert [pair.color for pair in found.pairs] == [sample.photo for sample in samples]
    assert not found.unmatched_color and not found.unmatched_depth and not found.duplicates
    for sample in samples:
        truth, map_ = np.load(sample.truth), read_map(sample.depth)
        assert truth.dtype == np.float32 and map_.codes.dtype == np.uint16
        assert truth.shape == map_.codes.shape == (sample.view.height, sample.view.width)
        half_a_code = (FAR - NEAR) / 65535 / 2
        metres = NEAR + map_.codes / 65535.0 * (FAR - NEAR)
        np.testing.assert_allclose(metres, truth, rtol=1e-6, atol=half_a_code * 1.01)
    assert {sample.orientation for sample in samples} >= {1, 2, 3, 4, 5, 6, 8}
    assert {sample.photo.suffix for sample in samples} == {".jpg", ".heic"}
    assert {sample.view.width > sample.view.height for sample in samples} == {True, False}


@pytest.mark.parametrize("index", range(12))
def test_photos_display_upright(samples: list[Sample], index: int) -> None:
    sample = samples[index]
    if sample.photo.suffix == ".jpg":
        with Image.open(sample.photo) as stored:
            exif = stored.getexif()
            upright = np.asarray(ImageOps.exif_transpose(stored))
    else:
        heif = pillow_heif.open_heif(sample.photo)
        upright = np.asarray(heif.to_pillow())
        exif = Image.Exif()
        exif.load(heif.info["exif"])
    assert (exif[0x010F], exif[0x0110]) == ("gpudepth demo", "gpudepth demo")
    assert exif.get_ifd(0x8769)[0xA405] == 28
    drawn = render(sample.view)[0]
    assert upright.shape == drawn.shape
    assert np.abs(upright.astype(float) - drawn).mean() < 2


def test_heic_photos_carry_both_the_boxes_and_the_tag(samples: list[Sample]) -> None:
    for sample in samples:
        if sample.photo.suffix == ".heic":
            data = sample.photo.read_bytes()
            assert (b"irot" in data or b"imir" in data) == (sample.orientation != 1)
            assert (b"imir" in data) == (sample.orientation in {2, 4, 5, 7})


def test_exiftool_reads_the_orientation(samples: list[Sample]) -> None:
    lines = tool("exiftool", "-n", "-s3", "-Orientation", *(sample.photo for sample in samples)).splitlines()
    assert [int(line) for line in lines if line.isdigit()] == [sample.orientation for sample in samples]


def test_the_same_bytes_each_time(samples: list[Sample], tmp_path: Path) -> None:
    for again, first in zip(write_set(tmp_path, 3), samples, strict=False):
        for name in ("photo", "depth", "truth"):
            assert getattr(again, name).read_bytes() == getattr(first, name).read_bytes()


def test_what_makes_no_sense(tmp_path: Path) -> None:
    for count in (0, 13):
        with pytest.raises(UsageError, match="1 to 12"):
            write_set(tmp_path, count)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        write_set(tmp_path / "file", 1)
