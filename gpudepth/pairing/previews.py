"""Pictures that depth models write beside their maps for people to look at: no photos, though globs find them.

Depth Anything's `x_depth.png`, Marigold's `x_depth_colored.png`, any `x_vis.png`; Depth Pro's `x.jpg` beside `x.npz`.
Nothing is a preview unless the map it shows was found in the same folder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from .pairs import Pair

Name: TypeAlias = tuple[Path, str]
"""A folder, and what of a name counts in it."""

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_PREVIEW = re.compile(r"[_-](depth|vis|colou?red|colou?rized)$", re.IGNORECASE)
_TAIL = re.compile(r"(?<=.)([_-](raw|depth|disp|disparity|meter|pred|img|vis|colou?red|colou?rized))+$", re.IGNORECASE)


class Previews:
    """What the names of maps say about pictures that lie beside them."""

    def __init__(self, maps: Iterable[Path]) -> None:
        roots, stems = defaultdict[Name, set[Path]](set), defaultdict[Name, set[Path]](set)
        for path in maps:
            roots[root_of(path)].add(path)
            stems[stem_of(path)].add(path)
        self._roots: Mapping[Name, set[Path]] = roots
        self._stems: Mapping[Name, set[Path]] = stems

    @classmethod
    def known(cls, roots: Mapping[Name, set[Path]], stems: Mapping[Name, set[Path]]) -> Previews:
        """Of maps that are sorted already, by `root_of` and `stem_of`."""
        made = cls(())
        made._roots, made._stems = roots, stems
        return made

    def by_name(self, picture: Path) -> bool:
        """Does the name say so: `x_vis.png`, and there is the map `x.npy`, `x_depth.npy`, …?"""
        return (picture.suffix.lower() in _SUFFIXES and _PREVIEW.search(picture.stem) is not None
                and bool(self._roots.get(root_of(picture), set()) - {picture}))

    def among(self, pairs: Sequence[Pair], unmatched: Iterable[Path]) -> set[Path]:
        """The previews among photos: of those without a map, and of those that have one together with other photos."""
        users: dict[Path, list[Path]] = defaultdict(list)
        for pair in pairs:
            users[pair.depth].append(pair.color)
        return set(self.each(unmatched, users.__contains__, users.values()))

    def each(self, unmatched: Iterable[Path], used: Callable[[Path], bool],
             groups: Iterable[Sequence[Path]]) -> Iterator[Path]:
        """The same. used: is a map that of a photo? groups: the photos of each map."""
        for path in unmatched:
            if self.by_name(path) or any(map(used, self._shows(path))):
                yield path
        for photos in groups:
            if len(photos) > 1:
                previews = [path for path in photos if self.by_name(path) or self._shows(path)]
                yield from previews if len(previews) < len(photos) else ()

    def _shows(self, picture: Path) -> set[Path]:
        """The maps of the very same name, which alone proves nothing: photos lie beside their maps as well."""
        if picture.suffix.lower() not in _SUFFIXES:
            return set()
        return self._stems.get(stem_of(picture), set()) - {picture}


def root_of(path: Path) -> Name:
    return path.parent, _TAIL.sub("", path.stem).casefold()


def stem_of(path: Path) -> Name:
    return path.parent, path.stem.casefold()
