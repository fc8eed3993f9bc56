"""docs/job.md: every key of a job, from the schema and the docstrings of its records."""

from __future__ import annotations

import re
from typing import Any

from gpudepth.settings.encoding_records import KINDS
from gpudepth.settings.network_record import NetworkConfig
from gpudepth.settings.source_record import RowsConfig, SourceConfig
from pydantic import BaseModel

from gpudepth.limits import Limits
from gpudepth.settings import job
from gpudepth.settings.clip import ClipConfig

HEAD = """\
# Every key of a job

<!-- made by `make pages` from the records of gpudepth/pipeline; do not edit -->

A job is a YAML file; `gpudepth config schema` prints its JSON schema for editors, `gpudepth config validate` says what
is wrong with a file, line by line, and `gpudepth config show` what its defaults are. Every key can be set from the
command line as well: `--set encoding.far=12`. Unknown keys are errors. What the parts are for: [jobs](jobs.md),
[clips](clips.md), [maps that are worth attaching](refine.md), [runs](runs.md).

"""
# what no record's docstring needs to say again, for the name, the type and the section say it
SAID = {
    "Job.source": "which photos, which maps: below", "Job.output": "where to, and in which layout: below",
    "Job.encoding": "what the numbers of the maps mean, by `kind`: below",
    "Job.refine": "what is done to the maps: below", "Job.map": "what is stored: below",
    "Job.run": "how the work is done: below", "Job.limits": "what a file may ask for: below",
    "source.key": "which array of a stack (`depths[0]`), of .npy, .npz and HDF5", "source.rows": "below",
    "source.orientation": "of the maps: as the photo is displayed, or as its pixels are stored",
    "source.allow_missing": "photos without a map are left out, and no error",
    "source.color": "a glob, or a template with {placeholders}; of shards: extensions",
    "source.depth": "a template, or a network (below); of shards: extensions",
    "source.pairs": "a list of pairs, .csv or .jsonl", "source.transforms": "nerfstudio's transforms.json",
    "source.shards": "WebDataset's tar files: a glob or template", "source.archive": "zip, tar or .r3d: the same",
    "source.video": "videos, or pictures in sequences: a glob or template",
    "source.clip": "how frames and maps match: below",
    "source.match": "by name, by time, by index, or embedded: one file holds both",
    "source.tolerance": "seconds between photo and map, with match: time; 0.02 without",
    "source.offset": "seconds that are added to the maps' times, with match: time",
    "source.color_start": "the first photo, with match: index", "source.color_stride": "each how many-th, the same",
    "source.depth_start": "the first map, with match: index", "source.depth_stride": "each how many-th, the same",
    "source.rows.shape": "width × height, as 256x192; the photo's without", "source.rows.dtype": "the kind of number",
    "source.rows.bytes_per_row": "from one row to the next, where rows are padded",
    "refine.resize": "below", "refine.align": "below", "refine.confidence": "below",
    "refine.fit": "maps of another aspect than the photo: an error, cropped, or stretched",
    "refine.fill": "what pixels without a value get: the nearest pixel's, the far or near end, or a smooth surface",
    "refine.resize.width": "pixels, as displayed", "refine.resize.height": "the same",
    "refine.resize.long_side": "the longer side, the other follows",
    "refine.resize.method": "area when shrinking; guided makes a small map large along the photo's edges",
    "map.pixel_format": "16 or 32-bit disparity, 16 or 32-bit depth",
    "map.accuracy": "what the file says of the map; the preset's word, or relative, without",
    "map.quality": "what the file says of the map; the profile's word without",
    "map.filtered": "what the file says of the map; the profile's word without",
    "map.calibration": "the map's own camera, the 35 mm focal length of Exif, or none",
    "output.container": "confirms what the suffix of `path` says",
    "output.profile": "the layout; the container's first without",
    "output.orientation": "of maps that are written alone", "output.replace_depth": "depth that is there goes",
    "output.transcode": "a photo may be encoded anew, where the suffix asks for another format",
    "run.backend": "auto takes a GPU where it pays", "run.on_error": "go on with the next item, or stop",
    "limits.seconds_per_item": "an item that takes longer is ended; of a clip: a frame",
    "clip.stride": "every n-th frame", "clip.tolerance": "seconds between frame and map, with match: time",
    "clip.offset": "seconds that are added to the maps' times",
}
_COMMON = {
    "kind": "says which of them it is", "multiple": "what both sides of the input are multiples of, with fit: aspect",
    "near": "metres", "far": "metres", "curve": "what is linear in gray", "white": "which end white is",
    "disparity": "[at black, at white], 1/metres, instead", "scale": "one unit of the values: a number, 1/256, mm, cm",
    "offset": "added after scale", "invalid": "codes that mean no value; 0 of integers without",
    "focal_px": "focal length in pixels of the map", "baseline_m": "metres between the cameras",
    "doffs": "pixels between the principal points", "reversed": "1 at the near plane", "ndc": "OpenGL's −1 to 1",
    "cx": "principal point, pixels; the middle without", "cy": "the same",
    "preset": "a name of [presets](presets.md), or auto"}


def page() -> str:
    """The whole page."""
    schema = job.Job.model_json_schema()
    parts = [HEAD, _section("job", job.Job, schema, "Job", 2)]
    parts += [_section("source", SourceConfig, schema, "source", 2),
              _section("source.depth: a network", NetworkConfig, schema, "network", 3),
              _section("source.clip", ClipConfig, schema, "clip", 3),
              _section("source.rows", RowsConfig, schema, "source.rows", 3)]
    parts.append("## encoding\n\nWithout it, maps are files that hold depth and know themselves (`kind: embedded`); "
                 "without `kind`, a `preset` is one, and everything else is gray.\n\n")
    parts += [_section(f"kind: {name}", record, schema, "encoding", 3) for name, record in KINDS.items()]
    parts += [_section("refine", job.RefineConfig, schema, "refine", 2),
              _section("refine.confidence", job.ConfidenceConfig, schema, "refine.confidence", 3),
              _section("refine.align", job.AlignConfig, schema, "refine.align", 3),
              _section("refine.resize", job.ResizeConfig, schema, "refine.resize", 3),
              _section("map", job.MapConfig, schema, "map", 2),
              _section("output", job.OutputConfig, schema, "output", 2),
              _section("run", job.RunConfig, schema, "run", 2),
              _section("limits", job.LimitsConfig, schema, "limits", 2)]
    return "".join(parts).rstrip() + "\n"


def _section(title: str, record: type[BaseModel], schema: dict[str, Any], path: str, level: int) -> str:
    of = schema if record is job.Job else schema["$defs"][record.__name__]
    intro, said = describe(record)
    rows = [f"| `{name}` | {_type(field, schema)} | {_default(name, field, of)} | {_says(path, name, said)} |"
            for name, field in of.get("properties", {}).items()]
    table = "| key | what it takes | default | what it says |\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
    return f"{'#' * level} {title}\n\n{intro}{table if rows else ''}"


def _says(path: str, name: str, said: dict[str, str]) -> str:
    """Raises KeyError for a key that nothing describes."""
    text = said.get(name) or SAID.get(f"{path}.{name}") or (_COMMON[name] if path in ("encoding", "network") else "")
    if not text:
        raise KeyError(f"{path}.{name}: nothing says what it is")
    return _cell(text)


def describe(record: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """A docstring as what it says of the record, and of each key: `key: …` or `key, other: …` up to the next."""
    if record is job.LimitsConfig:
        return _cell("0 switches a limit off.") + "\n\n", _limits()
    text = " ".join((record.__doc__ or "").split())
    if record is SourceConfig:        # ways of pairing, not keys
        *ways, last = (" ".join(p.split()) for p in re.split(r"\n\s*\n", record.__doc__ or ""))
        name, _, about = last.partition(": ")
        return "".join(_prose(p) + "\n\n" for p in ways), {name: about.rstrip(".")}
    key = "|".join(record.model_fields)
    found = list(re.finditer(rf"(?:^|(?<=[.;] ))((?:{key})(?:, (?:{key}))*): ", text))
    said: dict[str, str] = {}
    for n, match in enumerate(found):
        end = found[n + 1].start() if n + 1 < len(found) else len(text)
        for name in match.group(1).split(", "):
            said[name] = text[match.end():end].strip().rstrip(".;")
    intro = text[:found[0].start()].strip() if found else text
    return (_prose(intro) + "\n\n" if intro else ""), said


def _limits() -> dict[str, str]:
    """The lines of the docstring of Limits."""
    said: dict[str, str] = {}
    for line in (Limits.__doc__ or "").splitlines():
        name, _, text = line.strip().partition(" ")
        if name.startswith("max_"):
            said[name] = text.strip()
        elif said and line.strip():
            said[list(said)[-1]] += " " + line.strip()
    return said


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        return "a section"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    several = field.get("anyOf") or field.get("oneOf")
    if several:
        kinds = [_type(part, schema) for part in several if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    kind = field.get("type")
    if kind == "array":
        if "prefixItems" in field:
            return "[" + ", ".join(_type(part, schema) for part in field["prefixItems"]) + "]"
        return "list of " + _type(field.get("items", {}), schema)
    name = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true, false"}.get(kind, "any")
    return name + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{words[name]} {field[name]:g}" for name in words if name in field]
    return " " + ", ".join(said) if said else ""


def _default(name: str, field: dict[str, Any], of: dict[str, Any]) -> str:
    if name in of.get("required", []) or ("const" in field and "default" not in field):
        return "needed"
    value = field.get("default")
    if value is None or isinstance(value, dict):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`{value}`"
    return f"`{value:,}`" if isinstance(value, int) and value >= 100_000 else f"`{value}`"


def _prose(text: str) -> str:
    return text.replace("{", "`{").replace("}", "}`") if "`" not in text else text


def _cell(text: str) -> str:
    return _prose(re.sub(r"\s+", " ", text)).replace("|", "\\|")
