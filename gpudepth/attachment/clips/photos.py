"""A clip → a photo with depth for each of its frames, numbered, and frames.csv with their times beside them.

A frame that fails is a row of the table; the others are written all the same.
"""

from __future__ import annotations

import csv
import io
import os
import re
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from ...containers.base import Container, Picture
from ...depth import orientation as exif
from ...errors import FileError, GpudepthError, OutputError
from ...formats.bytesource import ByteSource
from ...pairing.clips import Footage
from ...settings.clip import MARK
from ...timing import add, lap, stage
from ...video.ordered import ordered_map
from .. import pipeline
from ..decode import DepthInput
from ..guide import FrameGuide
from ..output import atomic
from .match import Read, Streams, open_clip
from .span import ClipContext, find_span
from .still import StillEncoder, rgb, warnings_of

COLUMNS = ("frame", "seconds", "file", "bytes", "map", "map_seconds", "near", "far", "error")
DIGITS = 6
_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """What became of one frame. metres: nearest and farthest."""

    frame: int
    map: int
    file: str = ""
    size: int = 0
    metres: tuple[float, float] | None = None
    filled: int = 0
    said: str = ""
    warnings: tuple[str, ...] = ()
    error: GpudepthError | None = None
    pixels: int = 0
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a clip. metres: nearest and farthest of all frames; farthest may be inf."""

    said: str
    frames: int
    metres: tuple[float, float]
    filled: int
    warnings: tuple[str, ...]
    pixels: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def write(video: Footage, depth: Footage | None, output: str, means: ClipContext) -> Outcome:
    """Write the photos; `output` is their path with {frame} in it, of six digits.

    Raises what `open_clip` and `find_span` raise; OutputError at once; FileError when frames failed or the video was
    cut off: the others are written, and the table says which.
    """
    means = means.resolve_preset(depth)
    streams = open_clip(video, depth, means.options, means.settings)
    found = find_span(streams.maps, [m for _, m in streams.pairs], means)
    means = replace(means, settings=replace(means.settings, span=found.span, encoding=found.encoding))
    coder = _Coder(output, pipeline.target_of(Path(output)), streams.pictures.orientation, means,
                   os.stat(video.path))     # noqa: PTH116
    table, rows = table_of(output), list[Row]()
    try:
        with closing(ordered_map(coder, streams.read(), means.threads)) as results:    # type: ignore[type-var]
            for row in results:
                if isinstance(row.error, OutputError):
                    raise row.error
                rows.append(row)
                means.heartbeat(len(rows))
    finally:
        if rows:
            _write_table(table, rows, streams)
    return _outcome(video, rows, streams, table, found.said, known=means.settings.encoding is None)


def table_of(output: str) -> Path:
    """Where the table of frames goes: `out/clip/{frame}.heic` → `out/clip/frames.csv`."""
    return Path(output.replace(MARK, "frames")).with_suffix(".csv")


def writes_over(output: str, inputs: Iterable[Path]) -> list[Path]:
    """The inputs that photos of this pattern, or a movie of this name, may take the place of."""
    pattern = Path(output)
    if MARK not in output:
        return [path for path in inputs if path.resolve() == pattern.resolve()]
    before, _, after = pattern.name.partition(MARK)
    name = re.compile(re.escape(before) + "[0-9]+" + re.escape(after), re.IGNORECASE)
    folder = pattern.parent.resolve()
    return [path for path in inputs if name.fullmatch(path.name) and path.parent.resolve() == folder]


def is_whole(table: Path) -> bool:
    """Is every file that the table names still there, with the size it had?"""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return all((table.parent / row["file"]).stat().st_size == int(row["bytes"]) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError, TypeError, csv.Error):     # it says something else
        return False


@dataclass(frozen=True)
class _Coder:
    """Frame and map → a photo; called by several threads, each with an encoder of its own."""

    output: str
    container: Container
    orientation: int
    means: ClipContext
    stat: os.stat_result
    own: threading.local = field(default_factory=threading.local)

    def __call__(self, read: Read) -> Row:
        lap()       # what a failed frame before this one left
        path = Path(self.output.replace(MARK, f"{read.frame:0{DIGITS}d}"))
        try:
            if read.picture is None:
                raise FileError("does not come out of the decoder: the video is damaged or cut off there")
            if read.depth is None:
                raise read.error or FileError(f"its map, {read.map}, does not come out of the decoder: damaged or cut "
                                              "off")
            if isinstance(read.picture, Path):
                outcome = pipeline.run_item(read.picture, read.depth, path, self.means.settings, self.means.backend,
                                        make_folder=True)
                warnings = outcome.notices()
            else:
                outcome = self.attach(read.picture, read.depth, path)
                warnings = (*outcome.notices(), *warnings_of(read.picture, path.suffix))
        except GpudepthError as error:
            return Row(read.frame, read.map, error=error)
        return Row(read.frame, read.map, path.name, path.stat().st_size, outcome.metres, outcome.filled, outcome.line(),
                   warnings, pixels=outcome.width * outcome.height, stages=lap())

    def attach(self, frame: Any, depth: DepthInput, path: Path) -> pipeline.Outcome:
        settings = self.means.settings
        picture = Picture(frame.width, frame.height, self.orientation)
        guide = FrameGuide(lambda: rgb(frame), self.orientation, settings.orientation)
        prepared = pipeline.prepare(depth, picture, settings, self.means.backend, self.container, guide=guide)
        shown = exif.then(self.orientation, settings.exif_turn)
        with stage("encode"):
            photo = self.encoder.encode(frame, path.suffix, shown)
        with ByteSource(photo) as source:
            with stage("encode"):
                edit = self.container.attach(source, prepared.coded, replace(settings, turn=0).placement())
            with stage("write"), atomic(path, like=self.stat, make_folder=True) as file:
                edit.splice.write(file)
        return pipeline.outcome_of(path, prepared, picture, settings, edit)

    @property
    def encoder(self) -> StillEncoder:
        if not hasattr(self.own, "encoder"):
            options = self.means.options
            self.own.encoder = StillEncoder(options.quality, reuse=not options.deterministic)
        encoder: StillEncoder = self.own.encoder
        return encoder


def _write_table(table: Path, rows: list[Row], streams: Streams) -> None:
    """Every frame that was come to, with its time and its map's."""
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


def _outcome(video: Footage, rows: list[Row], streams: Streams, table: Path, ranged: str, *, known: bool) -> Outcome:
    """known: the maps know their metres, and what one frame says of them is not what all do."""
    failed = [row for row in rows if row.error is not None]
    if failed:
        first = "; ".join(f"frame {row.frame}: {row.error}" for row in failed[:_SHOWN])
        raise FileError(f"{len(failed)} of {len(rows)} frames failed, the others are written: {first}", where=table)
    if streams.lost:
        raise FileError(f"was cut off: {streams.lost} frames are not there; the {len(rows)} before them are written",
                        where=video.path, hint="copy the video again")
    metres = [row.metres for row in rows if row.metres]
    far = max((m[1] for m in metres if isfinite(m[1])), default=float("inf"))
    warnings = list(dict.fromkeys(w for row in rows for w in row.warnings))
    near = min(m[0] for m in metres)
    said = f"{len(rows)} frames, {'' if known else rows[0].said + ', '}{near:.4g} to {far:.4g} m{ranged}"
    stages: dict[str, float] = {}
    for row in rows:
        add(stages, row.stages)
    return Outcome(said, len(rows), (near, far), sum(row.filled for row in rows), (*streams.notes, *warnings[:_SHOWN]),
                   sum(row.pixels for row in rows), stages)
