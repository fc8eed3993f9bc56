"""Writes and reads a plan as a file for all shards: a header, a line for each item, and an end that counts them.

    {"gpudepth_plan": 1, "job": "<hash of the settings>", "settings": {…}, "base": …, "notes": […], …}
    {"hash": …, "key": …, …}
    {"end": {"items": 2000000, "refused": 0, "sha256": "<of all lines before>"}}

A file is read twice: once as bytes, to find damage and the lines of a shard; then one item at a time, by its place.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, overload

from ..attachment.output import atomic
from ..errors import JobError, MissingInputError, UsageError
from ..limits import Limits
from ..pairing.pairs import Pairing
from ..pairing.stores import RemoteFile, Target, facts
from ..settings.job import Job
from .clip_plan import clip_options
from .job_hash import JobHash, job_hash
from .ledger import MOST_LINE
from .plan import CAPTURES, SHOWN, Plan, output_root, plan_settings
from .plan_lines import HASH, REFUSED, Fields, LineCodec, LineError, as_line, parse
from .shards import Shard
from .work_item import WorkItem

T = TypeVar("T")

FORMAT = 1
_UNLIMITED = Limits(max_file=0)    # a plan is read one line at a time
WRITE_AGAIN = "write it again: gpudepth plan job.yaml -o {}"
_HASH = b'{"hash":"'


def write_plan(plan: Plan, base: Path, path: Path | Target) -> None:
    """Write all items of a plan, and those that are known to fail. Raises OutputError, and leaves nothing behind."""
    if isinstance(path, Target):
        with tempfile.TemporaryDirectory(prefix="gpudepth-") as folder:
            here = Path(folder) / "plan.jsonl"
            write_plan(plan, base, here)
            path.put(here)
        return
    lines = LineCodec(base, plan.root)
    digest = hashlib.sha256()

    def put(file: BinaryIO, line: bytes) -> None:
        digest.update(line)
        file.write(line)

    head = {"gpudepth_plan": FORMAT, "job": job_hash(plan.job, plan.settings).value,
            "settings": settings_of(plan.job), "preset": plan.preset, "base": os.path.abspath(base),   # noqa: PTH100
            "notes": list(plan.notes)}
    with atomic(path) as file:
        put(file, as_line(head))
        for refused in plan.refused:
            put(file, lines.write_refused(refused))
        for item in plan.items:
            put(file, lines.write(item))
        file.write(as_line({"end": {"items": len(plan.items), "refused": len(plan.refused),
                                  "sha256": digest.hexdigest()}}))


def settings_of(job: Job) -> dict[str, Any]:
    """Return the settings that determine the items of a job, apart from the files that exist."""
    settings = {f"source.{name}": value for name, value in job.source.model_dump(mode="json").items()}
    settings["output.path"] = job.output.path
    settings["output.tars"] = job.output.tars
    settings["output.container"] = job.output.container
    settings["refine.align.to"] = job.refine.align.to if job.refine.align else None
    settings["refine.confidence.path"] = job.refine.confidence.path if job.refine.confidence else None
    return {name: value for name, value in settings.items() if value is not None}


def read_plan(path: Path | Target, job: Job, base: Path, shard: Shard | None = None) -> Plan:
    """Read the plan of a job, or the part of a shard.

    Raises:
        MissingInputError: The file does not exist.
        UsageError: The plan is that of another job.
        JobError: The file is not a plan, or damaged.
    """
    if isinstance(path, Target):
        with tempfile.TemporaryDirectory(prefix="gpudepth-") as folder:
            here = Path(folder) / "plan.jsonl"
            RemoteFile(path.url, *facts(path.url)).fetch(here, _UNLIMITED)
            lines = _opened(here, path.url)     # the file stays open without a name
    else:
        lines = _opened(path, str(path))
    return _plan_of(lines, job, base, shard)


def _opened(path: Path, name: str) -> _PlanReader:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise MissingInputError("the plan does not exist", where=name, hint=WRITE_AGAIN.format(name)) from None
    except OSError as error:
        raise UsageError(f"the plan cannot be read: {error.strerror}", where=name) from None
    lines = _PlanReader(name, handle)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise UsageError("the plan is not a regular file", where=name, hint=WRITE_AGAIN.format("plan.jsonl"))
    return lines


def _plan_of(lines: _PlanReader, job: Job, base: Path, shard: Shard | None) -> Plan:
    head, found = lines.scan(shard)
    item_settings = plan_settings(job, base)
    _check_job(head, job, job_hash(job, item_settings), lines.name)
    if head.preset is not None:
        item_settings = item_settings.with_preset(head.preset)
    options = clip_options(job) if job.source.video is not None else None
    workers = max(1, min(job.run.processes(), len(found.items)))
    root = output_root(base, job.output.path)
    codec = LineCodec(base, root, options, workers, anywhere=job.source.pairs is not None)
    refused = tuple(lines.read(place, codec.read_refused) for place in found.refused)
    return Plan(job, PlannedItems(lines, found.items, codec), root, Pairing(()), item_settings, head.notes, refused,
                preset=head.preset)


class PlannedItems(Sequence[WorkItem]):
    """Items that are read from the plan when they are asked for. Raises JobError for a line that is not an item."""

    def __init__(self, lines: _PlanReader, places: array[int], codec: LineCodec) -> None:
        self.lines, self.places, self.codec = lines, places, codec

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> WorkItem: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[WorkItem]: ...

    def __getitem__(self, index: int | slice) -> WorkItem | Sequence[WorkItem]:
        if isinstance(index, slice):
            return PlannedItems(self.lines, self.places[index], self.codec)
        return self.lines.read(self.places[index], self.codec.read)

    def __iter__(self) -> Iterator[WorkItem]:
        return (self.lines.read(place, self.codec.read) for place in self.places)


@dataclass(frozen=True)
class _Head:
    """The first line of a plan.

    Attributes:
        job: Hash of the job.
        settings: Settings that determine the items.
        notes: Remarks for people.
        preset: The preset of captures, where the job does not name one.
    """


    job: str
    settings: dict[str, Any]
    notes: tuple[str, ...]
    preset: str | None


@dataclass
class _Places:
    """The bytes at which the lines of a shard begin."""

    items: array[int] = field(default_factory=lambda: array("Q"))
    refused: array[int] = field(default_factory=lambda: array("Q"))


class _PlanReader:
    """Reads lines of a plan by their first byte. The file stays open, so that replacing it changes nothing."""

    def __init__(self, name: str, handle: int) -> None:
        self.name, self.handle = name, handle
        self._size = 4096           # bytes that are read for a line; grows with the longest line
        weakref.finalize(self, os.close, handle)

    def read(self, place: int, parse_line: Callable[[bytes], T]) -> T:
        """Return the line at a byte, parsed. Raises JobError for a damaged line."""
        line = os.pread(self.handle, self._size, place)
        while b"\n" not in line and len(line) == self._size <= MOST_LINE:
            self._size *= 2
            line = os.pread(self.handle, self._size, place)
        line = line[: line.find(b"\n") + 1]
        try:
            return parse_line(line)
        except LineError as wrong:
            raise self.damaged(f"byte {place:,}", f"{wrong}: {line[:80].decode(errors='replace')}") from None

    def scan(self, shard: Shard | None) -> tuple[_Head, _Places]:
        """Check the whole file and find the lines of a shard. Raises JobError."""
        with os.fdopen(os.dup(self.handle), "rb") as file:
            line = file.readline(MOST_LINE + 1)
            head = self._head(line)
            digest, found, place = hashlib.sha256(line), _Places(), len(line)
            items = refused = 0
            while (line := file.readline(MOST_LINE + 1)).startswith(_HASH):
                if not line.endswith(b"\n"):
                    raise self.damaged(f"byte {place:,}", "a line has no end")
                try:
                    hashed = int(line[HASH], 16)
                except ValueError:
                    raise self.damaged(f"byte {place:,}", "a line has no hash") from None
                bad = line.startswith(REFUSED, HASH.stop)
                items, refused = items + (not bad), refused + bad
                if shard is None or hashed % shard[1] == shard[0]:
                    (found.refused if bad else found.items).append(place)
                digest.update(line)
                place += len(line)
            self._end(line, place, {"items": items, "refused": refused, "sha256": digest.hexdigest()})
            if file.read(1):
                raise self.damaged(f"byte {place + len(line):,}", "the file continues after its end")
        return head, found

    def _head(self, line: bytes) -> _Head:
        try:
            data = Fields(parse(line))
            number = data.take("gpudepth_plan", int)
            if number != FORMAT:
                raise UsageError(f"the plan has format {number}; this gpudepth reads format {FORMAT}",
                                 where=self.name, hint=WRITE_AGAIN.format(self.name))
            data.take("base", str)      # only for people
            notes, preset = data.take("notes", list), data.take("preset", str, None)
            head = _Head(data.take("job", str), data.take("settings", dict), tuple(map(str, notes)),
                         None if preset is None else CAPTURES)
            data.end()
        except LineError as wrong:
            raise JobError([f"{self.name}:1: not a plan: {wrong}; {WRITE_AGAIN.format('plan.jsonl')}"],
                           where=self.name) from None
        return head

    def _end(self, line: bytes, place: int, expected: dict[str, Any]) -> None:
        """Check that the last line agrees with the lines before it."""
        if not line:
            raise self.damaged(f"byte {place:,}", "the file ends too early")
        try:
            end = parse(line).get("end")
        except LineError as wrong:
            raise self.damaged(f"byte {place:,}", f"a line is wrong: {wrong}") from None
        if end != expected:
            raise self.damaged(f"byte {place:,}", "its end does not agree with the lines before it")

    def damaged(self, where: str, what: str) -> JobError:
        """Return the error for a damaged file."""
        return JobError([f"{self.name}: {where}: the plan is damaged: {what}; {WRITE_AGAIN.format(self.name)}"],
                        where=self.name)


def _check_job(head: _Head, job: Job, hashed: JobHash, name: str) -> None:
    """Raise UsageError for the plan of another job."""
    settings = settings_of(job)
    differ = [f"{key} is {settings.get(key)!r} but in the plan {head.settings.get(key)!r}"
              for key in sorted({*settings, *head.settings}) if settings.get(key) != head.settings.get(key)]
    if differ or not hashed.covers(head.job):
        raise UsageError("the file is the plan of another job: " + (
            "; ".join(differ[:SHOWN]) or "encoding, refine, map or output have changed"), where=name,
            hint=WRITE_AGAIN.format(name))
