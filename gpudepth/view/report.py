"""Makes the report of a run: each item of its ledger with pictures, the worst first, in one HTML file."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
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
from ..timing import StageTimes
from .canvas import table
from .thumbnail import Sizes, Thumbnail, ThumbnailRequest, make

BYTES = 18_000_000          # of all pictures; base64 adds a third
MOST_PICTURED = 1500        # items with pictures; the items beyond, whose edges agree best, have none
SECONDS = 60.0              # time limit for the pictures of an item


@dataclass
class ReportItem:
    """One row of the report.

    Attributes:
        row: The last row of the ledger about the item.
        output: The file that the item wrote.
        thumbnail: The pictures of the output as it is now.
        trouble: Why there are no pictures.
    """

    row: Row
    output: Path
    thumbnail: Thumbnail | None = None
    trouble: str = ""

    @property
    def rank(self) -> tuple[int, float, str]:
        """The sort key: errors, then items without pictures, then by agreement of edges, the worst first."""
        if self.row.status != "ok":
            return 0, 0, self.row.key
        if self.thumbnail is None:
            return 1, 0, self.row.key
        score = self.thumbnail.score
        return (2, score, self.row.key) if score is not None else (3, 0, self.row.key)


@dataclass
class RunReport:
    """The report of one run.

    Attributes:
        name: The folder of the run.
        items: The items, the worst first.
    """

    name: str
    items: list[ReportItem] = field(default_factory=list)

    def html(self) -> str:
        """Return the page."""
        return page(self.name, self.facts(), [self._entry(item) for item in self.items])

    def facts(self) -> dict[str, Any]:
        """Return the figures of the whole run; times are in seconds, summed over workers."""
        done = [item.row for item in self.items if item.row.status == "ok"]
        times = StageTimes()
        for row in done:
            times.add(row.stages)
        errors = Counter(item.row.error for item in self.items if item.row.status != "ok")
        scores = sorted(t.score for i in self.items if (t := i.thumbnail) is not None and t.score is not None)
        return {"done": len(done), "failed": len(self.items) - len(done),
                "seconds": round(sum(row.seconds for row in done), 3), "bytes": sum(row.output_size for row in done),
                "pixels": sum(row.pixels for row in done), "stages": {k: round(v, 3) for k, v in times.seconds.items()},
                "errors": errors, "agreement": scores[len(scores) // 2] if scores else None}

    def _entry(self, item: ReportItem) -> dict[str, Any]:
        row, small = item.row, item.thumbnail
        near, far = row.metres or (None, None)
        entry: dict[str, Any] = {
            "key": row.key, "output": row.output, "ok": row.status == "ok", "summary": row.summary,
            "near": near, "far": far, "message": row.message or item.trouble, "warnings": list(row.warnings),
            "filled": row.filled, "seconds": row.seconds, "bytes": row.output_size, "stages": row.stages}
        if small is not None:
            entry |= {"score": small.score, "picture": _base64(small.picture), "map": _base64(small.map),
                      "lo": small.lo, "hi": small.hi, "focal": small.focal, "holes": round(small.holes, 4),
                      "size": f"{small.width}×{small.height}"}
        return entry


def report(ledger: Path, *, outputs: Path | None = None, limits: Limits = DEFAULT, workers: int = 0,
           progress: Callable[[int, int], None] = lambda done, of: None) -> RunReport:
    """Make the report of a run.

    Args:
        ledger: The ledger, or the folder that contains it.
        outputs: The output folder, if the ledger lies elsewhere (`run.ledger`).
        limits: The limits for the outputs.
        workers: The number of processes; 0 uses all cores.
        progress: Receives the number of finished outputs and of all outputs after each output.

    Raises:
        MissingInputError: If there is no ledger.
        UsageError: If the ledger has no rows.
    """
    if ledger.is_dir():
        ledger = ledger / LEDGER
    if not ledger.is_file():
        raise MissingInputError("the ledger does not exist", where=ledger, hint=_hint(ledger.parent))
    last = {row.key: row for row in read_rows(ledger)}
    if not last:
        raise UsageError("the ledger has no rows", where=ledger, hint=_hint(ledger.parent))
    folder = outputs or ledger.parent
    items = [ReportItem(row, folder / row.output, trouble=_trouble(row)) for row in last.values()]
    _add_pictures([item for item in items if item.row.status == "ok" and not item.trouble], limits,
                  workers or available_cores(), progress)
    return RunReport(str(folder), sorted(items, key=lambda item: item.rank))


def _trouble(row: Row) -> str:
    """Return why the output of a row cannot be shown, or ''."""
    if row.output.startswith("/") or ".." in row.output.split("/"):     # a ledger may come from anybody
        return "not shown: the output lies outside the folder of the ledger"
    if row.status == "ok" and row.output.endswith(".tar"):
        return f"not shown: {row.summary} in a tar file"
    return ""


def _add_pictures(items: list[ReportItem], limits: Limits, workers: int,
                  progress: Callable[[int, int], None]) -> None:
    """Make the pictures of items in worker processes; keep those of the worst items if they are too many."""
    sizes = Sizes.within(BYTES // max(1, min(len(items), MOST_PICTURED)))
    by_output: dict[Path, list[ReportItem]] = {}       # several items have one output if photos were renamed
    for item in items:
        by_output.setdefault(_photo_of(item.output), []).append(item)
    requests = [ThumbnailRequest(path, sizes, limits) for path in by_output]
    pictured = _Pictured()
    results = run_tasks(make, requests, min(workers, max(1, len(requests))), SECONDS)
    with contextlib.closing(results):       # type: ignore[type-var]
        for n, done in enumerate(results, 1):
            for item in by_output[done.task.path]:
                if done.error is not None:
                    item.trouble = done.error.message
                else:
                    item.thumbnail = done.result
                    pictured.add(item)
            progress(n, len(requests))
    pictured.keep()


def _hint(folder: Path) -> str:
    """Return how to get a ledger: by name, by merging shards, or by a run."""
    found = sorted(path.parent for path in folder.glob(f"*/{LEDGER}"))[:3] if folder.is_dir() else []
    if shard_ledgers(folder / LEDGER):
        return "gpudepth merge job.yaml merges the ledgers of the shards"
    return (" or ".join(f"gpudepth report {one}" for one in found) or
            "name the folder at the beginning of output.path; gpudepth run job.yaml writes the ledger there")


def _photo_of(output: Path) -> Path:
    """Return the file to show: the output, or the photo in the middle of a clip."""
    if output.name != TABLE or not output.parent.is_dir():
        return output
    photos = photos_in(output.parent)
    return photos[len(photos) // 2] if photos else output


@dataclass
class _Pictured:
    """Holds the pictures of the worst items, at most 2 · BYTES at any time and BYTES in the end."""

    items: list[ReportItem] = field(default_factory=list)
    held: int = 0

    def add(self, item: ReportItem) -> None:
        self.items.append(item)
        self.held += _size(item)
        if self.held > 2 * BYTES:
            self.keep()

    def keep(self) -> None:
        """Drop the pictures of the items that agree best, until the others fit into BYTES."""
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


def _size(item: ReportItem) -> int:
    return 0 if item.thumbnail is None else len(item.thumbnail.picture) + len(item.thumbnail.map)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


_FILES = {"STYLE": "report.css", "REPORT": "report.js", "VIEWER": "viewer.js"}


def page(name: str, facts: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Return the page of a run; `report.RunReport` defines facts and items."""
    parts = {key: _static(file) for key, file in _FILES.items()}
    parts |= {"TITLE": html.escape(name), "THREE": script(),
             "DATA": in_script({"name": name, "facts": facts, "items": items, "colours": table().tolist()})}
    return re.sub("%%([A-Z]+)%%", lambda name: parts[name[1]], _static("report.html"))


def in_script(data: Any) -> str:
    """Return JSON that cannot end the script element, whatever names the files have."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


FILES = ("three-0.140.2.min.js", "three-0.140.2.TrackballControls.js")


def script() -> str:
    """Return three.js with TrackballControls: a script that defines THREE."""
    return "\n".join(map(_static, FILES))
