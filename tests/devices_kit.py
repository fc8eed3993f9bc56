"""Runs that a device computes, whichever they would choose themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gpudepth.batch import runner
from gpudepth.batch.choice import Choice
from gpudepth.batch.devices.owners import Owners
from gpudepth.batch.summary import RunSummary


def with_devices(monkeypatch: pytest.MonkeyPatch, path: Path, name: str, *settings: str, **options: Any) -> RunSummary:
    """Run a job whose back end is not named, as `auto` runs it when it has chosen a device."""
    monkeypatch.setattr(runner, "choose_named", lambda plan: Choice(name, Owners.start(name, **options)))
    return runner.run(path, settings=list(settings))


def kill_after(monkeypatch: pytest.MonkeyPatch, folder: Path, counts: list[int]) -> list[int]:
    """Kill the first owner each time when there are so many photos in a folder; return how many there were."""
    kills, real = list[int](), Owners.watch

    def watch(self: Owners, warn: Any) -> None:
        rows = sum(1 for _ in folder.glob("*.jpg"))
        if len(kills) < len(counts) and rows >= counts[len(kills)]:
            process = self.found[0].process
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            kills.append(rows)
        real(self, warn)

    monkeypatch.setattr(Owners, "watch", watch)
    monkeypatch.setattr("gpudepth.batch.workers.POLL_SECONDS", 0.05)
    return kills
