"""A depth track put into a movie. EXPERIMENTAL: no Apple software has been seen to accept the result.

What is publicly reported of Apple's files is written: handler 'auxv', entry 'dish' or 'deph' with hvcC and disc, track
enabled. What is not known is left out or guessed: the kind of reference (vdep and auxl are both written, in both
directions), how tracks are tagged (not at all), the private metadata track of Cinematic mode (none; without it a movie
is not a Cinematic one to Apple's programs).

The file is copied as it is: samples of other tracks stay where they are, byte for byte. The old moov becomes a free box
(or goes, when it is last); the depth samples and the new moov follow at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from typing import BinaryIO

from ...depth.data import DepthData
from ...depth.pixel_format import Quantity
from ...errors import ExistingDepthError, MalformedError, OutputError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.isobmff.box import Box, make, walk
from ...formats.isobmff.items import children
from ...formats.quicktime import movie
from ...formats.quicktime.movie import Movie
from ...formats.quicktime.track import Track
from . import trak
from .depth_track import FORMATS, find
from .encoder import Encoder
from .log_code import LogRange
from .reader import inside

_CODING = {fmt.quantity: coding for coding, fmt in FORMATS.items()}


def colour_times(source: ByteSource) -> list[Fraction]:
    """When each frame of the colour track is shown, in seconds and in that order. Raises FileError and its kin."""
    with inside(source):
        content = movie.read(source)
        track = _colour(content)
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
        colour = _colour(content)
        colour.unit()
        source.limits.check("max_moov", content.moov.size, where=content.moov.path)
        codes_of = LogRange.outward(*ends)
        out = _Output(file)
        _copy(source, content.moov, out)
        media, encoder, quantity = _samples(maps, out, colour, codes_of, qp)
        number = max(content.next_track, *(t.id + 1 for t in content.tracks))
        if number >= 1 << 32 or encoder.configuration is None:
            raise UnsupportedError("there is no free track id", where=content.moov.path)
        box = trak.build(number, colour, _CODING[quantity], configuration=encoder.configuration, ends=codes_of,
                         media=media, movie_time_scale=content.time_scale)
        out.put(_moov(content, colour, box, number, sum(media.shown(content.time_scale))))
        return len(media.sizes)


class _Output:
    """A file that is written from its start."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.at = file, 0

    def put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                done = self.file.write(view)
                self.at += done
                view = view[done:]
        except OSError as error:
            raise OutputError(f"could not be written: {error.strerror}") from error

    def patch(self, at: int, data: bytes) -> None:
        """Write over what is there."""
        try:
            self.file.seek(at)
            self.file.write(data)
            self.file.seek(self.at)
        except OSError as error:
            raise OutputError(f"could not be written: {error.strerror}") from error


def _colour(content: Movie) -> Track:
    """The track that depth belongs to: the first enabled video track."""
    videos = [t for t in content.of_handler("vide") if t.enabled] or content.of_handler("vide")
    if not videos:
        raise UnsupportedError("has no video track", where=content.source.name)
    return videos[0]


def _copy(source: ByteSource, moov: Box, out: _Output) -> None:
    """Every box in its place; of the moov box only the room that it had, unless it is last."""
    for box in walk(source, 0, source.size, limits=source.limits):
        if box.start == moov.start:
            if box.end < source.size:
                out.put(source.read(box.start, 4) + b"free" + source.read(box.start + 8, box.header - 8))
                for _ in range(0, box.end - box.payload, 1 << 16):
                    out.put(bytes(min(1 << 16, box.end - out.at)))
            continue
        if box.type == "moov":
            raise MalformedError("there are two", where=box.path)
        start = box.start
        if box.open_ended:  # something follows now, so it has to say where it ends
            if box.size >= 1 << 32:
                raise UnsupportedError(f"{box.size:,} bytes to the end of the file, in a box without room for a 64-bit "
                                       "size", where=box.path, hint="remux it")
            out.put(box.size.to_bytes(4, "big"))
            start += 4
        for chunk in source.chunks(start, box.end - start):
            out.put(chunk)


def _samples(maps: Iterable[tuple[Fraction, DepthData]], out: _Output, colour: Track, ends: LogRange,
             qp: int | None) -> tuple[trak.Media, Encoder, Quantity]:
    """Encode into an mdat box at the end of `out`; times in units of the colour track."""
    start = out.at
    out.put(bytes.fromhex("00000001") + b"mdat" + bytes(8))
    media = trak.Media(colour.time_scale, 0, [], [], [], out.at)
    ticks: list[int] = []
    encoder: Encoder | None = None
    quantity = Quantity.DISPARITY

    def keep(sample: bytes, sync: bool) -> None:
        media.sizes.append(len(sample))
        media.sync.append(sync)
        out.put(sample)

    for seconds, data in maps:
        tick = round(Fraction(seconds) * colour.time_scale)
        if ticks and tick <= ticks[-1]:
            raise UsageError(f"map {len(ticks)} at {float(seconds):g} s does not come after the one before it")
        if encoder is None:
            encoder, quantity = Encoder(data.width, data.height, qp), data.quantity
        elif data.quantity is not quantity:
            raise UsageError(f"map {len(ticks)} is {data.quantity}, the ones before it are {quantity}")
        ticks.append(tick)
        for sample, sync in encoder.encode(ends.codes(data.values(quantity))):
            keep(sample, sync)
    if encoder is None:
        raise UsageError("there is no map to write")
    for sample, sync in encoder.finish():
        keep(sample, sync)
    media.first = ticks[0]
    media.durations = [b - a for a, b in itertools.pairwise(ticks)]
    media.durations.append(media.durations[-1] if media.durations else max(colour.time_scale // 30, 1))
    if len(media.sizes) != len(ticks) or max(media.durations) >= 1 << 32:
        raise UnsupportedError(f"{len(ticks)} maps gave {len(media.sizes)} samples, "
                               f"{max(media.durations):,} units apart at most")
    out.patch(start + 8, (out.at - start).to_bytes(8, "big"))
    return media, encoder, quantity


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
            box = _mvhd(whole, number, duration)
        elif kind == "trak":
            box = trak.refer(whole, number) if next(traks).id == colour.id else whole
            last = len(out) + 1
        out.append(box)
    return make("moov", b"".join([*out[:last], added, *out[last:]]))


def _mvhd(box: bytes, number: int, duration: int) -> bytes:
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
