"""Finds pairs by position: the first photo belongs to the first map, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError, listing
from .files import FoundFile, by_group, common_names, list_files, without_maps
from .pairs import Pair, Pairing, find_collisions, natural_key, natural_sorted, output_template, photo_key
from .stores import located


@dataclass(frozen=True)
class Stride:
    """Selects the files of one side that take part.

    Attributes:
        start: Index of the first file, counted from 0.
        stride: Take every `stride`-th file from there.
    """

    start: int = 0
    stride: int = 1

    def select(self, files: list[FoundFile]) -> list[FoundFile]:
        return files[self.start :: self.stride]


ALL = Stride()


def find_by_index(base: Path, color: str, depth: str, output: str | None = None, *, color_every: Stride = ALL,
                  depth_every: Stride = ALL, allow_missing: bool = False) -> Pairing:
    """Pair the i-th photo with the i-th map, in natural order of their paths.

    Args:
        base: Folder that relative paths start from.
        color: Glob or template of the photos. Placeholders that color and depth share make groups (`{scene}`), and
            each group is counted separately.
        depth: Glob or template of the maps.
        output: Template of the output, made of color's placeholders and {stem}.
        color_every: Which photos take part.
        depth_every: Which maps take part.
        allow_missing: Leave the last files unmatched where the counts differ, instead of raising an error.

    Returns:
        The pairs in natural order.

    Raises:
        UsageError: The counts differ, or a template is bad.
        MissingInputError: There are no photos or no maps.
    """
    base = Path(base)
    maps = list_files(base, depth)
    photos, previews = without_maps(list_files(base, color), maps)
    shared = common_names(photos, maps, depth)
    goals = output_template(output, photos.names)
    left, right = by_group(photos, shared), by_group(maps, shared)
    pairs, over_color, over_depth, uneven = [], list[Path](), list[Path](), []
    for group in sorted(left.keys() | right.keys(), key=lambda values: [natural_key(value) for value in values]):
        mine, theirs = color_every.select(left.get(group, [])), depth_every.select(right.get(group, []))
        if len(mine) != len(theirs):
            of = "".join(f"{{{name}}} {value}: " for name, value in zip(shared, group, strict=True))
            uneven.append(f"{of}{_counted(mine, 'photo')} and {_counted(theirs, 'map')}")
        for photo, map_ in zip(mine, theirs, strict=False):
            goal = located(base, goals.format(photo.fields)) if goals else None
            pairs.append(Pair(photo_key(photo.path, base), photo.path, map_.path, photo.fields, goal))
        over_color += [file.path for file in mine[len(theirs) :]]
        over_depth += [file.path for file in theirs[len(mine) :]]
    if uneven and not allow_missing:
        raise UsageError(f"pairing by index needs as many photos as maps: {listing(uneven, len(uneven), '; ', most=5)}",
                         hint="select files with source.color_start, color_stride, depth_start and depth_stride; "
                              "source.allow_missing: true leaves out the surplus")
    if not pairs:
        raise UsageError("no photo and no map is left", hint="lower source.color_start or source.depth_start")
    pairs.sort(key=lambda pair: natural_key(pair.color))
    return Pairing(tuple(pairs), natural_sorted(over_color), natural_sorted(over_depth), (),
                   find_collisions(pairs, [*photos.paths, *maps.paths, *previews]), previews, photos.names)


def _counted(files: list[FoundFile], noun: str) -> str:
    return f"{len(files)} {noun}{'s' * (len(files) != 1)}"
