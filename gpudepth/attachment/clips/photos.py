"""Writes a numbered photo with depth for each frame of a clip, and frames.csv with their times.

A frame that fails becomes a row of the table; the other frames are written.

Frames are processed in several threads. With `refine.temporal`, their maps are computed one after the other in a single
thread, because each needs the result of the one before, which stays where the back end computes. The photos are still
encoded and written in several threads.
"""

from __future__ import annotations

import csv
import io
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path

from ...compute import Backend
from ...compute.refine.temporal import Temporal
from ...containers.base import CodedMap, Container, Picture
from ...depth import orientation
from ...errors import DeviceError, DeviceMemoryError, FileError, GpudepthError, OutputError, counted
from ...formats.bytesource import ByteSource
from ...pairing.clips import Footage
from ...settings.clip import MARK
from ...timing import StageTimes
from ...video.ordered import ordered_map
from .. import pipeline
from ..encode import encode_map
from ..output import atomic
from ..photo import frame_guide
from ..prepare import PreparedMap, prepare_map
from .match import Read, Streams, open_clip
from .span import ClipContext, find_span
from .still import StillEncoder, rgb, warnings_of

COLUMNS = ("frame", "seconds", "file", "bytes", "map", "map_seconds", "near", "far", "error")
DIGITS = 6
_SHOWN = 3


@dataclass(frozen=True)
class FrameRow:
    """The result of one frame.

    Attributes:
        frame: Number of the frame.
        map: Number of its map.
        file: Name of the photo.
        size: Bytes of the photo.
        metres: Nearest and farthest metres.
        filled: Number of pixels that were filled.
        summary: What was understood of the map.
        warnings: Problems.
        error: Why there is no photo.
        pixels: Pixels of the map.
        stages: Seconds by stage.
    """

    frame: int
    map: int
    file: str = ""
    size: int = 0
    metres: tuple[float, float] | None = None
    filled: int = 0
    summary: str = ""
    warnings: tuple[str, ...] = ()
    error: GpudepthError | None = None
    pixels: int = 0
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipOutcome:
    """The result of a clip.

    Attributes:
        summary: What was understood and written.
        frames: Number of frames.
        metres: Nearest and farthest metres of all frames; the farthest may be inf.
        filled: Number of pixels that were filled.
        warnings: Problems.
        pixels: Pixels of all maps.
        stages: Seconds by stage.
    """

    summary: str
    frames: int
    metres: tuple[float, float]
    filled: int
    warnings: tuple[str, ...]
    pixels: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def write(video: Footage, depth: Footage | None, output: str, context: ClipContext) -> ClipOutcome:
    """Write the photos.

    Args:
        video: The colour side of the clip.
        depth: Its maps; None if the video holds them.
        output: The path of the photos, in which {frame} stands for six digits.
        context: How the clip is processed.

    Raises:
        OutputError: Nothing more can be written.
        FileError: Frames failed, or the video is cut off; the other frames are written, and the table lists all.
        GpudepthError: As `open_clip` and `find_span` raise.
    """
    context = context.resolve_preset(depth)
    streams = open_clip(video, depth, context.options, context.settings, context.estimator)
    found = find_span(streams.maps, [m for _, m in streams.pairs], context)
    context = replace(context, settings=replace(context.settings, span=found.span, encoding=found.encoding))
    coder = _Coder(output, pipeline.target_of(Path(output)), streams.pictures.orientation, context,
                   os.stat(video.path))     # noqa: PTH116
    table, rows = table_of(output), list[FrameRow]()

    def collect(results: Iterator[FrameRow]) -> None:
        rows.clear()        # of a try that failed with its device
        with closing(results):      # type: ignore[type-var]
            for row in results:
                if isinstance(row.error, OutputError):
                    raise row.error
                rows.append(row)
                context.heartbeat(len(rows))

    try:
        if context.settings.temporal is None:
            collect(ordered_map(coder, streams.read(), context.threads))
        else:
            context.backend.attempt(lambda backend: collect(coder.in_turn(streams.read(), backend)))
    finally:
        if rows:
            _write_table(table, rows, streams)
    return _outcome(video, rows, streams, table, found.summary, known=context.settings.encoding is None)


def table_of(output: str) -> Path:
    """Return the path of the table of frames: `out/clip/frames.csv` for `out/clip/{frame}.heic`."""
    return Path(output.replace(MARK, "frames")).with_suffix(".csv")


def writes_over(output: str, inputs: Iterable[Path]) -> list[Path]:
    """Return the inputs that photos of this pattern, or a movie of this name, would overwrite."""
    pattern = Path(output)
    if MARK not in output:
        return [path for path in inputs if path.resolve() == pattern.resolve()]
    before, _, after = pattern.name.partition(MARK)
    name = re.compile(re.escape(before) + "[0-9]+" + re.escape(after), re.IGNORECASE)
    folder = pattern.parent.resolve()
    return [path for path in inputs if name.fullmatch(path.name) and path.parent.resolve() == folder]


def is_whole(table: Path) -> bool:
    """Return whether every file in the table exists with its size."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return all((table.parent / row["file"]).stat().st_size == int(row["bytes"]) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError, TypeError, csv.Error):     # it is another table
        return False


@dataclass(frozen=True)
class _Computed:
    """A frame whose map is computed.

    Attributes:
        read: The frame.
        prepared: Its map, without the values where the back end keeps them.
        coded: The codes of its map.
        times: The seconds so far.
    """

    read: Read
    prepared: PreparedMap
    coded: CodedMap
    times: StageTimes


@dataclass(frozen=True)
class _Coder:
    """Makes photos from frames and maps, in several threads that have an encoder each."""

    output: str
    container: Container
    orientation: int
    context: ClipContext
    stat: os.stat_result
    own: threading.local = field(default_factory=threading.local)

    def __call__(self, read: Read) -> FrameRow:
        """Process a frame; a device that fails is tried again for this frame alone."""
        try:
            return self.finish(self.context.backend.attempt(lambda backend: self.begin(read, backend)))
        except GpudepthError as error:
            return FrameRow(read.frame, read.map, error=error)

    def in_turn(self, frames: Iterator[Read], backend: Backend) -> Iterator[FrameRow]:
        """Process frames that are smoothed over time. Raises DeviceError or DeviceMemoryError for the whole clip."""
        temporal = Temporal(backend, rescale=self.context.settings.temporal == "rescale")

        def computed() -> Iterator[_Computed | FrameRow]:
            with closing(frames):       # type: ignore[type-var]
                for read in frames:
                    try:
                        with temporal.frame():
                            one = self.begin(read, backend, temporal)
                    except (DeviceError, DeviceMemoryError):
                        raise
                    except GpudepthError as error:
                        yield FrameRow(read.frame, read.map, error=error)
                    else:
                        yield one

        return ordered_map(self.finish, computed(), self.context.threads)

    def begin(self, read: Read, backend: Backend, temporal: Temporal | None = None) -> _Computed | FrameRow:
        """Compute the map of a frame; of a picture file, write the photo as well. Raises GpudepthError."""
        times = StageTimes()
        if read.picture is None:
            raise FileError("the frame cannot be decoded: the video is damaged or cut off there")
        if read.depth is None:
            raise read.error or FileError(f"its map, number {read.map}, cannot be decoded: the file is damaged or cut "
                                          "off")
        if isinstance(read.picture, Path):
            path = self.path(read)
            outcome = pipeline.run_item(read.picture, read.depth, path, self.context.settings, backend,
                                        make_folder=True, times=times, temporal=temporal)
            return _row(read, path, outcome, outcome.notices(), times)
        frame, settings = read.picture, self.context.settings
        picture = self.picture(read)
        size = picture.size(display=settings.orientation == "display")
        guide = frame_guide(lambda: rgb(frame), self.orientation, settings.orientation)
        prepared = prepare_map(read.depth, size, settings, backend, guide=guide, times=times, temporal=temporal)
        with times.stage("encode"):
            coded, prepared = encode_map(prepared, picture, settings, backend, self.container)
        # Another thread goes on with the frame, but only this one may use or free what is on the device.
        return _Computed(read, replace(prepared, values=coded.codes), coded, times)

    def finish(self, computed: _Computed | FrameRow) -> FrameRow:
        """Write the photo of a frame whose map is computed, and return the row of any frame."""
        if isinstance(computed, FrameRow):
            return computed
        read, prepared, coded, times = computed.read, computed.prepared, computed.coded, computed.times
        settings, path = self.context.settings, self.path(computed.read)
        try:
            with times.stage("encode"):
                photo = self.encoder.encode(read.picture, path.suffix,
                                            orientation.then(self.orientation, settings.exif_turn))
            with ByteSource(photo) as source:
                edit = pipeline.attach_map(self.container, source, coded, replace(settings, turn=0), name=str(path),
                                           times=times)
                pipeline.write_edit(edit, path, self.stat, times, make_folder=True)
        except GpudepthError as error:
            return FrameRow(read.frame, read.map, error=error)
        outcome = pipeline.outcome_of(path, prepared, coded, picture=self.picture(read), settings=settings, edit=edit)
        return _row(read, path, outcome, (*outcome.notices(), *warnings_of(read.picture, path.suffix)), times)

    def path(self, read: Read) -> Path:
        return Path(self.output.replace(MARK, f"{read.frame:0{DIGITS}d}"))

    def picture(self, read: Read) -> Picture:
        return Picture(read.picture.width, read.picture.height, self.orientation)

    @property
    def encoder(self) -> StillEncoder:
        if not hasattr(self.own, "encoder"):
            options = self.context.options
            self.own.encoder = StillEncoder(options.quality, options.effort, reuse=not options.deterministic)
        encoder: StillEncoder = self.own.encoder
        return encoder


def _row(read: Read, path: Path, outcome: pipeline.Outcome, warnings: tuple[str, ...], times: StageTimes) -> FrameRow:
    """Return the row of a photo that was written."""
    return FrameRow(read.frame, read.map, path.name, path.stat().st_size, outcome.metres, outcome.filled,
                    outcome.describe(), warnings, pixels=outcome.width * outcome.height, stages=times.seconds)


def _write_table(table: Path, rows: list[FrameRow], streams: Streams) -> None:
    """Write every frame that was reached, with its time and that of its map."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(COLUMNS)
    sides = streams.pictures.times, streams.maps.times
    for row in rows:
        seconds, map_seconds = (f"{float(times[at]):.6f}" if times else "" for times, at in
                                zip(sides, (row.frame, row.map), strict=True))
        near, far = (f"{m:.6g}" for m in row.metres) if row.metres else ("", "")
        out.writerow([row.frame, seconds, row.file, row.size or "", row.map, map_seconds, near, far,
                      str(row.error) if row.error else ""])
    with atomic(table, make_folder=True) as file:
        file.write(text.getvalue().encode())


def _outcome(video: Footage, rows: list[FrameRow], streams: Streams, table: Path, ranged: str, *,
             known: bool) -> ClipOutcome:
    """Return the result of a clip. known: maps hold metres, so that the summary of one frame is not that of all."""
    failed = [row for row in rows if row.error is not None]
    if failed:
        first = "; ".join(f"frame {row.frame}: {row.error}" for row in failed[:_SHOWN])
        raise FileError(f"{len(failed)} of {len(rows)} frames failed; the others were written: {first}", where=table)
    if streams.lost:
        raise FileError(f"the video is cut off: {counted(streams.lost, 'frame')} missing; the {len(rows)} before were "
                        "written",
                        where=video.path, hint="copy the video again")
    near, far = _metres(rows)
    warnings = list(dict.fromkeys(w for row in rows for w in row.warnings))
    about = "" if known else f"{rows[0].summary}, "
    summary = f"{counted(len(rows), 'frame')}, {about}{near:.4g} to {far:.4g} m{ranged}"
    times = StageTimes()
    for row in rows:
        times.add(row.stages)
    return ClipOutcome(summary, len(rows), (near, far), sum(row.filled for row in rows), (*streams.notes,
                                                                                          *warnings[:_SHOWN]),
                       sum(row.pixels for row in rows), times.seconds)


def _metres(rows: list[FrameRow]) -> tuple[float, float]:
    """Return nearest and farthest metres of all frames; the farthest is inf only if it is in each."""
    metres = [row.metres for row in rows if row.metres]
    return (min(near for near, _ in metres),
            max((far for _, far in metres if isfinite(far)), default=float("inf")))
