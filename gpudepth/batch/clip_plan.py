"""Makes the plan of a run over clips."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..attachment.clips import movie
from ..attachment.clips.photos import table_of, writes_over
from ..compute.threads import available_cores
from ..containers import registry
from ..containers.base import capabilities
from ..errors import UsageError, counted
from ..pairing.clips import Clip, find_clips
from ..pairing.pairs import Pairing
from ..pairing.stores import is_url
from ..settings.clip import MARK, ClipSettings
from ..settings.job import Job
from .plan import Plan, check_suffix, output_root, plan_settings, refuse
from .work_item import ClipItem, in_shard


def make_clip_plan(job: Job, base: Path, shard: tuple[int, int] | None = None) -> Plan:
    """Pair videos with depth and check the job.

    Raises:
        UsageError: Outputs collide, or videos have no depth and `source.allow_missing` is off.
        MissingInputError: No video matches.
    """
    source = job.source
    depth = source.depth if isinstance(source.depth, str) else None
    for text in (source.video, depth, job.output.path):
        if text is not None and is_url(text):
            raise UsageError(f"{text} is in an object store, but clips are read from and written to disks",
                             hint="copy them to a folder")
    found = find_clips(base, source.video or "", depth, job.output.path)
    if not source.allow_missing:
        refuse("no depth for some videos", list(found.without_depth),
               f"check source.depth, {source.depth!r}; source.allow_missing: true leaves them out")
    settings = plan_settings(job, base)
    root = output_root(base, job.output.path)
    options = clip_options(job)
    items = tuple(_item(clip, root, options) for clip in found.clips)
    _check_outputs(items, job)
    notes = []
    if found.without_depth:
        notes.append(f"left out: {counted(len(found.without_depth), 'video')} without depth")
    if found.without_video:
        notes.append(f"not used: {counted(len(found.without_video), 'depth file or sequence')} without a video, for "
                     f"example {found.without_video[0]}")
    mine = [item for item in items if in_shard(item.key, shard)]
    threads = max(1, available_cores() // max(1, min(job.run.processes(), len(mine))))
    return Plan(job, tuple(replace(item, threads=threads) for item in mine), root, Pairing(()), settings, tuple(notes))


def clip_options(job: Job) -> ClipSettings:
    """Return the settings of all clips of a job."""
    named = job.source.clip.model_dump() if job.source.clip else {}
    return ClipSettings(**named, allow_missing=job.source.allow_missing, quality=job.output.photo_quality,
                        effort=job.output.photo_effort, deterministic=job.run.deterministic)


def _item(clip: Clip, root: Path, options: ClipSettings) -> ClipItem:
    output = table_of(clip.output) if MARK in clip.output else Path(clip.output)
    return ClipItem(clip.key, clip.video, clip.depth, clip.output, output,
                    Path(os.path.relpath(output, root)).as_posix(), options)


def _check_outputs(items: Sequence[ClipItem], job: Job) -> None:
    """Check that each clip has an output of its own, of a format that can be written, which is not an input."""
    twice = [str(path) for path, times in Counter(item.output for item in items).items() if times > 1]
    refuse("several clips would write the same files", twice, "add a placeholder such as {stem} to output.path")
    inputs = {path for item in items for path in item.inputs}
    refuse("outputs would overwrite inputs", [item.pattern for item in items if writes_over(item.pattern, inputs)],
           "use another folder in output.path")
    for item in items:
        _check_format(item)
        check_suffix(job, item.pattern, Path(item.pattern).suffix.lower())


def _check_format(item: ClipItem) -> None:
    suffix = Path(item.pattern).suffix.lower()
    if MARK not in item.pattern:
        if suffix not in movie.SUFFIXES:
            raise UsageError(f"{item.pattern} cannot hold the frames of a clip",
                             hint=f"use output.path: out/{{stem}}/{MARK}.heic for a photo of each frame, or a movie: "
                                  + " ".join(movie.SUFFIXES))
        return
    container = registry.by_suffix(suffix)
    if container is None or not capabilities(container).takes_frames or suffix == ".avif":
        raise UsageError(f"{item.pattern} cannot be written: frames become .heic or .jpg",
                         hint="gpudepth extract writes the depth of clips as .npy, .exr and other formats")
