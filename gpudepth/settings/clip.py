"""Settings of clips: which frames of a video, and how maps go to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from ..errors import UsageError
from ..formats.hevc.effort import Effort
from ..video.choice import Choice
from .declare import SettingError, setting, validate

Range = Literal["auto", "clip", "frame"]
Half = Literal["left", "right", "top", "bottom"]
Box = tuple[int, int, int, int]
MARK = "{frame}"
"""Stands for the number of a frame in an output."""
MOVIES = (".mov", ".mp4", ".mkv")
"""The suffixes of movies that depth is written into."""
NUMBER = re.compile(r"%0?[0-9]?d")
OPPOSITE: dict[str, Half] = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def of_clips(out: str | Path) -> bool:
    """Return whether an output's name is of a clip: it has a number for each frame, or is a movie's."""
    name = Path(out).name
    return bool(NUMBER.search(name)) or MARK in name or Path(out).suffix.lower() in MOVIES


def _frames(value: Any) -> str:
    Choice.parse(value)
    return str(value)


def _crop(value: Any) -> Half | Box:
    if value in OPPOSITE:
        return OPPOSITE[OPPOSITE[value]]
    box = () if isinstance(value, str) else tuple(value)
    if len(box) != 4 or not all(type(side) is int for side in box) or min(box[:2]) < 0 or min(box[2:]) < 1:
        raise UsageError("expected left, right, top, bottom, or x, y, width, height")
    return box


def _range(value: Any) -> Range | tuple[float, float]:
    if value in get_args(Range):
        return cast(Range, value)
    ends = () if isinstance(value, str) else tuple(map(float, value))
    if len(ends) != 2 or not 0 < ends[0] < ends[1]:
        raise UsageError("expected auto, clip, frame, or two distances in metres, 0 < near < far")
    return ends


@dataclass(frozen=True)
class ClipSettings:
    """Every setting of a clip, declared once.

    Fields without `setting` are named elsewhere in a job.

    Attributes:
        allow_missing: Frames without a map are left out, and are no error.
        quality: The quality of coded frames.
        effort: The effort of coding frames as HEIC.
        deterministic: The same input gives the same bytes.
    """

    frames: str | None = setting(None, key="source.clip.frames", metavar="A:B", parse=_frames, written=str,
                                 help="Of a clip: frames from A, counted from 0, up to but not including B.")
    stride: int = setting(1, key="source.clip.stride", low=1, help="Of a clip: take every n-th frame.")
    match: Literal["time", "index"] | None = setting(
        None, key="source.clip.match", flag="", help="How frames and maps go together: by time, which is the default "
        "where both sides have times, or by index.")
    tolerance: float | None = setting(None, key="source.clip.tolerance", above=0.0, flag="", unit="seconds",
                                      help="Largest time between a frame and its map. [default: half a frame]")
    offset: float = setting(0.0, key="source.clip.offset", flag="", unit="seconds",
                            help="Seconds that are added to the times of the maps.")
    fps: float | None = setting(None, key="source.clip.fps", above=0.0, flag="",
                                help="Frames a second of maps or pictures that have no times of their own.")
    color_stream: int | None = setting(None, key="source.clip.color_stream", low=0, flag="",
                                       help="Which video stream of the file is the picture, counted from 0.")
    depth_stream: int | None = setting(None, key="source.clip.depth_stream", low=0, flag="",
                                       help="Which video stream of the file is depth, counted from 0.")
    color_crop: Half | Box | None = setting(
        None, key="source.clip.color_crop", flag="", parse=_crop, written=Half | Box,
        help="The part of the frame that is the picture, where both are side by side: left, right, top, bottom, or x, "
             "y, width, height.")
    depth_crop: Half | Box | None = setting(
        None, key="source.clip.depth_crop", flag="", parse=_crop, written=Half | Box,
        help="The part of the frame that is depth.")
    coding: Literal["gray", "hue"] = setting(
        "gray", key="source.clip.coding", flag="", help="How depth is drawn: as gray, or as a hue, which lossy video "
        "keeps badly.")
    range: Range | tuple[float, float] = setting(
        "auto", key="source.clip.range", flag="", parse=_range, choices=None, written=Range | tuple[float, float],
        help="What the stored codes run over: clip, the values of all frames, which a first pass finds; frame, those "
             "of each frame; [near, far] metres; or auto, which is the ends that gray and relative maps name, and "
             "otherwise clip.")
    qp: int | None = setting(None, key="source.clip.qp", low=0, high=4, flag="",
                             help="Quantizer of depth in movies. [default: lossless]")
    allow_missing: bool = False
    quality: int = 90
    effort: Effort = "balanced"
    deterministic: bool = True

    def __post_init__(self) -> None:
        validate(self)
        for name in ("tolerance", "offset", "fps"):
            value = getattr(self, name)
            if value is not None and value in (float("inf"), float("-inf")):
                raise SettingError(name, value, "expected a finite number")

    @property
    def choice(self) -> Choice:
        """The frames that are processed."""
        return Choice.parse(self.frames, self.stride)
