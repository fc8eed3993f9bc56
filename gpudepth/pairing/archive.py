"""Finds pairs inside archives. Each archive is indexed once and its members are read in place; nothing is extracted.

A `Pair` names a member by a path that continues behind its archive, `scenes/one.zip/rgb/001.jpg`; `Pairing.input` maps
such a path to the member. A damaged archive or an unsafe member name becomes an item that fails; the others are
processed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from ..errors import FileError, GpudepthError, MissingInputError, UsageError, listing
from ..formats.archive import Index, Member, explain, read_index
from ..limits import DEFAULT, Limits
from .by_name import find_beside, find_pairs
from .files import FoundFile, list_files
from .pairs import (
    Duplicate,
    Pair,
    Pairing,
    Refused,
    find_collisions,
    natural_key,
    natural_sorted,
    output_template,
    photo_key,
    shared_maps,
)
from .stores import located
from .templates import Fields, placeholders, search_names

ARCHIVE = "archive"
SUFFIXES = (".tar", ".zip", ".r3d")


@dataclass
class PairCollector:
    """Collects the pairs, leftovers and problems of several archives.

    Attributes:
        base: Folder that relative paths start from.
        known: Names of all placeholders.
        output: Template of the output path, or None.
        folders: Placeholders whose values may contain `/`.
        pairs: Pairs found so far.
        unmatched_color: Photos without a map.
        unmatched_depth: Maps without a photo.
        duplicates: Photos with several maps, and maps with several photos.
        previews: Pictures of maps, which are not photos.
        members: Archive members by the paths that pairs use.
        refused: Archives and members that cannot be read.
        notes: Remarks for the user.
        archives: Archives visited so far.
    """

    base: Path
    known: frozenset[str]
    output: str | None
    folders: frozenset[str] = frozenset()
    pairs: list[Pair] = field(default_factory=list)
    unmatched_color: list[Path] = field(default_factory=list)
    unmatched_depth: list[Path] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    previews: list[Path] = field(default_factory=list)
    members: dict[Path, Member] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._goals = output_template(self.output, self.known)

    def iter_archives(self, text: str, limits: Limits = DEFAULT) -> Iterator[tuple[FoundFile, Index]]:
        """Yield each archive that a glob or template matches, in order, with its index; refuse the unreadable ones.

        Raises:
            UsageError: The template is bad.
            MissingInputError: No archive matches.
        """
        for found in list_files(self.base, text).files:
            self.archives.append(found.path)
            try:
                index = read_index(found.path, limits)
            except FileError as error:
                self.refuse(found.path, error)
                continue
            for member in index.unsafe:
                self.refused.append(Refused(f"{photo_key(found.path, self.base)}/{member.inside}",
                                            explain(member.problem, member)))
            if index.error is not None:
                self.refuse(found.path, index.error)
            yield found, index

    def refuse(self, archive: Path, error: GpudepthError) -> None:
        self.refused.append(Refused(photo_key(archive, self.base), error))

    def add(self, pair: Pair, fields: Fields) -> None:
        """Add one pair with the values of its placeholders, from which its key and its output follow."""
        goal = located(self.base, self._goals.format(fields, self.folders)) if self._goals else None
        self.pairs.append(replace(pair, key=photo_key(pair.color, self.base), fields=fields, output=goal))

    def register(self, members: Iterable[Member]) -> None:
        """Remember members, so that `Pairing.input` finds them by path."""
        self.members.update((member.path, member) for member in members)

    def pairing(self) -> Pairing:
        """Return the result. Raises MissingInputError when nothing was found and nothing was refused or left over."""
        if not (self.pairs or self.refused or self.unmatched_color or self.duplicates):
            raise MissingInputError("the archives hold no photo that source.color matches", where=self.archives[0],
                                    hint="; ".join(self.notes[:3]) or None)
        self.pairs.sort(key=lambda pair: natural_key(pair.color))
        return Pairing(
            tuple(self.pairs), natural_sorted(self.unmatched_color), natural_sorted(self.unmatched_depth),
            (*self.duplicates, *shared_maps(self.pairs)),
            find_collisions(self.pairs, [*self.archives, *self.members]), natural_sorted(self.previews), self.known,
            self.members, tuple(self.refused), tuple(self.notes))


def find_in_archives(base: Path, archive: str, color: str, depth: str, output: str | None = None, *,
                     limits: Limits = DEFAULT) -> Pairing:
    """Pair photos and maps of the same zip or tar archive by name.

    Args:
        base: Folder that relative paths start from.
        archive: Glob or template of the archives.
        color: Glob or template of the photos' paths inside an archive.
        depth: Template of the maps' paths, made of color's placeholders and {stem}.
        output: Template of the output, made of these, the archive's placeholders and {archive}, the archive's name
            without suffix.
        limits: What an archive may ask for.

    Returns:
        The pairs of all archives in natural order.

    Raises:
        UsageError: A template is bad.
        MissingInputError: There is no archive, or no photo in any of them.
    """
    outer = placeholders(archive) | {ARCHIVE}
    gathered = PairCollector(Path(base), outer | placeholders(color) | {"stem"}, output)
    for found, index in gathered.iter_archives(archive, limits):
        names = {member.inside: member for member in index.members}

        def look(root: Path, text: str, *, glob: bool = False, names: Iterable[str] = names) -> Iterator[
                tuple[Path, Fields]]:
            return ((root / name, fields) for name, fields in search_names(names, text, glob=glob))

        try:
            inside = find_pairs(found.path, color, depth, look=look,
                                nothing=lambda root, text: MissingInputError("", where=root))
        except MissingInputError:
            gathered.notes.append(f"{photo_key(found.path, gathered.base)} holds no {color!r}; it has {_holds(names)}")
            continue
        gathered.register(index.members)
        for pair in inside.pairs:
            gathered.add(pair, {**outer_fields(found, archive), **pair.fields})
        gathered.unmatched_color += inside.unmatched_color
        gathered.unmatched_depth += inside.unmatched_depth
        gathered.previews += inside.previews
        gathered.duplicates += [replace(d, key=photo_key(found.path / d.key, gathered.base))
                                for d in inside.duplicates if not d.shared]
    return gathered.pairing()


def find_beside_members(base: Path, template: str, pairing: Pairing) -> dict[str, Path]:
    """Find one more file for each pair as `find_beside` does, in the photo's archive or in the base folder."""
    inside, groups = defaultdict(list), defaultdict(list)
    for member in pairing.members.values():
        inside[member.archive].append(member.inside)
    for pair in pairing.pairs:
        groups[pairing.members[pair.color].archive].append(pair)
    found: dict[str, Path] = {}
    for archive, pairs in groups.items():
        matches = [(archive / name, fields) for name, fields in search_names(inside[archive], template)]
        if matches:
            found |= find_beside(archive, template, pairs, pairing.names, look=partial(_matches, matches))
        else:
            found |= find_beside(base, template, pairs, pairing.names)
    return found


def _matches(matches: list[tuple[Path, Fields]], base: Path, text: str) -> list[tuple[Path, Fields]]:
    """Return search results that are known already, in the signature of `templates.search`."""
    return matches


def outer_fields(found: FoundFile, text: str, name: str = ARCHIVE) -> Fields:
    """Return the placeholders of an archive's own path, and its name without suffix as `name`."""
    stem = found.path.stem if found.path.suffix.lower() in SUFFIXES else found.path.name
    return {**{key: found.fields[key] for key in placeholders(text)}, name: stem}


def _holds(names: Iterable[str]) -> str:
    """Describe the five most frequent kinds of files: `12 rgb/*.jpg, 12 depth/*.png`."""
    kinds = Counter(f"{PurePosixPath(name).parent}/*{PurePosixPath(name).suffix}".removeprefix("./") for name in names)
    return listing((f"{count} {kind}" for kind, count in kinds.most_common(5)), min(len(kinds), 5))


SHARD, KEY = "shard", "key"
COLOR = ("jpg", "jpeg", "png", "webp", "heic", "heif")
DEPTH = ("depth.png", "depth.npy", "depth.npz", "depth.tiff", "depth.tif", "depth.pfm", "depth.exr")
_SAMPLE = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)
_EXTENSION = re.compile(r"[^./\\*?{}\0]+(\.[^./\\*?{}\0]+)*")


def split_name(inside: str) -> tuple[str, str] | None:
    """Return key and lower-case extension of a member, or None for names that cannot belong to a sample."""
    found = _SAMPLE.fullmatch(inside)
    return (found[1], found[2].lower()) if found else None


def check_extension(text: str) -> str:
    """Return an extension of a job, written without a leading dot, in lower case. Raises UsageError."""
    if not _EXTENSION.fullmatch(text):
        raise UsageError(f"{text!r} is not an extension",
                         hint="for example jpg or depth.png: all after a name's first dot")
    return text.lower()


def find_in_shards(base: Path, shards: str, color: Sequence[str] = COLOR, depth: Sequence[str] = DEPTH,
                   output: str | None = None, *, limits: Limits = DEFAULT) -> Pairing:
    """Pair the photos and maps of the samples in tar files.

    Args:
        base: Folder that relative paths start from.
        shards: Glob or template of the tar files.
        color: Extensions of photos; the first that a sample has is used.
        depth: Extensions of maps; the first that a sample has is used.
        output: Template of the shards' placeholders, {shard} (a tar's name without .tar), {key} and {stem} (the last
            part of the key).
        limits: What an archive may ask for.

    Returns:
        The pairs of all shards in natural order.

    Raises:
        UsageError: A template or extension is bad.
        MissingInputError: There is no shard, or no photo in any of them.
    """
    names = placeholders(shards) | {SHARD, KEY, "stem"}
    gathered = PairCollector(Path(base), names, output, folders=frozenset({KEY}))
    colors, depths = [check_extension(e) for e in color], [check_extension(e) for e in depth]
    for found, index in gathered.iter_archives(shards, limits):
        samples: dict[str, dict[str, Member]] = defaultdict(dict)
        for member in index.members:
            parts = split_name(member.inside)
            if parts is not None:
                samples[parts[0]].setdefault(parts[1], member)
        gathered.register(index.members)
        before = len(gathered.pairs) + len(gathered.unmatched_color)
        for key, sample in samples.items():
            photo, map_ = _first(sample, colors), _first(sample, depths)
            if photo and map_:
                fields = {**outer_fields(found, shards, SHARD), KEY: key, "stem": key.rpartition("/")[2]}
                gathered.add(Pair("", photo.path, map_.path, {}), fields)
            elif photo:
                gathered.unmatched_color.append(photo.path)
            elif map_:
                gathered.unmatched_depth.append(map_.path)
        if len(gathered.pairs) + len(gathered.unmatched_color) == before:
            there = sorted({extension for sample in samples.values() for extension in sample})
            gathered.notes.append(f"{photo_key(found.path, gathered.base)} has no sample with {' or '.join(colors)}; "
                                  f"its extensions are {', '.join(there[:8]) or 'none'}")
    return gathered.pairing()


def _first(sample: dict[str, Member], extensions: Sequence[str]) -> Member | None:
    return next((sample[e] for e in extensions if e in sample), None)
