"""A stream of any video file that FFmpeg (PyAV) reads: its times first, then its frames in the order they are shown.

Times come from the packets, without decoding, so that two streams can be matched before the first pixel. Frames come
one at a time, each with its place in that order; what does not come out of the decoder is missing, and left out.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import GpudepthError, LimitError, MalformedError, TruncatedError, UnsupportedError
from ..formats.bytesource import ByteSource
from ..formats.quicktime import matrix
from ..formats.quicktime.movie import find_moov
from ..limits import DEFAULT, Limits

# No playlists, no patterns, no devices: these would read other files than the one that was named.
FORMATS = ("mov", "matroska", "avi", "mpegts", "mpeg", "yuv4mpegpipe", "nut", "ivf", "h264", "hevc", "asf", "flv",
           "ogg", "mxf", "gif", "apng")
_STILLS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"mif3", b"avif")
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
_TURNS = {0: 1, 90: 8, 180: 3, 270: 6}      # degrees counterclockwise → Exif orientation


@dataclass(frozen=True)
class StreamInfo:
    """One video stream. index counts the video streams of its file; gray: without colour, as the pixel format says;
    bits of a component; title: what the file calls it."""

    index: int
    codec: str
    pixel_format: str
    bits: int
    gray: bool
    title: str


@dataclass(frozen=True)
class Video:
    """A video stream of a file.

    width, height   of its frames as coded
    times           when each frame is shown, in seconds, rising
    orientation     Exif's, that turns frames into the display
    lost            frames that the file says it has, and has not: it was cut off
    counted         the file has no times: frames are told apart by their number
    """

    path: Path
    info: StreamInfo
    width: int
    height: int
    times: tuple[Fraction, ...]
    orientation: int = 1
    lost: int = 0
    counted: bool = False
    limits: Limits = DEFAULT

    def rate(self) -> Fraction:
        """Frames a second, on the average; 0 of a single frame."""
        span = self.times[-1] - self.times[0]
        return (len(self.times) - 1) / span if span else Fraction(0)

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, Any]]:
        """(place, av.VideoFrame) of the wanted places, which rise; of all without. A place whose frame the decoder
        does not give, or calls damaged, is left out.

        Raises FileError's kinds when the file cannot be opened any more.
        """
        places = range(len(self.times)) if wanted is None else wanted
        if not places:
            return
        first, last, due = places[0], places[-1], set(places)
        seek = 0 if self.counted else first
        found = self._from(seek)
        head = next(found, None)
        if seek and (head is None or head[0] > first):      # the seek went too far, as some formats' do
            found.close()
            found = self._from(0)
            head = next(found, None)
        with contextlib.closing(found):
            for place, frame in chain([head] if head else [], found):
                if place in due and not frame.is_corrupt:
                    due.discard(place)
                    yield place, frame
                if place >= last:
                    return

    def _from(self, place: int) -> Any:
        """Every frame that the decoder gives, from the key frame before a place on."""
        with opened(self.path, self.limits) as container:
            stream = container.streams.video[self.info.index]
            stream.thread_type = "AUTO"
            if place:
                with contextlib.suppress(*_damage()):
                    container.seek(int(self.times[place] / fraction(stream.time_base)), stream=stream)
            place_of: dict[Fraction | None, int] = {time: n for n, time in enumerate(self.times)}
            for number, frame in enumerate(_decoded(container, stream)):
                at = number if self.counted else place_of.get(_seconds(frame.pts, frame.time_base))
                if at is not None:
                    yield at, frame


def read_video(path: str | Path, stream: int | None = None, *, limits: Limits = DEFAULT) -> Video:
    """What a video file says of one of its streams; the first video stream without `stream`.

    Raises MissingInputError, LimitError (limits.max_movie, max_samples, max_pixels), UnsupportedError for a file that
    is no video, MalformedError for one that is damaged.
    """
    path = Path(path)
    with opened(path, limits) as container:
        infos = _infos(container)
        index = 0 if stream is None else stream
        if not 0 <= index < len(infos):
            raise UnsupportedError(f"has {len(infos)} video streams, and no stream {index}", where=path,
                                   hint="they count from 0: " + describe(infos))
        found = container.streams.video[index]
        width, height = found.codec_context.width, found.codec_context.height
        times, packets = _times(container, found, path, limits)
        # only QuickTime's and MP4's tables count samples; elsewhere the number is a guess
        lost = max(0, found.frames - packets) if "mov" in container.format.name else 0
        counted = times is None
    if times is None:
        times = _count(path, index, limits)
    if not times:
        raise MalformedError("holds no frame that can be read", where=path)
    video = Video(path, infos[index], width, height, times, lost=lost, counted=counted, limits=limits)
    return replace(video, orientation=_orientation(video))


def streams(path: str | Path, *, limits: Limits = DEFAULT) -> tuple[StreamInfo, ...]:
    """All video streams of a file. Raises as `read_video` does."""
    with opened(Path(path), limits) as container:
        return _infos(container)


def describe(infos: Sequence[StreamInfo]) -> str:
    """For people: `0 h264 yuv420p, 1 rawvideo gray16be (DEPTH)`."""
    return ", ".join(f"{i.index} {i.codec} {i.pixel_format}" + (f" ({i.title})" if i.title else "") for i in infos)


def fraction(value: Any) -> Fraction:
    """PyAV's rationals, of whichever kind."""
    return Fraction(int(value.numerator), int(value.denominator))


@contextlib.contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Any]:
    """An av container of a regular file, with pictures of a size that `limits` allow. Raises FileError's kinds."""
    import av

    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        if source.size == 0:
            raise MalformedError("the file is empty", where=path)
        size = source.size
        _refuse_stills(source)
    try:
        container = av.open(str(path.absolute()), options=dict(_OPTIONS))
    except _damage() as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnsupportedError(f"FFmpeg does not read it as a video: {reason}", where=path,
                               hint="cut off, or of another kind? MP4, MOV, MKV, AVI, WebM and the like are read; maps "
                                    "of a clip may be an .npz, or pictures: depth/%06d.png"
                               ) from None
    with container:
        if not container.streams.video:
            raise UnsupportedError("holds no video", where=path)
        for stream in container.streams.video:
            context = stream.codec_context
            if context is None or not context.width or not context.height or context.format is None:
                # it forgets sizes of 2^28 pixels and more
                raise UnsupportedError("holds a video stream that FFmpeg has no decoder for, that is damaged, or whose "
                                       "pictures are too large for it: limits.max_pixels cannot be more than 2^28 here",
                                       where=path)
            limits.check_picture(context.width, context.height, 4, where=str(path), packed=size)
            # what comes later in the stream must not get around that; FFmpeg counts its padded buffers
            context.options = {"max_pixels": str((context.width + 128) * (context.height + 128))}
        yield container


def _refuse_stills(source: ByteSource) -> None:
    """FFmpeg takes a HEIF picture for a video of one frame, and seconds for parameter sets of megabytes."""
    head = source.read(0, min(12, source.size))
    if head[4:8] == b"ftyp" and head[8:12] in _STILLS:
        try:
            find_moov(source)
        except TruncatedError:
            raise UnsupportedError("is a still picture, and this is about video", where=source.name,
                                   hint="for a photo -o names one file: -o out.heic, without %06d") from None
        except GpudepthError as error:
            raise error.within(source.name) from None


def _damage() -> tuple[type[BaseException], ...]:
    """What FFmpeg and PyAV raise about files: PyAV's errors are no kind of one another's."""
    import av.error

    return av.error.FFmpegError, OSError, ValueError, MemoryError, AssertionError


def _infos(container: Any) -> tuple[StreamInfo, ...]:
    out = []
    for index, stream in enumerate(container.streams.video):
        kind, tags = stream.codec_context.format, {k.lower(): v for k, v in stream.metadata.items()}
        components = kind.components
        gray = len(components) == 1 and components[0].is_luma and not kind.has_palette
        out.append(StreamInfo(index, stream.codec_context.name, kind.name, components[0].bits, gray,
                              tags.get("title") or tags.get("k4a_track_name") or tags.get("handler_name", "")))
    return tuple(out)


def _times(container: Any, stream: Any, path: Path, limits: Limits) -> tuple[tuple[Fraction, ...] | None, int]:
    """When frames are shown, by the packets, None when these do not say; and the number of packets."""
    found, packets = set(), 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            packets += 1
            if packet.is_discard:       # outside of the edit list
                continue
            if packet.pts is None:
                return None, packets
            found.add(packet.pts)
            limits.check("max_samples", len(found), where=str(path))
    except LimitError:
        raise
    except _damage():     # cut off: what is there counts
        pass
    unit = fraction(stream.time_base)
    return tuple(pts * unit for pts in sorted(found)), packets


def _count(path: Path, index: int, limits: Limits) -> tuple[Fraction, ...]:
    """Of a stream without times: frames at its average rate."""
    with opened(path, limits) as container:
        stream = container.streams.video[index]
        rate = fraction(stream.average_rate) if stream.average_rate else Fraction(25)
        number = 0
        for _ in _decoded(container, stream):
            number += 1
            limits.check("max_samples", number, where=str(path))
    return tuple(n / (rate or Fraction(25)) for n in range(number))


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """All frames; damaged packets give none."""
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except _damage():
                continue
            yield from frames
    except _damage():
        return


def _seconds(pts: int | None, time_base: Any) -> Fraction | None:
    return None if pts is None or time_base is None else pts * fraction(time_base)


def _orientation(video: Video) -> int:
    """By the display matrix that comes with the first frame; FFmpeg takes it from whatever the container has."""
    frame = next((frame for _, frame in video.frames()), None)
    if frame is None:
        raise MalformedError("none of its frames comes out of the decoder", where=video.path)
    try:
        found = [*frame.side_data]
    except ValueError:      # FFmpeg has kinds that PyAV has no name for, as of HEIF's pictures: turned is still known
        return _TURNS.get(round(frame.rotation) % 360, 1)
    for side in found:
        if side.type.name == "DISPLAYMATRIX":
            numbers = struct.unpack("=9i", bytes(side)[:36])
            # FFmpeg keeps the numbers of QuickTime's matrix in the machine's own byte order
            return matrix.orientation(struct.pack(">9i", *numbers), f"{video.path}: display matrix")
    return 1
