"""Pairs by place in the order: the first photo with the first map, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .files import Found, by_group, common_names, list_files, without_maps
from .pairs import Pair, Pairing, find_collisions, in_order, natural_key, output_template, photo_key
from .urls import located


@dataclass(frozen=True)
class Stride:
    """Which files of a side take part: those from `start`, counted from 0, and of these each `stride`-th."""

    start: int = 0
    stride: int = 1

    def of(self, files: list[Found]) -> list[Found]:
        return files[self.start :: self.stride]


ALL = Stride()


def find_by_index(base: Path, color: str, depth: str, output: str | None = None, *, color_every: Stride = ALL,
                  depth_every: Stride = ALL, allow_missing: bool = False) -> Pairing:
    """Pair the i-th photo with the i-th map, in natural order of their paths.

    color, depth   globs or templates; placeholders that both have make groups (`{scene}`), each counted by itself
    output         a template of color's placeholders and {stem}
    allow_missing  where counts differ the last files stay over and are unmatched, not wrong

    Raises UsageError for counts that differ and bad templates, MissingInputError when a side finds nothing.
    """
    base = Path(base)
    maps = list_files(base, depth)
    photos, previews = without_maps(list_files(base, color), maps)
    shared = common_names(photos, maps, depth)
    goals = output_template(output, photos.names)
    left, right = by_group(photos, shared), by_group(maps, shared)
    pairs, over_color, over_depth, uneven = [], list[Path](), list[Path](), []
    for group in sorted(left.keys() | right.keys(), key=lambda values: [natural_key(value) for value in values]):
        mine, theirs = color_every.of(left.get(group, [])), depth_every.of(right.get(group, []))
        if len(mine) != len(theirs):
            of = "".join(f"{{{name}}} {value}: " for name, value in zip(shared, group, strict=True))
            uneven.append(f"{of}{len(mine)} photos and {len(theirs)} maps")
        for photo, map_ in zip(mine, theirs, strict=False):
            goal = located(base, goals.format(photo.fields)) if goals else None
            pairs.append(Pair(photo_key(photo.path, base), photo.path, map_.path, photo.fields, goal))
        over_color += [file.path for file in mine[len(theirs) :]]
        over_depth += [file.path for file in theirs[len(mine) :]]
    if uneven and not allow_missing:
        more = f", and {len(uneven) - 5} more" if len(uneven) > 5 else ""
        raise UsageError(f"as many photos as maps are needed: {'; '.join(uneven[:5])}{more}",
                         hint="source.color_start, color_stride, depth_start and depth_stride choose; "
                              "source.allow_missing: true leaves out the last")
    if not pairs:
        raise UsageError("no photo and no map is left", hint="source.color_start or depth_start is too large")
    pairs.sort(key=lambda pair: natural_key(pair.color))
    return Pairing(tuple(pairs), in_order(over_color), in_order(over_depth), (),
                   find_collisions(pairs, [*photos.paths, *maps.paths, *previews]), previews, photos.names)
