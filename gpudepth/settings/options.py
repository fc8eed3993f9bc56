"""Options that become an encoding, a layout of rows, or inputs beside the map: declared once for every caller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from ..containers import registry
from ..depth import encoding as enc
from ..depth.encoding import Depth, Encoding, parse_scale
from ..errors import UsageError
from ..maps.network import Network
from ..maps.raw import RawLayout
from .clip import ClipSettings
from .declare import Spec, like, setting, specs, unknown, validate
from .settings import Settings
from .values import Confidence, Method, Resize, pair


@dataclass(frozen=True)
class EncodingOptions:
    """What the values of a map mean, as the command line and Python functions name it: at most one of near and far, a
    disparity range, metres or 1/metres, and a preset."""

    near: float | None = setting(None, key="encoding.near", unit="metres", help="Metres at the near end of gray.")
    far: float | None = setting(None, key="encoding.far", unit="metres", help="Metres at the far end of gray.")
    white: Literal["far", "near"] = setting(
        "far", key="encoding.white", help="Which end white is: far (Apple's article) or near (most depth networks).")
    curve: Literal["depth", "disparity"] = setting(
        "depth", key="encoding.curve", help="What is linear in gray.")
    disparity_range: tuple[float, float] | None = setting(
        None, key="encoding.disparity", metavar="BLACK,WHITE", parse=pair, unit="1/metres",
        help="1/metres at black and at white, instead of near and far.")
    metric: bool = setting(False, help="The values are metres: the same as --values depth.")
    values: Literal["depth", "disparity"] | None = setting(
        None, help="What the values are: depth (metres) or disparity (1/metres).")
    scale: str | None = setting(None, key="encoding.scale", parse=lambda value: str(enc.parse_scale(value)),
                                help="One unit of the values, in metres: 0.001, 1/256, mm, cm.")
    offset: float = setting(0.0, key="encoding.offset", help="Added after the scale.")
    invalid: tuple[int, ...] | None = setting(
        None, key="encoding.invalid", parse=lambda value: tuple(map(int, value)),
        help="Code that means no value; may be repeated. [default: 0]")
    preset: str | None = setting(
        None, key="encoding.preset",
        help="What a data set, a sensor or a model writes: kitti-depth, midas, … (gpudepth "
        "presets lists them); auto recognizes the preset where there is no doubt.")
    focal_px: float | None = setting(None, key="encoding.focal_px", unit="pixels", above=0.0,
                                     help="For presets: focal length in pixels of the map.")
    baseline_m: float | None = setting(None, key="encoding.baseline_m", unit="metres", above=0.0,
                                       help="For presets of stereo: metres between the cameras.")
    doffs: float | None = setting(None, key="encoding.doffs", unit="pixels", help="For the preset middlebury: pixels.")

    def __post_init__(self) -> None:
        validate(self)

    def encoding(self) -> enc.Encoding | None:
        """Return the one encoding that the options name, None for a preset or for none. Raises UsageError for two."""
        kinds = {"‹near› and ‹far›": self.near is not None or self.far is not None,
                 "‹disparity_range›": self.disparity_range is not None,
                 "‹metric›, ‹values› or ‹scale›": self.metric or self.values is not None or self.scale is not None}
        named = [kind for kind, given in kinds.items() if given]
        if self.preset is not None:
            if self.disparity_range or self.metric or self.values or self.offset or self.invalid:
                raise UsageError("a preset says what the values mean: leave out ‹metric› and the like")
            return None
        odd = next((name for name in ("focal_px", "baseline_m", "doffs") if getattr(self, name) is not None), None)
        if odd is not None:
            raise UsageError(f"‹{odd}› requires ‹preset›", hint="gpudepth presets lists the presets")
        if len(named) > 1:
            raise UsageError(f"{' and '.join(named)} both say what the values mean: give one of them")
        if self.disparity_range is not None:
            return enc.DisparityRange(*self.disparity_range)
        if named and self.near is None and self.far is None:
            if self.metric and self.values == "disparity":
                raise UsageError("‹metric› means ‹values=depth›: give one of them")
            kind = enc.Disparity if self.values == "disparity" else enc.Depth
            return kind(enc.parse_scale(self.scale or "1"), self.offset, self.invalid or None)
        if named:
            if self.near is None or self.far is None:
                raise UsageError("near and far go together", hint="‹near=0.5› ‹far=12›")
            return enc.Gray(self.near, self.far, self.curve, self.white)
        return None

    def parameters(self) -> dict[str, Any]:
        """What presets take."""
        return {name: getattr(self, name) for name in ("near", "far", "scale", "focal_px", "baseline_m", "doffs")}


@dataclass(frozen=True)
class MapOptions:
    """Further options of a map: its size, its file, and what comes beside it."""

    resize: Resize | None = setting(None, metavar="WxH|LONG_SIDE", parse=Resize.parse, key="refine.resize",
                                    help="Size of the map as displayed. [default: the map's own]")
    resize_method: Method | None = like(Resize, "method")
    align_to: Any = setting(None, key="refine.align.to", metavar="MAP", help="Metric depth, sparse or small, that a "
                            "relative map is fitted to, scale and shift. A map, or a photo that holds depth.")
    align_scale: str | None = setting(None, key="refine.align.scale", parse=lambda value: str(enc.parse_scale(value)),
                                      help="One unit of that map, in metres: 0.001, 1/256, mm.")
    align_in: Literal["depth", "disparity"] | None = setting(
        None, key="refine.align.curve", help="What the relative map is linear in: disparity (MiDaS, Depth Anything) or "
        "depth (Marigold). [default: disparity]")
    confidence: Any = setting(None, key="refine.confidence.path", metavar="MAP", help="How far each pixel is to be "
                              "trusted, 0 not at all: of the map, or of the map that it is aligned to.")
    confidence_highest: int | None = like(Confidence, "highest")
    confidence_least: float | None = like(Confidence, "least")
    shape: str | None = setting(None, key="source.rows.shape", metavar="WxH",
                                help="The map is rows of numbers without a "
                                "header, of this size. [default: the photo's, with --dtype]")
    dtype: str | None = setting(None, key="source.rows.dtype", help="Type of these numbers: float32, float16, uint16, "
                                "uint8, …; float32be: big-endian. [default: float32]")
    bytes_per_row: int | None = setting(None, key="source.rows.bytes_per_row", low=1,
                                        help="Bytes from one of these rows to the next, where rows are padded.")
    donor: Any = setting(None, key="output.donor", metavar="PHOTO", help="For apple-portrait: a photo in Portrait mode "
                         "that gives its rendering parameters, aperture and range.")

    def __post_init__(self) -> None:
        validate(self)
        if self.align_to is None and (self.align_scale is not None or self.align_in is not None):
            given = "align_scale" if self.align_scale is not None else "align_in"
            raise UsageError(f"‹{given}› requires ‹align_to›")
        if self.confidence is None and (self.confidence_highest is not None or self.confidence_least is not None):
            given = "confidence_highest" if self.confidence_highest is not None else "confidence_least"
            raise UsageError(f"‹{given}› requires ‹confidence›")
        if self.resize_method is not None and self.resize is None:
            raise UsageError("‹resize_method› requires ‹resize›", hint="‹resize=1920›")

    def layout(self) -> RawLayout | None:
        """Return the layout of a file without a header; None where no option says that it has none."""
        if self.shape is None and self.dtype is None and self.bytes_per_row is None:
            return None
        return RawLayout.parse(self.shape, self.dtype, self.bytes_per_row)

    def trust(self) -> Confidence:
        """Return how the map of confidence is read."""
        least = Confidence.least if self.confidence_least is None else self.confidence_least
        return Confidence(self.confidence_highest, least)


ALL = (Settings, EncodingOptions, MapOptions, ClipSettings)


def names() -> list[str]:
    """The keywords that `item_settings` takes."""
    return [f.name for cls in (EncodingOptions, MapOptions, Settings) for f in fields(cls) if "setting" in f.metadata]


def item_settings(values: Mapping[str, Any], *, encoding: Encoding | None = None, network: Network | None = None,
                  floats: bool = False) -> Settings:
    """Return the settings that keywords name.

    Args:
        values: Keywords of `options.names`, with values as Python, the command line or a job writes them.
        encoding: Any other rule for the values of the map.
        network: Estimates the map from the photo.
        floats: The map is an array of floats, which are metres unless something else is named.

    Raises:
        UsageError: For a keyword that nobody knows, a value that it cannot have, or two that contradict each other.
    """
    known = names()
    for name in values:
        if name not in known:
            raise unknown(name, known)
    meaning = EncodingOptions(**_of(EncodingOptions, values))
    options = MapOptions(**_of(MapOptions, values))
    if encoding is not None and (meaning.preset is not None or meaning.encoding() is not None):
        raise UsageError("‹encoding› says what the values mean already", hint="leave out ‹near›, ‹preset› and the like")
    encoding = encoding or meaning.encoding()
    aligned = options.align_to is not None
    if floats and encoding is None and meaning.preset is None and not aligned:
        encoding = Depth()
    resize = options.resize
    if resize is not None and options.resize_method is not None:
        resize = replace(resize, method=options.resize_method)
    donor = options.donor
    settings = Settings(
        **_of(Settings, values), encoding=encoding, resize=resize, rows=options.layout(), confidence=options.trust(),
        align=(options.align_in or "disparity") if aligned else None, network=network, donor_white=meaning.white,
        metric_encoding=Depth(parse_scale(options.align_scale)) if options.align_scale else None,
        donor=registry.donor(donor) if isinstance(donor, str | Path) else donor)
    if meaning.preset is None:
        return settings
    return settings.with_preset(meaning.preset, align=options.align_in, **meaning.parameters())


def _of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a class declares, without those that nobody named."""
    declared = specs(cls)
    return {name: value for name, value in values.items() if name in declared and value is not None}


def option(name: str, value: str | None) -> str:
    """A setting as the command line names it: `--fill nearest`."""
    if (name, value) == ("orientation", "coded"):
        return "--coded"
    spec = _spec(name)
    flag = spec.flag if spec and spec.flag else "--" + name.replace("_", "-")
    return flag if value is None or value == "True" else f"{flag} {_unquoted(value)}"


def key(name: str, value: str | None) -> str:
    """A setting as a job names it: `refine.fill: nearest`."""
    spec = _spec(name)
    if spec is None or not spec.key:
        return option(name, value)
    return spec.key if value is None else f"{spec.key}: {_unquoted(value).replace('True', 'true')}"


def _spec(name: str) -> Spec | None:
    return next((specs(cls)[name] for cls in ALL if name in specs(cls)), None)


def _unquoted(value: str) -> str:
    tuple_ = re.fullmatch(r"\(([^()]*)\)", value)
    return tuple_[1].replace(" ", "") if tuple_ else value.strip("'\"")
