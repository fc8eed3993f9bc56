"""Lists the files that a glob or template matches, in natural order, for pairing by time or by index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingInputError, UsageError, listing
from .by_name import no_match_error
from .pairs import Previews, natural_key
from .templates import ANY_SUFFIX, Fields, check_placeholders, placeholders, search


@dataclass(frozen=True)
class FoundFile:
    """A photo or map.

    Attributes:
        path: Its path.
        fields: Values of the placeholders.
    """

    path: Path
    fields: Fields


@dataclass(frozen=True)
class Listing:
    """The files of one side.

    Attributes:
        files: The files in natural order.
        names: The placeholders, including {stem}.
    """

    files: tuple[FoundFile, ...]
    names: frozenset[str]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)


def list_files(base: Path, text: str) -> Listing:
    """List all files that a glob, a template, or a mixture of both matches; `.*` after a template is any one suffix.

    Args:
        base: Folder that relative paths start from.
        text: The glob or template.

    Raises:
        UsageError: The template is bad.
        MissingInputError: No file matches.
    """
    check_placeholders(text)
    found: dict[Path, Fields] = {}
    template = text.endswith(ANY_SUFFIX) and not set(text.removesuffix(ANY_SUFFIX)) & set("*?[")
    for path, fields in search(base, text, glob=not template):
        found.setdefault(path, {"stem": path.stem, **fields})
    if not found:
        raise no_match_error(base, text)
    files = tuple(FoundFile(path, found[path]) for path in sorted(found, key=natural_key))
    return Listing(files, placeholders(text) | {"stem"})


def without_maps(color: Listing, maps: Listing) -> tuple[Listing, tuple[Path, ...]]:
    """Split photos into those that are neither maps nor previews of maps, and these previews.

    Raises:
        MissingInputError: No photo is left.
    """
    known, previews_of = set(maps.paths), Previews.of(maps.paths)
    rest = [file for file in color.files if file.path not in known]
    previews = tuple(file.path for file in rest if previews_of.by_name(file.path))
    photos = tuple(file for file in rest if not previews_of.by_name(file.path))
    if not photos:
        raise MissingInputError("source.color matches only depth maps", where=color.files[0].path.parent)
    return Listing(photos, color.names), previews


def common_names(color: Listing, maps: Listing, depth: str, own: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the placeholders that both sides share, except {stem} and each side's `own`; files pair where these agree.

    Raises:
        UsageError: `depth`, the template of the maps, uses a placeholder that the photos' template lacks.
    """
    mine = placeholders(depth) - set(own)
    known = color.names - {"stem"}
    if mine - known:
        names = sorted(known | set(own))
        available = listing((f"{{{name}}}" for name in names), len(names), none="none")
        raise UsageError(f"{depth!r} uses the undefined placeholder {{{min(mine - known)}}}",
                         hint=f"it can use {available}")
    return tuple(sorted(mine & known & maps.names))


def by_group(listing: Listing, names: tuple[str, ...]) -> dict[tuple[str, ...], list[FoundFile]]:
    """Group files by the values of some placeholders, each group in natural order."""
    groups: dict[tuple[str, ...], list[FoundFile]] = defaultdict(list)
    for file in listing.files:
        groups[tuple(file.fields[name] for name in names)].append(file)
    return dict(groups)
