"""Reads the picture and the depth of a file for display: upright and at a given size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.photo import file_guide
from ..compute.refine.resize import resize
from ..containers import registry
from ..containers.base import capabilities
from ..depth.data import DepthData
from ..errors import NoDepthError, UnsupportedError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits

SPAN = (0.5, 99.5)      # percentiles of the values at the ends of the colours; values beyond are clipped


@dataclass(frozen=True)
class DepthView:
    """A map and its picture.

    Attributes:
        name: The name of the file.
        data: The depth in display orientation.
        picture: (H, W, 3) uint8, or None if there is no picture to show.
        note: Why there is no picture.
    """

    name: str
    data: DepthData
    picture: NDArray[np.uint8] | None = None
    note: str = ""

    @cached_property
    def span(self) -> tuple[float, float]:
        """The disparities (lo, hi) at the ends of the colours in 1/metres; (0, 1) if no pixel has a value."""
        disparity = self.data.disparity()
        finite = disparity[np.isfinite(disparity)]
        if not finite.size:
            return 0.0, 1.0
        lo, hi = (float(v) for v in np.percentile(finite, SPAN))
        return lo, hi

    def near(self) -> NDArray[np.float32]:
        """Return (H, W) values 0 (far) … 1 (near), linear in disparity; NaN for pixels without a value."""
        (lo, hi), disparity = self.span, self.data.disparity()
        if hi <= lo:
            return np.where(np.isfinite(disparity), np.float32(0.5), np.float32(np.nan))
        out: NDArray[np.float32] = np.clip((disparity - np.float32(lo)) / np.float32(hi - lo), 0, 1)
        out[~np.isfinite(disparity)] = np.nan
        return out

    def fitted(self, long_side: int) -> tuple[int, int]:
        """Return the (width, height) of picture and map for a long side, in pixels."""
        height, width = self.data.map.shape if self.picture is None else self.picture.shape[:2]
        return fitted(width, height, long_side)


def fitted(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return the (width, height) with this long side and the same aspect, in pixels."""
    scale = long_side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resized(values: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Resize a map to (height, width) without interpolation, which would invent depths between near and far."""
    return resize(values, width, height, "nearest")


def load(path: str | Path, long_side: int, limits: Limits = DEFAULT) -> DepthView:
    """Read the depth of a file, and its picture with this long side in pixels.

    Raises:
        NoDepthError: If the file holds no depth.
        FileError: If the file cannot be read.
    """
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        data = container.read(source)
        about = container.picture(source)
    if data is None:
        raise NoDepthError("the file holds no depth", where=path,
                           hint=f"gpudepth attach {Path(path).name} MAP -o OUT adds depth")
    data = data.displayed()
    if not capabilities(container).has_picture:
        return DepthView(Path(path).name, data, None, "a map without a photo")
    try:
        picture = file_guide(path, "display", limits).at(*fitted(about.width, about.height, long_side))
    except UnsupportedError:
        return DepthView(Path(path).name, data, None, "a raw photo, which is not developed")
    return DepthView(Path(path).name, data, picture)
