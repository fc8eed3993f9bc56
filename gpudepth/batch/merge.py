"""Merges the ledgers of shards into the ledger of the run, and compares it with the plan.

Rows that the ledger of the run lacks are appended, so that a kill damages at most its last line. Of several rows of an
item, one that shows the item as done counts. Shards keep their ledgers and continue with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..attachment.output import remove_stale
from ..errors import LockedError, UsageError
from ..pairing.stores import Facts, display_path
from ..settings.job import Job
from .job_hash import JobHash, job_hash
from .ledger import NO_OBJECTS, Ledger, Row, read_rows
from .part_ledger import read_parts, shards_of
from .plan import Plan
from .runner import folders_of, ledger_path, output_facts, pair_files
from .shards import Shard, shard_ledgers, shard_name
from .work_item import WorkItem

State = Literal["failed", "outdated", "missing"]


@dataclass(frozen=True)
class Left:
    """An item that is not done.

    Attributes:
        key: Its key.
        state: "failed" with an error; "outdated" if settings, an input or the output changed since; "missing" if it is
            in no ledger.
        message: The error.
    """


    key: str
    state: State
    message: str = ""


@dataclass
class Merged:
    """The result of a merge.

    Attributes:
        ledger: The ledger of the run.
        shards: Names of the shards that have ledgers.
        done: Number of items whose output exists and was made from these inputs with these settings.
        added: Number of rows that were appended.
        left: Items that are not done.
    """


    ledger: Path
    shards: tuple[str, ...]
    done: int = 0
    added: int = 0
    left: list[Left] = field(default_factory=list)

    def count(self, state: State) -> int:
        """Return the number of items in a state."""
        return sum(one.state == state for one in self.left)

    def describe(self) -> str:
        """Return the counts for people."""
        parts = [f"{self.done} done", f"{self.count('failed')} failed", f"{self.count('missing')} missing"]
        outdated = self.count("outdated")
        return ", ".join(parts + ([f"{outdated} outdated"] if outdated else []))

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {"ledger": display_path(self.ledger), "shards": list(self.shards), "added": self.added,
                "done": self.done, **{state: self.count(state) for state in ("failed", "missing", "outdated")},
                "left": [{"key": one.key, "state": one.state, **({"message": one.message} if one.message else {})}
                         for one in self.left]}


def merge(job: str | Path | Job, *, base: Path | None = None, settings: list[str] | None = None,
          plan_file: str | Path | None = None) -> Merged:
    """Merge the ledgers of shards.

    Args:
        job: The job.
        base: The folder that its paths are relative to.
        settings: Changes of the job.
        plan_file: As in `runner.run`.

    Raises:
        UsageError: No shard has run.
        LockedError: A shard is running.
        OutputError: The ledger cannot be written.
    """
    plan, base = pair_files(job, base, settings, plan_file=plan_file)
    if plan.store is not None:
        return _of_parts(plan, plan.store)
    whole = ledger_path(plan, base)
    ledgers = shard_ledgers(whole)
    if not ledgers:
        raise UsageError("no shard has run here", where=whole.parent, hint="run one: gpudepth run job.yaml --shard 0/4")
    merged = Merged(whole, tuple(shard_name(shard) for shard in ledgers))
    settings_hash = job_hash(plan.job, plan.settings)
    with _all_ended(whole, ledgers) as ledger:
        known = [ledger.rows, *({row.key: row for row in read_rows(path)} for path in ledgers.values())]
        for item in plan.items:
            row, done = _best(item, [rows[item.key] for rows in known if item.key in rows], settings_hash)
            _add(ledger, row, merged)
            if done:
                merged.done += 1
            else:
                merged.left.append(_left(item.key, row, settings_hash))
        for refused in plan.refused:
            found = [rows[refused.key] for rows in known if refused.key in rows]
            _add(ledger, found[-1] if found else None, merged)
            merged.left.append(Left(refused.key, "failed", str(refused.error)))
        for folder in folders_of(plan.items):
            remove_stale(folder)    # files of killed shards; no shard is running
    return merged


def _of_parts(plan: Plan, folder: str) -> Merged:
    """Compare the ledger of a run into an object store with its plan. Its parts are one ledger; nothing is written."""
    shards = shards_of(folder)
    if not shards:
        raise UsageError("no shard has run here", where=folder, hint="run one: gpudepth run job.yaml --shard 0/4")
    merged = Merged(Path(folder), tuple(shards))
    settings_hash = job_hash(plan.job, plan.settings)
    rows = read_parts(folder)
    objects = output_facts(plan, rows.values())
    for item in plan.items:
        row, done = _best(item, [rows[item.key]] if item.key in rows else [], settings_hash, objects)
        if done:
            merged.done += 1
        else:
            merged.left.append(_left(item.key, row, settings_hash))
    merged.left += [Left(refused.key, "failed", str(refused.error)) for refused in plan.refused]
    return merged


@contextlib.contextmanager
def _all_ended(whole: Path, ledgers: dict[Shard, Path]) -> Iterator[Ledger]:
    """Open the ledger of the run. Raises LockedError, which names the shards that are running."""
    with contextlib.ExitStack() as stack:
        try:
            ledger = stack.enter_context(Ledger(whole))
        except LockedError as error:
            running = [shard_name(shard) for shard, path in ledgers.items() if _is_held(path)]
            if not running:
                raise
            raise LockedError(f"shards are running: {', '.join(running)}", where=error.where,
                              hint="wait for them to end") from None
        yield ledger


def _is_held(path: Path) -> bool:
    try:
        with Ledger(path, shared=True):
            return False
    except LockedError:
        return True


def _best(item: WorkItem, rows: Iterable[Row], settings_hash: JobHash,
          objects: Mapping[str, Facts | None] = NO_OBJECTS) -> tuple[Row | None, bool]:
    """Return the row that shows the item as done, and True; otherwise its last error with these settings, or row."""
    last = failed = None
    for row in rows:
        last = row
        if row.status == "error" and settings_hash.covers(row.job):
            failed = row
        elif row.output == item.target and row.done(
                settings_hash, item.inputs, item.output, objects) and item.is_complete(row):
            return row, True
    return failed or last, False


def _add(ledger: Ledger, row: Row | None, merged: Merged) -> None:
    if row is not None and ledger.rows.get(row.key) != row:
        ledger.add(row)
        merged.added += 1


def _left(key: str, row: Row | None, settings_hash: JobHash) -> Left:
    if row is None:
        return Left(key, "missing")
    if row.status == "error" and settings_hash.covers(row.job):
        return Left(key, "failed", row.message)
    return Left(key, "outdated")
