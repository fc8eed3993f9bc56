"""Estimates the time and space of a run by processing some of its items into a temporary folder."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import UsageError
from ..timing import StageTimes
from .plan import Plan
from .preflight import evenly
from .work_item import ItemWorker, PhotoItem, Task, WorkItem
from .workers import run_tasks


@dataclass(frozen=True)
class Estimate:
    """An estimate of a whole run.

    Attributes:
        items: Number of items of the run.
        sampled: Number of items that were done.
        failed: Number of items that failed.
        core_seconds: Processor seconds of all items, and the half width of their 95 % confidence interval.
        bytes: Bytes of all outputs, and the half width.
        workers: Number of processes of the run.
        stages: Share of the time by stage, the largest first.
        errors: Errors of the items that failed.
    """


    items: int
    sampled: int
    failed: int
    core_seconds: tuple[float, float]
    bytes: tuple[float, float]
    workers: int
    stages: dict[str, float] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the estimate for people."""
        hours, more = (v / 3600 for v in self.core_seconds)
        wall = self.core_seconds[0] / self.workers
        minutes, seconds = divmod(round(wall), 60)
        size, slack = (v / 1e6 for v in self.bytes)
        out = [f"{self.sampled} of {self.items} items processed as a sample, {self.failed} failed",
               f"about {hours:.3g} ± {more:.1g} core-hours: {minutes // 60}:{minutes % 60:02d}:{seconds:02d} with "
               f"{self.workers} workers on as many cores",
               f"about {size:.4g} ± {slack:.2g} MB"]
        if self.stages:
            out.append("of the time: " + ", ".join(f"{name} {share:.0%}" for name, share in self.stages.items()))
        return out + [f"error: {error}" for error in self.errors]


def estimate(plan: Plan, task: Callable[[WorkItem], Task], count: int) -> Estimate:
    """Process `count` evenly chosen items of a plan, one at a time.

    Args:
        plan: The plan.
        task: Makes the task of an item.
        count: Number of items.

    Raises:
        UsageError: The items are clips, or `count` is less than one.
    """
    if count < 1 or not all(isinstance(item, PhotoItem) for item in plan.items):
        raise UsageError("a sample needs one photo or more; clips cannot be sampled",
                         hint="source.clip.frames processes a part of each clip")
    chosen = evenly(plan.items, count)
    seconds, sizes, times, errors = list[float](), list[float](), StageTimes(), list[str]()
    with tempfile.TemporaryDirectory(prefix="gpudepth-sample-") as name:
        there = [task(_into(item, Path(name), n)) for n, item in enumerate(chosen)]
        for done in run_tasks(ItemWorker(), there, 1, plan.job.limits.seconds_per_item):
            if done.error is not None:
                errors.append(f"{done.task.item.key}: {done.error}")
                continue
            seconds.append(done.cpu)
            sizes.append(done.result.output_size)
            times.add(done.result.stages)
    spent = times.seconds
    whole = sum(spent.values())
    stages = {n: s / whole for n, s in sorted(spent.items(), key=lambda pair: -pair[1])} if whole else {}
    items = len(plan.items)
    return Estimate(items, len(seconds), len(errors), _total(seconds, items), _total(sizes, items),
                    plan.job.run.processes(), stages, tuple(errors[:5]))


def _into(item: PhotoItem, folder: Path, number: int) -> PhotoItem:
    return replace(item, output=folder / f"{number}{item.output.suffix}")


def _total(values: Sequence[float], items: int) -> tuple[float, float]:
    """Return the sum for all items and 1.96 of its standard errors."""
    if not values:
        return math.nan, math.nan
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values) * items, 1.96 * spread / math.sqrt(len(values)) * items
