"""One photo of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import isfinite
from pathlib import Path

from ..compute import backend
from ..formats.inputs import Input
from ..sources.stores import Stored, Target
from .beside import Beside
from .convert import export_item
from .estimate import estimated
from .export import MAPS_ALONE
from .ledger import FileState, Row, glimpse, states
from .road import run_item
from .stopwatch import lap, rounded, stage
from .stored import do_stored
from .task import Task, Work


@dataclass(frozen=True)
class Item:
    """key, output, target: as of `Work`. metric, confidence, camera: as of `Beside`. aids: what else its bytes depend
    on. ahead: photos that the same worker gets next, for networks that take several at a time."""

    key: str
    photo: Input
    depth: Input
    output: Path | Target
    target: str
    metric: Input | None = None
    confidence: Input | None = None
    camera: Input | None = None
    aids: tuple[Input, ...] = ()
    ahead: tuple[Input, ...] = ()

    @property
    def beside(self) -> Beside:
        return Beside(self.metric, self.confidence, self.camera)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All files it is made of."""
        return (self.photo, self.depth, *self.beside.paths(), *self.aids)

    def is_whole(self, row: Row) -> bool:
        """There is one file."""
        return True

    def do(self, task: Task) -> Row:
        """See `Work.do`."""
        if not isinstance(self.output, Path) or any(isinstance(file, Stored) for file in self.inputs):
            return do_stored(self, task)
        lap()       # what a failed item before this one left
        before = [glimpse(path) for path in self.inputs]
        make = export_item if self.output.suffix.lower() in MAPS_ALONE else run_item
        source = self.depth if task.recipe.network is None else estimated(self.photo, task.recipe, self.ahead)
        outcome = make(self.photo, source, self.output, task.recipe, backend(task.backend), beside=self.beside,
                       make_folder=True)
        with stage("hash"):
            written, (photo, depth, *beside) = FileState.of(self.output), states(self.inputs, before)
        near, far = (m if isfinite(m) else None for m in outcome.metres)
        return Row(self.key, "ok", task.job, photo, depth, self.target, written.size, written.sha256, outcome.line(),
                   (outcome.storage.lo, outcome.storage.hi), (near, far), outcome.filled, outcome.notices(),
                   beside=tuple(beside), pixels=outcome.width * outcome.height, stages=rounded(lap()))


def in_batches(items: Iterable[Work], size: int) -> Iterator[Work]:
    """The items, each with the photos that come behind it in its batch."""
    source = iter(items)
    while batch := list(islice(source, size)):
        for i, item in enumerate(batch, 1):
            ahead = tuple(one.photo for one in batch[i:] if isinstance(one, Item))
            yield replace(item, ahead=ahead) if ahead and isinstance(item, Item) else item


def alone(task: Task) -> Task:
    """The task without the rest of its batch."""
    item = task.item
    return replace(task, item=replace(item, ahead=())) if isinstance(item, Item) and item.ahead else task
