"""Adds a depth track to a movie. EXPERIMENTAL: not tested on Apple software.

It writes what is publicly reported of Apple's files: handler 'auxv', entry 'dish' or 'deph' with hvcC and disc, track
enabled. What is not known is omitted or guessed: the kind of reference (both vdep and auxl are written, in both
directions), tags of the tracks (none), the private metadata track of Cinematic mode (none; without it Apple's programs
do not treat the movie as a Cinematic one).

The file is copied as it is: samples of other tracks stay where they are, byte for byte. The old moov becomes a free
box, or is dropped when it is last; the depth samples and the new moov follow at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import BinaryIO

from ...depth.data import DepthData
from ...errors import ExistingDepthError, UnsupportedError
from ...formats.bytesource import ByteSource
from ...formats.isobmff.box import make
from ...formats.isobmff.items import children
from ...formats.quicktime import movie
from ...formats.quicktime.movie import Movie, Track
from . import trak
from .depth_track import FORMATS, find
from .encoder import Codes, Encoder, Output, copy_but_moov, encode
from .log_code import LogRange
from .reader import inside

_CODING = {fmt.quantity: coding for coding, fmt in FORMATS.items()}


def colour_times(source: ByteSource) -> list[Fraction]:
    """Return when each frame of the colour track is shown, in seconds, rising. Raises FileError and its subclasses."""
    with inside(source):
        content = movie.read(source)
        track = colour_track(content)
        shift = track.shift(content.time_scale) or Fraction(0)
        return [t * track.unit() + shift for t in sorted(track.samples.presentation_times.tolist())]


def write(source: ByteSource, maps: Iterable[tuple[Fraction, DepthData]], file: BinaryIO, ends: tuple[float, float],
          *, qp: int | None = None) -> int:
    """EXPERIMENTAL. Write `source` with a depth track to `file`; one map is in memory at a time.

    If it raises, `file` does not hold a valid movie.

    Args:
        source: The movie.
        maps: (seconds, map) in order of time, as `colour_times` and `reader.frames` give the seconds. All maps have one
            size, one quantity (disparity becomes 'dish', depth 'deph'), the coded orientation of the colour track, and
            no NaN.
        file: An empty, seekable file.
        ends: Range of the codes in that quantity; values outside get the codes of its ends.
        qp: None is lossless (of the 10-bit codes); 0 to 4 is smaller.

    Returns:
        The number of frames.

    Raises:
        ExistingDepthError: The movie has a depth track.
        UnsupportedError: The movie is fragmented or has no colour track.
        UsageError: Maps are not in order of time, or have several sizes or quantities.
        HolesError: A map has NaN.
        RangeError: The range is not valid.
        FileError: The movie is damaged.
        OutputError: The file cannot be written.
    """
    with inside(source):
        content = movie.read(source)
        if find(content) is not None:
            raise ExistingDepthError("the movie already has a depth track", where=source.name)
        codes_of = LogRange.outward(*ends)
        colour, out = begin(content, file)

        def coding(first: DepthData) -> tuple[Encoder, Codes]:
            quantity = first.quantity
            return Encoder(first.width, first.height, qp), lambda data: codes_of.codes(data.values(quantity))

        media, encoder, quantity = encode(maps, out, colour, coding)
        number = max(content.next_track, *(t.id + 1 for t in content.tracks))
        if number >= 1 << 32 or encoder.configuration is None:
            raise UnsupportedError("there is no free track id, or the encoder produced no output",
                                   where=content.moov.path)
        box = trak.build(number, colour, _CODING[quantity], configuration=encoder.configuration, ends=codes_of,
                         media=media, movie_time_scale=content.time_scale)
        out.put(_moov(content, colour, box, number, sum(media.shown(content.time_scale))))
        return len(media.sizes)


def begin(content: Movie, file: BinaryIO) -> tuple[Track, Output]:
    """Return the colour track, and the output with all boxes of a movie except moov. Raises UnsupportedError."""
    if content.fragmented:
        raise UnsupportedError("the movie is fragmented (mvex)", where=content.moov.path,
                               hint="remux it without fragments")
    colour, out = colour_track(content), Output(file)
    colour.unit()
    content.source.limits.check("max_moov", content.moov.size, where=content.moov.path)
    copy_but_moov(content.source, content.moov, out)
    return colour, out


def colour_track(content: Movie) -> Track:
    """Return the track that depth belongs to: the first enabled video track."""
    videos = [t for t in content.of_handler("vide") if t.enabled] or content.of_handler("vide")
    if not videos:
        raise UnsupportedError("the movie has no video track", where=content.source.name)
    return videos[0]


def _moov(content: Movie, colour: Track, added: bytes, number: int, duration: int) -> bytes:
    """Return the old moov with the new trak behind the others and a reference in the colour trak.

    next_track_ID is raised, and the duration is at least `duration`.
    """
    source, moov = content.source, content.moov
    raw = source.read(moov.payload, moov.end - moov.payload, "moov")
    out: list[bytes] = []
    traks = iter(content.tracks)
    last = 0
    for kind, whole, _, _ in children(raw, 0, "moov", source.limits):
        box = whole
        if kind == "mvhd":
            box = raised_mvhd(whole, number, duration)
        elif kind == "trak":
            box = trak.refer(whole, number) if next(traks).id == colour.id else whole
            last = len(out) + 1
        out.append(box)
    return make("moov", b"".join([*out[:last], added, *out[last:]]))


def raised_mvhd(box: bytes, number: int, duration: int) -> bytes:
    """Raise next_track_ID and the duration of an mvhd box (ISO/IEC 14496-12, 8.2.2)."""
    header = 16 if box[:4] == b"\0\0\0\1" else 8
    wide = 8 if box[header] == 1 else 4
    out = bytearray(box)
    at, end = header + 8 + 2 * wide, header + 88 + 3 * wide
    top = (1 << 8 * wide) - 1  # means "not known"
    known = int.from_bytes(out[at : at + wide], "big")
    if known != top:
        out[at : at + wide] = min(max(known, duration), top - 1).to_bytes(wide, "big")
    out[end - 4 : end] = min(number + 1, 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(out)
