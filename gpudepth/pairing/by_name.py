"""Which map belongs to which photo: found before anything is decoded, and the same on every file system."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import MissingInputError, UsageError
from .pairs import (
    Duplicate,
    Pair,
    Pairing,
    find_collisions,
    in_order,
    natural_key,
    pairing_templates,
    photo_key,
    shared_maps,
)
from .previews import Previews
from .templates import Fields, Template, entries, is_folder, search, search_root
from .urls import located

Search = Callable[..., Iterable[tuple[Path, Fields]]]


def find_pairs(base: Path, color: str, depth: str, output: str | None = None, *, look: Search = search,
               nothing: Callable[[Path, str], MissingInputError] | None = None) -> Pairing:
    """Pair photos with maps.

    base    the folder that relative paths start from
    color   a glob (`photos/*.heic`, `**`), a template (`image_02/{drive}/{frame}.png`), or both in one
    depth   a template of color's placeholders and `{stem}`, the photo's name less its last suffix; it may end in `.*`
    output  a template of the same, or None
    look    finds files as `templates.search` does, elsewhere; nothing: what to say when it finds no photo

    Raises UsageError for a bad template and for an output with `..` after its beginning, MissingInputError when no
    photo matches. All else (no map for a photo, several, …) is told in the result.
    """
    base = Path(base)
    known, depth_template, goals = pairing_templates(color, depth, output)

    colors: dict[Path, Fields] = {}
    for path, fields in look(base, color, glob=True):
        colors.setdefault(path, {"stem": path.stem, **fields})
    if not colors:
        raise (nothing or nothing_found)(base, color)
    maps: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    names = sorted(depth_template.names)
    for path, fields in look(base, depth):
        maps[tuple(fields[name] for name in names)].append(path)

    pairs, unmatched, duplicates = [], [], []
    for path in sorted(colors, key=natural_key):
        fields, key = colors[path], photo_key(path, base)
        candidates = in_order(p for p in maps.get(tuple(fields[name] for name in names), ()) if p != path)
        if len(candidates) == 1:
            pairs.append(Pair(key, path, candidates[0], fields))
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
    every_map = [path for found in maps.values() for path in found]
    previews = Previews(every_map).among(photos, [path for path in unmatched if path not in claimed])
    pairs = [_with_output(pair, base, goals) for pair in photos if pair.color not in previews]
    return Pairing(
        tuple(pairs),
        tuple(path for path in unmatched if path not in claimed and path not in previews),
        in_order(path for path in every_map if path not in claimed and path not in colors),
        (*duplicates, *shared_maps(pairs)),
        find_collisions(pairs, [*colors, *every_map]),
        in_order(previews),
        known,
    )


def find_beside(base: Path, template: str, pairs: Iterable[Pair], known: frozenset[str], *,
                look: Search = search) -> dict[str, Path]:
    """What else comes with a pair, by the pair's key: one file that `template`, of the placeholders `known`, names.
    look: as of `find_pairs`.

    Raises UsageError for a bad template, for pairs with no such file and for pairs with several.
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
            odd.append(f"{len(paths) or 'none'} for {pair.key}")
    if odd:
        more = f", and {len(odd) - 5} more" if len(odd) > 5 else ""
        raise UsageError(f"{template!r} has to name one file for each photo: {'; '.join(odd[:5])}{more}")
    return found


def _with_output(pair: Pair, base: Path, goals: Template | None) -> Pair:
    return pair if goals is None else replace(pair, output=located(base, goals.format(pair.fields)))


def nothing_found(base: Path, color: str) -> MissingInputError:
    folder = search_root(base, color)
    if not folder.is_dir():
        there = folder
        while not there.is_dir() and there != there.parent:
            there = there.parent
        folders = in_order(Path(e.path) for e in entries(there) if is_folder(e) and not e.name.startswith("."))
        names = ", ".join(f"{path.name}/" for path in folders[:8]) or "no folders"
        return MissingInputError(f"{color!r} names a folder that does not exist", where=folder,
                                 hint=f"{there} holds {names}")
    suffixes, beside = Counter[str](), 0
    for entry in entries(folder):
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            beside += 1
        else:
            suffixes[Path(entry.name).suffix or "without a suffix"] += 1
    there_is = [f"{count} {suffix}" for suffix, count in suffixes.most_common(8)]
    there_is += [f"{beside} folder{'s' * (beside > 1)}"] if beside else []
    return MissingInputError(f"no file matches {color!r}", where=folder,
                             hint="the folder holds " + (", ".join(there_is) or "nothing"))
