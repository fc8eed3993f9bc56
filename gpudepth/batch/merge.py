"""Merge: the ledgers of a run's shards become one, and what there is to do is told against the plan.

Rows that the whole run's ledger lacks are appended to it, so a kill tears no more than its last line. Of several rows
of an item the one counts that makes redoing it needless; shards keep their ledgers, and go on with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..attachment.output import remove_stale
from ..errors import LockedError, UsageError
from ..pairing.stores import display_path
from ..settings.job import Job
from .job_hash import JobHash, job_hash
from .ledger import Ledger, Row, read_rows
from .part_ledger import read_parts, shards_of
from .plan import Plan
from .runner import folders_of, ledger_path, looked_at, pair_files
from .shards import Shard, said, shard_ledgers
from .work_item import WorkItem

State = Literal["failed", "outdated", "missing"]


@dataclass(frozen=True)
class Left:
    """An item that is not done. failed: with its error. outdated: settings, an input or the output changed since.
    missing: no ledger knows it."""

    key: str
    state: State
    message: str = ""


@dataclass
class Merged:
    """done: items whose output is there, made of these inputs by these settings. added: rows that were appended."""

    ledger: Path
    shards: tuple[str, ...]
    done: int = 0
    added: int = 0
    left: list[Left] = field(default_factory=list)

    def count(self, state: State) -> int:
        return sum(one.state == state for one in self.left)

    def line(self) -> str:
        parts = [f"{self.done} done", f"{self.count('failed')} failed", f"{self.count('missing')} missing"]
        outdated = self.count("outdated")
        return ", ".join(parts + ([f"{outdated} outdated"] if outdated else []))

    def to_dict(self) -> dict[str, Any]:
        return {"ledger": display_path(self.ledger), "shards": list(self.shards), "added": self.added,
                "done": self.done, **{state: self.count(state) for state in ("failed", "missing", "outdated")},
                "left": [{"key": one.key, "state": one.state, **({"message": one.message} if one.message else {})}
                         for one in self.left]}


def merge(job: str | Path | Job, *, base: Path | None = None, settings: list[str] | None = None,
          plan_file: str | Path | None = None) -> Merged:
    """plan_file: as of `runner.run`. Raises what planning raises; UsageError where no shard ever ran; LockedError while
    one runs; OutputError."""
    plan, base = pair_files(job, base, settings, plan_file=plan_file)
    if plan.store is not None:
        return _of_parts(plan, plan.store)
    whole = ledger_path(plan, base)
    ledgers = shard_ledgers(whole)
    if not ledgers:
        raise UsageError("no shard ever ran here", where=whole.parent, hint="gpudepth run job.yaml --shard 0/4")
    merged = Merged(whole, tuple(said(shard) for shard in ledgers))
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
            remove_stale(folder)    # of killed shards: nobody writes now
    return merged


def _of_parts(plan: Plan, folder: str) -> Merged:
    """The same of a run into an object store, whose parts are one ledger as they are: nothing is written."""
    shards = shards_of(folder)
    if not shards:
        raise UsageError("no shard ever ran here", where=folder, hint="gpudepth run job.yaml --shard 0/4")
    merged = Merged(Path(folder), tuple(shards))
    settings_hash = job_hash(plan.job, plan.settings)
    rows = read_parts(folder)
    with looked_at(plan, rows.values()):
        for item in plan.items:
            row, done = _best(item, [rows[item.key]] if item.key in rows else [], settings_hash)
            if done:
                merged.done += 1
            else:
                merged.left.append(_left(item.key, row, settings_hash))
    merged.left += [Left(refused.key, "failed", str(refused.error)) for refused in plan.refused]
    return merged


@contextlib.contextmanager
def _all_ended(whole: Path, ledgers: dict[Shard, Path]) -> Iterator[Ledger]:
    """The whole run's ledger, which shards hold as long as they run; says which do."""
    with contextlib.ExitStack() as stack:
        try:
            ledger = stack.enter_context(Ledger(whole))
        except LockedError as error:
            running = [said(shard) for shard, path in ledgers.items() if _is_held(path)]
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


def _best(item: WorkItem, rows: Iterable[Row], settings_hash: JobHash) -> tuple[Row | None, bool]:
    """The row that says the item is done, and True; else the last one that has its error of these settings, else the
    last."""
    last = failed = None
    for row in rows:
        last = row
        if row.status == "error" and settings_hash.covers(row.job):
            failed = row
        elif row.output == item.target and row.done(settings_hash, item.inputs, item.output) and item.is_whole(row):
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
