"""Reads a stream of any video file that FFmpeg (PyAV) reads: first its times, then its frames in presentation order.

Times come from the packets without decoding, so that two streams can be matched before the first pixel is decoded.
Frames come one at a time with their index in that order; frames that cannot be decoded are left out.
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

from ..errors import LimitError, MalformedError, TruncatedError, UnsupportedError, located
from ..formats.bytesource import ByteSource
from ..formats.quicktime import movie
from ..formats.quicktime.movie import find_moov
from ..limits import DEFAULT, Limits

# Playlists, patterns and devices are excluded, because they would read other files than the given one.
FORMATS = ("mov", "matroska", "avi", "mpegts", "mpeg", "yuv4mpegpipe", "nut", "ivf", "h264", "hevc", "asf", "flv",
           "ogg", "mxf", "gif", "apng")
_STILLS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"mif3", b"avif")
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
_TURNS = {0: 1, 90: 8, 180: 3, 270: 6}      # degrees counterclockwise → Exif orientation


@dataclass(frozen=True)
class StreamInfo:
    """A video stream.

    Attributes:
        index: Position among the video streams of its file.
        codec: FFmpeg's name of the codec.
        pixel_format: FFmpeg's name of the pixel format.
        bits: Bits per component.
        gray: Whether the pixel format has no colour.
        title: Title in the file.
    """

    index: int
    codec: str
    pixel_format: str
    bits: int
    gray: bool
    title: str


@dataclass(frozen=True)
class Video:
    """A video stream of a file.

    Attributes:
        path: The file.
        info: The stream.
        width: Width of the frames as coded, in pixels.
        height: Height of the frames as coded.
        times: When each frame is shown, in seconds, rising.
        orientation: Exif orientation that turns frames into display orientation.
        lost: Number of frames that the file declares but does not hold, because it is truncated.
        counted: Whether the file has no times, so that frames are identified by their number.
        limits: What the file may ask for.
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
        """Return the average number of frames per second; 0 for a single frame."""
        span = self.times[-1] - self.times[0]
        return (len(self.times) - 1) / span if span else Fraction(0)

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, Any]]:
        """Yield (index, av.VideoFrame) of the wanted frames, or of all. Missing and damaged frames are left out.

        Args:
            wanted: Rising indices.

        Raises:
            FileError: The file cannot be opened any more.
        """
        places = range(len(self.times)) if wanted is None else wanted
        if not places:
            return
        first, last, due = places[0], places[-1], set(places)
        seek = 0 if self.counted else first
        found = self._from(seek)
        head = next(found, None)
        if seek and (head is None or head[0] > first):      # some formats seek too far
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
        """Yield every frame that the decoder gives, from the key frame before an index on."""
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
    """Read the properties and times of a stream of a video file.

    Args:
        path: The file.
        stream: Index of the video stream; the first by default.
        limits: What the file may ask for: max_movie, max_samples, max_pixels.

    Raises:
        MissingInputError: The file does not exist.
        LimitError: It asks for too much.
        UnsupportedError: It is not a video.
        MalformedError: It is damaged.
    """
    path = Path(path)
    with opened(path, limits) as container:
        infos = _infos(container)
        index = 0 if stream is None else stream
        if not 0 <= index < len(infos):
            raise UnsupportedError(f"there is no stream {index}: the file has {len(infos)} video streams", where=path,
                                   hint="they are counted from 0: " + describe(infos))
        found = container.streams.video[index]
        width, height = found.codec_context.width, found.codec_context.height
        times, packets = _times(container, found, path, limits)
        # Only tables of QuickTime and MP4 count samples; elsewhere the number is an estimate.
        lost = max(0, found.frames - packets) if "mov" in container.format.name else 0
        counted = times is None
    if times is None:
        times = _count(path, index, limits)
    if not times:
        raise MalformedError("no frame can be read", where=path)
    video = Video(path, infos[index], width, height, times, lost=lost, counted=counted, limits=limits)
    return replace(video, orientation=_orientation(video))


def streams(path: str | Path, *, limits: Limits = DEFAULT) -> tuple[StreamInfo, ...]:
    """Return all video streams of a file. Raises the errors of `read_video`."""
    with opened(Path(path), limits) as container:
        return _infos(container)


def describe(infos: Sequence[StreamInfo]) -> str:
    """Describe streams: `0 h264 yuv420p, 1 rawvideo gray16be (DEPTH)`."""
    return ", ".join(f"{i.index} {i.codec} {i.pixel_format}" + (f" ({i.title})" if i.title else "") for i in infos)


def fraction(value: Any) -> Fraction:
    """Convert one of PyAV's kinds of rationals."""
    return Fraction(int(value.numerator), int(value.denominator))


@contextlib.contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Any]:
    """Open an av container of a regular file whose pictures are within `limits`. Raises FileError."""
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
        raise UnsupportedError(f"FFmpeg cannot read the file as a video: {reason}", where=path,
                               hint="it may be truncated or of another kind; supported are MP4, MOV, MKV, AVI, WebM "
                                    "and similar; maps of a clip may also be an .npz or pictures: depth/%06d.png"
                               ) from None
    with container:
        if not container.streams.video:
            raise UnsupportedError("the file has no video", where=path)
        for stream in container.streams.video:
            context = stream.codec_context
            if context is None or not context.width or not context.height or context.format is None:
                # FFmpeg also reports no size for pictures of 2^28 pixels and more.
                raise UnsupportedError("a video stream is damaged, has no decoder in FFmpeg, or has pictures of 2^28 "
                                       "pixels or more, which FFmpeg does not decode whatever limits.max_pixels is",
                                       where=path)
            limits.check_picture(context.width, context.height, 4, where=str(path), packed=size)
            # Later frames must not evade the limit; FFmpeg counts its padded buffers.
            context.options = {"max_pixels": str((context.width + 128) * (context.height + 128))}
        yield container


def _refuse_stills(source: ByteSource) -> None:
    """Refuse HEIF pictures, which FFmpeg reads as videos of one frame, slowly for large parameter sets."""
    head = source.read(0, min(12, source.size))
    if head[4:8] == b"ftyp" and head[8:12] in _STILLS:
        try:
            with located(source.name):
                find_moov(source)
        except TruncatedError:
            raise UnsupportedError("the file is a still picture; expected a video", where=source.name,
                                   hint="for a photo, -o names one file without %06d: -o out.heic") from None


def _damage() -> tuple[type[BaseException], ...]:
    """Return the errors that FFmpeg and PyAV raise about files; PyAV's have no common base class."""
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
    """Return when frames are shown, from the packets, or None if these have no times; and the number of packets."""
    found, packets = set(), 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            packets += 1
            if packet.is_discard:       # outside the edit list
                continue
            if packet.pts is None:
                return None, packets
            found.add(packet.pts)
            limits.check("max_samples", len(found), where=str(path))
    except LimitError:
        raise
    except _damage():     # truncated: frames so far are used
        pass
    unit = fraction(stream.time_base)
    return tuple(pts * unit for pts in sorted(found)), packets


def _count(path: Path, index: int, limits: Limits) -> tuple[Fraction, ...]:
    """Return times at the average rate, for a stream without times."""
    with opened(path, limits) as container:
        stream = container.streams.video[index]
        rate = fraction(stream.average_rate) if stream.average_rate else Fraction(25)
        number = 0
        for _ in _decoded(container, stream):
            number += 1
            limits.check("max_samples", number, where=str(path))
    return tuple(n / (rate or Fraction(25)) for n in range(number))


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yield all frames; damaged packets yield none."""
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
    """Return the orientation from the display matrix of the first frame, which FFmpeg derives from any container."""
    frame = next((frame for _, frame in video.frames()), None)
    if frame is None:
        raise MalformedError("no frame can be decoded", where=video.path)
    try:
        found = [*frame.side_data]
    except ValueError:      # PyAV does not know all of FFmpeg's side data; the rotation is still available
        return _TURNS.get(round(frame.rotation) % 360, 1)
    for side in found:
        if side.type.name == "DISPLAYMATRIX":
            numbers = struct.unpack("=9i", bytes(side)[:36])
            # FFmpeg keeps the numbers of QuickTime's matrix in native byte order.
            return movie.orientation_of(struct.pack(">9i", *numbers), f"{video.path}: display matrix")
    return 1
