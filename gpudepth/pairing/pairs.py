"""What pairing comes to: photos, each with its map and where the result goes; and what is odd about them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..errors import GpudepthError, UsageError
from ..formats.archive.member import Member
from ..formats.bytesource import Input
from .stores import RemoteFile
from .templates import Fields, Template, check_placeholders, placeholders
from .urls import said

MOST_FOLDERS = 1 << 14      # whose real paths are remembered


@dataclass(frozen=True)
class Pair:
    """A photo and its map. `key` names the pair: the photo's path, relative to the base, with `/`.

    metric, confidence: what else a list names beside the map. camera: a file that says how it was taken.
    """

    key: str
    color: Path
    depth: Path
    fields: Fields
    output: Path | None = None
    metric: Path | None = None
    confidence: Path | None = None
    camera: Path | None = None


@dataclass(frozen=True)
class Refused:
    """What is there, and known to fail before anything runs: an archive, or a member of one. It is an item, too."""

    key: str
    error: GpudepthError


@dataclass(frozen=True)
class Duplicate:
    """More than one file where one was expected: `paths`, for the photo `key`.

    Several maps for one photo: no pair is made of it. Several photos for one map (`shared`): each is paired.
    """

    reason: str
    key: str
    paths: tuple[Path, ...]
    shared: bool = False


@dataclass(frozen=True)
class Collision:
    """An output that several pairs would write, or that is an input.

    differ: the placeholders that would tell the pairs apart.
    """

    output: Path
    keys: tuple[str, ...]
    reason: str
    differ: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """All that was found; the caller decides what of it is an error. Everything is in natural order.

    previews: pictures of maps that are there as well, taken for no photos. names: the placeholders each pair fills in.
    members: what those paths are that go on behind an archive; objects: that stand for URLs. notes: what else there is
    to say.
    """

    pairs: Sequence[Pair]
    unmatched_color: Sequence[Path] = ()
    unmatched_depth: Sequence[Path] = ()
    duplicates: tuple[Duplicate, ...] = ()
    collisions: tuple[Collision, ...] = ()
    previews: Sequence[Path] = ()
    names: frozenset[str] = frozenset({"stem"})
    members: Mapping[Path, Member] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()
    objects: MutableMapping[Path, RemoteFile] = field(default_factory=dict)

    def input(self, path: Path) -> Input:
        """What stands behind a path of a pair: a file, a member of an archive, an object of a store."""
        return self.members.get(path) or self.objects.get(path) or path


_DIGITS = re.compile("([0-9]+)")


def natural_key(path: str | os.PathLike[str]) -> tuple[object, ...]:
    """Sort key that compares numbers by value (`img2` before `img10`) and folders component by component."""
    text = path.as_posix() if isinstance(path, PurePath) else Path(path).as_posix()
    parts = [_DIGITS.split(part.casefold()) for part in text.split("/")]
    return ([[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], text)


def natural_bytes(path: str | os.PathLike[str]) -> bytes:
    """The same order as bytes, for what sorts nothing else: a database.

    0 ends a piece of text, no name has it; then 2 and a number (how many digits, the digits), or 1, the end of the
    name; behind that 1 and the next name, or 0 and the whole text.
    """
    text = path.as_posix() if isinstance(path, PurePath) else Path(path).as_posix()
    out = bytearray()
    for part in text.split("/"):
        for i, piece in enumerate(_DIGITS.split(part.casefold())):
            if i % 2:
                digits = piece.lstrip("0").encode()
                out += b"\2" + len(digits).to_bytes(4, "big") + digits
            else:
                out += piece.encode("utf-8", "surrogatepass") + b"\0"
        out += b"\1\1"
    out[-1] = 0
    return bytes(out) + text.encode("utf-8", "surrogatepass")


def in_order(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=natural_key))


def photo_key(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else said(path)


def pairing_templates(color: str, depth: str,
                      output: str | None) -> tuple[frozenset[str], Template, Template | None]:
    """(what color's fields are called, the template of maps, that of outputs). Raises UsageError for bad ones."""
    check_placeholders(color)
    known = placeholders(color) | {"stem"}
    depth_template = Template(depth)
    depth_template.check_names(known)
    return known, depth_template, output_template(output, known)


def output_template(output: str | None, known: frozenset[str]) -> Template | None:
    """Raises UsageError for a bad template, names that are not `known`, and `..` after the beginning."""
    if output is None:
        return None
    template = Template(output)
    template.check_names(known)
    if template.any_suffix:
        raise UsageError(f"{output!r} does not say which suffix to write")
    parts = output.split("/")
    climb = next((i for i, part in enumerate(parts) if part != ".."), 0)
    if ".." in parts[climb:]:
        raise UsageError(f"the output {output!r} climbs up in its middle", hint="put the ../ first")
    return template


def real_paths() -> Callable[[Path], str]:
    """A function that follows links in a path's folders; a link in its last component is replaced, not followed.

    Text in, text out: of a hundred thousand paths, objects would take most of the time.
    """
    folders: dict[str, str] = {}

    def real(path: Path) -> str:
        folder, _, name = str(path).rpartition("/")
        if folder not in folders:
            if len(folders) == MOST_FOLDERS:
                folders.clear()
            folders[folder] = os.path.realpath(folder or ("/" if path.is_absolute() else "."))
        return f"{folders[folder]}/{name}"

    return real


def shared_maps(pairs: Iterable[Pair]) -> list[Duplicate]:
    users = defaultdict(list)
    for pair in pairs:
        users[pair.depth].append(pair)
    return [Duplicate("several photos for one map", shared[0].key, tuple(pair.color for pair in shared), shared=True)
            for shared in users.values() if len(shared) > 1]


def find_collisions(pairs: Iterable[Pair], inputs: Iterable[Path]) -> tuple[Collision, ...]:
    real = real_paths()
    writers = defaultdict(list)
    for pair in pairs:
        if pair.output is not None:
            writers[real(pair.output)].append(pair)
    if not writers:
        return ()
    read = {real(path) for path in inputs}
    found = []
    for goal, group in writers.items():
        keys = tuple(pair.key for pair in group)
        if len(group) > 1:
            found.append(Collision(group[0].output or Path(goal), keys, "several pairs write it", _differ(group)))
        if goal in read:
            found.append(Collision(group[0].output or Path(goal), keys, "it is an input"))
    return tuple(found)


def _differ(group: Sequence[Pair]) -> tuple[str, ...]:
    """The placeholders that tell all of a group apart, each alone; else those that differ at all."""
    names = sorted(set[str]().union(*(pair.fields for pair in group)))
    values = {name: {pair.fields.get(name) for pair in group} for name in names}
    alone = tuple(name for name in names if len(values[name]) == len(group))
    return alone or tuple(name for name in names if len(values[name]) > 1)
