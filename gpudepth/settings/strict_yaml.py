"""YAML for job files: a strict subset, with the line of every key and value.

Plain data only: no tags, anchors, aliases or merge keys; no duplicate keys. Scalars follow YAML 1.2's core schema
(`1e3` is a number, `no` and `12:30` are text); `.nan` and old octals (`012`) are refused, for nobody means them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import FileError, JobError, MissingInputError, missing_file

MAX_BYTES = 1 << 18     # PyYAML takes a second and more for a mebibyte of empty lines
MAX_DEPTH = 32
MAX_NODES = 5_000       # a job with every key has about a hundred; parsing takes 0.1 s for each thousand

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z|0x[0-9a-fA-F]+\Z|0o[0-7]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INF = re.compile(r"([-+]?)\.(inf|Inf|INF)\Z")
_NAN = re.compile(r"\.(nan|NaN|NAN)\Z")
_OCTAL = re.compile(r"[-+]?0[0-9]+\Z")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
          "null": None, "Null": None, "NULL": None, "~": None, "": None}


@dataclass
class Document:
    """The data, and the line (1-based) of each value by its path of keys and indices."""

    data: Any
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    name: str = "job"

    def line(self, path: tuple[str | int, ...]) -> int:
        """Return the line of a value, or of the nearest enclosing one that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place(self, path: tuple[str | int, ...]) -> str:
        """`job.yaml:12: encoding.far`"""
        dotted = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return f"{self.name}:{self.line(path)}: {dotted or 'job'}"


def scalar(text: str) -> Any:
    """A plain scalar's value. Raises ValueError for `.nan` and old octals."""
    if text in _WORDS:
        return _WORDS[text]
    if _OCTAL.match(text) and not _INT.match(text):
        raise ValueError(f"{text} is octal for some readers and decimal for others; quote it or drop the zero")
    if _INT.match(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.match(text):
        return float(text)
    if _NAN.match(text):
        raise ValueError(f"{text} is not a value that a setting can have")
    inf = _INF.match(text)
    return float(inf.group(1) + "inf") if inf else text


def setting(text: str) -> Any:
    """Return a value on a command line: a scalar, a list in brackets, or a mapping in braces. Raises ValueError."""
    if text[:1] + text[-1:] not in ("[]", "{}"):
        return scalar(text)
    try:
        value = parse(f"value: {text}").data["value"]
    except JobError as error:
        raise ValueError(error.problems[0].removeprefix("job:1: ")) from None
    template = isinstance(value, dict) and None in value.values()      # {stem}
    return text if template else value


def load(path: str | Path) -> Document:
    """Read a file. Raises MissingInputError, FileError, or JobError with every mistake in it."""
    path = Path(path)
    try:
        if not path.is_file():
            raise _no_job(path)
        raw = path.read_bytes()[: MAX_BYTES + 1]
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", where=path) from None
    if len(raw) > MAX_BYTES:
        raise JobError([f"{path}: a job file has at most {MAX_BYTES:,} bytes"], where=path)
    try:
        return parse(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise JobError([f"{path}: not a UTF-8 text file: byte {error.start} ({error.reason})"],
                       where=path) from None


def parse(text: str, name: str = "job") -> Document:
    """Parse a text. Raises JobError."""
    document, problems = Document(None, name=name), list[str]()
    depth, line = 0, 1
    try:
        for count, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
            line = (event.start_mark.line if event.start_mark else 0) + 1
            if count > MAX_NODES:
                raise JobError([f"{name}:{line}: more than {MAX_NODES:,} keys and values"], where=name)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise JobError([f"{name}:{line}: nested deeper than {MAX_DEPTH}"], where=name)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise JobError([f"{name}:{line}: jobs cannot contain anchors (&) and aliases (*)"], where=name)
            tag = getattr(event, "tag", None)
            if tag:
                raise JobError([f"{name}:{line}: jobs cannot contain tags ({tag})"], where=name)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise JobError([f"{name}:{line}: {_syntax_error(error)}"], where=name) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:     # ValueError: an escape beyond Unicode
        raise JobError([f"{name}:{line}: {error}"], where=name) from None
    document.data = {} if node is None else _build(node, (), document, problems)
    if not isinstance(document.data, dict):
        problems.append(f"{name}:1: a job is a mapping: source: …, encoding: …, output: …")
    if problems:
        raise JobError(problems, where=name)
    return document


def _no_job(path: Path) -> MissingInputError:
    """Return the error for a job file that does not exist, with the job file that does or a command that makes one."""
    if not path.is_dir():
        return missing_file(path, "no such job file", "gpudepth init FOLDER writes a job for the files in a folder")
    found = next((one for one in (path / "job.yaml", *sorted(path.glob("*.y*ml"))) if one.is_file()), None)
    return MissingInputError("the path is a folder; expected a job file", where=path, hint=(
        f"did you mean {found}?" if found else
        f"gpudepth init {path} writes {path / 'job.yaml'} for the photos and maps in it"))


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong, for people who do not know how YAML is parsed."""
    problem = error.problem or str(error)
    if "'\\t'" in problem:
        return "there is a tab; YAML is indented with spaces"
    return f"not YAML: {problem}; check that all brackets and quotes are closed, with a space after each colon"


def _can_be_a_name(text: str) -> bool:
    """Return whether a text can be a file name: no NUL, and only surrogates that stand for bytes outside UTF-8."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _build(node: yaml.Node, path: tuple[str | int, ...], document: Document, problems: list[str]) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if isinstance(node, yaml.ScalarNode):
        if not _can_be_a_name(node.value):
            problems.append(f"{document.place(path)}: {node.value[:80]!r} holds a character that no path can have")
            return None
        if node.style is not None:
            return node.value
        try:
            return scalar(node.value)
        except ValueError as error:
            problems.append(f"{document.place(path)}: {error}")
            return None
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, i), document, problems) for i, child in enumerate(node.value)]
    out: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key == "<<":
            problems.append(f"{document.name}:{key_node.start_mark.line + 1}: keys are plain words")
            continue
        here = (*path, key)
        if key in out:
            problems.append(f"{document.name}:{key_node.start_mark.line + 1}: {key} is there twice "
                            f"(first in line {document.lines[here]})")
            continue
        document.lines[here] = key_node.start_mark.line + 1
        out[key] = _build(value_node, here, document, problems)
    return out
