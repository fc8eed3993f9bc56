"""Reads frames of a depth track in presentation order, one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from ...depth.data import DepthData
from ...depth.pixel_format import PixelFormat, native
from ...errors import GpudepthError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.quicktime import movie
from ...formats.quicktime.brands import is_movie
from ...limits import DEFAULT, Limits
from ..track_decoder import decode
from .depth_track import DepthTrack, require

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TrackFrame:
    """A depth frame of a movie's track.

    Attributes:
        index: Position in presentation order, from 0.
        seconds: When it is shown.
        data: The map (H, W) in coded orientation with `orientation` set; hdis or hdep by default.
        codes: (H, W) uint16, the codes it was read from.
    """

    index: int
    seconds: Fraction
    data: DepthData
    codes: NDArray[np.uint16]


@contextlib.contextmanager
def open_depth(file: str | PathLike[str] | bytes, limits: Limits = DEFAULT) -> Iterator[DepthTrack]:
    """Open the depth track of a movie until the block ends. The file may have limits.max_movie bytes.

    Raises:
        NoDepthError: The movie has no depth track.
        MissingInputError: It does not exist.
        FileError: It is damaged.
    """
    with ByteSource(file, replace(limits, max_file=limits.max_movie)) as source, inside(source):
        if not is_movie(source):
            raise UnsupportedError("not a QuickTime or MP4 movie", where=source.name)
        yield require(movie.read(source))


@contextlib.contextmanager
def inside(source: ByteSource) -> Iterator[None]:
    """Prefix the place in errors with the name of the file."""
    try:
        yield
    except GpudepthError as error:
        if error.where is not None and error.where.startswith(("moov", "axte", "mdat", "sample")):
            raise error.within(source.name) from None
        raise


def frames(depth: DepthTrack, start: int = 0, stop: int | None = None, stride: int = 1,
           pixel_format: str | PixelFormat | None = None, *, oriented: bool = True) -> Iterator[TrackFrame]:
    """Read every stride-th frame of [start, stop), counted in presentation order; stop None means all that follow.

    Decoding starts at the sync sample that `start` needs and ends with `stop`; skipped frames are decoded but not
    converted.

    Args:
        depth: The track.
        start: Index of the first frame.
        stop: Index after the last frame.
        stride: Take every stride-th frame.
        pixel_format: A format of the track's own quantity.
        oriented: Whether to set the orientation, which requires a matrix that is a rotation by quarter turns.

    Raises:
        UsageError: The range is not in the track.
        FileError: The track is damaged; frames before the damage are correct.
    """
    stop = depth.stop(start, stop, stride)
    fmt = depth.pixel_format if pixel_format is None else native(pixel_format)
    if fmt.quantity is not depth.pixel_format.quantity:
        raise UsageError(f"{fmt} does not hold {depth.pixel_format.quantity}", hint="DepthData.to converts it")
    table = depth.range.values(fmt)
    orientation = depth.orientation if oriented else 1
    decoded = decode(depth, start, stop)
    with contextlib.closing(decoded):
        for index, codes in decoded:
            if (index - start) % stride == 0:
                values = table[codes]
                yield TrackFrame(index, depth.seconds(index), DepthData(values, fmt, orientation), codes)
