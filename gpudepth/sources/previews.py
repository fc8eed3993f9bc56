"""Pictures that depth models write beside their maps for people to look at: no photos, though globs find them.

Depth Anything's `x_depth.png`, Marigold's `x_depth_colored.png`, any `x_vis.png`; Depth Pro's `x.jpg` beside `x.npz`.
Nothing is a preview unless the map it shows was found in the same folder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from .pairs import Pair

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_PREVIEW = re.compile(r"[_-](depth|vis|colou?red|colou?rized)$", re.IGNORECASE)
_TAIL = re.compile(r"(?<=.)([_-](raw|depth|disp|disparity|meter|pred|img|vis|colou?red|colou?rized))+$", re.IGNORECASE)


class Previews:
    """What the names of maps say about pictures that lie beside them."""

    def __init__(self, maps: Iterable[Path]) -> None:
        self._roots: dict[tuple[Path, str], set[Path]] = defaultdict(set)
        self._stems: dict[tuple[Path, str], set[Path]] = defaultdict(set)
        for path in maps:
            self._roots[path.parent, _root(path)].add(path)
            self._stems[path.parent, path.stem.casefold()].add(path)

    def by_name(self, picture: Path) -> bool:
        """Does the name say so: `x_vis.png`, and there is the map `x.npy`, `x_depth.npy`, …?"""
        return (picture.suffix.lower() in _SUFFIXES and _PREVIEW.search(picture.stem) is not None
                and bool(self._roots.get((picture.parent, _root(picture)), set()) - {picture}))

    def among(self, pairs: Sequence[Pair], unmatched: Iterable[Path]) -> set[Path]:
        """The previews among photos: of those without a map, and of those that have one together with other photos."""
        users: dict[Path, list[Path]] = defaultdict(list)
        for pair in pairs:
            users[pair.depth].append(pair.color)
        found = {path for path in unmatched if self.by_name(path) or self._shows(path) & users.keys()}
        for photos in users.values():
            if len(photos) > 1:
                previews = {path for path in photos if self.by_name(path) or self._shows(path)}
                found |= previews if len(previews) < len(photos) else set()
        return found

    def _shows(self, picture: Path) -> set[Path]:
        """The maps of the very same name, which alone proves nothing: photos lie beside their maps as well."""
        if picture.suffix.lower() not in _SUFFIXES:
            return set()
        return self._stems.get((picture.parent, picture.stem.casefold()), set()) - {picture}


def _root(path: Path) -> str:
    return _TAIL.sub("", path.stem).casefold()
