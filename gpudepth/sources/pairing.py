"""Which map belongs to which photo: found before anything is decoded, and the same on every file system."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingInputError, UsageError
from .templates import Fields, Template, check_placeholders, entries, placeholders, search, search_root


@dataclass(frozen=True)
class Pair:
    """A photo and its map. `key` names the pair: the photo's path, relative to the base, with `/`."""

    key: str
    color: Path
    depth: Path
    fields: Fields
    output: Path | None = None


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
    """An output that several pairs would write, or that is an input."""

    output: Path
    keys: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Pairing:
    """All that was found; the caller decides what of it is an error. Everything is in natural order."""

    pairs: tuple[Pair, ...]
    unmatched_color: tuple[Path, ...] = ()
    unmatched_depth: tuple[Path, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    collisions: tuple[Collision, ...] = ()


def natural_key(path: str | os.PathLike[str]) -> tuple[object, ...]:
    """Sort key that compares numbers by value (`img2` before `img10`) and folders component by component."""
    text = Path(path).as_posix()
    parts = [re.split(r"([0-9]+)", part.casefold()) for part in text.split("/")]
    return ([[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], text)


def find_pairs(base: Path, color: str, depth: str, output: str | None = None) -> Pairing:
    """Pair photos with maps.

    base    the folder that relative paths start from
    color   a glob (`photos/*.heic`, `**`), a template (`image_02/{drive}/{frame}.png`), or both in one
    depth   a template of color's placeholders and `{stem}`, the photo's name less its last suffix; it may end in `.*`
    output  a template of the same, or None

    Raises UsageError for a bad template and for an output with `..` after its beginning, MissingInputError when no
    photo matches. All else (no map for a photo, several, …) is told in the result.
    """
    base = Path(base)
    check_placeholders(color)
    known = placeholders(color) | {"stem"}
    depth_template = Template(depth)
    depth_template.check_names(known)
    output_template = _output_template(output, known)

    colors: dict[Path, Fields] = {}
    for path, fields in search(base, color, glob=True):
        colors.setdefault(path, {"stem": path.stem, **fields})
    if not colors:
        raise _nothing_found(base, color)
    maps: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    names = sorted(depth_template.names)
    for path, fields in search(base, depth):
        maps[tuple(fields[name] for name in names)].append(path)

    pairs, unmatched, duplicates = [], [], []
    for path in sorted(colors, key=natural_key):
        fields, key = colors[path], _key(path, base)
        candidates = _sorted(p for p in maps.get(tuple(fields[name] for name in names), ()) if p != path)
        if len(candidates) == 1:
            goal = base / output_template.format(fields) if output_template else None
            pairs.append(Pair(key, path, candidates[0], fields, goal))
        elif candidates:
            duplicates.append(Duplicate("several maps for one photo", key, candidates))
        else:
            unmatched.append(path)

    # Beside `a.png`, `*.png` also finds `a_depth.png`: what is the map of a photo is no photo itself.
    claimed = {path for duplicate in duplicates for path in duplicate.paths}
    photos = []
    for pair in pairs:
        if pair.color not in claimed:
            photos.append(pair)
            claimed.add(pair.depth)
    pairs = photos
    duplicates += _shared_maps(pairs)
    return Pairing(
        tuple(pairs),
        tuple(path for path in unmatched if path not in claimed),
        tuple(p for p in _sorted(p for found in maps.values() for p in found) if p not in claimed and p not in colors),
        tuple(duplicates),
        _collisions(pairs, [*colors, *(p for found in maps.values() for p in found)]),
    )


def find_beside(base: Path, template: str, pairs: Iterable[Pair], known: frozenset[str]) -> dict[str, Path]:
    """What else comes with a pair, by the pair's key: one file that `template`, of the placeholders `known`, names.

    Raises UsageError for a bad template, for pairs with no such file and for pairs with several.
    """
    wanted = Template(template)
    wanted.check_names(known)
    names = sorted(wanted.names)
    there: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path, fields in search(Path(base), template):
        there[tuple(fields[name] for name in names)].append(path)
    found, odd = {}, []
    for pair in pairs:
        paths = there.get(tuple(pair.fields[name] for name in names), [])
        if len(paths) == 1:
            found[pair.key] = paths[0]
        else:
            odd.append(f"{len(paths) or 'none'} for {pair.key}")
    if odd:
        more = f", and {len(odd) - 5} more" if len(odd) > 5 else ""
        raise UsageError(f"{template!r} has to name one file for each photo: {'; '.join(odd[:5])}{more}")
    return found


def _output_template(output: str | None, known: frozenset[str]) -> Template | None:
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


def _shared_maps(pairs: list[Pair]) -> list[Duplicate]:
    users = defaultdict(list)
    for pair in pairs:
        users[pair.depth].append(pair)
    return [Duplicate("several photos for one map", shared[0].key, tuple(pair.color for pair in shared), shared=True)
            for shared in users.values() if len(shared) > 1]


def _collisions(pairs: list[Pair], inputs: Iterable[Path]) -> tuple[Collision, ...]:
    folders: dict[Path, Path] = {}

    def real(path: Path) -> Path:
        """The path with links in its folders followed; a link in its last component is replaced, not followed."""
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        return folders[path.parent] / path.name

    writers = defaultdict(list)
    for pair in pairs:
        if pair.output is not None:
            writers[real(pair.output)].append(pair)
    if not writers:
        return ()
    read = {real(path) for path in inputs}
    found = []
    for goal, group in writers.items():
        reasons = ["several pairs write it"] * (len(group) > 1) + ["it is an input"] * (goal in read)
        for reason in reasons:
            found.append(Collision(group[0].output or goal, tuple(pair.key for pair in group), reason))
    return tuple(found)


def _nothing_found(base: Path, color: str) -> MissingInputError:
    folder = search_root(base, color)
    if not folder.is_dir():
        there = folder
        while not there.is_dir() and there != there.parent:
            there = there.parent
        folders = _sorted(Path(e.path) for e in entries(there) if e.is_dir() and not e.name.startswith("."))
        names = ", ".join(f"{path.name}/" for path in folders[:8]) or "no folders"
        return MissingInputError(f"{color!r} names a folder that does not exist", where=folder,
                                 hint=f"{there} holds {names}")
    suffixes, beside = Counter[str](), 0
    for entry in entries(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            beside += 1
        else:
            suffixes[Path(entry.name).suffix or "without a suffix"] += 1
    there_is = [f"{count} {suffix}" for suffix, count in suffixes.most_common(8)]
    there_is += [f"{beside} folder{'s' * (beside > 1)}"] if beside else []
    return MissingInputError(f"no file matches {color!r}", where=folder,
                             hint="the folder holds " + (", ".join(there_is) or "nothing"))


def _key(path: Path, base: Path) -> str:
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def _sorted(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=natural_key))
