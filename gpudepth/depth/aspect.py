"""Compares the fields of view of two pictures by their sizes."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.01


@dataclass(frozen=True)
class Aspect:
    """How two aspects compare.

    Attributes:
        ratio: Aspect of the first divided by that of the second.
        fits: Whether they are equal apart from rounding.
        turned: Whether they would be equal after a turn by 90°.
    """

    ratio: float
    fits: bool
    turned: bool

    @property
    def off(self) -> str:
        """The difference for people, such as 33.3%."""
        return f"{abs(self.ratio - 1):.1%}"


def compare(one: tuple[int, int], other: tuple[int, int], shortest: int) -> Aspect:
    """Compare two (width, height); `shortest` is the side whose rounding by a pixel is tolerated."""
    slack = max(TOLERANCE, 0.75 / shortest)
    ratio, across = ((w * other[1]) / (h * other[0]) for w, h in (one, one[::-1]))
    return Aspect(ratio, abs(ratio - 1) <= slack, abs(across - 1) <= slack)
