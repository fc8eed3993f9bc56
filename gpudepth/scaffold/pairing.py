"""Which maps belong to which photos of a folder: the `source:` of a job that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..containers import registry
from ..errors import GpudepthError, UsageError
from ..formats.bytesource import ByteSource, read_input
from ..limits import DEFAULT
from .naming import ENOUGH, Match, confidence_of, matches, photos_of, shared
from .survey import VIDEOS, Group, Survey

_MEANS_MORE = frozenset("{}*?")


@dataclass(frozen=True)
class Beside:
    """path: a template. file: one of them."""

    path: str
    file: Path


@dataclass(frozen=True)
class PairingPlan:
    """source: the section, in order. map, photo: one of them to look at. outputs: placeholders of output.path. why: in
    words."""

    source: dict[str, Any]
    map: Path | None
    photo: Path | None
    outputs: str
    why: str
    notes: list[str] = field(default_factory=list)
    confidence: Beside | None = None


def find_way(found: Survey) -> PairingPlan:
    """The first that fits. Raises UsageError, with what is there and what to do."""
    for rule in _RULES:
        way = rule(found)
        if way is not None:
            return way
    raise UsageError(_nothing(found), where=str(found.base), hint=_advice(found))


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
        return None     # damaged, or another program's


def _lists(found: Survey) -> PairingPlan | None:
    if found.has("rgb.txt", "depth.txt"):
        maps = [g for g in found.role("map") if PurePosixPath(g.folder).name == "depth"]
        photos = [g for g in found.role("photo") if PurePosixPath(g.folder).name == "rgb"]
        if maps and photos:
            source = {"color": "rgb.txt", "depth": "depth.txt", "match": "time", "allow_missing": True}
            return PairingPlan(source, maps[0].path(found.base, maps[0].names[0]),
                       photos[0].path(found.base, photos[0].names[0]), "{stem}",
                       "TUM's lists rgb.txt and depth.txt name them with their times")
    for name in ("pairs.csv", "pairs.jsonl"):
        if found.has(name):
            return PairingPlan({"pairs": name}, None, None, "{stem}", f"{name} lists them")
    return None


def _archives(found: Survey) -> PairingPlan | None:
    if found.of(".r3d"):
        return PairingPlan({"archive": str(found.of(".r3d")[0])}, None, None, "{archive}/{frame}",
                           "captures of Record3D")
    if found.of(".tar"):
        return PairingPlan({"shards": str(found.of(".tar")[0])}, None, None, "{shard}/{key}",
                           "tar shards, as WebDataset's")
    return None


def _by_name(found: Survey) -> PairingPlan | None:
    """Photos and maps whose names have the same stem, in one pair of folders or in many that look alike."""
    fitting = matches(found)
    if not fitting:
        return None
    best = fitting[0]
    photos, maps = best.photos, best.maps
    odd = next((text for text in (photos.folder, maps.folder, photos.names[0]) if set(text) & _MEANS_MORE), None)
    if odd is not None:
        raise UsageError(f"{odd!r} has braces, * or ? in its name, which mean something else in jobs",
                         where=str(found.base), hint="rename it, or list the pairs: source: {pairs: pairs.csv}")
    source: dict[str, Any] = {"color": best.color, "depth": best.depth}
    notes, missing = [], best.missing(found)
    if missing:
        source["allow_missing"] = True
        notes.append(f"{len(missing)} photos have no map, {missing[0]} for one")
    others = [other.maps for other in fitting[1:] if other.photos.folder == photos.folder and other.maps != maps
              and (best.scene is None or best.folder(other.maps.folder) != other.maps.folder)]
    if others:
        notes.append(f"maps, too, and not taken: {', '.join(dict.fromkeys(map(str, others[:5])))}")
    left = [g for g in photos_of(found) if g.folder == photos.folder and g.suffix.lower() != photos.suffix.lower()]
    if left:
        notes.append(f"photos of other formats need a job of their own: {', '.join(map(str, left[:5]))}")
    trust = confidence_of(found, best)
    count = sum(len(g.names) for g in best.scenes or (photos,))
    return PairingPlan(source, maps.path(found.base, maps.names[len(maps.names) // 2]),
               photos.path(found.base, photos.names[len(photos.names) // 2]), best.outputs,
               f"{count} photos, and maps with the same names", notes, _confidence(found, best, trust))


def _confidence(found: Survey, match: Match, group: Group | None) -> Beside | None:
    if group is None:
        return None
    _, before, after = shared(match.photos, group)
    return Beside(str(PurePosixPath(match.folder(group.folder), f"{before}{match.id}{after}")),
                  group.path(found.base, group.names[len(group.names) // 2]))


def _by_index(found: Survey) -> PairingPlan | None:
    sides = photos_of(found), found.role("map")
    alone = [len(side) for side in sides] == [1, 1]
    for photos in sides[0]:
        for maps in sides[1]:
            near = PurePosixPath(photos.folder).parent == PurePosixPath(maps.folder).parent
            apart = photos.folder != maps.folder and len(photos.names) > 1
            # of several scenes the first may not get the maps of the second
            if len(photos.names) == len(maps.names) and (alone or (near and apart and not _in_scenes(found))):
                return PairingPlan({"color": str(photos), "depth": str(maps), "match": "index"},
                           maps.path(found.base, maps.names[0]), photos.path(found.base, photos.names[0]), "{stem}",
                           "LOOK, no names agree: the first photo gets the first map, and so on")
    return None


def _in_scenes(found: Survey) -> bool:
    """Photos and maps lie together, in several folders."""
    return len({g.folder for g in photos_of(found)} & {g.folder for g in found.role("map")}) > 1


def _videos(found: Survey) -> PairingPlan | None:
    for videos in found.of(*VIDEOS):
        for maps in found.of(".npz", ".npy", ".mkv"):
            share, before, after = shared(videos, maps)
            if share >= ENOUGH and maps is not videos:
                depth = f"{maps.folder}/" if maps.folder else ""
                return PairingPlan({"video": str(videos), "depth": f"{depth}{before}{{stem}}{after}"},
                           maps.path(found.base, maps.names[0]), None, "{stem}/{frame}",
                           f"{len(videos.names)} videos, and maps with the same names")
        numbered = [group for group in found.role("map") if _frames_of(videos, group) is not None]
        frames = _frames_of(videos, numbered[0]) if len(videos.names) == 1 and numbered else None
        if frames is not None:
            name = f"{frames.beginning}{{frame}}{frames.ending}{frames.suffix}"
            source = {"video": str(PurePosixPath(videos.folder, videos.names[0])),
                      "depth": str(PurePosixPath(frames.folder, name)), "clip": {"match": "index"}}
            return PairingPlan(source, frames.path(found.base, frames.names[0]), None, "{stem}/{frame}",
                       f"a video, and {len(frames.names)} maps that are numbered: the first frame gets the first map")
    return None


_RULES: tuple[Callable[[Survey], PairingPlan | None], ...] = (_transforms, _lists, _archives, _videos, _by_name,
                                                              _by_index)


def _hold_depth(found: Survey) -> bool:
    """Those that are looked at."""
    group = found.role("photo")[0]
    try:
        with ByteSource(group.path(found.base, group.names[0])) as source:
            return registry.require(source).read(source) is not None
    except GpudepthError:
        return False


def _frames_of(videos: Group, maps: Group) -> Group | None:
    """Maps in a folder beside the video, without what is not the number of a frame; None where they have none."""
    if PurePosixPath(maps.folder).parent != PurePosixPath(videos.folder):
        return None
    return next((group for group in (maps, *maps.trimmed()) if len(group.names) > 1
                 and all(stem.isdigit() for stem in group.stems())), None)


def _nothing(found: Survey) -> str:
    lines = found.said()
    there = "there are: " + "; ".join(lines[:8]) if lines else "it holds neither"
    return f"no photos with maps were found; {there}"


def _advice(found: Survey) -> str:
    if found.role("picture of a map") and not found.role("map"):
        return ("coloured maps cannot be used, their codes are lost, nor those beside the photo in one picture: have "
                "the model write gray, or .npy (Depth Anything: --pred-only --grayscale)")
    if found.role("photo") and _hold_depth(found):
        return (f"the photos hold depth already: gpudepth preview {found.base} --sheet -o sheet.png, gpudepth extract "
                f"{found.base} --as png16 -o dataset/")
    if found.role("photo") and not found.role("map"):
        return (f"of photos that hold depth already: gpudepth extract {found.base} --as png16 -o dataset/; of others a "
                "depth model makes maps: gpudepth attach PHOTO --estimate MODEL.onnx, or in a job "
                "source.depth: {kind: onnx, model: …}; maps that lie elsewhere: gpudepth init of the folder above both")
    if found.role("map"):
        return "maps alone become dictionaries and arrays: gpudepth convert MAP -o OUT.plist; photos may lie elsewhere"
    return "gpudepth demo demo-out makes a folder to look at"
