"""Steady depth in a sequence of frames: smoothing over time that stops at cuts and at whatever moves.

Maps are float32 disparity (H, W), holes NaN or infinite; each comes with its picture (H, W, 3) uint8. For each frame:

    a cut    when more than half of the pixels differ in colour by more than 96 (of 765): the frame starts anew
    rescale  monocular models give each frame a scale and shift of its own. Asked for, the frame is aligned (`align`) to
             what came out before it, by the pixels whose colour stayed, before anything else
    blend    where the colour differs by 24 at most, both frames hold a value, and |v − old| ≤ |old|·τ in float32:
             old + share·(v − old). Everywhere else: v. Holes stay holes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RangeError, UsageError
from . import align
from .align import Alignment

if TYPE_CHECKING:
    from ..interface import Backend

F32 = np.float32
SHARE, TAU = F32(0.3), F32(0.06)
STILL, CUT = 24, 96


@dataclass(frozen=True)
class Frame:
    """What came out for a frame. cut: it started anew; alignment: how it was rescaled, or None."""

    values: NDArray[np.float32]
    cut: bool
    alignment: Alignment | None = None


class Temporal:
    """Frames in order, one at a time; holds the last one only."""

    def __init__(self, backend: Backend, *, rescale: bool = False, share: float = float(SHARE)) -> None:
        """share   how much of a new frame goes in, above 0, 1 at most."""
        if not 0 < share <= 1:
            raise UsageError(f"a share of {share:g} of each frame", hint="above 0, and 1 at most")
        self.backend, self.rescale, self.share = backend, rescale, share
        self.before: tuple[NDArray[Any], NDArray[np.uint8]] | None = None

    def push(self, values: NDArray[np.float32], guide: NDArray[np.uint8]) -> Frame:
        """The next frame. Raises UsageError when its size is not the last one's."""
        if guide.dtype != np.uint8 or guide.shape != (*values.shape, 3):
            raise UsageError(f"a guide is a picture of the map's size {values.shape}, not {guide.shape} {guide.dtype}")
        if self.before is not None and self.before[0].shape != values.shape:
            raise UsageError(f"a frame of {values.shape} after one of {self.before[0].shape}",
                             hint="resize the maps of a sequence to one size first")
        cut, found = True, None
        if self.before is not None:
            old, picture = self.before
            moved = differences(guide, picture)
            cut = bool(np.count_nonzero(moved > CUT) * 2 > moved.size)
            if not cut and self.rescale:
                values, found = self._rescaled(values, old, moved <= STILL)
        if cut or self.before is None:
            result = self.backend.blend(values, values, guide, guide, 1.0)
        else:
            result = self.backend.blend(values, self.before[0], guide, self.before[1], self.share)
        self.before = result, guide
        return Frame(result, cut, found)

    def _rescaled(self, values: NDArray[np.float32], old: NDArray[np.float32],
                  still: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Alignment | None]:
        try:
            found = align.align(values, np.where(still, old, F32(np.nan)))
        except RangeError:  # too little stood still: better a jump than a wild guess
            return values, None
        return self.backend.affine(values, found.scale, found.shift), found


def differences(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """(H, W) of |ΔR| + |ΔG| + |ΔB|."""
    sums: NDArray[np.uint16] = (np.maximum(a, b) - np.minimum(a, b)).sum(-1, dtype=np.uint16)
    return sums


def blend(values: NDArray[np.float32], before: NDArray[np.float32], guide: NDArray[np.uint8],
          guide_before: NDArray[np.uint8], share: float) -> NDArray[np.float32]:
    """See above."""
    clean = np.where(np.isfinite(values), values + F32(0), F32(np.nan))
    with np.errstate(invalid="ignore"):
        gap = clean - before
        use = np.isfinite(clean) & np.isfinite(before) & (np.abs(gap) <= np.abs(before) * TAU)
        use &= differences(guide, guide_before) <= STILL
        return np.where(use, before + F32(share) * gap + F32(0), clean)
