"""Finds the map of each photo by name, before anything is decoded and with the same result on every file system."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import MissingInputError, UsageError, counted, listing
from .pair_table import PairTable, TableRows, disk_errors
from .pairs import Pair, Pairing, find_collisions, natural_sorted, pairing_templates, shared_maps
from .templates import Fields, Template, entries, is_folder, search, search_root

Search = Callable[..., Iterable[tuple[Path, Fields]]]


def find_pairs(base: Path, color: str, depth: str, output: str | None = None, *, look: Search = search,
               nothing: Callable[[Path, str], MissingInputError] | None = None, on_disk: bool = False) -> Pairing:
    """Pair photos with maps by name.

    Args:
        base: Folder that relative paths start from.
        color: Glob (`photos/*.heic`, `**`), template (`image_02/{drive}/{frame}.png`), or both in one.
        depth: Template of color's placeholders and `{stem}`, the photo's name without its last suffix. It may end
            in `.*`, which stands for any suffix.
        output: Template of the same placeholders, or None.
        look: Function with the signature of `templates.search` that finds files somewhere else.
        nothing: Function that makes the error for a search without photos.
        on_disk: Whether the sequences of the result are read from the table on demand instead of held in memory.

    Returns:
        The pairs. Photos without a map, photos with several maps and so on are part of the result, not errors.

    Raises:
        UsageError: A template is bad, or the output has `..` after its beginning.
        MissingInputError: No photo matches.
        OutputError: There is no space for the table.
    """
    base = Path(base)
    known, depth_template, outputs = pairing_templates(color, depth, output)
    with disk_errors():
        table = PairTable(base, outputs, sorted(depth_template.names))
        table.load(look(base, color, glob=True), look(base, depth))
    if not table.one("select count(*) from color"):
        raise (nothing or no_match_error)(base, color)
    with disk_errors():
        duplicates = table.match()
        table.choose()
        shared = shared_maps(table.shared())
        collisions = find_collisions(*table.colliding())
    held: Callable[[TableRows[Any]], Sequence[Any]] = (lambda rows: rows) if on_disk else tuple
    return Pairing(held(table.pairs), held(table.paths("unmatched")), held(table.paths("extra")),
                   (*duplicates, *shared), collisions, held(table.paths("shown")), known)


def find_beside(base: Path, template: str, pairs: Iterable[Pair], known: frozenset[str], *,
                look: Search = search) -> dict[str, Path]:
    """Find one more file for each pair, such as its confidence map.

    Args:
        base: Folder that relative paths start from.
        template: Template of these files, made of the placeholders `known`.
        pairs: The pairs.
        known: Names of the pairs' placeholders.
        look: As for `find_pairs`.

    Returns:
        The file of each pair, by the pair's key.

    Raises:
        UsageError: The template is bad, or a pair has no such file or several.
    """
    wanted = Template(template)
    wanted.check_names(known)
    names = sorted(wanted.names)
    there: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path, fields in look(Path(base), template):
        there[tuple(fields[name] for name in names)].append(path)
    found, odd = {}, []
    for pair in pairs:
        paths = there.get(tuple(pair.fields[name] for name in names), [])
        if len(paths) == 1:
            found[pair.key] = paths[0]
        else:
            odd.append(f"{counted(len(paths), 'file')} for {pair.key}")
    if odd:
        raise UsageError(f"{template!r} must match exactly one file for each photo: "
                         + listing(odd, len(odd), "; ", most=5))
    return found


def no_match_error(base: Path, color: str) -> MissingInputError:
    """Make the error for a glob or template without a match; its hint lists what the folder holds."""
    folder = search_root(base, color)
    if folder.is_dir():
        return MissingInputError(f"no file matches {color!r}", where=folder,
                                 hint=f"the folder holds {_content(folder)}")
    there = folder
    while not there.is_dir() and there != there.parent:
        there = there.parent
    folders = natural_sorted(Path(e.path) for e in entries(there) if is_folder(e) and not e.name.startswith("."))
    names = ", ".join(f"{path.name}/" for path in folders[:8]) or "no folders"
    return MissingInputError(f"the folder named by {color!r} does not exist", where=folder,
                             hint=f"{there} holds {names}")


def _content(folder: Path) -> str:
    """Return what a folder holds, such as `3 .jpg, 1 folder`."""
    suffixes, folders = Counter[str](), 0
    for entry in entries(folder):
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            folders += 1
        else:
            suffixes[Path(entry.name).suffix or "without suffix"] += 1
    found = [f"{count} {suffix}" for suffix, count in suffixes.most_common(8)]
    return ", ".join(found + [counted(folders, "folder")] * (folders > 0)) or "nothing"
