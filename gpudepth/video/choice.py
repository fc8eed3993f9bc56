"""Which frames of a clip are taken."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True)
class Choice:
    """Every stride-th frame of [start, stop).

    Attributes:
        start: Index of the first frame.
        stop: Index after the last frame; None means all that follow.
        stride: Take every stride-th frame.
    """

    start: int = 0
    stop: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if self.start < 0 or self.stride < 1 or (self.stop is not None and self.stop <= self.start):
            raise UsageError(f"frames {self.start}:{'' if self.stop is None else self.stop} in steps of {self.stride} "
                             "are not a valid range",
                             hint="frames are counted from 0 and the end is not included: ‹frames=0:100› ‹stride=10›")

    @classmethod
    def parse(cls, text: str | None, stride: int = 1) -> Choice:
        """Parse "100:200", "100:" or ":200". Raises UsageError."""
        match = re.fullmatch(r"([0-9]{0,9}):([0-9]{0,9})", text or ":")
        if match is None:
            raise UsageError(f"frames {text!r} is not a range A:B", hint="‹frames=0:100›")
        return cls(int(match[1] or 0), int(match[2]) if match[2] else None, stride)


ALL = Choice()
