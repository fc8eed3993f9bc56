"""Smooths depth over the frames of a sequence, except at cuts and at whatever moves.

Maps are float32 disparity (H, W), with holes NaN or infinite; each comes with its picture (H, W, 3) uint8. For each
frame:

    cut      if more than half of the pixels differ in colour by more than 96 (of 765), smoothing restarts
    rescale  monocular models give each frame its own scale and shift. On request, the frame is first aligned (`align`)
             to the result of the frame before, by the pixels whose colour stayed
    blend    where the colour differs by at most 24, both frames hold a value, and |v − old| ≤ |old|·τ in float32:
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
class SmoothedFrame:
    """The result for a frame.

    Attributes:
        values: The smoothed map.
        cut: Whether smoothing restarted with this frame.
        alignment: How the frame was rescaled, or None.
    """

    values: NDArray[np.float32]
    cut: bool
    alignment: Alignment | None = None


class Temporal:
    """Smooths frames in order, one at a time; it holds only the last one.

    Args:
        backend: The back end that computes.
        rescale: Whether to align each frame to the one before it.
        share: The weight of a new frame, above 0 and at most 1.
    """

    def __init__(self, backend: Backend, *, rescale: bool = False, share: float = float(SHARE)) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"the share {share:g} of each frame is out of range",
                             hint="use a share above 0 and at most 1")
        self.backend, self.rescale, self.share = backend, rescale, share
        self.before: tuple[NDArray[Any], NDArray[np.uint8]] | None = None

    def push(self, values: NDArray[np.float32], guide: NDArray[np.uint8]) -> SmoothedFrame:
        """Smooth the next frame; raise UsageError if its size differs from that of the last one."""
        if guide.dtype != np.uint8 or guide.shape != (*values.shape, 3):
            raise UsageError(f"a guide must be a picture of the map's size {values.shape}, not {guide.shape} "
                             f"{guide.dtype}")
        if self.before is not None and self.before[0].shape != values.shape:
            raise UsageError(f"a frame of {values.shape} follows one of {self.before[0].shape}",
                             hint="resize the maps of a sequence to the same size first")
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
        return SmoothedFrame(result, cut, found)

    def _rescaled(self, values: NDArray[np.float32], old: NDArray[np.float32],
                  still: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Alignment | None]:
        try:
            found = align.align(values, np.where(still, old, F32(np.nan)))
        except RangeError:  # too little of the picture stayed the same; a jump is better than a guess
            return values, None
        return self.backend.affine(values, found.scale, found.shift), found


def differences(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return |ΔR| + |ΔG| + |ΔB|, (H, W)."""
    sums: NDArray[np.uint16] = (np.maximum(a, b) - np.minimum(a, b)).sum(-1, dtype=np.uint16)
    return sums


def blend(values: NDArray[np.float32], before: NDArray[np.float32], guide: NDArray[np.uint8],
          guide_before: NDArray[np.uint8], share: float) -> NDArray[np.float32]:
    """Blend a map with the one before it as the module's docstring defines; `share` is the weight of the new one."""
    clean = np.where(np.isfinite(values), values + F32(0), F32(np.nan))
    with np.errstate(invalid="ignore"):
        gap = clean - before
        use = np.isfinite(clean) & np.isfinite(before) & (np.abs(gap) <= np.abs(before) * TAU)
        use &= differences(guide, guide_before) <= STILL
        return np.where(use, before + F32(share) * gap + F32(0), clean)
