"""Depth out of clips, a frame at a time: Apple's movies with a depth track, lossless depth video, LeRobot's.

What a movie holds itself comes before what a JSON file beside it says.
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
from . import checks
from .choice import ALL, Choice
from .coded_track import CodedTrack
from .lerobot import depth_video as lerobot_video
from .lerobot import metadata as lerobot_metadata
from .matroska import depth_video
from .mp4at import reader as mp4at_reader
from .mp4at.tracks import find_axte
from .quicktime import depth_track, reader
from .track_decoder import VideoFrame


@dataclass(frozen=True)
class ClipFrame:
    """index counts in the order of time from 0; seconds is when it is shown. data in coded orientation."""

    index: int
    seconds: Fraction
    data: DepthData


def is_clip(path: str | Path, limits: Limits = DEFAULT) -> bool:
    """Is the file a movie or Matroska? Raises MissingInputError."""
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        return checks.is_clip(source)


def kind(path: str | Path, limits: Limits = DEFAULT) -> str:
    """What holds the depth of a clip: "matroska", "mp4-at", "lerobot", or "quicktime", which it may turn out to lack.

    Raises MissingInputError, MalformedError for a JSON file beside it that does not say what it should.
    """
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        if source.read(0, min(4, source.size)) == depth_video.MAGIC:
            return "matroska"
        with suppress(GpudepthError):       # what is wrong with it is its reader's to say
            content = movie.read(source)
            if depth_track.find(content) is not None:
                return "quicktime"
            if find_axte(source, content) is not None:
                return "mp4-at"
    return "lerobot" if lerobot_metadata.of_video(path) is not None else "quicktime"


def _video(name: str, path: str | Path, limits: Limits) -> Iterator[VideoFrame]:
    """Of a clip that holds nothing but depth."""
    read = depth_video.read_depth_video if name == "matroska" else lerobot_video.read_lerobot
    return read(path, limits=limits)


def frames(path: str | Path, choice: Choice = ALL, *, oriented: bool = True,
           limits: Limits = DEFAULT) -> Iterator[ClipFrame]:
    """The frames of a clip, one in memory at a time. oriented False: a movie's matrix is not asked, orientation is 1.

    Raises NoDepthError for a clip without depth, UsageError for frames it does not have, FileError's kinds; what was
    given before damage is right.
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
            for each in mp4at_reader.frames(auxiliary, choice.start, stop, choice.stride, oriented=oriented):
                yield ClipFrame(each.index, each.seconds, each.data)
        return
    with reader.open_depth(path, limits) as track:
        stop = track.frames if choice.stop is None else min(choice.stop, track.frames)
        for each in reader.frames(track, choice.start, stop, choice.stride, oriented=oriented):
            yield ClipFrame(each.index, each.seconds, each.data)


def about(path: str | Path, *, limits: Limits = DEFAULT) -> dict[str, Any]:
    """What a clip says of its depth, for people and JSON. Raises as `frames` does."""
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
        raise NoDepthError("holds no frame", where=path)
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
