"""Finds photos and maps with matching names, `IMG_1.jpg` and `IMG_1_depth.png`, in one folder, two, or many scenes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from .survey import EITHER, MAPS, Group, Survey

ENOUGH = 0.5        # least share of photos that have a map
MOST_GROUPS = 30    # groups of photos, and of maps, that are compared
MOST_TRIED = 50     # patterns of names that are tried
MOST_NAMES = 20_000
_FINER = (*MAPS, *EITHER)       # in order of precision; of several maps for a photo the first is used
_CONFIDENCE = re.compile(r"conf", re.IGNORECASE)


@dataclass(frozen=True)
class Match:
    """Photos and maps with matching names.

    Attributes:
        photos: The photos.
        maps: Their maps.
        before: What stands before the photo's stem in a map's name.
        after: What stands after it.
        share: The share of photos that have a map.
        scene: The index of the folder in the photos' path that distinguishes scenes, or None.
        scenes: The photos of each scene.
    """

    photos: Group
    maps: Group
    before: str
    after: str
    share: float
    scene: int | None = None
    scenes: tuple[Group, ...] = ()

    @property
    def color(self) -> str:
        """The template of the photos."""
        photos = self.photos
        name = f"{photos.beginning}{self.id}{photos.ending}{photos.suffix}"
        whole = self.scene is None and self.id == "{stem}"
        return str(PurePosixPath(self.folder(photos.folder), f"*{photos.suffix}" if whole else name))

    @property
    def depth(self) -> str:
        """The template of the maps."""
        return str(PurePosixPath(self.folder(self.maps.folder), f"{self.before}{self.id}{self.after}"))

    @property
    def id(self) -> str:
        """The placeholder for what distinguishes the photos of a folder."""
        return "{id}" if self.photos.ending or self.photos.beginning else "{stem}"

    @property
    def outputs(self) -> str:
        """The template of the outputs, without folder and suffix."""
        return self.id if self.scene is None else "{scene}/" + self.id

    def folder(self, path: str, scene: str = "{scene}") -> str:
        """Return a path with another scene instead of this one."""
        if self.scene is None:
            return path
        this = PurePosixPath(self.photos.folder).parts[self.scene]
        return str(PurePosixPath(*(scene if part == this else part for part in PurePosixPath(path).parts)))

    def missing(self, found: Survey, side: Group | None = None) -> list[str]:
        """Return the photos without a map, or without a file of `side`, which belongs to this scene."""
        maps, out = side or self.maps, []
        before, after = (self.before, self.after) if side is None else shared(self.photos, side)[1:]
        there = {(g.folder, g.suffix.lower()): g for g in found.groups}
        for photos in self.scenes or (self.photos,):
            scene = "" if self.scene is None else PurePosixPath(photos.folder).parts[self.scene]
            group = there.get((self.folder(maps.folder, scene), maps.suffix.lower()))
            names = {name.casefold() for name in (maps.names if not scene else group.names if group else [])}
            out += [name for name, stem in zip(photos.names, photos.stems(), strict=True)
                    if (before + stem + after).casefold() not in names]
        return out


def matches(found: Survey) -> list[Match]:
    """Return all matches, the best first: by number of photos, folders in common, and precision of the maps."""
    scored = []
    for photos in sorted(photos_of(found), key=lambda g: -len(g.names))[:MOST_GROUPS]:
        near = sorted(found.role("map"), key=lambda maps: -_common(photos, maps))[:MOST_GROUPS]
        for maps in near:
            for trimmed in (photos, *photos.trimmed()):
                share, before, after = shared(trimmed, maps)
                if share >= ENOUGH:
                    score = (share * len(photos.names), _common(photos, maps), -_FINER.index(maps.suffix.lower()))
                    scored.append((score, _in_scenes(found, Match(trimmed, maps, before, after, share))))
                    break
    return [match for _, match in sorted(scored, key=lambda one: one[0], reverse=True)]


def photos_of(found: Survey) -> list[Group]:
    """Return the groups of photos, without pictures that models write beside their maps under the names of photos."""
    all_ = found.role("photo")
    stems = {id(group): set(group.stems()) for group in all_}
    beside = {(group.folder, stem) for group in found.role("map") for stem in group.stems()[:1]}

    def is_preview(group: Group) -> bool:
        return any((group.folder, stem) in beside for stem in group.stems()) and any(
            other.folder != group.folder and stems[id(group)] <= stems[id(other)] for other in all_)

    return [group for group in all_ if not is_preview(group)]


def shared(photos: Group, maps: Group) -> tuple[float, str, str]:
    """Return the share of photos that have a map, and what the maps' names have before and after the stem."""
    names, stems, best = {name.casefold() for name in maps.names}, photos.stems(), (0.0, "", "")
    tried = set()
    for stem in stems[:3]:
        for name in maps.names[:MOST_NAMES]:
            before, met, after = name.partition(stem)
            if not met or not stem or (before, after) in tried:
                continue
            tried.add((before, after))
            share = sum((before + s + after).casefold() in names for s in stems) / len(stems)
            best = max(best, (share, before, after), key=lambda b: b[0])
            if len(tried) > MOST_TRIED or best[0] == 1:
                return best
    return best


def confidence_of(found: Survey, match: Match) -> Group | None:
    """Return the confidence maps, if each photo with a map has one."""
    known = set(match.missing(found))
    for group in found.groups:
        called = f"{PurePosixPath(group.folder).name}/{group.names[0]}"
        if group.suffix.lower() not in _FINER or not _CONFIDENCE.search(called):
            continue
        tied = match.scene is None or match.folder(group.folder) != group.folder
        if tied and shared(match.photos, group)[0] > 0 and set(match.missing(found, group)) <= known:
            return group
    return None


def _common(one: Group, other: Group) -> int:
    """Return the number of folders that two paths share."""
    return len({*PurePosixPath(one.folder).parts} & {*PurePosixPath(other.folder).parts})


def _in_scenes(found: Survey, match: Match) -> Match:
    """Return the match with the folder that distinguishes scenes, if photos and maps share one and it has siblings."""
    parts, maps = (PurePosixPath(group.folder).parts for group in (match.photos, match.maps))
    for place, part in enumerate(parts):
        if part not in maps:
            continue
        alike = [replace(group, beginning=match.photos.beginning, ending=match.photos.ending)
                 for group in found.role("photo") if _differ_at(PurePosixPath(group.folder).parts, parts, place)
                 and group.suffix.lower() == match.photos.suffix.lower()]
        if len(alike) > 1:
            return replace(match, scene=place, scenes=tuple(alike))
    return match


def _differ_at(one: tuple[str, ...], other: tuple[str, ...], place: int) -> bool:
    """Return whether two paths differ at most at one place."""
    return len(one) == len(other) and one[:place] == other[:place] and one[place + 1 :] == other[place + 1 :]
