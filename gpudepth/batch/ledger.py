"""Keeps the ledger of a run: one JSON line for each finished item, in the order in which they finished.

A run resumes by its ledger, not by file names. An item is done if its last row has status "ok", the settings of the job
are the same, its inputs are unchanged (size, modification time and inode agree, or otherwise the SHA-256), and the
output exists with the recorded size.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from ..deprecated import renamed_attribute
from ..errors import FileError, LockedError, OutputError
from ..formats.archive import Member
from ..formats.bytesource import Input, VirtualFile
from ..limits import Limits
from ..pairing.stores import Facts, RemoteFile, Target, existing_facts
from .job_hash import JobHash

_SUMMARY = "said"        # the JSON name of `summary`, as in version 0.1
_TEXTS = ("key", "status", "job", "output", "output_sha256", "output_etag", _SUMMARY, "error", "message", "members")
_NUMBERS = ("output_size", "filled", "seconds", "pixels")
NO_OBJECTS: Mapping[str, Facts | None] = MappingProxyType({})
LEDGER = "gpudepth-ledger.jsonl"      # in the folder of the outputs
MOST_LINE = 1 << 24      # bytes of a row, which names every file of a sequence of pictures
_UNLIMITED = Limits(max_file=0, max_ratio=0)    # the job's own limits allowed a file of this size already


@dataclass(frozen=True)
class FileState:
    """The state of a file when it was read or written.

    Attributes:
        size: Bytes; of a member of an archive, those of the member.
        mtime_ns: Modification time; of a member, that of the archive.
        inode: Inode; of a member, that of the archive.
        sha256: Hash of the content.
        archive: Of a member, the size of the archive and the place of the member in it.
        etag: Of an object in a store, its ETag. The ETag and the size decide whether an object is unchanged.
    """

    size: int
    mtime_ns: int
    inode: int
    sha256: str
    archive: tuple[int, int] | None = None
    etag: str = ""

    @classmethod
    def of(cls, path: Input) -> FileState:
        """Return the present state of a file. Raises OSError, FileError."""
        stat = path.stat()
        size, archive = _place(path, stat)
        return cls(size, stat.st_mtime_ns, stat.st_ino, sha256(path), archive)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FileState:
        """Return the state that a row of JSON holds."""
        return cls(**{**data, "archive": tuple(data["archive"]) if data.get("archive") else None})

    def is_unchanged(self, path: Input) -> bool:
        """Return whether the file is unchanged. It is hashed only if the size agrees and something else differs."""
        if isinstance(path, RemoteFile):
            return (path.size, path.etag) == (self.size, self.etag)
        try:
            stat = path.stat()
            size, archive = _place(path, stat)
            if size != self.size:
                return False
            same = (stat.st_mtime_ns, stat.st_ino, archive) == (self.mtime_ns, self.inode, self.archive)
            return same or sha256(path) == self.sha256
        except (OSError, FileError):
            return False


def _place(path: Input, stat: os.stat_result) -> tuple[int, tuple[int, int] | None]:
    return (path.size, (stat.st_size, path.offset)) if isinstance(path, Member) else (stat.st_size, None)


def sha256(path: Input) -> str:
    """Return the hash of a file's content. Raises OSError, FileError."""
    if isinstance(path, VirtualFile):
        return hashlib.sha256(path.read(_UNLIMITED)).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


StatSignature: TypeAlias = tuple[int, int] | None
"""Size and modification time; None for a file that does not exist."""


def stat_signature(path: Input) -> StatSignature:
    """Return what identifies a file before it is read; see `states`."""
    try:
        stat = path.stat()
    except (OSError, FileError):
        return None
    return stat.st_size, stat.st_mtime_ns


def states(inputs: Sequence[Input], before: Sequence[StatSignature]) -> list[FileState]:
    """Return the states of inputs that were read.

    Raises FileError for one that changed while it was being read: the output is made from neither version.
    """
    out = []
    for path, seen in zip(inputs, before, strict=True):
        with suppress(OSError):     # it was deleted
            out.append(FileState.of(path))
        if seen is None or stat_signature(path) != seen:
            raise FileError("the file changed while it was being read", where=str(path), hint="run again")
    return out


@dataclass(frozen=True)
class Row:
    """One line of the ledger.

    Attributes:
        key: Key of the item.
        status: "ok" or "error".
        job: Hash of the job.
        photo: State of the photo or video.
        depth: State of the map.
        output: Path of the output relative to the plan's root.
        output_size: Bytes of the output.
        output_sha256: Hash of the output.
        summary: What was understood of the map.
        range: Range that is stored, in the native quantity.
        metres: Nearest and farthest metres; None for infinity.
        filled: Number of pixels that were filled.
        warnings: Problems.
        error: Class of the error.
        message: Its message.
        seconds: Seconds from the start of the task to its end.
        pixels: Pixels of the map, or of all maps of a clip.
        stages: Seconds by stage; see `timing`.
        beside: States of the other inputs.
        output_etag: ETag of an output in an object store.
        members: Of an output that holds several photos, the SHA-256 of their names.
    """


    key: str
    status: str
    job: str
    photo: FileState | None = None
    depth: FileState | None = None
    output: str = ""
    output_size: int = 0
    output_sha256: str = ""
    summary: str = ""
    range: tuple[float, float] | None = None
    metres: tuple[float | None, float | None] | None = None
    filled: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""
    message: str = ""
    seconds: float = 0.0
    pixels: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    beside: tuple[FileState, ...] = ()
    output_etag: str = ""
    members: str = ""

    said = renamed_attribute("said", "summary")

    def to_json(self) -> str:
        """Return the line, without empty fields."""
        rows = {_SUMMARY if k == "summary" else k: v for k, v in asdict(self).items() if v not in (None, "", (), 0, {})}
        for state in (rows.get("photo"), rows.get("depth"), *rows.get("beside", ())):
            for name in ("archive", "etag"):
                if state and not state[name]:
                    del state[name]
        return json.dumps(rows, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Parse a line. Raises ValueError or TypeError for a line that is not a row."""
        try:
            data: dict[str, Any] = json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(data, dict) or not _is_row(data):
            raise TypeError("not a row of a ledger")
        for name in ("photo", "depth"):
            if data.get(name):
                data[name] = FileState.from_dict(data[name])
        if "beside" in data:
            data["beside"] = tuple(FileState.from_dict(state) for state in data["beside"])
        for name in ("range", "metres", "warnings"):
            if name in data:
                data[name] = tuple(data[name])
        return cls(**{"summary" if name == _SUMMARY else name: value for name, value in data.items()})

    def done(self, job: JobHash, inputs: Sequence[Input], output: Path | Target,
             objects: Mapping[str, Facts | None] = NO_OBJECTS) -> bool:
        """Return whether the item is done.

        Args:
            job: Hash of the job.
            inputs: Photo, map, and the other inputs.
            output: The output.
            objects: Known facts of outputs in object stores; the store is asked about others.
        """
        if self.status != "ok" or not job.covers(self.job) or self.photo is None or self.depth is None:
            return False
        with suppress(OSError):
            if self._exists(output, objects):
                states = (self.photo, self.depth, *self.beside)
                return len(states) == len(inputs) and all(s.is_unchanged(p) for s, p in zip(states, inputs,
                                                                                            strict=True))
        return False

    def _exists(self, output: Path | Target, objects: Mapping[str, Facts | None]) -> bool:
        """Return whether the output is as it was written. Raises OSError."""
        if isinstance(output, Target):
            found = objects[output.url] if output.url in objects else existing_facts(output.url)
            return found == (self.output_size, self.output_etag)
        return output.stat().st_size == self.output_size


def _is_row(data: dict[str, Any]) -> bool:
    """Return whether the values that are shown and added have the right types."""
    stages, metres, warnings = data.get("stages", {}), data.get("metres", ()), data.get("warnings", ())
    numbers = [data[name] for name in _NUMBERS if name in data]
    return (all(isinstance(data.get(name, ""), str) for name in _TEXTS)
            and isinstance(stages, dict) and isinstance(metres, list | tuple) and isinstance(warnings, list | tuple)
            and all(isinstance(warning, str) for warning in warnings) and len(metres) in (0, 2)
            and all(isinstance(n, int | float) and isfinite(n)
                    for n in (*numbers, *stages.values(), *(m for m in metres if m is not None))))


def read_rows(path: Path, start: int = 0) -> Iterator[Row]:
    """Yield the rows of a ledger from a byte on, one in memory at a time; lines that are not rows are skipped."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            with suppress(ValueError, TypeError):
                yield Row.from_json(line.decode())


@dataclass
class Ledger:
    """A ledger that is open for appending and locked: a second run of the folder gets LockedError. A context manager.

    Attributes:
        path: The file.
        rows: The last row of each key when the ledger was opened; rows that are added are written, not held.
        shared: Takes a shared lock instead, without reading rows or writing. Shards take it on the ledger of the whole
            run, which blocks whole runs and merges.
    """

    path: Path
    rows: dict[str, Row] = field(default_factory=dict)
    shared: bool = False
    _handle: int = -1

    def __enter__(self) -> Ledger:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(f"the ledger cannot be written: {error.strerror}", where=self.path) from None
        try:
            self._lock()
            if not self.shared:
                self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._handle >= 0:
            os.close(self._handle)  # releases the lock
            self._handle = -1

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows has no such lock; the documentation says so
            return
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            raise LockedError("another run is writing this folder", where=self.path.parent,
                              hint="wait for it to end, or write to another folder") from None

    def _load(self) -> None:
        """Read the rows; an incomplete last line, left by a killed run, is cut off."""
        size = os.fstat(self._handle).st_size
        tail = os.pread(self._handle, min(size, MOST_LINE), size - min(size, MOST_LINE))
        whole = size - len(tail) + tail.rfind(b"\n") + 1 if tail else 0
        if whole != size:
            os.ftruncate(self._handle, whole)
        for row in read_rows(self.path):
            self.rows[row.key] = row

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._handle).st_size

    def add(self, row: Row) -> None:
        """Append one row, with a single write. Raises OutputError."""
        line = (row.to_json() + "\n").encode()
        try:
            if os.write(self._handle, line) != len(line):
                raise OutputError("the disk is full", where=self.path)
        except OSError as error:
            raise OutputError(f"the ledger cannot be written: {error.strerror}", where=self.path) from None
