"""Pairs inside archives: each archive is listed once, and what pairs in it is read by place. Nothing is extracted.

In pairs a member is a path that goes on behind its archive: `scenes/one.zip/rgb/001.jpg`; `Pairing.input` says what
stands behind it. What is wrong with an archive, or a member's name, is an item that fails, and the rest is done.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from ..errors import FileError, GpudepthError, MissingInputError, listing
from ..formats.archive.index import Index, read_index
from ..formats.archive.member import Member, explain
from ..limits import DEFAULT, Limits
from .by_name import find_beside, find_pairs
from .files import Found, list_files
from .pairs import (
    Duplicate,
    Pair,
    Pairing,
    Refused,
    find_collisions,
    in_order,
    natural_key,
    output_template,
    photo_key,
    shared_maps,
)
from .templates import Fields, placeholders, search_names
from .urls import located

ARCHIVE = "archive"
SUFFIXES = (".tar", ".zip", ".r3d")


@dataclass
class PairCollector:
    """What has been found so far, in several archives. folders: the placeholders whose values may have `/` in them."""

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

    def each(self, text: str, limits: Limits = DEFAULT) -> Iterator[tuple[Found, Index]]:
        """All archives that a glob or template finds, in order; those that cannot be listed are refused.

        Raises UsageError, MissingInputError when there are none.
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
        """One pair, with all the placeholders of it; its key and output follow from them."""
        goal = located(self.base, self._goals.format(fields, self.folders)) if self._goals else None
        self.pairs.append(replace(pair, key=photo_key(pair.color, self.base), fields=fields, output=goal))

    def use(self, members: Iterable[Member]) -> None:
        self.members.update((member.path, member) for member in members)

    def pairing(self) -> Pairing:
        """All of it. Raises MissingInputError when there is neither a pair nor anything refused or unmatched."""
        if not (self.pairs or self.refused or self.unmatched_color or self.duplicates):
            raise MissingInputError("no photo of source.color is in the archives", where=self.archives[0],
                                    hint="; ".join(self.notes[:3]) or None)
        self.pairs.sort(key=lambda pair: natural_key(pair.color))
        return Pairing(
            tuple(self.pairs), in_order(self.unmatched_color), in_order(self.unmatched_depth),
            (*self.duplicates, *shared_maps(self.pairs)),
            find_collisions(self.pairs, [*self.archives, *self.members]), in_order(self.previews), self.known,
            self.members, tuple(self.refused), tuple(self.notes))


def find_in_archives(base: Path, archive: str, color: str, depth: str, output: str | None = None, *,
                     limits: Limits = DEFAULT) -> Pairing:
    """Pair photos and maps of the same archive, a zip or a tar, by name.

    archive   a glob or template of archives
    color     a glob or template of paths inside; depth: a template of color's placeholders and {stem}
    output    a template of these, of the archive's placeholders, and {archive}: the archive's name without .zip

    Raises UsageError for a bad template, MissingInputError when there is no archive, or no photo in any.
    """
    outer = placeholders(archive) | {ARCHIVE}
    gathered = PairCollector(Path(base), outer | placeholders(color) | {"stem"}, output)
    for found, index in gathered.each(archive, limits):
        names = {member.inside: member for member in index.members}

        def look(root: Path, text: str, *, glob: bool = False, names: Iterable[str] = names) -> Iterator[
                tuple[Path, Fields]]:
            return ((root / name, fields) for name, fields in search_names(names, text, glob=glob))

        try:
            inside = find_pairs(found.path, color, depth, look=look,
                                nothing=lambda root, text: MissingInputError("", where=root))
        except MissingInputError:
            gathered.notes.append(f"{photo_key(found.path, gathered.base)} holds no {color!r}, but {_holds(names)}")
            continue
        gathered.use(index.members)
        for pair in inside.pairs:
            gathered.add(pair, {**outer_fields(found, archive), **pair.fields})
        gathered.unmatched_color += inside.unmatched_color
        gathered.unmatched_depth += inside.unmatched_depth
        gathered.previews += inside.previews
        gathered.duplicates += [replace(d, key=photo_key(found.path / d.key, gathered.base))
                                for d in inside.duplicates if not d.shared]
    return gathered.pairing()


def find_beside_members(base: Path, template: str, pairing: Pairing) -> dict[str, Path]:
    """`find_beside` of pairs in archives: in the photo's own archive, or, when that has no such member, beside it."""
    inside, groups = defaultdict(list), defaultdict(list)
    for member in pairing.members.values():
        inside[member.archive].append(member.inside)
    for pair in pairing.pairs:
        groups[pairing.members[pair.color].archive].append(pair)
    found: dict[str, Path] = {}
    for archive, pairs in groups.items():
        there = [(archive / name, fields) for name, fields in search_names(inside[archive], template)]
        if there:
            found |= find_beside(archive, template, pairs, pairing.names, look=partial(_given, there))
        else:
            found |= find_beside(base, template, pairs, pairing.names)
    return found


def _given(there: list[tuple[Path, Fields]], base: Path, text: str) -> list[tuple[Path, Fields]]:
    """What was searched already."""
    return there


def outer_fields(found: Found, text: str, name: str = ARCHIVE) -> Fields:
    """The placeholders of an archive's own path, and its name without suffix as `name`."""
    stem = found.path.stem if found.path.suffix.lower() in SUFFIXES else found.path.name
    return {**{key: found.fields[key] for key in placeholders(text)}, name: stem}


def _holds(names: Iterable[str]) -> str:
    kinds = Counter(f"{PurePosixPath(name).parent}/*{PurePosixPath(name).suffix}".removeprefix("./") for name in names)
    return listing((f"{count} {kind}" for kind, count in kinds.most_common(5)), min(len(kinds), 5))
