"""Attaches depth to one clip without a job."""

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
from .photos import ClipOutcome, writes_over
from .span import ClipContext


def attach_clip(video: str | Path, depth: str | Path, out: str | Path, settings: Settings, backend: Backend, *,
                options: dict[str, Any]) -> ClipOutcome:
    """Attach depth to the frames of a clip, or to the clip.

    Args:
        video: A video, or a sequence of pictures such as `color/%06d.png` or `color/{time}.png`.
        depth: Its maps, also a video or a sequence; the same file as `video` if it holds both.
        out: Photos such as `out/%06d.heic`, or a movie.
        settings: Settings of the frames.
        backend: Computes.
        options: Settings of the clip by name.

    Raises:
        UsageError: An option is unknown, or the output would overwrite an input.
        GpudepthError: As writing photos or a movie raises.
    """
    known = list(specs(ClipSettings))
    for name in options:
        if name not in known:
            raise unknown(name, known, "--clip")
    clip = ClipSettings(**options, quality=settings.photo_quality, effort=settings.photo_effort)
    pictures, maps = footage(_template(video)), footage(_template(depth))
    target, own = _template(out), maps == pictures
    if writes_over(target, {*pictures.files, *maps.files}):
        raise UsageError("the output would overwrite its own input", where=out, hint="use another folder or name")
    context = ClipContext(clip, settings, backend, available_cores())
    if MARK in Path(target).name:
        return clip_stills.write(pictures, None if own else maps, target, context)
    return clip_movie.write(pictures, None if own else maps, Path(target), context)


def _template(path: str | Path) -> str:
    """Return a path with FFmpeg's `%06d` replaced by our placeholder."""
    path = Path(path)
    return str(path.with_name(NUMBER.sub("{" + FRAME + "}", path.name)))
