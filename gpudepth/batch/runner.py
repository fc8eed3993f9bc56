"""A run: plan, leave out what the ledger knows, work, record."""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import cast

from ..attachment.output import remove_stale
from ..compute import backend as make_backend
from ..compute.auto import AutoBackend
from ..compute.threads import available_cores
from ..errors import AccessError, GpudepthError, Interrupted, OutputError, UsageError
from ..pairing.stores import RemoteFile, display_path, is_url, look_at, target
from ..settings.job import Job, load_job
from ..settings.options import key
from . import shards as parts
from .job_hash import JobHash, job_hash
from .lazy_sequence import select
from .ledger import Ledger, Row, read_rows
from .part_ledger import PartLedger
from .plan import Plan, make_clip_plan, make_plan
from .plan_file import read_plan, write_plan
from .preflight import SAMPLES, evenly, other_formats, precision_warnings
from .progress import Progress, Style
from .sample import Estimate, estimate
from .tars import Tar
from .work_item import PhotoItem, Task, WorkItem, alone, do_task, in_batches
from .workers import Done, run_tasks

MOST_BUGS = 20


@dataclass
class RunSummary:
    """done, failed: of this run. skipped: items the ledger knew as done. bugs: tracebacks, some of them when there are
    many. ledger, start: where the run's rows are, which are not held in memory; shards: those of an engine's run. Of a
    run into an object store that file goes away with the summary; its parts in the store do not."""

    plan: Plan
    ledger: Path
    start: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    bugs: list[str] = field(default_factory=list)
    shards: list[tuple[Path, int]] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """What this run did, in the order it finished; read from the ledger at each call."""
        return list(self.each())

    def each(self) -> Iterator[Row]:
        """The same, one in memory at a time."""
        for path, start in self.shards or [(self.ledger, self.start)]:
            if path.exists():
                yield from read_rows(path, start)

    def line(self) -> str:
        return f"{self.done} done, {self.skipped} already done, {self.failed} failed"


def plan(job: str | Path | Job, *, base: Path | None = None, settings: list[str] | None = None,
         shard: tuple[int, int] | None = None, plan_file: str | Path | None = None,
         write: str | Path | None = None) -> Plan:
    """Read a job, pair its files, look at some maps. Paths are relative to the job file, or to `base` for a Job object.

    plan_file: made before, which then says what pairs there are. write: where to write such a file; raises OutputError.
    """
    paired, base = pair_files(job, base, settings, shard, plan_file, on_disk=write is not None)
    if write is not None:
        write_plan(paired, base, target(str(write)))
        return _foreseen(paired, evenly(paired.items, SAMPLES), len(paired.items))
    return _foreseen(paired, paired.items)


def _foreseen(plan_: Plan, items: Sequence[WorkItem], among: int | None = None) -> Plan:
    """With what there is to warn of before these items are done; among: of `precision_warnings`."""
    if items and isinstance(items[0], Tar):
        items = [tar.items[0] for tar in evenly(items, SAMPLES)]
    photos = select(items, lambda item: isinstance(item, PhotoItem))      # clips say it of their frames
    warnings, notes = precision_warnings(cast("Sequence[PhotoItem]", photos), plan_.settings,
                                         plan_.job.limits.seconds_per_item, among)
    anew = other_formats(cast("Sequence[PhotoItem]", photos), plan_.settings)
    return replace(plan_, warnings=(*anew, *warnings), notes=(*plan_.notes, *notes))


def pair_files(job: str | Path | Job, base: Path | None = None, settings: list[str] | None = None,
               shard: parts.Shard | None = None, plan_file: str | Path | None = None, *,
               on_disk: bool = False) -> tuple[Plan, Path]:
    """The plan before any map is looked at, and the folder that its paths are relative to. on_disk: of `make_plan`."""
    if shard is not None:
        parts.check(shard)
    the_job, base = (job, base or Path()) if isinstance(job, Job) else (load_job(job, settings),
                                                                        base or Path(job).parent)
    if plan_file is not None:
        return read_plan(target(str(plan_file)), the_job, base, shard), base
    if the_job.source.video is not None:
        return make_clip_plan(the_job, base, shard), base
    if on_disk:
        return make_plan(the_job, base, shard, on_disk=True), base
    with _uncollected():
        return make_plan(the_job, base, shard), base


def ledger_path(plan_: Plan, base: Path) -> Path:
    """Of the whole run."""
    return base / plan_.job.run.ledger if plan_.job.run.ledger else plan_.ledger


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector of cycles: there are none in a plan, and looking for them among a million objects
    takes a third of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def run(job: str | Path | Job, *, base: Path | None = None, settings: list[str] | None = None,
        shard: tuple[int, int] | None = None, quiet: bool = True, log_format: Style = "text",
        plan_file: str | Path | None = None) -> RunSummary:
    """Do a job, here. Items that fail are rows of the summary; the others are done all the same.

    plan_file   a plan that was written before: nothing is listed and paired anew
    log_format   of what is said on stderr unless `quiet`: text, or json, an object a line

    Raises JobError, UsageError, MissingInputError before anything runs; LockedError; OutputError when the disk is
    full or the folder cannot be written (what was done is in the ledger); Interrupted.
    """
    the_plan, base = pair_files(job, base, settings, shard, plan_file)
    settings_hash = job_hash(the_plan.job, the_plan.settings)
    backend = _backend(the_plan.job)
    whole = ledger_path(the_plan, base)
    path = whole if shard is None else parts.shard_path(whole, shard)
    summary = RunSummary(the_plan, path)
    apart: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    scratch = _scratch(the_plan, summary)
    if the_plan.store is not None and scratch is not None:
        book: Ledger = PartLedger(scratch / path.name, folder=the_plan.store, shard=shard,
                                  every=the_plan.job.run.ledger_rows)
        summary.ledger = book.path
    else:
        book = Ledger(path)
        apart = apart if shard is None else Ledger(whole, shared=True)
    with apart, book as ledger, interruptible():
        summary.start = ledger.size
        with looked_at(the_plan, ledger.rows.values()):
            todo = _todo(the_plan, ledger, settings_hash, summary)
        ledger.rows.clear()     # what they were read for is done
        summary.plan = the_plan = _foreseen(the_plan, todo)
        if shard is None:
            for folder in folders_of(the_plan.items):
                remove_stale(folder)
        verbose = logging.getLogger("gpudepth").getEffectiveLevel() <= logging.INFO
        there = None if scratch is None else str(scratch)
        network, item_settings = the_plan.settings.network, the_plan.settings
        if network is not None:
            item_settings = replace(item_settings, threads=max(1, available_cores() // the_plan.job.processes))
        tasks = (Task(item, item_settings, backend, settings_hash.value, verbose, there)
                 for item in in_batches(todo, network.batch if network is not None else 1))
        run_ = the_plan.job.run
        heartbeat = base / run_.heartbeat if run_.heartbeat else None
        if heartbeat is not None and shard is not None:
            heartbeat = parts.shard_path(heartbeat, shard)
        progress = Progress(len(todo), quiet=quiet, every=run_.progress_seconds, style=log_format,
                            heartbeat=heartbeat)
        with progress:
            _work(tasks, ledger, settings_hash, summary, progress)
    return summary


def _scratch(plan_: Plan, summary: RunSummary) -> Path | None:
    """A folder for what comes from object stores and goes there, which goes away with the summary; None without."""
    if plan_.store is None and not any(isinstance(file,
                                                  RemoteFile) for item in plan_.items[:1] for file in item.inputs):
        return None
    try:
        folder = tempfile.mkdtemp(prefix="gpudepth-run-")
    except OSError as error:
        raise OutputError(f"there is no folder for scratch files: {error.strerror}", hint="TMPDIR names one") from None
    weakref.finalize(summary, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def looked_at(plan_: Plan, rows: Iterable[Row]) -> contextlib.AbstractContextManager[None]:
    """What the store says of the outputs that are done by these rows, known while the block runs."""
    root = display_path(plan_.root)
    return look_at(f"{root}/{row.output}" for row in rows if row.output_etag and is_url(root))


def folders_of(items: Sequence[WorkItem]) -> set[Path]:
    """Where outputs lie on disks."""
    return {item.output.parent for item in items if isinstance(item.output, Path)}


def sample(plan_: Plan, count: int) -> Estimate:
    """Do `count` items of a plan into a folder that goes away again, and say what all of them will take."""
    backend = _backend(plan_.job)
    plan_ = replace(plan_, items=tuple(photo for item in plan_.items
                                       for photo in (item.items if isinstance(item, Tar) else (item,))))
    return estimate(plan_, lambda item: Task(item, plan_.settings, backend, "sample"), count)


def _backend(job: Job) -> str:
    """The name of the back end: an unusable one fails here, not once an item, and what falls back says so here."""
    backend = make_backend(job.run.backend)
    return (backend.settled() if isinstance(backend, AutoBackend) else backend).name


def _todo(plan_: Plan, ledger: Ledger, settings_hash: JobHash, summary: RunSummary) -> Sequence[WorkItem]:
    """The items that are left.

    on_existing: "resume" leaves out what the ledger knows as done, and writes over outputs it does not know (a kill
    between rename and row leaves such); "overwrite" does everything again; "error" refuses before anything runs.
    """
    def is_left(item: WorkItem) -> bool:
        row = ledger.rows.get(item.key)
        known = row is not None and row.output == item.target
        if (plan_.job.run.on_existing != "overwrite" and row is not None and known
                and row.done(settings_hash, item.inputs, item.output) and item.is_whole(row)):
            summary.skipped += 1
            return False
        if not known and plan_.job.run.on_existing == "error" and item.output.exists():
            raise UsageError("exists, and the ledger does not know it", where=str(item.output),
                             hint="run.on_existing: overwrite, or another output.path")
        return True

    return select(plan_.items, is_left)


def _work(tasks: Iterable[Task], ledger: Ledger, settings_hash: JobHash, summary: RunSummary,
          progress: Progress) -> None:
    job = summary.plan.job
    for warning in summary.plan.warnings:
        progress.warn(warning)
    for refused in summary.plan.refused:
        row = Row(refused.key, "error", settings_hash.value, error=type(refused.error).__name__,
                  message=refused.error.describe(key))
        _record(row, ledger, summary)
        progress.error(row.message, row.key)
    if summary.failed and job.run.on_error == "stop":
        return
    results = run_tasks(do_task, tasks, min(job.processes, max(1, progress.total)), job.limits.seconds_per_item,
                        beat=progress.beat, memory=job.run.memory, alone=alone)
    with contextlib.closing(results):  # type: ignore[type-var]
        for done in results:
            row = replace(done.result, seconds=round(done.seconds, 3)) if done.error is None else _failure(
                done, settings_hash)
            _record(row, ledger, summary)
            progress.step(row)
            for warning in row.warnings:
                progress.warn(warning, row.key)
            if done.error is not None:
                progress.error(row.message, row.key)
                if done.bug and len(summary.bugs) < MOST_BUGS:
                    summary.bugs.append(done.bug)
                if isinstance(done.error, OutputError | AccessError):
                    raise done.error
                if job.run.on_error == "stop":
                    return


def _record(row: Row, ledger: Ledger, summary: RunSummary) -> None:
    ledger.add(row)
    if row.status == "ok":
        summary.done += 1
    else:
        summary.failed += 1


def _failure(done: Done, settings_hash: JobHash) -> Row:
    error = done.error or GpudepthError("unknown")
    return Row(done.task.item.key, "error", settings_hash.value, output=done.task.item.target,
               error=type(error).__name__, message=error.describe(key), seconds=round(done.seconds, 3))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM become Interrupted, once; a second one ends the process, and its workers, at once."""
    def stop(signum: int, frame: FrameType | None) -> None:
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, at_once)
        raise Interrupted(signum)

    def at_once(signum: int, frame: FrameType | None) -> None:
        for worker in multiprocessing.active_children():
            worker.terminate()
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    try:
        before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: the caller's business
        yield
        return
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
