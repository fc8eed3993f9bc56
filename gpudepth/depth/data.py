"""DepthData: a depth map and its metadata, with the methods of Apple's AVDepthData."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from . import numeric
from .calibration import Calibration
from .orientation import apply, check, inverse, then
from .pixel_format import PixelFormat, Quantity, native, quantity_of


@dataclass(frozen=True)
class Storage:
    """How a container holds a map.

    Attributes:
        format: Format of the integer codes.
        lo: Value of code 0 in the native quantity.
        hi: Value of the largest code.
    """

    format: PixelFormat
    lo: float
    hi: float


@dataclass(frozen=True, eq=False)
class DepthData:
    """A depth map (H, W) in a native format, with its metadata.

    Attributes:
        map: float16 or float32 values in metres or 1/metres, as `pixel_format` defines; NaN where there is no value.
        pixel_format: hdis or fdis (disparity in 1/metres, float16 and float32), hdep or fdep (depth in metres).
        orientation: Exif orientation that turns `map` into display orientation; 1 means it is in display orientation.
        calibration: Calibration of the same view as `map`, or None.
        accuracy: "absolute" (metric) or "relative" (correct up to scale and shift).
        quality: "high" or "low", as in AVDepthData.
        filtered: Whether holes were filled and noise was smoothed.
        storage: How the file held it, or None.
        codes: The integers (H, W) it was read from, turned like `map`, or None. Storing them again is lossless.

    Raises:
        UsageError: The map has another shape or dtype.

    Source: Apple, AVDepthData (its properties, and its methods by their Swift names).
    """

    map: NDArray[Any]
    pixel_format: PixelFormat
    orientation: int = 1
    calibration: Calibration | None = None
    accuracy: Literal["relative", "absolute"] = "relative"
    quality: Literal["high", "low"] = "high"
    filtered: bool = True
    storage: Storage | None = None
    codes: NDArray[Any] | None = None

    drawn: ClassVar[Callable[[DepthData], bytes] | None] = None

    def __post_init__(self) -> None:
        fmt = native(self.pixel_format)
        object.__setattr__(self, "pixel_format", fmt)
        values = np.asarray(self.map)
        if values.ndim != 2 or 0 in values.shape:
            raise UsageError(f"a depth map is (height, width), not {values.shape}")
        if values.dtype != fmt.dtype:
            raise UsageError(f"{fmt} requires {fmt.dtype}, not {values.dtype}",
                             hint="DepthData.from_values converts it")
        check(self.orientation)

    @classmethod
    def from_values(cls, values: NDArray[Any], fmt: str | PixelFormat = "hdis", *,
                    quantity: str | Quantity | None = None, **fields: Any) -> DepthData:
        """Make a map from values, packed by the numeric contract: round to nearest even.

        Args:
            values: Depth in metres along the optical axis, or disparity in 1/metres:
                float16, float32 or float64 (H, W).
            fmt: The native format of the result.
            quantity: Whether the values are depth or disparity; that of `fmt` by default.
            **fields: Other fields of DepthData.

        Raises:
            UsageError: A field is not valid.
        """
        fmt = native(fmt)
        v = np.asarray(values, np.float32)
        if quantity is not None and Quantity(quantity) is not fmt.quantity:
            v = numeric.reciprocal(v)
        return cls(numeric.pack(v, fmt), fmt, **fields)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.map.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.map.shape[0])

    @property
    def quantity(self) -> Quantity:
        """Quantity of the values: depth in metres, or disparity in 1/metres."""
        return quantity_of(self.pixel_format)

    def values(self, quantity: str | Quantity) -> NDArray[np.float32]:
        """Return the values in a quantity: 1/0 = inf, and NaN where there is no value.

        Args:
            quantity: "depth" or "disparity".

        Returns:
            float32 (H, W) in metres along the optical axis, or in 1/metres.
        """
        v = self.map.astype(np.float32)
        return numeric.canonical(v) if Quantity(quantity) is self.quantity else numeric.reciprocal(self.map)

    def depth(self) -> NDArray[np.float32]:
        """Return metres along the optical axis, float32 (H, W)."""
        return self.values(Quantity.DEPTH)

    def disparity(self) -> NDArray[np.float32]:
        """Return 1/metres, float32 (H, W)."""
        return self.values(Quantity.DISPARITY)

    def to(self, fmt: str | PixelFormat) -> DepthData:
        """Return the map in another native format (AVDepthData's converting(toDepthDataType:)).

        `storage` and `codes` are dropped when the quantity changes, because their range is in the old one.

        Args:
            fmt: The format.

        Raises:
            UsageError: The format is not a native one.
        """
        fmt = native(fmt)
        if fmt == self.pixel_format:
            return self
        packed = numeric.pack(self.values(quantity_of(fmt)), fmt)
        same = fmt.quantity is self.quantity
        return replace(self, map=packed, pixel_format=fmt, storage=self.storage if same else None,
                       codes=self.codes if same else None)

    def oriented(self, orientation: int) -> DepthData:
        """Return the map and its calibration with an Exif orientation, 1 to 8, applied (applyingExifOrientation).

        Raises:
            UsageError: The number is not an orientation.
        """
        if check(orientation) == 1:
            return self
        calibration = self.calibration.oriented(orientation) if self.calibration else None
        codes = None if self.codes is None else np.ascontiguousarray(apply(orientation, self.codes))
        return replace(self, map=np.ascontiguousarray(apply(orientation, self.map)), calibration=calibration,
                       codes=codes, orientation=then(inverse(orientation), self.orientation))

    def displayed(self) -> DepthData:
        """Return the map in display orientation."""
        return self.oriented(self.orientation)

    def replacing_map(self, values: NDArray[Any]) -> DepthData:
        """Return the metadata with another map (H, W) of the same format and view (replacingDepthDataMap).

        Args:
            values: The map: float16 or float32 as the format of this one, in metres or 1/metres.

        Raises:
            UsageError: `values` have another dtype than the format.
        """
        return replace(self, map=values, storage=None, codes=None)

    def auxiliary_data_info(self, bytes_per_row: int | None = None) -> dict[str, Any]:
        """Return ImageIO's auxiliary data dictionary, see `gpudepth.depth.data`.

        Args:
            bytes_per_row: Bytes of a padded row; no padding by default.

        Raises:
            UsageError: `bytes_per_row` is too small.
        """
        return auxiliary_data_info(self.map, self.pixel_format, bytes_per_row)

    def range(self) -> tuple[float, float]:
        """Return (min, max) of the finite values in the native quantity; NaN without any."""
        finite = self.map[np.isfinite(self.map)]
        return (float(finite.min()), float(finite.max())) if finite.size else (float("nan"), float("nan"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the depth in metres, (H, W) float32 unless another dtype is asked for."""
        metres = self.depth()
        return metres if dtype is None else metres.astype(dtype)

    def _repr_png_(self) -> bytes | None:
        """Return a coloured PNG for notebooks, drawn by `gpudepth.view`, which sets `drawn`; None without it."""
        return None if DepthData.drawn is None else DepthData.drawn(self)

    def __repr__(self) -> str:
        lo, hi = self.range()
        return (f"<DepthData {self.width}×{self.height} {self.pixel_format}, {self.quantity} {lo:.4g}…{hi:.4g} "
                f"{self.quantity.unit}, {self.accuracy}>")


DATA = "kCGImageAuxiliaryDataInfoData"
DATA_DESCRIPTION = "kCGImageAuxiliaryDataInfoDataDescription"
METADATA = "kCGImageAuxiliaryDataInfoMetadata"
TYPE_DEPTH = "kCGImageAuxiliaryDataTypeDepth"
TYPE_DISPARITY = "kCGImageAuxiliaryDataTypeDisparity"
PIXEL_FORMAT, WIDTH, HEIGHT, BYTES_PER_ROW = "PixelFormat", "Width", "Height", "BytesPerRow"


def auxiliary_data_info(values: NDArray[Any], fmt: PixelFormat, bytes_per_row: int | None = None) -> dict[str, Any]:
    """Return the dictionary of a map, with little-endian rows padded with zeros.

    Args:
        values: A map (H, W) of a native format.
        fmt: The format.
        bytes_per_row: Bytes of a padded row; there is no padding by default. Core Video pads to 16 or 64.

    Raises:
        UsageError: `bytes_per_row` is too small.
    """
    height, width = values.shape
    tight = width * fmt.dtype.itemsize
    pitch = tight if bytes_per_row is None else bytes_per_row
    if pitch < tight:
        raise UsageError(f"bytes_per_row is {pitch}, but a row of {width} {fmt} values takes {tight} bytes")
    rows = np.zeros((height, pitch), np.uint8)
    little = np.ascontiguousarray(values, fmt.dtype.newbyteorder("<"))
    rows[:, :tight] = little.view(np.uint8).reshape(height, tight)
    description = {PIXEL_FORMAT: fmt.fourcc, WIDTH: width, HEIGHT: height, BYTES_PER_ROW: pitch}
    return {DATA: rows.tobytes(), DATA_DESCRIPTION: description}


def map_from_info(info: dict[str, Any]) -> tuple[NDArray[Any], PixelFormat]:
    """Return the map (H, W) in native byte order, and its format. Raises UsageError for an inconsistent dictionary."""
    try:
        data, about = bytes(info[DATA]), info[DATA_DESCRIPTION]
        width, height, pitch = (int(about[k]) for k in (WIDTH, HEIGHT, BYTES_PER_ROW))
        fmt = native(int(about[PIXEL_FORMAT]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"the auxiliary data dictionary is incomplete: {error}") from None
    tight = width * fmt.dtype.itemsize
    if width <= 0 or height <= 0 or pitch < tight or len(data) < pitch * (height - 1) + tight:
        raise UsageError(f"the auxiliary data dictionary holds {len(data)} bytes instead of {height} rows of {pitch}")
    padded = data.ljust(pitch * height, b"\0")[: pitch * height]
    rows = np.frombuffer(padded, np.uint8).reshape(height, pitch)[:, :tight]
    little = np.ascontiguousarray(rows).view(fmt.dtype.newbyteorder("<"))
    return little.astype(fmt.dtype), fmt
