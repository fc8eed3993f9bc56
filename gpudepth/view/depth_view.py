"""What a file shows: its picture and its depth, upright, at a size to look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.guide import Guide
from ..containers import registry
from ..containers.base import capabilities
from ..depth.data import DepthData
from ..errors import NoDepthError, UnsupportedError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits

SPAN = (0.5, 99.5)      # per cent of the values that the colours tell apart; the rest looks like the ends


@dataclass(frozen=True)
class DepthView:
    """data: in display orientation. picture: (H, W, 3) uint8, or None where there is none to show; why: then."""

    name: str
    data: DepthData
    picture: NDArray[np.uint8] | None = None
    why: str = ""

    @cached_property
    def span(self) -> tuple[float, float]:
        """(lo, hi) of disparity that colours reach over; (0, 1) where nothing has a value."""
        disparity = self.data.disparity()
        finite = disparity[np.isfinite(disparity)]
        if not finite.size:
            return 0.0, 1.0
        lo, hi = (float(v) for v in np.percentile(finite, SPAN))
        return lo, hi

    def near(self) -> NDArray[np.float32]:
        """(H, W) 0 (far) … 1 (near), linear in disparity as eyes and networks have it; NaN where there is no value."""
        (lo, hi), disparity = self.span, self.data.disparity()
        if hi <= lo:
            return np.where(np.isfinite(disparity), np.float32(0.5), np.float32(np.nan))
        out: NDArray[np.float32] = np.clip((disparity - np.float32(lo)) / np.float32(hi - lo), 0, 1)
        out[~np.isfinite(disparity)] = np.nan
        return out

    def fitted(self, long_side: int) -> tuple[int, int]:
        """(width, height) that picture and map are shown at."""
        height, width = self.data.map.shape if self.picture is None else self.picture.shape[:2]
        return fitted(width, height, long_side)


def fitted(width: int, height: int, long_side: int) -> tuple[int, int]:
    """As large as fits, the same shape."""
    scale = long_side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resized(values: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """(height, width) of a map, nearest: a mean of near and far is neither."""
    rows = (np.arange(height) * 2 + 1) * values.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * values.shape[1] // (2 * width)
    out: NDArray[Any] = values[rows[:, None], columns]
    return out


def load(path: str | Path, long_side: int, limits: Limits = DEFAULT) -> DepthView:
    """Depth of a file, and its picture with that long side. Raises NoDepthError, FileError's kinds."""
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        data = container.read(source)
        about = container.picture(source)
    if data is None:
        raise NoDepthError("holds no depth", where=path,
                           hint=f"gpudepth attach {Path(path).name} MAP -o OUT puts some in")
    data = data.displayed()
    if not capabilities(container).has_picture:
        return DepthView(Path(path).name, data, None, "a map alone")
    try:
        picture = Guide(path, "display", limits).at(*fitted(about.width, about.height, long_side))
    except UnsupportedError:
        return DepthView(Path(path).name, data, None, "a raw photo, not developed")
    return DepthView(Path(path).name, data, picture)
