"""Parses a movie file: its top-level boxes, and moov with mvhd and the tracks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ...errors import MalformedError, TruncatedError
from ..bytesource import ByteSource
from ..isobmff.box import Box, walk
from .track import Track, child, children, parse, payload

# How major brands of movies start; still pictures have others (heic, mif1, avif).
_BRANDS = (b"qt  ", b"iso", b"mp4", b"M4V", b"3g", b"avc1", b"dash", b"MSNV", b"f4v", b"XAVC")
_CLASSIC = (b"moov", b"mdat", b"wide", b"pnot")  # QuickTime files without ftyp


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


def is_movie(source: ByteSource) -> bool:
    """Return whether the file starts like a movie. Raises only errors of reading."""
    head = source.read(0, min(16, source.size))
    return head[4:8] in _CLASSIC or (head[4:8] == b"ftyp" and head[8:12].startswith(_BRANDS))


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
