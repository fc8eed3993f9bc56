"""A job: what to pair, what codes mean, what to write. YAML in, frozen records out.

Every record refuses unknown keys; all mistakes are reported at once, each with file, line and dotted path.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from ..depth.encoding import Depth, parse_scale
from ..depth.pixel_format import native
from ..errors import GpudepthError, JobError, UsageError
from ..pairing import tar_paths
from .clip import ClipConfig
from .encoding_records import KINDS, Config, EmbeddedConfig, EncodingConfig, GrayConfig, PresetConfig
from .network_record import NetworkConfig
from .refine_record import AlignConfig, ConfidenceConfig, RefineConfig, ResizeConfig
from .run_record import LimitsConfig, RunConfig
from .settings import TURNS, Confidence, Settings, Smooth
from .source_record import RowsConfig, SourceConfig
from .strict_yaml import Document, load, parse, setting


class MapConfig(Config):
    """What is stored. bits: 8 in HEIC and JPEG, 16 in DNG files without. crf: lossy HEVC with that rate factor;
    lossless without. jpeg_quality: of maps in JPEG files; Apple's quantisation table without. compression: of maps in
    DNG files; deflate without."""

    pixel_format: Literal["hdis", "fdis", "hdep", "fdep"] = "hdis"
    bits: Literal[8, 10, 12, 16] | None = None
    crf: int | None = Field(None, ge=0, le=51)
    jpeg_quality: int | None = Field(None, ge=1, le=100)
    compression: Literal["none", "deflate", "ljpeg", "jpegxl"] | None = None
    accuracy: Literal["relative", "absolute"] | None = None
    quality: Literal["high", "low"] | None = None
    filtered: bool | None = None
    calibration: Literal["source", "exif", "none"] = "source"


class OutputConfig(Config):
    """path: a template of the same placeholders (with source.pairs {id} and {stem}, for rows without out; the ledger
    lies in its folder); its suffix names the format, which `container` only confirms. Of clips: with {frame}, or a
    movie: .mov (an experiment), .mp4 (Android's MP4-AT) or .mkv (depth video alone). A .plist (ImageIO's dictionary),
    .hdis and its like, .npy, .npz or .pfm holds the map alone, in `orientation`.
    donor: for the profile apple-portrait, a photo of Portrait mode that gives its rendering parameters.
    also: further layouts in a JPEG file. trailer: what to do about bytes behind the last image of a JPEG file.
    tars: how many tar files outputs are members of, path says which: out/{tar}.tar/{stem}.heic, as WebDataset reads
    them. turn: degrees clockwise that picture and map are turned by, in their metadata, on top of what the photo says
    (phones' exports lie on their side). quality: of photos that have to be encoded, frames of clips among them."""

    path: str
    tars: int | None = Field(None, ge=1, le=65536)
    container: Literal["heic", "jpeg", "dng", "dictionary"] | None = None
    profile: Literal["apple-depth", "article", "apple-portrait", "dng", "gdepth", "dynamic-depth"] | None = None
    donor: str | None = None
    also: list[Literal["gdepth", "dynamic-depth"]] = Field(default_factory=list)
    trailer: Literal["keep", "drop", "refuse"] = "keep"
    orientation: Literal["display", "coded"] = "display"
    turn: Literal[0, 90, 180, 270] = 0
    replace_depth: bool = False
    transcode: bool = False
    quality: int = Field(90, ge=-1, le=100)


_CONTAINERS = {"heic": (".heic", ".heif", ".hif"), "jpeg": (".jpg", ".jpeg", ".jpe"), "dng": (".dng",),
               "dictionary": (".plist", ".bplist")}


class _AtError(ValueError):
    """What is wrong with a section, found when all of them were read. section: its keys."""

    def __init__(self, section: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.section = section


class Job(Config):
    """A whole job file."""

    source: SourceConfig
    output: OutputConfig
    encoding: EncodingConfig = Field(default_factory=lambda: EmbeddedConfig(kind="embedded"))
    refine: RefineConfig = RefineConfig()
    map: MapConfig = MapConfig()
    run: RunConfig = RunConfig()
    limits: LimitsConfig = LimitsConfig()

    @model_validator(mode="after")
    def _check(self) -> Job:
        suffixes = self.suffixes
        if suffixes and not self.output.path.lower().endswith(suffixes):
            raise ValueError(f"output.path {self.output.path!r} does not end in {suffixes[0]}, as "
                             f"output.container: {self.output.container} has it")
        try:
            recipe = self._with_preset(self._settings())
        except GpudepthError as error:
            raise _AtError(("encoding",) if isinstance(self.encoding, PresetConfig) else (), str(error)) from None
        try:
            if self.output.tars is not None:
                if self.source.video is not None:
                    raise UsageError("output.tars is about photos, and source.video about clips")
                tar_paths.check(self.output.path)
            if self.source.network is not None:
                recipe.check_network()
                self._check_batch(self.source.network.batch)
            if recipe.encoding is not None:
                recipe.encoding.linear(recipe.pixel_format.quantity, None)  # type: ignore[arg-type]
        except GpudepthError as error:
            raise ValueError(str(error)) from None
        return self

    def _check_batch(self, batch: int) -> None:
        """Raises UsageError."""
        if batch > 1 and self.run.workers not in ("auto", 1):
            raise UsageError("source.depth.batch goes with run.workers: 1: a batch is one worker's")

    @property
    def processes(self) -> int:
        """How many workers do it here."""
        network = self.source.network
        return 1 if network is not None and network.batch > 1 else self.run.processes()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Those that output.container allows; none when it is not given."""
        return _CONTAINERS.get(self.output.container or "", ())

    def recipe(self) -> Settings:
        """What one item needs."""
        return self._with_preset(self._settings())

    def _with_preset(self, recipe: Settings) -> Settings:
        if not isinstance(self.encoding, PresetConfig):
            return recipe
        align = self.refine.align
        return recipe.with_preset(self.encoding.preset, align=align.curve if align else None,
                                  **self.encoding.parameters)

    def _settings(self) -> Settings:
        """All of it but the preset."""
        resize = self.refine.resize.resize() if self.refine.resize else None
        align, trust = self.refine.align, self.refine.confidence
        return Settings(
            encoding=self.encoding.encoding(), pixel_format=native(self.map.pixel_format), key=self.source.key,
            color_transform=self.source.color_transform,
            rows=self.source.rows.rows() if self.source.rows else None, turn=TURNS[self.output.turn],
            clamp=self.refine.clamp, resize=resize, fill=self.refine.fill, fit=self.refine.fit,
            smooth=Smooth.parse(self.refine.smooth) if self.refine.smooth is not None else None,
            align=align.curve or "disparity" if align else None,
            metric_encoding=Depth(parse_scale(align.scale)) if align and align.scale else None,
            confidence=Confidence(trust.highest, trust.least) if trust else Confidence(),
            orientation=self.source.orientation, accuracy=self.map.accuracy, quality=self.map.quality,
            filtered=self.map.filtered, calibration=self.map.calibration, bits=self.map.bits, crf=self.map.crf,
            jpeg_quality=self.map.jpeg_quality, compression=self.map.compression, trailer=self.output.trailer,
            also=tuple(self.output.also), export_orientation=self.output.orientation,
            profile=self.output.profile, replace_depth=self.output.replace_depth,
            photo_quality=self.output.quality, transcode=self.output.transcode, limits=self.limits.limits())


def load_job(path: str | Path, settings: list[str] | None = None) -> Job:
    """Read a job file, with `key.path=value` settings applied on top. Raises JobError with every mistake."""
    return validate(load(path), settings)


def parse_job(text: str, settings: list[str] | None = None, name: str = "job") -> Job:
    """The same from a text."""
    return validate(parse(text, name), settings)


def validate(document: Document, settings: list[str] | None = None) -> Job:
    origins = {path: text for text in settings or [] for path in [_apply(document.data, text)]}
    data = document.data
    if isinstance(data.get("encoding"), dict) and "kind" not in data["encoding"]:
        data["encoding"]["kind"] = "preset" if "preset" in data["encoding"] else "gray"
    try:
        return Job.model_validate(data)
    except ValidationError as error:
        raise JobError([_explain(e, document, origins) for e in error.errors()], where=document.name) from None


def _apply(data: dict[str, Any], text: str) -> tuple[str, ...]:
    """Put one `encoding.far=12` into the data."""
    name, equals, value = text.partition("=")
    keys = tuple(name.strip().split("."))
    if not equals or not all(keys):
        raise UsageError(f"--set {text!r} is not key=value", hint="--set encoding.far=12")
    at = data
    for key in keys[:-1]:
        below = at.setdefault(key, {})
        if not isinstance(below, dict):
            raise UsageError(f"--set {text!r}: {key} is not a section")
        at = below
    try:
        at[keys[-1]] = setting(value.strip())
    except ValueError as error:
        raise UsageError(f"--set {text!r}: {error}") from None
    return keys


_SECTIONS: dict[str, type[BaseModel]] = {
    "source": SourceConfig, "output": OutputConfig, "refine": RefineConfig, "map": MapConfig, "run": RunConfig,
    "limits": LimitsConfig}


_BELOW: dict[tuple[Any, ...], type[BaseModel]] = {
    ("source", "clip"): ClipConfig, ("source", "depth"): NetworkConfig, ("source", "rows"): RowsConfig,
    ("refine", "resize"): ResizeConfig,
    ("refine", "align"): AlignConfig, ("refine", "confidence"): ConfidenceConfig}


def _explain(error: Any, document: Document, origins: dict[tuple[str, ...], str]) -> str:
    """One pydantic error as `job.yaml:12: encoding.far: what is wrong`."""
    loc = tuple(p for i, p in enumerate(error["loc"]) if not (i == 1 and error["loc"][0] == "encoding" and p in KINDS)
                and not (i == 2 and error["loc"][:2] == ("source", "depth") and p in ("network", "text")))
    if error["loc"] and error["loc"][-1] in ("int", "literal['auto']", "constrained-int"):
        loc = loc[:-1]
    loc = loc or getattr(error.get("ctx", {}).get("error"), "section", ())
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown key" + _suggest(str(loc[-1]), error["loc"])
    elif error["type"] == "missing":
        message = "is missing"
    elif error["type"].endswith(("_parsing", "_type")) and isinstance(error["input"], str | int | float):
        message += f"; it is {error['input']!r:.80}"
    place = f"--set {origins[loc]}" if loc in origins else document.place(loc)
    return f"{place}: {message[:1].lower()}{message[1:]}"


def _suggest(key: str, loc: tuple[Any, ...]) -> str:
    record: type[BaseModel] = Job
    if len(loc) > 1:
        if loc[0] == "encoding":
            record = KINDS.get(str(loc[1]), GrayConfig)
        else:
            record = _SECTIONS.get(str(loc[0]), Job)
        record = _BELOW.get(loc[:2], record)
    known = list(record.model_fields)
    close = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {close[0]}?" if close else "; known: " + ", ".join(known)
