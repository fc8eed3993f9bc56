"""Frames in order: flicker goes, cuts and motion stay, jumps of scale are undone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_kit import host, same

from gpudepth.compute import backend
from gpudepth.compute.refine.temporal import Temporal
from gpudepth.errors import UsageError

F32 = np.float32
SHAPE = (48, 64)


def still() -> tuple[np.ndarray, np.ndarray]:
    """A scene: its disparity and its picture."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (0.5 + y / 48 + (x > 30)).astype(F32), np.stack([y * 5, x * 3, (x > 30) * 200], -1).astype(np.uint8)


def test_flicker_goes() -> None:
    rng = np.random.default_rng(0)
    truth, picture = still()
    frames = [(truth * (1 + rng.normal(0, 0.01, SHAPE))).astype(F32) for _ in range(20)]
    steady = Temporal(backend())
    out = [steady.push(frame, picture) for frame in frames]
    assert out[0].cut and not any(f.cut for f in out[1:])
    assert np.abs(out[-1].values - truth).mean() < 0.6 * np.abs(frames[-1] - truth).mean()
    raw = np.abs(frames[-1] - frames[-2]).mean()
    assert np.abs(out[-1].values - out[-2].values).mean() < 0.4 * raw


def test_a_cut_starts_anew() -> None:
    truth, picture = still()
    steady = Temporal(backend())
    steady.push(truth, picture)
    after = steady.push((truth * F32(1.02)).astype(F32), 255 - picture)
    assert after.cut
    same(after.values, (truth * F32(1.02)).astype(F32))


def test_what_moves_is_not_dragged_along() -> None:
    """A box moves: its picture changes, and so does its disparity."""
    truth, picture = still()
    steady, boxes = Temporal(backend()), []
    for left in (5, 15):
        values, frame = truth.copy(), picture.copy()
        values[10:20, left : left + 8], frame[10:20, left : left + 8] = 5, 255
        boxes.append(values)
        out = steady.push(values, frame)
    assert (out.values[10:20, 15:23] == 5).all()
    assert np.abs(out.values[10:20, 5:13] - truth[10:20, 5:13]).max() < 1e-6


def test_jumps_of_scale_are_undone() -> None:
    """Each frame of a monocular model has a scale and shift of its own."""
    rng = np.random.default_rng(1)
    truth, picture = still()
    steady = Temporal(backend(), rescale=True)
    first = steady.push(truth, picture).values
    for _ in range(6):
        scale, shift = rng.uniform(0.6, 1.6), rng.uniform(-0.2, 0.2)
        out = steady.push((truth * F32(scale) + F32(shift)).astype(F32), picture)
        assert out.alignment is not None and np.abs(out.values - first).max() < 2e-3
    jumping = Temporal(backend())
    jumping.push(truth, picture)
    assert np.abs(jumping.push((truth * F32(1.5)).astype(F32), picture).values - first).max() > 0.3


def test_holes_stay_holes_and_are_not_learned() -> None:
    truth, picture = still()
    holed = truth.copy()
    holed[3, 4] = np.nan
    steady = Temporal(backend())
    assert np.isnan(steady.push(holed, picture).values[3, 4])
    assert steady.push(truth, picture).values[3, 4] == truth[3, 4]
    assert np.isnan(steady.push(holed, picture).values[3, 4])


def test_refusals() -> None:
    truth, picture = still()
    with pytest.raises(UsageError, match="share"):
        Temporal(backend(), share=0)
    steady = Temporal(backend())
    with pytest.raises(UsageError, match="guide"):
        steady.push(truth, picture[1:])
    steady.push(truth, picture)
    with pytest.raises(UsageError, match="the same size"):
        steady.push(truth[:10], picture[:10])


def test_the_kernels_do_the_same() -> None:
    rng = np.random.default_rng(2)
    truth, picture = still()
    a, b = Temporal(backend(), rescale=True), Temporal(host(), rescale=True)
    for _ in range(4):
        frame = (truth * F32(rng.uniform(0.8, 1.2)) * (1 + rng.normal(0, 0.01, SHAPE))).astype(F32)
        moved = np.clip(picture.astype(int) + rng.integers(-6, 6, picture.shape), 0, 255).astype(np.uint8)
        same(a.push(frame, moved).values, b.push(frame, moved).values)


def test_large_frames_are_aligned_by_samples() -> None:
    """At most 512 pixels on the long side come to the host, from the pixels that `nearest` takes, on every back end."""
    rng = np.random.default_rng(3)
    truth = (0.5 + np.mgrid[:90, :1300][1] / 900).astype(F32)
    picture = np.broadcast_to(np.mgrid[:90, :1300][1][..., None] % 256, (90, 1300, 3)).astype(np.uint8)
    frames = [(truth * F32(rng.uniform(0.7, 1.3)) * (1 + rng.normal(0, 0.001, truth.shape))).astype(F32) for _ in range(3)]
    numpy, kernels = Temporal(backend(), rescale=True), Temporal(host(), rescale=True)
    for frame in frames:
        ours, theirs = numpy.push(frame, picture), kernels.push(frame, picture)
        same(ours.values, theirs.values)
        assert repr(ours.alignment) == repr(theirs.alignment)
    assert ours.alignment is not None
    assert ours.alignment.samples == 512 * 35
    assert np.abs(ours.values / frames[0] - 1).mean() < 0.01


def test_a_frame_that_fails_is_forgotten() -> None:
    truth, picture = still()
    steady = Temporal(backend())
    steady.push(truth, picture)
    before = steady.before
    with pytest.raises(RuntimeError), steady.frame():
        steady.push(truth * F32(1.05), picture)
        raise RuntimeError
    assert steady.before is before
    with steady.frame():
        steady.push(truth, picture)
    assert steady.before is not before


@pytest.mark.parametrize("engine", [backend("numpy"), host()], ids=["numpy", "kernels"])
def test_pictures_of_another_size(engine: Any) -> None:
    truth, picture = still()
    for wrong in (picture[1:], picture[..., :2], picture.astype(np.uint16)):
        with pytest.raises(ValueError, match="a guide must be a picture"):
            engine.changes(picture, wrong, 3)
        with pytest.raises(ValueError, match="a guide must be a picture"):
            engine.unchanged(truth, picture, wrong, 3)
    assert engine.changes(picture, picture ^ np.uint8(1), 2) == truth.size
    assert engine.changes(picture, picture ^ np.uint8(1), 3) == 0
    assert np.isnan(engine.unchanged(truth, picture, picture ^ np.uint8(1), 2)).all()
    same(engine.unchanged(truth, picture, picture ^ np.uint8(1), 3), truth)
