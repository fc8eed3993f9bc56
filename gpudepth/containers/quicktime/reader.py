"""Frames of a depth track, in presentation order, one in memory at a time; FFmpeg's decoder by PyAV."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ...depth.data import DepthData
from ...depth.pixel_format import PixelFormat, native
from ...errors import GpudepthError, MalformedError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.hevc.configuration import Configuration
from ...formats.quicktime import movie
from ...limits import DEFAULT, Limits
from .depth_track import DepthTrack, require
from .log_code import TOP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = tuple[int, NDArray[np.uint16]]

_SLACK = 1 << 16  # bytes a coded picture may need beyond its pixels


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
    decoded = _decode(depth, start, stop)
    with contextlib.closing(decoded):
        for index, codes in decoded:
            if (index - start) % stride == 0:
                values = table[codes]
                yield Frame(index, depth.seconds(index), DepthData(values, fmt, orientation), codes)


def _decode(depth: DepthTrack, start: int, stop: int) -> Generator[Codes, None, None]:
    """(index in presentation order, codes) of [start, stop)."""
    samples, order = depth.track.samples, depth.order
    if samples.descriptions.any():
        raise MalformedError("samples of a second description, and stsd has one", where=samples.path)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, last = _first_sample(depth, rank, start), int(order[start:stop].max())
    context = _decoder(depth)
    due = start
    for sample in range(first, last + 2):
        end = sample > last
        where = _place(depth, min(sample, last))
        # A packet's time is its place in presentation order: the decoder hands it on to the picture, whatever it is.
        packet = None if end else (_sample(depth, sample), int(rank[sample]))
        for index, codes in _pictures(context, packet, depth, where):
            if index is None or index > due:
                break
            if index == due:  # earlier ones are decoded for others to refer to
                yield index, codes
                due += 1
                if due == stop:
                    return
        else:
            continue
        break
    raise MalformedError(f"frame {due} does not come out of the decoder", where=_place(depth, int(order[due])),
                         hint=f"frames before it can be had: up to {due}")


def _first_sample(depth: DepthTrack, rank: NDArray[np.int64], start: int) -> int:
    """The last sync sample that is neither decoded nor shown after frame `start`; the first sample when there is none.

    Pictures may be shown before the sync sample they follow, and then need what is before it.
    """
    at = int(depth.order[start])
    sync = np.flatnonzero(depth.track.samples.sync[: at + 1])
    sync = sync[rank[sync] <= start]
    return int(sync[-1]) if sync.size else 0


def _sample(depth: DepthTrack, sample: int) -> bytes:
    """A sample's bytes, which are not more than its picture can need."""
    samples = depth.track.samples
    size, offset = int(samples.sizes[sample]), int(samples.offsets[sample])
    if size > 4 * depth.width * depth.height + _SLACK:
        raise MalformedError(f"{size:,} bytes for a picture of {depth.width}×{depth.height}",
                             where=_place(depth, sample))
    return samples.source.read(offset, size, f"sample {sample}")


def _decoder(depth: DepthTrack) -> Any:
    import av
    import av.error

    where = f"{depth.track.entries[0].path}/hvcC"
    sequence = Configuration.parse(depth.configuration, where).sequence()
    samples = depth.track.samples
    samples.limits.check_picture(sequence.coded_width, sequence.coded_height, 4, where=where)
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1  # maps are small, and a decode that ends early has no threads to wait for
    context.extradata = depth.configuration
    # A later SPS must not get around the check above; FFmpeg counts its padded buffers.
    context.options = {"max_pixels": str((sequence.coded_width + 128) * (sequence.coded_height + 128)),
                       "err_detect": "explode"}
    return context


def _pictures(context: Any, packet: tuple[bytes, int] | None, depth: DepthTrack,
              where: str) -> Iterator[tuple[int | None, NDArray[np.uint16]]]:
    """What the decoder gives for a coded sample and its index, or at the end; None for a picture of no sample."""
    import av
    import av.error

    coded = None
    if packet is not None:
        coded = av.Packet(packet[0])
        coded.pts = packet[1]
    try:
        pictures = context.decode(coded)
    except (av.error.FFmpegError, MemoryError, UnicodeDecodeError, ValueError, AssertionError) as error:
        raise MalformedError(f"the HEVC decoder refused it: {error}", where=where) from error
    for picture in pictures:
        if (picture.width, picture.height) != (depth.width, depth.height):
            raise MalformedError(f"decodes to {picture.width}×{picture.height}, the SPS in hvcC says "
                                 f"{depth.width}×{depth.height}", where=where)
        if picture.is_corrupt:
            raise MalformedError("the HEVC decoder calls the picture damaged", where=where)
        kind = picture.format
        if kind.name.startswith(("rgb", "bgr", "gbr")) or kind.components[0].bits != TOP.bit_length():
            raise UnsupportedError(f"decodes to {kind.name}, which holds no 10-bit codes", where=where)
        plane = picture.planes[0]
        rows = np.frombuffer(plane, "<u2").reshape(-1, plane.line_size // 2)[: picture.height, : picture.width]
        yield picture.pts, np.minimum(rows, TOP).astype(np.uint16)


def _place(depth: DepthTrack, sample: int) -> str:
    return f"{depth.track.samples.path}: sample {sample} at {int(depth.track.samples.offsets[sample]):,}"
