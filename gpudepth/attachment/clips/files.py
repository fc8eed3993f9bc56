"""Writes the depth of clips as numbered files with a table of times, as lossless depth video, or as LeRobot's video."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ...depth.pixel_format import HDEP, HDIS, Quantity
from ...errors import UsageError
from ...limits import DEFAULT, Limits
from ...video import matroska
from ...video.choice import ALL, Choice
from ...video.frames import frames
from ...video.lerobot import LerobotWriter, Quantiser
from ..export import SUFFIXES, save
from ..output import atomic

VIDEO = ".mkv"
TABLE = "frames.csv"
_NUMBER = re.compile(r"%(?:0([1-9]))?d")


def save_frames(path: str | Path, out: str | Path, quantity: str | Quantity = Quantity.DEPTH, choice: Choice = ALL, *,
                coded: bool = False, limits: Limits = DEFAULT) -> int:
    """Write the depth of frames, in display orientation unless `coded`, and return their number.

    Args:
        path: The clip.
        out: `depth/%06d.npy` (any suffix of `extract`) writes numbered files and frames.csv beside them; `depth.mkv`
            writes a lossless depth video.
        quantity: Quantity of the values.
        choice: Which frames.
        coded: Whether maps keep the orientation of the stored frames.
        limits: What the clip may ask for.

    Raises:
        UsageError: `out` has another suffix, or no number.
        GpudepthError: As `frames` and `save` raise. Files of the frames before an error stay.
    """
    out, quantity = Path(out), Quantity(quantity)
    if out.suffix.lower() == VIDEO:
        return _video(path, out, quantity, choice, coded=coded, limits=limits)
    marks = _NUMBER.findall(out.name)
    if len(marks) != 1 or out.name.count("%") != 1 or out.suffix.lower() not in SUFFIXES:
        raise UsageError("the frames of a clip need a number in their names", where=out,
                         hint=f"use -o depth/%06d.npy, or any of {' '.join(SUFFIXES)}; -o depth{VIDEO}; or --as "
                              "lerobot -o depth.mp4")
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
    with atomic(out, make_folder=True) as file, matroska.DepthVideoWriter(file) as video:
        for frame in frames(path, choice, oriented=not coded, limits=limits):
            data = frame.data if coded else frame.data.displayed()
            video.write(data.to(fmt), frame.seconds)
            number += 1
    return number


def save_lerobot(path: str | Path, out: str | Path, quantiser: Quantiser | None = None, choice: Choice = ALL, *,
                 coded: bool = False, limits: Limits = DEFAULT) -> tuple[int, list[str]]:
    """Write the depth of frames as LeRobot's depth video NAME.mp4, and NAME.json that defines its codes.

    Returns:
        The number of frames, and notes: values outside the range, frames that are not evenly spaced.

    Raises:
        UsageError: `out` has another suffix.
        GpudepthError: As `frames` and the writer raise; nothing is left behind.
    """
    out, number = Path(out), 0
    if out.suffix.lower() != ".mp4":
        raise UsageError("LeRobot's depth video is an MP4", where=out, hint="use -o depth.mp4")
    with atomic(out, make_folder=True) as file:
        with LerobotWriter(file, quantiser or Quantiser()) as video:
            for frame in frames(path, choice, oriented=not coded, limits=limits):
                video.write(frame.data if coded else frame.data.displayed(), frame.seconds)
                number += 1
        with atomic(out.with_suffix(".json")) as side_inputs:
            side_inputs.write(video.metadata())
    return number, video.notes()
