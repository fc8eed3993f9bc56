"""A clip → one file: its movie with a depth track (experimental), or depth video alone.

    .mov          QuickTime with Apple's disparity or depth track; the samples of the colour track are copied
    .mp4          Android's MP4-AT: depth of 8 (or 10) bits in a box behind the movie, which is copied as well
    .mkv          lossless depth video, the map of each frame
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...depth import orientation as exif
from ...depth.data import DepthData
from ...depth.pixel_format import HDEP, HDIS, Quantity, quantity_of
from ...errors import FileError, HolesError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...pairing.clips import Footage
from ...settings.clip import MOVIES
from ...video.matroska.depth_video import DepthVideoWriter
from ...video.mp4at import writer as mp4at_writer
from ...video.ordered import ordered_map
from ...video.quicktime import writer
from ..guide import FrameGuide
from ..output import atomic
from ..pipeline import metres_of
from ..prepare import PreparedMap, shape
from .match import Read, Streams, open_clip
from .photos import Outcome
from .span import ClipContext, find_span
from .still import rgb

SUFFIXES = MOVIES
_BITS = {".mov": (10,), ".mp4": (8, 10), ".mkv": (16,)}     # what each can store, the first unless it is named
EXPERIMENTAL = ("a depth track in a movie is an experiment: its layout is what is publicly reported of Apple's, and no "
                "Apple software was seen to read one written here")


def write(video: Footage, depth: Footage | None, out: Path, means: ClipContext) -> Outcome:
    """Write the movie. Raises what `open_clip` and `find_span` raise; HolesError where a track has no code for "no
    value"; FileError's kinds: of a movie every frame has to be there; OutputError. Nothing is left then."""
    means = means.resolve_preset(depth)
    if means.settings.exif_turn != 1:
        raise UsageError("a movie is not turned: it knows how it is displayed", where=out, hint="leave the turn out")
    suffix, bits = out.suffix.lower(), means.settings.bits
    if bits not in (None, *_BITS[suffix]):
        raise UsageError(f"depth in {suffix} has {' or '.join(map(str, _BITS[suffix]))} bits, not {bits}", where=out)
    streams = open_clip(video, depth, means.options, means.settings)
    if video.sequence:
        raise UsageError("is a sequence of pictures, and no movie to put depth into", where=video.path,
                         hint="output.path: out/{stem}/{frame}.heic")
    if streams.lost:
        raise FileError(f"was cut off: {streams.lost} frames are not there", where=video.path,
                        hint="copy the video again; output.path with {frame} writes what there is")
    found = find_span(streams.maps, [m for _, m in streams.pairs], replace(means, options=replace(
        means.options, range="clip" if means.options.range == "frame" else means.options.range)))
    settings = replace(means.settings, span=found.span, encoding=found.encoding)
    fmt = HDEP if quantity_of(settings.pixel_format) is Quantity.DEPTH else HDIS
    maps = _Maps(streams, replace(means, settings=replace(settings, pixel_format=fmt)))
    assert found.span is not None   # only where each frame has its own
    lo, hi = found.span
    if suffix == ".mkv":
        times = _times(streams)
        with atomic(out, make_folder=True) as file, DepthVideoWriter(file) as target:
            for data, (frame, _) in zip(maps.read(shown=True), streams.pairs, strict=True):
                target.write(data, times(frame))
        notes: tuple[str, ...] = ()
    else:
        with ByteSource(video.path, replace(settings.limits, max_file=settings.limits.max_movie)) as source:
            shown = writer.colour_times(source)
            times = shown.__getitem__ if len(shown) == streams.pictures.count else _times(streams)
            with atomic(out, like=video.path.stat(), make_folder=True) as file:
                stamped = ((times(frame), data) for data, (frame, _) in
                           zip(maps.read(shown=False), streams.pairs, strict=True))
                if suffix == ".mov":
                    writer.write(source, stamped, file, (lo, hi), qp=means.options.qp)
                else:
                    mp4at_writer.write(source, stamped, file, (lo, hi), qp=means.options.qp,
                                       bits=bits or _BITS[suffix][0])
        notes = (EXPERIMENTAL,) if suffix == ".mov" else ()
    metres = metres_of(lo, hi, fmt)
    said = "" if settings.encoding is None else f"{maps.said}, "     # else it is one frame's
    return Outcome(f"{len(streams.pairs)} frames, {said}{fmt}, {metres[0]:.4g} to {metres[1]:.4g} m",
                   len(streams.pairs), metres, maps.filled, (*streams.notes, *notes, *maps.warnings))


def _times(streams: Streams) -> Callable[[int], Fraction]:
    if streams.pictures.times is not None:
        return streams.pictures.times.__getitem__
    times, map_of = streams.maps.times, dict(streams.pairs)
    if times is None:
        raise UsageError("neither the video nor its maps have times", hint="clip.fps: 30")
    return lambda frame: times[map_of[frame]]


class _Maps:
    """Refined maps of all frames, in order, made by several threads; what there is to say of them gathers here."""

    def __init__(self, streams: Streams, means: ClipContext) -> None:
        self.streams, self.means = streams, means
        self.said, self.filled, self.warnings = "", 0, tuple[str, ...]()

    def read(self, *, shown: bool) -> Iterator[DepthData]:
        """In display orientation, or as the video's frames are stored. Raises what the first bad frame raises."""
        with closing(ordered_map(self.one, self.streams.read(), self.means.threads)) as results:  # type: ignore[type-var]
            for number, (frame, shaped) in enumerate(results, 1):
                if not shown and not np.isfinite(shaped.values).all():
                    raise HolesError(f"frame {frame}: some pixels hold no finite value, and a depth track has no code "
                                     "that says so", hint="refine.fill: nearest, far, near or inpaint")
                self.said, self.filled = shaped.said, self.filled + shaped.filled
                self.warnings = tuple(dict.fromkeys((*self.warnings, *shaped.warnings)))
                self.means.heartbeat(number)
                yield self.data(shaped, shown=shown)

    def one(self, read: Read) -> tuple[int, PreparedMap]:
        settings, orientation = self.means.settings, self.streams.pictures.orientation
        if read.picture is None or read.depth is None:
            side = "it" if read.picture is None else f"its map, {read.map},"
            raise read.error or FileError(f"frame {read.frame}: {side} does not come out of the decoder: damaged or "
                                          "cut off")
        width, height = read.picture.width, read.picture.height
        if settings.orientation == "display":
            width, height = exif.size(orientation, width, height)
        guide = FrameGuide(lambda: rgb(read.picture), orientation, settings.orientation)
        try:
            return read.frame, shape(read.depth, (width, height), settings, self.means.backend, guide=guide)
        except UnsupportedError as error:
            raise error.within(f"frame {read.frame}") from None

    def data(self, shaped: PreparedMap, *, shown: bool) -> DepthData:
        settings, values = self.means.settings, self.means.backend.host(shaped.values)
        turn = 1
        if (settings.orientation == "display") != shown:
            turn = self.streams.pictures.orientation
            turn = turn if shown else exif.inverse(turn)
        source, calibration = shaped.source, shaped.calibration if settings.calibration != "none" else None
        return DepthData(self.means.backend.orient(values, turn) if turn != 1 else values, settings.pixel_format,
                         calibration=calibration.oriented(turn) if calibration else None,
                         accuracy=settings.accuracy or (source.accuracy if source else "relative"))
