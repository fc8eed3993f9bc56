"""Reads pairs from the frames in nerfstudio's transforms.json: `file_path` and `depth_file_path`."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from .manifest import ListFile
from .pairs import (
    Pair,
    Pairing,
    find_collisions,
    natural_key,
    natural_sorted,
    output_template,
    photo_key,
    real_paths,
    shared_maps,
)
from .urls import located

NAMES = frozenset({"stem"})


def find_in_transforms(base: Path, transforms: str, output: str | None = None, *,
                       allow_missing: bool = False) -> Pairing:
    """Read the pairs of the frames; frames without a depth_file_path are unmatched.

    Args:
        base: Folder that `transforms` and `output` start from. Paths in frames start from the folder of
            transforms.json.
        transforms: Path of transforms.json.
        output: Template of {stem}.
        allow_missing: Leave photos unmatched when their map does not exist, instead of raising an error.

    Returns:
        The pairs in natural order.

    Raises:
        JobError: The file has mistakes; all of them are reported with their frames.
        UsageError: The template is bad, or the file has no frames.
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
            source.wrong(place, f"file_path {names['file_path']!r} is already in {first}")
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
    return Pairing(tuple(pairs), natural_sorted(unmatched), (), tuple(shared_maps(pairs)), collisions, names=NAMES)


def _frames(source: ListFile) -> list[dict[str, object]]:
    data = source.json()
    frames = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UsageError("the file has no frames", where=source.path,
                         hint='nerfstudio writes {"frames": [{"file_path": …, "depth_file_path": …}, …]}')
    return frames


def _text(source: ListFile, place: str, frame: dict[str, object], key: str) -> str:
    value = frame.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        source.wrong(place, f"{key} is not a string")
        return ""
    return value
