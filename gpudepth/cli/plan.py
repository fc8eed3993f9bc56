"""gpudepth plan"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from ..errors import UsageError, counted, readable
from . import options as o
from .command import Option
from .output import print_message

if TYPE_CHECKING:
    from ..batch.plan import Plan

Sample = Annotated[int | None, Option(metavar="N", show_default=False, help=(
    "Process N items into a temporary folder and estimate the full run."))]
Output = Annotated[str | None, Option("-o", "--output", metavar="FILE", show_default=False, help=(
    "Write the plan to a file for gpudepth run --plan."))]


def plan(job: o.JobFile, settings: o.Set = None, output: Output = None, sample: Sample = None,
         shard: o.Shard = None) -> None:
    """Show what a job would do: which map belongs to which photo, and where the result is written.

    The command changes nothing. A plan file saves the shards of a run from listing and pairing the files again; run
    refuses it if the job has changed since.

    \b
    gpudepth plan job.yaml
    gpudepth plan job.yaml -o plan.jsonl
    gpudepth run job.yaml --plan plan.jsonl --shard 0/4
    """
    from ..batch import runner

    if output is None:
        show(runner.plan(job, settings=settings, shard=o.shard(shard)), sample)
        return
    if shard is not None or sample is not None:
        raise UsageError("-o writes the plan of the whole job; leave out --shard and --sample")
    planned = runner.plan(job, settings=settings, write=output)
    for line in planned.remarks():
        print_message(line)
    print(f"{counted(len(planned.items), 'item')}, {len(planned.refused)} that cannot be processed", file=sys.stderr)
    print(output)


def show(planned: Plan, sample: int | None) -> None:
    """Print a plan, or the estimate of its run from `sample` items."""
    from ..batch import runner

    for line in planned.lines() if sample is None else runner.sample(planned, sample).lines():
        print(readable(line))
