"""Which maps belong to which photos of a folder: the `source:` of a job that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import UsageError
from .survey import EITHER, MAPS, VIDEOS, Group, Survey

ENOUGH = 0.5        # of the photos have a map by that name
_FINER = (*MAPS, *EITHER)       # of several maps of a photo the one that keeps more


@dataclass(frozen=True)
class Way:
    """source: the section, in order. map, photo: one of them to look at. outputs: placeholders of output.path. why: in
    words."""

    source: dict[str, Any]
    map: Path | None
    photo: Path | None
    outputs: str
    why: str
    notes: list[str] = field(default_factory=list)


def find_way(found: Survey) -> Way:
    """The first that fits. Raises UsageError, with what is there and what to do."""
    for rule in _RULES:
        way = rule(found)
        if way is not None:
            return way
    raise UsageError(_nothing(found), where=str(found.base), hint=_advice(found))


def _transforms(found: Survey) -> Way | None:
    name = "transforms.json"
    if not found.has(name):
        return None
    try:
        frames = json.loads((found.base / name).read_text(encoding="utf-8"))["frames"]
        first = next(frame for frame in frames if frame.get("depth_file_path"))
        return Way({"transforms": name}, found.base / first["depth_file_path"], found.base / first["file_path"],
                   "{stem}", f"{name} of nerfstudio names photos and maps")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return None


def _lists(found: Survey) -> Way | None:
    if found.has("rgb.txt", "depth.txt"):
        maps = [g for g in found.role("map") if PurePosixPath(g.folder).name == "depth"]
        photos = [g for g in found.role("photo") if PurePosixPath(g.folder).name == "rgb"]
        if maps and photos:
            source = {"color": "rgb.txt", "depth": "depth.txt", "match": "time", "allow_missing": True}
            return Way(source, maps[0].path(found.base, maps[0].names[0]),
                       photos[0].path(found.base, photos[0].names[0]), "{stem}",
                       "TUM's lists rgb.txt and depth.txt name them with their times")
    for name in ("pairs.csv", "pairs.jsonl"):
        if found.has(name):
            return Way({"pairs": name}, None, None, "{stem}", f"{name} lists them")
    return None


def _archives(found: Survey) -> Way | None:
    if found.of(".r3d"):
        return Way({"archive": str(found.of(".r3d")[0])}, None, None, "{archive}/{frame}", "captures of Record3D")
    if found.of(".tar"):
        return Way({"shards": str(found.of(".tar")[0])}, None, None, "{shard}/{key}", "tar shards, as WebDataset's")
    return None


def _by_name(found: Survey) -> Way | None:
    """Photos and maps whose names have the same stem, in one pair of folders or in many that look alike."""
    best: tuple[float, int, Way] | None = None
    for photos in found.role("photo"):
        for maps in found.role("map"):
            share, before, after = _shared(photos, maps)
            if share < ENOUGH:
                continue
            way = _named(found, photos, maps, before, after)
            score = (share * len(photos.names), -_FINER.index(maps.suffix.lower()), way)
            if best is None or score[:2] > best[:2]:
                best = score
    return best[2] if best else None


def _shared(photos: Group, maps: Group) -> tuple[float, str, str]:
    """(share of the photos that have a map, what their names have before the stem and after it)."""
    names, stems, best = set(maps.names), photos.stems(), (0.0, "", "")
    tried = set()
    for stem in stems[:3]:
        for name in maps.names[:20_000]:
            before, met, after = name.partition(stem)
            if not met or not stem or (before, after) in tried:
                continue
            tried.add((before, after))
            share = sum(before + s + after in names for s in stems) / len(stems)
            best = max(best, (share, before, after), key=lambda b: b[0])
            if len(tried) > 50:
                return best
    return best


def _named(found: Survey, photos: Group, maps: Group, before: str, after: str) -> Way:
    stem = "{id}" if photos.ending else "{stem}"
    color, depth, outputs, count = photos.folder, maps.folder, stem, len(photos.names)
    scenes = _scenes(found, photos)
    if len(scenes) > 1 and photos.folder.split("/")[0] == maps.folder.split("/")[0]:
        color, depth = (str(PurePosixPath("{scene}", *PurePosixPath(f).parts[1:])) for f in (color, depth))
        outputs, count = "{scene}/" + stem, sum(len(g.names) for g in scenes)
    named = "{" in color or bool(photos.ending)
    name = f"{stem}{photos.ending}{photos.suffix}" if named else f"*{photos.suffix}"
    source: dict[str, Any] = {"color": str(PurePosixPath(color, name)),
                              "depth": str(PurePosixPath(depth, f"{before}{stem}{after}"))}
    notes, names = [], set(maps.names)
    missing = [s for s in photos.stems() if before + s + after not in names]
    if missing:
        source["allow_missing"] = True
        notes.append(f"{len(missing)} photos have no map, {missing[0]}{photos.suffix} for one")
    others = [g for g in found.role("map") if g is not maps and g.folder == maps.folder]
    if others:
        notes.append(f"maps, too, and not taken: {', '.join(map(str, others[:5]))}")
    return Way(source, maps.path(found.base, maps.names[len(maps.names) // 2]),
               photos.path(found.base, photos.names[len(photos.names) // 2]), outputs,
               f"{count} photos and maps with the same names", notes)


def _scenes(found: Survey, photos: Group) -> list[Group]:
    """Groups that differ from this one in the first folder only: a set of scenes."""
    parts = PurePosixPath(photos.folder).parts
    return [g for g in found.role("photo") if (g.suffix, g.ending) == (photos.suffix, photos.ending)
            and len(PurePosixPath(g.folder).parts) == len(parts) > 0 and PurePosixPath(g.folder).parts[1:] == parts[1:]]


def _by_index(found: Survey) -> Way | None:
    for photos in found.role("photo"):
        for maps in found.role("map"):
            if len(photos.names) == len(maps.names) > 1 and photos.folder != maps.folder:
                return Way({"color": str(photos), "depth": str(maps), "match": "index"},
                           maps.path(found.base, maps.names[0]), photos.path(found.base, photos.names[0]), "{stem}",
                           f"{len(photos.names)} photos and as many maps, the first with the first: no names agree")
    return None


def _videos(found: Survey) -> Way | None:
    for videos in found.of(*VIDEOS):
        for maps in found.of(".npz", ".npy", ".mkv"):
            share, before, after = _shared(videos, maps)
            if share >= ENOUGH and maps is not videos:
                depth = f"{maps.folder}/" if maps.folder else ""
                return Way({"video": str(videos), "depth": f"{depth}{before}{{stem}}{after}"},
                           maps.path(found.base, maps.names[0]), None, "{stem}/{frame}",
                           f"{len(videos.names)} videos, and maps with the same names")
    return None


_RULES: tuple[Callable[[Survey], Way | None], ...] = (_transforms, _lists, _archives, _videos, _by_name, _by_index)


def _nothing(found: Survey) -> str:
    lines = found.said()
    there = "there are: " + "; ".join(lines[:8]) if lines else "it holds neither"
    return f"no photos with maps were found; {there}"


def _advice(found: Survey) -> str:
    if found.role("picture of a map") and not found.role("map"):
        return "coloured maps cannot be used, their codes are lost: have the model write gray, or .npy"
    if found.role("photo") and not found.role("map"):
        return (f"of photos that hold depth already: gpudepth extract {found.base} --as png16 -o dataset/; of others a "
                "depth model makes maps: gpudepth attach PHOTO --estimate MODEL.onnx, or in a job "
                "source.depth: {kind: onnx, model: …}; maps that lie elsewhere: gpudepth init of the folder above both")
    if found.role("map"):
        return "maps alone become dictionaries and arrays: gpudepth convert MAP -o OUT.plist; photos may lie elsewhere"
    return "gpudepth demo demo-out makes a folder to look at"
