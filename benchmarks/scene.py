"""Measures the quality of a map against the truth: wrong pixels near depth edges and elsewhere."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpudepth.compute import backend
from gpudepth.depth.pixel_format import Quantity
from gpudepth.maps.netpbm import read_pfm

FACTOR, HOLES, OFF, JUMP, REACH = 8, 0.1, 2.0, 1.0, 3


@dataclass(frozen=True)
class Quality:
    """Shares of pixels with an error above 2 px of disparity; mean absolute and rms error, at most 100 px per pixel."""

    at_edges: float
    elsewhere: float
    mae: float
    rms: float


class Scene:
    """Middlebury's disparity in px, sampled at the centres of 8×8 blocks, with seeded holes."""

    def __init__(self, truth: Path, picture: Path) -> None:
        with truth.open("rb") as file:
            self.truth = read_pfm(file, truth.stat().st_size, where=truth.name)
        self.picture = np.asarray(Image.open(picture).convert("RGB"))
        height, width = (n // FACTOR * FACTOR for n in self.truth.shape)
        self.truth, self.picture = self.truth[:height, :width].copy(), self.picture[:height, :width].copy()
        self.low = self.truth[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR].astype(np.float32)
        self.low[np.random.default_rng(0).random(self.low.shape) < HOLES] = np.nan
        self.low[~np.isfinite(self.low)] = np.nan
        self.known = np.isfinite(self.truth)
        self.edges = self._edges()

    def reduced(self, factor: int, samples: int) -> Scene:
        """Return the truth at a fraction of the picture's size, with one sample without holes for each block."""
        out = copy(self)
        rows, columns = (((np.arange(n // factor) + 0.5) * n / (n // factor)).astype(int) for n in self.truth.shape)
        height, width = (n // samples * samples for n in (len(rows), len(columns)))
        out.truth = self.truth[np.ix_(rows[:height], columns[:width])]
        out.low = np.where(np.isfinite(out.truth), out.truth, np.nan)[samples // 2 :: samples, samples // 2 :: samples]
        out.known = np.isfinite(out.truth)
        out.edges = out._edges()
        return out

    def filled(self) -> Any:
        """Return the samples without holes, which other programs need."""
        return backend().fill(self.low, "nearest", Quantity.DISPARITY)[0]

    def resized(self, method: str) -> Any:
        """Return the map resized without a guide."""
        return backend().resize(self.filled(), self.truth.shape[1], self.truth.shape[0], method)

    def quality(self, values: Any) -> Quality:
        error = np.where(np.isfinite(values), np.abs(values - np.where(self.known, self.truth, 0)), 100).clip(0, 100)
        off = error > OFF
        near, far = self.known & self.edges, self.known & ~self.edges
        return Quality(float(off[near].mean()), float(off[far].mean()), float(error[self.known].mean()),
                       float(np.sqrt((error[self.known] ** 2).mean())))

    def held_out(self, kind: str) -> Any:
        """Return known pixels to leave out: "a tenth at random", "nine tenths at random", "blocks", "behind edges"."""
        rng, shape = np.random.default_rng(3), self.truth.shape
        mask = np.zeros(shape, bool)
        if kind == "blocks":
            for _ in range(120):
                side = int(rng.integers(6, 24))
                y, x = (int(rng.integers(0, n - side)) for n in shape)
                mask[y : y + side, x : x + side] = True
        elif kind == "behind edges":  # ten pixels beside an object, which one of two cameras does not see
            edge = np.zeros(shape, bool)
            edge[:, 1:] = np.diff(np.where(self.known, self.truth, 0), axis=1) > 1
            for k in range(10):
                mask[:, : shape[1] - k] |= edge[:, k:]
        else:
            mask = rng.random(shape) < {"a tenth at random": 0.1, "nine tenths at random": 0.9}[kind]
        return mask & self.known

    def _edges(self) -> Any:
        """Return the pixels within 3 px of a step by more than 1 px."""
        truth = np.where(self.known, self.truth, np.nan)
        edge = np.zeros(truth.shape, bool)
        for axis in (0, 1):
            with np.errstate(invalid="ignore"):
                jump = np.abs(np.diff(truth, axis=axis)) > JUMP
            for side in (slice(1, None), slice(None, -1)):
                edge[(side, slice(None)) if axis == 0 else (slice(None), side)] |= jump
        padded = np.pad(edge, REACH)
        near = np.zeros_like(edge)
        for y in range(2 * REACH + 1):
            for x in range(2 * REACH + 1):
                near |= padded[y : y + edge.shape[0], x : x + edge.shape[1]]
        return near
