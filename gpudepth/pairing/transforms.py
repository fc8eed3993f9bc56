"""Pairs from nerfstudio's transforms.json: `file_path` and `depth_file_path` of each frame; all else is left alone."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from .manifest import ListFile
from .pairs import (
    Pair,
    Pairing,
    find_collisions,
    in_order,
    natural_key,
    output_template,
    photo_key,
    real_paths,
    shared_maps,
)
from .urls import located

NAMES = frozenset({"stem"})


def find_in_transforms(base: Path, transforms: str, output: str | None = None, *,
                       allow_missing: bool = False) -> Pairing:
    """The pairs of the frames; those without a depth_file_path are unmatched.

    base           the folder that `transforms` and `output` start from; frames start from the folder of transforms.json
    output         a template of {stem}
    allow_missing  photos whose map is not there are unmatched, not wrong

    Raises JobError with every mistake, each with its frame; UsageError for a bad template and what holds no frames.
    """
    base = Path(base)
    goals = output_template(output, NAMES)
    source, real = ListFile(base / transforms), real_paths()
    pairs, unmatched, inputs, seen = [], [], list[Path](), dict[str, str]()
    for number, frame in enumerate(_frames(source)):
        place = f"frames[{number}]"
        names = {key: _text(source, place, frame, key) for key in ("file_path", "depth_file_path")}
        color = source.named(place, "file_path", names["file_path"])
        if color is None:
            continue
        first = seen.setdefault(real(color), place)
        if first != place:
            source.wrong(place, f"file_path {names['file_path']!r} is in {first} already")
            continue
        inputs.append(color)
        depth = names["depth_file_path"]
        if source.has(depth):
            fields = {"stem": color.stem}
            goal = located(base, goals.format(fields)) if goals else None
            pairs.append(Pair(photo_key(color, base), color, source.resolve(depth), fields, goal))
        elif depth and not allow_missing:
            source.named(place, "depth_file_path", depth)
        else:
            unmatched.append(color)
    source.check()
    pairs.sort(key=lambda pair: natural_key(pair.color))
    collisions = find_collisions(pairs, [*inputs, *(pair.depth for pair in pairs)])
    return Pairing(tuple(pairs), in_order(unmatched), (), tuple(shared_maps(pairs)), collisions, names=NAMES)


def _frames(source: ListFile) -> list[dict[str, object]]:
    data = source.json()
    frames = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UsageError("has no frames", where=source.path,
                         hint='nerfstudio\'s {"frames": [{"file_path": …, "depth_file_path": …}, …]}')
    return frames


def _text(source: ListFile, place: str, frame: dict[str, object], key: str) -> str:
    value = frame.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        source.wrong(place, f"{key} is no text")
        return ""
    return value
