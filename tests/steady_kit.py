"""Clips whose maps flicker or jump in scale: a still scene with a box that moves, and a cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from video_kit import colour

F32 = np.float32
WIDTH, HEIGHT = 128, 96         # of the picture
SHAPE = (48, 64)                # of the maps


def picture(number: int, cut: int) -> Any:
    """(H, W, 3): a still scene, another one from the cut on, and a box that moves."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    out = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, np.full_like(x, 128)], -1).astype(np.uint8)
    out = out if number < cut else 255 - out[::-1, ::-1] // 2
    out[30:50, 8 * number : 8 * number + 16] = (250, 20, 20)
    return out


def truth(number: int, cut: int) -> Any:
    """(h, w) disparity of the scene in 1/metres, with the box in front of it."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    out = (0.3 + y / 100 + (x > 30) * 0.5).astype(F32)
    out = out if number < cut else out[::-1, ::-1] * F32(0.7)
    out[15:25, 4 * number : 4 * number + 8] = 1.9
    return out


def disparities(count: int, cut: int, *, noise: float = 0.0, jumps: bool = False) -> list[Any]:
    """Maps that flicker by a share of their values, or have a scale and shift of their own each."""
    rng, out = np.random.default_rng(0), []
    for number in range(count):
        scale, shift = (rng.uniform(0.7, 1.4), rng.uniform(0, 0.1)) if jumps and number else (1, 0)
        out.append((truth(number, cut) * rng.normal(1, noise, SHAPE) * scale + shift).astype(F32))
    return out


def still() -> Any:
    """(h, w) bool: where the box never is."""
    out = np.ones(SHAPE, bool)
    out[13:27] = False
    return out


def flicker(frames: list[Any], cut: int) -> float:
    """The rms change between frames where nothing moves and no cut is, as a share of the median."""
    changes = [(after - before)[still()] / np.median(before) for number, (before, after) in
               enumerate(pairwise(frames), 1) if number != cut]
    return float(np.sqrt(np.mean(np.concatenate(changes) ** 2)))


def video(path: Path, count: int, cut: int, numbers: Any = None) -> Path:
    """The pictures, losslessly."""
    numbers = range(count) if numbers is None else numbers
    return colour(path, numbers=numbers, times=None, count=len(numbers), codec="ffv1", pix_fmt="bgr0", frame=lambda n: picture(n, cut))


def stack(path: Path, maps: list[Any]) -> Path:
    np.savez(path, depths=np.stack(maps))
    return path


def sequence(base: Path, maps: list[Any], cut: int, numbers: Any = None) -> None:
    """Pictures and maps as files: c/0001.jpg, d/0001.npy."""
    for name in ("c", "d"):
        (base / name).mkdir(parents=True)
    for number in range(len(maps)) if numbers is None else numbers:
        Image.fromarray(picture(number, cut)).save(base / f"c/{number:04d}.jpg", quality=100, subsampling=0)
        np.save(base / f"d/{number:04d}.npy", maps[number])
