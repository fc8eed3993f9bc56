"""Progress on stderr: a bar on a terminal, one line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

LINE_SECONDS = 10.0


class Progress:
    """Counts items. Use as a context manager; `quiet` shows nothing."""

    def __init__(self, total: int, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.total, self.stream = total, stream or sys.stderr
        self.done = self.failed = 0
        self.started = self.spoke = time.monotonic()
        self.bar = None
        self.quiet = quiet
        if not quiet and self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                           TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
                           console=Console(file=self.stream), transient=True)
            self.task = self.bar.add_task("attach", total=total, rate="")

    def __enter__(self) -> Progress:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def rate(self) -> str:
        seconds = time.monotonic() - self.started
        return f"{self.done / seconds:.1f} items/s" if seconds > 0.2 else ""

    def step(self, *, failed: bool = False) -> None:
        """One item more."""
        self.done += 1
        self.failed += failed
        if self.bar:
            self.bar.update(self.task, completed=self.done, rate=self.rate())
        elif not self.quiet and time.monotonic() - self.spoke >= LINE_SECONDS:
            self.spoke = time.monotonic()
            print(f"{self.done}/{self.total} items, {self.failed} failed, {self.rate()}", file=self.stream, flush=True)

    def say(self, line: str) -> None:
        """A line above the bar."""
        if self.bar:
            self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif not self.quiet:
            print(line, file=self.stream, flush=True)
