"""The result of a run: counts, rows of the ledger, tracebacks, transfers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..compute.launch import Transfers
from ..deprecated import renamed_attribute
from .ledger import Row, read_rows
from .plan import Plan


@dataclass
class RunSummary:
    """The result of a run.

    Attributes:
        plan: The plan.
        ledger: The file with the rows of the run, which are not held in memory. For a run into an object store it is
            deleted with the summary; its parts stay in the store.
        start: The byte at which the rows of this run begin.
        done: Number of items that were done.
        failed: Number of items that failed.
        skipped: Number of items that were done before.
        bugs: Tracebacks, some of them if there are many.
        shards: Ledgers and starts of the shards that an engine ran.
        transfers: The copies to and from each device that the run used.
    """

    plan: Plan
    ledger: Path
    start: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    bugs: list[str] = field(default_factory=list)
    shards: list[tuple[Path, int]] = field(default_factory=list)
    transfers: dict[str, Transfers] = field(default_factory=dict)

    line, each = renamed_attribute("line", "describe"), renamed_attribute("each", "iter_rows")

    @property
    def rows(self) -> list[Row]:
        """The rows of this run in the order in which they finished, read from the ledger at each call."""
        return list(self.iter_rows())

    def iter_rows(self) -> Iterator[Row]:
        """Yield the rows of this run, one in memory at a time."""
        for path, start in self.shards or [(self.ledger, self.start)]:
            if path.exists():
                yield from read_rows(path, start)

    def counts(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        return {"done": self.done, "skipped": self.skipped, "failed": self.failed}

    def describe(self) -> str:
        """Return the counts, such as `5 done, 0 already done, 0 failed`."""
        return f"{self.done} done, {self.skipped} already done, {self.failed} failed"
