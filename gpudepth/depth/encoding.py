"""Defines how source codes mean metres: each encoding reduces to `numeric.Linear`, two ends and one flag.

| encoding       | codes are                                  | linear in  | value at g = 0, g = 1           |
|----------------|--------------------------------------------|------------|---------------------------------|
| Gray           | 0 = black … 1 = white (Apple's article)    | either     | near, far (or swapped)          |
| DisparityRange | the same, ends given in 1/metres           | disparity  | at black, at white              |
| Depth          | metres × 1/scale                           | depth      | offset, offset + scale·divisor  |
| Disparity      | 1/metres                                   | disparity  | offset, offset + scale·divisor  |
| Stereo         | pixels of shift: (d + doffs)/(f·B)         | disparity  | doffs/(f·B), (d + doffs)/(f·B)  |
| ZBuffer        | a GPU's depth buffer                       | disparity  | 1/near, 1/far (or swapped)      |
| Distance       | metres along the ray, not the axis         | depth      | as Depth, × a factor per pixel  |
| Kinect         | 11 bits of a Kinect: n/(z − code) metres    | disparity  | z/n, 0 (at code z)              |
| Relative       | from a model, up to scale and shift        | either     | near, far, at the map's extremes|

`linear(quantity, max_code)` returns the rule for a source whose largest integer code is `max_code` (None: floats).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .numeric import Linear
from .pixel_format import Quantity, format_metres

NEAREST = 1e-6  # metres; below it 1/near and its products approach float32's subnormals

UNITS = {"m": Fraction(1), "dm": Fraction(1, 10), "cm": Fraction(1, 100), "mm": Fraction(1, 1000)}


class Encoding(Protocol):
    """A rule that converts codes to a quantity."""

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        """Return the rule for `quantity`; `max_code` is 255 or 65535 for integer sources, None for floats."""

    def describe(self, max_code: int | None) -> str:
        """Describe in one line what the codes were taken to mean."""


def parse_scale(text: str | float | Fraction) -> Fraction:
    """Convert "1/256", "mm", "0.001" or 5e-3 to units per code as an exact fraction. Raises UsageError."""
    try:
        if isinstance(text, str) and text.strip() in UNITS:
            scale = UNITS[text.strip()]
        elif isinstance(text, float):
            scale = Fraction(repr(text))
        else:
            scale = Fraction(text)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        raise UsageError(f"scale {text!r} is not a number", hint="use 0.001, 1/256, or a unit: m, cm, mm") from None
    if scale <= 0:
        raise UsageError(f"scale {text!r} must be positive")
    return scale


def _ends(near: float, far: float) -> None:
    if math.isnan(near) or math.isnan(far) or not near < far:
        raise UsageError(f"near ({near:g} m) must be smaller than far ({far:g} m)",
                         hint="near is the distance of the closest point; if white is close, add ‹white=near›")
    if near < 0:
        raise UsageError(f"near ({near:g} m) must not be negative")


def _positive_near(near: float) -> None:
    if near < NEAREST:
        raise UsageError(f"near ({near:g} m) has no disparity, because 1/near must be finite",
                         hint=f"use near of at least {NEAREST:g} m, or depth: ‹pixel_format=hdep› ‹curve=depth›")


@dataclass(frozen=True)
class Gray:
    """Gray values between zNear and zFar, in metres, as in Apple's article.

    Attributes:
        near: Near end.
        far: Far end.
        curve: Quantity that is linear in gray.
        white: "far": black = near, white = far, as in the article. "near": white = near, as MiDaS and most networks
            draw.
    """

    near: float
    far: float
    curve: Literal["depth", "disparity"] = "depth"
    white: Literal["far", "near"] = "far"

    def __post_init__(self) -> None:
        _ends(self.near, self.far)
        if self.curve == "disparity":
            _positive_near(self.near)
        elif math.isinf(self.far):
            raise UsageError("far is infinite, which requires gray values that are linear in disparity",
                             hint="add ‹curve=disparity›, or use a finite far")

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        if quantity is Quantity.DISPARITY:
            _positive_near(self.near)
        black, white = (self.near, self.far) if self.white == "far" else (self.far, self.near)
        if self.curve == "disparity":
            black, white = 1 / black, 1 / white
        return Linear(max_code or 1, black, white, reciprocal=quantity is not Quantity(self.curve))

    def describe(self, max_code: int | None) -> str:
        black, white = (self.near, self.far) if self.white == "far" else (self.far, self.near)
        return f"black = {format_metres(black)}, white = {format_metres(white)}, linear in {self.curve}"


@dataclass(frozen=True)
class DisparityRange:
    """Gray values linear in disparity.

    Attributes:
        black: Disparity at black in 1/metres.
        white: Disparity at white in 1/metres.
    """

    black: float
    white: float

    def __post_init__(self) -> None:
        for name, value in (("black", self.black), ("white", self.white)):
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"disparity at {name} ({value:g} 1/m) must be finite and not negative")
        if self.black == self.white:
            raise UsageError(f"the disparity at black must differ from that at white ({self.black:g} 1/m)")

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        return Linear(max_code or 1, self.black, self.white, reciprocal=quantity is Quantity.DEPTH)

    def describe(self, max_code: int | None) -> str:
        black, white = (math.inf if d == 0 else 1 / d for d in (self.black, self.white))
        return f"black = {format_metres(black)}, white = {format_metres(white)}, linear in disparity"


@dataclass(frozen=True)
class Depth:
    """Metric depth: metres = code · scale + offset.

    Attributes:
        scale: Metres per code.
        offset: Metres at code 0.
        invalid: Codes without a value; 0 by default. Floats ≤ 0 have no value either.
    """

    scale: Fraction = Fraction(1)
    offset: float = 0.0
    invalid: tuple[int, ...] | None = None
    quantity = Quantity.DEPTH

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        # Dividing by 256 is exact, unlike multiplying by a rounded factor such as 1/256.
        divisor = float(1 / self.scale)
        default = (0,) if self.quantity is Quantity.DEPTH and max_code is not None else ()
        return Linear(divisor, self.offset, self.offset + 1.0, reciprocal=quantity is not self.quantity,
                      invalid=default if self.invalid is None else self.invalid,
                      positive=self.quantity is Quantity.DEPTH and self.offset == 0)

    def describe(self, max_code: int | None) -> str:
        plus = f" {self.offset:+g}" if self.offset else ""
        return f"{self.quantity} = value · {self.scale}{plus} {self.quantity.unit}"


@dataclass(frozen=True)
class Disparity(Depth):
    """Metric disparity: 1/metres = code · scale + offset. Zero is valid and means infinitely far."""

    quantity = Quantity.DISPARITY


@dataclass(frozen=True)
class Stereo:
    """Stereo shift in pixels: disparity = (code · scale + doffs) / (focal_px · baseline_m).

    Attributes:
        focal_px: Focal length in pixels.
        baseline_m: Baseline in metres.
        doffs: Middlebury's difference of the principal points in pixels; far values are wrong without it.
        scale: Pixels per code.
        invalid: Codes without a value.
    """

    focal_px: float
    baseline_m: float
    doffs: float = 0.0
    scale: Fraction = Fraction(1)
    invalid: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("focal_px", "baseline_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} ({value:g}) must be positive and finite")

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        fb = self.focal_px * self.baseline_m
        # Integer codes span 0..max so that no term of the sum is larger than the result.
        top = float(max_code) if max_code is not None else 1.0
        end = (top * float(self.scale) + self.doffs) / fb
        default = (0,) if max_code is not None and self.doffs == 0 else ()
        return Linear(top, self.doffs / fb, end, reciprocal=quantity is Quantity.DEPTH,
                      invalid=default if self.invalid is None else self.invalid, positive=self.doffs == 0)

    def describe(self, max_code: int | None) -> str:
        plus = f" {self.doffs:+g}" if self.doffs else ""
        return f"disparity = (value · {self.scale}{plus} px) / ({self.focal_px:g} px · {self.baseline_m:g} m)"


@dataclass(frozen=True)
class ZBuffer:
    """A rendered depth buffer, which is linear in 1/z.

    Attributes:
        near: Near plane in metres.
        far: Far plane in metres; may be infinite.
        reversed: Whether the near plane is 1 (Unity, Unreal, Godot 4).
        ndc: Whether values are OpenGL's normalised device coordinates −1…1 (float sources only).
    """

    near: float
    far: float = math.inf
    reversed: bool = False
    ndc: bool = False

    def __post_init__(self) -> None:
        _ends(self.near, self.far)
        _positive_near(self.near)

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        at0, at1 = 1 / self.near, 1 / self.far
        if self.reversed:
            at0, at1 = at1, at0
        if self.ndc:
            if max_code is not None:
                raise UsageError("ndc requires floats from -1 to 1, but the source holds integer codes",
                                 hint="leave out ndc: integer buffers run from 0 to 1")
            at0 = (at0 + at1) / 2
        return Linear(max_code or 1, at0, at1, reciprocal=quantity is Quantity.DEPTH)

    def describe(self, max_code: int | None) -> str:
        first, last = (self.far, self.near) if self.reversed else (self.near, self.far)
        return f"z-buffer: {'-1' if self.ndc else '0'} = {format_metres(first)}, 1 = {format_metres(last)}"


@dataclass(frozen=True)
class Distance(Depth):
    """Metres along the ray (Hypersim): depth = distance · f / √(x² + y² + f²), x and y from the principal point.

    Attributes:
        focal_px: Focal length in pixels of the map.
        cx: Principal point in pixels of the map; the middle by default.
        cy: Principal point in pixels of the map; the middle by default.
    """

    focal_px: float = 0.0
    cx: float | None = None
    cy: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.focal_px) and self.focal_px > 0):
            raise UsageError("distance along the ray requires the focal length in pixels of the map",
                             hint="for example ‹focal_px=886.81›")

    def factor(self, width: int, height: int) -> NDArray[np.float32]:
        """Return the multiplier (H, W) float32 from distance to depth along the axis, computed in float64."""
        cx = (width - 1) / 2 if self.cx is None else self.cx
        cy = (height - 1) / 2 if self.cy is None else self.cy
        x = (np.arange(width) - cx)[None, :]
        y = (np.arange(height) - cy)[:, None]
        return np.asarray(self.focal_px / np.sqrt(x * x + y * y + self.focal_px**2), np.float32)

    def describe(self, max_code: int | None) -> str:
        return f"distance along the ray = value · {self.scale} m, focal length {self.focal_px:g} px"


@dataclass(frozen=True)
class Kinect:
    """Codes of the first Kinect: depth = numerator / (zero − code) metres, so disparity is linear in the code.

    Codes of `zero` and above mean no value, and so does 0; `maps.presets` converts them to 0.

    Attributes:
        numerator: Metres times codes.
        zero: Code at infinity.
    """

    numerator: float = 351.3
    zero: float = 1092.5

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        return Linear(self.zero, self.zero / self.numerator, 0.0, reciprocal=quantity is Quantity.DEPTH, invalid=(0,))

    def describe(self, max_code: int | None) -> str:
        return f"depth = {self.numerator:g} / ({self.zero:g} − value) m"


@dataclass(frozen=True)
class Relative:
    """Values of a relative depth model, correct up to scale and shift, stretched between near and far.

    Integer codes run from 0 to their largest, as in the models' own pictures. Floats run from `low` to `high`, which
    are the extremes of a clip or else of each map, so that metres differ from map to map; aligning to samples is
    better.

    Attributes:
        near: Near end in metres.
        far: Far end in metres.
        quantity: Quantity that is linear in the values: "disparity" (largest = near) or "depth" (largest = far).
        low: Smallest value of a float source.
        high: Largest value of a float source.
    """

    near: float
    far: float
    quantity: Literal["depth", "disparity"] = "disparity"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _ends(self.near, self.far)
        _positive_near(self.near)
        if math.isinf(self.far) and self.quantity == "depth":
            raise UsageError("far is infinite, which requires a map that is linear in disparity",
                             hint="use a finite far")

    def between(self, low: float, high: float) -> Relative:
        """Return the rule for float maps with values in [low, high]. Raises UsageError for a constant map."""
        if not low < high:
            raise UsageError(f"the map is {low:g} everywhere, so it cannot be stretched between near and far")
        return replace(self, low=low, high=high)

    def linear(self, quantity: Quantity, max_code: int | None) -> Linear:
        low, high = (0.0 if self.low is None else self.low), (1.0 if self.high is None else self.high)
        if max_code is not None:
            low, high = 0.0, float(max_code)
        first, last = (1 / self.far, 1 / self.near) if self.quantity == "disparity" else (self.near, self.far)
        slope = (last - first) / (high - low)
        top = max(abs(low), abs(high))
        return Linear(top, first - slope * low, last + slope * (top - high),
                      reciprocal=quantity is not Quantity(self.quantity))

    def describe(self, max_code: int | None) -> str:
        small, large = (self.far, self.near) if self.quantity == "disparity" else (self.near, self.far)
        of = "" if max_code is not None else " of this map"
        return f"smallest{of} = {format_metres(small)}, largest = {format_metres(large)}, linear in {self.quantity}"


def factor_of(encoding: Encoding, width: int, height: int) -> NDArray[np.float32] | None:
    """Return the per-pixel multiplier that an encoding needs, or None."""
    return encoding.factor(width, height) if isinstance(encoding, Distance) else None
