"""A report of a run: every item of its ledger, with pictures, worst first, in one page that needs nothing else."""

from __future__ import annotations

import base64
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..attachment.clips.files import TABLE
from ..batch.ledger import LEDGER, Row, read_rows
from ..batch.shards import shard_ledgers
from ..batch.workers import run_tasks
from ..compute.threads import available_cores
from ..datasets.dataset import photos_in
from ..errors import MissingInputError, UsageError
from ..limits import DEFAULT, Limits
from ..timing import add
from . import page
from .thumbnail import Sizes, Thumbnail, Wanted, make

BYTES = 18_000_000          # of all pictures: as base64 a third more
MOST_PICTURED = 1500        # beyond, the page holds rows without pictures for those that agree best
SECONDS = 60.0


@dataclass
class Item:
    """A row of the page: the ledger's last word on an item, and what its output looks like now. trouble: why there is
    nothing to look at."""

    row: Row
    output: Path
    thumbnail: Thumbnail | None = None
    trouble: str = ""

    @property
    def rank(self) -> tuple[int, float, str]:
        """Errors, then what cannot be looked at, then by agreement, the worst first."""
        if self.row.status != "ok":
            return 0, 0, self.row.key
        if self.thumbnail is None:
            return 1, 0, self.row.key
        score = self.thumbnail.score
        return (2, score, self.row.key) if score is not None else (3, 0, self.row.key)


@dataclass
class RunReport:
    """Of one run. name: its folder."""

    name: str
    items: list[Item] = field(default_factory=list)

    def write(self) -> str:
        """The page."""
        return page.html(self.name, self.facts(), [self._entry(item) for item in self.items])

    def facts(self) -> dict[str, Any]:
        """What is said of the run as a whole; times in seconds, summed over workers."""
        done = [item.row for item in self.items if item.row.status == "ok"]
        stages: dict[str, float] = {}
        for row in done:
            add(stages, row.stages)
        errors = Counter(item.row.error for item in self.items if item.row.status != "ok")
        scores = sorted(t.score for i in self.items if (t := i.thumbnail) is not None and t.score is not None)
        return {"done": len(done), "failed": len(self.items) - len(done),
                "seconds": round(sum(row.seconds for row in done), 3), "bytes": sum(row.output_size for row in done),
                "pixels": sum(row.pixels for row in done), "stages": {k: round(v, 3) for k, v in stages.items()},
                "errors": errors, "agreement": scores[len(scores) // 2] if scores else None}

    def _entry(self, item: Item) -> dict[str, Any]:
        row, small = item.row, item.thumbnail
        near, far = row.metres or (None, None)
        entry: dict[str, Any] = {
            "key": row.key, "output": row.output, "ok": row.status == "ok", "said": row.said,
            "near": near, "far": far, "message": row.message or item.trouble, "warnings": list(row.warnings),
            "filled": row.filled, "seconds": row.seconds, "bytes": row.output_size, "stages": row.stages}
        if small is not None:
            entry |= {"score": small.score, "picture": _base64(small.picture), "map": _base64(small.map),
                      "lo": small.lo, "hi": small.hi, "focal": small.focal, "holes": round(small.holes, 4),
                      "size": f"{small.width}×{small.height}"}
        return entry


def report(ledger: Path, *, outputs: Path | None = None, limits: Limits = DEFAULT, workers: int = 0,
           told: Callable[[int, int], None] = lambda done, of: None) -> RunReport:
    """Look at all outputs that a ledger names. ledger: the file, or the folder that it is in. outputs: the folder that
    they are in, where run.ledger has put the ledger elsewhere. told: (done, of) now and then.

    Raises MissingInputError, UsageError for a ledger without rows.
    """
    if ledger.is_dir():
        ledger = ledger / LEDGER
    if not ledger.is_file():
        raise MissingInputError("there is no ledger of a run", where=ledger, hint=_elsewhere(ledger.parent))
    last = {row.key: row for row in read_rows(ledger)}
    if not last:
        raise UsageError("holds no rows of a run", where=ledger, hint=_elsewhere(ledger.parent))
    items = [Item(row, (outputs or ledger.parent) / row.output) for row in last.values()]
    for item in items:
        if item.output.suffix == ".tar" and item.row.status == "ok":
            item.trouble = f"{item.row.said} in a tar, not looked at"
        if _is_outside(item.row.output):
            item.trouble = "lies outside of the folder of the ledger, not looked at"
    shown = [item for item in items if item.row.status == "ok" and not item.trouble]
    sizes = Sizes.within(BYTES // max(1, min(len(shown), MOST_PICTURED)))
    back: dict[Path, list[Item]] = {}       # several have one output where photos were called otherwise before
    for item in shown:
        back.setdefault(_looked_at(item.output), []).append(item)
    wanted = [Wanted(path, sizes, limits) for path in back]
    pictured = _Pictured()
    results = run_tasks(make, wanted, min(workers or available_cores(), max(1, len(wanted))), SECONDS)
    with contextlib.closing(results):       # type: ignore[type-var]
        for n, done in enumerate(results, 1):
            for item in back[done.task.path]:
                if done.error is not None:
                    item.trouble = done.error.message
                else:
                    item.thumbnail = done.result
                    pictured.add(item)
            told(n, len(wanted))
    pictured.keep()
    items.sort(key=lambda item: item.rank)
    return RunReport(str(outputs or ledger.parent), items)


def _elsewhere(folder: Path) -> str:
    """Where runs wrote to below a folder, or what there is to do."""
    found = sorted(path.parent for path in folder.glob(f"*/{LEDGER}"))[:3] if folder.is_dir() else []
    if shard_ledgers(folder / LEDGER):
        return "its shards have ledgers of their own: gpudepth merge job.yaml makes one of them"
    return (" or ".join(f"gpudepth report {one}" for one in found) or
            "name the folder that output.path of a job begins with; gpudepth run job.yaml makes the ledger there")


def _looked_at(output: Path) -> Path:
    """The file to look at: of a clip's photos the one in the middle."""
    if output.name != TABLE or not output.parent.is_dir():
        return output
    photos = photos_in(output.parent)
    return photos[len(photos) // 2] if photos else output


def _is_outside(output: str) -> bool:
    """A ledger may be anybody's: what it names is looked at below it alone."""
    return output.startswith("/") or ".." in output.split("/")


@dataclass
class _Pictured:
    """Items whose pictures are held: as many as BYTES allow, the worst ones; never many more than that."""

    items: list[Item] = field(default_factory=list)
    held: int = 0

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.held += _size(item)
        if self.held > 2 * BYTES:
            self.keep()

    def keep(self) -> None:
        """Pictures go, from those that agree best on, where all of them would be too much."""
        self.items.sort(key=lambda item: item.rank)
        held = 0
        for n, item in enumerate(self.items):
            if held + _size(item) > BYTES:
                for rest in self.items[n:]:
                    if rest.thumbnail is not None:
                        rest.thumbnail = replace(rest.thumbnail, picture=b"", map=b"")
                del self.items[n:]
                break
            held += _size(item)
        self.held = held


def _size(item: Item) -> int:
    return 0 if item.thumbnail is None else len(item.thumbnail.picture) + len(item.thumbnail.map)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
