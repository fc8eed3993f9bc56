"""The plan of a run over clips: which depth goes to which video, and where the result goes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ..attachment.clips import movie as clip_movie
from ..attachment.clips.photos import table_of, writes_over
from ..compute.cores import available_cores
from ..containers import registry
from ..containers.base import capabilities
from ..errors import UsageError
from ..pairing.clips import Clip, find_clips
from ..pairing.pairs import Pairing
from ..pairing.urls import is_url
from ..settings.clip import MARK, ClipSettings
from ..settings.job import Job
from .clip_item import ClipItem
from .plan import Plan, output_root, recipe_of, refuse
from .work_item import in_shard


def make_clip_plan(job: Job, base: Path, shard: tuple[int, int] | None = None) -> Plan:
    """Pair and check. Raises UsageError for colliding outputs and videos without depth (unless
    `source.allow_missing`), MissingInputError when no video matches."""
    source = job.source
    depth = source.depth if isinstance(source.depth, str) else None
    for text in (source.video, depth, job.output.path):
        if text is not None and is_url(text):
            raise UsageError(f"{text} is in an object store, and clips are read and written on disks",
                             hint="copy them to a folder")
    found = find_clips(base, source.video or "", depth, job.output.path)
    if not source.allow_missing:
        refuse("no depth for some videos", list(found.without_depth),
               f"source.depth is {source.depth!r}; source.allow_missing: true leaves them out")
    settings = recipe_of(job, base)
    root = output_root(base, job.output.path)
    options = clip_options(job)
    items = tuple(_item(clip, root, options) for clip in found.clips)
    _check_outputs(items, job)
    notes = [f"{len(found.without_depth)} videos have no depth and are left out"] if found.without_depth else []
    if found.without_video:
        notes.append(f"{len(found.without_video)} files or sequences of depth belong to no video, "
                     f"{found.without_video[0]} for one")
    mine = [item for item in items if in_shard(item.key, shard)]
    threads = max(1, available_cores() // max(1, min(job.run.processes(), len(mine))))
    return Plan(job, tuple(replace(item, threads=threads) for item in mine), root, Pairing(()), settings, tuple(notes))


def clip_options(job: Job) -> ClipSettings:
    """What all clips of a job have in common."""
    named = job.source.clip.model_dump() if job.source.clip else {}
    return ClipSettings(**named, allow_missing=job.source.allow_missing, quality=job.output.photo_quality,
                        deterministic=job.run.deterministic)


def _item(clip: Clip, root: Path, options: ClipSettings) -> ClipItem:
    output = table_of(clip.output) if MARK in clip.output else Path(clip.output)
    return ClipItem(clip.key, clip.video, clip.depth, clip.output, output,
                    Path(os.path.relpath(output, root)).as_posix(), options)


def _check_outputs(items: tuple[ClipItem, ...], job: Job) -> None:
    twice = [str(path) for path, times in Counter(item.output for item in items).items() if times > 1]
    refuse("several clips would write the same files", twice,
           "output.path needs another placeholder, such as {stem}")
    inputs = {path for item in items for path in item.inputs}
    refuse("outputs would write over inputs", [item.pattern for item in items if writes_over(item.pattern, inputs)],
           "output.path needs another folder")
    for item in items:
        suffix = Path(item.pattern).suffix.lower()
        if MARK not in item.pattern and suffix not in clip_movie.SUFFIXES:
            raise UsageError(f"{item.pattern} is to be written, and a clip has many frames",
                             hint=f"output.path: out/{{stem}}/{MARK}.heic for a photo of each; or a movie: "
                                  + " ".join(clip_movie.SUFFIXES))
        if MARK in item.pattern:
            container = registry.by_suffix(suffix)
            if container is None or not capabilities(container).takes_frames or suffix == ".avif":
                raise UsageError(f"{item.pattern} is to be written: frames become .heic or .jpg",
                                 hint="gpudepth extract takes depth out of clips into .npy, .exr and the like")
        if job.suffixes and suffix not in job.suffixes:
            raise UsageError(f"{item.pattern} does not end in {job.suffixes[0]}, as output.container: "
                             f"{job.output.container} has it")
