"""Converts the 10-bit codes of a depth track, which are logarithmic in the distance from the low end of 'disc'.

    R = max − min + 1        code = round(1023 · ln(v − min + 1) / ln R), clamped to 0…1023
                             v = min + R^(code / 1023) − 1

Clamping follows what is publicly reported of VideoToolbox. The inverse is that of the formula, at most half a step
away from what was encoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...depth import numeric
from ...depth.pixel_format import PixelFormat, quantity_of
from ...errors import HolesError, MalformedError, RangeError, UnsupportedError
from ...formats.isobmff.box import Cursor, make_full

TOP = 1023
HIGHEST = 32768  # largest low end
_FIXED = 65536  # unsigned 16.16


@dataclass(frozen=True)
class LogRange:
    """The range of the codes in the track's quantity. The defaults apply without a disc box.

    Attributes:
        lo: Value of code 0.
        hi: Value of code 1023.
    """

    lo: float = 0.0
    hi: float = 16.0

    def __post_init__(self) -> None:
        if not (0 <= self.lo <= HIGHEST and self.lo < self.hi < _FIXED):
            raise RangeError(f"{self.lo:g} to {self.hi:g} is not a valid range of a depth track",
                             hint=f"0 ≤ low end ≤ {HIGHEST}, and the high end above it")

    @classmethod
    def outward(cls, lo: float, hi: float) -> LogRange:
        """Return the smallest range of a disc box that holds [lo, hi]. Raises RangeError."""
        if not (np.isfinite(lo) and np.isfinite(hi) and lo <= hi):
            raise RangeError(f"{lo:g} to {hi:g} is not a valid range")
        low, high = int(np.floor(lo * _FIXED)), int(np.ceil(hi * _FIXED))
        return cls(low / _FIXED, max(high, low + 1) / _FIXED)

    @classmethod
    def parse(cls, payload: bytes, where: str = "disc") -> LogRange:
        """Parse a disc box's payload. Raises MalformedError, and UnsupportedError for unknown versions."""
        c = Cursor(payload, where)
        head, kind = c.uint(4), c.uint(1)
        if (head, kind) != (0, 1):
            raise UnsupportedError(f"the box starts with {payload[:5].hex()}; only 0000000001 is known", where=where)
        lo, hi = c.uint(4) / _FIXED, c.uint(4) / _FIXED
        c.done()
        try:
            return cls(lo, hi)
        except RangeError as error:
            raise MalformedError(error.message, where=where) from None

    def serialise(self) -> bytes:
        """Return the disc box, 21 bytes."""
        ends = b"".join(round(v * _FIXED).to_bytes(4, "big") for v in (self.lo, self.hi))
        return make_full("disc", 0, 0, b"\x01" + ends)

    def values(self, fmt: PixelFormat) -> NDArray[Any]:
        """Return the value of each code, (1024,) in a native format's dtype."""
        quantity_of(fmt)
        steps = np.arange(TOP + 1, dtype=np.float64) / TOP
        v = self.lo + np.expm1(steps * np.log1p(self.hi - self.lo))
        v[-1] = self.hi  # corrects the logarithm's rounding
        return numeric.pack(v.astype(np.float32), fmt)

    def codes(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Convert values to codes; values outside the range get the code of its nearer end.

        Args:
            values: Float values (H, W) in the track's quantity.

        Raises:
            HolesError: There are NaN values, for which there is no code.
        """
        v = np.asarray(values, np.float64)
        require_values(v)
        over = np.clip(v, self.lo, self.hi) - self.lo
        codes: NDArray[np.float64] = np.rint(TOP * np.log1p(over) / np.log1p(self.hi - self.lo))
        return codes.astype(np.uint16)


def require_values(values: NDArray[Any]) -> None:
    """Raise HolesError for a map with NaN, for which a depth track has no code."""
    holes = int(np.isnan(values).sum())
    if holes:
        raise HolesError(f"{holes:,} pixels have no value, and a depth track has no code for that",
                         hint="fill them first, for example ‹fill=nearest›")
