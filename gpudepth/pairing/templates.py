"""Fills in and searches for path templates such as `depth/{stem}.png` and `image_02/{drive}/{frame}.png`.

Only fields are filled in; attribute access, format specs and the rest of `str.format` are not supported.
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
MAX_ANY_DEPTH = 4       # occurrences of `**` in one pattern
ANY_SUFFIX = ".*"
"""Stands for any one suffix at the end of a template."""


@dataclass(frozen=True)
class Template:
    """A path with `{placeholders}` and with `/` between its components. It may end in `.*`.

    Attributes:
        text: The template.

    Raises:
        UsageError: It has braces that are not placeholders, or other wildcards.
    """

    text: str

    def __post_init__(self) -> None:
        check_placeholders(self.text)
        if "*" in self.text.removesuffix(ANY_SUFFIX):
            raise UsageError(f"{self.text!r} is a template, whose only wildcard is '.*' at its end",
                             hint="use placeholders, for example {stem}")

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
        """Return the fields of a path that the template can produce, or None.

        A placeholder matches one or more characters of one path component, as few as possible; a repeated placeholder
        must match the same text each time. The rest is compared without regard to case.
        """
        found = self._pattern.fullmatch(Path(relative_path).as_posix())
        return found.groupdict() if found else None

    def format(self, fields: Mapping[str, str], folders: frozenset[str] = frozenset()) -> str:
        """Return the path with `fields` filled in.

        Args:
            fields: Value of each placeholder.
            folders: Placeholders whose values may contain `/`.

        Raises:
            UsageError: A name is unknown, or a value cannot be part of a file name.
        """
        if self.any_suffix:
            raise UsageError(f"{self.text!r} must end in a definite suffix, because outputs are written to it")
        self.check_names(fields)
        for name in sorted(self.names):
            value = fields[name]
            parts = value.split("/") if name in folders else [value]
            if any(part in {"", ".."} for part in parts) or any(bad in part for part in parts for bad in "/\\\0"):
                raise UsageError(f"{self.text!r}: {{{name}}} is {value!r}, which cannot be part of a file name")
        return _PART.sub(lambda found: fields[found[1]], self.text)

    def check_names(self, known: Mapping[str, str] | frozenset[str]) -> None:
        """Raise UsageError when the template uses a name that is not in `known`."""
        unknown = sorted(self.names - set(known))
        if unknown:
            raise UsageError(f"{self.text!r} uses the undefined placeholder {{{unknown[0]}}}",
                             hint="it can use " + listing((f"{{{name}}}" for name in sorted(known)), len(known)))


def placeholders(text: str) -> frozenset[str]:
    """Return the names between braces."""
    return frozenset(found[1] for found in _PART.finditer(text) if found[1])


def check_placeholders(text: str) -> None:
    """Raise UsageError for an empty path and for braces that are not placeholders."""
    if not text.strip() or "\0" in text:
        raise UsageError(f"{text!r} is not a path")
    for found in _PART.finditer(text):
        if found[2]:
            raise UsageError(f"{text!r}: {found[2]!r} at column {found.start() + 1} is not part of a placeholder",
                             hint="a placeholder is {name}, with letters, digits and underscores")


def compile_part(text: str, *, glob: bool = False) -> re.Pattern[str]:
    """Compile a path or one of its components to a regular expression; `glob` makes `*`, `?` and `[…]` wildcards."""
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
        raise UsageError(f"{text!r} is not a valid pattern: {error}") from error


def search(base: Path, text: str, *, glob: bool = False) -> Iterator[tuple[Path, Fields]]:
    """Yield all regular files under `base` that match, in no particular order, each with its fields.

    A component without placeholders that exists as written matches only that name; otherwise case is ignored. Hidden
    names match only components that begin with a dot. `**` stands for any number of folders and does not follow links
    to folders, so that the search ends.

    Args:
        base: Folder that relative paths start from.
        text: A template; with `glob` it may also have wildcards.
        glob: Whether wildcards are allowed.
    """
    start, parts = _split(base, text)
    for path, fields in _walk(start, parts, {}, glob):
        if os.path.isfile(path):        # noqa: PTH113 (Path.is_file raises where a folder may not be entered)
            yield path, fields


def search_names(names: Iterable[str], text: str, *, glob: bool = False) -> Iterator[tuple[str, Fields]]:
    """Yield the matching names with their fields, as `search` does, among names of archive members; case is ignored."""
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
    """Return the folder that a search starts in: `base` and all components before the first placeholder or wildcard."""
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
    """Yield a folder's entries, including hidden ones; nothing when it does not exist or may not be read."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError:
        return


def wild(part: str, *, glob: bool) -> bool:
    """Return whether a path component has placeholders or, with `glob`, wildcards."""
    return bool(_PART.search(part) or (glob and _GLOB.search(part)) or part.endswith(ANY_SUFFIX))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; False for a link that points to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _parts(text: str) -> list[str]:
    """Return the components. Raises UsageError for more than 4 `**`, each of which multiplies the search."""
    parts = [part for part in text.split("/") if part not in {"", "."}]
    parts = [part for n, part in enumerate(parts) if part != "**" or n == 0 or parts[n - 1] != "**"]   # **/** is **
    if parts.count("**") > MAX_ANY_DEPTH:
        raise UsageError(f"{text[:100]!r} has '**' {parts.count('**')} times; at most {MAX_ANY_DEPTH} are supported")
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
        for name in _subfolders(folder):
            yield from _walk(folder / name, parts, fields, glob)
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


def _subfolders(folder: Path) -> Iterator[str]:
    return (entry.name for entry in entries(folder)
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."))


def _exists(path: Path) -> bool:
    return os.path.exists(path)         # noqa: PTH110 (Path.exists raises where a folder may not be entered)


def _literal(text: str, glob: bool) -> str:
    if not glob:
        return re.escape(text)
    runs, end = [""], 0     # the parts between asterisks
    for found in _GLOB.finditer(text):
        runs[-1] += re.escape(text[end : found.start()])
        if found[0][0] == "*":
            runs.append("")
        else:
            runs[-1] += _wildcard(found[0])
        end = found.end()
    runs[-1] += re.escape(text[end:])
    first, *rest = runs
    # Before another asterisk the first match is as good as any. The atomic group avoids exponential backtracking.
    return first + "".join(f"(?>[^/]*?{run})" for run in rest[:-1]) + "".join(f"[^/]*{run}" for run in rest[-1:])


def _wildcard(text: str) -> str:
    if text == "?":
        return "[^/]"
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", text[1:-1].removeprefix("!"))
    return f"[{'^/' if text[1] == '!' else ''}{inside}]"


NUMBER = "{tar}"
INSIDE = ".tar/"


def check(template: str) -> None:
    """Raise UsageError when a template does not name a tar by its number and a photo in it."""
    archive, inside, member = template.partition(INSIDE)
    name = archive.rpartition("/")[2]
    if not inside or name.count(NUMBER) != 1 or archive.count("{") != 1 or "{" not in member or INSIDE in member:
        raise UsageError(f"{template!r} must name a tar by {{tar}} and a photo in it",
                         hint="output: {path: 'out/{tar}.tar/{stem}.heic', tars: 64}")


def for_pairing(template: str) -> str:
    """Return a template that pairs can fill in before it is known which tar each photo goes to."""
    return template.replace(NUMBER, "0")


def tar_of(output: str, template: str, number: int, count: int) -> str:
    """Return the path of tar `number` of `count`, `out/07.tar`, from the output of one of its photos."""
    folder, slash, _ = output.partition(INSIDE)[0].rpartition("/")
    name = template.partition(INSIDE)[0].rpartition("/")[2] + INSIDE[:-1]
    return folder + slash + name.replace(NUMBER, f"{number:0{len(str(count - 1))}}")
