"""Pairing by name in plain Python, against which the table of `gpudepth.pairing.pair_table` is tested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gpudepth.pairing.by_name import no_match_error
from gpudepth.pairing.pairs import (
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
from gpudepth.pairing.stores import located
from gpudepth.pairing.templates import Fields, search


def find_pairs(base: Path, color: str, depth: str, output: str | None = None) -> Pairing:
    """As `gpudepth.pairing.by_name.find_pairs`."""
    base = Path(base)
    known, depth_template, goals = pairing_templates(color, depth, output)

    colors: dict[Path, Fields] = {}
    for path, fields in search(base, color, glob=True):
        colors.setdefault(path, {"stem": path.stem, **fields})
    if not colors:
        raise no_match_error(base, color)
    maps: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    names = sorted(depth_template.names)
    for path, fields in search(base, depth):
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
    previews = _previews(every_map, photos, [path for path in unmatched if path not in claimed])
    pairs = [pair if goals is None else replace(pair, output=located(base, goals.format(pair.fields))) for pair in photos if pair.color not in previews]
    return Pairing(
        tuple(pairs),
        tuple(path for path in unmatched if path not in claimed and path not in previews),
        natural_sorted(path for path in every_map if path not in claimed and path not in colors),
        (*duplicates, *shared_maps(pairs)),
        find_collisions(pairs, [*colors, *every_map]),
        natural_sorted(previews),
        known,
    )


def _previews(maps: Iterable[Path], pairs: Sequence[Pair], unmatched: Iterable[Path]) -> set[Path]:
    users: dict[Path, list[Path]] = defaultdict(list)
    for pair in pairs:
        users[pair.depth].append(pair.color)
    return set(Previews.of(maps).iter_previews(unmatched, users.__contains__, users.values()))
