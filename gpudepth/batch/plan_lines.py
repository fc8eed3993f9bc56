"""Items of a plan as lines of text, and back. What is not a line of a plan is refused, with what is wrong with it.

    {"hash": "<the first 8 bytes of the key's SHA-256, by which it belongs to a shard>", "key": …, "photo": …, …}
    {"hash": …, "refused": {"key": …, "type": "MalformedError", "message": …}}

A file is its path, relative to the job file where it lies below; a member of an archive says where in it; an object of
a store is its URL, size and ETag.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from .. import errors
from ..compute.threads import available_cores
from ..errors import GpudepthError
from ..formats.archive.member import Member
from ..formats.bytesource import Input
from ..pairing.clips import Footage
from ..pairing.pairs import Refused
from ..pairing.stores import RemoteFile, Target, is_url
from ..settings.clip import ClipSettings
from .tars import Tar
from .work_item import ClipItem, PhotoItem, WorkItem, below, key_hash

HASH = slice(9, 25)         # of a line: {"hash":"0123456789abcdef",
REFUSED = b'","refused":'
_BESIDE = ("metric", "confidence", "camera")
_MEMBER = tuple(field.name for field in fields(Member))


class LineError(ValueError):
    """What is wrong with a line, in words."""


class Lines:
    """Lines of one plan. base: what paths are relative to; root: the folder that all outputs lie under, what a line
    says or not, unless they may lie anywhere: a list of pairs says itself where they go. options, workers: of clips,
    which are the job's, and how many of them are done at a time."""

    def __init__(self, base: Path, root: Path, options: ClipSettings | None = None, workers: int = 1, *,
                 anywhere: bool = False) -> None:
        self.base, self.root, self.options, self.anywhere = base, root, options, anywhere
        self.threads = max(1, available_cores() // workers)

    def write(self, item: WorkItem) -> bytes:
        if isinstance(item, ClipItem):
            data: dict[str, Any] = {
                "video": self._footage(item.video), "depth": item.depth and self._footage(item.depth),
                "pattern": self._relative(item.pattern),
                "output": self._path(item.output)}
        elif isinstance(item, Tar):
            data = {"output": self._path(item.output) if isinstance(item.output, Path) else item.output.url,
                    "photos": [{"key": one.key, **self._photo(one)} for one in item.items]}
        elif isinstance(item, PhotoItem):
            data = self._photo(item)
        else:
            raise TypeError(type(item).__name__)
        return as_line({"hash": f"{key_hash(item.key):016x}", "key": item.key, **data})

    def _photo(self, item: PhotoItem) -> dict[str, Any]:
        data = {"photo": self._input(item.photo), "depth": self._input(item.depth),
                "output": self._path(item.output) if isinstance(item.output, Path) else item.output.url}
        data |= {name: self._input(file) for name in _BESIDE if (file := getattr(item, name)) is not None}
        if item.aids:
            data["aids"] = [self._input(file) for file in item.aids]
        return data

    def write_refused(self, refused: Refused) -> bytes:
        error = refused.error
        told = {"key": refused.key, "type": type(error).__name__, "message": error.message, "where": error.where,
                "hint": error.hint}
        return as_line({"hash": f"{key_hash(refused.key):016x}", "refused": told})

    def read(self, line: bytes) -> WorkItem:
        """Raises LineError."""
        data = Fields(parse(line))
        key = data.take("key", str)
        self._agree(data, key)
        if "video" in data.left:
            item: WorkItem = self._clip(key, data)
        elif "photos" in data.left:
            item = self._tar(key, data)
        else:
            output = self._target(data)
            item = self._read_photo(key, data, output, self._within(output))
        data.end()
        return item

    def _read_photo(self, key: str, data: Fields, output: Path | Target, target: str) -> PhotoItem:
        beside: dict[str, Any] = {n: self._read_input(data.left.pop(n)) for n in _BESIDE if n in data.left}
        aids = tuple(self._read_input(file) for file in data.take("aids", list, []))
        return PhotoItem(key, self._read_input(data.take("photo")), self._read_input(data.take("depth")), output,
                         target,
                    **beside, aids=aids)

    def _tar(self, key: str, data: Fields) -> Tar:
        output, items = self._target(data), []
        for one in data.take("photos", list):
            told = Fields(_is(one, dict, "photos"))
            name = told.take("output", str)
            if not name or name.startswith("/") or ".." in name.split("/"):
                raise LineError(f"{name!r:.80} is no name of a photo in a tar")
            items.append(self._read_photo(told.take("key", str), told, Path(name), name))
            told.end()
        if not items or self._within(output) != key:
            raise LineError("it is a tar without photos, or of another name than its key")
        return Tar(key, tuple(items), output)

    def read_refused(self, line: bytes) -> Refused:
        """Raises LineError."""
        data = Fields(parse(line))
        told = Fields(data.take("refused", dict))
        key, name = told.take("key", str), told.take("type", str)
        self._agree(data, key)
        data.end()
        kind = getattr(errors, name, None)
        if not (isinstance(kind, type) and issubclass(kind, GpudepthError)) or kind is errors.JobError:
            raise LineError(f"{name!r} is no error of gpudepth")
        error = kind(told.take("message", str), where=told.take("where", str, None), hint=told.take("hint", str, None))
        told.end()
        return Refused(key, error)

    def _agree(self, data: Fields, key: str) -> None:
        if data.take("hash", str) != f"{key_hash(key):016x}":
            raise LineError("its hash is not that of its key")

    def _clip(self, key: str, data: Fields) -> ClipItem:
        if self.options is None:
            raise LineError("it is a clip, and the job has none")
        depth = data.take("depth", dict, None)
        output, pattern = self._output(data), self._read_path(data.take("pattern", str))
        self._within(pattern)
        return ClipItem(key, self._read_footage(data.take("video", dict)), depth and self._read_footage(depth),
                        str(pattern), output, self._within(output), self.options, self.threads)

    def _within(self, output: Path | Target) -> str:
        """Its name from the root on. Raises LineError for one that does not lie there."""
        name = below(output, self.root)
        if not self.anywhere and (is_url(name) or ".." in name.split("/")):
            raise LineError("its output lies outside of the folder that the job writes to")
        return name

    def _target(self, data: Fields) -> Path | Target:
        text = data.take("output", str)
        return Target(text) if is_url(text) else self._read_path(text)

    def _output(self, data: Fields) -> Path:
        return self._read_path(data.take("output", str))

    def _input(self, file: Input) -> Any:
        if isinstance(file, Member):
            told = {name: getattr(file, name) for name in _MEMBER}
            return {**told, "archive": self._path(file.archive)}
        if isinstance(file, RemoteFile):
            return {"url": file.url, "size": file.size, "etag": file.etag}
        if not isinstance(file, Path):
            raise TypeError(type(file).__name__)
        return self._path(file)

    def _read_input(self, data: Any) -> Input:
        if isinstance(data, str):
            return self._read_path(data)
        if not isinstance(data, dict):
            raise LineError(f"{data!r:.80} names no file")
        told = Fields(data)
        if "url" in data:
            return self._stored(told)
        archive = self._read_path(told.take("archive", str))
        numbers = {name: told.number(name) for name in ("offset", "size", "packed", "method")}
        kind, crc = told.take("kind", str), told.number("crc") if told.left.get("crc") is not None else None
        if kind not in ("zip", "tar"):
            raise LineError(f"{kind!r} is no kind of archive")
        member = Member(archive, kind, told.take("inside", str), **numbers,
                        crc=crc, problem=told.take("problem", str))
        told.left.pop("crc", None)
        told.end()
        return member

    def _stored(self, told: Fields) -> RemoteFile:
        stored = RemoteFile(told.take("url", str), told.number("size"), told.take("etag", str))
        told.end()
        if not is_url(stored.url):
            raise LineError(f"{stored.url!r:.80} is no URL")
        return stored

    def _footage(self, footage: Footage) -> dict[str, Any]:
        return {"files": [self._path(file) for file in footage.files], "sequence": footage.sequence,
                "numbers": footage.numbers, "times": footage.times and [str(time) for time in footage.times]}

    def _read_footage(self, data: dict[str, Any]) -> Footage:
        told = Fields(data)
        files = tuple(self._read_path(_is(file, str, "files")) for file in told.take("files", list))
        numbers, times = told.take("numbers", list, None), told.take("times", list, None)
        if not files or any(one is not None and len(one) != len(files) for one in (numbers, times)):
            raise LineError("its footage has no files, or not as many numbers or times")
        try:
            footage = Footage(
                files, told.take("sequence", bool),
                None if numbers is None else tuple(_is(number, int, "numbers") for number in numbers),
                None if times is None else tuple(Fraction(_is(time, str, "times")) for time in times))
        except (ValueError, ZeroDivisionError) as error:
            raise LineError(f"times: {error}") from None
        told.end()
        return footage

    def _path(self, path: Path) -> str:
        return self._relative(path.as_posix())

    def _relative(self, text: str) -> str:
        start = "" if self.base == Path() else self.base.as_posix().rstrip("/") + "/"
        return text[len(start):] if start and text.startswith(start) else text

    def _read_path(self, text: str) -> Path:
        if not text or "\0" in text:
            raise LineError(f"{text!r} is no path")
        return self.base / text


class Fields:
    """An object's fields, each taken once; what is left over has no business there."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.left = dict(data)

    def take(self, name: str, kind: type = object, *default: Any) -> Any:
        value = self.left.pop(name, *(default or (_MISSING,)))
        if value is _MISSING:
            raise LineError(f"has no {name!r}")
        return value if default and value == default[0] else _is(value, kind, name)

    def number(self, name: str) -> int:
        value: int = self.take(name, int)
        if value < 0:
            raise LineError(f"{name}: {value} is negative")
        return value

    def end(self) -> None:
        if self.left:
            raise LineError(f"has {min(self.left)!r:.80}, which means nothing here")


_MISSING = object()


def _is(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LineError(f"{name}: {value!r:.80} should be {_KINDS.get(kind, kind.__name__)}")
    return value


_KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "an object", bool: "true or false"}


def as_line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """A line as an object. Raises LineError."""
    try:
        data = json.loads(line, parse_constant=_no_number)
    except RecursionError:
        raise LineError("is nested too deeply") from None
    except ValueError as error:
        raise LineError(f"is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise LineError("is no JSON object")
    return data


def _no_number(name: str) -> Callable[[], None]:
    raise ValueError(f"{name} is no number")
