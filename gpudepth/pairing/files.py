"""The files a glob or template finds, in natural order: what is paired by time or by place in the order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingInputError, UsageError, listing
from .by_name import nothing_found
from .pairs import natural_key
from .previews import Previews
from .templates import ANY_SUFFIX, Fields, check_placeholders, placeholders, search


@dataclass(frozen=True)
class Found:
    """A photo or map, and what the placeholders were."""

    path: Path
    fields: Fields


@dataclass(frozen=True)
class Listing:
    """What was found of one side, in natural order. names: the placeholders, {stem} too."""

    files: tuple[Found, ...]
    names: frozenset[str]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)


def list_files(base: Path, text: str) -> Listing:
    """All files that a glob, a template, or both in one find; `.*` after a template is one suffix, as ever.

    Raises UsageError, MissingInputError when there are none.
    """
    check_placeholders(text)
    found: dict[Path, Fields] = {}
    template = text.endswith(ANY_SUFFIX) and not set(text.removesuffix(ANY_SUFFIX)) & set("*?[")
    for path, fields in search(base, text, glob=not template):
        found.setdefault(path, {"stem": path.stem, **fields})
    if not found:
        raise nothing_found(base, text)
    files = tuple(Found(path, found[path]) for path in sorted(found, key=natural_key))
    return Listing(files, placeholders(text) | {"stem"})


def without_maps(color: Listing, maps: Listing) -> tuple[Listing, tuple[Path, ...]]:
    """Photos that are neither maps nor previews of maps; and these previews. Raises MissingInputError without any."""
    known, beside = set(maps.paths), Previews(maps.paths)
    rest = [file for file in color.files if file.path not in known]
    previews = tuple(file.path for file in rest if beside.by_name(file.path))
    photos = tuple(file for file in rest if not beside.by_name(file.path))
    if not photos:
        raise MissingInputError("source.color finds nothing but maps", where=color.files[0].path.parent)
    return Listing(photos, color.names), previews


def common_names(color: Listing, maps: Listing, depth: str, own: Iterable[str] = ()) -> tuple[str, ...]:
    """The placeholders both sides have beside {stem} and each side's `own`: files pair where these are equal.

    Raises UsageError when `depth`, the maps' template, has some that the photos' does not.
    """
    mine = placeholders(depth) - set(own)
    known = color.names - {"stem"}
    if mine - known:
        names = sorted(known | set(own))
        said = listing((f"{{{name}}}" for name in names), len(names), none="none")
        raise UsageError(f"{depth!r} uses {{{min(mine - known)}}}, which nothing defines", hint=f"known here: {said}")
    return tuple(sorted(mine & known & maps.names))


def by_group(listing: Listing, names: tuple[str, ...]) -> dict[tuple[str, ...], list[Found]]:
    """The files by the values of some placeholders, each group in natural order."""
    groups: dict[tuple[str, ...], list[Found]] = defaultdict(list)
    for file in listing.files:
        groups[tuple(file.fields[name] for name in names)].append(file)
    return dict(groups)
