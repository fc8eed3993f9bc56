"""Edges: a right pair scores high; turned, mirrored, shifted and foreign ones do not."""

from __future__ import annotations

import numpy as np
import pytest

from gpudepth.view.canvas import agreement, depth_edges, ranks


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(picture, near): discs of their own colour and disparity before a textured ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:150, :200]
    near = np.full((150, 200), 0.1, np.float32) + 0.2 * y.astype(np.float32) / 150
    picture = np.repeat((90 + 30 * np.sin(x / 9) * np.cos(y / 7))[..., None], 3, -1)
    for _ in range(5):
        disc = (x - rng.integers(20, 180)) ** 2 + (y - rng.integers(20, 130)) ** 2 < rng.integers(10, 35) ** 2
        near[disc] = rng.uniform(0.5, 1)
        picture[disc] = rng.integers(0, 255, 3)
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8), near


@pytest.mark.parametrize("seed", range(4))
def test_right_and_wrong(seed: int) -> None:
    picture, near = scene(seed)
    right = agreement(picture, near)
    assert right.score is not None and right.score > 0.93
    assert right.matched[right.edges].mean() > 0.9
    wrong = {"upside down": near[::-1], "mirrored": near[:, ::-1], "shifted": np.roll(near, 25, 1), "foreign": scene(seed + 9)[1]}
    for what, other in wrong.items():
        score = agreement(picture, other).score
        assert score is not None and score < 0.8, what
        assert score < right.score - 0.15, what


def test_nothing_to_do_with_each_other_is_a_half() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (150, 200, 3), np.uint8)
    assert agreement(noise, scene()[1]).score == pytest.approx(0.5, abs=0.06)


def test_a_map_without_edges_has_no_score() -> None:
    picture, _ = scene()
    assert agreement(picture, np.full((150, 200), 0.5, np.float32)).score is None
    assert agreement(picture, np.full((150, 200), np.nan, np.float32)).score is None
    assert agreement(picture, np.tile(np.linspace(0, 1, 200, dtype=np.float32), (150, 1))).score is None


def test_borders_of_holes_are_no_edges() -> None:
    near = np.full((20, 20), 0.2, np.float32)
    near[5:10, 5:10] = np.nan
    assert not depth_edges(near).any()
    near[5:10, 5:10] = 0.9
    assert depth_edges(near).any()


def test_ranks() -> None:
    assert ranks(np.array([[3, 1, 1, 7]], np.float32)).tolist() == [[0.625, 0.25, 0.25, 0.875]]
