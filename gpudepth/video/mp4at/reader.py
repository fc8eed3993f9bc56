"""Reads frames of an MP4-AT file's depth track in presentation order, one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from os import PathLike

import numpy as np

from ...containers.google.gdepth import from_codes
from ...depth.pixel_format import stored
from ...errors import NoDepthError
from ...formats.bytesource import ByteSource
from ...formats.quicktime import movie
from ...limits import DEFAULT, Limits
from ..quicktime.reader import TrackFrame, inside
from ..track_decoder import decode
from .tracks import AuxiliaryDepth, find


@contextlib.contextmanager
def open_depth(file: str | PathLike[str] | bytes, limits: Limits = DEFAULT) -> Iterator[AuxiliaryDepth]:
    """Open the depth track of an MP4-AT file until the block ends. The file may have limits.max_movie bytes.

    Raises:
        NoDepthError: It has no auxiliary depth track.
        MissingInputError: It does not exist.
        FileError: It is damaged.
    """
    with ByteSource(file, replace(limits, max_file=limits.max_movie)) as source, inside(source):
        track = find(source, movie.read(source))
        if track is None:
            raise NoDepthError("the movie has no auxiliary depth track", where=source.name)
        yield track


def frames(depth: AuxiliaryDepth, start: int = 0, stop: int | None = None, stride: int = 1, *,
           oriented: bool = True) -> Iterator[TrackFrame]:
    """Read every stride-th frame of [start, stop), counted in presentation order; stop None means all that follow.

    Values are disparity where the track is linear in the inverse, else depth; each frame has its own near and far. They
    are relative unless the file declares otherwise, which only gpudepth's files can.

    Raises:
        UsageError: The range is not in the track.
        NoDepthError: Near and far are missing.
        FileError: The track is damaged; frames before the damage are correct.
    """
    stop = depth.stop(start, stop, stride)
    orientation = depth.orientation if oriented else 1
    form = "RangeInverse" if depth.inverse else "RangeLinear"
    with contextlib.closing(decode(depth, start, stop)) as decoded:
        for index, codes in decoded:
            if (index - start) % stride == 0:
                ends = depth.near_far(index)
                data = from_codes(codes.astype(np.uint8) if depth.bits == 8 else codes, form, ends.near, ends.far,
                                  orientation=orientation, where=depth.track.path, stored=stored(depth.bits),
                                  accuracy="absolute" if depth.metric else "relative")
                yield TrackFrame(index, depth.seconds(index), data, codes)
