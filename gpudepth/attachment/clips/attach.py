"""One clip without a job: a video, what holds its depth, and where its frames or its movie go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...compute import Backend
from ...compute.cores import available_cores
from ...errors import UsageError
from ...pairing.clips import FRAME, footage
from ...settings.clip import ClipConfig
from ...settings.settings import Settings
from ...settings.strict_yaml import setting
from . import movie as clip_movie
from . import photos as clip_stills
from .photos import MARK, Outcome, writes_over
from .span import ClipContext

_NUMBER = re.compile(r"%0?[0-9]?d")


def of_clips(out: str | Path) -> bool:
    """Does an output's name speak of a clip: a number for each frame, or a movie?"""
    name = Path(out).name
    return bool(_NUMBER.search(name)) or MARK in name or Path(out).suffix.lower() in clip_movie.SUFFIXES


def attach_clip(video: str | Path, depth: str | Path, out: str | Path, settings: Settings, backend: Backend, *,
                options: dict[str, Any]) -> Outcome:
    """video, depth: a file, or a sequence: `depth/%06d.png`, `depth/{time}.png`; the same file twice holds both.
    out: `out/%06d.heic`, or a movie. options: of `ClipConfig`.

    Raises UsageError, and what `clip_stills.write` and `clip_movie.write` raise.
    """
    try:
        record = ClipConfig.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise UsageError(f"clip {name}: {first['msg'].removeprefix('Value error, ')}",
                         hint="the keys are those of source.clip in a job: gpudepth config schema") from None
    means_options = record.options(allow_missing=False, quality=settings.photo_quality, deterministic=True)
    pictures, maps = footage(_template(video)), footage(_template(depth))
    goal, own = _template(out), maps == pictures
    if writes_over(goal, {*pictures.files, *maps.files}):
        raise UsageError("would be written over what it is made of", where=out, hint="another folder, another name")
    means = ClipContext(means_options, settings, backend, available_cores())
    if MARK in Path(goal).name:
        return clip_stills.write(pictures, None if own else maps, goal, means)
    return clip_movie.write(pictures, None if own else maps, Path(goal), means)


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """ "fps=15", "depth_crop=right" → the fields. Raises UsageError."""
    out = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--clip {text!r} is not key=value", hint="--clip fps=15")
        try:
            out[name.strip()] = setting(value.strip())
        except ValueError as error:
            raise UsageError(f"--clip {text!r}: {error}") from None
    return out


def _template(path: str | Path) -> str:
    """FFmpeg's numbers as our placeholder."""
    path = Path(path)
    return str(path.with_name(_NUMBER.sub("{" + FRAME + "}", path.name)))
