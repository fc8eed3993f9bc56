"""Letterboxes: where a picture lies in a network's input, and where its map lies in the output."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudepth.maps.letterbox import FITS, Letterbox


def test_by_hand() -> None:
    assert Letterbox.of((400, 200), (100, 100), "letterbox") == Letterbox(100, 100, 0, 25, 100, 50)
    assert Letterbox.of((200, 400), (100, 100), "letterbox") == Letterbox(100, 100, 25, 0, 50, 100)
    assert Letterbox.of((30, 30), (100, 60), "letterbox") == Letterbox(100, 60, 20, 0, 60, 60)
    assert Letterbox.of((400, 200), (100, 100), "stretch") == Letterbox(100, 100, 0, 0, 100, 100)
    assert Letterbox.of((4032, 3024), (518, 518), "aspect", 14) == Letterbox(518, 392, 0, 0, 518, 392)
    assert Letterbox.of((3024, 4032), (518, 518), "aspect", 14) == Letterbox(392, 518, 0, 0, 392, 518)


def test_what_is_filled_is_what_is_cut() -> None:
    rng = np.random.default_rng(0)
    box = Letterbox.of((64, 48), (100, 100), "letterbox")
    picture = rng.normal(size=(box.inner_height, box.inner_width, 3)).astype(np.float32)
    full = box.fill(picture)
    assert full.shape == (100, 100, 3)
    assert np.count_nonzero(full) == picture.size
    assert np.array_equal(box.cut(full[..., 0], (64, 48)), picture[..., 0])


def test_outputs_of_other_resolutions() -> None:
    """Half as many pixels: the box is half as large, too."""
    box = Letterbox.of((64, 48), (128, 128), "letterbox")
    half = np.zeros((64, 64), np.float32)
    half[8:56] = 1
    assert box.cut(half, (64, 48)).shape == (48, 64)
    assert (box.cut(half, (64, 48)) == 1).all()


def test_stretched_maps_get_the_shape_of_the_picture() -> None:
    box = Letterbox.of((400, 200), (100, 100), "stretch")
    ramp = np.tile(np.linspace(0, 1, 100, dtype=np.float32), (100, 1))
    out = box.cut(ramp, (400, 200))
    assert out.shape == (71, 141)
    assert (np.diff(out[30]) > 0).all()
    assert out[:, 0] == pytest.approx(ramp[0, 0], abs=0.01)


@given(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), st.tuples(st.integers(1, 700), st.integers(1, 700)),
       st.sampled_from(FITS), st.integers(1, 32), st.sampled_from([0.5, 1, 2]))
def test_any_picture(picture: tuple[int, int], size: tuple[int, int], fit: str, multiple: int, scale: float) -> None:
    if fit == "aspect" and max(picture) > 50 * min(picture):
        return
    box = Letterbox.of(picture, size, fit, multiple)  # type: ignore[arg-type]
    assert 0 <= box.x <= box.width - box.inner_width
    assert 0 <= box.y <= box.height - box.inner_height
    output = np.ones((max(1, int(box.height * scale)), max(1, int(box.width * scale))), np.float32)
    cut = box.cut(output, picture)
    assert cut.min() == cut.max() == 1
