"""Options that become an encoding, a layout of rows, or inputs beside the map: declared once for every caller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from ..containers import registry
from ..depth import encoding as enc
from ..depth.encoding import Depth, Encoding
from ..errors import UsageError
from ..maps.network import Network
from ..maps.raw import RawLayout
from .clip import ClipSettings
from .declare import Spec, like, setting, specs, unknown, validate
from .settings import Settings
from .values import Confidence, Method, Resize, pair

_KINDS = {"near": "‹near› and ‹far›", "range": "‹disparity_range›", "unit": "‹metric›, ‹values› or ‹scale›"}


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
        named = self._named()
        if self.preset is not None:
            if named not in ([], ["near"]) or self.offset or self.invalid or self.metric or self.values:
                raise UsageError("a preset defines what the values mean: leave out ‹metric› and the like")
            return None
        required = next((name for name in ("focal_px", "baseline_m", "doffs") if getattr(self, name) is not None), None)
        if required is not None:
            raise UsageError(f"‹{required}› requires ‹preset›", hint="gpudepth presets lists the presets")
        if (self.offset or self.invalid) and named not in ([], ["unit"]):
            given = "offset" if self.offset else "invalid"
            raise UsageError(f"‹{given}› requires ‹metric›, ‹values› or ‹scale›")
        if len(named) > 1:
            kinds = " and ".join(_KINDS[kind] for kind in named)
            raise UsageError(f"{kinds} both define what the values mean: give one of them")
        return getattr(self, f"_from_{named[0]}")() if named else None

    def _named(self) -> list[str]:
        """Return the kinds of encodings that the options name; the scale of a preset is not one."""
        given = {"near": (self.near, self.far), "range": (self.disparity_range,),
                 "unit": (self.metric or None, self.values, None if self.preset else self.scale)}
        return [kind for kind, values in given.items() if any(value is not None for value in values)]

    def _from_range(self) -> enc.Encoding:
        assert self.disparity_range is not None
        return enc.DisparityRange(*self.disparity_range)

    def _from_unit(self) -> enc.Encoding:
        if self.metric and self.values == "disparity":
            raise UsageError("‹metric› means ‹values=depth›: give one of them")
        kind = enc.Disparity if self.values == "disparity" else enc.Depth
        return kind(enc.parse_scale(self.scale or "1"), self.offset, self.invalid or None)

    def _from_near(self) -> enc.Encoding:
        if self.near is None or self.far is None:
            raise UsageError("near and far go together", hint="‹near=0.5› ‹far=12›")
        return enc.Gray(self.near, self.far, self.curve, self.white)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of presets."""
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

    def settings(self) -> dict[str, Any]:
        """Return the fields of `Settings` that these options determine."""
        resize, layout, donor = self.resize, (self.shape, self.dtype, self.bytes_per_row), self.donor
        if resize is not None and self.resize_method is not None:
            resize = replace(resize, method=self.resize_method)
        least = Confidence.least if self.confidence_least is None else self.confidence_least
        return {
            "resize": resize, "rows": None if layout == (None, None, None) else RawLayout.parse(*layout),
            "confidence": Confidence(self.confidence_highest, least),
            "align": None if self.align_to is None else self.align_in or "disparity",
            "metric_encoding": Depth(enc.parse_scale(self.align_scale)) if self.align_scale else None,
            "donor": registry.donor(donor) if isinstance(donor, str | Path) else donor}


ALL = (Settings, EncodingOptions, MapOptions, ClipSettings)


def names() -> list[str]:
    """Return the keywords that `item_settings` takes."""
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
    own = meaning.encoding()
    if encoding is not None and (meaning.preset is not None or own is not None):
        raise UsageError("‹encoding› defines what the values mean already",
                         hint="leave out ‹near›, ‹preset› and the like")
    encoding = encoding or own
    if floats and encoding is None and meaning.preset is None and options.align_to is None:
        encoding = Depth(offset=meaning.offset, invalid=meaning.invalid)
    elif own is None and meaning.preset is None and (meaning.offset or meaning.invalid):
        raise UsageError(f"‹{'offset' if meaning.offset else 'invalid'}› requires ‹metric›, ‹values› or ‹scale›")
    settings = Settings(**_of(Settings, values), encoding=encoding, network=network, donor_white=meaning.white,
                        **options.settings())
    if meaning.preset is None:
        return settings
    return settings.with_preset(meaning.preset, align=options.align_in, **meaning.parameters())


def _of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of settings that a class declares, without None."""
    declared = specs(cls)
    return {name: value for name, value in values.items() if name in declared and value is not None}


def option(name: str, value: str | None) -> str:
    """Return a setting as the command line names it: `--fill nearest`."""
    if (name, value) == ("orientation", "coded"):
        return "--coded"
    spec = _spec(name)
    flag = spec.flag if spec and spec.flag else "--" + name.replace("_", "-")
    return flag if value is None or value == "True" else f"{flag} {_unquoted(value)}"


def key(name: str, value: str | None) -> str:
    """Return a setting as a job names it: `refine.fill: nearest`."""
    spec = _spec(name)
    if spec is None or not spec.key:
        return option(name, value)
    return spec.key if value is None else f"{spec.key}: {_unquoted(value).replace('True', 'true')}"


def _spec(name: str) -> Spec | None:
    return next((specs(cls)[name] for cls in ALL if name in specs(cls)), None)


def _unquoted(value: str) -> str:
    tuple_ = re.fullmatch(r"\(([^()]*)\)", value)
    return tuple_[1].replace(" ", "") if tuple_ else value.strip("'\"")
