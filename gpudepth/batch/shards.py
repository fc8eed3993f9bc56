"""Defines shards, the parts of a run for many machines: `i/n` with i from 0, their ledgers, tasks and results.

`work_item.in_shard` determines which items belong to a shard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import GpudepthError, PartialRunError, UsageError
from ..settings.job import Job

Shard: TypeAlias = tuple[int, int]


def check(shard: Shard) -> None:
    """Raise UsageError for a shard that does not exist."""
    if not 0 <= shard[0] < shard[1]:
        last = max(1, shard[1])
        raise UsageError(f"there is no shard {shard_name(shard)}: shards are numbered from 0",
                         hint=f"use --shard 0/{last}" + (f" to {last - 1}/{last}" if last > 1 else ", everything"))


def shard_name(shard: Shard) -> str:
    """Return a shard as on the command line, such as `0/4`."""
    return f"{shard[0]}/{shard[1]}"


def shard_path(path: Path, shard: Shard) -> Path:
    """Return the path of a shard's own version of a file of the whole run, such as its ledger."""
    return path.with_name(f"{path.stem}.{shard[0]}-of-{shard[1]}{path.suffix}")


def shard_ledgers(ledger: Path) -> dict[Shard, Path]:
    """Return the ledgers of shards beside that of the whole run, in order, for any number of shards."""
    name = re.compile(rf"{re.escape(ledger.stem)}\.(\d+)-of-(\d+){re.escape(ledger.suffix)}")
    found = {}
    for path in ledger.parent.iterdir() if ledger.parent.is_dir() else ():
        match = name.fullmatch(path.name)
        if match and int(match[1]) < int(match[2]):
            found[int(match[1]), int(match[2])] = path
    return dict(sorted(found.items(), key=lambda one: (one[0][1], one[0][0])))


@dataclass(frozen=True)
class ShardResult:
    """The result of a shard.

    Attributes:
        shard: The shard.
        ledger: Its ledger.
        start: The byte at which the rows of this run begin.
        done: Number of items that were done.
        failed: Number of items that failed.
        skipped: Number of items that were done before.
        warnings: Problems.
        bugs: Tracebacks.
        error: Why it ended early.
        interrupted: The signal that interrupted it, or 0.
    """


    shard: Shard
    ledger: Path | None = None
    start: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    warnings: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    error: GpudepthError | None = None
    interrupted: int = 0


@dataclass(frozen=True)
class ShardTask:
    """A shard of a job, as an engine transfers it.

    Attributes:
        job: The job.
        base: Its folder, absolute.
        shard: The shard.
        workers: Number of processes.
        plan_file: The plan, absolute or a URL.
    """


    job: Job
    base: Path
    shard: Shard
    workers: int
    plan_file: str | None = None

    def lost(self, why: str) -> ShardResult:
        """Return the result of a shard that the engine gave up."""
        return ShardResult(self.shard, error=PartialRunError(
            f"shard {shard_name(self.shard)} was given up: {why}",
            hint="run the job again; finished items are not processed again"))
