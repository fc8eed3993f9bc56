"""Recognises pictures that depth models write beside their maps; globs find them, but they are not photos.

Examples are Depth Anything's `x_depth.png`, Marigold's `x_depth_colored.png`, any `x_vis.png`, and Depth Pro's `x.jpg`
beside `x.npz`. A picture is a preview only if the map it shows was found in the same folder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from .pairs import Pair

Name: TypeAlias = tuple[Path, str]
"""A folder, and the part of a file name that is compared within it."""

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_PREVIEW = re.compile(r"[_-](depth|vis|colou?red|colou?rized)$", re.IGNORECASE)
_TAIL = re.compile(r"(?<=.)([_-](raw|depth|disp|disparity|meter|pred|img|vis|colou?red|colou?rized))+$", re.IGNORECASE)


class Previews:
    """Recognises previews by the names of the maps beside them."""

    def __init__(self, maps: Iterable[Path]) -> None:
        roots, stems = defaultdict[Name, set[Path]](set), defaultdict[Name, set[Path]](set)
        for path in maps:
            roots[root_of(path)].add(path)
            stems[stem_of(path)].add(path)
        self._roots: Mapping[Name, set[Path]] = roots
        self._stems: Mapping[Name, set[Path]] = stems

    @classmethod
    def from_index(cls, roots: Mapping[Name, set[Path]], stems: Mapping[Name, set[Path]]) -> Previews:
        """Make one from maps that are indexed already by `root_of` and `stem_of`."""
        made = cls(())
        made._roots, made._stems = roots, stems
        return made

    def by_name(self, picture: Path) -> bool:
        """Return whether a name is that of a preview: `x_vis.png` beside the map `x.npy`, `x_depth.npy`, …"""
        return (picture.suffix.lower() in _SUFFIXES and _PREVIEW.search(picture.stem) is not None
                and bool(self._roots.get(root_of(picture), set()) - {picture}))

    def among(self, pairs: Sequence[Pair], unmatched: Iterable[Path]) -> set[Path]:
        """Return the previews among photos without a map, and among photos that share one map."""
        users: dict[Path, list[Path]] = defaultdict(list)
        for pair in pairs:
            users[pair.depth].append(pair.color)
        return set(self.iter_previews(unmatched, users.__contains__, users.values()))

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
