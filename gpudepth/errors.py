"""Defines all errors that this package raises on purpose.

    GpudepthError                    exit 1   the task failed for the reason given
    ├── UsageError                   exit 2   the request is wrong (near >= far, unknown option value)
    │   ├── JobError                 exit 2   a job file is wrong; lists each mistake with file:line
    │   ├── MissingInputError        exit 2   a named input does not exist
    │   └── AccessError              exit 2   an object store refuses the credentials or has no such bucket
    ├── FileError                    exit 1   a file is not as expected; names the place in the file
    │   ├── TruncatedError           exit 1   the file ends too early
    │   ├── MalformedError           exit 1   the file contradicts its format
    │   ├── UnsupportedError         exit 1   the file is valid but not supported; gives the reason
    │   └── LimitError               exit 1   the file needs more than `limits` allows; names limit and value
    ├── DepthError                   exit 1   the depth itself is the problem
    │   ├── NoDepthError             exit 1   the file holds no depth
    │   ├── ExistingDepthError       exit 1   the file holds depth, and replacing it was not requested
    │   ├── HolesError               exit 1   pixels have no value, and the stored format has no code for that
    │   ├── RangeError               exit 1   the range is constant, missing or not finite
    │   └── AspectError              exit 1   map and photo show different fields of view
    ├── BackendError                 exit 1   a back end that was named explicitly cannot be used
    │   ├── DeviceError              exit 1   a GPU, or the process that owns it, failed
    │   └── DeviceMemoryError        exit 1   the memory of a GPU is full
    ├── PartialRunError              exit 3   a run finished and some items failed
    ├── OutputError                  exit 74  the disk is full or not writable, or fails
    └── LockedError                  exit 75  another run uses the output folder

A message states what is wrong. `where` names the file and the place in it (``photo.heic: meta/iprp/ipco[9]/auxC``).
`hint` states what to do next. Messages and hints name settings as ``‹fill=nearest›``, which `render` turns into the
caller's language.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike, fspath
from pathlib import Path

LONGEST = 2000      # characters of a message or hint
LONGEST_OF_FILE = 1000      # characters of a message about a file, which may quote megabytes from the file
MOST = 50           # mistakes of one job that are listed
NAMED = 20          # names that a message lists
LONGEST_NAME = 100  # characters of each of these names
_REFERENCE = re.compile("‹([a-z_]+)(?:=([^‹›]*))?›")
_CONTROLS = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))}


class GpudepthError(Exception):
    """The base class of all errors of gpudepth.

    Attributes:
        message: What is wrong.
        where: The file and the place in it, or None.
        hint: What to do next, or None.
        exit_code: The exit status of the command line for this error.

    Source: sysexits.h for the exit codes 70, 74 and 75; 128 + signal for interrupted commands.
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
        """Return place, message and hint in one line, with settings named by `language` as in `render`."""
        text = f"{self.where}: {self.message}" if self.where else self.message
        return render(f"{text} ({self.hint})" if self.hint else text, language)

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send errors to their parent: keyword-only arguments must be pickled as well.
        return (_rebuild, (type(self), self.message, self.where, self.hint, self.__dict__.copy()))

    def within(self, outer: str | PathLike[str]) -> GpudepthError:
        """Put `outer`, a file or an enclosing box, in front of the place; return this error."""
        prefix = fspath(outer)
        if self.where is None:
            self.where = prefix
        elif not self.where.startswith(prefix):
            self.where = f"{prefix}: {self.where}"
        return self


@contextmanager
def located(outer: str | PathLike[str]) -> Iterator[None]:
    """Put `outer`, a file or an enclosing box, in front of the place of an error that is raised inside the `with`."""
    try:
        yield
    except GpudepthError as error:
        raise error.within(outer) from None


def keyword(name: str, value: str | None) -> str:
    """Return a setting as Python code names it: `fill="nearest"`."""
    if value is None:
        return name
    plain = re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?|True|False|None|[(\\[{'\"].*", value)
    return f"{name}={value}" if plain else f'{name}="{value}"'


def render(text: str, language: Callable[[str, str | None], str] = keyword, *, joint: str = ", ") -> str:
    """Return the text with each ``‹setting=value›`` written in a language.

    Args:
        text: The text.
        language: Formats a setting from its name and its value or None. The default writes Python keywords.
        joint: The separator of two adjacent settings.
    """
    if "‹" not in text:
        return text
    return _REFERENCE.sub(lambda found: language(found[1], found[2]), text.replace("› ‹", f"›{joint}‹"))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 photo` or `12 photos`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(names: Iterable[str], count: int, joint: str = ", ", none: str = "nothing", *, most: int = NAMED,
            longest: int = LONGEST_NAME) -> str:
    """Return the first of `count` names, at most `most`, and the number of the others; return `none` for no names."""
    first = [_cut(name, longest) for name in islice(names, most)]
    return joint.join(first + [f"and {count - most:,} more"] * (count > most)) or none


def readable(text: str, *, lines: bool = False) -> str:
    """Return a text with control characters escaped, so that names and contents of files cannot control the terminal.

    With `lines`, line breaks are kept and the lines after the first are indented, so that they do not look like
    separate messages.
    """
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
    """The request is wrong: an unknown option value, or options that contradict each other."""

    exit_code = 2


class JobError(UsageError):
    """A job file is wrong.

    Attributes:
        problems: One line per mistake, with file:line and dotted path; the first 50.
        job: The path of the job, or None.
    """

    def __init__(self, problems: list[str], *, where: str | PathLike[str] | None = None) -> None:
        more = len(problems) - MOST
        self.problems = [_cut(p, LONGEST) for p in problems[:MOST]] + [f"and {more} more"] * (more > 0)
        super().__init__("\n".join(self.problems), where=None)
        self.job = fspath(where) if where is not None else None


class MissingInputError(UsageError):
    """A named input file or folder does not exist, or holds nothing to work on."""


class AccessError(UsageError):
    """An object store refuses the credentials, or has no such bucket."""


class FileError(GpudepthError):
    """A file cannot be read, or is not as expected."""

    longest = LONGEST_OF_FILE


class TruncatedError(FileError):
    """A file ends too early."""


class MalformedError(FileError):
    """A file contradicts its format."""


class UnsupportedError(FileError):
    """A file is valid but not supported."""


class LimitError(FileError):
    """A file needs more than `gpudepth.limits` allows."""


class DepthError(GpudepthError):
    """The depth itself is the problem."""


class NoDepthError(DepthError):
    """A file holds no depth."""


class ExistingDepthError(DepthError):
    """A file holds depth already, and replacing it was not requested."""


class HolesError(DepthError):
    """Pixels have no value, and the stored format has no code for that."""


class RangeError(DepthError):
    """A map has no usable range: it is constant, missing or not finite."""


class AspectError(DepthError):
    """Map and photo show different fields of view."""


class BackendError(GpudepthError):
    """A back end that was named explicitly cannot be used."""


class DeviceError(BackendError):
    """A GPU, or the process that owns it, failed."""


class DeviceMemoryError(BackendError):
    """The memory of a GPU is full."""


class PartialRunError(GpudepthError):
    """A run finished and some items failed."""

    exit_code = 3


class OutputError(GpudepthError):
    """An output cannot be written: the disk is full, not writable, or fails."""

    exit_code = 74


class LockedError(GpudepthError):
    """Another run uses the output folder."""

    exit_code = 75


class Interrupted(BaseException):
    """SIGINT or SIGTERM stopped a run. Like KeyboardInterrupt this is not an error; `code` is 130 or 143."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by signal {signum}")
        self.code = 128 + signum


LOOKED_AT = 2000        # names of a folder that are compared
CLOSE = 0.7             # least similarity of a name that is suggested


def missing_file(path: str | os.PathLike[str] | bytes, what: str = "the file does not exist",
            hint: str | None = None) -> MissingInputError:
    """Make the error for a missing file; `hint` is used if no name in the folder is similar."""
    file = Path(os.fsdecode(path))
    there, wanted = file.parent, file.name
    while not there.is_dir() and there != there.parent:
        there, wanted = there.parent, there.name
    if there != file.parent:
        what += f": there is no folder {there / wanted}"
    meant = _most_similar(there, wanted, folders_only=there != file.parent)
    return MissingInputError(what, where=os.fsdecode(path), hint=f"did you mean {meant}?" if meant else hint)


def _most_similar(folder: Path, wanted: str, *, folders_only: bool) -> Path | None:
    """Return the entry of a folder with the most similar name."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name.casefold(): entry.name for entry in islice(entries, LOOKED_AT)
                     if entry.is_dir() or not folders_only}
    except (OSError, ValueError):
        return None
    import difflib  # late: most paths are right

    for found in difflib.get_close_matches(wanted.casefold(), names, 5, CLOSE):
        stems = Path(found).stem, Path(wanted.casefold()).stem      # a common .png does not make names similar
        if difflib.SequenceMatcher(None, *stems).ratio() >= CLOSE:
            return folder / names[found]
    return None
