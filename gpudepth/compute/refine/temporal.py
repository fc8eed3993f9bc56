"""Smooths depth over the frames of a sequence, except at cuts and at whatever moves.

Maps are float32 disparity (H, W), with holes NaN or infinite; each comes with its picture (H, W, 3) uint8. For each
frame:

    cut      if more than half of the pixels differ in colour by more than 96 (of 765), smoothing restarts
    rescale  monocular models give each frame its own scale and shift. On request, the frame is first aligned (`align`)
             to the result of the frame before, by the pixels whose colour differs by at most 24. Both maps are
             sampled: they are resized by "nearest" to at most 512 pixels on the long side
    blend    where the colour differs by at most 24, both frames hold a value, and |v − old| ≤ |old|·τ in float32:
             old + share·(v − old). Everywhere else: v. Holes stay holes.

Arrays stay where the back end computes: of a frame, only counts and the samples of an alignment come to the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
SAMPLED = 512   # pixels of the long side of the samples that frames are aligned by


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
        """Smooth the next frame; raise UsageError if its size differs from that of the last one.

        Map and picture are numpy arrays, or results of `Backend.put`. The picture must not change until the next frame
        is smoothed.
        """
        if guide.dtype != np.uint8 or guide.shape != (*values.shape, 3):
            raise UsageError(f"a guide must be a picture of the map's size {values.shape}, not {guide.shape} "
                             f"{guide.dtype}")
        if self.before is not None and self.before[0].shape != values.shape:
            raise UsageError(f"a frame of {values.shape} follows one of {self.before[0].shape}",
                             hint="resize the maps of a sequence to the same size first")
        found = None
        cut = self.before is None or self.backend.changes(guide, self.before[1], CUT) * 2 > values.size
        if cut or self.before is None:
            result = self.backend.blend(values, values, guide, guide, 1.0)
        else:
            old, picture = self.before
            if self.rescale:
                values, found = self._rescaled(values, self.backend.unchanged(old, guide, picture, STILL))
            result = self.backend.blend(values, old, guide, picture, self.share)
        self.before = result, guide
        return SmoothedFrame(result, cut, found)

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Restore the state if processing a frame fails inside, so that the next one follows the last good one."""
        before = self.before
        try:
            yield
        except BaseException:
            self.before = before
            raise

    def _rescaled(self, values: NDArray[np.float32],
                  still: NDArray[np.float32]) -> tuple[NDArray[np.float32], Alignment | None]:
        """Return a frame aligned to the values of the one before it where the colour stayed, and how."""
        try:
            found = align.align(self._samples(values), self._samples(still))
        except RangeError:  # too little of the picture stayed the same; a jump is better than a guess
            return values, None
        return self.backend.affine(values, found.scale, found.shift), found

    def _samples(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the samples of a map on the host."""
        height, width = values.shape
        longest = max(height, width)
        if longest > SAMPLED:
            width, height = (max(1, side * SAMPLED // longest) for side in (width, height))
            values = self.backend.resize(values, width, height, "nearest")
        return self.backend.host(values)


def check_pictures(shape: tuple[int, ...], *guides: NDArray[np.uint8]) -> None:
    """Raise ValueError unless pictures are uint8 of the size of a map (H, W)."""
    for guide in guides:
        if guide.dtype != np.uint8 or guide.shape != (*shape, 3):
            raise ValueError(f"a guide must be a picture of the size {shape}, not {guide.shape} {guide.dtype}")


def differences(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return |ΔR| + |ΔG| + |ΔB|, (H, W)."""
    apart = np.maximum(a, b) - np.minimum(a, b)
    sums: NDArray[np.uint16] = apart[..., 0].astype(np.uint16)      # a sum along an axis of three is much slower
    sums += apart[..., 1]
    sums += apart[..., 2]
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
