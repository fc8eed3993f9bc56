"""The `source:` section of a job: which map goes to which photo. Each way of pairing has its own keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ..sources.indices import Every, find_by_index
from ..sources.pair_lists import find_listed
from ..sources.pairing import find_pairs
from ..sources.pairs import Pairing
from ..sources.timestamps import TOLERANCE, find_by_time
from ..sources.transforms import find_in_transforms
from .clip_record import ClipRecord
from .encoding_records import Record

_LISTS = ("pairs", "transforms")
_ONLY_WITH = {"tolerance": "time", "offset": "time", "color_start": "index", "color_stride": "index",
              "depth_start": "index", "depth_stride": "index"}


class SourceRecord(Record):
    """color: a glob, or a template with {placeholders}; depth: a template. Relative to the job file.

    Or video: a glob or template of videos, or with {frame} or {time} in it of pictures in sequences; depth: a template
    of what holds their maps: a video, an .npz, a sequence; left out where the videos hold it. clip: how they match.

    Or pairs: a list, .csv or .jsonl, with the columns color, depth, and id, confidence, metric, out if wanted. Or
    transforms: nerfstudio's transforms.json. What these name is relative to their own folder.

    match: how color and depth go together: by name; by time, from {time} in both or from TUM's lists rgb.txt and
    depth.txt, less than tolerance (0.02 s) apart with offset added to the times of the maps; by index, the first photo
    with the first map, starting at color_start and depth_start, each color_stride-th and depth_stride-th.
    """

    model_config = ConfigDict(json_schema_extra={
        "oneOf": [{"required": ["color", "depth"]}, {"required": ["pairs"]}, {"required": ["transforms"]},
                  {"required": ["video"]}]})

    pairs: str | None = None
    transforms: str | None = None
    video: str | None = None
    color: str | None = Field(None, validate_default=True)
    depth: str | None = Field(None, validate_default=True)
    match: Literal["name", "time", "index"] = "name"
    tolerance: float | None = Field(None, gt=0, allow_inf_nan=False)
    offset: float | None = Field(None, allow_inf_nan=False)
    color_start: int | None = Field(None, ge=0)
    color_stride: int | None = Field(None, ge=1)
    depth_start: int | None = Field(None, ge=0)
    depth_stride: int | None = Field(None, ge=1)
    clip: ClipRecord | None = None
    key: str | None = None
    orientation: Literal["display", "coded"] = "display"
    allow_missing: bool = False

    @field_validator("transforms", "video")
    @classmethod
    def _one_list(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = [name for name in _LISTS if name != info.field_name and info.data.get(name) is not None]
        if value is not None and given:
            raise ValueError(f"source.{given[0]} names the files already; one of the two")
        return value

    @field_validator("color", "depth")
    @classmethod
    def _files(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = [name for name in _LISTS if info.data.get(name) is not None]
        if value is not None and given:
            raise ValueError(f"source.{given[0]} names the files already; color and depth, or {given[0]}")
        video = info.data.get("video") is not None
        if video and value is not None and info.field_name == "color":
            raise ValueError("source.video names the pictures already; color, or video")
        if value is None and not given and not video and all(name in info.data for name in _LISTS):
            raise PydanticCustomError("missing", "is missing")
        return value

    @field_validator("match")
    @classmethod
    def _match(cls, value: str, info: ValidationInfo) -> str:
        given = [name for name in _LISTS if info.data.get(name) is not None]
        if value != "name" and info.data.get("video") is not None:
            raise ValueError("goes with color and depth; source.clip.match is about frames")
        if value != "name" and given:
            raise ValueError(f"goes with color and depth; source.{given[0]} says which belong together")
        return value

    @field_validator(*_ONLY_WITH)
    @classmethod
    def _belongs(cls, value: Any, info: ValidationInfo) -> Any:
        way = _ONLY_WITH[str(info.field_name)]
        if value is not None and info.data.get("match", way) != way:
            raise ValueError(f"goes with source.match: {way}")
        return value

    @field_validator("clip")
    @classmethod
    def _of_video(cls, value: ClipRecord | None, info: ValidationInfo) -> ClipRecord | None:
        if value is not None and info.data.get("video") is None:
            raise ValueError("goes with source.video")
        return value

    @property
    def listed(self) -> str | None:
        """The list of pairs or frames, if there is one."""
        return self.pairs if self.pairs is not None else self.transforms

    def find(self, base: Path, output: str) -> Pairing:
        """All pairs, with outputs by the template `output`. Raises UsageError and what belongs to it."""
        missing = self.allow_missing
        if self.pairs is not None:
            return find_listed(base, self.pairs, output, allow_missing=missing)
        if self.transforms is not None:
            return find_in_transforms(base, self.transforms, output, allow_missing=missing)
        color, depth = self.color or "", self.depth or ""
        if self.match == "time":
            return find_by_time(base, color, depth, output, tolerance=self.tolerance or TOLERANCE,
                                offset=self.offset or 0.0, allow_missing=missing)
        if self.match == "index":
            return find_by_index(base, color, depth, output, allow_missing=missing,
                                 color_every=Every(self.color_start or 0, self.color_stride or 1),
                                 depth_every=Every(self.depth_start or 0, self.depth_stride or 1))
        return find_pairs(base, color, depth, output)

    def why_unmatched(self) -> str:
        """What may be done about photos without a map."""
        if self.transforms is not None:
            reason = "their frames have no depth_file_path"
        elif self.match == "time":
            reason = (f"source.tolerance is {self.tolerance or TOLERANCE:g}, source.offset {self.offset or 0:g}; "
                      "each map is used once")
        else:
            reason = f"source.depth is {self.depth!r}"
        return f"{reason}; source.allow_missing: true leaves them out"
