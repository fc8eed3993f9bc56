"""Depth out of clips, a frame at a time: Apple's movies with a depth track, and lossless depth video.

Frames go into numbered files with a table of their times beside them, or into a depth video.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from ..containers.matroska import depth_video
from ..containers.quicktime import reader
from ..depth.data import DepthData
from ..depth.pixel_format import HDEP, HDIS, Quantity
from ..errors import FileError, NoDepthError, UsageError
from ..formats.bytesource import ByteSource
from ..formats.quicktime import movie
from ..limits import DEFAULT, Limits
from .export import SUFFIXES, save
from .output import atomic

VIDEO = ".mkv"
TABLE = "frames.csv"
_NUMBER = re.compile(r"%(?:0([1-9]))?d")


@dataclass(frozen=True)
class ClipFrame:
    """index counts in the order of time from 0; seconds is when it is shown. data in coded orientation."""

    index: int
    seconds: Fraction
    data: DepthData


@dataclass(frozen=True)
class Choice:
    """Every stride-th frame of [start, stop); stop None is the last."""

    start: int = 0
    stop: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if self.start < 0 or self.stride < 1 or (self.stop is not None and self.stop <= self.start):
            raise UsageError(f"frames {self.start}:{'' if self.stop is None else self.stop} in steps of {self.stride}",
                             hint="counted from 0, the end not included: --frames 0:100 --stride 10")

    @classmethod
    def parse(cls, text: str | None, stride: int = 1) -> Choice:
        """ "100:200", "100:", ":200". Raises UsageError."""
        match = re.fullmatch(r"([0-9]{0,9}):([0-9]{0,9})", text or ":")
        if match is None:
            raise UsageError(f"--frames {text!r} is not A:B", hint="--frames 0:100")
        return cls(int(match[1] or 0), int(match[2]) if match[2] else None, stride)


ALL = Choice()


def is_clip(path: str | Path, limits: Limits = DEFAULT) -> bool:
    """Is the file a movie or Matroska? Raises MissingInputError."""
    return _kind(path, limits) is not None


def _kind(path: str | Path, limits: Limits) -> str | None:
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        if source.read(0, min(4, source.size)) == depth_video.MAGIC:
            return "matroska"
        return "quicktime" if movie.is_movie(source) else None


def frames(path: str | Path, choice: Choice = ALL, *, oriented: bool = True,
           limits: Limits = DEFAULT) -> Iterator[ClipFrame]:
    """The frames of a clip, one in memory at a time. oriented False: a movie's matrix is not asked, orientation is 1.

    Raises NoDepthError for a clip without depth, UsageError for frames it does not have, FileError's kinds; what was
    given before damage is right.
    """
    if _kind(path, limits) == "matroska":
        found = depth_video.read_depth_video(path, limits=limits)
        for index, frame in islice(enumerate(found), choice.start, choice.stop, choice.stride):
            yield ClipFrame(index, frame.seconds, frame.depth)
        return
    with reader.open_depth(path, limits) as track:
        stop = track.frames if choice.stop is None else min(choice.stop, track.frames)
        for each in reader.frames(track, choice.start, stop, choice.stride, oriented=oriented):
            yield ClipFrame(each.index, each.seconds, each.data)


def about(path: str | Path, *, limits: Limits = DEFAULT) -> dict[str, Any]:
    """What a clip says of its depth, for people and JSON."""
    if _kind(path, limits) == "matroska":
        with closing(depth_video.read_depth_video(path, limits=limits)) as found:  # type: ignore[type-var]
            first = next(found, None)
        if first is None:
            raise NoDepthError("holds no frame", where=path)
        d = first.depth
        return {"container": "matroska", "native_format": d.pixel_format.name, "width": d.width, "height": d.height,
                "accuracy": d.accuracy, "unit": d.quantity.unit}
    with reader.open_depth(path, limits) as track:
        orientation, notes = None, list(track.notes)
        try:
            orientation = track.orientation
        except FileError as error:
            notes.append(str(error))
        return {"container": "quicktime", "native_format": track.pixel_format.name, "coding": track.coding,
                "bits": track.bits, "width": track.width, "height": track.height, "frames": track.frames,
                "first": float(track.seconds(0)) if track.frames else None,
                "last": float(track.seconds(track.frames - 1)) if track.frames else None,
                "min": track.range.lo, "max": track.range.hi, "orientation": orientation,
                "track": track.track.id, "time_scale": track.track.time_scale,
                "colour_track": track.colour.id if track.colour else None,
                "colour": track.related_by or None, "notes": notes}


def save_frames(path: str | Path, out: str | Path, quantity: str | Quantity = Quantity.DEPTH, choice: Choice = ALL, *,
                coded: bool = False, limits: Limits = DEFAULT) -> int:
    """Write the frames as `out` says, and give their number: `depth/%06d.npy` (any suffix of `extract`) are numbered
    files, with frames.csv beside them; `depth.mkv` is a lossless depth video. Upright, unless `coded`.

    Raises UsageError for other names, and what `frames` and `save` raise; files of frames before an error stay.
    """
    out, quantity = Path(out), Quantity(quantity)
    if out.suffix.lower() == VIDEO:
        return _video(path, out, quantity, choice, coded=coded, limits=limits)
    marks = _NUMBER.findall(out.name)
    if len(marks) != 1 or out.name.count("%") != 1 or out.suffix.lower() not in SUFFIXES:
        raise UsageError("is a clip, and its frames need numbers in their names", where=out,
                         hint=f"-o depth/%06d.npy, or any of {' '.join(SUFFIXES)}; or -o depth{VIDEO}")
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["frame", "seconds", "file"])
    number = 0
    try:
        for frame in frames(path, choice, oriented=not coded, limits=limits):
            target = out.with_name(_NUMBER.sub(f"{frame.index:0{marks[0] or 1}d}", out.name))
            save(frame.data if coded else frame.data.displayed(), target, quantity, make_folder=True)
            rows.writerow([frame.index, f"{float(frame.seconds):.6f}", target.name])
            number += 1
    finally:
        if number:
            with atomic(out.with_name(TABLE)) as file:
                file.write(table.getvalue().encode())
    return number


def _video(path: str | Path, out: Path, quantity: Quantity, choice: Choice, *, coded: bool, limits: Limits) -> int:
    fmt, number = HDEP if quantity is Quantity.DEPTH else HDIS, 0
    with atomic(out, make_folder=True) as file, depth_video.DepthVideoWriter(file) as video:
        for frame in frames(path, choice, oriented=not coded, limits=limits):
            data = frame.data if coded else frame.data.displayed()
            video.write(data.to(fmt), frame.seconds)
            number += 1
    return number
