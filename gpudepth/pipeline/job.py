"""A job: what to pair, what codes mean, what to write. YAML in, frozen records out.

Every record refuses unknown keys; all mistakes are reported at once, each with file, line and dotted path.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from ..compute.cores import available_cores
from ..depth.encoding import Depth, parse_scale
from ..depth.pixel_format import native
from ..errors import GpudepthError, JobError, UsageError
from ..limits import Limits
from . import tar_names
from .clips.record import ClipRecord
from .encoding_records import KINDS, EmbeddedRecord, EncodingRecord, GrayRecord, Pair, PresetRecord, Record, Scale
from .network_record import NetworkRecord
from .recipe import TURNS, Confidence, Recipe, Resize, Smooth
from .source_record import RowsRecord, SourceRecord
from .strict_yaml import Document, load, parse, setting

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"\s*([0-9.]+)\s*([KMG]i?B|B|)\s*", value) if isinstance(value, str) else None
    return int(float(match.group(1)) * _SIZES[match.group(2)]) if match else value


ByteSize = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]


class ResizeRecord(Record):
    """width and height in display orientation, or long_side."""

    width: int = Field(0, ge=0)
    height: int = Field(0, ge=0)
    long_side: int = Field(0, ge=0)
    method: Literal["area", "bilinear", "nearest", "guided"] = "area"

    @model_validator(mode="after")
    def _check(self) -> ResizeRecord:
        try:
            self.resize()
        except GpudepthError as error:
            raise ValueError(str(error)) from None
        return self

    def resize(self) -> Resize:
        return Resize(self.width, self.height, self.long_side, method=self.method)


class AlignRecord(Record):
    """to: a template of metric depth, sparse or small, that relative maps are fitted to, scale and shift; left out
    where source.pairs names it. scale: one unit of it in metres; without one, floats are metres and a photo with depth
    knows itself. curve: what the relative map is linear in, disparity (MiDaS, Depth Anything; the default) or depth
    (Marigold)."""

    to: str | None = None
    scale: Scale | None = None
    curve: Literal["disparity", "depth"] | None = None


class ConfidenceRecord(Record):
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


class RefineRecord(Record):
    """In the order of the work. fit: for maps of another aspect than the photo. clamp: [min, max] in metres. smooth:
    median3, median5, bilateral or bilateral1 to bilateral8 (its radius), before the resize."""

    fit: Literal["error", "crop", "stretch"] = "error"
    confidence: ConfidenceRecord | None = None
    align: AlignRecord | None = None
    clamp: Pair | None = None
    smooth: Annotated[str, AfterValidator(_smooth)] | None = None
    resize: ResizeRecord | None = None
    fill: Literal["nearest", "far", "near", "inpaint"] | None = None


class MapRecord(Record):
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


class OutputRecord(Record):
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


class RunRecord(Record):
    """workers: processes, each with one item in flight; auto: one a core. memory: of decoded pictures and maps that all
    workers hold together, by what headers declare; 0: any. deterministic: the same input gives the same bytes; false
    lets an encoder be used for more than one frame of a clip, a little faster. on_existing: what to do about outputs
    that the ledger does not know. ledger: relative to the job file. ledger_rows: of a part, where outputs and ledger
    are in an object store: a killed run redoes no more. progress_seconds: between lines of progress where there is no
    terminal. heartbeat: a file, relative to the job file, that is replaced every few seconds while the run is alive,
    and says how far it is."""

    backend: Literal["auto", "numpy", "cupy"] = "auto"
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    memory: ByteSize = 2 << 30
    deterministic: bool = True
    on_existing: Literal["resume", "overwrite", "error"] = "resume"
    on_error: Literal["continue", "stop"] = "continue"
    ledger: str | None = None
    ledger_rows: int = Field(500, ge=1)
    progress_seconds: float = Field(10.0, gt=0)
    heartbeat: str | None = None

    def processes(self, auto: int | None = None) -> int:
        """How many workers; auto: what that word means, all cores without."""
        return self.workers if self.workers != "auto" else auto or available_cores()


class LimitsRecord(Record):
    """0 switches a limit off."""

    max_pixels: int = Field(Limits.max_pixels, ge=0)
    max_decoded_bytes: ByteSize = Limits.max_decoded_bytes
    max_file: ByteSize = Limits.max_file
    max_items: int = Field(Limits.max_items, ge=0)
    max_children: int = Field(Limits.max_children, ge=0)
    max_extents: int = Field(Limits.max_extents, ge=0)
    max_references: int = Field(Limits.max_references, ge=0)
    max_parameter_sets: int = Field(Limits.max_parameter_sets, ge=0)
    max_nal_units: int = Field(Limits.max_nal_units, ge=0)
    max_coded: int = Field(Limits.max_coded, ge=0)
    max_segments: int = Field(Limits.max_segments, ge=0)
    max_metadata: ByteSize = Limits.max_metadata
    max_images: int = Field(Limits.max_images, ge=0)
    max_ifds: int = Field(Limits.max_ifds, ge=0)
    max_entries: int = Field(Limits.max_entries, ge=0)
    max_values: int = Field(Limits.max_values, ge=0)
    max_xmp: ByteSize = Limits.max_xmp
    max_xmp_nesting: int = Field(Limits.max_xmp_nesting, ge=0)
    max_xmp_items: int = Field(Limits.max_xmp_items, ge=0)
    max_xmp_elements: int = Field(Limits.max_xmp_elements, ge=0)
    max_xmp_attributes: int = Field(Limits.max_xmp_attributes, ge=0)
    max_list: ByteSize = Limits.max_list
    max_samples: int = Field(Limits.max_samples, ge=0)
    max_movie: ByteSize = Limits.max_movie
    max_moov: ByteSize = Limits.max_moov
    max_archive: ByteSize = Limits.max_archive
    max_members: int = Field(Limits.max_members, ge=0)
    max_ratio: int = Field(Limits.max_ratio, ge=0)
    seconds_per_item: float = Field(120.0, ge=0)

    def limits(self) -> Limits:
        return Limits(**self.model_dump(exclude={"seconds_per_item"}))


_CONTAINERS = {"heic": (".heic", ".heif", ".hif"), "jpeg": (".jpg", ".jpeg", ".jpe"), "dng": (".dng",),
               "dictionary": (".plist", ".bplist")}


class Job(Record):
    """A whole job file."""

    source: SourceRecord
    output: OutputRecord
    encoding: EncodingRecord = Field(default_factory=lambda: EmbeddedRecord(kind="embedded"))
    refine: RefineRecord = RefineRecord()
    map: MapRecord = MapRecord()
    run: RunRecord = RunRecord()
    limits: LimitsRecord = LimitsRecord()

    @model_validator(mode="after")
    def _check(self) -> Job:
        suffixes = self.suffixes
        if suffixes and not self.output.path.lower().endswith(suffixes):
            raise ValueError(f"output.path {self.output.path!r} does not end in {suffixes[0]}, as "
                             f"output.container: {self.output.container} has it")
        try:
            if self.output.tars is not None:
                if self.source.video is not None:
                    raise UsageError("output.tars is about photos, and source.video about clips")
                tar_names.check(self.output.path)
            recipe = self.recipe()
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

    def recipe(self) -> Recipe:
        """What one item needs."""
        resize = self.refine.resize.resize() if self.refine.resize else None
        align, trust = self.refine.align, self.refine.confidence
        recipe = Recipe(
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
        if isinstance(self.encoding, PresetRecord):
            named = align.curve if align else None
            recipe = recipe.with_preset(self.encoding.preset, align=named, **self.encoding.parameters)
        return recipe


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
    "source": SourceRecord, "output": OutputRecord, "refine": RefineRecord, "map": MapRecord, "run": RunRecord,
    "limits": LimitsRecord}


_BELOW: dict[tuple[Any, ...], type[BaseModel]] = {
    ("source", "clip"): ClipRecord, ("source", "depth"): NetworkRecord, ("source", "rows"): RowsRecord,
    ("refine", "resize"): ResizeRecord,
    ("refine", "align"): AlignRecord, ("refine", "confidence"): ConfidenceRecord}


def _explain(error: Any, document: Document, origins: dict[tuple[str, ...], str]) -> str:
    """One pydantic error as `job.yaml:12: encoding.far: what is wrong`."""
    loc = tuple(p for i, p in enumerate(error["loc"]) if not (i == 1 and error["loc"][0] == "encoding" and p in KINDS)
                and not (i == 2 and error["loc"][:2] == ("source", "depth") and p in ("network", "text")))
    if error["loc"] and error["loc"][-1] in ("int", "literal['auto']", "constrained-int"):
        loc = loc[:-1]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown key" + _suggest(str(loc[-1]), error["loc"])
    elif error["type"] == "missing":
        message = "is missing"
    place = f"--set {origins[loc]}" if loc in origins else document.place(loc)
    return f"{place}: {message[:1].lower()}{message[1:]}"


def _suggest(key: str, loc: tuple[Any, ...]) -> str:
    record: type[BaseModel] = Job
    if len(loc) > 1:
        if loc[0] == "encoding":
            record = KINDS.get(str(loc[1]), GrayRecord)
        else:
            record = _SECTIONS.get(str(loc[0]), Job)
        record = _BELOW.get(loc[:2], record)
    known = list(record.model_fields)
    close = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {close[0]}?" if close else "; known: " + ", ".join(known)
