"""What a back end offers. Every back end has these methods under these names, and gives the same bits for them.

Shapes and types, throughout:

    map      2-D, rows first. A *native* map is float16 or float32 (metres, or 1/metres); its holes are NaN.
    codes    2-D, uint8, uint16, float16, float32 or float64: what a source file holds, or a container stores.
    result   a new C-contiguous array, never the input itself, unless `out` is given.

Any memory layout and byte order goes in. Wrong shapes and dtypes raise TypeError or ValueError: they are mistakes in
the calling code. Errors that come from a user's data or wishes are those of `gpudepth.errors`, named below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, Quantity

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Span:
    """The smallest and the largest finite value of a map, and how many of its pixels are finite.

    lo and hi are NaN when none is; zeros are +0.
    """

    lo: float
    hi: float
    valid: int
    total: int


@dataclass(frozen=True)
class Filled:
    """How many pixels a fill replaced, and their share of the map (0..1)."""

    count: int
    share: float


class Backend(Protocol):
    """Bulk arithmetic on maps. Stateless: one object may serve any number of maps, in any order."""

    @property
    def name(self) -> str:
        """What users call it: "numpy"."""

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """codes → a native map in `fmt`: the bits of `numeric.pack(numeric.values(codes, rule, factor), fmt)`.

        factor   float32 of the same shape: distance along the ray → depth along the axis.
        out      where to put it, same shape, `fmt.dtype`; its rows may be padded (Core Video's bytes per row).
        """

    def span(self, values: Array) -> Span:
        """Range and validity of a native map."""

    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        """A native map → codes of the stored format `fmt` over [lo, hi]: the bits of `numeric.store`.

        lo, hi   finite, in the map's unit; values outside are clamped, lo ≥ hi gives zeros.

        Raises HolesError when a pixel is NaN or infinite: stored formats have no code for "no value".
        """

    def load(self, codes: Array, lo: float, hi: float, stored: PixelFormat, native: PixelFormat) -> Array:
        """Codes of the stored format `stored` → a native map: the bits of `numeric.pack(numeric.load(…), native)`."""

    def reciprocal_to(self, values: Array, fmt: PixelFormat) -> Array:
        """A native map → the other quantity, in `fmt`: the bits of `numeric.pack(numeric.reciprocal(values), fmt)`."""

    def orient(self, values: Array, orientation: int) -> Array:
        """A stored map that carries the Exif orientation 1…8 → the map as it is displayed. Any dtype.

        2 mirrors left-right, 3 turns by 180°, 4 mirrors top-bottom, 5 transposes, 6 turns clockwise by 90°,
        7 transposes along the other diagonal, 8 turns counter-clockwise by 90°. Raises UsageError for other numbers.
        """

    def fill(self, values: Array, how: str, quantity: Quantity) -> tuple[Array, Filled]:
        """A native map with each NaN and infinity replaced; see `compute.refine.fill` for the exact meaning.

        how   "nearest" (the nearest pixel's value), "far" or "near" (the farthest or nearest value of the map,
              which depends on the `quantity` it holds).

        Raises HolesError when no pixel is finite, UsageError for another `how` or a map too wide for "nearest".
        """

    def resize(self, values: Array, width: int, height: int, method: str = "area") -> Array:
        """A native map at width × height, same dtype; see `compute.refine.resize` for the exact meaning.

        method   "area" (for shrinking), "bilinear" or "nearest".

        Raises UsageError for another method or a size below 1 × 1.
        """
