"""Defines the pixel formats of depth maps: what the values are, and how containers store them.

Names and FourCCs are Core Video's (`kCVPixelFormatType_DisparityFloat16` = 'hdis' and so on); XMP holds the FourCC
as a decimal number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..errors import UsageError


class Quantity(StrEnum):
    """What a value measures: DEPTH is metres along the optical axis, DISPARITY is 1/metres."""

    DEPTH = "depth"
    DISPARITY = "disparity"

    @property
    def unit(self) -> str:
        return "m" if self is Quantity.DEPTH else "1/m"


@dataclass(frozen=True)
class PixelFormat:
    """A native format (hdis, fdis, hdep, fdep) or a stored one (L008…L016).

    Attributes:
        name: Its name.
        dtype: Type of the values.
        quantity: Quantity of a native format, or None.
        max_code: Largest code of a stored format, or None.
    """

    name: str
    dtype: np.dtype[np.generic]
    quantity: Quantity | None = None
    max_code: int | None = None

    @property
    def fourcc(self) -> int:
        """FourCC as the number that XMP and Core Video use: 'hdis' = 1751411059."""
        return int.from_bytes(self.name.encode("ascii"), "big")

    @property
    def bits(self) -> int:
        """Significant bits of a stored code, or of the float."""
        return self.max_code.bit_length() if self.max_code is not None else self.dtype.itemsize * 8

    def __str__(self) -> str:
        return self.name


HDIS = PixelFormat("hdis", np.dtype(np.float16), Quantity.DISPARITY)
FDIS = PixelFormat("fdis", np.dtype(np.float32), Quantity.DISPARITY)
HDEP = PixelFormat("hdep", np.dtype(np.float16), Quantity.DEPTH)
FDEP = PixelFormat("fdep", np.dtype(np.float32), Quantity.DEPTH)
L008 = PixelFormat("L008", np.dtype(np.uint8), max_code=255)
L010 = PixelFormat("L010", np.dtype(np.uint16), max_code=1023)
L012 = PixelFormat("L012", np.dtype(np.uint16), max_code=4095)
L016 = PixelFormat("L016", np.dtype(np.uint16), max_code=65535)

NATIVE = (HDIS, FDIS, HDEP, FDEP)
STORED = (L008, L010, L012, L016)
_BY_NAME = {f.name: f for f in NATIVE + STORED}
_BY_FOURCC = {f.fourcc: f for f in NATIVE + STORED}


def pixel_format(key: str | int | PixelFormat) -> PixelFormat:
    """Return a format by name ("hdis") or FourCC number (1751411059), or the format itself. Raises UsageError."""
    if isinstance(key, PixelFormat):
        return key
    found = _BY_FOURCC.get(key) if isinstance(key, int) else _BY_NAME.get(key)
    if found is None:
        raise UsageError(f"unknown pixel format {key!r}", hint="use " + ", ".join(_BY_NAME))
    return found


def native(key: str | int | PixelFormat) -> PixelFormat:
    """Return a native format as `pixel_format` does. Raises UsageError for a stored one."""
    found = pixel_format(key)
    if found.quantity is None:
        raise UsageError(f"{found} holds codes, not values", hint="use " + ", ".join(f.name for f in NATIVE))
    return found


def format_metres(value: float) -> str:
    """Return a distance for people: two decimals from 0.1 m on, "infinity" for inf."""
    return "infinity" if math.isinf(value) else f"{value:.2f} m" if value >= 0.1 else f"{value:.4g} m"


def metre_range(lo: float, hi: float, quantity: Quantity) -> tuple[float, float]:
    """Return the nearest and the farthest metres of values from `lo` to `hi` in a quantity; 1/0 is inf."""
    if quantity is Quantity.DEPTH:
        return lo, hi
    return 1 / hi if hi > 0 else math.inf, 1 / lo if lo > 0 else math.inf


def quantity_of(fmt: PixelFormat) -> Quantity:
    """Return the quantity of a native format. Raises UsageError for a stored one."""
    if fmt.quantity is None:
        raise UsageError(f"{fmt} holds codes, not values")
    return fmt.quantity


def stored(bits: int) -> PixelFormat:
    """Return the stored format with 8, 10, 12 or 16 bits. Raises UsageError for others."""
    for fmt in STORED:
        if fmt.bits == bits:
            return fmt
    raise UsageError(f"no stored format has {bits} bits", hint="use 8, 10, 12 or 16")
