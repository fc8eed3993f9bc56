"""Shards: the parts a run is cut into for many machines, `i/n` with i from 0; the ledger that each has, what an engine
is given for one and gives back.

Which items belong to a shard says `item.in_shard`.
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
    """Raises UsageError for one that is none."""
    if not 0 <= shard[0] < shard[1]:
        last = max(1, shard[1])
        raise UsageError(f"there is no shard {said(shard)}: shards count from 0",
                         hint=f"--shard 0/{last}" + (f" to {last - 1}/{last}" if last > 1 else ": all of it"))


def said(shard: Shard) -> str:
    """`0/4`, as the command line has it."""
    return f"{shard[0]}/{shard[1]}"


def shard_path(path: Path, shard: Shard) -> Path:
    """Where a shard has what the whole run has at `path`, its ledger for one: beside it."""
    return path.with_name(f"{path.stem}.{shard[0]}-of-{shard[1]}{path.suffix}")


def shard_ledgers(ledger: Path) -> dict[Shard, Path]:
    """All that lie beside the whole run's, of any number of shards, in their order."""
    name = re.compile(rf"{re.escape(ledger.stem)}\.(\d+)-of-(\d+){re.escape(ledger.suffix)}")
    found = {}
    for path in ledger.parent.iterdir() if ledger.parent.is_dir() else ():
        match = name.fullmatch(path.name)
        if match and int(match[1]) < int(match[2]):
            found[int(match[1]), int(match[2])] = path
    return dict(sorted(found.items(), key=lambda one: (one[0][1], one[0][0])))


@dataclass(frozen=True)
class ShardResult:
    """What came of a shard. ledger, start: where its rows are. error: why it did not come to its end; interrupted: by
    that signal."""

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
    """A shard of a job, as it travels. base: absolute; plan_file, too, or a URL."""

    job: Job
    base: Path
    shard: Shard
    workers: int
    plan_file: str | None = None

    def lost(self, why: str) -> ShardResult:
        """The engine gave it up."""
        return ShardResult(self.shard, error=PartialRunError(
            f"shard {said(self.shard)} was given up: {why}", hint="run the job again: what is done is not done again"))
