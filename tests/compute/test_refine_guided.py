"""Guided upsampling: worked by hand, held against a plain loop, and measured on a real scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_kit import a_map, a_picture, same

from benchmarks.scene import Scene
from gpudepth.compute import backend, tables
from gpudepth.compute.refine import guided
from gpudepth.compute.refine.guided import axis
from gpudepth.errors import UsageError

F32 = np.float32


def by_the_text(values: Any, guide: Any, confidence: Any = None) -> Any:
    """The module's text, pixel by pixel."""
    (h, w), (height, width) = values.shape, guide.shape[:2]
    down, across, colour = axis(h, height), axis(w, width), tables.of_colour(guided.SIGMA_COLOUR)
    out = np.empty((height, width), F32)
    for y in range(height):
        for x in range(width):
            taps = []
            for v in range(down.first[y] - 1, down.first[y] + 3):
                for u in range(across.first[x] - 1, across.first[x] + 3):
                    if not (0 <= v < h and 0 <= u < w and np.isfinite(values[v, u])):
                        continue
                    there = guide[(2 * v + 1) * height // (2 * h), (2 * u + 1) * width // (2 * w)].astype(int)
                    trust = 16 if confidence is None else tables.of_trust()[confidence[v, u]]
                    weight = (int(colour[np.abs(there - guide[y, x].astype(int)).sum()]) * int(trust)
                              * int(down.space[y, v - down.first[y] + 1]) * int(across.space[x, u - across.first[x] + 1]))
                    if weight:
                        taps.append((values[v, u] + F32(0), weight, v, u))
            if not taps:
                out[y, x] = np.nan
                continue
            ascending = sorted(taps, key=lambda t: t[0])
            running, half = 0, (sum(t[1] for t in taps) + 1) // 2
            for value, weight, _, _ in ascending:
                running += weight
                middle = value
                if running >= half:
                    break
            near = [t for t in ascending if np.abs(t[0] - middle) <= np.abs(middle) * guided.TAU]
            total, mass, used = F32(0), F32(0), []
            for value, _, v, u in sorted(near, key=lambda t: t[2:]):
                i, j = v - down.first[y], u - across.first[x]
                share = down.linear[y, i] * across.linear[x, j] if i in (0, 1) and j in (0, 1) else F32(0)
                if share > 0:
                    total, mass, used = total + share * value, mass + share, [*used, value]
            if mass < F32(0.25):
                total, mass, used = F32(0), F32(0), []
                for value, weight, _, _ in near:
                    total, mass, used = total + F32(weight) * value, mass + F32(weight), [*used, value]
            out[y, x] = min(max(total / mass, min(used)), max(used)) + F32(0)
    return out


@pytest.mark.parametrize("seed", range(12))
def test_it_does_what_its_text_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 8, 2))
    values = a_map(rng, shape, holes=[0, 0, 0.2, 0.6][seed % 4])
    guide = a_picture(rng, tuple(n + int(k) for n, k in zip(shape, rng.integers(0, 20, 2), strict=True)))
    confidence = rng.integers(0, 256, shape).astype(np.uint8) if seed % 2 else None
    same(guided.guided(values, guide, confidence), by_the_text(values, guide, confidence))


def test_an_edge_of_the_picture_becomes_the_edge_of_the_map() -> None:
    """Two surfaces, 4 samples each; the picture's edge lies off the middle between samples, where bilinear smears."""
    low = np.where(np.arange(8) < 4, 1.0, 4.0).astype(F32) * np.ones((8, 1), F32)
    guide = np.zeros((64, 64, 3), np.uint8)
    guide[:, 34:] = 200  # samples are at 4, 12, …, 28 | 36
    out = guided.guided(low, guide)
    assert (out[:, :34] == 1).all() and (out[:, 34:] == 4).all()
    smeared = backend().resize(low, 64, 64, "bilinear")
    assert ((smeared > 1) & (smeared < 4)).any()


def test_surfaces_stay_smooth() -> None:
    """A slanted plane is what bilinear makes of it, whatever the picture shows."""
    y, x = np.mgrid[:12, :16]
    plane = (2 + 0.01 * x + 0.005 * y).astype(F32)
    guide = np.random.default_rng(1).integers(0, 256, (96, 128, 3)).astype(np.uint8)
    assert np.abs(guided.guided(plane, guide) - backend().resize(plane, 128, 96, "bilinear")).max() < 1e-6


def test_confidence_zero_is_a_hole() -> None:
    values, guide = np.full((6, 6), 2, F32), np.zeros((24, 24, 3), np.uint8)
    values[2, 3], guide[8:12, 12:16] = 9, 255
    trust = np.full((6, 6), 255, np.uint8)
    assert (guided.guided(values, guide, trust) > 2).any()
    trust[2, 3] = 0
    assert (guided.guided(values, guide, trust) == 2).all()
    assert np.isnan(guided.guided(values, guide, np.zeros((6, 6), np.uint8))).all()


def test_a_sample_that_nothing_supports_is_noise() -> None:
    values, guide = np.full((6, 6), 2, F32), np.zeros((24, 24, 3), np.uint8)
    values[2, 3] = 9
    assert (guided.guided(values, guide) == 2).all()


@pytest.mark.parametrize(("shape", "guide", "confidence"), [
    ((4, 4), (3, 8, 3), None), ((4, 4), (8, 8), None), ((4, 4), (8, 8, 4), None), ((4, 4), (8, 8, 3), (4, 5))])
def test_refusals(shape: Any, guide: Any, confidence: Any) -> None:
    trust = None if confidence is None else np.zeros(confidence, np.uint8)
    with pytest.raises(UsageError):
        guided.guided(np.ones(shape, F32), np.zeros(guide, np.uint8), trust)


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(5)
    values, guide = a_map(rng, (30, 40)), a_picture(rng, (200, 300))
    same(guided.guided(values, guide, threads=3), guided.guided(values, guide))


def test_it_beats_bilinear_and_nearest_on_a_real_scene(sample: Any) -> None:
    """Middlebury's motorcycle, sampled 8×, a tenth of the samples missing: pixels more than 2 px of disparity off."""
    scene = Scene(sample("depth/middlebury2014_MotorcycleQ_disp0GT.pfm"),
                  sample("depth/middlebury2014_MotorcycleQ_im0.png"))
    ours = scene.quality(backend().upsample(scene.low, scene.picture))
    for method in ("bilinear", "nearest"):
        other = scene.quality(scene.resized(method))
        assert ours.at_edges <= 0.7 * other.at_edges and ours.elsewhere <= other.elsewhere, (ours, other)
