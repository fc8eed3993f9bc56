"""One photo of a data set: its depth, picture and camera, upright, and what the depth is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..attachment.guide import Guide
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..errors import UnsupportedError
from .reconstruction import UNIT, Fit

METRES = "metres, as the file says"
RELATIVE = "NOT metric: right up to scale and shift, whatever the unit says"
WORTH = {"absolute": METRES, "relative": RELATIVE}


@dataclass(frozen=True)
class Photo:
    """One photo, upright. number: its place in the set; camera: of the colour picture, or None, and where it comes
    from; fit: to the reconstruction that the depth is aligned to, or None."""

    path: Path
    name: str
    number: int
    depth: DepthData
    guide: Guide
    width: int
    height: int
    camera: Calibration | None
    camera_from: str = ""
    fit: Fit | None = None

    @property
    def worth(self) -> str:
        """What its depth is worth, in words."""
        return WORTH[self.depth.accuracy] if self.fit is None else self.fit.worth

    def unit(self, per_metre: int = 1) -> str:
        """The unit of values that are so many to a metre, or to a unit of the reconstruction it is aligned to."""
        if self.fit is None or self.fit.scale is not None:
            return {1: "m", 1000: "mm"}.get(per_metre, f"m/{per_metre}")
        return UNIT if per_metre == 1 else f"{UNIT} / {per_metre}"

    def colour(self, width: int = 0, height: int = 0) -> NDArray[np.uint8]:
        return self.guide.at(width or self.width, height or self.height)

    def camera_of(self, width: int, height: int) -> Calibration:
        """Raises UnsupportedError for a photo that says nothing of its camera."""
        if self.camera is None:
            raise UnsupportedError("says nothing of its camera: neither a calibration nor a 35 mm focal length",
                                   where=self.path, hint="png16, npz, exr, tum and kitti need none")
        return self.camera.scaled(width, height)
