"""Pairs from a list, `pairs.csv` or `pairs.jsonl`: one photo a line, with its map and what belongs to it."""

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
    in_order,
    natural_key,
    output_template,
    photo_key,
    real_paths,
    shared_maps,
)
from .templates import Template
from .urls import located

COLUMNS = ("color", "depth", "id", "confidence", "metric", "out")
NEEDED = ("color", "depth")


@dataclass
class _Rows:
    """What a list says: its columns, and each row with its line. Cells that are empty are left out."""

    columns: set[str] = field(default_factory=set)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def find_listed(base: Path, pairs: str, output: str | None = None, *, allow_missing: bool = False) -> Pairing:
    """The pairs of a list, whose columns or keys are those of COLUMNS; all but color and depth may be left out.

    base           the folder that `pairs` and `output` start from; what the list names starts from the list's folder
    output         a template of {stem} and {id} (where the list has it), for rows that do not say `out`
    allow_missing  photos whose map is not named or not there are unmatched, not wrong

    Raises JobError with every mistake, each with its line; UsageError for a bad template and a list without photos.
    """
    base = Path(base)
    source = ListFile(base / pairs)
    read = _READERS.get(source.path.suffix.lower())
    if read is None:
        raise UsageError("is no list of pairs", where=source.path, hint="source.pairs: one of " + ", ".join(_READERS))
    found = read(source)
    source.check()
    if not found.rows:
        raise UsageError("lists no photos", where=source.path, hint="a line for each: " + ", ".join(COLUMNS[:2]))
    names = frozenset({"stem"} | ({"id"} & found.columns))
    goals = output_template(output, names)

    good, unmatched, inputs, taken = [], [], list[Path](), _Taken(source)
    for line, row in found.rows:
        color = source.named(line, "color", row.get("color", ""))
        beside = {what: source.named(line, what, row[what]) for what in ("confidence", "metric") if what in row}
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
            good.append(Pair(photo_key(color, base), color, depth, _fields(row, color), goal, **beside))
    source.check()
    good.sort(key=lambda pair: natural_key(pair.color))
    return Pairing(tuple(good), in_order(unmatched), (), tuple(shared_maps(good)), find_collisions(good, inputs),
                   names=names)


class _Taken:
    """Photos and outputs that lines named before."""

    def __init__(self, source: ListFile) -> None:
        self._source, self._real = source, real_paths()
        self._colors: dict[str, int] = {}
        self._outputs: dict[str, int] = {}

    def color(self, line: int, path: Path) -> bool:
        first = self._colors.setdefault(self._real(path), line)
        if first != line:
            self._source.wrong(line, f"color {path.name!r} is in line {first} already")
        return first == line

    def output(self, line: int, path: Path) -> bool:
        first = self._outputs.setdefault(self._real(path), line)
        if first != line:
            self._source.wrong(line, f"would write {str(path)!r}, as line {first} does (give each its own out, "
                                     "or output.path another placeholder: {id})")
        return first == line


def _fields(row: dict[str, str], color: Path) -> dict[str, str]:
    return {"stem": color.stem} | ({"id": row["id"]} if "id" in row else {})


def _goal(source: ListFile, base: Path, line: int, row: dict[str, str], goals: Template | None) -> Path | None:
    if "out" in row:
        if "\0" in row["out"]:
            source.wrong(line, f"out {row['out']!r} is no path")
            return None
        return source.resolve(row["out"])
    if goals is None or "color" not in row:
        return None
    if "id" in goals.names and "id" not in row:
        source.wrong(line, "has no id, which output.path uses")
        return None
    try:
        return located(base, goals.format(_fields(row, Path(row["color"]))))
    except UsageError as error:
        source.wrong(line, error.message)
        return None


def _columns_problem(columns: list[str], what: str) -> str | None:
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        return f"unknown {what} {unknown[0]!r}; known: " + ", ".join(COLUMNS)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        return f"{what} {twice[0]} is there twice"
    return None


def _read_csv(source: ListFile) -> _Rows:
    """A header, then rows; commas between cells, quotes around those that hold commas. A row is one line."""
    found, header = _Rows(), list[str]()
    for line, text in source.lines():
        try:
            cells = next(csv.reader([text], strict=True, skipinitialspace=True))
        except (csv.Error, StopIteration) as error:
            source.wrong(line, f"is no line of CSV: {error}")
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            problem = _columns_problem(header, "column")
            missing = [name for name in NEEDED if name not in header]
            if problem or missing:
                source.wrong(line, problem or f"has no column {missing[0]}; the first line names the columns, "
                                              "with commas between: " + ",".join(COLUMNS))
                return found
            found.columns = set(header)
        elif len(cells) != len(header):
            source.wrong(line, f"has {len(cells)} cells, and the first line names {len(header)} columns")
        else:
            found.rows.append((line, {name: cell for name, cell in zip(header, cells, strict=True) if cell}))
    return found


def _read_jsonl(source: ListFile) -> _Rows:
    """An object a line. Values are texts; an id may be a whole number; null is as good as left out."""
    found = _Rows()
    for line, text in source.lines():
        try:
            pairs = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError) as error:       # ValueError: a number of thousands of digits, too
            source.wrong(line, f"is no JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}")
            continue
        if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, tuple) for pair in pairs):
            source.wrong(line, 'is no object: {"color": "a.jpg", "depth": "a.png"}')
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
            return f"{key} is {json.dumps(value)[:40]}, and has to be a text"
    return None


_READERS: dict[str, Callable[[ListFile], _Rows]] = {".csv": _read_csv, ".jsonl": _read_jsonl}
