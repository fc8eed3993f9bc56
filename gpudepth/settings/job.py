"""Reads jobs: which photos belong to which maps, what their values mean, and what to write.

Every record refuses unknown keys; all mistakes are reported at once, each with file, line and dotted path.
"""

from __future__ import annotations

import difflib
import warnings
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from ..containers import registry
from ..errors import GpudepthError, JobError, UsageError
from ..pairing import templates
from .declare import SettingError, specs
from .schema import Config, as_value_error
from .sections import (
    KINDS,
    AlignConfig,
    AnyEncoding,
    ClipConfig,
    ConfidenceConfig,
    EmbeddedConfig,
    GrayConfig,
    LimitsConfig,
    MapConfig,
    NetworkConfig,
    OutputConfig,
    RefineConfig,
    ResizeConfig,
    RunConfig,
    encoding,
    parameters,
)
from .settings import Settings
from .source import RowsConfig, SourceConfig
from .strict_yaml import Document, load, parse, setting
from .values import Confidence, Resize


class _AtError(ValueError):
    """An error of a section that needs other sections as well. section: its keys."""

    def __init__(self, section: tuple[str, ...], error: ValueError) -> None:
        super().__init__(str(error))
        self.section = section


class Job(Config):
    """A whole job file."""

    source: SourceConfig = Field(description="Which photos and which maps: below.")
    output: OutputConfig = Field(description="Where outputs go, and in which layout: below.")
    encoding: AnyEncoding = Field(default_factory=lambda: EmbeddedConfig.model_validate({"kind": "embedded"}),
                                  description="What the numbers of the maps mean, by `kind`: below.")
    refine: RefineConfig = Field(RefineConfig(), description="What is done to the maps: below.")
    map: MapConfig = Field(MapConfig(), description="What is stored: below.")
    run: RunConfig = Field(RunConfig(), description="How the work is done: below.")
    limits: LimitsConfig = Field(LimitsConfig(), description="What a file may ask for: below.")

    @model_validator(mode="after")
    def _check(self) -> Job:
        suffixes = self.suffixes
        if suffixes and not self.output.path.lower().endswith(suffixes):
            raise ValueError(f"output.path {self.output.path!r} does not end in {suffixes[0]}, as "
                             f"output.container: {self.output.container} has it")
        try:
            settings = self.item_settings()
        except SettingError as error:
            raise _AtError(tuple(_key(error.setting)), as_value_error(error)) from None
        except GpudepthError as error:
            raise _AtError(("encoding",) if self.encoding.kind == "preset" else (), as_value_error(error)) from None
        if settings.temporal is not None and self.source.video is None:
            raise _AtError(("refine", "temporal"), ValueError("requires source.video"))
        try:
            if self.output.tars is not None:
                if self.source.video is not None:
                    raise UsageError("output.tars applies to photos, not to clips of source.video")
                templates.check(self.output.path)
            if self.source.network is not None:
                settings.check_network()
                self._check_batch(self.source.network.batch)
            if settings.encoding is not None:
                settings.encoding.linear(settings.pixel_format.quantity, None)  # type: ignore[arg-type]
        except GpudepthError as error:
            raise as_value_error(error) from None
        return self

    def _check_batch(self, batch: int) -> None:
        """Raises UsageError."""
        if batch > 1 and self.run.workers not in ("auto", 1):
            raise UsageError("source.depth.batch requires run.workers: 1, because one worker processes a batch")

    @property
    def processes(self) -> int:
        """Number of worker processes on this machine."""
        network = self.source.network
        return 1 if network is not None and network.batch > 1 else self.run.processes()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes that output.container allows; empty if it is not set."""
        if self.output.container is None:
            return ()
        return registry.named(self.output.container).suffixes

    def item_settings(self) -> Settings:
        """Return what one item needs. Raises UsageError."""
        values = {name: getattr(getattr(self, section), spec.leaf) for name, spec in specs(Settings).items()
                  for section, *below in [spec.key.split(".")] if len(below) == 1}
        align, trust, size = self.refine.align, self.refine.confidence, self.refine.resize
        settings = Settings(
            **{name: value for name, value in values.items() if value is not None}, encoding=encoding(self.encoding),
            rows=self.source.rows.rows() if self.source.rows else None,
            resize=Resize(**size.model_dump()) if size else None, align=align.curve or "disparity" if align else None,
            metric_encoding=align.encoding if align else None,
            confidence=Confidence(trust.highest, trust.least) if trust else Confidence(), limits=self.limits.limits())
        if self.encoding.kind != "preset":
            return settings
        return settings.with_preset(self.encoding.preset, align=align.curve if align else None,
                                    **parameters(self.encoding))


def _key(name: str) -> list[str]:
    """Return the keys of a setting in a job."""
    return specs(Settings)[name].key.split(".") if name in specs(Settings) else []


def load_job(path: str | Path, settings: list[str] | None = None) -> Job:
    """Read a job file, with `key.path=value` settings applied on top. Raises JobError with every mistake."""
    return validate(load(path), settings)


def parse_job(text: str, settings: list[str] | None = None, name: str = "job") -> Job:
    """Return the job of a text. Raises JobError."""
    return validate(parse(text, name), settings)


RENAMED = {("output", "quality"): "photo_quality"}
"""Keys of version 0.1, and what they are called now."""


def _rename_keys(document: Document) -> None:
    """Accept the keys of version 0.1, with a warning."""
    for (name, old), new in RENAMED.items():
        values = document.data.get(name)
        if isinstance(values, dict) and old in values and new not in values:
            warnings.warn(f"{document.place((name, old))} is now called {new}", DeprecationWarning, stacklevel=4)
            values[new] = values.pop(old)
            document.lines[name, new] = document.lines.get((name, old), 1)


def validate(document: Document, settings: list[str] | None = None) -> Job:
    origins = {path: text for text in settings or [] for path in [_apply(document.data, text)]}
    data = document.data
    _rename_keys(document)
    if isinstance(data.get("encoding"), dict) and "kind" not in data["encoding"]:
        data["encoding"]["kind"] = "preset" if "preset" in data["encoding"] else "gray"
    try:
        return Job.model_validate(data)
    except ValidationError as error:
        raise JobError([_explain(e, document, origins) for e in error.errors()], where=document.name) from None


def _apply(data: dict[str, Any], text: str) -> tuple[str, ...]:
    """Apply a change such as `encoding.far=12` to the data."""
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
    section = data.get("encoding")
    if keys == ("encoding", "preset") and isinstance(section, dict):     # it replaces whatever kind the file names
        known = KINDS["preset"].model_fields
        data["encoding"] = {"kind": "preset", **{k: v for k, v in section.items() if k in known and k != "kind"}}
    return keys


_SECTIONS: dict[str, type[BaseModel]] = {
    "source": SourceConfig, "output": OutputConfig, "refine": RefineConfig, "map": MapConfig, "run": RunConfig,
    "limits": LimitsConfig}


_BELOW: dict[tuple[Any, ...], type[BaseModel]] = {
    ("source", "clip"): ClipConfig, ("source", "depth"): NetworkConfig, ("source", "rows"): RowsConfig,
    ("refine", "resize"): ResizeConfig,
    ("refine", "align"): AlignConfig, ("refine", "confidence"): ConfidenceConfig}


def _explain(error: Any, document: Document, origins: dict[tuple[str, ...], str]) -> str:
    """Return one error of pydantic as `job.yaml:12: encoding.far: what is wrong`."""
    loc = _location(error)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown key" + _suggest(str(loc[-1]), error["loc"])
    elif error["type"] == "missing":
        message = "is missing"
    elif error["type"].endswith(("_parsing", "_type")) and isinstance(error["input"], str | int | float):
        message += f"; it is {error['input']!r:.80}"
    place = f"--set {origins[loc]}" if loc in origins else document.place(loc)
    return f"{place}: {message[:1].lower()}{message[1:]}"


def _location(error: Any) -> tuple[Any, ...]:
    """Return the keys of an error's place, without the names that pydantic gives to members of unions."""
    found = error["loc"]
    kinds = {("encoding",): KINDS, ("source", "depth"): ("network", "text")}
    loc = tuple(p for i, p in enumerate(found) if p not in kinds.get(found[:i], ()))
    if found and found[-1] in ("int", "literal['auto']", "constrained-int"):
        loc = loc[:-1]
    return loc or getattr(error.get("ctx", {}).get("error"), "section", ())


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
