"""Shows progress on stderr: a bar on a terminal, elsewhere a line at intervals, or a line of JSON for each event.

A heartbeat is a file that shows that the run is alive, and its progress.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from ..errors import readable
from ..timing import StageTimes
from .ledger import Row

LINE_SECONDS = 10.0
BEAT_SECONDS = 5.0

Style = Literal["text", "json"]


class Progress:
    """Counts items and shows progress. A context manager.

    Args:
        total: Number of items.
        quiet: Shows nothing.
        stream: Where to write.
        every: Seconds between lines where there is no terminal.
        style: "json" writes progress, warnings and errors as one object per line.
        heartbeat: A file that is replaced every few seconds.
    """

    def __init__(self, total: int, *, quiet: bool = False, stream: TextIO | None = None, every: float = LINE_SECONDS,
                 style: Style = "text", heartbeat: Path | None = None) -> None:
        self.total, self.stream, self.every, self.style = total, stream or sys.stderr, every, style
        self.heartbeat = heartbeat
        self.done = self.failed = self.pixels = 0
        self.times = StageTimes()
        self.started = self.spoke = time.monotonic()
        self.beaten = -BEAT_SECONDS
        self.bar = None
        self.quiet = quiet
        if not quiet and style == "text" and self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                           TextColumn("{task.fields[rate]}"), console=Console(file=self.stream), transient=True)
            self.task = self.bar.add_task("attach", total=total, rate="")

    def __enter__(self) -> Progress:
        if self.bar:
            self.bar.start()
        self.beat()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()
        self.beat(now=True, state="done" if kind is None else "stopped")

    def figures(self) -> dict[str, Any]:
        """Return progress for JSON: items and megapixels of maps per second, remaining seconds, the slowest stage."""
        seconds = time.monotonic() - self.started
        out: dict[str, Any] = {"done": self.done, "failed": self.failed, "total": self.total,
                               "seconds": round(seconds, 1)}
        if self.done and seconds > 0.2:
            out["items_per_s"] = round(self.done / seconds, 2)
            out["mpix_per_s"] = round(self.pixels / seconds / 1e6, 2)
            out["eta_s"] = round((self.total - self.done) * seconds / self.done)
        stages = self.times.seconds
        spent = sum(stages.values())
        if spent:
            name = max(stages, key=stages.__getitem__)
            out["bottleneck"], out["share"] = name, round(stages[name] / spent, 2)
        return out

    def rate(self) -> str:
        """Return, for example, `4.2 items/s, 3.1 MPix/s, 1:05 left, encode takes 83 %`."""
        f = self.figures()
        if "items_per_s" not in f:
            return ""
        minutes, seconds = divmod(f["eta_s"], 60)
        left = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
        most = f", {f['bottleneck']} takes {f['share']:.0%}" if "bottleneck" in f else ""
        return f"{f['items_per_s']:.1f} items/s, {f['mpix_per_s']:.1f} MPix/s, {left} left{most}"

    def step(self, row: Row) -> None:
        """Count an item."""
        self.done += 1
        self.failed += row.status != "ok"
        self.pixels += row.pixels
        self.times.add(row.stages)
        if self.bar:
            self.bar.update(self.task, completed=self.done, rate=self.rate())
        elif not self.quiet and time.monotonic() - self.spoke >= self.every:
            self.spoke = time.monotonic()
            if self.style == "json":
                self._event("progress", **self.figures())
            else:
                rate = self.rate()
                print(f"{self.done}/{self.total} items, {self.failed} failed" + (f", {rate}" if rate else ""),
                      file=self.stream, flush=True)
        self.beat()

    def warn(self, message: str, key: str = "") -> None:
        """Show a warning, with the key of its item."""
        self._say("warning", key, message)

    def note(self, message: str) -> None:
        """Show a remark about the run."""
        self._say("note", "", message)

    def end(self, results: dict[str, Any]) -> None:
        """Write the last object of the style "json": the results of the run."""
        if self.style == "json":
            self._event("end", **self.figures() | results)

    def error(self, message: str, key: str = "") -> None:
        """Show an error, with the key of its item."""
        self._say("error", key, message)

    def beat(self, *, now: bool = False, state: str = "running") -> None:
        """Replace the heartbeat if it is due. A run goes on without a heartbeat that cannot be written."""
        if self.heartbeat is None or (not now and time.monotonic() - self.beaten < BEAT_SECONDS):
            return
        self.beaten = time.monotonic()
        text = json.dumps({"state": state, "time": round(time.time(), 1), "pid": os.getpid(), **self.figures()})
        temp = self.heartbeat.with_name(f".{self.heartbeat.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            temp.write_text(text + "\n", encoding="utf-8")
            temp.replace(self.heartbeat)

    def _say(self, what: str, key: str, message: str) -> None:
        if self.style == "json":
            self._event(what, message=message, **({"key": key} if key else {}))
            return
        message = readable(message, lines=True)
        line = f"{what}: {message}" if message.startswith(readable(key)) else f"{what}: {readable(key)}: {message}"
        if self.bar:
            self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif not self.quiet:
            print(line, file=self.stream, flush=True)

    def _event(self, what: str, **fields: Any) -> None:
        if not self.quiet:
            print(json.dumps({"event": what, "time": round(time.time(), 3), **fields}), file=self.stream, flush=True)
