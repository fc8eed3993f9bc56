"""Makes the plan of a run over photos before any pixel is read: which map belongs to which photo, and the outputs."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, overload

from ..attachment.export import MAPS_ALONE
from ..containers import registry
from ..errors import UsageError, counted, listing
from ..formats.bytesource import Input, VirtualFile
from ..maps.recognise import neighbours
from ..pairing.archive import find_beside_members
from ..pairing.by_name import find_beside
from ..pairing.catalogue import Catalogue
from ..pairing.pairs import Pair, Pairing, Refused
from ..pairing.stores import check_url, display_path, is_url, located, target
from ..pairing.templates import for_pairing, placeholders
from ..settings.job import Job
from ..settings.settings import Settings
from .ledger import LEDGER
from .tars import gather, left_over
from .work_item import PhotoItem, WorkItem, below, in_shard

SHOWN = 5
PARTS = "gpudepth-ledger"
CAPTURES = "record3d"       # the preset of captures, whose maps do not describe their values


@dataclass(frozen=True)
class Plan:
    """What a run is to do.

    Attributes:
        job: The job.
        items: Its items.
        root: The folder of all outputs, where the ledger is.
        pairing: The result of pairing.
        settings: Settings of the items.
        notes: Remarks for people.
        refused: Items that are known to fail.
        warnings: Problems for people.
        preset: A preset that the settings have because of the kind of the items.
    """

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
        """The ledger, where the job does not name another."""
        return self.root / LEDGER

    @property
    def store(self) -> str | None:
        """The folder in an object store that holds the parts of the ledger; None if the ledger is a file."""
        root = display_path(self.root)
        return f"{root}/{PARTS}" if is_url(root) and self.job.run.ledger is None else None

    def lines(self) -> Iterator[str]:
        """Yield what a dry run shows."""
        yield f"{counted(len(self.items), 'item')}, ledger {self.store or self.ledger}"
        network = self.settings.network
        estimated = None if network is None else f"depth estimated by {network.model.name}"
        yield from (f"  {i.key} + {estimated or _depth_name(i.depth)} -> {i.output}" for i in self.items)
        yield from (f"  {r.key}: cannot be done: {r.error}" for r in self.refused)
        yield from self.remarks()

    def remarks(self) -> Iterator[str]:
        """Yield warnings and notes."""
        yield from (f"warning: {w}" for w in self.warnings)
        yield from (f"note: {n}" for n in self.notes)


def _depth_name(depth: object) -> object:
    """Return the name of what holds the depth: a file, a member of an archive, a sequence, or the video itself."""
    if depth is None:
        return "its own depth"
    return display_path(depth.path) if isinstance(depth, VirtualFile) else depth


def make_plan(job: Job, base: Path, shard: tuple[int, int] | None = None, *, on_disk: bool = False) -> Plan:
    """Pair photos with maps and check the job.

    Args:
        job: The job.
        base: The folder that its paths are relative to.
        shard: Which items to plan, (number from 0, count); None is all.
        on_disk: Keeps the items on the disk instead of in memory, if the kind of pairing allows it.

    Raises:
        UsageError: Outputs collide, photos have several maps, or photos have none and `source.allow_missing` is off.
        MissingInputError: No photo matches.
    """
    template = job.output.path if job.output.tars is None else for_pairing(job.output.path)
    pairing = job.source.find(base, template, job.limits.limits(), on_disk=on_disk)
    _check_pairing(job, base, pairing)
    check_url(job.output.path)
    root, settings = output_root(base, job.output.path), plan_settings(job, base)
    preset = _preset_of(pairing, settings)
    if preset is not None:
        settings = settings.with_preset(preset)
    make = _item_maker(job, base, root, pairing, settings)
    photos: Sequence[PhotoItem] = MappedSequence(pairing.pairs, make)
    if isinstance(pairing.pairs, tuple):
        photos = tuple(make(p) for p in pairing.pairs if p.output is not None)
    _check_samples(job, photos)
    _check_outputs(job, photos)
    items: Sequence[WorkItem] = photos
    stale: list[Path] = []
    if job.output.tars is not None:
        items = tars = gather(photos, job.output.path, job.output.tars, root)
        stale = left_over(tars, job.output.path)
    mine = items if shard is None else tuple(i for i in items if in_shard(i.key, shard))
    refused = tuple(r for r in pairing.refused if in_shard(r.key, shard))
    return Plan(job, mine, root, pairing, settings, tuple(_notes(pairing, stale)), refused, preset=preset)


def _preset_of(pairing: Pairing, settings: Settings) -> str | None:
    """Return the preset of captures, if there are some and the settings do not define what the values mean."""
    undefined = settings.encoding is None and settings.auto is None and settings.align is None
    return CAPTURES if undefined and any(p.camera for p in pairing.pairs) else None


def _check_pairing(job: Job, base: Path, pairing: Pairing) -> None:
    refuse("several pairs would write the same file",
           [f"{display_path(c.output)} ({c.reason}): {', '.join(c.keys[:SHOWN])}" for c in pairing.collisions],
           _collision_hint(pairing, job.output.path))
    refuse("more than one map for a photo",
           [f"{d.key}: {', '.join(map(display_path, d.paths[:SHOWN]))}" for d in pairing.duplicates if not d.shared],
           "make source.depth more specific, or move the other maps away: each photo has one map")
    if not job.source.allow_missing:
        refuse("no map for some photos", MappedSequence(pairing.unmatched_color, display_path),
               job.source.why_unmatched(base))


def _item_maker(job: Job, base: Path, root: Path, pairing: Pairing, settings: Settings) -> Callable[[Pair], PhotoItem]:
    """Return a function that makes the item of a pair."""
    align, confidence = job.refine.align, job.refine.confidence
    metric = _side_input(base, pairing, lambda p: p.metric, "refine.align.to", align.to if align else None)
    trust = _side_input(base, pairing, lambda p: p.confidence, "refine.confidence.path",
                        confidence.path if confidence else None)
    local = job.source.by_name and not is_url(job.output.path)     # then no path needs to be examined

    def item(p: Pair) -> PhotoItem:
        depth, output = pairing.input(p.depth), p.output or Path()
        written = output if local else target(display_path(output))
        # captures always have confidence, which makes holes, so that it is used only on request
        confidence_map = trust(p) if confidence is not None or p.camera is None else None
        return PhotoItem(p.key, pairing.input(p.color), depth, written, below(written, root), metric(p), confidence_map,
                         pairing.input(p.camera) if p.camera else None,
                         neighbours(depth) if settings.auto is not None else ())
    return item


def _notes(pairing: Pairing, stale: Sequence[Path]) -> Iterator[str]:
    if stale:
        yield (f"{counted(len(stale), 'stale tar file')} in the output folder would be read as well, for example "
               f"{stale[0]}: written with another output.tars, or of photos that no longer exist")
    if pairing.unmatched_color:
        yield f"left out: {counted(len(pairing.unmatched_color), 'photo')} without a map"
    if pairing.unmatched_depth:
        yield (f"not used: {counted(len(pairing.unmatched_depth), 'map')} without a photo, for example "
               f"{pairing.unmatched_depth[0].name}")
    if pairing.previews:
        yield (f"not used: {counted(len(pairing.previews), 'preview')} of maps beside them, for example "
               f"{pairing.previews[0].name}")
    yield from pairing.notes
    yield from (f"{d.reason}: {d.key}" for d in pairing.duplicates if d.shared)


def _side_input(base: Path, pairing: Pairing, listed: Callable[[Pair], Path | None], key: str,
                template: str | None) -> Callable[[Pair], Input | None]:
    """Return a function that finds a side input of a pair, in the list of pairs or by a template."""
    if template is None:
        return lambda pair: pairing.input(path) if (path := listed(pair)) else None
    if any(map(listed, pairing.pairs)) and not pairing.members:
        raise UsageError(f"both source.pairs and {key} name files beside the maps", hint=f"leave {key} out")
    if pairing.members:
        found = find_beside_members(base, template, pairing)
    else:
        found = find_beside(base, template, pairing.pairs, pairing.names, look=Catalogue(pairing.objects).search)
    return lambda pair: pairing.input(found[pair.key])


def _check_samples(job: Job, items: Sequence[PhotoItem]) -> None:
    """Check that metric samples and `refine.align` come together, and that some photo has the requested confidence."""
    if job.refine.align is None and any(i.metric is not None for i in _distinct(job, items)):
        raise UsageError("source.pairs names metric samples, but nothing is aligned to them",
                         hint="set refine: {align: {scale: mm}}, or {align: {}} if the samples are metres")
    if job.refine.align is not None:
        refuse("there are no metric samples to align to", [i.key for i in items if i.metric is None],
               "set refine.align.to, or a column metric in source.pairs")
    if job.refine.confidence is not None and items and not any(i.confidence for i in items):
        raise UsageError("refine.confidence is set, but no photo has a confidence map",
                         hint="set refine.confidence.path, or a column confidence in source.pairs")


def _check_outputs(job: Job, items: Sequence[PhotoItem]) -> None:
    """Check that outputs have formats which can be written, and that none is a side input."""
    aids = {path.resolve() for i in _distinct(job, items) for path in i.side_inputs.paths() if isinstance(path, Path)}
    if aids:
        refuse("outputs would overwrite files that refine the maps",
               [str(i.output) for i in items if isinstance(i.output, Path) and i.output.resolve() in aids],
               "use another folder in output.path")
    same = "}" not in job.output.path.rpartition(".")[2]    # the suffix, unless pairs name their own outputs
    for output in {i.output.suffix.lower(): i.output for i in (_distinct(job, items) if same else items)}.values():
        check_suffix(job, str(output), output.suffix.lower())
        if registry.by_suffix(output.suffix) is None and output.suffix.lower() not in MAPS_ALONE:
            raise UsageError(f"{output} cannot be written: no format with that suffix holds depth",
                             hint="use output.path: out/{stem}.heic, or a format of maps alone: "
                                  + " ".join(MAPS_ALONE))


def check_suffix(job: Job, output: str, suffix: str) -> None:
    """Raise UsageError for an output that does not end as `output.container` requires."""
    if job.suffixes and suffix not in job.suffixes:
        raise UsageError(f"{output} does not end in {job.suffixes[0]}, as output.container: {job.output.container} "
                         "requires")


def _distinct(job: Job, items: Sequence[PhotoItem]) -> Sequence[PhotoItem]:
    """Return one item where that is enough: items paired by name without side inputs are all alike."""
    alike = job.source.by_name and job.refine.align is None and job.refine.confidence is None
    return items[-1:] if alike else items


def plan_settings(job: Job, base: Path) -> Settings:
    """Return the settings of a job, with its donor and its network. Raises MissingInputError, NoDepthError."""
    settings = job.item_settings()
    if job.source.network is not None:
        network = job.source.network.network(base, job.run.backend)
        network.check()
        settings = replace(settings, network=network)
    if job.output.donor is None:
        return settings
    return replace(settings, donor=registry.donor(base / job.output.donor, settings.limits))


def output_root(base: Path, template: str) -> Path:
    """Return the folder of an output template before its first placeholder."""
    fixed = template.split("{", 1)[0]
    return located(base, fixed.rpartition("/")[0]) if "/" in fixed else base


def _collision_hint(pairing: Pairing, template: str) -> str:
    if all(c.reason == "it is an input" for c in pairing.collisions):
        return "use another folder in output.path"
    names = sorted({name for c in pairing.collisions for name in c.differ} - placeholders(template))
    if names:
        return "add another placeholder to output.path: " + " or ".join(f"{{{name}}}" for name in names)
    return ("add a placeholder to output.path for the folders that differ: "
            "source.color: photos/{folder}/*.jpg, output.path: out/{folder}/{stem}.jpg")


def refuse(problem: str, found: Sequence[str], hint: str) -> None:
    """Raise UsageError if something was found, with the first examples."""
    if found:
        raise UsageError(f"{problem}: {listing(found, len(found), '; ', most=SHOWN, longest=500)}", hint=hint)


S = TypeVar("S")
T = TypeVar("T")


class LazySequence(Sequence[T]):
    """Selected items of a sequence, held as places of 8 bytes each."""

    def __init__(self, items: Sequence[T], places: array[int]) -> None:
        self.items, self.places = items, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> LazySequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | LazySequence[T]:
        if isinstance(index, slice):
            return LazySequence(self.items, self.places[index])
        return self.items[self.places[index]]

    def __iter__(self) -> Iterator[T]:
        return (self.items[place] for place in self.places)


class MappedSequence(Sequence[T]):
    """Items that are made from those of another sequence when they are asked for."""

    def __init__(self, of: Sequence[S], make: Callable[[S], T]) -> None:
        self.of: Sequence[Any] = of
        self.make = make

    def __len__(self) -> int:
        return len(self.of)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> MappedSequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | MappedSequence[T]:
        return MappedSequence(self.of[index], self.make) if isinstance(index, slice) else self.make(self.of[index])

    def __iter__(self) -> Iterator[T]:
        return map(self.make, self.of)


def select(items: Sequence[T], wanted: Callable[[T], Any]) -> Sequence[T]:
    """Return the items that are wanted, or the sequence itself if all are."""
    places = array("Q", (place for place, item in enumerate(items) if wanted(item)))
    return items if len(places) == len(items) else LazySequence(items, places)
