"""What says that an MP4 is a depth video of LeRobot's: the entry of its feature in a JSON file.

A data set keeps it in meta/info.json, and its videos below videos/, the feature's name being a folder of the path.
A video alone has it in NAME.json or info.json beside it, of the same structure:

    {"features": {"observation.images.depth": {"dtype": "video", "shape": [H, W, 1], "names": […], "info": {
        "is_depth_map": true, "video.depth_min": 0.01, "video.depth_max": 10.0, "video.shift": 3.5,
        "video.use_log": true, "video.codec": "hevc", "video.pix_fmt": "gray12le", …}}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from ...errors import GpudepthError, MalformedError, UnsupportedError
from ...formats.bytesource import ByteSource
from .quantiser import Quantiser

FEATURE = "observation.images.depth"
MAX_INFO = 16 << 20
MAX_UP = 6      # folders between a video and its data set
ACCURACY = "gpudepth.accuracy"      # ours: LeRobot's depth is metres, and says nothing of it


@dataclass(frozen=True)
class Feature:
    """A depth feature: what its codes mean, and the JSON file that says so."""

    name: str
    quantiser: Quantiser
    accuracy: Literal["absolute", "relative"]
    source: Path


def of_video(path: str | Path) -> Feature | None:
    """The depth feature that a video is of, or None when nothing beside it or above it speaks of one.

    Raises MalformedError for one that lacks what its codes mean, or several that it could be.
    """
    path = Path(path)
    for info in _candidates(path):
        features = _features(info)
        depth = {name: f for name, f in features.items() if _is_depth(f)}
        named = [part for part in path.absolute().parts[:-1] if part in features]
        if named:       # the path says which
            return _feature(named[-1], depth[named[-1]], info) if named[-1] in depth else None
        if not depth or info.parent.name == "meta":
            continue
        if len(depth) > 1:
            raise MalformedError(f"speaks of {len(depth)} depth features, and {path.name} could be any of them",
                                 where=info, hint=f"put {path.with_suffix('.json').name} with its own beside it")
        return _feature(*next(iter(depth.items())), info)
    return None


def _candidates(path: Path) -> Iterator[Path]:
    above = [parent / "meta" / "info.json" for parent in path.absolute().parents[1 : MAX_UP + 1]]
    for info in (path.with_suffix(".json"), path.with_name("info.json"), *above):
        if info.is_file():
            yield info


def _features(info: Path) -> dict[str, Any]:
    """What a JSON file says of features; nothing, if it is some other file."""
    try:
        with ByteSource(info) as source:
            if source.size > MAX_INFO:
                return {}
            about = json.loads(source.read(0, source.size))
    except (GpudepthError, ValueError, RecursionError):
        return {}
    features = about.get("features") if isinstance(about, dict) else None
    return features if isinstance(features, dict) else {}


def _is_depth(feature: Any) -> bool:
    info = feature.get("info") if isinstance(feature, dict) else None
    return isinstance(info, dict) and True in (info.get("is_depth_map"), info.get("video.is_depth_map"))


def _feature(name: str, feature: dict[str, Any], source: Path) -> Feature:
    info, where = feature["info"], f"{source}: features/{name}/info"
    numbers = []
    for key in ("depth_min", "depth_max", "shift"):
        value = info.get(f"video.{key}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedError(f"video.{key} is {value!r}, and says nothing of what the codes mean", where=where)
        numbers.append(float(value))
    logarithmic = info.get("video.use_log")
    if not isinstance(logarithmic, bool):
        raise MalformedError(f"video.use_log is {logarithmic!r}", where=where)
    pixels = info.get("video.pix_fmt", "gray12le")
    if pixels != "gray12le":
        raise UnsupportedError(f"video.pix_fmt is {pixels!r}", where=where, hint="depth in gray12le is read")
    try:
        quantiser = Quantiser(numbers[0], numbers[1], numbers[2], logarithmic)
    except GpudepthError as error:
        raise MalformedError(error.message, where=where) from None
    return Feature(name, quantiser, "relative" if info.get(ACCURACY) == "relative" else "absolute", source)


def describe(quantiser: Quantiser, width: int, height: int, fps: Fraction, accuracy: str) -> bytes:
    """The JSON file of a video alone: an entry that can be put into a data set's meta/info.json as it is."""
    info: dict[str, Any] = {
        "is_depth_map": True, "depth_unit": "m", "video.depth_min": quantiser.depth_min,
        "video.depth_max": quantiser.depth_max, "video.shift": quantiser.shift, "video.use_log": quantiser.use_log,
        "video.codec": "hevc", "video.pix_fmt": "gray12le", "video.height": height, "video.width": width,
        "video.channels": 1, "video.fps": round(float(fps), 6), "has_audio": False}
    if accuracy == "relative":
        info[ACCURACY] = accuracy
    feature = {"dtype": "video", "shape": [height, width, 1], "names": ["height", "width", "channels"], "info": info}
    return (json.dumps({"features": {FEATURE: feature}}, indent=1) + "\n").encode()
