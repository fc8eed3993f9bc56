"""One clip of a run, and what a worker does with it: the unit of retry and of sharding is the clip."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from ...compute import backend
from ...sources.clips import Footage
from ..item import in_shard
from ..ledger import FileState, Row
from ..stopwatch import rounded
from ..workers import alive
from . import movie as clip_movie
from . import photos as clip_stills
from .record import ClipOptions
from .span import Means

if TYPE_CHECKING:
    from ..item import Task


@dataclass(frozen=True)
class ClipItem:
    """key, target: as of `Item`. depth: None when the video holds it. pattern: the output's path, with {frame} where
    it is photos. output: the file that says it is done, frames.csv or the movie. threads: for its frames."""

    key: str
    video: Footage
    depth: Footage | None
    pattern: str
    output: Path
    target: str
    options: ClipOptions
    threads: int = 1

    @property
    def photo(self) -> Path:
        return self.video.path

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files it is made of: the video, what holds its depth, then the rest of sequences."""
        depth = self.depth.files if self.depth else self.video.files[:1]
        return (self.video.files[0], depth[0], *self.video.files[1:], *depth[1:])

    def in_shard(self, shard: tuple[int, int] | None) -> bool:
        return in_shard(self.key, shard)

    def is_whole(self) -> bool:
        """Is all of the output there?"""
        return self.output.exists() if clip_stills.MARK not in self.pattern else clip_stills.is_whole(self.output)


def do_clip(task: Task, item: ClipItem) -> Row:
    """One clip, from its first frame to its last; returns its row of the ledger. Raises errors of `gpudepth.errors`."""
    means = Means(item.options, task.recipe, backend(task.backend), item.threads, alive)
    if clip_stills.MARK in item.pattern:
        outcome = clip_stills.write(item.video, item.depth, item.pattern, means)
    else:
        outcome = clip_movie.write(item.video, item.depth, Path(item.pattern), means)
    written = FileState.of(item.output)
    near, far = (m if isfinite(m) else None for m in outcome.metres)
    photo, depth, *rest = (FileState.of(path) for path in item.inputs)
    return Row(item.key, "ok", task.job, photo, depth, item.target, written.size, written.sha256, outcome.said,
               metres=(near, far), filled=outcome.filled, warnings=outcome.warnings, beside=tuple(rest),
               pixels=outcome.pixels, stages=rounded(outcome.stages))
