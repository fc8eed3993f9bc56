"""Measures how well the edges of a map match the edges of its picture.

Maps that are turned, mirrored, shifted, blurred or of another photo match badly. The score is the probability that the
picture has a stronger edge near a depth edge than near any other pixel (the area under the ROC curve, Mann and
Whitney's statistic): 1 if all edges match, 0.5 for unrelated edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 256     # long side in pixels at which edges are compared
STEP = 0.06         # share of the span of disparity; a larger step over two pixels is an edge of the map
FEWEST = 24         # least number of edge pixels for a score
MATCHED = 0.7       # least rank of a picture edge that matches a depth edge
REACH = 1           # largest distance of matching edges in pixels


@dataclass(frozen=True)
class Agreement:
    """How the edges of a map match those of its picture.

    Attributes:
        edges: (H, W) bool, the edges of the map.
        strength: (H, W) 0…1, the rank of the strongest picture edge near each pixel.
        score: 0…1, or None if the map has too few edges.
    """

    edges: NDArray[np.bool_]
    strength: NDArray[np.float32]
    score: float | None

    @property
    def matched(self) -> NDArray[np.bool_]:
        """(H, W) bool, the pixels near a strong edge of the picture."""
        return self.strength >= MATCHED


def agreement(picture: NDArray[np.uint8], near: NDArray[Any]) -> Agreement:
    """Compare the edges of a picture and a map of the same size.

    Args:
        picture: (H, W, 3) uint8.
        near: (H, W) values 0 (far) … 1 (near), NaN for pixels without a value.
    """
    edges, strength = depth_edges(near), ranks(_strongest(picture_edges(picture)))
    on = strength[edges]
    score = None
    if on.size >= FEWEST:
        # The mean rank is P(on > any pixel); subtracting the share of the edges themselves gives P(on > other).
        share = on.size / strength.size
        score = float(np.clip((on.mean() - share / 2) / (1 - share), 0, 1))
    return Agreement(edges, strength, score)


def depth_edges(near: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (H, W) bool, the steps of the map; pixels beside missing values are never edges."""
    out = np.zeros(near.shape, bool)
    with np.errstate(invalid="ignore"):
        out[:, 1:-1] |= np.abs(near[:, 2:] - near[:, :-2]) > STEP
        out[1:-1] |= np.abs(near[2:] - near[:-2]) > STEP
    return out


def picture_edges(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (H, W) float32, the largest gradient of the three channels at each pixel."""
    p = picture.astype(np.float32)
    out = np.zeros(p.shape[:2], np.float32)
    out[:, 1:-1] = np.abs(p[:, 2:] - p[:, :-2]).max(-1)
    out[1:-1] = np.hypot(out[1:-1], np.abs(p[2:] - p[:-2]).max(-1))
    return out


def _strongest(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the strongest edge within REACH of each pixel."""
    padded = np.pad(edges, REACH)
    height, width = edges.shape
    side = range(2 * REACH + 1)
    return np.max([padded[i : i + height, j : j + width] for i in side for j in side], axis=0)  # type: ignore[no-any-return]


def ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0…1 for each pixel: the share of weaker pixels, where equal pixels count half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    out: NDArray[np.float32] = ((below + counts / 2) / values.size).astype(np.float32)[place].reshape(values.shape)
    return out
