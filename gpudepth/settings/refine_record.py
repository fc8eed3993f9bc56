"""The `refine:` section of a job: what is done to maps between decoding and storing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ..errors import GpudepthError
from .encoding_records import Config, Pair, Scale
from .settings import Confidence, Resize, Smooth


class ResizeConfig(Config):
    """width and height in display orientation, or long_side."""

    width: int = Field(0, ge=0)
    height: int = Field(0, ge=0)
    long_side: int = Field(0, ge=0)
    method: Literal["area", "bilinear", "nearest", "guided"] = "area"

    @model_validator(mode="after")
    def _check(self) -> ResizeConfig:
        try:
            self.resize()
        except GpudepthError as error:
            raise ValueError(str(error)) from None
        return self

    def resize(self) -> Resize:
        return Resize(self.width, self.height, self.long_side, method=self.method)


class AlignConfig(Config):
    """to: a template of metric depth, sparse or small, that relative maps are fitted to, scale and shift; left out
    where source.pairs names it. scale: one unit of it in metres; without one, floats are metres and a photo with depth
    knows itself. curve: what the relative map is linear in, disparity (MiDaS, Depth Anything; the default) or depth
    (Marigold)."""

    to: str | None = None
    scale: Scale | None = None
    curve: Literal["disparity", "depth"] | None = None


class ConfidenceConfig(Config):
    """path: a template of maps that say how far each pixel is to be trusted, 0 not at all: of the samples that are
    aligned to, without these of the map; left out where source.pairs names it. highest: the code that means certain
    (ARKit: 2). least: codes below it count as no value."""

    path: str | None = None
    highest: int | None = Field(None, ge=1)
    least: float = Field(Confidence.least, ge=0)


def _smooth(text: str) -> str:
    try:
        Smooth.parse(text)
    except GpudepthError as error:
        raise ValueError(str(error)) from None
    return text


class RefineConfig(Config):
    """In the order of the work. fit: for maps of another aspect than the photo. clamp: [min, max] in metres. smooth:
    median3, median5, bilateral or bilateral1 to bilateral8 (its radius), before the resize."""

    fit: Literal["error", "crop", "stretch"] = "error"
    confidence: ConfidenceConfig | None = None
    align: AlignConfig | None = None
    clamp: Pair | None = None
    smooth: Annotated[str, AfterValidator(_smooth)] | None = None
    resize: ResizeConfig | None = None
    fill: Literal["nearest", "far", "near", "inpaint"] | None = None
