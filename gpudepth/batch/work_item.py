"""Items of a run: a photo or a clip, and what a worker does with one."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Protocol

from ..attachment.clips import movie, photos
from ..attachment.clips.span import ClipContext
from ..attachment.convert import export_item
from ..attachment.estimate import Estimator
from ..attachment.export import MAPS_ALONE
from ..attachment.output import Written
from ..attachment.pipeline import run_item
from ..attachment.side_inputs import SideInputs
from ..compute import Backend
from ..compute import backend as make_backend
from ..compute.cpu import NumpyBackend
from ..errors import GpudepthError, OutputError, render
from ..formats.bytesource import Input
from ..pairing.clips import Footage
from ..pairing.stores import RemoteFile, Target, display_path
from ..settings.clip import MARK, ClipSettings
from ..settings.options import key
from ..settings.settings import Settings
from ..timing import StageTimes
from .devices.connection import DeviceLink
from .devices.remote import RemoteBackend
from .devices.remote_session import RemoteSession
from .ledger import FileState, Row, stat_signature, states
from .workers import WorkerContext

LONGEST_NAME = 200      # bytes of a file name; keys of objects may be longer


@dataclass(frozen=True)
class Task:
    """What a worker receives.

    Attributes:
        item: The item.
        settings: Settings of its photos or frames.
        backend: Name of the back end.
        job: Hash of the job, for the ledger.
        verbose: Whether the worker logs to stderr.
        scratch: A folder for files from and to object stores; None is the system's.
    """

    item: WorkItem
    settings: Settings
    backend: str
    job: str
    verbose: bool = False
    scratch: str | None = None


@dataclass
class ItemContext:
    """What items of one worker share.

    Attributes:
        worker: The connection to the run.
        estimator: Keeps a depth network loaded.
        backend: Computes.
    """

    worker: WorkerContext = field(default_factory=WorkerContext)
    estimator: Estimator = field(default_factory=Estimator)
    backend: Backend = field(default_factory=NumpyBackend)


class ItemWorker:
    """Processes the items of a run in one worker; what it loads for one item stays loaded for the next.

    Attributes:
        modules: What most items need, for the fork server: nothing that starts threads or initialises a codec.

    Args:
        links: How the worker reaches the processes that own devices, of which it uses one.
    """

    modules = ("gpudepth.compute.cpu", "gpudepth.containers.jpeg.writer", "gpudepth.containers.heif.writer",
               "gpudepth.maps.pictures", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "concurrent.futures.thread")

    def __init__(self, links: Sequence[DeviceLink] = ()) -> None:
        self.links, self.estimator = links, Estimator()
        self.backend: Backend | None = None

    def __call__(self, task: Task, worker: WorkerContext) -> Row:
        """Process an item and return its row of the ledger. Raises GpudepthError."""
        logger = logging.getLogger("gpudepth")
        if task.verbose and not logger.handlers:    # a worker is a process of its own
            logger.addHandler(logging.StreamHandler())
            logger.setLevel(logging.INFO)
        settings = replace(task.settings, limits=worker.lease.limits(task.settings.limits))
        if self.backend is None:
            link = self.links[worker.number % len(self.links)] if self.links else None
            computes = link is not None and link.computes
            self.backend = (RemoteBackend(link, worker.lease) if link is not None and computes
                            else make_backend(task.backend))
            if link is not None and link.estimates:
                assert settings.network is not None
                self.estimator = Estimator(RemoteSession(link, settings.network, settings.threads, settings.limits))
        elif isinstance(self.backend, RemoteBackend):
            self.backend.charge_again()
        return task.item.run(replace(task, settings=settings), ItemContext(worker, self.estimator, self.backend))


class WorkItem(Protocol):
    """One item of a run: a photo, a clip, or a tar of photos."""

    @property
    def key(self) -> str:
        """Its name: the path of its photo or video, relative to the job file."""

    @property
    def output(self) -> Path | Target:
        """The file that the ledger watches."""

    @property
    def target(self) -> str:
        """The path of the output relative to the plan's root, the same from every working directory."""

    @property
    def depth(self) -> object:
        """What a plan shows as its depth; None if the video holds it."""

    @property
    def inputs(self) -> Sequence[Input]:
        """All files that it is made from: the photo or video, what holds the depth, then the others."""

    def is_complete(self, row: Row) -> bool:
        """Return whether all of the output exists, apart from the file that the ledger watches.

        Args:
            row: Its row of the ledger, with status "ok".
        """

    def run(self, task: Task, context: ItemContext) -> Row:
        """Process the item from reading to renaming and return its row of the ledger. Raises GpudepthError."""


@dataclass(frozen=True)
class PhotoItem:
    """A photo and its map.

    Attributes:
        key: As in `WorkItem`.
        photo: The photo.
        depth: The map.
        output: As in `WorkItem`.
        target: As in `WorkItem`.
        metric: As in `SideInputs`.
        confidence: As in `SideInputs`.
        camera: As in `SideInputs`.
        aids: Further files on which the output depends.
        ahead: Photos that the same worker processes next, for networks that take several at a time.
    """

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
        """What belongs to the map."""
        return SideInputs(self.metric, self.confidence, self.camera)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """See `WorkItem`."""
        return (self.photo, self.depth, *self.side_inputs.paths(), *self.aids)

    def is_complete(self, row: Row) -> bool:
        """See `WorkItem`: the output is one file."""
        return True

    def run(self, task: Task, context: ItemContext) -> Row:
        """See `WorkItem`."""
        if not isinstance(self.output, Path) or any(isinstance(file, RemoteFile) for file in self.inputs):
            return _run_remote(self, task, context)
        times, written, output = StageTimes(), Written(), self.output
        before = [stat_signature(path) for path in self.inputs]
        make = export_item if self.output.suffix.lower() in MAPS_ALONE else run_item
        depth = self.depth if task.settings.network is None else context.estimator.estimate(
            self.photo, task.settings, self.ahead, heartbeat=context.worker.heartbeat, times=times)
        outcome = context.backend.attempt(lambda backend: make(
            self.photo, depth, output, task.settings, backend, side_inputs=self.side_inputs, make_folder=True,
            times=times, written=written))
        with times.stage("hash"):
            photo, depth_state, *side_inputs = states(self.inputs, before)
        return Row(self.key, "ok", task.job, photo, depth_state, self.target, written.size, written.sha256,
                   outcome.describe(), (outcome.storage.lo, outcome.storage.hi), _finite(outcome.metres),
                   outcome.filled,
                   tuple(render(notice, key) for notice in outcome.notices()), beside=tuple(side_inputs),
                   pixels=outcome.width * outcome.height, stages=times.rounded())


def _finite(metres: tuple[float, float]) -> tuple[float | None, float | None]:
    """Return metres with None for infinity, as ledgers hold them."""
    near, far = (m if isfinite(m) else None for m in metres)
    return near, far


def _run_remote(item: PhotoItem, task: Task, context: ItemContext) -> Row:
    """Process an item whose files are in an object store: fetch them, process them as any other, put the output there.

    Inputs are checked against their listing before and after; the row is made when the output is in the store.
    """
    try:
        scratch_folder = tempfile.TemporaryDirectory(prefix="gpudepth-", dir=task.scratch)
    except OSError as error:
        raise OutputError(f"the scratch folder cannot be written: {error.strerror}",
                          where=task.scratch or tempfile.gettempdir()) from None
    with scratch_folder as name:
        scratch, names, times = Path(name), dict[str, str](), StageTimes()

        def fetch(file: Input) -> Input:
            if not isinstance(file, RemoteFile):
                return file
            path = scratch / str(len(names)) / _shortened(file.name)
            path.parent.mkdir()
            names[str(path)] = file.url
            file.fetch(path, task.settings.limits)
            return path

        output = item.output
        local = scratch / "out" / _shortened(output.name) if isinstance(output, Target) else output
        names[str(local)] = str(output)
        try:
            with times.stage("fetch"):
                fetched = replace(
                    item, photo=fetch(item.photo), depth=fetch(item.depth), output=local,
                    metric=item.metric and fetch(item.metric), confidence=item.confidence and fetch(item.confidence),
                    camera=item.camera and fetch(item.camera), ahead=(), aids=tuple(fetch(file) for file in item.aids))
            row = fetched.run(task, context)
        except GpudepthError as error:
            raise _with_store_names(error, names) from None
        photo, depth, *side_inputs = map(_object_state, (row.photo, row.depth, *row.beside), item.inputs)
        times.add(row.stages)
        with times.stage("put"):
            etag = output.put(local)[1] if isinstance(output, Target) else ""
    return replace(row, photo=photo, depth=depth, beside=tuple(state for state in side_inputs if state),
                   output_etag=etag, stages=times.rounded())


def _shortened(name: str) -> str:
    """Return the end of a name, which has the suffix, as long as file systems allow."""
    return os.fsencode(name)[-LONGEST_NAME:].decode(errors="ignore")


def _object_state(state: FileState | None, file: Input) -> FileState | None:
    """Return what the ledger keeps of an object."""
    if state is None or not isinstance(file, RemoteFile):
        return state
    return FileState(file.size, 0, 0, state.sha256, etag=file.etag)


def _with_store_names(error: GpudepthError, names: dict[str, str]) -> GpudepthError:
    """Replace names of scratch files in an error by the names of their objects."""
    for path, url in names.items():
        error.message = error.message.replace(path, url)
        error.where = error.where and error.where.replace(path, url)
        error.hint = error.hint and error.hint.replace(path, url)
    return error


def in_batches(items: Iterable[WorkItem], size: int) -> Iterator[WorkItem]:
    """Yield items, each with the photos that follow it in its batch of `size`."""
    source = iter(items)
    while batch := list(islice(source, size)):
        for i, item in enumerate(batch, 1):
            ahead = tuple(one.photo for one in batch[i:] if isinstance(one, PhotoItem))
            yield replace(item, ahead=ahead) if ahead and isinstance(item, PhotoItem) else item


def isolated(task: Task) -> Task:
    """Return a task without the rest of its batch."""
    item = task.item
    return replace(task, item=replace(item, ahead=())) if isinstance(item, PhotoItem) and item.ahead else task


def key_hash(key: str) -> int:
    """Return the first 8 bytes of the SHA-256 of a key, big-endian, which determines its shard."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def in_shard(key: str, shard: tuple[int, int] | None) -> bool:
    """Return whether a key is in a shard, (number from 0, count). Adding files moves no other key."""
    return shard is None or key_hash(key) % shard[1] == shard[0]


def below(path: Path | Target, root: Path) -> str:
    """Return a path relative to the root, with `/`."""
    text, start = (path.as_posix() if isinstance(path, Path) else path.url), display_path(root).rstrip("/") + "/"
    if text.startswith(start) or not isinstance(path, Path):
        return text.removeprefix(start)
    return Path(os.path.relpath(path, root)).as_posix()


@dataclass(frozen=True)
class ClipItem:
    """A clip, which is retried and assigned to shards as a whole.

    Attributes:
        key: As in `WorkItem`.
        video: The video or sequence.
        depth: Its maps; None if the video holds them.
        pattern: The path of the output, with {frame} where it is photos.
        output: The file that shows that the clip is done: frames.csv or the movie.
        target: As in `WorkItem`.
        options: Settings of the clip.
        threads: Number of threads for its frames.
    """

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
        """See `WorkItem`: the video and what holds its depth, then the other files of sequences."""
        depth = self.depth.files if self.depth else self.video.files[:1]
        return (self.video.files[0], depth[0], *self.video.files[1:], *depth[1:])

    def is_complete(self, row: Row) -> bool:
        """See `WorkItem`."""
        return self.output.exists() if MARK not in self.pattern else photos.is_whole(self.output)

    def run(self, task: Task, context: ItemContext) -> Row:
        """See `WorkItem`."""
        before = [stat_signature(path) for path in self.inputs]
        clip = ClipContext(self.options, task.settings, context.backend, self.threads, context.worker.heartbeat,
                           context.estimator)
        if MARK in self.pattern:
            outcome = photos.write(self.video, self.depth, self.pattern, clip)
        else:
            outcome = movie.write(self.video, self.depth, Path(self.pattern), clip)
        written = FileState.of(self.output)
        photo, depth, *rest = states(self.inputs, before)
        times = StageTimes()
        times.add(outcome.stages)
        return Row(self.key, "ok", task.job, photo, depth, self.target, written.size, written.sha256, outcome.summary,
                   metres=_finite(outcome.metres), filled=outcome.filled, warnings=outcome.warnings, beside=tuple(rest),
                   pixels=outcome.pixels, stages=times.rounded())
