"""Reduces outputs to what a record keeps: numbers, structure and bytes, without times, paths and wording."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import yaml

# keys about this run or machine (time, path, duration, version), and a hash of settings, whose form may change
_LEFT_OUT = {"job", "settings", "seconds", "stages", "mtime_ns", "inode", "archive", "version", "gpudepth", "host",
             "base", "created", "made_by", "time", "date", "duration", "cores", "elapsed", "generator"}
# keys of sentences, of which only the number is kept
_WORDS = {"said", "says", "message", "warnings", "warning", "hint", "error", "found", "about", "note", "notes",
          "description", "title", "source", "stated in", "depth_is", "camera_from", "changes", "comment"}
_DATA_URL = re.compile(r"data:image/[a-z+]+;base64,([A-Za-z0-9+/=]+)")


def of_stdout(text: str, words: Sequence[str], folder: Path) -> Any:
    """Return what is kept of a command's standard output: its JSON for --json or a schema, otherwise its length."""
    if "--json" in words or "schema" in words:
        try:
            return normalise(_inlined(json.loads(text)), folder)
        except ValueError:
            lines = [_line(line, folder) for line in text.splitlines()]
            rows = [line for line in lines if isinstance(line, dict) and "status" in line]
            # the order of workers varies
            return [*sorted(rows, key=lambda row: str(row.get("key"))), *(line for line in lines if line not in rows)]
    if "show" in words:
        return normalise(yaml.safe_load(text), folder)
    return {"lines": len(text.splitlines())}


def _line(line: str, folder: Path) -> Any:
    try:
        value = json.loads(line)
        if isinstance(value, dict) and isinstance(value.get("end"), dict):
            value["end"].pop("sha256", None)    # covers the whole plan, whose first line contains the folder
        return normalise(value, folder)
    except ValueError:
        return "<a line>"


def normalise(value: Any, folder: Path) -> Any:
    """Return a JSON value without wording and without values that differ between runs."""
    if isinstance(value, dict):
        # sections of a job and properties of its schema may have the same names as omitted keys; they are dicts
        return {key: normalise(inner, folder) if isinstance(inner, dict) or key not in _WORDS else _without_words(inner)
                for key, inner in value.items()
                if key != "stages" and (key not in _LEFT_OUT or isinstance(inner, dict))}
    if isinstance(value, list):
        return [normalise(inner, folder) for inner in value]
    return value.replace(str(folder), "<folder>") if isinstance(value, str) else value


def _without_words(value: Any) -> Any:
    if isinstance(value, str):
        return "<words>" if value else ""
    if isinstance(value, list):
        return [_without_words(inner) for inner in value]
    return value


def _inlined(value: Any, definitions: dict[str, Any] | None = None) -> Any:
    """Return a JSON schema with its definitions inlined, because their names are class names."""
    if isinstance(value, list):
        return [_inlined(inner, definitions) for inner in value]
    if not isinstance(value, dict):
        return value
    known = value.get("$defs", definitions) or {}
    if "$ref" in value and str(value["$ref"]).startswith("#/$defs/"):
        return _inlined(known[str(value["$ref"]).removeprefix("#/$defs/")], known)
    mapping = value.get("mapping")
    return {key: (sorted(mapping) if key == "mapping" and isinstance(mapping, dict) else _inlined(inner, known))
            for key, inner in value.items() if key != "$defs"}


def digest(path: Path, folder: Path) -> str:
    """Return the SHA-256 of a file, or of the part that is kept for its suffix."""
    if path.suffix == ".jsonl":
        # ledgers and plans; workers end in any order
        rows = [json.dumps(_line(line, folder), sort_keys=True) for line in _text(path).splitlines()]
        return _hash("\n".join(sorted(rows)))
    if path.suffix == ".json":
        return _hash(json.dumps(normalise(json.loads(_text(path)), folder), sort_keys=True))
    if path.suffix in (".yaml", ".yml"):
        # a job that init writes; its comments are wording
        return _hash(json.dumps(normalise(yaml.safe_load(_text(path)), folder), sort_keys=True, default=str))
    if path.suffix in (".html", ".swift"):
        # a report contains times, wording and scripts; only its pictures are kept
        return _hash("\n".join(sorted(_DATA_URL.findall(_text(path)))))
    if path.suffix == ".mkv":
        return _hash(_packets(path))
    return _hash(path.read_bytes())


def _packets(path: Path) -> str:
    """Return the contents of a Matroska file without FFmpeg's random numbers of segments and tracks."""
    told: list[str] = []
    with av.open(str(path)) as file:
        for stream in file.streams:
            tags = {name: value for name, value in stream.metadata.items()
                    if name.lower() not in ("encoder", "duration")}
            told.append(f"{stream.type} {stream.codec_context.name} {stream.time_base} {sorted(tags.items())} "
                        f"{_hash(stream.codec_context.extradata or b'')}")
        told.append(str(sorted(file.metadata.items())))
        told += [f"{p.stream_index} {p.pts} {p.dts} {p.duration} {p.is_keyframe} {_hash(bytes(p))}"
                 for p in file.demux() if p.size]
    return "\n".join(told)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hash(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
