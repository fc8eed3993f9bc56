"""Runs a job: makes its plan, leaves out items that the ledger knows as done, processes the others, records them."""

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
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import cast

from ..attachment.output import remove_stale
from ..compute.threads import available_cores
from ..errors import AccessError, DeviceError, GpudepthError, Interrupted, OutputError, UsageError
from ..pairing.stores import Facts, RemoteFile, display_path, facts_of, is_url, target
from ..settings.job import Job, load_job
from ..settings.options import key
from . import shards as parts
from .choice import Choice, choose, choose_named, named_backend
from .clip_plan import make_clip_plan
from .devices.owners import Owners
from .job_hash import JobHash, job_hash
from .ledger import Ledger, Row
from .part_ledger import PartLedger
from .plan import Plan, make_plan, select
from .plan_file import read_plan, write_plan
from .preflight import SAMPLES, evenly, other_formats, precision_warnings
from .progress import Progress, Style
from .sample import Estimate, estimate
from .summary import RunSummary
from .tars import Tar
from .work_item import ItemWorker, PhotoItem, Task, WorkItem, in_batches, isolated
from .workers import Done, run_tasks

MOST_BUGS = 20


def plan(job: str | Path | Job, *, base: Path | None = None, settings: list[str] | None = None,
         shard: tuple[int, int] | None = None, plan_file: str | Path | None = None,
         write: str | Path | None = None) -> Plan:
    """Read a job, pair its files and examine some maps.

    Args:
        job: The job or its file.
        base: The folder that paths are relative to; that of the job file unless named.
        settings: Changes of the job, such as `encoding.far=12`.
        shard: Which part, (number from 0, count).
        plan_file: A plan that was written before, instead of listing and pairing files.
        write: Where to write the plan.

    Raises:
        JobError: The job is wrong.
        UsageError: Its files do not fit together.
        OutputError: The plan cannot be written.
    """
    paired, base = pair_files(job, base, settings, shard, plan_file, on_disk=write is not None)
    if write is not None:
        write_plan(paired, base, target(str(write)))
        return _with_warnings(paired, evenly(paired.items, SAMPLES), len(paired.items))
    return _with_warnings(paired, paired.items)


def _with_warnings(plan_: Plan, items: Sequence[WorkItem], among: int | None = None) -> Plan:
    """Return the plan with warnings about items; `among` as in `precision_warnings`."""
    if items and isinstance(items[0], Tar):
        items = [tar.items[0] for tar in evenly(items, SAMPLES)]
    photos = select(items, lambda item: isinstance(item, PhotoItem))      # frames of clips warn themselves
    warnings, notes = precision_warnings(cast("Sequence[PhotoItem]", photos), plan_.settings,
                                         plan_.job.limits.seconds_per_item, among)
    formats = other_formats(cast("Sequence[PhotoItem]", photos), plan_.settings)
    return replace(plan_, warnings=(*formats, *warnings), notes=(*plan_.notes, *notes))


def pair_files(job: str | Path | Job, base: Path | None = None, settings: list[str] | None = None,
               shard: parts.Shard | None = None, plan_file: str | Path | None = None, *,
               on_disk: bool = False) -> tuple[Plan, Path]:
    """Return the plan before any map is examined, and the folder that its paths are relative to."""
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
    """Return the path of the ledger of the whole run."""
    return base / plan_.job.run.ledger if plan_.job.run.ledger else plan_.ledger


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the collection of cycles: a plan has none, and searching a million objects takes a third of the time."""
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
    """Run a job on this machine. Items that fail are rows of the summary; the others are processed.

    Args:
        job: As in `plan`.
        base: As in `plan`.
        settings: As in `plan`.
        shard: As in `plan`.
        quiet: Writes nothing to stderr.
        log_format: Format on stderr: text, or json with one object per line.
        plan_file: As in `plan`.

    Raises:
        JobError: The job is wrong; nothing was processed.
        UsageError: Its files do not fit together; nothing was processed.
        LockedError: Another run uses the folder.
        OutputError: The disk is full, or the folder cannot be written; finished items are in the ledger.
        Interrupted: A signal ended the run.
    """
    the_plan, base = pair_files(job, base, settings, shard, plan_file)
    settings_hash = job_hash(the_plan.job, the_plan.settings)
    named = choose_named(the_plan)      # one that cannot be used fails before anything is written
    with contextlib.ExitStack() as stack:
        if named is not None and named.owners is not None:
            stack.callback(named.owners.stop)
        return _run(the_plan, base, settings_hash, stack, named, shard=shard, quiet=quiet, log_format=log_format)


def _run(the_plan: Plan, base: Path, settings_hash: JobHash, stack: contextlib.ExitStack, named: Choice | None, *,
         shard: tuple[int, int] | None, quiet: bool, log_format: Style) -> RunSummary:
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
        todo = _todo(the_plan, ledger, settings_hash, summary)
        ledger.rows.clear()     # they are not needed any more
        summary.plan = the_plan = _with_warnings(the_plan, todo)
        if shard is None:
            for folder in folders_of(the_plan.items):
                remove_stale(folder)
        choice = named or (choose(replace(the_plan, items=todo)) if todo else Choice("numpy"))
        owners = choice.owners or Owners()
        stack.callback(owners.stop)
        verbose = logging.getLogger("gpudepth").getEffectiveLevel() <= logging.INFO
        there = None if scratch is None else str(scratch)
        network, item_settings = the_plan.settings.network, the_plan.settings
        if network is not None:
            item_settings = replace(item_settings, threads=max(1, available_cores() // the_plan.job.processes))
        tasks = (Task(item, item_settings, choice.name, settings_hash.value, verbose, there)
                 for item in in_batches(todo, network.batch if network is not None else 1))
        run_ = the_plan.job.run
        heartbeat = base / run_.heartbeat if run_.heartbeat else None
        if heartbeat is not None and shard is not None:
            heartbeat = parts.shard_path(heartbeat, shard)
        progress = Progress(len(todo), quiet=quiet, every=run_.progress_seconds, style=log_format,
                            heartbeat=heartbeat)
        with progress:
            if choice.line:
                progress.note(choice.line)
            _work(tasks, ledger, settings_hash, summary, progress=progress, owners=owners)
            summary.transfers = dict(owners.transfers())
            progress.end(summary.counts() | {"backend": choice.name, "transfers": {
                device: asdict(copies) for device, copies in summary.transfers.items()}})
    return summary


def _scratch(plan_: Plan, summary: RunSummary) -> Path | None:
    """Return a folder for files from and to object stores, deleted with the summary; None if none is needed."""
    if plan_.store is None and not any(isinstance(file,
                                                  RemoteFile) for item in plan_.items[:1] for file in item.inputs):
        return None
    try:
        folder = tempfile.mkdtemp(prefix="gpudepth-run-")
    except OSError as error:
        raise OutputError(f"no folder for temporary files can be made: {error.strerror}",
                          hint="set TMPDIR to a folder that can be written") from None
    weakref.finalize(summary, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def output_facts(plan_: Plan, rows: Iterable[Row]) -> dict[str, Facts | None]:
    """Return the facts of the outputs in an object store that these rows record."""
    root = display_path(plan_.root)
    return facts_of(f"{root}/{row.output}" for row in rows if row.output_etag and is_url(root))


def folders_of(items: Sequence[WorkItem]) -> set[Path]:
    """Return the folders of outputs on disks."""
    return {item.output.parent for item in items if isinstance(item.output, Path)}


def sample(plan_: Plan, count: int) -> Estimate:
    """Process `count` items of a plan into a temporary folder and estimate the whole run."""
    backend = named_backend(plan_.job)
    plan_ = replace(plan_, items=tuple(photo for item in plan_.items
                                       for photo in (item.items if isinstance(item, Tar) else (item,))))
    return estimate(plan_, lambda item: Task(item, plan_.settings, backend, "sample"), count)


def _todo(plan_: Plan, ledger: Ledger, settings_hash: JobHash, summary: RunSummary) -> Sequence[WorkItem]:
    """Return the items that are not done.

    With run.on_existing "resume", items that the ledger knows as done are left out, and outputs that are not in the
    ledger (left by a kill between rename and row) are overwritten; "overwrite" processes everything again; "error"
    refuses such outputs before anything runs.
    """
    objects = output_facts(plan_, ledger.rows.values())

    def is_left(item: WorkItem) -> bool:
        row = ledger.rows.get(item.key)
        known = row is not None and row.output == item.target
        if (plan_.job.run.on_existing != "overwrite" and row is not None and known
                and row.done(settings_hash, item.inputs, item.output, objects) and item.is_complete(row)):
            summary.skipped += 1
            return False
        if not known and plan_.job.run.on_existing == "error" and item.output.exists():
            raise UsageError("the output exists but is not in the ledger", where=str(item.output),
                             hint="use run.on_existing: overwrite, or another output.path")
        return True

    return select(plan_.items, is_left)


def _work(tasks: Iterable[Task], ledger: Ledger, settings_hash: JobHash, summary: RunSummary, *, progress: Progress,
          owners: Owners) -> None:
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
    def poll() -> None:
        progress.beat()
        owners.watch(progress.warn)

    results = run_tasks(ItemWorker(owners.links), tasks, min(job.processes, max(1, progress.total)),
                        job.limits.seconds_per_item, on_poll=poll, memory=job.run.memory, isolate=isolated)
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
                if isinstance(done.error, OutputError | AccessError | DeviceError):
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
    """Raise Interrupted on SIGINT and SIGTERM; a second signal ends the process and its workers at once."""
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
    except ValueError:  # not in the main thread: the caller handles signals
        yield
        return
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
