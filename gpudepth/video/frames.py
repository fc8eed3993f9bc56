"""Reads depth from clips one frame at a time: Apple's movies with a depth track, lossless depth video and LeRobot's.

Depth in a movie itself takes precedence over a JSON file beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from ..depth.data import DepthData
from ..errors import FileError, GpudepthError, NoDepthError
from ..formats.bytesource import ByteSource
from ..formats.quicktime import movie
from ..limits import DEFAULT, Limits
from . import lerobot as lerobot_metadata
from . import lerobot as lerobot_video
from . import matroska
from .choice import ALL, Choice
from .mp4at import tracks as mp4at_reader
from .mp4at.tracks import find_axte
from .quicktime import depth_track, reader
from .sniff import is_matroska
from .track_decoder import CodedTrack, VideoFrame


@dataclass(frozen=True)
class ClipFrame:
    """A depth frame of a clip.

    Attributes:
        index: Position in order of time, from 0.
        seconds: When it is shown.
        data: The map in coded orientation.
    """

    index: int
    seconds: Fraction
    data: DepthData


def kind(path: str | Path, limits: Limits = DEFAULT) -> str:
    """Return the kind of a clip's depth: "matroska", "mp4-at", "lerobot", or "quicktime", also for clips without depth.

    Raises:
        MissingInputError: The file does not exist.
        MalformedError: A JSON file beside it lacks required entries.
    """
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        if is_matroska(source):
            return "matroska"
        with suppress(GpudepthError):       # the clip's reader reports what is wrong
            content = movie.read(source)
            if depth_track.find(content) is not None:
                return "quicktime"
            if find_axte(source, content) is not None:
                return "mp4-at"
    return "lerobot" if lerobot_metadata.of_video(path) is not None else "quicktime"


def _video(name: str, path: str | Path, limits: Limits) -> Iterator[VideoFrame]:
    """Read a clip that holds only depth."""
    read = matroska.read_depth_video if name == "matroska" else lerobot_video.read_lerobot
    return read(path, limits=limits)


def frames(path: str | Path, choice: Choice = ALL, *, oriented: bool = True,
           limits: Limits = DEFAULT) -> Iterator[ClipFrame]:
    """Read the frames of a clip; one is in memory at a time.

    Args:
        path: The clip.
        choice: Which frames to read.
        oriented: Whether to read the orientation of a movie; otherwise it is 1.
        limits: What the clip may ask for.

    Yields:
        The frames in order of time. If the clip is damaged, frames before the damage are correct.

    Raises:
        NoDepthError: The clip has no depth.
        UsageError: It does not have the chosen frames.
        FileError: It is damaged.
    """
    name = kind(path, limits)
    if name in ("matroska", "lerobot"):
        found = enumerate(_video(name, path, limits))
        for index, frame in islice(found, choice.start, choice.stop, choice.stride):
            yield ClipFrame(index, frame.seconds, frame.depth)
        return
    if name == "mp4-at":
        with mp4at_reader.open_depth(path, limits) as auxiliary:
            stop = auxiliary.frames if choice.stop is None else min(choice.stop, auxiliary.frames)
            for shown in mp4at_reader.frames(auxiliary, choice.start, stop, choice.stride, oriented=oriented):
                yield ClipFrame(shown.index, shown.seconds, shown.data)
        return
    with reader.open_depth(path, limits) as track:
        stop = track.frames if choice.stop is None else min(choice.stop, track.frames)
        for shown in reader.frames(track, choice.start, stop, choice.stride, oriented=oriented):
            yield ClipFrame(shown.index, shown.seconds, shown.data)


def about(path: str | Path, *, limits: Limits = DEFAULT) -> dict[str, Any]:
    """Describe a clip's depth, for people and JSON. Raises the errors of `frames`."""
    name = kind(path, limits)
    if name in ("matroska", "lerobot"):
        return _about_video(name, path, limits)
    if name == "mp4-at":
        with mp4at_reader.open_depth(path, limits) as auxiliary:
            facts = _about_track(name, auxiliary, auxiliary.notes)
            ends = auxiliary.near_far(0) if auxiliary.frames and auxiliary.ranges is not None else None
            return facts | {"coding": auxiliary.codec, "linear_in": "disparity" if auxiliary.inverse else "depth",
                            "near": ends.near if ends else None, "far": ends.far if ends else None,
                            "accuracy": "absolute" if auxiliary.metric else "relative"}
    with reader.open_depth(path, limits) as track:
        return _about_track(name, track, track.notes) | {
            "native_format": track.pixel_format.name, "coding": track.coding, "min": track.range.lo,
            "max": track.range.hi, "colour_track": track.colour.id if track.colour else None,
            "colour": track.related_by or None}


def _about_video(name: str, path: str | Path, limits: Limits) -> dict[str, Any]:
    with closing(_video(name, path, limits)) as found:  # type: ignore[type-var]
        first = next(found, None)
    if first is None:
        raise NoDepthError("the video has no frame", where=path)
    d = first.depth
    facts = {"container": name, "native_format": d.pixel_format.name, "width": d.width, "height": d.height,
             "accuracy": d.accuracy, "unit": d.quantity.unit}
    feature = lerobot_metadata.of_video(path) if name == "lerobot" else None
    if feature is not None:
        q = feature.quantiser
        facts |= {"feature": feature.name, "depth_min": q.depth_min, "depth_max": q.depth_max, "shift": q.shift,
                  "use_log": q.use_log, "said_by": str(feature.source)}
    return facts


def _about_track(name: str, track: CodedTrack, noted: tuple[str, ...]) -> dict[str, Any]:
    orientation, notes = None, list(noted)
    try:
        orientation = track.orientation
    except FileError as error:
        notes.append(str(error))
    return {"container": name, "bits": track.bits, "width": track.width, "height": track.height,
            "frames": track.frames, "first": float(track.seconds(0)) if track.frames else None,
            "last": float(track.seconds(track.frames - 1)) if track.frames else None, "orientation": orientation,
            "track": track.track.id, "time_scale": track.track.time_scale, "notes": notes}
