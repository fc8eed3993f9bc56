"""The `encoding:` section of a job: one model per kind, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model, model_validator

from ..depth import encoding as enc
from ..errors import GpudepthError, UsageError
from ..maps import presets
from .declare import specs
from .options import EncodingOptions
from .schema import Config, field, told
from .settings import AUTO


class EncodingSection(Config):
    """A section that must make a valid encoding: its errors become the job's."""

    @model_validator(mode="after")
    def _check(self) -> EncodingSection:
        try:
            encoding(self)
        except GpudepthError as error:
            raise told(error) from None
        return self


_OWN = {"doffs": "Pixels between the principal points.", "far": "Metres at the far plane.",
        "reversed": "1 is the near plane.",
        "ndc": "OpenGL's −1 to 1.", "cx": "Principal point in pixels; the middle unless named.",
        "cy": "Principal point in pixels; the middle unless named.", "preset": "A name of `gpudepth presets`, or auto."}
"""What leaves say that only some kinds have."""


def _kind(kind: str, doc: str, **defaults: Any) -> type[EncodingSection]:
    """A model of the settings of one kind. defaults: of each leaf; `...` keeps the declared one, () requires a value;
    a tuple (type, default) is a leaf that only this kind has."""
    leaves = {spec.leaf: spec for spec in specs(EncodingOptions).values()}
    fields: dict[str, Any] = {
        "kind": (Literal[kind], Field(kind if kind == "gray" else ..., description="Which kind it is."))}
    for name, default in defaults.items():
        if isinstance(default, tuple) and default:
            fields[name] = (default[0], Field(default[1], description=_OWN[name]))
        else:
            fields[name] = field(leaves[name], default)
            if default == ():
                fields[name] = (float, Field(..., description=leaves[name].help))
    name = "ZBufferConfig" if kind == "zbuffer" else f"{kind.capitalize()}Config"
    return create_model(name, __base__=EncodingSection, __doc__=doc, __module__=__name__, **fields)


_SAMPLES = {"scale": "1", "invalid": ...}
GrayConfig = _kind(
    "gray", "Gray 0 = black … 1 = white: near and far in metres, or `disparity: [at black, at white]` in 1/metres.",
    near=..., far=..., curve=..., white=..., disparity=...)
DepthConfig = _kind("depth", "Metres = value · scale + offset; `scale` may be a number, a fraction (1/256) or a unit "
                    "(mm).", offset=..., **_SAMPLES)
DisparityConfig = _kind("disparity", "1/metres = value · scale + offset.", offset=..., **_SAMPLES)
StereoConfig = _kind("stereo", "Pixels of shift: disparity = (value · scale + doffs) / (focal_px · baseline_m).",
                     focal_px=(), baseline_m=(), doffs=(float, 0.0), **_SAMPLES)
ZBufferConfig = _kind("zbuffer", "A rendered depth buffer. `far: .inf` is allowed; reversed: 1 at the near plane; ndc: "
                      "OpenGL's −1…1.", near=(), far=(float, float("inf")), reversed=(bool, False), ndc=(bool, False))
DistanceConfig = _kind("distance",
                       "Metres along the ray; the focal length, in pixels of the map, turns them into depth "
                       "along the axis.", focal_px=(), cx=(float | None, None), cy=(float | None, None), **_SAMPLES)
PresetConfig = _kind(
    "preset", "What a data set, a sensor or a model writes; `gpudepth presets` lists them and what each takes. A "
    "relative model needs near and far, or `refine.align`. auto: recognized file by file, where there is no doubt.",
    preset=(str, ...), near=..., far=..., scale=..., focal_px=..., baseline_m=..., doffs=...)
EmbeddedConfig = _kind("embedded", "The depth files hold depth and know their own range.")

KINDS: dict[str, type[BaseModel]] = {
    "gray": GrayConfig, "depth": DepthConfig, "disparity": DisparityConfig, "stereo": StereoConfig,
    "zbuffer": ZBufferConfig, "distance": DistanceConfig, "embedded": EmbeddedConfig, "preset": PresetConfig}
AnyEncoding: Any = Annotated[
    GrayConfig | DepthConfig | DisparityConfig | StereoConfig | ZBufferConfig | DistanceConfig | EmbeddedConfig
    | PresetConfig, Field(discriminator="kind")]


def parameters(section: Any) -> dict[str, Any]:
    """What a preset's section gives to the preset."""
    return dict(section.model_dump(exclude={"kind", "preset"}))


def encoding(section: Any) -> enc.Encoding | None:
    """The rule that a section names; None for depth that knows itself, for auto, and for a relative preset, of which
    `Settings.with_preset` knows whether it is aligned. Raises UsageError."""
    if section.kind == "gray":
        if section.disparity is not None:
            if section.near is not None or section.far is not None:
                raise UsageError("near and far, or disparity: not both")
            return enc.DisparityRange(*section.disparity)
        if section.near is None or section.far is None:
            raise UsageError("gray needs near and far in metres, or disparity: [at black, at white]")
        return enc.Gray(section.near, section.far, section.curve, section.white)
    if section.kind == "zbuffer":
        return enc.ZBuffer(section.near, section.far, section.reversed, section.ndc)
    if section.kind == "preset":
        return None if section.preset == AUTO else presets.find(section.preset).encoding(
            aligned=True, **parameters(section))
    if section.kind == "embedded":
        return None
    scale = enc.parse_scale(section.scale)
    if section.kind == "stereo":
        return enc.Stereo(section.focal_px, section.baseline_m, section.doffs, scale, section.invalid)
    if section.kind == "distance":
        return enc.Distance(scale, 0.0, section.invalid, section.focal_px, section.cx, section.cy)
    return (enc.Depth if section.kind == "depth" else enc.Disparity)(scale, section.offset, section.invalid)
