"""The `encoding:` section of a job: one record per kind, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..depth import encoding as enc
from ..errors import GpudepthError, UsageError
from ..maps import presets
from .settings import AUTO


def _scale(value: Any) -> Any:
    """Text or number; a whole fraction like 1/256 or a unit like mm is kept exact."""
    try:
        enc.parse_scale(value)
    except GpudepthError as error:
        raise ValueError(str(error)) from None
    return str(value)


Scale = Annotated[str, BeforeValidator(_scale)]
Pair = tuple[float, float]


class Config(BaseModel):
    """Frozen, and nothing but the known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _EncodingConfig(Config):
    """A record that must make a valid encoding: its errors become the job's."""

    @model_validator(mode="after")
    def _check(self) -> _EncodingConfig:
        try:
            self.encoding()
        except GpudepthError as error:
            raise ValueError(str(error)) from None
        return self

    def encoding(self) -> enc.Encoding | None:
        raise NotImplementedError


class GrayConfig(_EncodingConfig):
    """Gray 0 = black … 1 = white: near and far in metres, or `disparity: [at black, at white]` in 1/metres."""

    kind: Literal["gray"] = "gray"
    near: float | None = None
    far: float | None = None
    curve: Literal["depth", "disparity"] = "depth"
    white: Literal["far", "near"] = "far"
    disparity: Pair | None = None

    def encoding(self) -> enc.Encoding:
        if self.disparity is not None:
            if self.near is not None or self.far is not None:
                raise UsageError("near and far, or disparity: not both")
            return enc.DisparityRange(*self.disparity)
        if self.near is None or self.far is None:
            raise UsageError("gray needs near and far in metres, or disparity: [at black, at white]")
        return enc.Gray(self.near, self.far, self.curve, self.white)


class DepthConfig(_EncodingConfig):
    """Metres = value · scale + offset; `scale` may be a number, a fraction (1/256) or a unit (mm)."""

    kind: Literal["depth"]
    scale: Scale = "1"
    offset: float = 0.0
    invalid: tuple[int, ...] | None = None

    def encoding(self) -> enc.Encoding:
        return enc.Depth(enc.parse_scale(self.scale), self.offset, self.invalid)


class DisparityConfig(_EncodingConfig):
    """1/metres = value · scale + offset."""

    kind: Literal["disparity"]
    scale: Scale = "1"
    offset: float = 0.0
    invalid: tuple[int, ...] | None = None

    def encoding(self) -> enc.Encoding:
        return enc.Disparity(enc.parse_scale(self.scale), self.offset, self.invalid)


class StereoConfig(_EncodingConfig):
    """Pixels of shift: disparity = (value · scale + doffs) / (focal_px · baseline_m)."""

    kind: Literal["stereo"]
    focal_px: float
    baseline_m: float
    doffs: float = 0.0
    scale: Scale = "1"
    invalid: tuple[int, ...] | None = None

    def encoding(self) -> enc.Encoding:
        return enc.Stereo(self.focal_px, self.baseline_m, self.doffs, enc.parse_scale(self.scale), self.invalid)


class ZBufferConfig(_EncodingConfig):
    """A rendered depth buffer. `far: .inf` is allowed; reversed: 1 at the near plane; ndc: OpenGL's −1…1."""

    kind: Literal["zbuffer"]
    near: float
    far: float = float("inf")
    reversed: bool = False
    ndc: bool = False

    def encoding(self) -> enc.Encoding:
        return enc.ZBuffer(self.near, self.far, self.reversed, self.ndc)


class DistanceConfig(_EncodingConfig):
    """Metres along the ray; the focal length, in pixels of the map, turns them into depth along the axis."""

    kind: Literal["distance"]
    focal_px: float
    scale: Scale = "1"
    invalid: tuple[int, ...] | None = None
    cx: float | None = None
    cy: float | None = None

    def encoding(self) -> enc.Encoding:
        return enc.Distance(enc.parse_scale(self.scale), 0.0, self.invalid, self.focal_px, self.cx, self.cy)


class PresetConfig(_EncodingConfig):
    """What a data set, a sensor or a model writes; `gpudepth presets` lists them and what each takes. A relative model
    needs near and far, or `refine.align`. auto: recognised file by file, where there is no doubt."""

    kind: Literal["preset"]
    preset: str
    near: float | None = None
    far: float | None = None
    scale: Scale | None = None
    focal_px: float | None = None
    baseline_m: float | None = None
    doffs: float | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        return self.model_dump(exclude={"kind", "preset"})

    def encoding(self) -> enc.Encoding | None:
        """None for auto, and for a relative model: `Settings.with_preset` knows whether it is aligned."""
        if self.preset == AUTO:
            return None
        return presets.find(self.preset).encoding(aligned=True, **self.parameters)


class EmbeddedConfig(_EncodingConfig):
    """The depth files hold depth and know their own range."""

    kind: Literal["embedded"]

    def encoding(self) -> None:
        return None


EncodingConfig = Annotated[
    GrayConfig | DepthConfig | DisparityConfig | StereoConfig | ZBufferConfig | DistanceConfig | EmbeddedConfig
    | PresetConfig,
    Field(discriminator="kind")]

KINDS: dict[str, type[BaseModel]] = {
    "gray": GrayConfig, "depth": DepthConfig, "disparity": DisparityConfig, "stereo": StereoConfig,
    "zbuffer": ZBufferConfig, "distance": DistanceConfig, "embedded": EmbeddedConfig,
    "preset": PresetConfig}
