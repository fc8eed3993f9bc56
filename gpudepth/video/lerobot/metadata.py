"""Finds and writes the JSON entry that declares an MP4 as LeRobot's depth video.

A data set keeps it in meta/info.json; its videos are below videos/, in a folder with the feature's name. A single video
has it in NAME.json or info.json beside it, with the same structure:

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

import numpy as np
from numpy.typing import NDArray

from ...errors import GpudepthError, MalformedError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource

FEATURE = "observation.images.depth"
MAX_INFO = 16 << 20
MAX_UP = 6      # folders between a video and its data set
ACCURACY = "gpudepth.accuracy"      # our own key: LeRobot's depth is always metres


@dataclass(frozen=True)
class Feature:
    """A depth feature.

    Attributes:
        name: Its name.
        quantiser: What its codes mean.
        accuracy: Whether its values are metric.
        source: The JSON file.
    """

    name: str
    quantiser: Quantiser
    accuracy: Literal["relative", "absolute"]
    source: Path


def of_video(path: str | Path) -> Feature | None:
    """Return the depth feature of a video, or None when no JSON file beside or above it declares one.

    Raises:
        MalformedError: The entry does not define what the codes mean, or several features match.
    """
    path = Path(path)
    for info in _candidates(path):
        features = _features(info)
        depth = {name: f for name, f in features.items() if _is_depth(f)}
        named = [part for part in path.absolute().parts[:-1] if part in features]
        if named:       # the path contains the feature's name
            return _feature(named[-1], depth[named[-1]], info) if named[-1] in depth else None
        if not depth or info.parent.name == "meta":
            continue
        if len(depth) > 1:
            raise MalformedError(f"the file declares {len(depth)} depth features, and {path.name} could be any of them",
                                 where=info, hint=f"put {path.with_suffix('.json').name} with one feature beside it")
        return _feature(*next(iter(depth.items())), info)
    return None


def _candidates(path: Path) -> Iterator[Path]:
    above = [parent / "meta" / "info.json" for parent in path.absolute().parents[1 : MAX_UP + 1]]
    for info in (path.with_suffix(".json"), path.with_name("info.json"), *above):
        if info.is_file():
            yield info


def _features(info: Path) -> dict[str, Any]:
    """Read the features of a JSON file; empty when it is another kind of file."""
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
            raise MalformedError(f"video.{key} is {value!r}; it must be a number", where=where)
        numbers.append(float(value))
    logarithmic = info.get("video.use_log")
    if not isinstance(logarithmic, bool):
        raise MalformedError(f"video.use_log is {logarithmic!r}; it must be true or false", where=where)
    pixels = info.get("video.pix_fmt", "gray12le")
    if pixels != "gray12le":
        raise UnsupportedError(f"video.pix_fmt is {pixels!r}", where=where, hint="only gray12le is supported")
    try:
        quantiser = Quantiser(numbers[0], numbers[1], numbers[2], logarithmic)
    except GpudepthError as error:
        raise MalformedError(error.message, where=where) from None
    return Feature(name, quantiser, "relative" if info.get(ACCURACY) == "relative" else "absolute", source)


def describe(quantiser: Quantiser, width: int, height: int, fps: Fraction, accuracy: str) -> bytes:
    """Return the JSON file of a single video, whose entry can be copied into a data set's meta/info.json."""
    info: dict[str, Any] = {
        "is_depth_map": True, "depth_unit": "m", "video.depth_min": quantiser.depth_min,
        "video.depth_max": quantiser.depth_max, "video.shift": quantiser.shift, "video.use_log": quantiser.use_log,
        "video.codec": "hevc", "video.pix_fmt": "gray12le", "video.height": height, "video.width": width,
        "video.channels": 1, "video.fps": round(float(fps), 6), "has_audio": False}
    if accuracy == "relative":
        info[ACCURACY] = accuracy
    feature = {"dtype": "video", "shape": [height, width, 1], "names": ["height", "width", "channels"], "info": info}
    return (json.dumps({"features": {FEATURE: feature}}, indent=1) + "\n").encode()


TOP = 4095


@dataclass(frozen=True)
class Quantiser:
    """What the codes mean. The defaults are LeRobot's.

    Attributes:
        depth_min: Smallest depth in metres.
        depth_max: Largest depth in metres.
        shift: Added to the depth before the logarithm, in metres.
        use_log: Whether codes are logarithmic.

    Raises:
        UsageError: The range is not valid.
    """

    depth_min: float = 0.01
    depth_max: float = 10.0
    shift: float = 3.5
    use_log: bool = True

    def __post_init__(self) -> None:
        finite = np.isfinite([self.depth_min, self.depth_max, self.shift]).all()
        if not (finite and 0 <= self.depth_min < self.depth_max):
            raise UsageError(f"{self.depth_min:g} to {self.depth_max:g} m, shift {self.shift:g}, is not a valid range",
                             hint="0 ≤ depth_min < depth_max")
        if self.use_log and self.depth_min + self.shift <= 0:
            raise UsageError(f"depth_min + shift is {self.depth_min + self.shift:g}, which has no logarithm")

    def codes(self, metres: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Convert metres (H, W) to codes; NaN becomes 0, values outside the range become the code of its nearer end."""
        d = np.asarray(metres, np.float64)
        clipped = np.clip(np.where(np.isnan(d), self.depth_min, d), self.depth_min, self.depth_max)
        if self.use_log:
            start, end = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
            share = (np.log(clipped + self.shift) - start) / (end - start)
        else:
            share = (clipped - self.depth_min) / (self.depth_max - self.depth_min)
        rounded: NDArray[np.float64] = np.rint(share * TOP)
        return rounded.astype(np.uint16)

    def outside(self, metres: NDArray[np.float32], codes: NDArray[np.uint16]) -> tuple[int, int]:
        """Return how many pixels with a value are too near for a code of their own, and how many too far."""
        return int(((codes == 0) & ~np.isnan(metres)).sum()), int((metres > self.depth_max).sum())

    def values(self) -> NDArray[np.float32]:
        """Return the metres of each code, (4096,) float32; NaN for code 0."""
        share = np.arange(TOP + 1) / TOP
        if self.use_log:
            start, end = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
            metres = np.exp(start + share * (end - start)) - self.shift
        else:
            metres = self.depth_min + share * (self.depth_max - self.depth_min)
        out: NDArray[np.float32] = np.clip(metres, self.depth_min, self.depth_max).astype(np.float32)
        out[0] = np.nan
        return out
