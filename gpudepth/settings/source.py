"""The `source:` section of a job: which map goes to which photo. Each way of pairing has its own keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..errors import UsageError, missing_file
from ..limits import DEFAULT, Limits
from ..maps.raw import RawLayout
from ..pairing.archive import COLOR, check_extension, find_in_archives, find_in_shards
from ..pairing.archive import DEPTH as DEPTH_EXTENSIONS
from ..pairing.by_index import Stride, find_by_index
from ..pairing.by_name import find_pairs
from ..pairing.by_time import TOLERANCE, find_by_time
from ..pairing.captures import find_embedded, find_in_captures
from ..pairing.catalogue import Catalogue, ObjectsOnDisk
from ..pairing.csv import find_listed
from ..pairing.manifest import find_in_transforms
from ..pairing.pairs import Pairing
from ..pairing.stores import is_url
from ..pairing.templates import search_root
from .schema import Config, section
from .sections import ClipConfig, NetworkConfig
from .settings import Settings

_LISTS = ("pairs", "transforms", "shards", "archive")
_INSIDE = ("shards", "archive")     # color and depth then say what of it
_ONLY_WITH = {"tolerance": "time", "offset": "time", "color_start": "index", "color_stride": "index",
              "depth_start": "index", "depth_stride": "index"}


_OF_MAPS = ("match", "tolerance", "offset", "depth_stream", "depth_crop", "coding")
"""Keys of source.clip that say how maps are found and read."""


def _kind(value: Any) -> str:
    return "network" if isinstance(value, dict | NetworkConfig) else "text"


Depth = Annotated[Annotated[str | list[str] | None, Tag("text")] | Annotated[NetworkConfig, Tag("network")],
                  Discriminator(_kind)]


def _extensions(value: str | list[str] | NetworkConfig | None) -> list[str]:
    if isinstance(value, NetworkConfig):
        return []
    return [value] if isinstance(value, str) else value or []


def _check_network(network: NetworkConfig, given: list[str], info: ValidationInfo) -> NetworkConfig:
    others = [*given, *(["match"] if info.data.get("match", "name") != "name" else [])]
    if others:
        raise ValueError(f"a network requires source.color or source.video and excludes source.{others[0]}")
    return network


def _check_inside(kind: str, value: Any, info: ValidationInfo) -> None:
    """Check color or depth of files inside archives: extensions of shards; both or none for an archive."""
    if kind == "shards":
        for extension in _extensions(value):
            try:
                check_extension(extension)
            except UsageError as error:
                raise ValueError(str(error)) from None
    elif kind == "archive" and info.field_name == "depth" and (value is None) != (info.data.get("color") is None):
        raise ValueError("color and depth of an archive go together")


class RowsConfig(Config):
    """The maps have no header: width × height (the photo's without), the kind of number, and the bytes from one row to
    the next where rows are padded."""

    shape: str | None = Field(None, description="Width × height, as 256x192; the photo's unless named.")
    dtype: str | None = Field(None, description="Type of the numbers, float32 unless named; float32be is big-endian.")
    bytes_per_row: int | None = Field(None, ge=1, description="Bytes from one row to the next, where rows are padded.")

    @model_validator(mode="after")
    def _check(self) -> RowsConfig:
        try:
            self.rows()
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def rows(self) -> RawLayout:
        return RawLayout.parse(self.shape, self.dtype, self.bytes_per_row)


class SourceConfig(section(Settings, "source")):  # type: ignore[misc]
    """Which photos there are, and which map belongs to each. Paths are relative to the job file.

    Photos and maps are named in one of these ways:

    `color` and `depth`: a glob, or a template with {placeholders}, for photos; a template for maps. `match` says how
    they go together. By time, the time stamps come from {time} in both, or from TUM's lists rgb.txt and depth.txt. With
    `match: embedded` the map is in the photo's own file, and `depth` is left out.

    `video` and `depth`: videos, or pictures in sequences with {frame} or {time} in their names; and what holds their
    maps: a video, an .npz or a sequence. `depth` is left out where the videos hold it.

    `pairs`: a list, .csv or .jsonl. `transforms`: nerfstudio's transforms.json. Paths in them are relative to their own
    folder.

    `shards`: WebDataset's tar files, where `color` and `depth` are extensions ([jpg, png], [depth.png, depth.npy]).
    `archive`: zip or tar files, where `color` and `depth` are templates inside of them; or Record3D's .r3d alone.
    Members are read in place.

    `depth: {kind: onnx, model: …}`: a network estimates depth from each photo of `color`, or each frame of `video`.
    """

    model_config = ConfigDict(json_schema_extra={
        "oneOf": [{"required": ["color", "depth"]}, {"required": ["pairs"]}, {"required": ["transforms"]},
                  {"required": ["shards"]}, {"required": ["archive"]}, {"required": ["video"]},
                  {"required": ["color", "match"], "properties": {"match": {"const": "embedded"}}}]})

    pairs: str | None = Field(None,
        description="A list of pairs, .csv or .jsonl, with the columns color, depth, and id, confidence, "
                    "metric, out if wanted.")
    transforms: str | None = Field(None, description="nerfstudio's transforms.json.")
    shards: str | None = Field(None, description="WebDataset's tar files: a glob or template.")
    archive: str | None = Field(None, description="Zip, tar or .r3d files: a glob or template.")
    video: str | None = Field(None, description="Videos, or pictures in sequences: a glob or template.")
    match: Literal["name", "time", "index", "embedded"] = Field("name",
        description="How color and depth go together: by name, by time, by index, or embedded: one file holds both.")
    color: str | list[str] | None = Field(None, validate_default=True,
        description="A glob, or a template with {placeholders}; for shards: extensions.")
    depth: Depth = Field(None, validate_default=True,
        description="A template, or a network (below); for shards: extensions.")
    tolerance: float | None = Field(None, gt=0, allow_inf_nan=False,
        description="Largest number of seconds between photo and map, with match: time; 0.02 unless named.")
    offset: float | None = Field(None, allow_inf_nan=False,
        description="Seconds that are added to the maps' times, with match: time.")
    color_start: int | None = Field(None, ge=0, description="The first photo, with match: index.")
    color_stride: int | None = Field(None, ge=1, description="Take every n-th photo, with match: index.")
    depth_start: int | None = Field(None, ge=0, description="The first map, with match: index.")
    depth_stride: int | None = Field(None, ge=1, description="Take every n-th map, with match: index.")
    clip: ClipConfig | None = Field(None, description="How frames and maps match: below.")
    rows: RowsConfig | None = Field(None, description="The layout of maps without a header: below.")
    allow_missing: bool = Field(False, description="Photos without a map are left out, and are no error.")

    @field_validator(*_LISTS[1:], "video")
    @classmethod
    def _one_list(cls, value: str | None, info: ValidationInfo) -> str | None:
        before = [name for name in _LISTS if name != info.field_name and info.data.get(name) is not None]
        if value is not None and before:
            raise ValueError(f"source.{before[0]} names the files already; give one of them")
        return value

    @field_validator("color", "depth", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any, info: ValidationInfo) -> Any:
        """Check the type here, because a union would report two errors."""
        if value is None or isinstance(value, str) or (info.field_name == "depth" and isinstance(value, dict)):
            return value
        if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
            raise ValueError("should be text" + (", or a list of extensions" if info.data.get("shards") else ""))
        if info.data.get("shards") is None:
            raise ValueError("is one glob or template; a list of extensions requires source.shards")
        return value

    @field_validator("color", "depth")
    @classmethod
    def _files(cls, value: str | list[str] | NetworkConfig | None,
               info: ValidationInfo) -> str | list[str] | NetworkConfig | None:
        given = [name for name in _LISTS if info.data.get(name) is not None]
        if isinstance(value, NetworkConfig):
            return _check_network(value, given, info)
        if given and given[0] in _INSIDE:
            _check_inside(given[0], value, info)
        elif value is not None and given:
            raise ValueError(f"source.{given[0]} names the files already; color and depth, or {given[0]}")
        return value

    @field_validator("color", "depth")
    @classmethod
    def _needed(cls, value: Any, info: ValidationInfo) -> Any:
        given = [name for name in _LISTS if info.data.get(name) is not None]
        video, embedded = info.data.get("video") is not None, info.data.get("match") == "embedded"
        if info.field_name == "color" and video and value is not None:
            raise ValueError("source.video names the pictures already; color, or video")
        if info.field_name == "depth" and embedded and value is not None:
            raise ValueError("cannot be combined with source.match: embedded")
        needed = not (given or video or (embedded and info.field_name == "depth")) and set(_LISTS) <= set(info.data)
        if value is None and needed:
            raise PydanticCustomError("missing", "is missing")
        return value

    @field_validator("match")
    @classmethod
    def _match(cls, value: str, info: ValidationInfo) -> str:
        given = [name for name in _LISTS if info.data.get(name) is not None]
        if value != "name" and info.data.get("video") is not None:
            raise ValueError("applies to color and depth; for frames use source.clip.match")
        if value != "name" and given:
            raise ValueError(f"applies to color and depth, but source.{given[0]} lists the pairs")
        return value

    @field_validator(*_ONLY_WITH)
    @classmethod
    def _belongs(cls, value: Any, info: ValidationInfo) -> Any:
        way = _ONLY_WITH[str(info.field_name)]
        if value is not None and info.data.get("match", way) != way:
            raise ValueError(f"requires source.match: {way}")
        return value

    @field_validator("clip")
    @classmethod
    def _of_video(cls, value: ClipConfig | None, info: ValidationInfo) -> ClipConfig | None:
        if value is not None and info.data.get("video") is None:
            raise ValueError("requires source.video")
        if value is not None and isinstance(info.data.get("depth"), NetworkConfig):
            named = value.model_dump(exclude_defaults=True)
            other = next((name for name in _OF_MAPS if name in named), None)
            if other is not None:
                raise ValueError(f"{other} applies to depth files, but source.depth is a network")
        return value

    @property
    def listed(self) -> str | None:
        """The list of pairs or frames, if there is one."""
        return self.pairs if self.pairs is not None else self.transforms

    @property
    def network(self) -> NetworkConfig | None:
        """The network that estimates depth, or None."""
        return self.depth if isinstance(self.depth, NetworkConfig) else None

    @property
    def by_name(self) -> bool:
        """Whether photos and maps are files that are paired by name."""
        return self.match == "name" and self.video is None and self.network is None and all(
            getattr(self, name) is None for name in _LISTS)

    def find(self, base: Path, output: str, limits: Limits = DEFAULT, *, on_disk: bool = False) -> Pairing:
        """Return all pairs, with outputs by a template.

        Args:
            base: The folder that paths are relative to.
            output: The template of outputs.
            limits: What archives may ask for.
            on_disk: Whether pairs by name are kept on the disk instead of in memory.

        Raises:
            UsageError: Files cannot be paired.
        """
        self._check_urls()
        if self.listed is not None:
            find = find_listed if self.pairs is not None else find_in_transforms
            return find(base, self.listed, output, allow_missing=self.allow_missing)
        color, depth = (text if isinstance(text, str) else "" for text in (self.color, self.depth))
        if self.shards is not None or self.archive is not None:
            return self._find_inside(base, color, depth, output, limits)
        if self.match == "embedded" or self.network is not None:     # the photo is what the map is made of
            return find_embedded(base, color, output)
        if self.match != "name":
            return self._find_in_order(base, color, depth, output)
        where = Catalogue(ObjectsOnDisk() if on_disk else {})
        pairing = find_pairs(base, color, depth, output, look=where.search, nothing=where.nothing, on_disk=on_disk)
        return replace(pairing, objects=where.objects)

    def _check_urls(self) -> None:
        urls = [text for text in (self.listed, self.shards, self.archive, self.video, self.color, self.depth)
                if isinstance(text, str) and is_url(text)]
        if urls and not self.by_name:
            raise UsageError(f"{urls[0]} is in an object store, whose objects are paired by name only",
                             hint="source: {color: s3://bucket/photos/*.jpg, depth: 's3://bucket/depth/{stem}.png'}")

    def _find_in_order(self, base: Path, color: str, depth: str, output: str) -> Pairing:
        """Return the pairs by time or by index."""
        if self.match == "time":
            return find_by_time(base, color, depth, output, tolerance=self.tolerance or TOLERANCE,
                                offset=self.offset or 0.0, allow_missing=self.allow_missing)
        return find_by_index(base, color, depth, output, allow_missing=self.allow_missing,
                             color_every=Stride(self.color_start or 0, self.color_stride or 1),
                             depth_every=Stride(self.depth_start or 0, self.depth_stride or 1))

    def _find_inside(self, base: Path, color: str, depth: str, output: str, limits: Limits) -> Pairing:
        """Return the pairs inside archives."""
        if self.shards is not None:
            return find_in_shards(base, self.shards, _extensions(self.color) or COLOR,
                                  _extensions(self.depth) or DEPTH_EXTENSIONS, output, limits=limits)
        assert self.archive is not None
        if not color:
            return find_in_captures(base, self.archive, output, limits=limits)
        return find_in_archives(base, self.archive, color, depth, output, limits=limits)

    def why_unmatched(self, base: Path) -> str:
        """Return a hint for photos without a map."""
        if self.transforms is not None:
            reason = "their frames have no depth_file_path"
        elif self.shards is not None:
            reason = f"source.depth is {_extensions(self.depth) or list(DEPTH_EXTENSIONS)}"
        elif self.archive is not None and self.depth is None:
            reason = "their frames have no .depth"
        elif self.match == "time":
            reason = (f"source.tolerance is {self.tolerance or TOLERANCE:g}, source.offset {self.offset or 0:g}; "
                      "each map is used once")
        else:
            reason = f"source.depth is {self.depth!r}"
            folder = search_root(base, str(self.depth))
            if not is_url(str(self.depth)) and not folder.is_dir():
                hint = missing_file(folder / "map").hint
                reason += f": there is no folder {folder}" + (f", {hint}" if hint else "")
        return f"{reason}; source.allow_missing: true leaves them out"
