"""What to do with one photo and one map: the settings that jobs, the command line and Python calls all boil down to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from ..compute.refine import smooth
from ..containers.apple_rules import PORTRAIT_SIDE
from ..containers.base import PROFILES, Donor, Placement
from ..containers.heif.photo_encoder import DEFAULT_QUALITY
from ..depth.encoding import DisparityRange, Encoding, Gray
from ..depth.pixel_format import HDIS, PixelFormat
from ..errors import UsageError
from ..formats.bytesource import VirtualFile, as_input
from ..limits import DEFAULT, Limits
from ..maps import presets
from ..maps.network import Network
from ..maps.raw import RawLayout
from ..maps.recognise import recognise
from ..maps.scene_linear import TRANSFORMS

Fill = Literal["nearest", "far", "near", "inpaint"]
FILLS: tuple[Fill, ...] = ("nearest", "far", "near", "inpaint")
Method = Literal["area", "bilinear", "nearest", "guided"]
METHODS: tuple[Method, ...] = ("area", "bilinear", "nearest", "guided")
AUTO = "auto"
Fit = Literal["error", "crop", "stretch"]
TURNS = {0: 1, 90: 6, 180: 3, 270: 8}
"""Degrees clockwise → the Exif orientation that says so."""


@dataclass(frozen=True)
class Resize:
    """A size for the map, in display orientation: exact, or the long side with the aspect kept."""

    width: int = 0
    height: int = 0
    long_side: int = 0
    method: Method = "area"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"unknown resize method {self.method!r}", hint="one of " + ", ".join(METHODS))
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
class Smooth:
    """How a map is smoothed: "median" over size × size pixels, 3 or 5; "bilateral" of radius `size`, 1 to 8, along the
    photo's colours."""

    method: Literal["median", "bilateral"]
    size: int

    def __post_init__(self) -> None:
        (smooth.check_size if self.method == "median" else smooth.check_radius)(self.size)

    @classmethod
    def parse(cls, text: str) -> Smooth:
        """ "median3", "median5", "bilateral" (radius 3), "bilateral1" to "bilateral8". Raises UsageError."""
        found = re.fullmatch(r"(median|bilateral)(\d?)", text)
        if found is None:
            raise UsageError(f"unknown smoothing {text!r}",
                             hint="median3, median5, bilateral, bilateral1 to bilateral8")
        return cls("median" if found[1] == "median" else "bilateral", int(found[2] or 3))


@dataclass(frozen=True)
class Confidence:
    """How a map of confidence is read. highest: the code that means certain; without, all ones of an integer, 1 of a
    float. least: codes below it are not to be used at all."""

    highest: int | None = None
    least: float = 1e-9

    def __post_init__(self) -> None:
        if (self.highest is not None and self.highest < 1) or not self.least >= 0:
            raise UsageError(f"a confidence from {self.least:g} to {self.highest}", hint="ARKit's: highest 2, least 1")


@dataclass(frozen=True)
class Settings:
    """All settings of one item; the defaults are the command line's.

    encoding      how codes mean metres; None when the map is a file that holds depth and knows itself
    align         the quantity that is fitted, scale and shift, to metric depth that comes beside the map; values that
                  no encoding explains are then relative, in that quantity
    unpack        codes → codes, before they are decoded (`sources.presets`)
    auto          the preset is recognised from the map's file (`resolve_preset`); what else it is given
    decided       which preset that was, and why
    color_transform   how a scene-linear photo becomes colours (`sources.scene_linear`); None: such photos are refused
    rows          the map's file has no header: how its rows lie
    turn          the Exif orientation that picture and map get on top of the picture's own: 1, 6, 3 or 8
    network       the map is estimated from the photo; threads: of the processor it may take, 0: all
    metric_encoding   what the codes of that metric depth mean; None: floats are metres, or a file knows itself
    floats_are_metres   without an encoding
    smooth        before the resize
    confidence    how a map of confidence, that may come beside, is read
    clamp         (min, max) in metres, applied before the range is taken
    span          (min, max) in the native quantity that stored codes run over, instead of the map's own: of a clip's
                  frames; values beyond get the codes of the ends
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
    align: Literal["disparity", "depth"] | None = None
    unpack: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    auto: dict[str, Any] | None = None
    preset_reason: str = ""
    color_transform: str | None = None
    rows: RawLayout | None = None
    turn: int = 1
    network: Network | None = None
    threads: int = 0
    metric_encoding: Encoding | None = None
    floats_are_metres: bool = False
    smooth: Smooth | None = None
    confidence: Confidence = Confidence()
    clamp: tuple[float, float] | None = None
    span: tuple[float, float] | None = None
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
        if self.align not in (None, "disparity", "depth"):
            raise UsageError(f"aligned in {self.align!r}", hint="disparity or depth")
        if self.color_transform not in (None, *TRANSFORMS):
            raise UsageError(f"unknown colour transform {self.color_transform!r}",
                             hint="one of " + ", ".join(TRANSFORMS))
        if self.turn not in TURNS.values():
            raise UsageError(f"a turn of {self.turn}", hint="an Exif orientation without a mirror: 1, 6, 3 or 8")
        if self.fill not in (None, *FILLS):
            raise UsageError(f"unknown fill {self.fill!r}", hint="one of " + ", ".join(FILLS))
        if self.bits not in (None, 8, 10, 12, 16):
            raise UsageError(f"a map is stored with 8, 10, 12 or 16 bits, not {self.bits}")
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise UsageError(f"crf {self.crf} is not between 0 and 51")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise UsageError(f"JPEG quality {self.jpeg_quality} is not between 1 and 100")
        if not -1 <= self.photo_quality <= 100:
            raise UsageError(f"photo quality {self.photo_quality} is not between 0 and 100 (-1: lossless)")

    def with_preset(self, name: str, *, align: Literal["disparity", "depth"] | None = None,
                    **parameters: Any) -> Settings:
        """The recipe with what a preset of `sources.presets` says, behind what is named here already.

        align: as it was named; without, an alignment is in the preset's own quantity. Raises UsageError.
        """
        if name == AUTO:
            return replace(self, auto={"align": align, **{k: v for k, v in parameters.items() if v is not None}})
        preset, aligned = presets.find(name), self.align is not None
        trust = self.confidence
        if trust.highest is None and not aligned:   # else it is that of the samples
            trust = replace(trust, highest=preset.certain)
        return replace(
            self, encoding=preset.encoding(aligned=aligned, **parameters), key=self.key or preset.key,
            accuracy=self.accuracy or (None if aligned else preset.accuracy), unpack=preset.unpack,
            confidence=trust, rows=self.rows or preset.rows,
            align=align or preset.relative or "disparity" if aligned else None)

    def resolve_preset(self, depth: object) -> Settings:
        """With the preset that `auto` asks for, of the map's file.

        Raises UsageError when it is not certain, and when the preset needs what is not given.
        """
        if self.auto is None:
            return self
        if not isinstance(depth, str | Path | VirtualFile):
            raise UsageError("an array does not say which preset it is of",
                             hint="name one: gpudepth presets lists them")
        found = recognise(as_input(depth), self.limits)
        if found.preset is None:
            return replace(self, auto=None, preset_reason=found.why)
        try:
            known = self.with_preset(found.preset, **{**found.parameters, **self.auto})
        except UsageError as error:
            raise UsageError(f"is of the preset {found.preset} ({found.why}): {error.message}", where=str(depth),
                             hint=error.hint) from None
        return replace(known, auto=None, preset_reason=f"{found.preset} ({found.why})")

    def check_network(self) -> None:
        """Raises UsageError for a network whose values nothing explains, and for photos as they are stored."""
        if self.orientation != "display":
            raise UsageError("networks see photos as they are displayed",
                             hint="leave out --coded, or source.orientation: coded")
        if self.auto is not None or (self.encoding is None and self.align is None) or isinstance(
                self.encoding, Gray | DisparityRange):
            raise UsageError("nothing says what the values of the network mean",
                             hint="of a relative one: --preset depth-anything-v2 --near 0.5 --far 12 (or midas, "
                                  "marigold), or --align-to; of a metric one: --metric. In a job: encoding: {preset: "
                                  "depth-anything-v2, near: 0.5, far: 12}, or {kind: depth}")

    @property
    def refines(self) -> bool:
        """Are there steps that work on disparity, whatever the native format?"""
        guided = self.resize is not None and self.resize.method == "guided"
        return bool(self.align or self.smooth or guided or self.fill == "inpaint")

    @property
    def longest_side(self) -> int | None:
        """What the profile limits a map to."""
        return PORTRAIT_SIDE if self.profile == "apple-portrait" else None

    def placement(self) -> Placement:
        """What the container needs to know."""
        return Placement(self.profile, self.replace_depth, self.also, self.trailer, self.donor, self.turn)
