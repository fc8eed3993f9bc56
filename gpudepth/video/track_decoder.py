"""Decodes the codes of a track of gray pictures with FFmpeg (PyAV), one picture in memory at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..depth.data import DepthData
from ..errors import MalformedError, UnsupportedError, UsageError
from ..formats.hevc.parameter_sets import Configuration
from ..formats.quicktime.movie import Track
from ..formats.quicktime.samples import Ints, SampleEntry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = tuple[int, NDArray[np.uint16]]


_NAMES = {"hevc": "HEVC", "h264": "H.264"}


def decode(depth: CodedTrack, start: int, stop: int) -> Generator[Codes, None, None]:
    """Yield (index in presentation order, (H, W) uint16 codes) for frames of [start, stop).

    Raises MalformedError, TruncatedError, UnsupportedError or LimitError at the first damaged frame.
    """
    samples, order = depth.track.samples, depth.order
    if samples.descriptions.any():
        raise MalformedError("samples use a second description, but stsd has one", where=samples.path)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, last = _first_sample(depth, rank, start), int(order[start:stop].max())
    context = _decoder(depth)
    due = start
    for sample in range(first, last + 2):
        end = sample > last
        where = _place(depth, min(sample, last))
        # A packet's time is its place in presentation order, which the decoder passes on to the picture.
        packet = None if end else (_sample(depth, sample), int(rank[sample]))
        for index, codes in _pictures(context, packet, depth, where):
            if index is None or index > due:
                break
            if index == due:  # earlier frames are only decoded as references
                yield index, codes
                due += 1
                if due == stop:
                    return
        else:
            continue
        break
    raise MalformedError(f"frame {due} could not be decoded", where=_place(depth, int(order[due])),
                         hint=f"the frames before it can be read: stop at {due}")


def decode_ends(depth: CodedTrack) -> None:
    """Decode the first and the last frame. Raises the errors of `decode`."""
    for frame in sorted({0, depth.frames - 1}):
        for _ in decode(depth, frame, frame + 1):
            pass


def only_entry(track: Track) -> SampleEntry:
    """Return the sample entry of a depth track. Raises UnsupportedError when there are several."""
    if len(track.entries) > 1:
        raise UnsupportedError(f"the depth track has {len(track.entries)} sample descriptions; one is supported",
                               where=track.entries[0].path)
    return track.entries[0]


def _first_sample(depth: CodedTrack, rank: NDArray[np.int64], start: int) -> int:
    """Return the last sync sample that is neither decoded nor shown after frame `start`, or the first sample.

    Pictures may be shown before the sync sample that they follow, and then need earlier samples.
    """
    at = int(depth.order[start])
    sync = np.flatnonzero(depth.track.samples.sync[: at + 1])
    sync = sync[rank[sync] <= start]
    return int(sync[-1]) if sync.size else 0


def _sample(depth: CodedTrack, sample: int) -> bytes:
    """Read a sample after checking that it is not larger than its picture can need."""
    samples = depth.track.samples
    size, offset = int(samples.sizes[sample]), int(samples.offsets[sample])
    samples.limits.check_coded(size, depth.width, depth.height, where=_place(depth, sample))
    return samples.source.read(offset, size, f"sample {sample}")


def _decoder(depth: CodedTrack) -> Any:
    import av
    import av.error

    where = depth.track.entries[0].path
    width, height = depth.width, depth.height
    if depth.codec == "hevc":
        where += "/hvcC"
        sequence = Configuration.parse(depth.configuration, where).sequence()
        width, height = sequence.coded_width, sequence.coded_height
    samples = depth.track.samples
    samples.limits.check_picture(width, height, 4, where=where, packed=samples.source.size)
    context = av.CodecContext.create(depth.codec, "r")
    context.thread_count = 1  # maps are small, and a decode that ends early need not wait for threads
    context.extradata = depth.configuration
    # A later SPS must not evade the check above; FFmpeg counts its padded buffers.
    context.options = {"max_pixels": str((width + 128) * (height + 128)),
                       "err_detect": "explode"}
    return context


def _pictures(context: Any, packet: tuple[bytes, int] | None, depth: CodedTrack,
              where: str) -> Iterator[tuple[int | None, NDArray[np.uint16]]]:
    """Yield the pictures for a coded sample with their index, or the remaining ones for None as packet."""
    import av
    import av.error

    coded, name = None, _NAMES[depth.codec]
    if packet is not None:
        coded = av.Packet(packet[0])
        coded.pts = packet[1]
    try:
        pictures = context.decode(coded)
    except (av.error.FFmpegError, MemoryError, UnicodeDecodeError, ValueError, AssertionError) as error:
        raise MalformedError(f"the {name} decoder refused the sample: {error}", where=where) from error
    for picture in pictures:
        if (picture.width, picture.height) != (depth.width, depth.height):
            declared = "the SPS in hvcC declares" if depth.codec == "hevc" else "the sample entry declares"
            raise MalformedError(f"the picture is {picture.width}×{picture.height}, but {declared} "
                                 f"{depth.width}×{depth.height}", where=where)
        if picture.is_corrupt:
            raise MalformedError(f"the {name} decoder reports a damaged picture", where=where)
        kind = picture.format
        if kind.name.startswith(("rgb", "bgr", "gbr")) or kind.components[0].bits != depth.bits:
            raise UnsupportedError(f"frames decode to {kind.name}, which does not hold {depth.bits}-bit codes",
                                   where=where)
        plane, item = picture.planes[0], np.dtype("<u2" if depth.bits > 8 else "u1")
        rows = np.frombuffer(plane, item).reshape(-1, plane.line_size // item.itemsize)
        rows = rows[: picture.height, : picture.width]
        yield picture.pts, np.minimum(rows, (1 << depth.bits) - 1).astype(np.uint16)


def _place(depth: CodedTrack, sample: int) -> str:
    return f"{depth.track.samples.path}: sample {sample} at {int(depth.track.samples.offsets[sample]):,}"


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a depth video.

    Attributes:
        seconds: When it is shown.
        depth: The map.
    """

    seconds: Fraction
    depth: DepthData


@dataclass(frozen=True)
class CodedTrack:
    """A track of coded gray pictures.

    Attributes:
        track: The track.
        width: Width of the pictures as coded, in pixels.
        height: Height of the pictures as coded.
        bits: Bits of the codes.
        codec: FFmpeg's name of the decoder.
        configuration: Payload of hvcC or avcC.
        movie_time_scale: Time scale of the movie.
        colour: Track whose coded orientation the maps share, or None: the track's own matrix is used.
    """

    track: Track
    width: int
    height: int
    bits: int
    codec: str
    configuration: bytes
    movie_time_scale: int
    colour: Track | None

    @property
    def frames(self) -> int:
        return self.track.samples.count

    def stop(self, start: int, stop: int | None, stride: int) -> int:
        """Return the index after the last of some frames; None stands for all. Raises UsageError."""
        stop = self.frames if stop is None else stop
        if stride < 1 or not (0 <= start < stop <= self.frames):
            raise UsageError(f"frames {start} to {stop} in steps of {stride} do not exist: the track has {self.frames} "
                             "frames", hint="frames are counted from 0, and the end is not included")
        return stop

    @property
    def orientation(self) -> int:
        """Exif orientation for display: that of the colour track, whose coded orientation maps share, or else its own.

        Raises:
            UnsupportedError: The matrix is not a rotation by quarter turns.
        """
        return (self.colour or self.track).orientation

    @cached_property
    def order(self) -> Ints:
        """Index of the sample, in decoding order, of each frame in presentation order."""
        times = self.track.samples.presentation_times
        order = np.argsort(times, kind="stable").astype(np.int64)
        same = np.flatnonzero(np.diff(times[order]) == 0)
        if same.size:
            one, other = sorted(int(n) for n in order[same[0] : same[0] + 2])
            raise MalformedError(f"samples {one} and {other} have the same presentation time",
                                 where=self.track.samples.path)
        return order

    @cached_property
    def shift(self) -> Fraction:
        """Seconds from the media's time to the movie's; 0 where the edit list is more than a shift."""
        shift = self.track.shift(self.movie_time_scale)
        return Fraction(0) if shift is None else shift

    def seconds(self, frame: int) -> Fraction:
        """Return the time of a frame, counted in presentation order. Below 0 the edit list hides it."""
        ticks = int(self.track.samples.presentation_times[self.order[frame]])
        return ticks * self.track.unit() + self.shift
