"""Values of settings that are more than a number or a word, and how text becomes one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..compute.interface import check_radius, check_size
from ..containers import registry
from ..depth.pixel_format import PixelFormat, native
from ..errors import UsageError
from .declare import SettingError, setting, validate

Bits = Literal[8, 10, 12, 16]
Compression = Literal["none", "deflate", "ljpeg", "jpegxl"]
Fill = Literal["nearest", "far", "near", "inpaint"]
Fit = Literal["error", "crop", "stretch"]
Method = Literal["area", "bilinear", "nearest", "guided"]
Orientation = Literal["display", "coded"]
TURNS = {0: 1, 90: 6, 180: 3, 270: 8}
"""Degrees clockwise, and the Exif orientation that stands for them."""


@dataclass(frozen=True)
class Resize:
    """A size for the map, in display orientation: exact, or the long side with the aspect kept.

    Attributes:
        width: The width in pixels; 0 where only the long side is given.
        height: The height in pixels; 0 where only the long side is given.
        long_side: The longer side in pixels; 0 where width and height are given.
        method: How pixels are made.
    """

    width: int = setting(0, key="refine.resize.width", low=0, flag="", unit="pixels", help="Width as displayed.")
    height: int = setting(0, key="refine.resize.height", low=0, flag="", unit="pixels", help="Height as displayed.")
    long_side: int = setting(0, key="refine.resize.long_side", low=0, flag="", unit="pixels",
                             help="The longer side; the other one follows.")
    method: Method = setting(
        "area", key="refine.resize.method", help="How a map is resized: area, bilinear, nearest, or guided, which "
        "makes a small map large along the edges of the photo.")

    def __post_init__(self) -> None:
        validate(self)
        exact, long_side = self.width > 0 and self.height > 0, self.long_side > 0
        if exact == long_side or min(self.width, self.height, self.long_side) < 0:
            raise UsageError("a resize is either width and height or a long side",
                             hint="‹resize=188x250›, or ‹resize=768› for the long side")

    @classmethod
    def parse(cls, value: Any, method: Method | None = None) -> Resize:
        """Return the size that "188x250", "768", 768 or (188, 250) means. Raises UsageError."""
        if isinstance(value, cls):
            return value if method is None else replace(value, method=method)
        parts = value.lower().replace("×", "x").split("x") if isinstance(value, str) else value
        try:
            numbers = [int(part) for part in (parts if isinstance(parts, list | tuple) else [parts])]
        except (TypeError, ValueError):
            numbers = []
        if len(numbers) not in (1, 2):
            raise SettingError("resize", value, "expected a size", hint="‹resize=188x250›, or ‹resize=768› for the "
                               "long side")
        method = method or "area"
        if len(numbers) == 1:
            return cls(long_side=numbers[0], method=method)
        return cls(numbers[0], numbers[1], method=method)

    def target(self, width: int, height: int) -> tuple[int, int]:
        """Return the new width and height of a map."""
        if not self.long_side:
            return self.width, self.height
        scale = self.long_side / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class Smooth:
    """How a map is smoothed: "median" over size × size pixels, 3 or 5; "bilateral" of radius `size`, 1 to 8, along the
    photo's colours."""

    method: Literal["median", "bilateral"]
    size: int

    def __post_init__(self) -> None:
        (check_size if self.method == "median" else check_radius)(self.size)

    @classmethod
    def parse(cls, text: str | Smooth) -> Smooth:
        """ "median3", "median5", "bilateral" (radius 3), "bilateral1" to "bilateral8". Raises UsageError."""
        if isinstance(text, cls):
            return text
        found = re.fullmatch(r"(median|bilateral)(\d?)", str(text))
        if found is None:
            raise UsageError(f"unknown smoothing {text!r}",
                             hint="median3, median5, bilateral, bilateral1 to bilateral8")
        return cls("median" if found[1] == "median" else "bilateral", int(found[2] or 3))


@dataclass(frozen=True)
class Confidence:
    """How a map of confidence is read.

    Attributes:
        highest: The code that means certain; None for the dtype's maximum, 1.0 for floats.
        least: Codes below it are not used at all.
    """

    highest: int | None = setting(
        None, key="refine.confidence.highest", low=1,
        help="Code that means certain; ARKit's is 2. [default: the dtype's "
        "maximum; 1.0 for floats]")
    least: float = setting(1e-9, key="refine.confidence.least", low=0.0,
                           help="Pixels with less count as pixels without a value.")

    def __post_init__(self) -> None:
        validate(self)


def pair(value: Any) -> tuple[float, float]:
    """Return two numbers, out of "0.3,20" or a sequence. Raises ValueError, TypeError."""
    first, second = value.split(",") if isinstance(value, str) else value
    return float(first), float(second)


def distances(value: Any) -> tuple[float, float]:
    """Return (min, max) in metres. Raises UsageError."""
    try:
        lo, hi = pair(value)
    except (TypeError, ValueError):
        raise UsageError("expected two distances in metres", hint="‹clamp=0.3,20›") from None
    if math.isnan(lo) or math.isnan(hi) or not 0 < lo < hi:
        raise UsageError("expected two distances in metres, 0 < min < max", hint="‹clamp=0.3,20›")
    return lo, hi


def layouts(value: Any) -> tuple[str, ...]:
    """Return the further layouts of a JPEG file. Raises UsageError."""
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if name not in ("gdepth", "dynamic-depth"):
            raise UsageError("expected gdepth or dynamic-depth")
    return names


def native_format(value: Any) -> PixelFormat:
    """Return a native format by its name. Raises UsageError."""
    return value if isinstance(value, PixelFormat) else native(value)


def profile(value: Any) -> str:
    """Return the name of a layout that some container writes. Raises UsageError."""
    known = registry.profiles()
    if value not in known:
        raise UsageError("expected " + ", ".join(known[:-1]) + " or " + known[-1])
    return str(value)
