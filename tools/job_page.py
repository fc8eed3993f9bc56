"""Makes docs/job.md, the page about all keys of a job, from the schema and the docstrings of its sections."""

from __future__ import annotations

import re
from typing import Any

from gpudepth.settings import job, sections
from gpudepth.settings.sections import KINDS
from gpudepth.settings.source import RowsConfig, SourceConfig

HEAD = """\
# Every key of a job

<!-- made by `make pages` from the settings; do not edit -->

A job is a YAML file. `gpudepth config schema` prints its JSON schema for editors, `gpudepth config validate` lists the
mistakes in a file with their lines, and `gpudepth config show` prints a job with its defaults. Every key can also be
set on the command line: `--set encoding.far=12`. Unknown keys are errors. Other pages explain the sections:
[jobs](jobs.md), [clips](clips.md), [refining maps](refine.md), [runs](runs.md).

"""


def page() -> str:
    """Return the page."""
    schema = job.Job.model_json_schema()
    parts = [HEAD, _section("job", job.Job, schema, 2)]
    parts += [_section("source", SourceConfig, schema, 2),
              _section("source.depth: a network", sections.NetworkConfig, schema, 3),
              _section("source.clip", sections.ClipConfig, schema, 3),
              _section("source.rows", RowsConfig, schema, 3)]
    parts.append("## encoding\n\nWithout this section, maps must be files that contain depth with its encoding "
                 "(`kind: embedded`). Without `kind`, a section with `preset` is a preset, and others are gray.\n\n")
    parts += [_section(f"kind: {name}", record, schema, 3) for name, record in KINDS.items()]
    parts += [_section("refine", sections.RefineConfig, schema, 2),
              _section("refine.confidence", sections.ConfidenceConfig, schema, 3),
              _section("refine.align", sections.AlignConfig, schema, 3),
              _section("refine.resize", sections.ResizeConfig, schema, 3),
              _section("map", sections.MapConfig, schema, 2),
              _section("output", sections.OutputConfig, schema, 2),
              _section("run", sections.RunConfig, schema, 2),
              _section("limits", sections.LimitsConfig, schema, 2)]
    return "".join(parts).rstrip() + "\n"


def _section(title: str, section: Any, schema: dict[str, Any], level: int) -> str:
    of = schema if section is job.Job else schema["$defs"][section.__name__]
    rows = [f"| `{name}` | {_type(field, schema)} | {_default(name, field, of)} | {_description(name, field)} |"
            for name, field in of.get("properties", {}).items()]
    table = "| key | values | default | description |\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
    intro = "\n\n".join(_prose(" ".join(part.split())) for part in re.split(r"\n\s*\n", section.__doc__ or ""))
    return f"{'#' * level} {title}\n\n{intro + chr(10) * 2 if intro else ''}{table if rows else ''}"


def _description(name: str, field: dict[str, Any]) -> str:
    """Return the description of a key. Raises KeyError if it is missing."""
    if "description" not in field:
        raise KeyError(f"{name} has no description")
    return _cell(field["description"])


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
    bounds = [f"{words[name]} {field[name]:g}" for name in words if name in field]
    return " " + ", ".join(bounds) if bounds else ""


def _default(name: str, field: dict[str, Any], of: dict[str, Any]) -> str:
    if name in of.get("required", []) or ("const" in field and "default" not in field):
        return "required"
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
