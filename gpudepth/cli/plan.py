"""gpudepth plan"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError, readable
from . import options as o
from .output import print_message

if TYPE_CHECKING:
    from ..batch.plan import Plan

Sample = Annotated[int | None, typer.Option(metavar="N", show_default=False,
                                            help="Do N items for a sample, into a folder that goes away again, and say "
                                                 "what all will take.")]
Output = Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", show_default=False,
                                             help="Write the plan, for gpudepth run --plan: a line for each item.")]


def plan(job: o.JobFile, settings: o.Set = None, output: Output = None, sample: Sample = None,
         shard: o.Shard = None) -> None:
    """Show what a job would do: which map goes to which photo, and where the result goes.

    Nothing else is done.

    A plan that is written serves all shards of a run: files are listed and paired once. It is of the job as it is now;
    run refuses it when the job has changed.

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
        raise UsageError("a plan that is written is of the whole job", hint="without --shard and --sample")
    planned = runner.plan(job, settings=settings, write=output)
    for line in planned.remarks():
        print_message(line)
    print(f"{len(planned.items)} items, {len(planned.refused)} that cannot be done", file=sys.stderr)
    print(output)


def show(planned: Plan, sample: int | None) -> None:
    """The plan, or what all of it will take."""
    from ..batch import runner

    for line in planned.lines() if sample is None else runner.sample(planned, sample).lines():
        print(readable(line))
