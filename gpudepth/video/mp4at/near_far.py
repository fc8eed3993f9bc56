"""Converts the codes of a depth track, whose range is in the samples of the timed depth metadata track.

    code 0 is near, the largest is far: linear in depth, or in its inverse (Dynamic Depth's RangeLinear, RangeInverse)
    sample: near f16, far f16, entries u16, then distance f16 and radius f16 of each entry; all little-endian

The entries define how strongly to blur at which distance, which is not needed here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...depth import numeric
from ...errors import HolesError, MalformedError, RangeError, TruncatedError

LINEAR, INVERSE = 1, 2      # track types of depth
_SAMPLE = struct.Struct("<eeH")
_ENTRY = 4


@dataclass(frozen=True)
class NearFar:
    """The ends of a depth track's codes.

    Attributes:
        near: Near end in metres, a half float.
        far: Far end in metres, a half float; may be infinite where codes are linear in the inverse.
        inverse: Whether codes are linear in 1/depth.

    Raises:
        RangeError: The range is not valid.
    """

    near: float
    far: float
    inverse: bool

    def __post_init__(self) -> None:
        infinite = np.isposinf(self.far) and self.inverse
        usable = np.isfinite(self.near) and (np.isfinite(self.far) or infinite) and 0 <= self.near < self.far
        if not usable or (self.inverse and self.near == 0):
            raise RangeError(f"near {self.near:g} and far {self.far:g} are not a valid range",
                             hint="0 < near < far, in metres")

    @classmethod
    def outward(cls, lo: float, hi: float, *, inverse: bool) -> NearFar:
        """Return the narrowest range of halves that holds [lo, hi] (1/metres if `inverse`). Raises RangeError."""
        if not (np.isfinite(lo) and np.isfinite(hi) and 0 <= lo <= hi):
            raise RangeError(f"{lo:g} to {hi:g} is not a valid range")
        if inverse and hi < 1 / 65504:
            raise RangeError(f"{lo:g} to {hi:g} 1/m is farther than a half float can hold")
        near, far = ((1 / hi, 1 / lo if lo else np.inf) if inverse else (lo, hi))
        near, far = _half(near, up=False), _half(far, up=True)
        if far == near:
            far = float(np.nextafter(np.float16(near), np.float16(np.inf)))
        return cls(near, far, inverse)

    @classmethod
    def parse(cls, sample: bytes, where: str, *, inverse: bool) -> NearFar:
        """Parse a metadata sample. Raises TruncatedError, MalformedError."""
        if len(sample) < _SAMPLE.size:
            raise TruncatedError(f"the sample has {len(sample)} bytes; near, far and a count take {_SAMPLE.size}",
                                 where=where)
        near, far, entries = _SAMPLE.unpack_from(sample)
        if len(sample) < _SAMPLE.size + _ENTRY * entries:
            raise TruncatedError(f"a focal table of {entries} entries does not fit into {len(sample)} bytes",
                                 where=where)
        try:
            return cls(near, far, inverse)
        except RangeError as error:
            raise MalformedError(error.message, where=where) from None

    def serialise(self) -> bytes:
        """Return the sample, without a focal table."""
        return _SAMPLE.pack(self.near, self.far, 0)

    @property
    def ends(self) -> tuple[float, float]:
        """Return (lo, hi), in 1/metres if `inverse`, else in metres."""
        return (1 / self.far if np.isfinite(self.far) else 0.0, 1 / self.near) if self.inverse else (
            self.near, self.far)

    def codes(self, values: NDArray[Any], top: int) -> NDArray[Any]:
        """Convert values to codes.

        Args:
            values: Float values (H, W) in the quantity of `ends`; values outside get the code of the nearer end.
            top: Largest code.

        Raises:
            HolesError: There are NaN values, for which there is no code.
        """
        holes = int(np.isnan(values).sum())
        if holes:
            raise HolesError(f"{holes:,} pixels have no value, and a depth track has no code for that",
                             hint="fill them first, for example ‹fill=nearest›")
        stored = numeric.store(values, *self.ends, top)
        return np.asarray(top, stored.dtype) - stored if self.inverse else stored


def _half(value: float, *, up: bool) -> float:
    """Return the nearest half float that is not below (`up`) or not above the value."""
    with np.errstate(over="ignore"):
        half = np.float16(value)
    if up and float(half) < value:     # compared as doubles, because numpy would round `value` to a half
        half = np.nextafter(half, np.float16(np.inf))
    elif not up and float(half) > value:
        half = np.nextafter(half, np.float16(-np.inf))
    return float(half)
