"""Opens the colour side of a clip: frames of a video, or a sequence of picture files, which stay unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...limits import Limits
from ...pairing.clips import Footage
from ...settings.clip import OPPOSITE, Box, ClipSettings
from ...video import reader as streams
from ...video.reader import read_video
from .maps import box_of, steady

_ALIKE = ("color_primaries", "color_trc", "colorspace", "color_range")


@dataclass(frozen=True)
class PictureStream:
    """The pictures of a clip.

    Attributes:
        count: Number of pictures.
        times: When each is shown, in seconds; None if that is unknown.
        read: Yields (place, picture) for places in rising order; a picture is an av.VideoFrame or the path of a photo.
        orientation: Exif orientation of frames.
        numbers: The numbers in the names of a sequence.
        lost: Number of frames that are missing because the video is cut off.
    """


    count: int
    times: tuple[Fraction, ...] | None
    read: Callable[[Sequence[int]], Iterator[tuple[int, Any]]]
    orientation: int = 1
    numbers: tuple[int, ...] | None = None
    lost: int = 0


def open_pictures(video: Footage, options: ClipSettings, limits: Limits, *, with_depth: bool = False) -> PictureStream:
    """Open the pictures of a clip.

    Args:
        video: The video or sequence.
        options: Settings of the clip.
        limits: What a file may ask for.
        with_depth: Whether the video also holds the depth.

    Raises:
        UsageError: A crop lies outside the frames.
        FileError: The video cannot be read.
    """
    fps = Fraction(str(options.fps)) if options.fps else None
    if video.sequence:
        files = video.files
        times = video.times or steady(video.numbers or range(len(files)), fps)

        def paths(wanted: Sequence[int]) -> Iterator[tuple[int, Path]]:
            return ((place, files[place]) for place in wanted)

        return PictureStream(len(files), times, paths, numbers=video.numbers)
    index = options.color_stream
    if index is None:
        infos = streams.streams(video.path, limits=limits)
        index = next((i.index for i in infos if not i.gray), 0)
    found = read_video(video.path, index, limits=limits)
    crop = options.color_crop
    if crop is None and with_depth and isinstance(options.depth_crop, str) and options.depth_stream is None:
        crop = OPPOSITE[options.depth_crop]     # the frames show photo and map side by side
    box = box_of(crop, found.width, found.height, "clip.color_crop")

    def frames(wanted: Sequence[int]) -> Iterator[tuple[int, Any]]:
        for place, frame in found.frames(wanted):
            yield place, frame if box is None else cut(frame, box)

    return PictureStream(len(found.times), None if found.counted else found.times, frames, found.orientation,
                         lost=found.lost)


def cut(frame: Any, box: Box) -> Any:
    """Return a part of an av.VideoFrame as yuv420p, with its corners on even pixels because of chroma."""
    import av

    x, y, width, height = box[0] // 2 * 2, box[1] // 2 * 2, box[2] // 2 * 2, box[3] // 2 * 2
    whole = frame if frame.format.name in ("yuv420p", "yuvj420p") else frame.reformat(format="yuv420p")
    name = whole.format.name
    planes = []
    for plane, small in zip(whole.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[y // small : (y + height) // small, x // small : (x + width) // small].ravel())
    out = av.VideoFrame.from_ndarray(np.concatenate(planes).reshape(height * 3 // 2, width), format=name)
    for attribute in _ALIKE:
        setattr(out, attribute, getattr(whole, attribute))
    out.pts, out.time_base = frame.pts, frame.time_base
    return out
