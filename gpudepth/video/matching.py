"""Matches the frames of two streams by their times or by their positions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import UsageError

Time = Fraction


@dataclass(frozen=True)
class Matched:
    """Matched frames.

    Attributes:
        pairs: (index of the picture, index of the map), both rising.
        pictures_alone: Pictures without a map.
        maps_alone: Maps without a picture.
    """

    pairs: tuple[tuple[int, int], ...]
    pictures_alone: tuple[int, ...] = ()
    maps_alone: tuple[int, ...] = ()


def by_time(pictures: Sequence[Time], maps: Sequence[Time], tolerance: Time | None = None,
            offset: Time = Fraction(0)) -> Matched:
    """Match frames that are each other's nearest and at most `tolerance` seconds apart.

    If two frames are equally near, the earlier is used.

    Args:
        pictures: When each picture is shown, in seconds, rising.
        maps: When each map is shown, in seconds, rising.
        tolerance: Largest difference in seconds. None means half the median time between pictures, so that a map never
            goes to a picture when another one is nearer.
        offset: Added to the times of the maps.
    """
    if tolerance is None:
        gaps = sorted(b - a for a, b in itertools.pairwise(pictures))
        tolerance = gaps[len(gaps) // 2] / 2 if gaps else Fraction(1, 50)
    shifted = [time + offset for time in maps]
    to_map, to_picture = _nearest(pictures, shifted), _nearest(shifted, pictures)
    pairs = tuple((p, m) for p, m in enumerate(to_map)
                  if to_picture[m] == p and abs(shifted[m] - pictures[p]) <= tolerance) if shifted else ()
    return _matched(pairs, len(pictures), len(maps))


def by_place(pictures: int, maps: int, start: int = 0, *, allow_missing: bool = False) -> Matched:
    """Match the first picture with map `start`, and so on. Raises UsageError for unequal counts."""
    left = max(0, maps - start)
    if left != pictures and not allow_missing:
        raise UsageError(f"{pictures} pictures and {left} maps" + (f" from map {start} on" if start else "")
                         + " cannot be paired by index",
                         hint="match them by time (clip.fps gives times to maps without them), or leave out the "
                              "surplus with source.allow_missing: true")
    return _matched(tuple((n, n + start) for n in range(min(pictures, left))), pictures, maps)


def _nearest(these: Sequence[Time], those: Sequence[Time]) -> list[int]:
    """Return for each of these the index of the nearest of those; the earlier of two."""
    out, at = [], 0
    if not those:
        return []
    for time in these:
        while at + 1 < len(those) and abs(those[at + 1] - time) < abs(those[at] - time):
            at += 1
        out.append(at)
    return out


def _matched(pairs: tuple[tuple[int, int], ...], pictures: int, maps: int) -> Matched:
    one, other = {p for p, _ in pairs}, {m for _, m in pairs}
    return Matched(pairs, tuple(n for n in range(pictures) if n not in one),
                   tuple(n for n in range(maps) if n not in other))
