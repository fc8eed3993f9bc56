"""A movie file: its top level boxes, and moov with mvhd and the tracks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ...errors import MalformedError, TruncatedError
from ..bytesource import ByteSource
from ..isobmff.box import Box, walk
from .track import Track, child, children, parse, payload

# how major brands start that movies have; still pictures have others (heic, mif1, avif)
_BRANDS = (b"qt  ", b"iso", b"mp4", b"M4V", b"3g", b"avc1", b"dash", b"MSNV", b"f4v", b"XAVC")
_CLASSIC = (b"moov", b"mdat", b"wide", b"pnot")  # QuickTime files from before there was a ftyp


@dataclass(frozen=True)
class Movie:
    """moov: `time_scale` units a second and `duration` in them, of mvhd; tracks in file order."""

    source: ByteSource
    moov: Box
    time_scale: int
    duration: int
    next_track: int
    tracks: tuple[Track, ...]
    fragmented: bool = False

    def track(self, number: int) -> Track | None:
        """The track with this id, or None."""
        return next((t for t in self.tracks if t.id == number), None)

    def of_handler(self, *handlers: str) -> list[Track]:
        return [t for t in self.tracks if t.handler in handlers]


def is_movie(source: ByteSource) -> bool:
    """Does the file start as a movie does? Raises nothing but what reading does."""
    head = source.read(0, min(16, source.size))
    return head[4:8] in _CLASSIC or (head[4:8] == b"ftyp" and head[8:12].startswith(_BRANDS))


def find_moov(source: ByteSource) -> Box:
    """The moov box; what follows it is not looked at. Raises TruncatedError when the file ends before one."""
    for box in walk(source, 0, source.size, limits=source.limits):
        if box.type == "moov":
            return box
    raise TruncatedError("the file ends before its moov box, which says what is in it", where="moov",
                         hint="the recording or the copy was cut off; copy it again")


def read(source: ByteSource, moov: Box | None = None) -> Movie:
    """The structure of a movie; no sample, and no sample table yet. moov: where it is, for one inside another box.

    Raises MalformedError, TruncatedError, LimitError, with a place like moov/trak[2]/mdia/mdhd.
    """
    moov = moov or find_moov(source)
    found = children(source, moov, source.limits)
    time_scale, duration, next_track = _mvhd(source, child(found, "mvhd", moov.path))
    tracks = tuple(parse(source, box, source.limits)
                   for box in walk(source, moov.payload, moov.end, moov.path, source.limits) if box.type == "trak")
    for number, times in Counter(t.id for t in tracks).items():
        if number == 0 or times > 1:
            raise MalformedError(f"track id {number} is " + ("no id" if number == 0 else "there twice"),
                                 where=moov.path)
    return Movie(source, moov, time_scale, duration, next_track, tracks, "mvex" in found)


def _mvhd(source: ByteSource, box: Box) -> tuple[int, int, int]:
    """(timescale, duration, next_track_ID), ISO/IEC 14496-12, 8.2.2."""
    c = payload(source, box)
    version, _ = c.full()
    wide = 8 if version == 1 else 4
    c.take(2 * wide)
    time_scale, duration = c.uint(4), c.uint(wide)
    c.take(76)  # rate, volume, reserved, matrix, pre_defined
    return time_scale, duration, c.uint(4)
