"""Path templates: `depth/{stem}.png`, `image_02/{drive}/{frame}.png`; and the search for files that match.

Fields are filled in and nothing else: no attribute access, no format specs, nothing of `str.format`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import UsageError, listing

Fields = dict[str, str]

_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|([{}])")
_GLOB = re.compile(r"\*\*?|\?|\[!?[^\]]+\]")
MAX_ANY_DEPTH = 4       # times `**` in one pattern
ANY_SUFFIX = ".*"
"""At the end of a template: one suffix, whichever it is."""


@dataclass(frozen=True)
class Template:
    """A path with `{placeholders}`, `/` between its parts. It may end in `.*`.

    Raises UsageError for braces that are no placeholder, and for other wildcards.
    """

    text: str

    def __post_init__(self) -> None:
        check_placeholders(self.text)
        if "*" in self.text.removesuffix(ANY_SUFFIX):
            raise UsageError(f"{self.text!r} is a template, and the only wildcard of one is '.*' at its end",
                             hint="use placeholders, for instance {stem}")

    @property
    def names(self) -> frozenset[str]:
        return placeholders(self.text)

    @property
    def any_suffix(self) -> bool:
        return self.text.endswith(ANY_SUFFIX)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        start, parts = _split(Path(), self.text)
        return compile_part("/" * start.is_absolute() + "/".join(parts))

    def match(self, relative_path: str | os.PathLike[str]) -> Fields | None:
        """The fields of a path that the template can produce, or None.

        A placeholder takes one character or more of one path component, as few as will do; a repeated one must be equal
        each time. The rest is compared without regard to case.
        """
        found = self._pattern.fullmatch(Path(relative_path).as_posix())
        return found.groupdict() if found else None

    def format(self, fields: Mapping[str, str], folders: frozenset[str] = frozenset()) -> str:
        """The path with `fields` filled in; those of `folders` may have `/` in them.

        Raises UsageError for unknown names and values that are no file name.
        """
        if self.any_suffix:
            raise UsageError(f"{self.text!r} does not say which suffix to write")
        self.check_names(fields)
        for name in sorted(self.names):
            value = fields[name]
            parts = value.split("/") if name in folders else [value]
            if any(part in {"", ".."} for part in parts) or any(bad in part for part in parts for bad in "/\\\0"):
                raise UsageError(f"{self.text!r}: {{{name}}} is {value!r}, which cannot be part of a file name")
        return _PART.sub(lambda found: fields[found[1]], self.text)

    def check_names(self, known: Mapping[str, str] | frozenset[str]) -> None:
        """Raise UsageError when the template uses a name that is not among `known`."""
        unknown = sorted(self.names - set(known))
        if unknown:
            raise UsageError(f"{self.text!r} uses {{{unknown[0]}}}, which nothing defines",
                             hint="known here: " + listing((f"{{{name}}}" for name in sorted(known)), len(known)))


def placeholders(text: str) -> frozenset[str]:
    """The names between braces."""
    return frozenset(found[1] for found in _PART.finditer(text) if found[1])


def check_placeholders(text: str) -> None:
    """Raise UsageError for an empty path, and for braces that are no placeholder."""
    if not text.strip() or "\0" in text:
        raise UsageError(f"{text!r} is no path")
    for found in _PART.finditer(text):
        if found[2]:
            raise UsageError(f"{text!r}: {found[2]!r} at column {found.start() + 1} belongs to no placeholder",
                             hint="a placeholder is {name}: letters, digits and underscores")


def compile_part(text: str, *, glob: bool = False) -> re.Pattern[str]:
    """A path, or one component of it, as a regular expression; with `glob`, `*`, `?` and `[…]` are wildcards."""
    suffix = "" if glob or not text.endswith(ANY_SUFFIX) else r"\.[^./]+"
    body = text.removesuffix(ANY_SUFFIX) if suffix else text
    pattern, end, seen = "", 0, set[str]()
    for found in _PART.finditer(body):
        name = found[1]
        pattern += _literal(body[end : found.start()], glob)
        pattern += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
        seen.add(name)
        end = found.end()
    try:
        return re.compile(pattern + _literal(body[end:], glob) + suffix, re.IGNORECASE | re.DOTALL)
    except re.error as error:           # [z-a]
        raise UsageError(f"{text!r} is no pattern: {error}") from error


def search(base: Path, text: str, *, glob: bool = False) -> Iterator[tuple[Path, Fields]]:
    """All regular files under `base` that match, and the fields of each; in no particular order.

    `text` is a template or, with `glob`, may have wildcards as well, `**` among them (any number of folders; it does
    not enter links to folders, so that it ends). A literal component that exists as written is meant; otherwise case is
    ignored. Hidden names match only components that begin with a dot.
    """
    start, parts = _split(base, text)
    for path, fields in _walk(start, parts, {}, glob):
        if os.path.isfile(path):        # noqa: PTH113 (Path.is_file raises where a folder may not be entered)
            yield path, fields


def search_names(names: Iterable[str], text: str, *, glob: bool = False) -> Iterator[tuple[str, Fields]]:
    """The same among names with `/` between their parts, of an archive's members; case is ignored throughout."""
    parts = _parts(text)
    patterns = [None if glob and part == "**" else compile_part(part, glob=glob) for part in parts]
    hidden = [part.startswith(".") for part in parts]

    def fit(name: list[str], at: int, part: int, fields: Fields) -> Fields | None:
        if part == len(parts):
            return fields if at == len(name) else None
        if at == len(name):
            return None
        pattern = patterns[part]
        if pattern is None:
            found = fit(name, at, part + 1, fields)
            return fit(name, at + 1, part, fields) if found is None and not name[at].startswith(".") else found
        match = pattern.fullmatch(name[at])
        if match is None or (name[at].startswith(".") and not hidden[part]):
            return None
        merged = {**fields, **match.groupdict()}
        same = all(merged[key] == value for key, value in fields.items())
        return fit(name, at + 1, part + 1, merged) if same else None

    for name in names:
        fields = fit(name.split("/"), 0, 0, {})
        if fields is not None:
            yield name, fields


def search_root(base: Path, text: str) -> Path:
    """The folder that a search starts in: `base` and the components before the first with a placeholder or wildcard."""
    start, parts = _split(base, text)
    for part in parts[:-1]:
        if _exists(start / part):
            start = start / part
        elif _PART.search(part) or _GLOB.search(part):
            break
        else:
            start = start / next((e.name for e in entries(start) if e.name.casefold() == part.casefold()), part)
    return start


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds, hidden names too, one at a time; nothing, when it is not there or may not be read."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError:
        return


def wild(part: str, *, glob: bool) -> bool:
    """Does a component of a path have placeholders or, with `glob`, wildcards in it?"""
    return bool(_PART.search(part) or (glob and _GLOB.search(part)) or part.endswith(ANY_SUFFIX))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """False, too, for a link that goes round in a circle."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _parts(text: str) -> list[str]:
    """Its components. Raises UsageError for more than 4 of `**`, each of which multiplies what has to be tried."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    parts = [part for n, part in enumerate(parts) if part != "**" or n == 0 or parts[n - 1] != "**"]    # twice is once
    if parts.count("**") > MAX_ANY_DEPTH:
        raise UsageError(f"{text[:100]!r} has {parts.count('**')} times '**', and {MAX_ANY_DEPTH} at most are searched")
    return parts


def _split(base: Path, text: str) -> tuple[Path, list[str]]:
    return (Path("/") if text.startswith("/") else base), _parts(text)


def _walk(folder: Path, parts: list[str], fields: Fields, glob: bool) -> Iterator[tuple[Path, Fields]]:
    if not parts:
        yield folder, fields
        return
    part, rest = parts[0], parts[1:]
    if glob and part == "**":
        yield from _walk(folder, rest, fields, glob)
        for entry in entries(folder):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _walk(folder / entry.name, parts, fields, glob)
        return
    if part == ".." or (not _PART.search(part) and _exists(folder / part)):
        yield from _walk(folder / part, rest, fields, glob)
        return
    pattern = compile_part(part, glob=glob)
    for entry in entries(folder):
        found = pattern.fullmatch(entry.name)
        if found is None or (entry.name.startswith(".") and not part.startswith(".")):
            continue
        merged = {**fields, **found.groupdict()}
        if all(merged[name] == value for name, value in fields.items()):
            yield from _walk(folder / entry.name, rest, merged, glob)


def _exists(path: Path) -> bool:
    return os.path.exists(path)         # noqa: PTH110 (Path.exists raises where a folder may not be entered)


def _literal(text: str, glob: bool) -> str:
    if not glob:
        return re.escape(text)
    runs, end = [""], 0     # what is between asterisks
    for found in _GLOB.finditer(text):
        runs[-1] += re.escape(text[end : found.start()])
        if found[0][0] == "*":
            runs.append("")
        else:
            runs[-1] += _wildcard(found[0])
        end = found.end()
    runs[-1] += re.escape(text[end:])
    first, *rest = runs
    # Before another asterisk the first place that fits is as good as any: without that, a few take for ever.
    return first + "".join(f"(?>[^/]*?{run})" for run in rest[:-1]) + "".join(f"[^/]*{run}" for run in rest[-1:])


def _wildcard(text: str) -> str:
    if text == "?":
        return "[^/]"
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", text[1:-1].removeprefix("!"))
    return f"[{'^/' if text[1] == '!' else ''}{inside}]"
