"""Defines the functions of `import gpudepth`.

    read(path)                       read the depth of a photo, in metres
    attach(photo, depth, out, …)     attach a depth map to a photo without re-encoding the picture
    from_model(depth, near, far)     make depth data of the output of a depth network
    convert(path, out)               convert depth from one kind of file into another
    remove(path, out)                remove the depth from a photo
    inspect(path)                    describe the picture and the depth of a file
    check(path)                      check a file against the rules of its format
    run(job)                         run a job file
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .photos import attach, convert, from_model, remove
from .reading import check, inspect, read

if TYPE_CHECKING:
    from ..batch.summary import RunSummary

__all__ = ["attach", "check", "convert", "from_model", "inspect", "read", "remove", "run"]


def run(job: str | Path, *, shard: tuple[int, int] | None = None, engine: str = "local", **options: Any) -> RunSummary:
    """Run a job file: many photos, one set of rules.

    Args:
        job: A YAML file, or a `gpudepth.settings.job.Job`. Paths in a file are relative to it.
        shard: (i, n) runs the i-th of n parts, counted from 0.
        engine: "local", "ray" or "dask".
        options: Other arguments of `gpudepth.batch.runner.run`, and `shards`: settings, base, quiet, log_format….

    Returns:
        A summary of the finished, skipped and failed items. Items that fail are rows of the ledger and do not raise.

    Raises:
        JobError: If the job is wrong.
        UsageError: If an argument is wrong.
        MissingInputError: If an input does not exist.
        LockedError: If another run uses the output folder.
        OutputError: If the disk is full or not writable.
        Interrupted: If the run is stopped by SIGINT or SIGTERM.

    Source: `gpudepth config schema` describes each key of a job.
    """
    from ..batch.sharded import run as run_job

    return run_job(job, shard=shard, engine=engine, **options)
