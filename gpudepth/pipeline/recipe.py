"""What to do with one photo and one map: the settings that jobs, the command line and Python calls all boil down to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..containers.apple_rules import PORTRAIT_SIDE
from ..containers.base import PROFILES, Donor, Placement
from ..containers.heif.photo import DEFAULT_QUALITY
from ..depth.encoding import Encoding
from ..depth.pixel_format import HDIS, PixelFormat
from ..errors import UsageError
from ..limits import DEFAULT, Limits

Fill = Literal["nearest", "far", "near"]
Fit = Literal["error", "crop", "stretch"]


@dataclass(frozen=True)
class Resize:
    """A size for the map, in display orientation: exact, or the long side with the aspect kept."""

    width: int = 0
    height: int = 0
    long_side: int = 0
    method: Literal["area", "bilinear", "nearest"] = "area"

    def __post_init__(self) -> None:
        exact, long_side = self.width > 0 and self.height > 0, self.long_side > 0
        if exact == long_side or min(self.width, self.height, self.long_side) < 0:
            raise UsageError("a resize is either width and height or a long side", hint="188x250, or 768")

    def target(self, width: int, height: int) -> tuple[int, int]:
        """The new (width, height) of a map that is width × height now."""
        if not self.long_side:
            return self.width, self.height
        scale = self.long_side / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class Recipe:
    """All settings of one item; the defaults are the command line's.

    encoding      how codes mean metres; None when the map is a file that holds depth and knows itself
    clamp         (min, max) in metres, applied before the range is taken
    fit           what to do when map and photo differ in aspect by more than 1 %
    orientation   whether maps come as displayed, or as the photo's pixels are stored
    calibration   "source": what the depth came with; "exif": from the photo's focal length; "none"
    bits          per stored value; None is the container's default
    crf           of HEVC; None is lossless
    jpeg_quality  of a map in a JPEG file; None is Apple's quantisation table
    compression   of a map in a DNG file: none, deflate, ljpeg, jpegxl
    profile, also, trailer, donor   as in `containers.base.Placement`
    donor_white              which end of a gray map without near and far is far, when the donor's range is taken
    export_orientation       of maps that are written alone, beside a photo
    transcode     a JPEG photo may be re-encoded into a HEIC
    """

    encoding: Encoding | None = None
    pixel_format: PixelFormat = HDIS
    key: str | None = None
    clamp: tuple[float, float] | None = None
    resize: Resize | None = None
    fill: Fill | None = None
    fit: Fit = "error"
    orientation: Literal["display", "coded"] = "display"
    accuracy: Literal["relative", "absolute"] | None = None
    quality: Literal["high", "low"] | None = None
    filtered: bool | None = None
    calibration: Literal["source", "exif", "none"] = "source"
    bits: int | None = None
    crf: int | None = None
    jpeg_quality: int | None = None
    compression: str | None = None
    profile: str | None = None
    also: tuple[str, ...] = ()
    trailer: Literal["keep", "drop", "refuse"] = "keep"
    donor: Donor | None = None
    donor_white: Literal["far", "near"] = "far"
    export_orientation: Literal["display", "coded"] = "display"
    replace_depth: bool = False
    photo_quality: int = DEFAULT_QUALITY
    transcode: bool = False
    limits: Limits = DEFAULT

    def __post_init__(self) -> None:
        if self.clamp is not None:
            lo, hi = self.clamp
            if math.isnan(lo) or math.isnan(hi) or not 0 < lo < hi:
                raise UsageError(f"clamp {lo:g},{hi:g}: it takes two distances in metres, 0 < min < max")
        if self.profile is not None and self.profile not in PROFILES:
            raise UsageError(f"unknown profile {self.profile!r}", hint=" or ".join(PROFILES))
        if self.bits not in (None, 8, 10, 12, 16):
            raise UsageError(f"a map is stored with 8, 10, 12 or 16 bits, not {self.bits}")
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise UsageError(f"crf {self.crf} is not between 0 and 51")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise UsageError(f"JPEG quality {self.jpeg_quality} is not between 1 and 100")
        if not -1 <= self.photo_quality <= 100:
            raise UsageError(f"photo quality {self.photo_quality} is not between 0 and 100 (-1: lossless)")

    @property
    def longest_side(self) -> int | None:
        """What the profile limits a map to."""
        return PORTRAIT_SIDE if self.profile == "apple-portrait" else None

    def placement(self) -> Placement:
        """What the container needs to know."""
        return Placement(self.profile, self.replace_depth, self.also, self.trailer, self.donor)
