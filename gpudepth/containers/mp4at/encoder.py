"""Maps → samples that any HEVC decoder takes: gray in 4:2:0, Main or Main 10, lossless unless a quantiser is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedError, UsageError
from ...formats.hevc.parameter_sets import ProfileTierLevel
from ..quicktime.encoder import Encoder, level

_FORMATS = {8: "yuv420p", 10: "yuv420p10le"}


class GrayEncoder(Encoder):
    """Luma is the codes, chroma the middle: what no device needs special support for. Sides are even.

    Raises UsageError for other bits, UnsupportedError for odd sides, and as `Encoder` does.
    """

    def __init__(self, width: int, height: int, qp: int | None = None, bits: int = 8) -> None:
        if bits not in _FORMATS:
            raise UsageError(f"MP4-AT depth has 8 or 10 bits, not {bits}")
        if width % 2 or height % 2:
            raise UnsupportedError(f"a map of {width}×{height} cannot be coded in 4:2:0", hint="make its sides even")
        self.bits, self.pix_fmt = bits, _FORMATS[bits]
        super().__init__(width, height, qp)

    def picture(self, codes: NDArray[np.uint16]) -> Any:
        import av

        item = np.dtype(np.uint8 if self.bits == 8 else "<u2")
        middle = np.full(codes.size // 4, 1 << self.bits - 1, item)
        planes = np.concatenate([codes.astype(item).ravel(), middle, middle])
        return av.VideoFrame.from_ndarray(planes.reshape(self.height * 3 // 2, self.width), format=self.pix_fmt)

    def profile(self, sps: bytes) -> ProfileTierLevel:
        return replace(ProfileTierLevel.of(sps), level=level(sps))
