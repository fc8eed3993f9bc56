"""Parses a movie file: its top-level boxes, and moov with mvhd and the tracks (tkhd, tref, edts, mdia)."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ...depth.orientation import matrix as matrix_of
from ...errors import MalformedError, TruncatedError, UnsupportedError
from ...limits import DEFAULT, Limits
from ..bytesource import ByteSource
from ..isobmff.box import Box, Cursor, Readable, walk
from .samples import SampleEntry, SampleTable, parse_stsd


@dataclass(frozen=True)
class Movie:
    """A movie.

    Attributes:
        source: The file.
        moov: The moov box.
        time_scale: Units per second, from mvhd.
        duration: Duration in these units.
        next_track: next_track_ID.
        tracks: Tracks in file order.
        fragmented: Whether it has an mvex box.
    """

    source: ByteSource
    moov: Box
    time_scale: int
    duration: int
    next_track: int
    tracks: tuple[Track, ...]
    fragmented: bool = False

    def track(self, number: int) -> Track | None:
        """Return the track with this id, or None."""
        return next((t for t in self.tracks if t.id == number), None)

    def of_handler(self, *handlers: str) -> list[Track]:
        return [t for t in self.tracks if t.handler in handlers]


def find_moov(source: ByteSource) -> Box:
    """Return the moov box. Raises TruncatedError when the file ends before one."""
    for box in walk(source, 0, source.size, limits=source.limits):
        if box.type == "moov":
            return box
    raise TruncatedError("the file ends before its moov box, which describes its content", where="moov",
                         hint="the recording or the copy was truncated; copy it again")


def read(source: ByteSource, moov: Box | None = None) -> Movie:
    """Parse the structure of a movie, but no samples and no sample tables.

    Args:
        source: The file.
        moov: The moov box, for a movie inside another box.

    Raises:
        FileError: The movie is damaged; the error names a place like moov/trak[2]/mdia/mdhd.
    """
    moov = moov or find_moov(source)
    found = children(source, moov, source.limits)
    time_scale, duration, next_track = _mvhd(source, child(found, "mvhd", moov.path))
    tracks = tuple(parse(source, box, source.limits)
                   for box in walk(source, moov.payload, moov.end, moov.path, source.limits) if box.type == "trak")
    for number, times in Counter(t.id for t in tracks).items():
        if number == 0 or times > 1:
            raise MalformedError(f"track id {number} " + ("is not valid" if number == 0 else "occurs twice"),
                                 where=moov.path)
    return Movie(source, moov, time_scale, duration, next_track, tracks, "mvex" in found)


def _mvhd(source: ByteSource, box: Box) -> tuple[int, int, int]:
    """Return (timescale, duration, next_track_ID), ISO/IEC 14496-12, 8.2.2."""
    c = payload(source, box)
    version, _ = c.full()
    wide = 8 if version == 1 else 4
    c.take(2 * wide)
    time_scale, duration = c.uint(4), c.uint(wide)
    c.take(76)  # rate, volume, reserved, matrix, pre_defined
    return time_scale, duration, c.uint(4)


ENABLED, IN_MOVIE = 1, 2  # flags of tkhd
VISUAL_HANDLERS = ("vide", "auxv", "pict")
MAX_HEADER = 1 << 16  # bytes of tkhd, mdhd, hdlr, which actually take a few dozen
MAX_EDITS = 1 << 16
EMPTY = -1


@dataclass(frozen=True)
class EditListEntry:
    """One entry of elst.

    Attributes:
        duration: Duration in the movie's time scale.
        media_time: Start in the track's time scale; −1 shows nothing.
        rate: Speed as 16.16.
    """

    duration: int
    media_time: int
    rate: int = 1 << 16


@dataclass(frozen=True)
class Track:
    """A track.

    Attributes:
        source: The file.
        box: The trak box.
        id: track_ID.
        flags: Flags of tkhd.
        width: Width of tkhd in pixels, as displayed before the matrix.
        height: Height of tkhd in pixels.
        matrix: Matrix of tkhd.
        time_scale: Units per second, from mdhd.
        duration: Duration in these units.
        handler: Handler of mdia.
        references: Kind of tref → ids of the tracks it refers to.
        edits: The edit list.
        entries: Sample entries.
        samples: The sample table.
    """

    source: Readable
    box: Box
    id: int
    flags: int
    width: float
    height: float
    matrix: bytes
    time_scale: int
    duration: int
    handler: str
    references: dict[str, tuple[int, ...]]
    edits: tuple[EditListEntry, ...]
    entries: tuple[SampleEntry, ...]
    samples: SampleTable

    @property
    def path(self) -> str:
        return self.box.path

    @property
    def enabled(self) -> bool:
        return bool(self.flags & ENABLED)

    @cached_property
    def orientation(self) -> int:
        """Exif orientation that turns samples into display orientation. Raises UnsupportedError."""
        return orientation_of(self.matrix, f"{self.path}/tkhd")

    def unit(self) -> Fraction:
        """Return the seconds of one unit of the track's time. Raises MalformedError for a time scale of 0."""
        if self.time_scale == 0:
            raise MalformedError("the time scale is 0, so times are undefined", where=f"{self.path}/mdia/mdhd")
        return Fraction(1, self.time_scale)

    def shift(self, movie_time_scale: int) -> Fraction | None:
        """Return the seconds from the media's time to the movie's: leading empty edits minus the media's start.

        None for an edit list that cuts, repeats or stretches, which is not a single shift.
        """
        if not self.edits:
            return Fraction(0)
        *empty, last = self.edits
        if last.media_time < 0 or last.rate != 1 << 16 or any(e.media_time != EMPTY for e in empty):
            return None
        waits = sum(e.duration for e in empty)
        if waits and movie_time_scale == 0:
            raise MalformedError("the movie's time scale is 0, but the edit list uses it",
                                 where=f"{self.path}/edts/elst")
        return (Fraction(waits, movie_time_scale) if waits else 0) - last.media_time * self.unit()


def children(source: Readable, parent: Box, limits: Limits = DEFAULT) -> dict[str, Box]:
    """Return child boxes by type, the first of each."""
    found: dict[str, Box] = {}
    for box in walk(source, parent.payload, parent.end, parent.path, limits):
        found.setdefault(box.type, box)
    return found


def payload(source: Readable, box: Box, most: int = MAX_HEADER) -> Cursor:
    """Return a small box's payload. Raises MalformedError for a large one."""
    if box.end - box.payload > most:
        raise MalformedError(f"the box has {box.end - box.payload:,} bytes; at most {most:,} are allowed",
                             where=box.path)
    return Cursor(source.read(box.payload, box.end - box.payload, box.type), box.path)


def child(found: dict[str, Box], kind: str, parent: str) -> Box:
    """Return a required box. Raises MalformedError."""
    if kind not in found:
        raise MalformedError(f"there is no {kind}", where=parent)
    return found[kind]


def parse(source: Readable, trak: Box, limits: Limits = DEFAULT) -> Track:
    """Parse a trak box without its sample table. Raises MalformedError and its subclasses."""
    found = children(source, trak, limits)
    number, flags, width, height, transform = _tkhd(payload(source, child(found, "tkhd", trak.path)))
    mdia = child(found, "mdia", trak.path)
    media = children(source, mdia, limits)
    time_scale, duration = _mdhd(payload(source, child(media, "mdhd", mdia.path)))
    hdlr = payload(source, child(media, "hdlr", mdia.path))
    hdlr.take(8)  # version and flags, component type or pre_defined
    handler = hdlr.fourcc()
    minf = child(media, "minf", mdia.path)
    stbl = child(children(source, minf, limits), "stbl", minf.path)
    tables = children(source, stbl, limits)
    entries = parse_stsd(source, child(tables, "stsd", stbl.path), visual=handler in VISUAL_HANDLERS, limits=limits)
    return Track(source, trak, number, flags, width, height, transform, time_scale, duration, handler,
                 _tref(source, found.get("tref"), limits), _elst(source, found.get("edts"), limits), entries,
                 SampleTable(source, tables, stbl.path, limits))


def _tkhd(c: Cursor) -> tuple[int, int, float, float, bytes]:
    """Return (track_ID, flags, width, height, matrix), ISO/IEC 14496-12, 8.3.2."""
    version, flags = c.full()
    c.take(16 if version == 1 else 8)  # creation and modification time
    number = c.uint(4)
    c.take(4 + (8 if version == 1 else 4))  # reserved, duration
    c.take(16)  # reserved, layer, alternate_group, volume, reserved
    transform = c.take(36)
    return number, flags, c.uint(4) / 65536, c.uint(4) / 65536, transform


def _mdhd(c: Cursor) -> tuple[int, int]:
    """Return (timescale, duration), 8.4.2; 0 for an unknown duration."""
    version, _ = c.full()
    wide = 8 if version == 1 else 4
    c.take(2 * wide)
    time_scale, duration = c.uint(4), c.uint(wide)
    return time_scale, 0 if duration == (1 << 8 * wide) - 1 else duration


def _tref(source: Readable, tref: Box | None, limits: Limits) -> dict[str, tuple[int, ...]]:
    """Return the references (8.3.3): one box per kind, whose payload is track ids."""
    if tref is None:
        return {}
    out: dict[str, tuple[int, ...]] = {}
    for box in walk(source, tref.payload, tref.end, tref.path, limits):
        c = payload(source, box)
        if c.left % 4:
            raise MalformedError(f"{c.left} bytes are not a whole number of track ids", where=box.path)
        out[box.type] = out.get(box.type, ()) + tuple(c.uint(4) for _ in range(c.left // 4))
    return out


def _elst(source: Readable, edts: Box | None, limits: Limits) -> tuple[EditListEntry, ...]:
    """Return the edit list (8.6.6)."""
    elst = children(source, edts, limits).get("elst") if edts is not None else None
    if elst is None:
        return ()
    c = payload(source, elst, 20 * MAX_EDITS + 8)
    version, _ = c.full()
    wide = 8 if version == 1 else 4
    out = []
    for _ in range(c.count(c.uint(4), 2 * wide + 4)):
        duration, start, rate = c.uint(wide), int.from_bytes(c.take(wide), "big", signed=True), c.uint(4)
        out.append(EditListEntry(duration, start, rate))
    return tuple(out)


IDENTITY = bytes.fromhex("00010000 00000000 00000000  00000000 00010000 00000000  00000000 00000000 40000000")
MATRIX = ">9i"


def orientation_of(matrix: bytes, where: str = "tkhd") -> int:
    """Return the Exif orientation that turns coded samples into display orientation; scale and shift are ignored.

    Raises UnsupportedError for a matrix that is not a rotation by quarter turns, mirrored or not.
    """
    a, b, _, c, d, _, *_ = struct.unpack(MATRIX, matrix)
    signs = np.sign([[a, c], [b, d]])
    for candidate in range(1, 9):
        if np.array_equal(signs, matrix_of(candidate)):
            return candidate
    numbers = ", ".join(f"{v / 65536:g}" for v in (a, b, c, d))
    raise UnsupportedError(f"the matrix a, b, c, d = {numbers} is not a rotation by quarter turns", where=where,
                           hint="‹orientation=coded› uses pictures as they are stored")
