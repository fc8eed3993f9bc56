"""Do two pictures show the same field of view, as far as their sizes tell?"""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.01


@dataclass(frozen=True)
class Aspect:
    """ratio: width to height of the one against the other's. fits: 1, but for rounding; turned: it would be, by 90°."""

    ratio: float
    fits: bool
    turned: bool

    @property
    def off(self) -> str:
        """For people: 33.3%."""
        return f"{abs(self.ratio - 1):.1%}"


def compare(one: tuple[int, int], other: tuple[int, int], shortest: int) -> Aspect:
    """Of two (width, height); `shortest` is the side on which a pixel more or less is rounding."""
    slack = max(TOLERANCE, 0.75 / shortest)
    ratio, across = ((w * other[1]) / (h * other[0]) for w, h in (one, one[::-1]))
    return Aspect(ratio, abs(ratio - 1) <= slack, abs(across - 1) <= slack)
