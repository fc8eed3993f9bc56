"""The ledger: one JSON line per finished item, in the order they finished. Resume believes it, not file names.

An item is done when its last row says so, the job's settings are the same, its inputs are unchanged (size,
modification time and inode agree, or else the SHA-256 does), and the output is there with the size written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import FileError, LockedError, OutputError
from ..formats.archive.member import Member
from ..formats.bytesource import Input, VirtualFile
from ..limits import Limits
from ..pairing.stores import RemoteFile, Target, known_facts
from .job_hash import JobHash

_TEXTS = ("key", "status", "job", "output", "output_sha256", "output_etag", "said", "error", "message", "members")
_NUMBERS = ("output_size", "filled", "seconds", "pixels")
LEDGER = "gpudepth-ledger.jsonl"      # in the folder that a run writes to
MOST_LINE = 1 << 24      # bytes of a row: of a sequence of pictures it names every file
_KNOWN = Limits(max_file=0, max_ratio=0)    # it is, or has the size of, what the job's own limits let pass


@dataclass(frozen=True)
class FileState:
    """A file as it was. `sha256` is of its content.

    etag: of an object in a store, as the store says it; of one, that and the size decide, and nothing else is known.

    Of a member of an archive: its size and content, the archive's time and inode; archive: the archive's size, and
    where the member is in it.
    """

    size: int
    mtime_ns: int
    inode: int
    sha256: str
    archive: tuple[int, int] | None = None
    etag: str = ""

    @classmethod
    def of(cls, path: Input) -> FileState:
        stat = path.stat()
        size, archive = _place(path, stat)
        return cls(size, stat.st_mtime_ns, stat.st_ino, sha256(path), archive)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FileState:
        return cls(**{**data, "archive": tuple(data["archive"]) if data.get("archive") else None})

    def is_unchanged(self, path: Input) -> bool:
        """Is the file unchanged? The hash is taken only when size agrees and the rest does not."""
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
    if isinstance(path, VirtualFile):
        return hashlib.sha256(path.read(_KNOWN)).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


StatSignature: TypeAlias = tuple[int, int] | None
"""Size and modification time; None: it is not there."""


def stat_signature(path: Input) -> StatSignature:
    """What a file looks like before it is read: see `states`."""
    try:
        stat = path.stat()
    except (OSError, FileError):
        return None
    return stat.st_size, stat.st_mtime_ns


def states(inputs: Sequence[Input], before: Sequence[StatSignature]) -> list[FileState]:
    """Of inputs that were read. Raises FileError for one that was written to meanwhile: the output is made of neither
    what was there nor what is."""
    out = []
    for path, seen in zip(inputs, before, strict=True):
        with suppress(OSError):     # it has gone
            out.append(FileState.of(path))
        if seen is None or stat_signature(path) != seen:
            raise FileError("has changed while it was read", where=str(path), hint="run again")
    return out


@dataclass(frozen=True)
class Row:
    """One line. status: "ok" or "error". `output` is relative to the plan's root. pixels: of the map, or of all of a
    clip's. seconds: from the task's start to its end; stages: where they went (`stopwatch`). members: of an output that
    holds several, the SHA-256 of their names."""

    key: str
    status: str
    job: str
    photo: FileState | None = None
    depth: FileState | None = None
    output: str = ""
    output_size: int = 0
    output_sha256: str = ""
    said: str = ""
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

    def to_json(self) -> str:
        rows = {k: v for k, v in asdict(self).items() if v not in (None, "", (), 0, {})}
        for state in (rows.get("photo"), rows.get("depth"), *rows.get("beside", ())):
            for name in ("archive", "etag"):
                if state and not state[name]:
                    del state[name]
        return json.dumps(rows, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Raises ValueError, TypeError for a line that is no row."""
        try:
            data: dict[str, Any] = json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(data, dict) or not _is_row(data):
            raise TypeError("is no row")
        for name in ("photo", "depth"):
            if data.get(name):
                data[name] = FileState.from_dict(data[name])
        if "beside" in data:
            data["beside"] = tuple(FileState.from_dict(state) for state in data["beside"])
        for name in ("range", "metres", "warnings"):
            if name in data:
                data[name] = tuple(data[name])
        return cls(**data)

    def done(self, job: JobHash, inputs: Sequence[Input], output: Path | Target) -> bool:
        """Does this row make redoing the item needless? inputs: photo, map, and what came beside it."""
        if self.status != "ok" or not job.covers(self.job) or self.photo is None or self.depth is None:
            return False
        with suppress(OSError):
            if self._is_there(output):
                states = (self.photo, self.depth, *self.beside)
                return len(states) == len(inputs) and all(s.is_unchanged(p) for s, p in zip(states, inputs,
                                                                                            strict=True))
        return False

    def _is_there(self, output: Path | Target) -> bool:
        """Is the output as it was written? Raises OSError."""
        if isinstance(output, Target):
            return known_facts(output.url) == (self.output_size, self.output_etag)
        return output.stat().st_size == self.output_size


def _is_row(data: dict[str, Any]) -> bool:
    """Is what is shown and added up of the right kinds?"""
    stages, metres, warnings = data.get("stages", {}), data.get("metres", ()), data.get("warnings", ())
    numbers = [data[name] for name in _NUMBERS if name in data]
    return (all(isinstance(data.get(name, ""), str) for name in _TEXTS)
            and isinstance(stages, dict) and isinstance(metres, list | tuple) and isinstance(warnings, list | tuple)
            and all(isinstance(warning, str) for warning in warnings) and len(metres) in (0, 2)
            and all(isinstance(n, int | float) and isfinite(n)
                    for n in (*numbers, *stages.values(), *(m for m in metres if m is not None))))


def read_rows(path: Path, start: int = 0) -> Iterator[Row]:
    """The rows of a ledger from a byte on, one in memory at a time; lines that are none are skipped."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            with suppress(ValueError, TypeError):
                yield Row.from_json(line.decode())


@dataclass
class Ledger:
    """Open for appending, and locked: a second run of the same folder gets LockedError. Use as a context manager.

    rows: the last row of each key, as they were when it was opened; what is added is written, not held.
    shared: others may hold it in this way at the same time, none of them writes. Shards hold the whole run's so, and
    thereby keep a run of everything, and a merge, away. With it no rows are read.
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
            raise OutputError(f"cannot be written: {error.strerror}", where=self.path) from None
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
            os.close(self._handle)  # and with it the lock
            self._handle = -1

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: no lock, and that is said in the documentation
            return
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            raise LockedError("another run is writing this folder", where=self.path.parent,
                              hint="wait for it to end, or write elsewhere") from None

    def _load(self) -> None:
        """Read what is there; a last line torn by a kill is cut off."""
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
            raise OutputError(f"cannot be written: {error.strerror}", where=self.path) from None
