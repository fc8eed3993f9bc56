"""What a run gives to its workers: a task, and what every item of one offers.

Workers import this and what their items need, not the job model: a spawned process is ready sooner.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..formats.inputs import Input
from ..sources.stores import Target
from ..sources.urls import said
from .ledger import Row
from .recipe import Recipe


class Work(Protocol):
    """One item of a run: a photo, or a clip.

    key      names it: the path of its photo or video, relative to the job file
    output   the file that the ledger looks after; target: its path relative to the plan's root, so that a ledger means
             the same from every working directory
    """

    @property
    def key(self) -> str: ...

    @property
    def output(self) -> Path | Target: ...

    @property
    def target(self) -> str: ...

    @property
    def depth(self) -> object:
        """What a plan shows of its depth; None: the video holds it."""

    @property
    def inputs(self) -> Sequence[Input]:
        """All files it is made of: the photo or video, what holds the depth, then the others."""

    def is_whole(self, row: Row) -> bool:
        """Is all of the output there, beyond the one file that the ledger looks after, and called as it is to be? row:
        its row, which says that it is done."""

    def do(self, task: Task) -> Row:
        """From reading to rename; returns its row of the ledger. Raises errors of `gpudepth.errors`."""


@dataclass(frozen=True)
class Task:
    """What a worker gets. `job` is the hash of the settings; verbose: it says what runs where, on stderr; scratch: a
    folder for what comes from object stores and goes there."""

    item: Work
    recipe: Recipe
    backend: str
    job: str
    verbose: bool = False
    scratch: str | None = None


def do_task(task: Task) -> Row:
    """One item; see `Work.do`."""
    logger = logging.getLogger("gpudepth")
    if task.verbose and not logger.handlers:    # a worker is a process of its own
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
    return task.item.do(task)


def key_hash(key: str) -> int:
    """The first 8 bytes of SHA-256, big-endian: what shards are cut by."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def in_shard(key: str, shard: tuple[int, int] | None) -> bool:
    """Shards are 0-based, by SHA-256 of the key: adding files moves none of the others."""
    return shard is None or key_hash(key) % shard[1] == shard[0]


def below(path: Path | Target, root: Path) -> str:
    """The path relative to the root, with `/`."""
    text, start = (path.as_posix() if isinstance(path, Path) else path.url), said(root).rstrip("/") + "/"
    if text.startswith(start) or not isinstance(path, Path):
        return text.removeprefix(start)
    return Path(os.path.relpath(path, root)).as_posix()
