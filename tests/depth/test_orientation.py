"""The algebra of orientations against numpy and Pillow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from gpudepth.depth import orientation as exif
from gpudepth.errors import UsageError

ALL = range(1, 9)
# Exif (CIPA DC-008): row 0 and column 0 of the stored picture are shown as …
CORNERS = {1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
           5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom")}


@pytest.fixture
def image():
    return np.arange(2 * 3).reshape(2, 3)


@pytest.mark.parametrize("o", ALL)
def test_apply_is_what_exif_says(o, image):
    shown = exif.apply(o, image)
    sides = {"top": shown[0], "bottom": shown[-1], "left": shown[:, 0], "right": shown[:, -1]}
    row, column = CORNERS[o]
    assert set(sides[row]) == set(image[0])
    assert set(sides[column]) == set(image[:, 0])
    assert exif.size(o, 3, 2) == shown.shape[::-1]
    assert exif.swaps_axes(o) == (o >= 5)


@pytest.mark.parametrize("o", ALL)
def test_apply_agrees_with_pillow(o, image):
    from PIL import ImageOps

    picture = Image.fromarray(image.astype(np.uint8))
    picture.getexif()[0x0112] = o
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(picture)), exif.apply(o, image))


def test_apply_keeps_channels():
    image = np.arange(24).reshape(2, 3, 4)
    assert exif.apply(6, image).shape == (3, 2, 4)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(ALL, ALL)))
def test_then(a, b, image):
    assert np.array_equal(exif.apply(exif.then(a, b), image), exif.apply(b, exif.apply(a, image)))


@pytest.mark.parametrize("o", ALL)
def test_inverse(o, image):
    assert np.array_equal(exif.apply(exif.inverse(o), exif.apply(o, image)), image)
    assert exif.then(o, exif.inverse(o)) == exif.then(exif.inverse(o), o) == 1


@pytest.mark.parametrize("o", ALL)
def test_matrix_moves_pixels_as_apply_does(o):
    width, height = 5, 3
    image = np.arange(15).reshape(height, width)
    shown = exif.apply(o, image)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    new_middle = np.array([(shown.shape[1] - 1) / 2, (shown.shape[0] - 1) / 2])
    for y, x in np.ndindex(image.shape):
        u, v = exif.matrix(o) @ (np.array([x, y]) - middle) + new_middle
        assert shown[int(v), int(u)] == image[y, x]
    assert round(np.linalg.det(exif.matrix(o))) == (-1 if o in (2, 4, 5, 7) else 1)


def turn(image, transforms):
    """irot and imir by the words of the page: counter-clockwise quarter turns; 0 exchanges top and bottom."""
    for kind, value in transforms:
        if kind == "irot":
            image = np.rot90(image, value)
        else:
            image = np.flipud(image) if value == 0 else np.fliplr(image)
    return image


COMBINATIONS = [*([("irot", n)] for n in range(4)), *([("imir", a)] for a in (0, 1)), [],
                *([("irot", n), ("imir", a)] for n in range(4) for a in (0, 1)),
                *([("imir", a), ("irot", n)] for n in range(4) for a in (0, 1)),
                [("irot", 1), ("imir", 0), ("irot", 3), ("imir", 1)]]


@pytest.mark.parametrize("transforms", COMBINATIONS, ids=str)
def test_from_heif(transforms, image):
    o = exif.from_heif(transforms)
    assert np.array_equal(exif.apply(o, image), turn(image, transforms))
    assert exif.from_heif(exif.to_heif(o)) == o


@pytest.mark.parametrize("o", ALL)
def test_to_heif(o, image):
    transforms = exif.to_heif(o)
    assert len(transforms) == len({kind for kind, _ in transforms}) <= 2
    assert np.array_equal(turn(image, transforms), exif.apply(o, image))
    assert exif.from_heif([("clap", 3), *transforms, ("free", 1)]) == o


@pytest.mark.parametrize("o", [0, 9, -1, None, "6", 1.5])
def test_what_is_no_orientation(o):
    for call in (exif.check, exif.inverse, exif.swaps_axes, exif.matrix, exif.to_heif):
        with pytest.raises(UsageError, match="not an Exif orientation"):
            call(o)
