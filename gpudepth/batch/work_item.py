"""An item whose files are in an object store: fetched into a folder of its own, done as any other, put there again."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..attachment.clips import movie as clip_movie
from ..attachment.clips import photos as clip_stills
from ..attachment.clips.span import ClipContext
from ..attachment.convert import export_item
from ..attachment.estimate import estimated
from ..attachment.export import MAPS_ALONE
from ..attachment.pipeline import run_item
from ..attachment.side_inputs import SideInputs
from ..compute import backend
from ..errors import GpudepthError, OutputError, render
from ..formats.bytesource import Input
from ..pairing.clips import Footage
from ..pairing.stores import RemoteFile, Target, display_path
from ..settings.clip import MARK, ClipSettings
from ..settings.options import key
from ..settings.settings import Settings
from ..timing import lap, rounded, stage
from .ledger import FileState, Row, stat_signature, states
from .workers import heartbeat

if TYPE_CHECKING:
    pass
    pass


LONGEST_NAME = 200      # bytes of a file's; keys may have more


def do_remote(item: PhotoItem, task: Task) -> Row:
    """See `WorkItem.do`. What is read is checked against its listing, before and after; the row is made when the
    output is in the store."""
    try:
        scratch_folder = tempfile.TemporaryDirectory(prefix="gpudepth-", dir=task.scratch)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=task.scratch or tempfile.gettempdir()) from None
    with scratch_folder as name:
        scratch = Path(name)
        called: dict[str, str] = {}

        def fetch(file: Input) -> Input:
            if not isinstance(file, RemoteFile):
                return file
            path = scratch / str(len(called)) / _shortened(file.name)
            path.parent.mkdir()
            called[str(path)] = file.url
            file.fetch(path, task.settings.limits)
            return path

        output = item.output
        made = scratch / "out" / _shortened(output.name) if isinstance(output, Target) else output
        called[str(made)] = str(output)
        lap()       # what a failed item before this one left
        try:
            with stage("fetch"):
                here = replace(
                    item, photo=fetch(item.photo), depth=fetch(item.depth), output=made,
                    metric=item.metric and fetch(item.metric), confidence=item.confidence and fetch(item.confidence),
                    camera=item.camera and fetch(item.camera), ahead=(), aids=tuple(fetch(file) for file in item.aids))
            fetched = rounded(lap())
            row = here.do(task)
        except GpudepthError as error:
            raise _renamed(error, called) from None
        photo, depth, *side_inputs = map(_state, (row.photo, row.depth, *row.beside), item.inputs)
        with stage("put"):
            etag = output.put(made)[1] if isinstance(output, Target) else ""
    return replace(row, photo=photo, depth=depth, beside=tuple(state for state in side_inputs if state),
                   output_etag=etag,
                   stages={**fetched, **row.stages, **rounded(lap())})


def _shortened(name: str) -> str:
    """Its end, which has the suffix, as long as file systems take it."""
    return os.fsencode(name)[-LONGEST_NAME:].decode(errors="ignore")


def _state(state: FileState | None, file: Input) -> FileState | None:
    """What the ledger keeps of an object."""
    if state is None or not isinstance(file, RemoteFile):
        return state
    return FileState(file.size, 0, 0, state.sha256, etag=file.etag)


def _renamed(error: GpudepthError, called: dict[str, str]) -> GpudepthError:
    """With the names that files have in the store, wherever they were here."""
    for path, url in called.items():
        error.message = error.message.replace(path, url)
        error.where = error.where and error.where.replace(path, url)
        error.hint = error.hint and error.hint.replace(path, url)
    return error


@dataclass(frozen=True)
class PhotoItem:
    """key, output, target: as of `WorkItem`. metric, confidence, camera: as of `SideInputs`. aids: what else its bytes
    depend on. ahead: photos that the same worker gets next, for networks that take several at a time."""

    key: str
    photo: Input
    depth: Input
    output: Path | Target
    target: str
    metric: Input | None = None
    confidence: Input | None = None
    camera: Input | None = None
    aids: tuple[Input, ...] = ()
    ahead: tuple[Input, ...] = ()

    @property
    def side_inputs(self) -> SideInputs:
        return SideInputs(self.metric, self.confidence, self.camera)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All files it is made of."""
        return (self.photo, self.depth, *self.side_inputs.paths(), *self.aids)

    def is_whole(self, row: Row) -> bool:
        """There is one file."""
        return True

    def do(self, task: Task) -> Row:
        """See `WorkItem.do`."""
        if not isinstance(self.output, Path) or any(isinstance(file, RemoteFile) for file in self.inputs):
            return do_remote(self, task)
        lap()       # what a failed item before this one left
        before = [stat_signature(path) for path in self.inputs]
        make = export_item if self.output.suffix.lower() in MAPS_ALONE else run_item
        source = self.depth if task.settings.network is None else estimated(self.photo, task.settings, self.ahead,
                                                                            heartbeat)
        outcome = make(self.photo, source, self.output, task.settings, backend(task.backend),
                       side_inputs=self.side_inputs,
                       make_folder=True)
        with stage("hash"):
            written, (photo, depth, *side_inputs) = FileState.of(self.output), states(self.inputs, before)
        near, far = (m if isfinite(m) else None for m in outcome.metres)
        return Row(self.key, "ok", task.job, photo, depth, self.target, written.size, written.sha256, outcome.line(),
                   (outcome.storage.lo, outcome.storage.hi), (near, far), outcome.filled,
                   tuple(render(notice, key) for notice in outcome.notices()),
                   beside=tuple(side_inputs), pixels=outcome.width * outcome.height, stages=rounded(lap()))


def in_batches(items: Iterable[WorkItem], size: int) -> Iterator[WorkItem]:
    """The items, each with the photos that come behind it in its batch."""
    source = iter(items)
    while batch := list(islice(source, size)):
        for i, item in enumerate(batch, 1):
            ahead = tuple(one.photo for one in batch[i:] if isinstance(one, PhotoItem))
            yield replace(item, ahead=ahead) if ahead and isinstance(item, PhotoItem) else item


def alone(task: Task) -> Task:
    """The task without the rest of its batch."""
    item = task.item
    return replace(task, item=replace(item, ahead=())) if isinstance(item, PhotoItem) and item.ahead else task


class WorkItem(Protocol):
    """One item of a run: a photo, or a clip.

    key      names it: the path of its photo or video, relative to the job file
    output   the file that the ledger looks after; target: its path relative to the plan's root, so that a ledger means
             the same from every working directory
    """

    @property
    def key(self) -> str: ...

    @property
    def output(self) -> Path | Target: ...

    @property
    def target(self) -> str: ...

    @property
    def depth(self) -> object:
        """What a plan shows of its depth; None: the video holds it."""

    @property
    def inputs(self) -> Sequence[Input]:
        """All files it is made of: the photo or video, what holds the depth, then the others."""

    def is_whole(self, row: Row) -> bool:
        """Is all of the output there, beyond the one file that the ledger looks after, and called as it is to be? row:
        its row, which says that it is done."""

    def do(self, task: Task) -> Row:
        """From reading to rename; returns its row of the ledger. Raises errors of `gpudepth.errors`."""


@dataclass(frozen=True)
class Task:
    """What a worker gets. `job` is the hash of the settings; verbose: it says what runs where, on stderr; scratch: a
    folder for what comes from object stores and goes there."""

    item: WorkItem
    settings: Settings
    backend: str
    job: str
    verbose: bool = False
    scratch: str | None = None


def do_task(task: Task) -> Row:
    """One item; see `WorkItem.do`."""
    logger = logging.getLogger("gpudepth")
    if task.verbose and not logger.handlers:    # a worker is a process of its own
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
    return task.item.do(task)


def key_hash(key: str) -> int:
    """The first 8 bytes of SHA-256, big-endian: what shards are cut by."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def in_shard(key: str, shard: tuple[int, int] | None) -> bool:
    """Shards are 0-based, by SHA-256 of the key: adding files moves none of the others."""
    return shard is None or key_hash(key) % shard[1] == shard[0]


def below(path: Path | Target, root: Path) -> str:
    """The path relative to the root, with `/`."""
    text, start = (path.as_posix() if isinstance(path, Path) else path.url), display_path(root).rstrip("/") + "/"
    if text.startswith(start) or not isinstance(path, Path):
        return text.removeprefix(start)
    return Path(os.path.relpath(path, root)).as_posix()


@dataclass(frozen=True)
class ClipItem:
    """key, target: as of `WorkItem`. depth: None when the video holds it. pattern: the output's path, with {frame}
    where it is photos. output: the file that says it is done, frames.csv or the movie. threads: for its frames."""

    key: str
    video: Footage
    depth: Footage | None
    pattern: str
    output: Path
    target: str
    options: ClipSettings
    threads: int = 1

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files it is made of: the video, what holds its depth, then the rest of sequences."""
        depth = self.depth.files if self.depth else self.video.files[:1]
        return (self.video.files[0], depth[0], *self.video.files[1:], *depth[1:])

    def is_whole(self, row: Row) -> bool:
        """Is all of the output there?"""
        return self.output.exists() if MARK not in self.pattern else clip_stills.is_whole(self.output)

    def do(self, task: Task) -> Row:
        """See `WorkItem.do`."""
        before = [stat_signature(path) for path in self.inputs]
        means = ClipContext(self.options, task.settings, backend(task.backend), self.threads, heartbeat)
        if MARK in self.pattern:
            outcome = clip_stills.write(self.video, self.depth, self.pattern, means)
        else:
            outcome = clip_movie.write(self.video, self.depth, Path(self.pattern), means)
        written = FileState.of(self.output)
        near, far = (m if isfinite(m) else None for m in outcome.metres)
        photo, depth, *rest = states(self.inputs, before)
        return Row(self.key, "ok", task.job, photo, depth, self.target, written.size, written.sha256, outcome.said,
                   metres=(near, far), filled=outcome.filled, warnings=outcome.warnings, beside=tuple(rest),
                   pixels=outcome.pixels, stages=rounded(outcome.stages))
