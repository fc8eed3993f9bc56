"""One photo of a run, and what a worker does with it.

Workers import this and what it needs, not the job model: a spawned process is ready sooner.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..compute import backend
from ..formats.inputs import Input
from .beside import Beside
from .convert import export_item
from .export import MAPS_ALONE
from .ledger import FileState, Row
from .recipe import Recipe
from .road import run_item
from .stopwatch import lap, rounded, stage

if TYPE_CHECKING:
    from .clips.item import ClipItem


@dataclass(frozen=True)
class Item:
    """One photo of a run. `key` names it: the photo's path relative to the job file; `target` is the output's path
    relative to the plan's root, so that a ledger means the same from every working directory. metric, confidence,
    camera: as in `Beside`. aids: what else its bytes depend on."""

    key: str
    photo: Input
    depth: Input
    output: Path
    target: str
    metric: Input | None = None
    confidence: Input | None = None
    camera: Input | None = None
    aids: tuple[Input, ...] = ()

    @property
    def beside(self) -> Beside:
        return Beside(self.metric, self.confidence, self.camera)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All files it is made of."""
        return (self.photo, self.depth, *self.beside.paths(), *self.aids)

    def in_shard(self, shard: tuple[int, int] | None) -> bool:
        return in_shard(self.key, shard)

    def is_whole(self) -> bool:
        """Is all of the output there? The ledger looks after a single file."""
        return True


def in_shard(key: str, shard: tuple[int, int] | None) -> bool:
    """Shards are 0-based, by SHA-256 of the key: adding files moves none of the others."""
    if shard is None:
        return True
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % shard[1] == shard[0]


AnyItem: TypeAlias = "Item | ClipItem"


@dataclass(frozen=True)
class Task:
    """What a worker gets. `job` is the hash of the settings; verbose: it says what runs where, on stderr."""

    item: AnyItem
    recipe: Recipe
    backend: str
    job: str
    verbose: bool = False


def do_task(task: Task) -> Row:
    """One item, from reading to rename; returns its row of the ledger. Raises errors of `gpudepth.errors`."""
    logger = logging.getLogger("gpudepth")
    if task.verbose and not logger.handlers:    # a worker is a process of its own
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
    if isinstance(task.item, Item):
        return _do_photo(task, task.item)
    from .clips.item import do_clip  # FFmpeg and threads, which photos need nothing of

    return do_clip(task, task.item)


def _do_photo(task: Task, item: Item) -> Row:
    lap()       # what a failed item before this one left
    do = export_item if item.output.suffix.lower() in MAPS_ALONE else run_item
    outcome = do(item.photo, item.depth, item.output, task.recipe, backend(task.backend), beside=item.beside,
                 make_folder=True)
    with stage("hash"):
        written, photo, depth, *beside = (FileState.of(path) for path in (item.output, *item.inputs))
    near, far = (m if isfinite(m) else None for m in outcome.metres)
    return Row(item.key, "ok", task.job, photo, depth, item.target, written.size, written.sha256, outcome.line(),
               (outcome.storage.lo, outcome.storage.hi), (near, far), outcome.filled, outcome.notices(),
               beside=tuple(beside), pixels=outcome.width * outcome.height, stages=rounded(lap()))
