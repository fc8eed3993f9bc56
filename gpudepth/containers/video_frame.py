"""What readers of depth video give."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..depth.data import DepthData


@dataclass(frozen=True)
class VideoFrame:
    """A frame and when it is shown, in seconds."""

    seconds: Fraction
    depth: DepthData
