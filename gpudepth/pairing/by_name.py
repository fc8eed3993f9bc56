"""Finds the map of each photo by name, before anything is decoded and with the same result on every file system."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import MissingInputError, UsageError, listing
from .pairs import (
    Duplicate,
    Pair,
    Pairing,
    Previews,
    find_collisions,
    natural_key,
    natural_sorted,
    pairing_templates,
    photo_key,
    shared_maps,
)
from .stores import located
from .templates import Fields, Template, entries, is_folder, search, search_root

Search = Callable[..., Iterable[tuple[Path, Fields]]]


def find_pairs(base: Path, color: str, depth: str, output: str | None = None, *, look: Search = search,
               nothing: Callable[[Path, str], MissingInputError] | None = None) -> Pairing:
    """Pair photos with maps by name.

    Args:
        base: Folder that relative paths start from.
        color: Glob (`photos/*.heic`, `**`), template (`image_02/{drive}/{frame}.png`), or both in one.
        depth: Template of color's placeholders and `{stem}`, the photo's name without its last suffix. It may end
            in `.*`, which stands for any suffix.
        output: Template of the same placeholders, or None.
        look: Function with the signature of `templates.search` that finds files somewhere else.
        nothing: Function that makes the error for a search without photos.

    Returns:
        The pairs. Photos without a map, photos with several maps and so on are part of the result, not errors.

    Raises:
        UsageError: A template is bad, or the output has `..` after its beginning.
        MissingInputError: No photo matches.
    """
    base = Path(base)
    known, depth_template, goals = pairing_templates(color, depth, output)

    colors: dict[Path, Fields] = {}
    for path, fields in look(base, color, glob=True):
        colors.setdefault(path, {"stem": path.stem, **fields})
    if not colors:
        raise (nothing or no_match_error)(base, color)
    maps: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    names = sorted(depth_template.names)
    for path, fields in look(base, depth):
        maps[tuple(fields[name] for name in names)].append(path)

    pairs, unmatched, duplicates = [], [], []
    for path in sorted(colors, key=natural_key):
        fields, key = colors[path], photo_key(path, base)
        candidates = natural_sorted(p for p in maps.get(tuple(fields[name] for name in names), ()) if p != path)
        if len(candidates) == 1:
            pairs.append(Pair(key, path, candidates[0], fields))
        elif candidates:
            duplicates.append(Duplicate("several maps for one photo", key, candidates))
        else:
            unmatched.append(path)

    # Beside `a.png`, `*.png` also finds `a_depth.png`: a file that is the map of a photo is not a photo itself.
    claimed = {path for duplicate in duplicates for path in duplicate.paths}
    photos = []
    for pair in pairs:
        if pair.color not in claimed:
            photos.append(pair)
            claimed.add(pair.depth)
    every_map = [path for found in maps.values() for path in found]
    previews = Previews(every_map).among(photos, [path for path in unmatched if path not in claimed])
    pairs = [_with_output(pair, base, goals) for pair in photos if pair.color not in previews]
    return Pairing(
        tuple(pairs),
        tuple(path for path in unmatched if path not in claimed and path not in previews),
        natural_sorted(path for path in every_map if path not in claimed and path not in colors),
        (*duplicates, *shared_maps(pairs)),
        find_collisions(pairs, [*colors, *every_map]),
        natural_sorted(previews),
        known,
    )


def find_beside(base: Path, template: str, pairs: Iterable[Pair], known: frozenset[str], *,
                look: Search = search) -> dict[str, Path]:
    """Find one more file for each pair, such as its confidence map.

    Args:
        base: Folder that relative paths start from.
        template: Template of these files, made of the placeholders `known`.
        pairs: The pairs.
        known: Names of the pairs' placeholders.
        look: As for `find_pairs`.

    Returns:
        The file of each pair, by the pair's key.

    Raises:
        UsageError: The template is bad, or a pair has no such file or several.
    """
    wanted = Template(template)
    wanted.check_names(known)
    names = sorted(wanted.names)
    there: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path, fields in look(Path(base), template):
        there[tuple(fields[name] for name in names)].append(path)
    found, odd = {}, []
    for pair in pairs:
        paths = there.get(tuple(pair.fields[name] for name in names), [])
        if len(paths) == 1:
            found[pair.key] = paths[0]
        else:
            odd.append(f"{len(paths) or 'no'} file{'s' * (len(paths) != 1)} for {pair.key}")
    if odd:
        raise UsageError(f"{template!r} must match exactly one file for each photo: "
                         + listing(odd, len(odd), "; ", most=5))
    return found


def _with_output(pair: Pair, base: Path, goals: Template | None) -> Pair:
    return pair if goals is None else replace(pair, output=located(base, goals.format(pair.fields)))


def no_match_error(base: Path, color: str) -> MissingInputError:
    """Make the error for a glob or template without a match; its hint lists what the folder holds."""
    folder = search_root(base, color)
    if not folder.is_dir():
        there = folder
        while not there.is_dir() and there != there.parent:
            there = there.parent
        folders = natural_sorted(Path(e.path) for e in entries(there) if is_folder(e) and not e.name.startswith("."))
        names = ", ".join(f"{path.name}/" for path in folders[:8]) or "no folders"
        return MissingInputError(f"the folder named by {color!r} does not exist", where=folder,
                                 hint=f"{there} holds {names}")
    suffixes, beside = Counter[str](), 0
    for entry in entries(folder):
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            beside += 1
        else:
            suffixes[Path(entry.name).suffix or "without suffix"] += 1
    there_is = [f"{count} {suffix}" for suffix, count in suffixes.most_common(8)]
    there_is += [f"{beside} folder{'s' * (beside > 1)}"] if beside else []
    return MissingInputError(f"no file matches {color!r}", where=folder,
                             hint="the folder holds " + (", ".join(there_is) or "nothing"))
