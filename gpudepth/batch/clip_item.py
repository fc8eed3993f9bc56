"""One clip of a run: the unit of retry and of sharding."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..attachment.clips import movie as clip_movie
from ..attachment.clips import photos as clip_stills
from ..attachment.clips.span import ClipContext
from ..compute import backend
from ..pairing.clips import Footage
from ..settings.clip import MARK, ClipSettings
from ..timing import rounded
from .ledger import FileState, Row, stat_signature, states
from .work_item import Task
from .workers import heartbeat


@dataclass(frozen=True)
class ClipItem:
    """key, target: as of `WorkItem`. depth: None when the video holds it. pattern: the output's path, with {frame}
    where it is photos. output: the file that says it is done, frames.csv or the movie. threads: for its frames."""

    key: str
    video: Footage
    depth: Footage | None
    pattern: str
    output: Path
    target: str
    options: ClipSettings
    threads: int = 1

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files it is made of: the video, what holds its depth, then the rest of sequences."""
        depth = self.depth.files if self.depth else self.video.files[:1]
        return (self.video.files[0], depth[0], *self.video.files[1:], *depth[1:])

    def is_whole(self, row: Row) -> bool:
        """Is all of the output there?"""
        return self.output.exists() if MARK not in self.pattern else clip_stills.is_whole(self.output)

    def do(self, task: Task) -> Row:
        """See `WorkItem.do`."""
        before = [stat_signature(path) for path in self.inputs]
        means = ClipContext(self.options, task.settings, backend(task.backend), self.threads, heartbeat)
        if MARK in self.pattern:
            outcome = clip_stills.write(self.video, self.depth, self.pattern, means)
        else:
            outcome = clip_movie.write(self.video, self.depth, Path(self.pattern), means)
        written = FileState.of(self.output)
        near, far = (m if isfinite(m) else None for m in outcome.metres)
        photo, depth, *rest = states(self.inputs, before)
        return Row(self.key, "ok", task.job, photo, depth, self.target, written.size, written.sha256, outcome.said,
                   metres=(near, far), filled=outcome.filled, warnings=outcome.warnings, beside=tuple(rest),
                   pixels=outcome.pixels, stages=rounded(outcome.stages))
