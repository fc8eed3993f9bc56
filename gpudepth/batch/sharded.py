"""Runs a job in shards on an engine, each with a ledger of its own, and merges the ledgers at the end.

`runner.run` runs a shard on every machine; paths mean the same on all of them, so that folders must be shared.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import GpudepthError, Interrupted, PartialRunError, UsageError
from ..pairing.stores import is_url
from ..settings.job import Job
from . import runner
from .engines import Needs
from .engines import engine as find_engine
from .ledger import read_rows
from .merge import merge
from .progress import Progress, Style
from .shards import Shard, ShardResult, ShardTask
from .summary import RunSummary
from .workers import attempt


def run_shard(task: ShardTask) -> ShardResult:
    """Run one shard on this machine. Errors are in the result; nothing is raised."""
    try:
        done = attempt(_run, task)
    except Interrupted as interrupted:
        return replace(task.lost(str(interrupted)), interrupted=interrupted.code - 128)
    if done.error is None:
        result: ShardResult = done.result
        return result
    return ShardResult(task.shard, error=done.error, bugs=(done.bug,) if done.bug else ())


def _run(task: ShardTask) -> ShardResult:
    job = task.job.model_copy(update={"run": task.job.run.model_copy(update={"workers": task.workers})})
    summary = runner.run(job, base=task.base, shard=task.shard, plan_file=task.plan_file)
    ledger = summary.ledger if summary.plan.store is None else None     # otherwise its parts are in the store
    return ShardResult(task.shard, ledger, summary.start, summary.done, summary.failed, summary.skipped,
                       summary.plan.warnings, tuple(summary.bugs))


def run(job: str | Path | Job, *, engine: str = "local", shards: int | None = None,
        **options: Any) -> RunSummary:
    """Run a job on this machine with `runner.run`, or in shards with `run_sharded`; options are those of either."""
    if engine == "local" and shards is None:
        return runner.run(job, **options)
    return run_sharded(job, engine_name=engine, shards=shards, **options)


def run_sharded(job: str | Path | Job, *, base: Path | None = None, settings: list[str] | None = None,
                shard: Shard | None = None, engine_name: str = "local", shards: int | None = None,
                quiet: bool = True, log_format: Style = "text",
                plan_file: str | Path | None = None) -> RunSummary:
    """Run a job in shards and merge their ledgers.

    Raises:
        GpudepthError: As `runner.run` raises. When all shards have ended and are merged: PartialRunError for a shard
            that was given up, or the error that ended a shard.
    """
    where = find_engine(engine_name)
    if shard is not None:
        raise UsageError("a single shard needs no engine", hint="use either --shard 0/4 or --engine ray --shards 4")
    if shards is None or shards < 1:
        raise UsageError(f"the number of shards for the engine {engine_name} is missing", hint="add --shards 4")
    plan, base = runner.pair_files(job, base, settings, plan_file=plan_file)
    base, the_job = absolute(base), plan.job
    plan_file = None if plan_file is None else str(plan_file if is_url(str(plan_file)) else absolute(plan_file))
    workers = the_job.run.processes(where.auto_workers)
    needs = Needs(workers, int(the_job.run.backend == "cupy"))
    tasks = [ShardTask(the_job, base, (i, shards), workers, plan_file) for i in range(shards)]
    summary = RunSummary(plan, runner.ledger_path(plan, base))
    progress = Progress(len(plan.items), quiet=quiet, every=the_job.run.progress_seconds, style=log_format,
                        heartbeat=base / the_job.run.heartbeat if the_job.run.heartbeat else None)
    errors: list[GpudepthError] = []
    with runner.interruptible(), progress:
        results = where.map_shards(run_shard, tasks, needs, progress.beat)
        with contextlib.closing(results):   # type: ignore[type-var]
            for result in results:
                _take(result, summary, progress)
                if result.error is not None:
                    errors.append(result.error)
    if all(isinstance(error, PartialRunError) for error in errors):
        # shards that were given up before their first row have no ledger; the reason is the better message
        with contextlib.suppress(UsageError) if errors else contextlib.nullcontext():
            merge(the_job, base=base, plan_file=plan_file)
    for error in errors:
        raise error
    return summary


def absolute(path: str | Path) -> Path:
    """Return an absolute path without resolving links, so that it looks as the user wrote it."""
    return Path(os.path.abspath(path))      # noqa: PTH100


def _take(result: ShardResult, summary: RunSummary, progress: Progress) -> None:
    summary.done += result.done
    summary.failed += result.failed
    summary.skipped += result.skipped
    progress.total -= result.skipped
    for warning in result.warnings:
        progress.warn(warning)
    summary.bugs += result.bugs
    if result.ledger is not None:
        summary.shards.append((result.ledger, result.start))
        for row in read_rows(result.ledger, result.start):
            progress.step(row)
            if row.status != "ok":
                progress.error(row.message, row.key)
    if result.error is not None:
        progress.error("\n".join([str(result.error), *result.bugs]))
