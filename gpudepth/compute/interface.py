"""What a back end offers. Every back end has these methods under these names, and gives the same bits for them.

Shapes and types, throughout:

    map      2-D, rows first. A *native* map is float16 or float32 (metres, or 1/metres); its holes are NaN.
    codes    2-D, uint8, uint16, float16, float32 or float64: what a source file holds, or a container stores.
    result   a new C-contiguous array, never the input itself, unless `out` is given.

Any memory layout and byte order goes in. Wrong shapes and dtypes raise TypeError or ValueError: they are mistakes in
the calling code. Errors that come from a user's data or wishes are those of `gpudepth.errors`, named below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

    def host(self, values: Array) -> NDArray[Any]:
        """A result as numpy's array: of maps on a GPU they are on it too. numpy's own come back as they are."""

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """codes → a native map in `fmt`: the bits of `numeric.pack(numeric.values(codes, rule, factor), fmt)`.

        factor   float32 of the same shape: distance along the ray → depth along the axis.
        out      where to put it, same shape, `fmt.dtype`; its rows may be padded (Core Video's bytes per row).
        """

    def convert_many(self, maps: Iterable[Array], rule: Linear, fmt: PixelFormat) -> Iterator[Array]:
        """`convert` of each, in order; on a GPU the copies of one map run beside the kernels of another.

        Maps may be taken from `maps` before the results of those ahead of them are given out: three at most.
        """

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        """`convert` and `span` of the result, in one pass where that is faster."""

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

    # Of these, `values` are float32 disparity with holes NaN or infinite, unless said otherwise; a guide is the picture
    # (H, W, 3) uint8, RGB.

    def upsample(self, values: Array, guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None) -> Array:
        """A map at the guide's size, its edges on the picture's; see `compute.refine.guided` for the exact meaning.

        confidence   of the map, 0…255: 0 is no value, less counts less.

        Raises UsageError for a guide that is smaller than the map.
        """

    def inpaint(self, values: Array, guide: NDArray[np.uint8] | None = None) -> tuple[Array, Filled]:
        """A map without holes, filled smoothly and along colours; see `compute.refine.inpaint`.

        Raises HolesError when no pixel is finite, UsageError for a guide of another size.
        """

    def median(self, values: Array, size: int) -> Array:
        """Median of 3×3 or 5×5; see `compute.refine.smooth`. Raises UsageError for another size."""

    def bilateral(self, values: Array, radius: int, guide: NDArray[np.uint8] | None = None) -> Array:
        """Joint bilateral filter; see `compute.refine.smooth`. Raises UsageError for a radius outside 1…8."""

    def affine(self, values: Array, scale: float, shift: float) -> Array:
        """scale · v + shift, both float32, below 0: 0; see `compute.refine.align`."""

    def blend(self, values: Array, before: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8],
              share: float) -> Array:
        """A frame drawn towards the one before; see `compute.refine.temporal`."""
