"""Pairing results and problems."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeAlias

from ..errors import GpudepthError, UsageError
from ..formats.archive import Member
from ..formats.bytesource import Input
from .stores import RemoteFile, display_path
from .templates import Fields, Template, check_placeholders, placeholders

MOST_FOLDERS = 1 << 14      # folders whose real paths are remembered


@dataclass(frozen=True)
class Pair:
    """A photo and its map.

    Attributes:
        key: Name of the pair: the photo's path relative to the base, with `/`.
        color: Path of the photo.
        depth: Path of the map.
        fields: Values of the placeholders.
        output: Path of the result, or None.
        metric: A second map with metric values to align to, or None.
        confidence: Confidence map, or None.
        camera: File with the camera's parameters, or None.
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
    """An archive, or a member of one, that is known to fail before anything runs; it counts as an item.

    Attributes:
        key: Name of the item.
        error: Why it fails.
    """

    key: str
    error: GpudepthError


@dataclass(frozen=True)
class Duplicate:
    """Several files where one was expected. A photo with several maps is not paired; photos that share a map are.

    Attributes:
        reason: What is duplicated.
        key: The photo's key.
        paths: The files.
        shared: Whether several photos share one map.
    """

    reason: str
    key: str
    paths: tuple[Path, ...]
    shared: bool = False


@dataclass(frozen=True)
class Collision:
    """An output that several pairs would write, or that is an input.

    Attributes:
        output: The path.
        keys: Keys of the pairs that would write it.
        reason: What is wrong.
        differ: Placeholders that would distinguish the pairs.
    """

    output: Path
    keys: tuple[str, ...]
    reason: str
    differ: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """Everything that was found, in natural order; the caller decides which problems are errors.

    Attributes:
        pairs: Photos with their maps.
        unmatched_color: Photos without a map.
        unmatched_depth: Maps without a photo.
        duplicates: Photos with several maps, and maps of several photos.
        collisions: Outputs that several pairs would write, or that are inputs.
        previews: Pictures of maps that were found as well; they are not photos.
        names: The placeholders that each pair has values for.
        members: Archive members by the paths that stand for them.
        refused: Archives and members that cannot be read.
        notes: Remarks for the user.
        objects: Objects in stores by the paths that stand for their URLs.
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
        """Return the input that a pair's path stands for: a file, a member of an archive or an object in a store."""
        return self.members.get(path) or self.objects.get(path) or path


_DIGITS = re.compile("([0-9]+)")


def natural_key(path: str | os.PathLike[str]) -> tuple[object, ...]:
    """Return a sort key that compares numbers by value (`img2` before `img10`) and folders component by component."""
    text = path.as_posix() if isinstance(path, PurePath) else Path(path).as_posix()
    parts = [_DIGITS.split(part.casefold()) for part in text.split("/")]
    return ([[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], text)


def natural_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the natural sort key as bytes that sort in the same order, for a database.

    Each name is a sequence of text ended by 0, which no name contains, and then either 2, the number of digits and the
    digits, or 1, the end of the name. After that follows 1 and the next name, or 0 and the whole text.
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


def natural_sorted(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Sort paths in natural order."""
    return tuple(sorted(paths, key=natural_key))


def photo_key(path: Path, base: Path) -> str:
    """Return a photo's path relative to the base, with `/`; its full path or URL when it is elsewhere."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else display_path(path)


def pairing_templates(color: str, depth: str,
                      output: str | None) -> tuple[frozenset[str], Template, Template | None]:
    """Return the names of color's placeholders and the templates of maps and outputs. Raises UsageError."""
    check_placeholders(color)
    known = placeholders(color) | {"stem"}
    depth_template = Template(depth)
    depth_template.check_names(known)
    return known, depth_template, output_template(output, known)


def output_template(output: str | None, known: frozenset[str]) -> Template | None:
    """Return the template of outputs. Raises UsageError for bad ones, unknown names and `..` after the beginning."""
    if output is None:
        return None
    template = Template(output)
    template.check_names(known)
    if template.any_suffix:
        raise UsageError(f"{output!r} must end in a definite suffix, because outputs are written to it")
    parts = output.split("/")
    climb = next((i for i, part in enumerate(parts) if part != ".."), 0)
    if ".." in parts[climb:]:
        raise UsageError(f"the output {output!r} has ../ after its beginning", hint="put the ../ first")
    return template


def real_paths() -> Callable[[Path], str]:
    """Return a function that resolves links in a path's folders; a link in the last component is replaced when written.

    The function returns text: with a hundred thousand paths, Path objects would take most of the time.
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
    """Return the maps that several pairs share."""
    users = defaultdict(list)
    for pair in pairs:
        users[pair.depth].append(pair)
    return [Duplicate("several photos for one map", shared[0].key, tuple(pair.color for pair in shared), shared=True)
            for shared in users.values() if len(shared) > 1]


def find_collisions(pairs: Iterable[Pair], inputs: Iterable[Path]) -> tuple[Collision, ...]:
    """Return the outputs that several pairs would write, and those that are inputs."""
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
    """Return the placeholders that each distinguish all pairs of a group, or else those that differ at all."""
    names = sorted(set[str]().union(*(pair.fields for pair in group)))
    values = {name: {pair.fields.get(name) for pair in group} for name in names}
    alone = tuple(name for name in names if len(values[name]) == len(group))
    return alone or tuple(name for name in names if len(values[name]) > 1)


Name: TypeAlias = tuple[Path, str]
"""A folder, and the part of a file name that is compared within it."""

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_PREVIEW = re.compile(r"[_-](depth|vis|colou?red|colou?rized)$", re.IGNORECASE)
_TAIL = re.compile(r"(?<=.)([_-](raw|depth|disp|disparity|meter|pred|img|vis|colou?red|colou?rized))+$", re.IGNORECASE)


class Previews:
    """Recognises previews by the names of the maps beside them.

    Args:
        roots: Maps by `root_of`.
        stems: Maps by `stem_of`.
    """

    def __init__(self, roots: Mapping[Name, set[Path]], stems: Mapping[Name, set[Path]]) -> None:
        self._roots, self._stems = roots, stems

    @classmethod
    def of(cls, maps: Iterable[Path]) -> Previews:
        """Return the previews of maps that are held in memory."""
        roots, stems = defaultdict[Name, set[Path]](set), defaultdict[Name, set[Path]](set)
        for path in maps:
            roots[root_of(path)].add(path)
            stems[stem_of(path)].add(path)
        return cls(roots, stems)

    def by_name(self, picture: Path) -> bool:
        """Return whether a name is that of a preview: `x_vis.png` beside the map `x.npy`, `x_depth.npy`, …"""
        return (picture.suffix.lower() in _SUFFIXES and _PREVIEW.search(picture.stem) is not None
                and bool(self._roots.get(root_of(picture), set()) - {picture}))

    def iter_previews(self, unmatched: Iterable[Path], used: Callable[[Path], bool],
                      groups: Iterable[Sequence[Path]]) -> Iterator[Path]:
        """Yield the previews among photos.

        Args:
            unmatched: Photos without a map.
            used: Function that tells whether a map belongs to a photo.
            groups: The photos of each map.
        """
        for path in unmatched:
            if self.by_name(path) or any(map(used, self._shows(path))):
                yield path
        for photos in groups:
            if len(photos) > 1:
                previews = [path for path in photos if self.by_name(path) or self._shows(path)]
                yield from previews if len(previews) < len(photos) else ()

    def _shows(self, picture: Path) -> set[Path]:
        """Return maps of the same name. That alone proves nothing, because photos lie beside their maps as well."""
        if picture.suffix.lower() not in _SUFFIXES:
            return set()
        return self._stems.get(stem_of(picture), set()) - {picture}


def root_of(path: Path) -> Name:
    return path.parent, _TAIL.sub("", path.stem).casefold()


def stem_of(path: Path) -> Name:
    return path.parent, path.stem.casefold()
