"""Frames of an MP4-AT file's depth track, in presentation order, one in memory at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from os import PathLike

import numpy as np

from ...containers.google.gdepth import from_codes
from ...depth.pixel_format import stored
from ...errors import GpudepthError, NoDepthError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.quicktime import movie
from ...limits import DEFAULT, Limits
from ..quicktime.reader import Frame
from ..track_decoder import decode
from .tracks import AuxiliaryDepth, find


@contextlib.contextmanager
def open_depth(file: str | PathLike[str] | bytes, limits: Limits = DEFAULT) -> Iterator[AuxiliaryDepth]:
    """The depth track of an MP4-AT file, open until the block ends. The file may have limits.max_movie bytes.

    Raises NoDepthError when it holds none; MissingInputError, FileError and its kin.
    """
    with ByteSource(file, replace(limits, max_file=limits.max_movie)) as source:
        try:
            track = find(source, movie.read(source))
            if track is None:
                raise NoDepthError("holds no auxiliary depth track", where=source.name)
            yield track
        except GpudepthError as error:
            if error.where is not None and error.where.startswith(("moov", "axte", "mdat", "sample")):
                raise error.within(source.name) from None
            raise


def frames(depth: AuxiliaryDepth, start: int = 0, stop: int | None = None, stride: int = 1, *,
           oriented: bool = True) -> Iterator[Frame]:
    """Every stride-th frame of [start, stop), counted in presentation order; stop None is the last.

    Disparity where the track is linear in the inverse, else depth; each frame has its own near and far. Relative,
    unless the file says otherwise (only ours can).

    Raises UsageError for a range that is not in the track; NoDepthError without near and far; MalformedError,
    TruncatedError, LimitError when damage is reached: what was yielded before is right.
    """
    stop = depth.frames if stop is None else stop
    if stride < 1 or not (0 <= start < stop <= depth.frames):
        raise UsageError(f"frames {start} to {stop} in steps of {stride}: the track has {depth.frames} frames",
                         hint="counted from 0; the end is not included")
    orientation = depth.orientation if oriented else 1
    form = "RangeInverse" if depth.inverse else "RangeLinear"
    with contextlib.closing(decode(depth, start, stop)) as decoded:
        for index, codes in decoded:
            if (index - start) % stride == 0:
                ends = depth.near_far(index)
                data = from_codes(codes.astype(np.uint8) if depth.bits == 8 else codes, form, ends.near, ends.far,
                                  orientation=orientation, where=depth.track.path, stored=stored(depth.bits),
                                  accuracy="absolute" if depth.metric else "relative")
                yield Frame(index, depth.seconds(index), data, codes)
