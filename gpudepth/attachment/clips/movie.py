"""Writes a clip as one file: its movie with a depth track (experimental), or depth video alone.

    .mov          QuickTime with Apple's disparity or depth track; the samples of the colour track are copied
    .mp4          Android's MP4-AT: depth of 8 (or 10) bits in a box after the movie, which is also copied
    .mkv          lossless depth video, with the map of each frame
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from ...compute import Backend
from ...compute.refine.temporal import Temporal
from ...depth.data import DepthData
from ...depth.orientation import inverse, size
from ...depth.pixel_format import HDEP, HDIS, Quantity, metre_range, quantity_of
from ...errors import FileError, HolesError, UnsupportedError, UsageError, counted
from ...formats.bytesource import ByteSource
from ...pairing.clips import Footage
from ...settings.clip import MOVIES
from ...video.matroska import DepthVideoWriter
from ...video.mp4at import writer as mp4at_writer
from ...video.ordered import ordered_map, prefetch
from ...video.quicktime import writer
from ..decode import DepthInput
from ..output import atomic
from ..photo import Guide, frame_guide
from ..prepare import PreparedMap, prepare_map
from .match import Read, Streams, open_clip
from .photos import ClipOutcome
from .span import ClipContext, find_span
from .still import rgb

_Prepared = tuple[int, PreparedMap, DepthData]

SUFFIXES = MOVIES
_BITS = {".mov": (10,), ".mp4": (8, 10), ".mkv": (16,)}     # bits that each can store, the default first
EXPERIMENTAL = ("depth tracks in movies are experimental: their layout is the publicly reported one of Apple, and was "
                "not tested on Apple software")


def write(video: Footage, depth: Footage | None, out: Path, context: ClipContext) -> ClipOutcome:
    """Write the movie. Nothing is left behind when it fails.

    Args:
        video: The colour side of the clip.
        depth: Its maps; None if the video holds them.
        out: The file to write.
        context: How the clip is processed.

    Raises:
        HolesError: Pixels have no value, which codes of a track cannot express.
        FileError: A frame cannot be read; a movie needs all of them.
        GpudepthError: As `open_clip` and `find_span` raise.
    """
    context = context.resolve_preset(depth)
    suffix = out.suffix.lower()
    _check(video, out, context)
    streams = open_clip(video, depth, context.options, context.settings, context.estimator)
    if streams.lost:
        raise FileError(f"the video is cut off: {counted(streams.lost, 'frame')} missing", where=video.path,
                        hint="copy the video again; an output.path with {frame} writes the frames that exist")
    found = find_span(streams.maps, [m for _, m in streams.pairs], replace(context, options=replace(
        context.options, range="clip" if context.options.range == "frame" else context.options.range)))
    settings = replace(context.settings, span=found.span, encoding=found.encoding)
    fmt = HDEP if quantity_of(settings.pixel_format) is Quantity.DEPTH else HDIS
    assert found.span is not None   # it is None only for a range per frame
    lo, hi = found.span
    movie = _Movie(video, out, replace(context, settings=replace(settings, pixel_format=fmt)), streams, (lo, hi))
    maps = movie.write(None) if settings.temporal is None else context.backend.attempt(movie.write)
    notes = (EXPERIMENTAL,) if suffix == ".mov" else ()
    metres = metre_range(lo, hi, quantity_of(fmt))
    summary = "" if settings.encoding is None else f"{maps.summary}, "     # otherwise it describes one frame
    return ClipOutcome(f"{counted(len(streams.pairs), 'frame')}, {summary}{fmt}, {metres[0]:.4g} to {metres[1]:.4g} m",
                   len(streams.pairs), metres, maps.filled, (*streams.notes, *notes, *maps.warnings))


def _check(video: Footage, out: Path, context: ClipContext) -> None:
    """Raise UsageError for what a movie cannot hold."""
    suffix, bits = out.suffix.lower(), context.settings.bits
    if context.settings.exif_turn != 1:
        raise UsageError("a movie cannot be turned", where=out, hint="leave out ‹turn›")
    if bits not in (None, *_BITS[suffix]):
        raise UsageError(f"depth in {suffix} has {' or '.join(map(str, _BITS[suffix]))} bits, not {bits}", where=out)
    if video.sequence:
        raise UsageError("the input is a sequence of pictures, not a movie that can hold depth", where=video.path,
                         hint="write photos: output.path: out/{stem}/{frame}.heic")


@dataclass(frozen=True)
class _Movie:
    """A movie to write.

    Attributes:
        video: The colour side of the clip.
        out: The file.
        context: How the clip is processed, with the settings of its frames.
        streams: Both sides of the clip.
        ends: The range of its codes.
    """

    video: Footage
    out: Path
    context: ClipContext
    streams: Streams
    ends: tuple[float, float]

    def write(self, backend: Backend | None) -> _Maps:
        """Write the movie and return what was collected about its maps.

        Args:
            backend: Computes all maps in turn; None computes them in several threads, each with its own tries.
        """
        streams, suffix, options = self.streams, self.out.suffix.lower(), self.context.options
        maps = _Maps(streams, self.context, backend)
        if suffix == ".mkv":
            times = _times(streams)
            with atomic(self.out, make_folder=True) as file, DepthVideoWriter(file) as target:
                for data, (frame, _) in zip(maps.read(shown=True), streams.pairs, strict=True):
                    target.write(data, times(frame))
            return maps
        limits = self.context.settings.limits
        with ByteSource(self.video.path, replace(limits, max_file=limits.max_movie)) as source:
            shown = writer.colour_times(source)
            times = shown.__getitem__ if len(shown) == streams.pictures.count else _times(streams)
            with atomic(self.out, like=self.video.path.stat(), make_folder=True) as file:
                stamped = ((times(frame), data) for data, (frame, _) in
                           zip(maps.read(shown=False), streams.pairs, strict=True))
                if suffix == ".mov":
                    writer.write(source, stamped, file, self.ends, qp=options.qp)
                else:
                    mp4at_writer.write(source, stamped, file, self.ends, qp=options.qp,
                                       bits=self.context.settings.bits or _BITS[suffix][0])
        return maps


def _times(streams: Streams) -> Callable[[int], Fraction]:
    if streams.pictures.times is not None:
        return streams.pictures.times.__getitem__
    times, map_of = streams.maps.times, dict(streams.pairs)
    if times is None:
        raise UsageError("neither the video nor its maps have times", hint="set clip.fps: 30")
    return lambda frame: times[map_of[frame]]


class _Maps:
    """Prepares the maps of all frames in order, and collects their summary and warnings.

    Args:
        streams: Both sides of the clip.
        context: How it is processed, in several threads.
        backend: Computes all maps in a single thread, where frames are smoothed over time; None otherwise.
    """

    def __init__(self, streams: Streams, context: ClipContext, backend: Backend | None) -> None:
        self.streams, self.context, self.backend = streams, context, backend
        self.temporal = None if backend is None else Temporal(backend, rescale=context.settings.temporal == "rescale")
        self.summary, self.filled, self.warnings = "", 0, tuple[str, ...]()

    def read(self, *, shown: bool) -> Iterator[DepthData]:
        """Yield the maps, in display orientation or as the frames are stored. Raises as the first bad frame does."""
        one, frames = partial(self.one, shown=shown), self.streams.read()
        made = ordered_map(one, frames, self.context.threads) if self.backend is None else self._in_turn(one, frames)
        with closing(made) as results:      # type: ignore[type-var]
            for number, (frame, prepared, data) in enumerate(results, 1):
                if not shown and not np.isfinite(data.map).all():
                    raise HolesError(f"frame {frame}: some pixels have no finite value, which codes of a depth track "
                                     "cannot express", hint="‹fill=nearest›, far, near or inpaint fills them")
                self.summary, self.filled = prepared.summary, self.filled + prepared.filled
                self.warnings = tuple(dict.fromkeys((*self.warnings, *prepared.warnings)))
                self.context.heartbeat(number)
                yield data

    def _in_turn(self, one: Callable[[Read], _Prepared], frames: Iterator[Read]) -> Iterator[_Prepared]:
        """Yield the maps, computed by another thread while the one before is encoded."""
        def made() -> Iterator[_Prepared]:
            with closing(frames):       # type: ignore[type-var]
                yield from map(one, frames)

        return prefetch(made())

    def one(self, read: Read, *, shown: bool) -> _Prepared:
        """Prepare the map of a frame. Raises as preparing it raises."""
        settings, orientation = self.context.settings, self.streams.pictures.orientation
        if read.picture is None or read.depth is None:
            side = "the picture" if read.picture is None else f"its map, number {read.map},"
            raise read.error or FileError(f"frame {read.frame}: {side} cannot be decoded: the file is damaged or cut "
                                          "off")
        width, height = read.picture.width, read.picture.height
        if settings.orientation == "display":
            width, height = size(orientation, width, height)
        guide = frame_guide(lambda: rgb(read.picture), orientation, settings.orientation)
        try:
            prepare = partial(self.prepare, read.depth, (width, height), guide, shown=shown)
            return read.frame, *(self.context.backend.attempt(prepare) if self.backend is None
                                 else prepare(self.backend))
        except UnsupportedError as error:
            raise error.within(f"frame {read.frame}") from None

    def prepare(self, depth: DepthInput, frame: tuple[int, int], guide: Guide, backend: Backend, *,
                shown: bool) -> tuple[PreparedMap, DepthData]:
        """Return a map, and its values on the host in the orientation in which they are written."""
        settings, turn = self.context.settings, 1
        prepared = prepare_map(depth, frame, settings, backend, guide=guide, temporal=self.temporal)
        if (settings.orientation == "display") != shown:
            turn = self.streams.pictures.orientation
            turn = turn if shown else inverse(turn)
        values = prepared.values if turn == 1 else backend.orient(backend.put(prepared.values), turn)
        source, calibration = prepared.source, prepared.calibration if settings.calibration != "none" else None
        data = DepthData(backend.host(values), settings.pixel_format,
                         calibration=calibration.oriented(turn) if calibration else None,
                         accuracy=settings.accuracy or (source.accuracy if source else "relative"))
        # Another thread goes on with the frame, but only this one may use or free what is on the device.
        return replace(prepared, values=data.map), data
