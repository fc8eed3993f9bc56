"""LeRobot's 12-bit codes of depth in metres (lerobot: src/lerobot/datasets/depth_utils.py).

    use_log   code = rint(4095 · (ln(d + shift) − ln(min + shift)) / (ln(max + shift) − ln(min + shift)))
    else      code = rint(4095 · (d − min) / (max − min))                 both clipped to 0…4095

LeRobot has no code for "no value": its cameras' 0 mm become code 0, and come back as depth_min. Code 0 is "no value"
here, both ways; what is as near as depth_min shares it, and is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError

TOP = 4095


@dataclass(frozen=True)
class Quantiser:
    """What the codes mean; metres. The defaults are LeRobot's. Raises UsageError for what is no range."""

    depth_min: float = 0.01
    depth_max: float = 10.0
    shift: float = 3.5
    use_log: bool = True

    def __post_init__(self) -> None:
        finite = np.isfinite([self.depth_min, self.depth_max, self.shift]).all()
        if not (finite and 0 <= self.depth_min < self.depth_max):
            raise UsageError(f"{self.depth_min:g} to {self.depth_max:g} m, shift {self.shift:g}, is no range of depth",
                             hint="0 ≤ depth_min < depth_max")
        if self.use_log and self.depth_min + self.shift <= 0:
            raise UsageError(f"depth_min + shift is {self.depth_min + self.shift:g}, and has no logarithm")

    def codes(self, metres: NDArray[np.float32]) -> NDArray[np.uint16]:
        """(H, W) metres → codes; NaN is 0, what lies outside the range gets the code of its end."""
        d = np.asarray(metres, np.float64)
        clipped = np.clip(np.where(np.isnan(d), self.depth_min, d), self.depth_min, self.depth_max)
        if self.use_log:
            start, end = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
            share = (np.log(clipped + self.shift) - start) / (end - start)
        else:
            share = (clipped - self.depth_min) / (self.depth_max - self.depth_min)
        rounded: NDArray[np.float64] = np.rint(share * TOP)
        return rounded.astype(np.uint16)

    def outside(self, metres: NDArray[np.float32], codes: NDArray[np.uint16]) -> tuple[int, int]:
        """How many pixels that have a value are too near for a code of their own, and how many too far."""
        return int(((codes == 0) & ~np.isnan(metres)).sum()), int((metres > self.depth_max).sum())

    def values(self) -> NDArray[np.float32]:
        """(4096,) metres of each code; NaN of code 0."""
        share = np.arange(TOP + 1) / TOP
        if self.use_log:
            start, end = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
            metres = np.exp(start + share * (end - start)) - self.shift
        else:
            metres = self.depth_min + share * (self.depth_max - self.depth_min)
        out: NDArray[np.float32] = np.clip(metres, self.depth_min, self.depth_max).astype(np.float32)
        out[0] = np.nan
        return out
