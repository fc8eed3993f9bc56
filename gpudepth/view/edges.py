"""Do depth edges sit on picture edges? What is wrong with a pair of photo and map shows there: turned, mirrored,
shifted, blurred, of another photo.

The score is the chance that the picture has a stronger edge near a depth edge than near any other pixel (the area under
the ROC curve, Mann and Whitney's statistic): 1 where they agree, 0.5 where they have nothing to do with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 256     # long side that edges are looked for at
STEP = 0.06         # of the span of disparity, over two pixels: an edge of the map
FEWEST = 24         # pixels of edges that a score is said of
SITS = 0.7          # of all pixels have weaker picture edges: this one sits on one
REACH = 1           # pixels that they may be apart


@dataclass(frozen=True)
class Agreement:
    """edges: (H, W) bool, of the map. strength: (H, W) 0…1, the rank of the strongest picture edge near each pixel.
    score: None where the map has too few edges to say."""

    edges: NDArray[np.bool_]
    strength: NDArray[np.float32]
    score: float | None

    @property
    def sits(self) -> NDArray[np.bool_]:
        return self.strength >= SITS


def agreement(picture: NDArray[np.uint8], near: NDArray[Any]) -> Agreement:
    """picture: (H, W, 3). near: (H, W) 0 (far) … 1 (near), NaN where there is no value; of the same size."""
    edges, strength = depth_edges(near), ranks(_strongest(picture_edges(picture)))
    on = strength[edges]
    score = None
    if on.size >= FEWEST:
        # P(on > other) of ranks: with all pixels as the others, the mean rank, less what is its own share of them
        share = on.size / strength.size
        score = float(np.clip((on.mean() - share / 2) / (1 - share), 0, 1))
    return Agreement(edges, strength, score)


def depth_edges(near: NDArray[Any]) -> NDArray[np.bool_]:
    """(H, W) where the map steps; beside what has no value nothing is said."""
    out = np.zeros(near.shape, bool)
    with np.errstate(invalid="ignore"):
        out[:, 1:-1] |= np.abs(near[:, 2:] - near[:, :-2]) > STEP
        out[1:-1] |= np.abs(near[2:] - near[:-2]) > STEP
    return out


def picture_edges(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) how much the picture changes there: the largest gradient of its three channels."""
    p = picture.astype(np.float32)
    out = np.zeros(p.shape[:2], np.float32)
    out[:, 1:-1] = np.abs(p[:, 2:] - p[:, :-2]).max(-1)
    out[1:-1] = np.hypot(out[1:-1], np.abs(p[2:] - p[:-2]).max(-1))
    return out


def _strongest(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each pixel and those within reach."""
    padded = np.pad(edges, REACH)
    height, width = edges.shape
    side = range(2 * REACH + 1)
    return np.max([padded[i : i + height, j : j + width] for i in side for j in side], axis=0)  # type: ignore[no-any-return]


def ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """0…1: the share of pixels that are weaker, equals counted half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    out: NDArray[np.float32] = ((below + counts / 2) / values.size).astype(np.float32)[place].reshape(values.shape)
    return out
