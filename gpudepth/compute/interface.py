"""The interface of a back end. Every back end has these methods and returns the same bits from them.

Shapes and types in all methods:

    map      2-D, rows first. A *native* map is float16 or float32 in metres or 1/metres; its holes are NaN.
    codes    2-D, uint8, uint16, float16, float32 or float64: the pixels of a source file or of a container.
    result   a new C-contiguous array, never the input itself, unless `out` is given.

Any memory layout and byte order is accepted. Wrong shapes and dtypes raise TypeError or ValueError, because they are
mistakes in the calling code. Errors that come from a user's data or settings are those of `gpudepth.errors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat, Quantity
from ..errors import UsageError

Array: TypeAlias = NDArray[Any]
T = TypeVar("T")

DLPACK_CUDA = (2, 13)   # device types kDLCUDA and kDLCUDAManaged
MEDIANS = (3, 5)        # sizes
MAX_RADIUS = 8          # of a bilateral filter


@dataclass(frozen=True)
class Span:
    """The finite range of a map.

    Attributes:
        lo: The smallest finite value, NaN without any; zero is +0.
        hi: The largest finite value, NaN without any; zero is +0.
        valid: The number of finite pixels.
        total: The number of pixels.
    """

    lo: float
    hi: float
    valid: int
    total: int


@dataclass(frozen=True)
class Filled:
    """The extent of a fill.

    Attributes:
        count: The number of pixels that were replaced.
        share: Their share of the map, 0 to 1.
    """

    count: int
    share: float


class Backend(Protocol):
    """Bulk arithmetic on maps. It is stateless: one object may serve any number of maps, in any order."""

    @property
    def name(self) -> str:
        """Return the name that users select it by, such as "numpy"."""

    def attempt(self, work: Callable[[Backend], T]) -> T:
        """Return work(backend) with this back end; one that can fail calls it again, with another one if need be."""

    def put(self, values: Array) -> Array:
        """Return an array where this back end computes: numpy's is the array itself, on a GPU it is a copy.

        Results of maps on a GPU are on the GPU, so that a map is copied once and its codes come back once.
        """

    def host(self, values: Array) -> NDArray[Any]:
        """Return a result as a numpy array; a numpy array comes back itself."""

    def convert(self, codes: Array, rule: Linear, fmt: PixelFormat, *, factor: NDArray[np.float32] | None = None,
                out: Array | None = None) -> Array:
        """Convert codes to a native map in `fmt`: the bits of `numeric.pack(numeric.values(codes, rule, factor), fmt)`.

        Args:
            codes: The codes, of any of the dtypes above.
            rule: What the codes mean.
            fmt: The native format of the result.
            factor: float32 of the same shape that turns distance along the ray into depth along the axis.
            out: The array for the result: same shape, `fmt.dtype`. Its rows may be padded, as Core Video's are.
        """

    def convert_span(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span]:
        """Convert, and return the span of the result as well, in one pass if that is faster."""

    def keep_codes(self, codes: Array, rule: Linear, fmt: PixelFormat) -> tuple[Array, Span] | None:
        """Return a map that stays codes until `put` or `host` converts it, and its span; None if that has no use.

        `quantise` then makes stored codes of codes by one table. The map has shape and dtype of the native one.
        """

    def span(self, values: Array) -> Span:
        """Return the range and the number of valid pixels of a native map."""

    def quantise(self, values: Array, lo: float, hi: float, fmt: PixelFormat) -> Array:
        """Quantise a native map to codes of the stored format `fmt` over [lo, hi], with the bits of `numeric.store`.

        Args:
            values: The native map.
            lo: The value of code 0, finite, in the unit of the map. Values outside the range are clamped.
            hi: The value of the largest code, finite. With lo ≥ hi, every code is 0.
            fmt: The stored format.

        Raises:
            HolesError: A pixel is NaN or infinite; stored formats have no code for such a pixel.
        """

    def load(self, codes: Array, lo: float, hi: float, stored: PixelFormat, native: PixelFormat) -> Array:
        """Restore a native map from stored codes, with the bits of `numeric.pack(numeric.load(…), native)`."""

    def cast(self, values: Array, fmt: PixelFormat) -> Array:
        """Round a native map to the dtype of `fmt`: the bits of `numeric.pack(values, fmt)`."""

    def clip(self, values: Array, lo: float, hi: float) -> Array:
        """Limit a native map to [lo, hi], rounded to its dtype, infinities included; zeros become +0, NaN stays NaN."""

    def mask(self, values: Array, confidence: Array) -> Array:
        """Make the pixels of a native map holes where `confidence`, uint8 of the same shape, is 0."""

    def positive(self, values: Array) -> Array:
        """Make the pixels of a native map holes where they are not above 0."""

    def crop(self, values: Array, box: tuple[int, int, int, int]) -> Array:
        """Return the part of a map at x, y with a width and height, which lies inside the map."""

    def sample(self, values: Array, every: int) -> NDArray[Any]:
        """Return each `every`-th pixel of a native map in raster order, on the host: a 1-D array."""

    def reciprocal_to(self, values: Array, fmt: PixelFormat) -> Array:
        """Convert a native map to the other quantity: the bits of `numeric.pack(numeric.reciprocal(values), fmt)`."""

    def orient(self, values: Array, orientation: int) -> Array:
        """Apply the Exif orientation of a stored map of any dtype, so that it is as it is displayed.

        2 mirrors left-right, 3 turns by 180°, 4 mirrors top-bottom, 5 transposes, 6 turns clockwise by 90°, 7
        transposes along the other diagonal, 8 turns counter-clockwise by 90°.

        Raises:
            UsageError: The orientation is not in 1…8.
        """

    def fill(self, values: Array, how: str, quantity: Quantity) -> tuple[Array, Filled]:
        """Replace each NaN and infinity of a native map; `compute.refine.fill` holds the exact definition.

        Args:
            values: The native map.
            how: "nearest" (the value of the nearest pixel), "far" or "near" (the farthest or nearest value of the map).
            quantity: The quantity of the map, which decides what is far.

        Raises:
            HolesError: No pixel is finite.
            UsageError: `how` is unknown, or the map is too large for "nearest".
        """

    def resize(self, values: Array, width: int, height: int, method: str = "area") -> Array:
        """Resize a native map to width × height, same dtype; `compute.refine.resize` holds the exact definition.

        Args:
            values: The native map.
            width: The new width in pixels.
            height: The new height in pixels.
            method: "area" (for shrinking), "bilinear" or "nearest".

        Raises:
            UsageError: The method is unknown, or the size is below 1 × 1.
        """

    # In the methods below, `values` are float32 disparity with holes NaN or infinite, unless stated otherwise. A guide
    # is the picture, (H, W, 3) uint8, RGB.

    def upsample(self, values: Array, guide: NDArray[np.uint8], confidence: NDArray[np.uint8] | None = None) -> Array:
        """Enlarge a map to the size of the guide, with edges at those of the picture; see `compute.refine.guided`.

        Args:
            values: The map.
            guide: The picture, at least as large as the map.
            confidence: uint8 of the shape of the map: the weight of each pixel; 0 marks a hole.

        Raises:
            UsageError: The guide is smaller than the map.
        """

    def inpaint(self, values: Array, guide: NDArray[np.uint8] | None = None) -> tuple[Array, Filled]:
        """Fill the holes of a map smoothly and along colours; see `compute.refine.inpaint`.

        Raises:
            HolesError: No pixel is finite.
            UsageError: The guide has another size than the map.
        """

    def median(self, values: Array, size: int) -> Array:
        """Apply a median of 3×3 or 5×5; see `compute.refine.smooth`. Any other size raises UsageError."""

    def bilateral(self, values: Array, radius: int, guide: NDArray[np.uint8] | None = None) -> Array:
        """Apply a joint bilateral filter; see `compute.refine.smooth`. A radius outside 1…8 raises UsageError."""

    def affine(self, values: Array, scale: float, shift: float) -> Array:
        """Return scale · v + shift, both float32, with negative results set to 0; see `compute.refine.align`."""

    def blend(self, values: Array, before: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8],
              share: float) -> Array:
        """Blend a frame with the one before it; see `compute.refine.temporal`."""

    def changes(self, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> int:
        """Return the number of pixels whose colour differs by more than `limit`; see `compute.refine.temporal`."""

    def unchanged(self, values: Array, guide: NDArray[np.uint8], guide_before: NDArray[np.uint8], limit: int) -> Array:
        """Return the values where the colour differs by at most `limit`, and holes elsewhere."""


def on_gpu(values: Any) -> bool:
    """Return whether this is an array of any library in a GPU's memory, without importing one."""
    if isinstance(values, np.ndarray):
        return False
    # DLPack comes first because a torch tensor that requires a gradient raises when asked for __cuda_array_interface__.
    if hasattr(values, "__dlpack_device__"):
        return int(values.__dlpack_device__()[0]) in DLPACK_CUDA
    return hasattr(values, "__cuda_array_interface__")


def check_size(size: int) -> None:
    """Raise UsageError unless a median of this size exists."""
    if size not in MEDIANS:
        raise UsageError(f"there is no median of {size}×{size}", hint="use 3 or 5")


def check_radius(radius: int) -> None:
    """Raise UsageError unless a bilateral filter of this radius exists."""
    if not 1 <= radius <= MAX_RADIUS:
        raise UsageError(f"there is no bilateral filter of radius {radius}", hint=f"use 1 to {MAX_RADIUS}")
