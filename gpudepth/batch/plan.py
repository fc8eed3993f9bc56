"""The plan of a run: which map goes to which photo, and where the result goes. Made before the first pixel."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..attachment.clips import movie as clip_movie
from ..attachment.clips.photos import table_of, writes_over
from ..attachment.export import MAPS_ALONE
from ..compute.threads import available_cores
from ..containers import registry
from ..containers.base import capabilities
from ..errors import UsageError
from ..formats.bytesource import Input, VirtualFile
from ..maps.recognise import neighbours
from ..pairing.archive import find_beside_members
from ..pairing.by_name import find_beside
from ..pairing.catalogue import Catalogue
from ..pairing.clips import Clip, find_clips
from ..pairing.pairs import Pair, Pairing, Refused
from ..pairing.stores import check_url, display_path, is_url, located, target
from ..pairing.templates import for_pairing, placeholders
from ..settings.clip import MARK, ClipSettings
from ..settings.job import Job
from ..settings.settings import Settings
from .lazy_sequence import MappedSequence
from .ledger import LEDGER
from .tars import gather, left_over
from .work_item import ClipItem, PhotoItem, WorkItem, below, in_shard

SHOWN = 5
PARTS = "gpudepth-ledger"
CAPTURES = "record3d"       # the preset of captures, whose maps say nothing else of themselves


@dataclass(frozen=True)
class Plan:
    """`root` is the folder that all outputs lie under: the ledger lives there. refused: items that will fail.
    warnings: of what is right but not good. preset: that `settings` has because of what the items are."""

    job: Job
    items: Sequence[WorkItem]
    root: Path
    pairing: Pairing
    settings: Settings
    notes: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    warnings: tuple[str, ...] = ()
    preset: str | None = None

    @property
    def ledger(self) -> Path:
        return self.root / LEDGER

    @property
    def store(self) -> str | None:
        """The folder in an object store where the ledger's parts lie; None: the ledger is a file."""
        root = display_path(self.root)
        return f"{root}/{PARTS}" if is_url(root) and self.job.run.ledger is None else None

    def lines(self) -> Iterator[str]:
        """What a dry run shows."""
        yield f"{len(self.items)} items, ledger {self.store or self.ledger}"
        network = self.settings.network
        estimated = None if network is None else f"depth estimated by {network.model.name}"
        yield from (f"  {i.key} + {estimated or _said(i.depth)} -> {i.output}" for i in self.items)
        yield from (f"  {r.key}: cannot be done: {r.error}" for r in self.refused)
        yield from self.remarks()

    def remarks(self) -> Iterator[str]:
        """Warnings and notes."""
        yield from (f"warning: {w}" for w in self.warnings)
        yield from (f"note: {n}" for n in self.notes)


def _said(depth: object) -> object:
    """What holds the depth: a file, a member of an archive, a sequence; None: the video itself."""
    if depth is None:
        return "its own depth"
    return display_path(depth.path) if isinstance(depth, VirtualFile) else depth


def make_plan(job: Job, base: Path, shard: tuple[int, int] | None = None, *, on_disk: bool = False) -> Plan:
    """Pair and check. on_disk: items are not held in memory, where the way of pairing allows it.

    Raises UsageError for colliding outputs, ambiguous maps, and photos without a map (unless `source.allow_missing`),
    MissingInputError when no photo matches.
    """
    template = job.output.path if job.output.tars is None else for_pairing(job.output.path)
    pairing = job.source.find(base, template, job.limits.limits(), on_disk=on_disk)
    refuse("several pairs would write the same file",
            [f"{display_path(c.output)} ({c.reason}): {', '.join(c.keys[:SHOWN])}" for c in pairing.collisions],
            _mending(pairing, job.output.path))
    refuse("more than one map for a photo",
            [f"{d.key}: {', '.join(map(display_path, d.paths[:SHOWN]))}" for d in pairing.duplicates if not d.shared],
            "each photo has one map: make source.depth more specific, or move the others away")
    if not job.source.allow_missing:
        refuse("no map for some photos", MappedSequence(pairing.unmatched_color, display_path),
               job.source.why_unmatched(base))
    check_url(job.output.path)
    settings = recipe_of(job, base)
    root = output_root(base, job.output.path)
    align, confidence = job.refine.align, job.refine.confidence
    metric = _beside(base, pairing, lambda p: p.metric, "refine.align.to", align.to if align else None)
    trust = _beside(base, pairing, lambda p: p.confidence, "refine.confidence.path",
                    confidence.path if confidence else None)
    unsaid = settings.encoding is None and settings.auto is None and settings.align is None
    preset = CAPTURES if unsaid and any(p.camera for p in pairing.pairs) else None
    if preset is not None:
        settings = settings.with_preset(preset)

    on_disks = job.source.by_name and not is_url(job.output.path)     # no need to look at each path

    def item(p: Pair) -> PhotoItem:
        depth, there = pairing.input(p.depth), p.output or Path()
        output = there if on_disks else target(display_path(there))
        # captures have confidence always, and it makes holes
        doubt = trust(p) if confidence is not None or p.camera is None else None
        return PhotoItem(p.key, pairing.input(p.color), depth, output, below(output, root), metric(p), doubt,
                    pairing.input(p.camera) if p.camera else None,
                    neighbours(depth) if settings.auto is not None else ())

    items: Sequence[PhotoItem] = MappedSequence(pairing.pairs, item)
    if isinstance(pairing.pairs, tuple):
        items = tuple(item(p) for p in pairing.pairs if p.output is not None)
    _check_samples(job, items)
    _check_outputs(job, items)
    works: Sequence[WorkItem] = items
    old: list[Path] = []
    if job.output.tars is not None:
        works = tars = gather(items, job.output.path, job.output.tars, root)
        old = left_over(tars, job.output.path)
    notes = list(pairing.notes)
    if old:
        notes.append(f"{len(old)} tars lie there that this job does not write, {old[0]} for one: of another "
                     "output.tars, or of photos that have gone; who reads the folder reads them too")
    if pairing.unmatched_color:
        notes.append(f"{len(pairing.unmatched_color)} photos have no map and are left out")
    if pairing.unmatched_depth:
        notes.append(f"{len(pairing.unmatched_depth)} maps belong to no photo, "
                     f"{pairing.unmatched_depth[0].name} for one")
    if pairing.previews:
        notes.append(f"{len(pairing.previews)} pictures beside the maps are previews of them, no photos: "
                     f"{pairing.previews[0].name} for one")
    notes += [f"{d.reason}: {d.key}" for d in pairing.duplicates if d.shared]
    mine = works if shard is None else tuple(i for i in works if in_shard(i.key, shard))
    refused = tuple(r for r in pairing.refused if in_shard(r.key, shard))
    return Plan(job, mine, root, pairing, settings, tuple(notes), refused, preset=preset)


def _beside(base: Path, pairing: Pairing, listed: Callable[[Pair], Path | None], leaf: str,
            template: str | None) -> Callable[[Pair], Input | None]:
    """What comes beside the map of a pair: as the list of pairs names it, or a template."""
    if template is None:
        return lambda pair: pairing.input(path) if (path := listed(pair)) else None
    if any(map(listed, pairing.pairs)) and not pairing.members:
        raise UsageError(f"source.pairs names what comes beside the maps, and {leaf} does, too",
                         hint=f"leave {leaf} out")
    if pairing.members:
        found = find_beside_members(base, template, pairing)
    else:
        found = find_beside(base, template, pairing.pairs, pairing.names, look=Catalogue(pairing.objects).search)
    return lambda pair: pairing.input(found[pair.key])


def _check_samples(job: Job, items: Sequence[PhotoItem]) -> None:
    """A list may name metric samples; `refine.align` says what they are for, and then all photos have some. Where
    `refine.confidence` is asked for, some photos have it."""
    if job.refine.align is None and any(i.metric is not None for i in _told_apart(job, items)):
        raise UsageError("source.pairs names metric samples, and nothing is aligned to them",
                         hint="refine: {align: {scale: mm}}; {align: {}} where they are metres")
    if job.refine.align is not None:
        refuse("nothing to align to", [i.key for i in items if i.metric is None],
                "refine.align.to, or a column metric in source.pairs")
    if job.refine.confidence is not None and items and not any(i.confidence for i in items):
        raise UsageError("refine.confidence is asked for, and no photo has any",
                         hint="refine.confidence.path, or a column confidence in source.pairs")


def _check_outputs(job: Job, items: Sequence[PhotoItem]) -> None:
    """Outputs are of formats that are written, and none is what a map is refined with."""
    aids = {path.resolve() for i in _told_apart(job, items) for path in i.side_inputs.paths() if isinstance(path, Path)}
    if aids:
        refuse("outputs would write over what maps are refined with",
               [str(i.output) for i in items if isinstance(i.output, Path) and i.output.resolve() in aids],
               "output.path needs another folder")
    same = "}" not in job.output.path.rpartition(".")[2]    # the suffix, unless pairs say themselves where they go
    for output in {i.output.suffix.lower(): i.output for i in (_told_apart(job, items) if same else items)}.values():
        if job.suffixes and output.suffix.lower() not in job.suffixes:
            raise UsageError(f"{output} does not end in {job.suffixes[0]}, as output.container: "
                             f"{job.output.container} has it")
        if registry.by_suffix(output.suffix) is None and output.suffix.lower() not in MAPS_ALONE:
            raise UsageError(f"{output} is to be written: no format with that suffix holds depth",
                             hint="output.path: out/{stem}.heic, or .plist and the like for maps alone: "
                                  + " ".join(MAPS_ALONE))


def _told_apart(job: Job, items: Sequence[PhotoItem]) -> Sequence[PhotoItem]:
    """One item, where that is enough: pairs by name, and nothing beside the maps, are all alike."""
    alike = job.source.by_name and job.refine.align is None and job.refine.confidence is None
    return items[-1:] if alike else items


def recipe_of(job: Job, base: Path) -> Settings:
    """The job's recipe, with what its donor gives, and its network. Raises what `registry.donor` raises,
    MissingInputError for a model that is not there."""
    settings = job.item_settings()
    if job.source.network is not None:
        network = job.source.network.network(base, job.run.backend)
        network.check()
        settings = replace(settings, network=network)
    if job.output.donor is None:
        return settings
    return replace(settings, donor=registry.donor(base / job.output.donor, settings.limits))


def output_root(base: Path, template: str) -> Path:
    """The folders of an output template before its first placeholder."""
    fixed = template.split("{", 1)[0]
    return located(base, fixed.rpartition("/")[0]) if "/" in fixed else base


def _mending(pairing: Pairing, template: str) -> str:
    """What to do about outputs that collide."""
    if all(c.reason == "it is an input" for c in pairing.collisions):
        return "output.path needs another folder"
    names = sorted({name for c in pairing.collisions for name in c.differ} - placeholders(template))
    if names:
        return "output.path needs another placeholder: " + " or ".join(f"{{{name}}}" for name in names)
    return ("output.path needs another placeholder, for the folders that differ: "
            "source.color: photos/{folder}/*.jpg, output.path: out/{folder}/{stem}.jpg")


def refuse(what: str, found: Sequence[str], hint: str) -> None:
    """Raise UsageError when something was found, naming some of it."""
    if found:
        more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UsageError(f"{what}: {'; '.join(found[:SHOWN])}{more}", hint=hint)


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
    _check_clip_outputs(items, job)
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


def _check_clip_outputs(items: tuple[ClipItem, ...], job: Job) -> None:
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
