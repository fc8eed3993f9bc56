"""A depth track put into a movie. EXPERIMENTAL: no Apple software has been seen to accept the result.

What is publicly reported of Apple's files is written: handler 'auxv', entry 'dish' or 'deph' with hvcC and disc, track
enabled. What is not known is left out or guessed: the kind of reference (vdep and auxl are both written, in both
directions), how tracks are tagged (not at all), the private metadata track of Cinematic mode (none; without it a movie
is not a Cinematic one to Apple's programs).

The file is copied as it is: samples of other tracks stay where they are, byte for byte. The old moov becomes a free box
(or goes, when it is last); the depth samples and the new moov follow at the end.
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
from ...formats.quicktime.movie import Movie
from ...formats.quicktime.track import Track
from . import trak
from .depth_track import FORMATS, find
from .encoder import Codes, Encoder, encode
from .log_code import LogRange
from .output import Output, copy_but_moov
from .reader import inside

_CODING = {fmt.quantity: coding for coding, fmt in FORMATS.items()}


def colour_times(source: ByteSource) -> list[Fraction]:
    """When each frame of the colour track is shown, in seconds and in that order. Raises FileError and its kin."""
    with inside(source):
        content = movie.read(source)
        track = colour_track(content)
        shift = track.shift(content.time_scale) or Fraction(0)
        return [t * track.unit() + shift for t in sorted(track.samples.presentation_times.tolist())]


def write(source: ByteSource, maps: Iterable[tuple[Fraction, DepthData]], file: BinaryIO, ends: tuple[float, float],
          *, qp: int | None = None) -> int:
    """EXPERIMENTAL. Write `source` with a depth track to `file`, which is empty and seekable; returns the frames.

    maps    (seconds, map) in order of time; the seconds are times of the movie, as `colour_times` and `reader.frames`
            give them. All maps have one size and one quantity (disparity becomes 'dish', depth 'deph'), the coded
            orientation of the colour track, and no NaN
    ends    the range of the codes, in that quantity; values outside get the codes of its ends
    qp      None is lossless (of the 10-bit codes); 0 to 4 is smaller

    One map is in memory at a time. Raises ExistingDepthError when there is a depth track already, UnsupportedError for
    fragmented movies and without a colour track; UsageError, HolesError, RangeError, FileError and its kin,
    OutputError.
    What `file` then holds is no movie.
    """
    with inside(source):
        content = movie.read(source)
        if find(content) is not None:
            raise ExistingDepthError("has a depth track already", where=source.name)
        if content.fragmented:
            raise UnsupportedError("the movie is fragmented (mvex)", where=content.moov.path,
                                   hint="remux it without fragments")
        colour = colour_track(content)
        colour.unit()
        source.limits.check("max_moov", content.moov.size, where=content.moov.path)
        codes_of = LogRange.outward(*ends)
        out = Output(file)
        copy_but_moov(source, content.moov, out)

        def coding(first: DepthData) -> tuple[Encoder, Codes]:
            quantity = first.quantity
            return Encoder(first.width, first.height, qp), lambda data: codes_of.codes(data.values(quantity))

        media, encoder, quantity = encode(maps, out, colour, coding)
        number = max(content.next_track, *(t.id + 1 for t in content.tracks))
        if number >= 1 << 32 or encoder.configuration is None:
            raise UnsupportedError("there is no free track id", where=content.moov.path)
        box = trak.build(number, colour, _CODING[quantity], configuration=encoder.configuration, ends=codes_of,
                         media=media, movie_time_scale=content.time_scale)
        out.put(_moov(content, colour, box, number, sum(media.shown(content.time_scale))))
        return len(media.sizes)


def colour_track(content: Movie) -> Track:
    """The track that depth belongs to: the first enabled video track."""
    videos = [t for t in content.of_handler("vide") if t.enabled] or content.of_handler("vide")
    if not videos:
        raise UnsupportedError("has no video track", where=content.source.name)
    return videos[0]


def _moov(content: Movie, colour: Track, added: bytes, number: int, duration: int) -> bytes:
    """The old moov with next_track_ID raised, a duration of at least `duration`, a reference in the colour trak,
    and the new trak behind the others.
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
    """ISO/IEC 14496-12, 8.2.2: duration behind the times and the time scale, next_track_ID at the end."""
    header = 16 if box[:4] == b"\0\0\0\1" else 8
    wide = 8 if box[header] == 1 else 4
    out = bytearray(box)
    at, end = header + 8 + 2 * wide, header + 88 + 3 * wide
    top = (1 << 8 * wide) - 1  # "not known"
    known = int.from_bytes(out[at : at + wide], "big")
    if known != top:
        out[at : at + wide] = min(max(known, duration), top - 1).to_bytes(wide, "big")
    out[end - 4 : end] = min(number + 1, 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(out)
