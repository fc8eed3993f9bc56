"""One clip without a job: a video, what holds its depth, and where its frames or its movie go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...compute import Backend
from ...compute.threads import available_cores
from ...errors import UsageError
from ...pairing.clips import FRAME, footage
from ...settings.clip import MARK, NUMBER, ClipSettings
from ...settings.declare import specs, unknown
from ...settings.settings import Settings
from . import movie as clip_movie
from . import photos as clip_stills
from .photos import Outcome, writes_over
from .span import ClipContext


def attach_clip(video: str | Path, depth: str | Path, out: str | Path, settings: Settings, backend: Backend, *,
                options: dict[str, Any]) -> Outcome:
    """video, depth: a file, or a sequence: `depth/%06d.png`, `depth/{time}.png`; the same file twice holds both.
    out: `out/%06d.heic`, or a movie. options: of `ClipConfig`.

    Raises UsageError, and what `clip_stills.write` and `clip_movie.write` raise.
    """
    known = list(specs(ClipSettings))
    for name in options:
        if name not in known:
            raise unknown(name, known, "--clip")
    clip = ClipSettings(**options, quality=settings.photo_quality)
    pictures, maps = footage(_template(video)), footage(_template(depth))
    goal, own = _template(out), maps == pictures
    if writes_over(goal, {*pictures.files, *maps.files}):
        raise UsageError("would be written over what it is made of", where=out, hint="another folder, another name")
    means = ClipContext(clip, settings, backend, available_cores())
    if MARK in Path(goal).name:
        return clip_stills.write(pictures, None if own else maps, goal, means)
    return clip_movie.write(pictures, None if own else maps, Path(goal), means)


def _template(path: str | Path) -> str:
    """FFmpeg's numbers as our placeholder."""
    path = Path(path)
    return str(path.with_name(NUMBER.sub("{" + FRAME + "}", path.name)))
