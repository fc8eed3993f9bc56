"""Every error this package raises on purpose.

    GpudepthError                    exit 1   it could not be done, for the reason given
    ├── UsageError                   exit 2   what was asked makes no sense (near >= far, unknown option value)
    │   ├── JobError                 exit 2   a job file is wrong; lists every mistake with file:line
    │   ├── MissingInputError        exit 2   a named input does not exist
    │   └── AccessError              exit 2   an object store takes no such credentials, or has no such bucket
    ├── FileError                    exit 1   a file is not what it should be; says where in the file
    │   ├── TruncatedError           exit 1   it ends too early
    │   ├── MalformedError           exit 1   it contradicts its format
    │   ├── UnsupportedError         exit 1   valid, but not something we handle; says why
    │   └── LimitError               exit 1   it asks for more than `limits` allows; names limit and value
    ├── DepthError                   exit 1   the depth itself is the problem
    │   ├── NoDepthError             exit 1   there is none in the file
    │   ├── ExistingDepthError       exit 1   there is one already, and replacing was not asked for
    │   ├── HolesError               exit 1   invalid pixels, and a stored format that has no code for them
    │   ├── RangeError               exit 1   no usable range: constant where it must not be, missing, not finite
    │   └── AspectError              exit 1   map and photo do not show the same field of view
    ├── BackendError                 exit 1   an explicitly named back end cannot be used
    ├── PartialRunError              exit 3   a run finished, and some items failed
    ├── OutputError                  exit 74  disk full, not writable, I/O error
    └── LockedError                  exit 75  another run holds the output folder

A message says what is wrong; `where` says in which file and where in it (``photo.heic: meta/iprp/ipco[9]/auxC``);
`hint` says what to do next. Both name settings as ``‹fill=nearest›``, which `render` turns into the caller's language.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable
from itertools import islice
from os import PathLike, fspath
from pathlib import Path

LONGEST = 2000      # characters of a text
LONGEST_OF_FILE = 1000      # of one that is about a file: what is in that goes into it, and may be megabytes
MOST = 50           # mistakes that are told of one job
NAMED = 20          # things of a file that a message names
LONGEST_NAME = 100  # characters of one of these
_REFERENCE = re.compile("‹([a-z_]+)(?:=([^‹›]*))?›")
_CONTROLS = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))}


class GpudepthError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with.

    message   what is wrong
    where     the file, and the place in it
    hint      what to do about it

    Source: sysexits.h for 70, 74, 75; 128 + signal for what is interrupted.
    """

    exit_code = 1
    longest = LONGEST

    def __init__(self, message: str, *, where: str | PathLike[str] | None = None, hint: str | None = None) -> None:
        message = _cut(message, self.longest)
        super().__init__(message)
        self.message = message
        self.where = fspath(where) if where is not None else None
        self.hint = _cut(hint, self.longest) if hint is not None else None

    def __str__(self) -> str:
        return self.describe(keyword)

    def describe(self, language: Callable[[str, str | None], str]) -> str:
        """Return place, message and hint, with settings named in a language: see `render`."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        return render(f"{text} ({self.hint})" if self.hint else text, language)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only fields must survive the trip out of a worker process.
        return (_rebuild, (type(self), self.message, self.where, self.hint, self.__dict__.copy()))

    def within(self, outer: str | PathLike[str]) -> GpudepthError:
        """The same error, with `outer` (a file, or an enclosing box) put before its place."""
        prefix = fspath(outer)
        if self.where is None:
            self.where = prefix
        elif not self.where.startswith(prefix):
            self.where = f"{prefix}: {self.where}"
        return self


def keyword(name: str, value: str | None) -> str:
    """A setting as Python code names it: `fill="nearest"`."""
    if value is None:
        return name
    plain = re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?|True|False|None|[(\\[{'\"].*", value)
    return f"{name}={value}" if plain else f'{name}="{value}"'


def render(text: str, language: Callable[[str, str | None], str] = keyword, *, joint: str = ", ") -> str:
    """Return the text with every ``‹setting=value›`` named in a language.

    Args:
        text: The text.
        language: Names a setting, of which the value may be None; Python's keywords unless named.
        joint: Stands between two settings that follow each other.
    """
    if "‹" not in text:
        return text
    return _REFERENCE.sub(lambda found: language(found[1], found[2]), text.replace("› ‹", f"›{joint}‹"))


def listing(names: Iterable[str], count: int, joint: str = ", ", none: str = "nothing") -> str:
    """The first 20 of `count` names for a message, and how many more there are; `none` when there are none."""
    told = [_cut(name, LONGEST_NAME) for name in islice(names, NAMED)]
    return joint.join(told + [f"and {count - NAMED:,} more"] * (count > NAMED)) or none


def readable(text: str, *, lines: bool = False) -> str:
    """A text for a terminal, to which nothing that a file says or is called is a command. lines: it may have several,
    of which all but the first are indented, so that none looks like a message of its own."""
    return "\n  ".join(line.translate(_CONTROLS) for line in text.split("\n")) if lines else text.translate(_CONTROLS)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _rebuild(
    cls: type[GpudepthError], message: str, where: str | None, hint: str | None, state: dict[str, object]
) -> GpudepthError:
    error = cls.__new__(cls)
    GpudepthError.__init__(error, message, where=where, hint=hint)
    error.__dict__.update(state)
    return error


class UsageError(GpudepthError):
    exit_code = 2


class JobError(UsageError):
    """A job file is wrong. `problems` holds one line per mistake, each with file:line and dotted path; the first 50."""

    def __init__(self, problems: list[str], *, where: str | PathLike[str] | None = None) -> None:
        more = len(problems) - MOST
        told = [_cut(p, LONGEST) for p in problems[:MOST]] + [f"and {more} more"] * (more > 0)
        super().__init__("\n".join(told), where=None)
        self.problems = told
        self.job = fspath(where) if where is not None else None


class MissingInputError(UsageError):
    pass


class AccessError(UsageError):
    pass


class FileError(GpudepthError):
    longest = LONGEST_OF_FILE


class TruncatedError(FileError):
    pass


class MalformedError(FileError):
    pass


class UnsupportedError(FileError):
    pass


class LimitError(FileError):
    pass


class DepthError(GpudepthError):
    pass


class NoDepthError(DepthError):
    pass


class ExistingDepthError(DepthError):
    pass


class HolesError(DepthError):
    pass


class RangeError(DepthError):
    pass


class AspectError(DepthError):
    pass


class BackendError(GpudepthError):
    pass


class PartialRunError(GpudepthError):
    exit_code = 3


class OutputError(GpudepthError):
    exit_code = 74


class LockedError(GpudepthError):
    exit_code = 75


class Interrupted(BaseException):
    """SIGINT or SIGTERM, like KeyboardInterrupt no error; `code` is the exit code that says so: 130 or 143."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by signal {signum}")
        self.code = 128 + signum


LOOKED_AT = 2000        # names of a folder that are compared
CLOSE = 0.7             # similarity of names from which one is suggested


def missing_file(path: str | os.PathLike[str] | bytes, what: str = "the file does not exist",
            hint: str | None = None) -> MissingInputError:
    """Make the error for a missing file; `hint` is used if no name in the folder is similar."""
    file = Path(os.fsdecode(path))
    there, wanted = file.parent, file.name
    while not there.is_dir() and there != there.parent:
        there, wanted = there.parent, there.name
    if there != file.parent:
        what += f": there is no folder {there / wanted}"
    meant = _meant(there, wanted, a_folder=there != file.parent)
    return MissingInputError(what, where=os.fsdecode(path), hint=f"did you mean {meant}?" if meant else hint)


def _meant(folder: Path, wanted: str, *, a_folder: bool) -> Path | None:
    """Return the entry of a folder with the most similar name."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name.casefold(): entry.name for entry in islice(entries, LOOKED_AT)
                     if entry.is_dir() or not a_folder}
    except (OSError, ValueError):
        return None
    for found in difflib.get_close_matches(wanted.casefold(), names, 5, CLOSE):
        stems = Path(found).stem, Path(wanted.casefold()).stem      # a common .png does not make names similar
        if difflib.SequenceMatcher(None, *stems).ratio() >= CLOSE:
            return folder / names[found]
    return None
