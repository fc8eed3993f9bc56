"""Converts items of a plan to lines of text and back. Lines that are not items are refused, with the reason.

    {"hash": "<the first 8 bytes of the key's SHA-256, by which it belongs to a shard>", "key": …, "photo": …, …}
    {"hash": …, "refused": {"key": …, "type": "MalformedError", "message": …}}

A file is its path, relative to the job file if it is below; a member of an archive has its place in the archive; an
object of a store is its URL, size and ETag.
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
from ..formats.archive import Member
from ..formats.bytesource import Input
from ..pairing.clips import Footage
from ..pairing.pairs import Refused
from ..pairing.stores import RemoteFile, Target, is_url
from ..settings.clip import ClipSettings
from .tars import Tar
from .work_item import ClipItem, PhotoItem, WorkItem, below, key_hash

HASH = slice(9, 25)         # place of the hash in a line: {"hash":"0123456789abcdef",
REFUSED = b'","refused":'
_BESIDE = ("metric", "confidence", "camera")
_MEMBER = tuple(field.name for field in fields(Member))


class LineError(ValueError):
    """The reason why a line is refused."""


class LineCodec:
    """Writes and reads the lines of one plan.

    Args:
        base: The folder that paths are relative to.
        root: The folder in which all outputs must be.
        options: The job's settings of clips.
        workers: Number of clips that are processed at a time.
        anywhere: Allows outputs outside `root`, for lists of pairs that name their outputs.
    """


    def __init__(self, base: Path, root: Path, options: ClipSettings | None = None, workers: int = 1, *,
                 anywhere: bool = False) -> None:
        self.base, self.root, self.options, self.anywhere = base, root, options, anywhere
        self.threads = max(1, available_cores() // workers)

    def write(self, item: WorkItem) -> bytes:
        """Return the line of an item."""
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
        """Return the line of an item that is known to fail."""
        error = refused.error
        fields = {"key": refused.key, "type": type(error).__name__, "message": error.message, "where": error.where,
                "hint": error.hint}
        return as_line({"hash": f"{key_hash(refused.key):016x}", "refused": fields})

    def read(self, line: bytes) -> WorkItem:
        """Return the item of a line. Raises LineError."""
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
            fields = Fields(_typed(one, dict, "photos"))
            name = fields.take("output", str)
            if not name or name.startswith("/") or ".." in name.split("/"):
                raise LineError(f"{name!r:.80} is not a valid name of a photo in a tar")
            items.append(self._read_photo(fields.take("key", str), fields, Path(name), name))
            fields.end()
        if not items or self._within(output) != key:
            raise LineError("a tar without photos, or with another name than its key")
        return Tar(key, tuple(items), output)

    def read_refused(self, line: bytes) -> Refused:
        """Return the refused item of a line. Raises LineError."""
        data = Fields(parse(line))
        fields = Fields(data.take("refused", dict))
        key, name = fields.take("key", str), fields.take("type", str)
        self._agree(data, key)
        data.end()
        kind = getattr(errors, name, None)
        if not (isinstance(kind, type) and issubclass(kind, GpudepthError)) or kind is errors.JobError:
            raise LineError(f"{name!r} is not an error of gpudepth")
        error = kind(fields.take("message", str), where=fields.take("where", str, None), hint=fields.take("hint", str,
                                                                                                          None))
        fields.end()
        return Refused(key, error)

    def _agree(self, data: Fields, key: str) -> None:
        if data.take("hash", str) != f"{key_hash(key):016x}":
            raise LineError("the hash is not that of the key")

    def _clip(self, key: str, data: Fields) -> ClipItem:
        if self.options is None:
            raise LineError("a clip, but the job has photos")
        depth = data.take("depth", dict, None)
        output, pattern = self._output(data), self._read_path(data.take("pattern", str))
        self._within(pattern)
        return ClipItem(key, self._read_footage(data.take("video", dict)), depth and self._read_footage(depth),
                        str(pattern), output, self._within(output), self.options, self.threads)

    def _within(self, output: Path | Target) -> str:
        """Return an output relative to the root. Raises LineError for one outside."""
        name = below(output, self.root)
        if not self.anywhere and (is_url(name) or ".." in name.split("/")):
            raise LineError("the output is outside the folder of the job's outputs")
        return name

    def _target(self, data: Fields) -> Path | Target:
        text = data.take("output", str)
        return Target(text) if is_url(text) else self._read_path(text)

    def _output(self, data: Fields) -> Path:
        return self._read_path(data.take("output", str))

    def _input(self, file: Input) -> Any:
        if isinstance(file, Member):
            parts = {name: getattr(file, name) for name in _MEMBER}
            return {**parts, "archive": self._path(file.archive)}
        if isinstance(file, RemoteFile):
            return {"url": file.url, "size": file.size, "etag": file.etag}
        if not isinstance(file, Path):
            raise TypeError(type(file).__name__)
        return self._path(file)

    def _read_input(self, data: Any) -> Input:
        if isinstance(data, str):
            return self._read_path(data)
        if not isinstance(data, dict):
            raise LineError(f"{data!r:.80} does not name a file")
        fields = Fields(data)
        if "url" in data:
            return self._stored(fields)
        archive = self._read_path(fields.take("archive", str))
        numbers = {name: fields.number(name) for name in ("offset", "size", "packed", "method")}
        kind, crc = fields.take("kind", str), fields.number("crc") if fields.left.get("crc") is not None else None
        if kind not in ("zip", "tar"):
            raise LineError(f"unknown kind of archive {kind!r}")
        member = Member(archive, kind, fields.take("inside", str), **numbers,
                        crc=crc, problem=fields.take("problem", str))
        fields.left.pop("crc", None)
        fields.end()
        return member

    def _stored(self, fields: Fields) -> RemoteFile:
        stored = RemoteFile(fields.take("url", str), fields.number("size"), fields.take("etag", str))
        fields.end()
        if not is_url(stored.url):
            raise LineError(f"{stored.url!r:.80} is not a URL")
        return stored

    def _footage(self, footage: Footage) -> dict[str, Any]:
        return {"files": [self._path(file) for file in footage.files], "sequence": footage.sequence,
                "numbers": footage.numbers, "times": footage.times and [str(time) for time in footage.times]}

    def _read_footage(self, data: dict[str, Any]) -> Footage:
        fields = Fields(data)
        files = tuple(self._read_path(_typed(file, str, "files")) for file in fields.take("files", list))
        numbers, times = fields.take("numbers", list, None), fields.take("times", list, None)
        if not files or any(one is not None and len(one) != len(files) for one in (numbers, times)):
            raise LineError("a clip without files, or with another number of numbers or times")
        try:
            footage = Footage(
                files, fields.take("sequence", bool),
                None if numbers is None else tuple(_typed(number, int, "numbers") for number in numbers),
                None if times is None else tuple(Fraction(_typed(time, str, "times")) for time in times))
        except (ValueError, ZeroDivisionError) as error:
            raise LineError(f"times: {error}") from None
        fields.end()
        return footage

    def _path(self, path: Path) -> str:
        return self._relative(path.as_posix())

    def _relative(self, text: str) -> str:
        start = "" if self.base == Path() else self.base.as_posix().rstrip("/") + "/"
        return text[len(start):] if start and text.startswith(start) else text

    def _read_path(self, text: str) -> Path:
        if not text or "\0" in text:
            raise LineError(f"{text!r} is not a path")
        return self.base / text


class Fields:
    """The fields of a JSON object, each taken once; unknown fields are errors."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.left = dict(data)

    def take(self, name: str, kind: type = object, *default: Any) -> Any:
        """Remove a field and return its value, of a type. Raises LineError."""
        value = self.left.pop(name, *(default or (_MISSING,)))
        if value is _MISSING:
            raise LineError(f"the field {name!r} is missing")
        return value if default and value == default[0] else _typed(value, kind, name)

    def number(self, name: str) -> int:
        """Remove a field and return its number, which is not negative. Raises LineError."""
        value: int = self.take(name, int)
        if value < 0:
            raise LineError(f"{name}: {value} is negative")
        return value

    def end(self) -> None:
        """Raise LineError for a field that was not taken."""
        if self.left:
            raise LineError(f"unknown field {min(self.left)!r:.80}")


_MISSING = object()


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LineError(f"{name}: {value!r:.80} should be {_KINDS.get(kind, kind.__name__)}")
    return value


_KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "an object", bool: "true or false"}


def as_line(data: dict[str, Any]) -> bytes:
    """Return an object as a line of JSON."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """Return a line as an object. Raises LineError."""
    try:
        data = json.loads(line, parse_constant=_no_number)
    except RecursionError:
        raise LineError("JSON is nested too deeply") from None
    except ValueError as error:
        raise LineError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise LineError("not a JSON object")
    return data


def _no_number(name: str) -> Callable[[], None]:
    raise ValueError(f"{name} is not a number")
