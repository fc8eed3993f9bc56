"""Integer weights of taps, computed once on the host so that every back end reads the same tables and none needs exp.

Products of weights and their sums are exact in 31 bits: space·space ≤ 2¹², colour ≤ 2¹⁰, trust ≤ 2⁴, 2⁵ taps.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

SPACE, COLOUR, TRUST = 64, 1024, 16
MOST = 3 * 255  # the largest difference of two colours: |ΔR| + |ΔG| + |ΔB|


@functools.lru_cache(maxsize=16)
def of_colour(sigma: float) -> NDArray[np.int32]:
    """Return (766,) int32, 1…1024: the weight of a tap whose colour differs by 0…765, falling by e each 3·sigma."""
    table = np.rint(COLOUR * np.exp(-np.arange(MOST + 1) / (3 * sigma)))
    return _frozen(np.maximum(table, 1).astype(np.int32))


@functools.lru_cache(maxsize=16)
def of_distance(radius: int, sigma: float) -> NDArray[np.int32]:
    """Return (2·radius + 1,) int32, 1…64: the weights along one axis, a bell of that sigma in pixels."""
    table = np.rint(SPACE * np.exp(-np.arange(-radius, radius + 1) ** 2 / (2 * sigma * sigma)))
    return _frozen(np.maximum(table, 1).astype(np.int32))


def of_trust(confidence: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Map a confidence of 0…255 to a weight of 0…16, which is 0 only for 0."""
    c = confidence.astype(np.int32)
    return np.where(c > 0, np.maximum((c * TRUST + 127) // 255, 1), 0).astype(np.int32)


def _frozen(table: NDArray[np.int32]) -> NDArray[np.int32]:
    table.flags.writeable = False
    return table
