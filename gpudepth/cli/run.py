"""gpudepth run"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import PartialRunError, UsageError
from ..pairing.stores import display_path
from . import options as o
from .command import Option
from .output import print_message

if TYPE_CHECKING:
    from ..batch.summary import RunSummary

DryRun = Annotated[bool, Option("--dry-run", help="Show the plan and change nothing.")]
Sample = Annotated[int | None, Option(metavar="N", show_default=False, help=(
    "With --dry-run: process N items into a temporary folder and estimate the full run."))]
Engine = Annotated[str, Option(help="Where shards run: local, ray or dask.")]
Shards = Annotated[int | None, Option(metavar="N", show_default=False, help=(
    "Split the run into N parts for --engine, and merge their ledgers."))]
ExitZero = Annotated[bool, Option("--exit-zero", help=(
    "Exit with 0 when items failed, for schedulers that retry on failure; gpudepth merge and the ledger list failed "
    "items."))]
LogFormat = Annotated[str, Option(help=(
    "Format of progress, warnings and errors on stderr: text, or json with one object per line."))]
Quiet = Annotated[bool, Option("-q", "--quiet", help="Show no progress.")]


def run(job: o.JobFile, settings: o.Set = None, dry_run: DryRun = False, sample: Sample = None, shard: o.Shard = None,
        engine: Engine = "local", shards: Shards = None, plan: o.PlanFile = None, quiet: Quiet = False,
        exit_zero: ExitZero = False, log_format: LogFormat = "text", as_json: o.Json = False,
        verbose: o.Verbose = False) -> None:
    """Run a job: many photos, one set of rules.

    A run skips items that an earlier run has finished. Paths in a job are relative to the job file. Exit code 3: some
    items failed and the others are done.

    \b
    gpudepth run job.yaml --dry-run
    gpudepth run job.yaml --dry-run --sample 50
    gpudepth run job.yaml --set encoding.far=12
    gpudepth run job.yaml --shard 0/4
    gpudepth run job.yaml --plan plan.jsonl --shard 0/4
    gpudepth run job.yaml --engine ray --shards 4
    """
    from ..batch import runner, sharded
    from .plan import show

    part = o.shard(shard)
    if dry_run:
        show(runner.plan(job, settings=settings, shard=part, plan_file=plan), sample)
        return
    if sample is not None:
        raise UsageError("--sample requires --dry-run")
    summary = sharded.run(job, settings=settings, shard=part, engine=engine, shards=shards, quiet=quiet,
                          plan_file=plan, log_format=o.choice("log-format", log_format, ("text", "json")))
    for row in summary.iter_rows():
        if as_json:
            print(row.to_json())
        elif row.status == "ok":
            print(f"{display_path(summary.plan.root / row.output)}: {row.summary}")
    for note in summary.plan.notes:
        print_message(f"note: {note}")
    if as_json:
        print(json.dumps(summary.counts()))
    if log_format == "text":
        print(summary.describe(), file=sys.stderr)
        if verbose:
            for device, copies in summary.transfers.items():
                print(f"{device}: {copies.describe()}", file=sys.stderr)
    for bug in summary.bugs:
        print(bug, file=sys.stderr)
    if summary.failed and not exit_zero:
        raise _failure(summary, job, settings or [], quiet=quiet)


def _failure(summary: RunSummary, job: Path, settings: list[str], *, quiet: bool) -> PartialRunError:
    """Return the error for failed items; a quiet run names the first of them, which it has not shown yet."""
    unseen = (row.message for row in summary.iter_rows() if quiet and row.status != "ok")
    first = next((f"; the first: {message}" for message in unseen), "")
    command = shlex.join(["gpudepth", "run", str(job), *(part for one in settings for part in ("--set", one))])
    return PartialRunError(f"{summary.failed} of {summary.done + summary.failed} items failed{first}", where=job, hint=(
        f"{_report_command(summary, job)} shows the reasons; {command} retries these items"))


def _report_command(summary: RunSummary, job: Path) -> str:
    """Return the command that shows the failed items."""
    if summary.plan.store is not None:
        return f"gpudepth merge {job}"
    if summary.plan.job.run.ledger is not None:
        return f"gpudepth report {display_path(summary.ledger)} --outputs {display_path(summary.plan.root)}"
    usual = summary.ledger == summary.plan.ledger
    return f"gpudepth report {display_path(summary.ledger.parent if usual else summary.ledger)}"
