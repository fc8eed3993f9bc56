"""trak: tkhd (id, size, matrix), tref (what it refers to), edts/elst (when it is shown), mdia (what it is)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from ..isobmff.box import Box, Cursor, Readable, walk
from . import matrix
from .description import SampleEntry, parse_stsd
from .samples import SampleTable

ENABLED, IN_MOVIE = 1, 2  # flags of tkhd
VISUAL_HANDLERS = ("vide", "auxv", "pict")
MAX_HEADER = 1 << 16  # bytes of tkhd, mdhd, hdlr: a few dozen in truth
MAX_EDITS = 1 << 16
EMPTY = -1


@dataclass(frozen=True)
class Edit:
    """One entry of elst: `duration` in the movie's time scale, `media_time` in the track's (−1: nothing is shown)."""

    duration: int
    media_time: int
    rate: int = 1 << 16


@dataclass(frozen=True)
class Track:
    """One trak box.

    width, height    of tkhd, as displayed before the matrix, in pixels
    time_scale       units a second, of mdhd; duration in these units
    references       kind of tref → ids of the tracks it names
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
    edits: tuple[Edit, ...]
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
        """The Exif orientation that turns samples into the display. Raises UnsupportedError."""
        return matrix.orientation(self.matrix, f"{self.path}/tkhd")

    def unit(self) -> Fraction:
        """Seconds of one unit of the track's time. Raises MalformedError for a time scale of 0."""
        if self.time_scale == 0:
            raise MalformedError("time scale 0: its times mean nothing", where=f"{self.path}/mdia/mdhd")
        return Fraction(1, self.time_scale)

    def shift(self, movie_time_scale: int) -> Fraction | None:
        """Seconds to add to a time of the media to get the movie's: leading empty edits, less where the media starts.

        None for an edit list that cuts, repeats or stretches: there is no one number then.
        """
        if not self.edits:
            return Fraction(0)
        *empty, last = self.edits
        if last.media_time < 0 or last.rate != 1 << 16 or any(e.media_time != EMPTY for e in empty):
            return None
        waits = sum(e.duration for e in empty)
        if waits and movie_time_scale == 0:
            raise MalformedError("time scale 0 of the movie, and an edit list that counts in it",
                                 where=f"{self.path}/edts/elst")
        return (Fraction(waits, movie_time_scale) if waits else 0) - last.media_time * self.unit()


def children(source: Readable, parent: Box, limits: Limits = DEFAULT) -> dict[str, Box]:
    """Child boxes by type, the first of each."""
    found: dict[str, Box] = {}
    for box in walk(source, parent.payload, parent.end, parent.path, limits):
        found.setdefault(box.type, box)
    return found


def payload(source: Readable, box: Box, most: int = MAX_HEADER) -> Cursor:
    """A small box's payload. Raises MalformedError for one that is not small."""
    if box.end - box.payload > most:
        raise MalformedError(f"has {box.end - box.payload:,} bytes, {most:,} are more than it can need", where=box.path)
    return Cursor(source.read(box.payload, box.end - box.payload, box.type), box.path)


def child(found: dict[str, Box], kind: str, parent: str) -> Box:
    """A box that has to be there. Raises MalformedError."""
    if kind not in found:
        raise MalformedError(f"has no {kind}", where=parent)
    return found[kind]


def parse(source: Readable, trak: Box, limits: Limits = DEFAULT) -> Track:
    """A trak box → Track; its sample table is not read yet. Raises MalformedError and its kin."""
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
    """(track_ID, flags, width, height, matrix), ISO/IEC 14496-12, 8.3.2."""
    version, flags = c.full()
    c.take(16 if version == 1 else 8)  # creation and modification time
    number = c.uint(4)
    c.take(4 + (8 if version == 1 else 4))  # reserved, duration
    c.take(16)  # reserved, layer, alternate_group, volume, reserved
    transform = c.take(36)
    return number, flags, c.uint(4) / 65536, c.uint(4) / 65536, transform


def _mdhd(c: Cursor) -> tuple[int, int]:
    """(timescale, duration), 8.4.2; 0 for a duration that is not known."""
    version, _ = c.full()
    wide = 8 if version == 1 else 4
    c.take(2 * wide)
    time_scale, duration = c.uint(4), c.uint(wide)
    return time_scale, 0 if duration == (1 << 8 * wide) - 1 else duration


def _tref(source: Readable, tref: Box | None, limits: Limits) -> dict[str, tuple[int, ...]]:
    """8.3.3: a box a kind, its payload track ids."""
    if tref is None:
        return {}
    out: dict[str, tuple[int, ...]] = {}
    for box in walk(source, tref.payload, tref.end, tref.path, limits):
        c = payload(source, box)
        if c.left % 4:
            raise MalformedError(f"{c.left} bytes are no track ids", where=box.path)
        out[box.type] = out.get(box.type, ()) + tuple(c.uint(4) for _ in range(c.left // 4))
    return out


def _elst(source: Readable, edts: Box | None, limits: Limits) -> tuple[Edit, ...]:
    """8.6.6."""
    elst = children(source, edts, limits).get("elst") if edts is not None else None
    if elst is None:
        return ()
    c = payload(source, elst, 20 * MAX_EDITS + 8)
    version, _ = c.full()
    wide = 8 if version == 1 else 4
    out = []
    for _ in range(c.count(c.uint(4), 2 * wide + 4)):
        duration, start, rate = c.uint(wide), int.from_bytes(c.take(wide), "big", signed=True), c.uint(4)
        out.append(Edit(duration, start, rate))
    return tuple(out)
