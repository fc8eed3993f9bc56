"""Reads a file that names other files (pairs, time stamps, transforms.json) and reports all its mistakes together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FileError, JobError, MissingInputError, UsageError
from ..limits import DEFAULT, Limits
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

SHOWN = 20


class ListFile:
    """The text of a list, whose entries are relative to its folder, and the mistakes found in it.

    Args:
        path: Path of the list.
        limits: What the list may ask for.

    Raises:
        MissingInputError: It does not exist.
        FileError: It cannot be read.
        JobError: It is not UTF-8.
    """

    def __init__(self, path: Path, limits: Limits = DEFAULT) -> None:
        self.path = path
        self.folder = path.parent
        self._problems: list[str] = []
        try:
            if not path.is_file():
                raise MissingInputError("the list of files does not exist", where=path)
            with path.open("rb") as file:
                raw = file.read((limits.max_list or -2) + 1)
        except OSError as error:
            raise FileError(f"cannot be read: {error.strerror}", where=path) from None
        limits.check("max_list", len(raw), "bytes and more", where=str(path))
        try:
            self.text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise JobError([f"{path}:{line}: not UTF-8: {error.reason} at byte {error.start}"], where=path) from None

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the number, counted from 1, and the text of each line that is neither blank nor a `#` comment."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, line.removesuffix("\r")

    def json(self) -> Any:
        """Parse the whole file as JSON. Raises JobError."""
        try:
            return json.loads(self.text)
        except json.JSONDecodeError as error:
            raise JobError([f"{self.path}:{error.lineno}: not JSON: {error.msg}"], where=self.path) from None
        except ValueError as error:     # a number with thousands of digits
            raise JobError([f"{self.path}: not JSON: {error}"], where=self.path) from None
        except RecursionError:
            raise JobError([f"{self.path}: the JSON is nested too deeply"], where=self.path) from None

    def wrong(self, place: int | str, message: str) -> None:
        """Note a mistake in a line or at a path of keys."""
        self._problems.append(f"{self.path}:{place}: {message}" if isinstance(place, int)
                              else f"{self.path}: {place}: {message}")

    def check(self) -> None:
        """Raise JobError when mistakes were noted."""
        if self._problems:
            more = len(self._problems) - SHOWN
            raise JobError(self._problems[:SHOWN] + [f"{self.path}: and {more} more"] * (more > 0), where=self.path)

    def resolve(self, name: str) -> Path:
        return self.folder / name

    def has(self, name: str) -> bool:
        """Return whether the list's folder has such a file."""
        return bool(name) and "\0" not in name and os.path.isfile(self.resolve(name))     # noqa: PTH113 (never raises)

    def named(self, place: int | str, what: str, name: str) -> Path | None:
        """Return the path of a required file; note a mistake and return None when it does not exist."""
        if self.has(name):
            return self.resolve(name)
        self.wrong(place, f"{what} {name!r} does not exist" if name else f"{what} is missing")
        return None


NAMES = frozenset({"stem"})


def find_in_transforms(base: Path, transforms: str, output: str | None = None, *,
                       allow_missing: bool = False) -> Pairing:
    """Read the pairs of the frames; frames without a depth_file_path are unmatched.

    Args:
        base: Folder that `transforms` and `output` start from. Paths in frames start from the folder of
            transforms.json.
        transforms: Path of transforms.json.
        output: Template of {stem}.
        allow_missing: Leave photos unmatched when their map does not exist, instead of raising an error.

    Returns:
        The pairs in natural order.

    Raises:
        JobError: The file has mistakes; all of them are reported with their frames.
        UsageError: The template is bad, or the file has no frames.
    """
    base = Path(base)
    goals = output_template(output, NAMES)
    source, real = ListFile(base / transforms), real_paths()
    pairs, unmatched, inputs, seen = [], [], list[Path](), dict[str, str]()
    for number, frame in enumerate(_frames(source)):
        place = f"frames[{number}]"
        names = {key: _text(source, place, frame, key) for key in ("file_path", "depth_file_path")}
        color = source.named(place, "file_path", names["file_path"])
        if color is None:
            continue
        first = seen.setdefault(real(color), place)
        if first != place:
            source.wrong(place, f"file_path {names['file_path']!r} is already in {first}")
            continue
        inputs.append(color)
        depth = names["depth_file_path"]
        if source.has(depth):
            fields = {"stem": color.stem}
            goal = located(base, goals.format(fields)) if goals else None
            pairs.append(Pair(photo_key(color, base), color, source.resolve(depth), fields, goal))
        elif depth and not allow_missing:
            source.named(place, "depth_file_path", depth)
        else:
            unmatched.append(color)
    source.check()
    pairs.sort(key=lambda pair: natural_key(pair.color))
    collisions = find_collisions(pairs, [*inputs, *(pair.depth for pair in pairs)])
    return Pairing(tuple(pairs), natural_sorted(unmatched), (), tuple(shared_maps(pairs)), collisions, names=NAMES)


def _frames(source: ListFile) -> list[dict[str, object]]:
    data = source.json()
    frames = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UsageError("the file has no frames", where=source.path,
                         hint='nerfstudio writes {"frames": [{"file_path": …, "depth_file_path": …}, …]}')
    return frames


def _text(source: ListFile, place: str, frame: dict[str, object], key: str) -> str:
    value = frame.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        source.wrong(place, f"{key} is not a string")
        return ""
    return value
