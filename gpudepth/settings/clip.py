"""The `source.clip:` section of a job: which frames of a video, and how maps go to them; and the same for workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ..errors import UsageError
from ..video.frames import Choice
from .encoding_records import Config

Half = Literal["left", "right", "top", "bottom"]
Box = tuple[int, int, int, int]
OPPOSITE: dict[str, Half] = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def _frames(value: object) -> object:
    if isinstance(value, str):
        try:
            Choice.parse(value)
        except UsageError as error:
            raise ValueError(error.message) from None
    return value


@dataclass(frozen=True)
class ClipOptions:
    """What a worker needs of the section; the fields are the record's."""

    frames: str | None = None
    stride: int = 1
    match: Literal["time", "index"] | None = None
    tolerance: float | None = None
    offset: float = 0.0
    fps: float | None = None
    color_stream: int | None = None
    depth_stream: int | None = None
    color_crop: Half | Box | None = None
    depth_crop: Half | Box | None = None
    coding: Literal["gray", "hue"] = "gray"
    range: Literal["clip", "frame"] | tuple[float, float] = "clip"
    qp: int | None = None
    allow_missing: bool = False
    quality: int = 90
    deterministic: bool = True

    @property
    def choice(self) -> Choice:
        return Choice.parse(self.frames, self.stride)


class ClipConfig(Config):
    """frames: "0:300", of the video, counted from 0, the end not included. stride: every n-th of them.

    match: time (the default where both sides have times: each other's nearest, less than tolerance seconds apart, half
    a frame without; offset is added to the maps') or index. fps: of maps, or pictures, that have no times of their own.
    color_stream, depth_stream: which video streams of a file, counted from 0. color_crop, depth_crop: the half of the
    frame (left, right, top, bottom) or x, y, width, height that is meant, of a video of both side by side. coding: hue
    for depth that is drawn as a hue, which lossy video keeps badly. range: what the stored codes run over, of all
    frames (found in a first pass), of each, or metres [near, far]. qp: of depth in movies, 0 to 4; lossless without.
    """

    frames: Annotated[str | None, BeforeValidator(_frames)] = None
    stride: int = Field(1, ge=1)
    match: Literal["time", "index"] | None = None
    tolerance: float | None = Field(None, gt=0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)
    fps: float | None = Field(None, gt=0, allow_inf_nan=False)
    color_stream: int | None = Field(None, ge=0)
    depth_stream: int | None = Field(None, ge=0)
    color_crop: Half | Box | None = None
    depth_crop: Half | Box | None = None
    coding: Literal["gray", "hue"] = "gray"
    range: Literal["clip", "frame"] | tuple[float, float] = "clip"
    qp: int | None = Field(None, ge=0, le=4)

    @model_validator(mode="after")
    def _check(self) -> ClipConfig:
        if isinstance(self.range, tuple) and not 0 < self.range[0] < self.range[1]:
            raise ValueError(f"range {list(self.range)}: two distances in metres, 0 < near < far")
        for crop in (self.color_crop, self.depth_crop):
            if isinstance(crop, tuple) and (min(crop[:2]) < 0 or min(crop[2:]) < 1):
                raise ValueError(f"crop {list(crop)}: x, y, width, height")
        return self

    def options(self, *, allow_missing: bool, quality: int, deterministic: bool) -> ClipOptions:
        return ClipOptions(**{name: getattr(self, name) for name in type(self).model_fields},
                           allow_missing=allow_missing, quality=quality, deterministic=deterministic)
