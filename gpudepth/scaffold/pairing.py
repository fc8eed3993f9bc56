"""Finds which maps belong to which photos of a folder: the section `source` of a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..containers import registry
from ..errors import GpudepthError, UsageError, counted
from ..formats.bytesource import ByteSource, read_input
from ..limits import DEFAULT
from .naming import ENOUGH, Match, confidence_of, matches, photos_of, shared
from .survey import VIDEOS, Group, Survey

_SPECIAL = frozenset("{}*?")     # characters with a meaning in the templates of a job


@dataclass(frozen=True)
class ConfidenceFiles:
    """Confidence maps: their template, and one of the files."""

    path: str
    file: Path


@dataclass(frozen=True)
class PairingPlan:
    """Which maps belong to which photos.

    Attributes:
        source: The section `source` of the job, in order.
        map: One of the maps, to examine.
        photo: One of the photos, to examine.
        outputs: The template of the outputs, without folder and suffix.
        why: The reason, in words.
        notes: Remarks for the user.
        confidence: Confidence maps, if there are any.
    """

    source: dict[str, Any]
    map: Path | None
    photo: Path | None
    outputs: str
    why: str
    notes: list[str] = field(default_factory=list)
    confidence: ConfidenceFiles | None = None


def find_pairing(found: Survey) -> PairingPlan:
    """Return the pairing of the first rule that applies. Raises UsageError with the files found and a hint."""
    for rule in _RULES:
        plan = rule(found)
        if plan is not None:
            return plan
    raise UsageError(f"no photos with maps were found; {'; '.join(found.summary()[:8]) or 'the folder holds neither'}",
                     where=str(found.base), hint=_advice(found))


def _transforms(found: Survey) -> PairingPlan | None:
    name = "transforms.json"
    if not found.has(name):
        return None
    try:
        text = read_input(found.base / name, replace(DEFAULT, max_file=DEFAULT.max_list))
        frames = json.loads(text)["frames"]
        first = next(frame for frame in frames if frame.get("depth_file_path"))
        return PairingPlan({"transforms": name}, found.base / first["depth_file_path"], found.base / first["file_path"],
                   "{stem}", f"{name} of nerfstudio names photos and maps")
    except (GpudepthError, OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return None     # damaged, or the file of another program


def _lists(found: Survey) -> PairingPlan | None:
    if found.has("rgb.txt", "depth.txt"):
        maps = [g for g in found.role("map") if PurePosixPath(g.folder).name == "depth"]
        photos = [g for g in found.role("photo") if PurePosixPath(g.folder).name == "rgb"]
        if maps and photos:
            source = {"color": "rgb.txt", "depth": "depth.txt", "match": "time", "allow_missing": True}
            return PairingPlan(source, maps[0].path(found.base, maps[0].names[0]),
                       photos[0].path(found.base, photos[0].names[0]), "{stem}",
                       "TUM's lists rgb.txt and depth.txt name photos and maps with their times")
    for name in ("pairs.csv", "pairs.jsonl"):
        if found.has(name):
            return PairingPlan({"pairs": name}, None, None, "{stem}", f"{name} lists photos and maps")
    return None


def _archives(found: Survey) -> PairingPlan | None:
    if found.of(".r3d"):
        return PairingPlan({"archive": str(found.of(".r3d")[0])}, None, None, "{archive}/{frame}",
                           "captures of Record3D")
    if found.of(".tar"):
        return PairingPlan({"shards": str(found.of(".tar")[0])}, None, None, "{shard}/{key}",
                           "tar shards in the format of WebDataset")
    return None


def _by_name(found: Survey) -> PairingPlan | None:
    """Pair photos and maps whose names have the same stem, in one pair of folders or in many similar ones."""
    fitting = matches(found)
    if not fitting:
        return None
    best = fitting[0]
    photos, maps = best.photos, best.maps
    odd = next((text for text in (photos.folder, maps.folder, photos.names[0]) if set(text) & _SPECIAL), None)
    if odd is not None:
        raise UsageError(f"{odd!r} contains braces, * or ?, which have a special meaning in jobs",
                         where=str(found.base), hint="rename it, or list the pairs: source: {pairs: pairs.csv}")
    source: dict[str, Any] = {"color": best.color, "depth": best.depth}
    missing = best.missing(found)
    if missing:
        source["allow_missing"] = True
    count = sum(len(g.names) for g in best.scenes or (photos,))
    return PairingPlan(source, _middle(found, maps), _middle(found, photos), best.outputs,
                       f"{counted(count, 'photo')}, and maps with the same names", _notes(found, fitting, missing),
                       _confidence(found, best))


def _notes(found: Survey, fitting: list[Match], missing: list[str]) -> list[str]:
    """Return remarks on the files that the best match leaves out."""
    best, notes = fitting[0], []
    if missing:
        notes.append(f"{counted(len(missing), 'photo')} without a map, for example {missing[0]}")
    others = [other.maps for other in fitting[1:] if other.photos.folder == best.photos.folder
              and other.maps != best.maps
              and (best.scene is None or best.folder(other.maps.folder) != other.maps.folder)]
    if others:
        notes.append(f"further maps that are not used: {', '.join(dict.fromkeys(map(str, others[:5])))}")
    left = [group for group in photos_of(found) if group.folder == best.photos.folder
            and group.suffix.lower() != best.photos.suffix.lower()]
    if left:
        notes.append(f"photos of other formats need a separate job: {', '.join(map(str, left[:5]))}")
    return notes


def _middle(found: Survey, group: Group) -> Path:
    return group.path(found.base, group.names[len(group.names) // 2])


def _confidence(found: Survey, match: Match) -> ConfidenceFiles | None:
    group = confidence_of(found, match)
    if group is None:
        return None
    _, before, after = shared(match.photos, group)
    return ConfidenceFiles(str(PurePosixPath(match.folder(group.folder), f"{before}{match.id}{after}")),
                           _middle(found, group))


def _by_index(found: Survey) -> PairingPlan | None:
    sides = photos_of(found), found.role("map")
    alone = [len(side) for side in sides] == [1, 1]
    for photos in sides[0]:
        for maps in sides[1]:
            near = PurePosixPath(photos.folder).parent == PurePosixPath(maps.folder).parent
            apart = photos.folder != maps.folder and len(photos.names) > 1
            # with several scenes, photos of the first could get maps of the second
            if len(photos.names) == len(maps.names) and (alone or (near and apart and not _in_scenes(found))):
                return PairingPlan({"color": str(photos), "depth": str(maps), "match": "index"},
                           maps.path(found.base, maps.names[0]), photos.path(found.base, photos.names[0]), "{stem}",
                           "LOOK: the names do not match, so the first photo gets the first map, and so on")
    return None


def _in_scenes(found: Survey) -> bool:
    """Return whether several folders hold both photos and maps."""
    return len({g.folder for g in photos_of(found)} & {g.folder for g in found.role("map")}) > 1


def _videos(found: Survey) -> PairingPlan | None:
    for videos in found.of(*VIDEOS):
        for maps in found.of(".npz", ".npy", ".mkv"):
            share, before, after = shared(videos, maps)
            if share >= ENOUGH and maps is not videos:
                depth = f"{maps.folder}/" if maps.folder else ""
                return PairingPlan({"video": str(videos), "depth": f"{depth}{before}{{stem}}{after}"},
                           maps.path(found.base, maps.names[0]), None, "{stem}/{frame}",
                           f"{counted(len(videos.names), 'video')}, and maps with the same names")
        numbered = [group for group in found.role("map") if _frames_of(videos, group) is not None]
        frames = _frames_of(videos, numbered[0]) if len(videos.names) == 1 and numbered else None
        if frames is not None:
            name = f"{frames.beginning}{{frame}}{frames.ending}{frames.suffix}"
            source = {"video": str(PurePosixPath(videos.folder, videos.names[0])),
                      "depth": str(PurePosixPath(frames.folder, name)), "clip": {"match": "index"}}
            return PairingPlan(source, frames.path(found.base, frames.names[0]), None, "{stem}/{frame}",
                       f"a video, and {len(frames.names)} numbered maps: the first frame gets the first map")
    return None


_RULES: tuple[Callable[[Survey], PairingPlan | None], ...] = (_transforms, _lists, _archives, _videos, _by_name,
                                                              _by_index)


def _hold_depth(found: Survey) -> bool:
    """Return whether the first photo holds depth."""
    group = found.role("photo")[0]
    try:
        with ByteSource(group.path(found.base, group.names[0])) as source:
            return registry.require(source).read(source) is not None
    except GpudepthError:
        return False


def _frames_of(videos: Group, maps: Group) -> Group | None:
    """Return maps in a folder beside the video, with the frame numbers as stems; None if they are not numbered."""
    if PurePosixPath(maps.folder).parent != PurePosixPath(videos.folder):
        return None
    return next((group for group in (maps, *maps.trimmed()) if len(group.names) > 1
                 and all(stem.isdigit() for stem in group.stems())), None)


def _advice(found: Survey) -> str:
    """Return what to do with a folder without photos that have maps."""
    photos, maps = found.role("photo"), found.role("map")
    if found.role("picture of a map") and not maps:
        return ("coloured maps, and maps beside the photo in one picture, cannot be used because their codes are lost: "
                "let the model write gray pictures or .npy (Depth Anything: --pred-only --grayscale)")
    if photos and _hold_depth(found):
        return (f"the photos hold depth already: gpudepth preview {found.base} --sheet -o sheet.png, gpudepth extract "
                f"{found.base} --as png16 -o dataset/")
    if photos and not maps:
        return (f"for photos that hold depth: gpudepth extract {found.base} --as png16 -o dataset/; for others a depth "
                "model makes maps: gpudepth attach PHOTO --estimate MODEL.onnx, or in a job source.depth: {kind: onnx, "
                "model: …}; if the maps are elsewhere: gpudepth init of the folder above both")
    if maps:
        return ("gpudepth convert MAP -o OUT.plist converts maps without photos; if the photos are elsewhere: gpudepth "
                "init of the folder above both")
    return "gpudepth demo demo-out makes an example folder"
