"""Reads pairs from a list, `pairs.csv` or `pairs.jsonl`, with one photo and the files that belong to it per line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .manifest import ListFile
from .pairs import (
    Pair,
    Pairing,
    find_collisions,
    natural_key,
    natural_sorted,
    output_template,
    photo_key,
    real_paths,
    shared_maps,
)
from .stores import located
from .templates import Template

COLUMNS = ("color", "depth", "id", "confidence", "metric", "out")
NEEDED = ("color", "depth")


@dataclass
class _Rows:
    """The content of a list.

    Attributes:
        columns: Names of the columns.
        rows: Line number and cells of each row, without empty cells.
    """

    columns: set[str] = field(default_factory=set)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def find_listed(base: Path, pairs: str, output: str | None = None, *, allow_missing: bool = False) -> Pairing:
    """Read the pairs of a list whose columns or keys are those of COLUMNS; only color and depth are required.

    Args:
        base: Folder that `pairs` and `output` start from. Paths in the list start from the list's folder.
        pairs: Path of the list.
        output: Template of {stem} and, where the list has it, {id}; used for rows without `out`.
        allow_missing: Leave photos unmatched when their map is not named or does not exist, instead of raising an
            error.

    Returns:
        The pairs in natural order.

    Raises:
        JobError: The list has mistakes; all of them are reported with their lines.
        UsageError: The template is bad, or the list has no photos.
    """
    base = Path(base)
    source = ListFile(base / pairs)
    read = _READERS.get(source.path.suffix.lower())
    if read is None:
        raise UsageError("not a list of pairs", where=source.path,
                         hint="source.pairs must end in " + " or ".join(_READERS))
    found = read(source)
    source.check()
    if not found.rows:
        raise UsageError("the list names no photos", where=source.path,
                         hint="write one line per photo: " + ", ".join(NEEDED))
    names = frozenset({"stem"} | ({"id"} & found.columns))
    goals = output_template(output, names)

    good, unmatched, inputs, taken = [], [], list[Path](), _Taken(source)
    for line, row in found.rows:
        color = source.named(line, "color", row.get("color", ""))
        extras = {what: source.named(line, what, row[what]) for what in ("confidence", "metric") if what in row}
        there = source.has(row.get("depth", ""))
        if not there and not allow_missing:
            source.named(line, "depth", row.get("depth", ""))
        goal = _goal(source, base, line, row, goals)
        if color is None or not taken.color(line, color):
            continue
        inputs.append(color)
        if not there:
            unmatched.append(color)
        elif goal is None or taken.output(line, goal):
            depth = source.resolve(row["depth"])
            inputs.append(depth)
            good.append(Pair(photo_key(color, base), color, depth, _fields(row, color), goal, **extras))
    source.check()
    good.sort(key=lambda pair: natural_key(pair.color))
    return Pairing(tuple(good), natural_sorted(unmatched), (), tuple(shared_maps(good)), find_collisions(good, inputs),
                   names=names)


class _Taken:
    """Remembers the photos and outputs of earlier lines, to report repeated ones."""

    def __init__(self, source: ListFile) -> None:
        self._source, self._real = source, real_paths()
        self._colors: dict[str, int] = {}
        self._outputs: dict[str, int] = {}

    def color(self, line: int, path: Path) -> bool:
        first = self._colors.setdefault(self._real(path), line)
        if first != line:
            self._source.wrong(line, f"color {path.name!r} is already in line {first}")
        return first == line

    def output(self, line: int, path: Path) -> bool:
        first = self._outputs.setdefault(self._real(path), line)
        if first != line:
            self._source.wrong(line, f"the output {str(path)!r} is also that of line {first} (give each line its own "
                                     "out, or add a placeholder such as {id} to output.path)")
        return first == line


def _fields(row: dict[str, str], color: Path) -> dict[str, str]:
    return {"stem": color.stem} | ({"id": row["id"]} if "id" in row else {})


def _goal(source: ListFile, base: Path, line: int, row: dict[str, str], goals: Template | None) -> Path | None:
    if "out" in row:
        if "\0" in row["out"]:
            source.wrong(line, f"out {row['out']!r} is not a path")
            return None
        return source.resolve(row["out"])
    if goals is None or "color" not in row:
        return None
    if "id" in goals.names and "id" not in row:
        source.wrong(line, "the line has no id, which output.path uses")
        return None
    try:
        return located(base, goals.format(_fields(row, Path(row["color"]))))
    except UsageError as error:
        source.wrong(line, error.message)
        return None


def _columns_problem(columns: list[str], what: str) -> str | None:
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        return f"unknown {what} {unknown[0]!r}; use " + ", ".join(COLUMNS)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        return f"{what} {twice[0]} occurs twice"
    return None


def _read_csv(source: ListFile) -> _Rows:
    """Read a header, then one row per line; cells are separated by commas and quoted where they contain commas."""
    found, header = _Rows(), list[str]()
    for line, text in source.lines():
        try:
            cells = next(csv.reader([text], strict=True, skipinitialspace=True))
        except (csv.Error, StopIteration) as error:
            source.wrong(line, f"not a line of CSV: {error}")
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            problem = _columns_problem(header, "column")
            missing = [name for name in NEEDED if name not in header]
            if problem or missing:
                source.wrong(line, problem or f"column {missing[0]} is missing; the first line must name the columns, "
                                              "separated by commas: " + ",".join(COLUMNS))
                return found
            found.columns = set(header)
        elif len(cells) != len(header):
            source.wrong(line, f"the line has {len(cells)} cells, but the first line names {len(header)} columns")
        else:
            found.rows.append((line, {name: cell for name, cell in zip(header, cells, strict=True) if cell}))
    return found


def _read_jsonl(source: ListFile) -> _Rows:
    """Read one object per line. Values are texts; an id may be a whole number; null counts as left out."""
    found = _Rows()
    for line, text in source.lines():
        try:
            pairs = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError) as error:       # ValueError: also a number with thousands of digits
            source.wrong(line, f"not JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}")
            continue
        if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, tuple) for pair in pairs):
            source.wrong(line, 'not an object such as {"color": "a.jpg", "depth": "a.png"}')
            continue
        problem = _columns_problem([key for key, _ in pairs], "key") or _value_problem(pairs)
        if problem:
            source.wrong(line, problem)
            continue
        row = {key: str(value) for key, value in pairs if value not in (None, "")}
        found.columns |= {key for key, _ in pairs}
        found.rows.append((line, row))
    return found


def _value_problem(pairs: list[tuple[str, Any]]) -> str | None:
    for key, value in pairs:
        whole = key == "id" and isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not isinstance(value, str) and not whole:
            return f"{key} is {json.dumps(value)[:40]}; it must be a string"
    return None


_READERS: dict[str, Callable[[ListFile], _Rows]] = {".csv": _read_csv, ".jsonl": _read_jsonl}
