"""Every setting of one photo and its map, declared once. Jobs, the command line and Python functions derive theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from ..containers.apple import PORTRAIT_SIDE
from ..containers.base import PHOTO_QUALITY, Donor, Placement
from ..depth.encoding import DisparityRange, Encoding, Gray
from ..depth.pixel_format import HDIS, PixelFormat
from ..errors import UsageError
from ..formats.bytesource import VirtualFile, as_input
from ..formats.hevc.effort import Effort
from ..limits import DEFAULT, Limits
from ..maps import presets
from ..maps.network import Network
from ..maps.raw import RawLayout
from ..maps.scene_linear import TRANSFORMS
from . import values
from .declare import SettingError, setting, validate
from .values import TURNS, Bits, Compression, Confidence, Fill, Fit, Orientation, Resize, Smooth

AUTO = "auto"


@dataclass(frozen=True)
class Settings:
    """Every setting of one item, declared once.

    Fields that are declared with `setting` are keys of a job, options of the command line and keywords of Python
    functions. The others are made from several options (`settings.options`) or from files.

    Attributes:
        encoding: How codes mean metres; None where the map is a file that holds depth and its own range.
        align: The quantity that is fitted, scale and shift, to metric depth in `SideInputs.metric`.
        unpack: Codes to codes, before they are decoded (`maps.presets`).
        auto: What else is given where the preset is recognised from the map's file (`resolve_preset`).
        preset_reason: Which preset was recognised, and why.
        rows: The layout of a map's file without a header.
        network: The network that estimates the map from the photo.
        threads: The threads that the network may use; 0 for all cores.
        metric_encoding: What the codes of the metric depth mean; None where floats are metres.
        floats_are_metres: Floats without an encoding are metres.
        confidence: How a map of confidence is read.
        span: (min, max) in the native quantity that stored codes run over, instead of the map's own.
        resize: The size that the map gets.
        donor: What a Portrait photo provides.
        donor_white: Which end of a gray map is far, where the donor's range is taken.
        limits: What a file may ask for.
    """

    encoding: Encoding | None = None
    pixel_format: PixelFormat = setting(
        HDIS, key="map.pixel_format", flag="--format", metavar="FORMAT", parse=values.native_format, choices=None,
        written=Literal["hdis", "fdis", "hdep", "fdep"],
        help="Native format: hdis or fdis (disparity, 1/metres), hdep or fdep (depth, metres).")
    key: str | None = setting(None, key="source.key", help="Which array of an .npz or HDF5 file, or of a stack.")
    align: Literal["depth", "disparity"] | None = None
    unpack: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    auto: dict[str, Any] | None = None
    preset_reason: str = ""
    color_transform: str | None = setting(
        None, key="source.color_transform", choices=tuple(TRANSFORMS), written=Literal[*TRANSFORMS],
        help="How a scene-linear photo (OpenEXR) becomes colors.")
    rows: RawLayout | None = None
    turn: Literal[0, 90, 180, 270] = setting(
        0, key="output.turn", metavar="DEGREES", unit="degrees",
        help="Turn picture and map clockwise in their metadata; exports of phones lie on their side.")
    network: Network | None = None
    threads: int = 0
    metric_encoding: Encoding | None = None
    floats_are_metres: bool = False
    smooth: Smooth | None = setting(
        None, key="refine.smooth", metavar="HOW", parse=Smooth.parse, written=str,
        help="Smooth the map before it is resized: median3, median5, or bilateral along the photo's colors, with a "
             "radius: bilateral1 to bilateral8.")
    confidence: Confidence = Confidence()
    clamp: tuple[float, float] | None = setting(
        None, key="refine.clamp", metavar="MIN,MAX", parse=values.distances, written=tuple[float, float], unit="metres",
        help="Move values outside of MIN to MAX metres to these ends.")
    span: tuple[float, float] | None = None
    resize: Resize | None = None
    fill: Fill | None = setting(
        None, key="refine.fill", help="Give pixels without a value one: the nearest pixel's, the far or near end, or "
        "inpaint, smoothly and along the photo's colors.")
    temporal: Literal["steady", "rescale"] | None = setting(
        None, key="refine.temporal", flag="", help="Of clips: steady reduces flicker, except at cuts and where the "
        "picture changes; rescale also fits each frame, scale and shift, to the one before it, and limits it to the "
        "range of the clip.")
    fit: Fit = setting("error", key="refine.fit", help="What to do with a map of another aspect than the photo.")
    orientation: Orientation = setting(
        "display", key="source.orientation", flag="", help="Maps are oriented as the photo is displayed, or as its "
        "pixels are coded.")
    accuracy: Literal["relative", "absolute"] | None = setting(
        None, key="map.accuracy", help="What the file says of the depth. [default: what the map says, or relative]")
    quality: Literal["high", "low"] | None = setting(
        None, key="map.quality", flag="", help="What the file says of the depth. [default: what the profile says]")
    filtered: bool | None = setting(
        None, key="map.filtered", flag="", help="What the file says of the depth. [default: what the profile says]")
    calibration: Literal["source", "exif", "none"] = setting(
        "source", key="map.calibration", help="Where the camera calibration comes from: what the depth came with, the "
        "35 mm focal length in Exif, or none.")
    bits: Bits | None = setting(
        None, key="map.bits", help="Bits per stored value: 8, 10 or 12 in HEIC, 8 or 16 in DNG. [default: 8; 16 in "
        "DNG]")
    crf: int | None = setting(None, key="map.crf", low=0, high=51,
                              help="Lossy HEVC with this rate factor. [default: lossless]")
    effort: Effort = setting(
        "balanced", key="map.effort", help="Of lossless HEVC: small makes smaller files and takes longer; fast stores "
        "the codes uncompressed, and whether hardware decoders accept such maps is unknown.")
    jpeg_quality: int | None = setting(
        None, key="map.jpeg_quality", low=1, high=100, help="Of a map in a JPEG photo. [default: Apple's quantization "
        "table; 100 in convert]")
    compression: Compression | None = setting(
        None, key="map.compression", help="Of a map in a DNG. [default: deflate]")
    profile: str | None = setting(
        None, key="output.profile", parse=values.profile, metavar="PROFILE",
        help="Layout to write: apple-depth, article (Apple's recipe, literally), apple-portrait, gdepth, "
             "dynamic-depth, dng. [default: apple-depth; dng in DNG]")
    also: tuple[str, ...] = setting((), key="output.also", choices=("gdepth", "dynamic-depth"),
                                    written=list[Literal["gdepth", "dynamic-depth"]], parse=values.layouts,
                                    help="A further layout in a JPEG file; may be repeated.")
    trailer: Literal["keep", "drop", "refuse"] = setting(
        "keep", key="output.trailer", help="What to do with bytes after the last image of a JPEG file.")
    donor: Donor | None = None
    donor_white: Literal["far", "near"] = "far"
    export_orientation: Orientation = setting("display", key="output.orientation", flag="",
                                              help="Orientation of maps that are written alone, without a photo.")
    replace_depth: bool = setting(False, key="output.replace_depth", help="Replace depth that the photo holds already.")
    photo_quality: int = setting(
        PHOTO_QUALITY, key="output.photo_quality", low=-1, high=100,
        help="HEIC quality of a photo that has to be encoded; -1 is lossless.")
    photo_effort: Effort = setting(
        "balanced", key="output.photo_effort", help="Of a HEIC photo or frame that has to be encoded: small compresses "
        "best, fast takes the least time.")
    transcode: bool = setting(False, key="output.transcode", help="Allow a JPEG photo to be re-encoded as HEIC.")
    limits: Limits = DEFAULT

    def __post_init__(self) -> None:
        validate(self)
        if self.crf is not None and self.effort != "balanced":
            raise SettingError("effort", self.effort, f"applies to lossless HEVC, and ‹crf={self.crf}› is lossy",
                               hint="leave out one of them")

    @property
    def exif_turn(self) -> int:
        """The Exif orientation, 1, 6, 3 or 8, that `turn` stands for."""
        return TURNS[self.turn]

    def with_preset(self, name: str, *, align: Literal["depth", "disparity"] | None = None,
                    **parameters: Any) -> Settings:
        """Return the settings completed by a preset; what they name already has precedence.

        Args:
            name: Name of the preset, or "auto".
            align: The quantity in which the map is aligned; the preset's own unless named.
            parameters: Parameters of the preset.

        Raises:
            UsageError: The preset is unknown, or needs another parameter.
        """
        if name == AUTO:
            return replace(self, auto={"align": align, **{k: v for k, v in parameters.items() if v is not None}})
        preset, aligned = presets.find(name), self.align is not None
        trust = self.confidence
        if trust.highest is None and not aligned:   # otherwise it is the confidence of the samples
            trust = replace(trust, highest=preset.certain)
        return replace(
            self, encoding=preset.encoding(aligned=aligned, **parameters), key=self.key or preset.key,
            accuracy=self.accuracy or (None if aligned else preset.accuracy), unpack=preset.unpack,
            confidence=trust, rows=self.rows or preset.rows,
            align=align or preset.relative or "disparity" if aligned else None)

    def resolve_preset(self, depth: object) -> Settings:
        """Return the settings with the preset that `auto` finds for the file of a map.

        Raises UsageError for an array, and when the preset needs another parameter.
        """
        if self.auto is None:
            return self
        if not isinstance(depth, str | Path | VirtualFile):
            raise UsageError("preset auto needs a file, not an array",
                             hint="name a preset; gpudepth presets lists them")
        from ..maps.recognise import recognise

        found = recognise(as_input(depth), self.limits)
        if found.preset is None:
            return replace(self, auto=None, preset_reason=found.why)
        try:
            known = self.with_preset(found.preset, **{**found.parameters, **self.auto})
        except UsageError as error:
            raise UsageError(f"the map has the preset {found.preset} ({found.why}): {error.message}", where=str(depth),
                             hint=error.hint) from None
        return replace(known, auto=None, preset_reason=f"{found.preset} ({found.why})")

    def check_network(self) -> None:
        """Raise UsageError for a network whose values have no meaning, and for photos in stored orientation."""
        if self.orientation != "display":
            raise UsageError("networks need photos in display orientation", hint="leave out ‹orientation=coded›")
        if self.auto is not None or (self.encoding is None and self.align is None) or isinstance(
                self.encoding, Gray | DisparityRange):
            raise UsageError("nothing defines what the values of the network mean",
                             hint="for a relative network use ‹preset=depth-anything-v2› ‹near=0.5› ‹far=12› (or "
                                  "midas, marigold), or ‹align_to›; for a metric one ‹metric=True›")

    @property
    def refines(self) -> bool:
        """Whether there are steps that work on disparity, whatever the native format."""
        guided = self.resize is not None and self.resize.method == "guided"
        return bool(self.align or self.smooth or guided or self.fill == "inpaint" or self.temporal)

    @property
    def longest_side(self) -> int | None:
        """The largest side of a map in pixels that the profile allows."""
        return PORTRAIT_SIDE if self.profile == "apple-portrait" else None

    def placement(self) -> Placement:
        """Return the settings that containers use."""
        return Placement(self.profile, self.replace_depth, self.also, self.trailer, self.donor, self.exif_turn)
