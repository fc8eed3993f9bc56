"""Frames of a depth track, in presentation order, one in memory at a time."""

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
from ...limits import DEFAULT, Limits
from ..track_decoder import decode
from .depth_track import DepthTrack, require

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One map. index counts in presentation order from 0; seconds is when it is shown.

    data    hdis or hdep (H, W), unless another native format was asked for: 1/metres or metres in coded orientation,
            with `orientation` set
    codes   (H, W) uint16, the 10-bit codes it was read from
    """

    index: int
    seconds: Fraction
    data: DepthData
    codes: NDArray[np.uint16]


@contextlib.contextmanager
def open_depth(file: str | PathLike[str] | bytes, limits: Limits = DEFAULT) -> Iterator[DepthTrack]:
    """The depth track of a movie file, open until the block ends. The file may have limits.max_movie bytes.

    Raises NoDepthError when the movie holds none; MissingInputError, FileError and its kin.
    """
    with ByteSource(file, replace(limits, max_file=limits.max_movie)) as source, inside(source):
        if not movie.is_movie(source):
            raise UnsupportedError("is no QuickTime or MP4 movie", where=source.name)
        yield require(movie.read(source))


@contextlib.contextmanager
def inside(source: ByteSource) -> Iterator[None]:
    """Errors of files from here name the file before the place in it."""
    try:
        yield
    except GpudepthError as error:
        if error.where is not None and error.where.startswith(("moov", "mdat", "sample")):
            raise error.within(source.name) from None
        raise


def frames(depth: DepthTrack, start: int = 0, stop: int | None = None, stride: int = 1,
           pixel_format: str | PixelFormat | None = None, *, oriented: bool = True) -> Iterator[Frame]:
    """Every stride-th frame of [start, stop), counted in presentation order; stop None is the last.

    Decoding starts at the sync sample that `start` needs and ends with `stop`; frames between strides are decoded and
    not converted. pixel_format is one of the track's own quantity. oriented False leaves `orientation` at 1, and
    the matrix, which may be no turn, is not asked.

    Raises UsageError for a range that is not in the track; MalformedError, TruncatedError, LimitError when damage is
    reached: what was yielded before is right.
    """
    stop = depth.frames if stop is None else stop
    if stride < 1 or not (0 <= start < stop <= depth.frames):
        raise UsageError(f"frames {start} to {stop} in steps of {stride}: the track has {depth.frames} frames",
                         hint="counted from 0; the end is not included")
    fmt = depth.pixel_format if pixel_format is None else native(pixel_format)
    if fmt.quantity is not depth.pixel_format.quantity:
        raise UsageError(f"{fmt} is not {depth.pixel_format.quantity}", hint="DepthData.to converts")
    table = depth.range.values(fmt)
    orientation = depth.orientation if oriented else 1
    decoded = decode(depth, start, stop)
    with contextlib.closing(decoded):
        for index, codes in decoded:
            if (index - start) % stride == 0:
                values = table[codes]
                yield Frame(index, depth.seconds(index), DepthData(values, fmt, orientation), codes)
