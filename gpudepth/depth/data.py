"""DepthData: a depth map and what is known of it, with the surface of Apple's AVDepthData."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from . import numeric
from . import orientation as exif
from .auxiliary import auxiliary_data_info
from .calibration import Calibration
from .pixel_format import PixelFormat, Quantity, native, quantity_of


@dataclass(frozen=True)
class Storage:
    """How a container holds a map: integer codes of `format` over [lo, hi], both in the native quantity."""

    format: PixelFormat
    lo: float
    hi: float


@dataclass(frozen=True, eq=False)
class DepthData:
    """A depth map (H, W) in a native format, with its metadata.

    pixel_format  hdis, fdis (disparity, 1/metres, float16 and float32), hdep, fdep (depth, metres)
    map           float16 or float32; metres or 1/metres as `pixel_format` says; NaN where there is no value
    orientation   the Exif orientation that turns `map` into display orientation (1: it is there already)
    calibration   of the same view as `map`, or None
    accuracy      "absolute" (metric) or "relative" (right up to scale and shift)
    storage       how the file held it, or None
    quality       AVDepthData's: "high" or "low"
    filtered      were holes filled and noise smoothed
    codes         the integers it was read from (H, W), turned like `map`, or None: stored again, nothing is lost

    Raises UsageError for a map of another shape or dtype.
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
            raise UsageError(f"{fmt} is {fmt.dtype}, not {values.dtype}", hint="DepthData.from_values converts")
        exif.check(self.orientation)

    @classmethod
    def from_values(cls, values: NDArray[Any], fmt: str | PixelFormat = "hdis", *,
                    quantity: str | Quantity | None = None, **fields: Any) -> DepthData:
        """From float values (H, W), metres or 1/metres as `quantity` says (default: as the format `fmt` has it), packed
        by the numeric contract: round to nearest even. fields: any other field. Raises UsageError."""
        fmt = native(fmt)
        v = np.asarray(values, np.float32)
        if quantity is not None and Quantity(quantity) is not fmt.quantity:
            v = numeric.reciprocal(v)
        return cls(numeric.pack(v, fmt), fmt, **fields)

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.map.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.map.shape[0])

    @property
    def quantity(self) -> Quantity:
        """Of the values: depth in metres, or disparity in 1/metres."""
        return quantity_of(self.pixel_format)

    def values(self, quantity: str | Quantity) -> NDArray[np.float32]:
        """float32 (H, W) in the wanted `quantity`, metres or 1/metres; 1/0 = inf, NaN where there is no value."""
        v = self.map.astype(np.float32)
        return numeric.canonical(v) if Quantity(quantity) is self.quantity else numeric.reciprocal(self.map)

    def depth(self) -> NDArray[np.float32]:
        """Metres along the optical axis, float32 (H, W)."""
        return self.values(Quantity.DEPTH)

    def disparity(self) -> NDArray[np.float32]:
        """1/metres, float32 (H, W)."""
        return self.values(Quantity.DISPARITY)

    def to(self, fmt: str | PixelFormat) -> DepthData:
        """The same map in another native format, `fmt` (AVDepthData's converting(toDepthDataType:)).

        `storage` and `codes` go when the quantity changes: their range is in the old one. Raises UsageError for a
        format that is none.
        """
        fmt = native(fmt)
        if fmt == self.pixel_format:
            return self
        packed = numeric.pack(self.values(quantity_of(fmt)), fmt)
        same = fmt.quantity is self.quantity
        return replace(self, map=packed, pixel_format=fmt, storage=self.storage if same else None,
                       codes=self.codes if same else None)

    def oriented(self, orientation: int) -> DepthData:
        """The map, calibration included, with an Exif orientation, 1 to 8, applied (applyingExifOrientation). Raises
        UsageError for another number."""
        if exif.check(orientation) == 1:
            return self
        calibration = self.calibration.oriented(orientation) if self.calibration else None
        codes = None if self.codes is None else np.ascontiguousarray(exif.apply(orientation, self.codes))
        return replace(self, map=np.ascontiguousarray(exif.apply(orientation, self.map)), calibration=calibration,
                       codes=codes, orientation=exif.then(exif.inverse(orientation), self.orientation))

    def displayed(self) -> DepthData:
        """The map in display orientation."""
        return self.oriented(self.orientation)

    def replacing_map(self, values: NDArray[Any]) -> DepthData:
        """Another map, `values` (H, W) of the same format and view (replacingDepthDataMap). Raises UsageError."""
        return replace(self, map=values, storage=None, codes=None)

    def auxiliary_data_info(self, bytes_per_row: int | None = None) -> dict[str, Any]:
        """ImageIO's auxiliary data dictionary, see `gpudepth.depth.auxiliary`. bytes_per_row: where rows are padded;
        raises UsageError when it is too small."""
        return auxiliary_data_info(self.map, self.pixel_format, bytes_per_row)

    def range(self) -> tuple[float, float]:
        """(min, max) of the finite values in the native quantity; NaN when there is none."""
        finite = self.map[np.isfinite(self.map)]
        return (float(finite.min()), float(finite.max())) if finite.size else (float("nan"), float("nan"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the depth in metres, (H, W) float32 unless another dtype is asked for."""
        metres = self.depth()
        return metres if dtype is None else metres.astype(dtype)

    def _repr_png_(self) -> bytes | None:
        """For notebooks: a picture in colours, drawn by `gpudepth.view`, which the package sets; None without it."""
        return None if DepthData.drawn is None else DepthData.drawn(self)

    def __repr__(self) -> str:
        lo, hi = self.range()
        return (f"<DepthData {self.width}×{self.height} {self.pixel_format}, {self.quantity} {lo:.4g}…{hi:.4g} "
                f"{self.quantity.unit}, {self.accuracy}>")
