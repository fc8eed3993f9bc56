"""Makes the trak box of a depth track, and adds references to another trak. Experimental, like the writer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

from ...formats.hevc.parameter_sets import Configuration
from ...formats.isobmff.box import make, make_full
from ...formats.isobmff.items import children
from ...formats.quicktime.movie import ENABLED, IN_MOVIE, Track
from .depth_track import HANDLER
from .log_code import LogRange

# Which kind Apple's software expects is not known. 'vdep' and 'auxl' are registered, and readers ignore others.
REFERENCES = ("vdep", "auxl")
_COMPRESSOR = b"HEVC depth"


@dataclass
class Media:
    """A written track; times and durations are in units of `time_scale`.

    Attributes:
        time_scale: Units per second.
        first: Presentation time of the first sample in the movie; frames below 0 are hidden.
        durations: Duration of each sample.
        sizes: Bytes of each sample.
        sync: Whether each sample is a sync sample.
        offset: Offset of the first sample in the file.
    """

    time_scale: int
    first: int
    durations: list[int]
    sizes: list[int]
    sync: list[bool]
    offset: int

    @property
    def duration(self) -> int:
        return sum(self.durations)

    def shown(self, movie_time_scale: int) -> tuple[int, int]:
        """Return how long nothing is shown and how long the track is shown, in the movie's time scale."""
        span = max(self.duration + min(self.first, 0), 0)
        return (round(Fraction(max(self.first, 0) * movie_time_scale, self.time_scale)),
                -(-span * movie_time_scale // self.time_scale))


def build(number: int, colour: Track, coding: str, *, configuration: Configuration, ends: LogRange, media: Media,
          movie_time_scale: int) -> bytes:
    """Return the trak box of track `number`, which refers to `colour` and has its matrix."""
    sequence = configuration.sequence()
    size = sequence.width, sequence.height
    entry = visual_entry(coding, *size, configuration.serialise() + ends.serialise())
    tref = make("tref", b"".join(make(kind, _u32(colour.id)) for kind in REFERENCES))
    return track(number, size, colour.matrix, media, movie_time_scale, handler=HANDLER, entry=entry, tref=tref)


def track(number: int, size: tuple[int, int], matrix: bytes, media: Media, movie_time_scale: int, *, handler: str,
          entry: bytes, tref: bytes = b"") -> bytes:
    """Return a trak box with a sample entry; the handler is the kind of track, and "meta" gets a null media header."""
    width, height = size
    wait, span = media.shown(movie_time_scale)
    # The fields are: times 0; id, reserved, duration, reserved; layer, alternate group, volume, reserved.
    tkhd = make_full("tkhd", 1, ENABLED | IN_MOVIE, bytes(16) + _u32(number, 0) + _u64(span + wait) + bytes(16)
                     + matrix + _u32(width << 16, height << 16))
    edits = [(wait, -1)] if wait else []
    edits.append((span, max(-media.first, 0)))
    elst = make_full("elst", 1, 0, _u32(len(edits)) + b"".join(_u64(d) + _u64(t) + _u32(1 << 16) for d, t in edits))
    language = bytes.fromhex("55c4 0000")  # und
    mdhd = make_full("mdhd", 1, 0, bytes(16) + _u32(media.time_scale) + _u64(media.duration) + language)
    component = b"mhlr" if handler == HANDLER else bytes(4)      # QuickTime's; ISO's pre_defined is 0
    hdlr = make_full("hdlr", 0, 0, component + handler.encode() + bytes(12) + b"\0")
    dref = make("dinf", make_full("dref", 0, 0, _u32(1) + make_full("url ", 0, 1, b"")))
    header = make_full("nmhd", 0, 0, b"") if handler == "meta" else make_full("vmhd", 0, 1, bytes(8))
    minf = make("minf", header + dref + _stbl(entry, media))
    return make("trak", tkhd + make("edts", elst) + tref + make("mdia", mdhd + hdlr + minf))


def refer(trak: bytes, number: int) -> bytes:
    """Return a trak box whose tref also names track `number`; all other bytes are unchanged."""
    boxes = children(trak, 16 if trak[:4] == b"\0\0\0\1" else 8, "trak")
    added = b"".join(make(kind, _u32(number)) for kind in REFERENCES)
    out, done = b"", False
    for kind, raw, payload, path in boxes:
        if kind == "tref":
            named: dict[str, bytes] = {}
            for reference, _, ids, _ in children(payload, 0, path):
                named[reference] = named.get(reference, b"") + ids
            for reference in REFERENCES:
                named[reference] = named.get(reference, b"") + _u32(number)
            out, done = out + make("tref", b"".join(make(k, v) for k, v in named.items())), True
        elif kind == "mdia" and not done:
            out, done = out + make("tref", added) + raw, True
        else:
            out += raw
    return make("trak", out)


def _stbl(entry: bytes, media: Media) -> bytes:
    runs = [(len(list(group)), delta) for delta, group in itertools.groupby(media.durations)]
    sync = [n + 1 for n, key in enumerate(media.sync) if key]
    one_chunk = len(media.sizes)
    return make("stbl", b"".join((
        make_full("stsd", 0, 0, _u32(1) + entry),
        make_full("stts", 0, 0, _u32(len(runs)) + b"".join(_u32(*run) for run in runs)),
        make_full("stss", 0, 0, _u32(len(sync), *sync)),
        make_full("stsc", 0, 0, _u32(1, 1, one_chunk, 1)),
        make_full("stsz", 0, 0, _u32(0, one_chunk, *media.sizes)),
        make_full("co64", 0, 0, _u32(1) + _u64(media.offset)))))


def visual_entry(kind: str, width: int, height: int, extensions: bytes) -> bytes:
    """Return a visual sample entry (ISO/IEC 14496-12, 12.1.3): 72 dpi, one frame per sample, depth 24."""
    size = width.to_bytes(2, "big") + height.to_bytes(2, "big")
    name = bytes([len(_COMPRESSOR)]) + _COMPRESSOR.ljust(31, b"\0")
    return make(kind, bytes(6) + b"\0\1" + bytes(16) + size + _u32(72 << 16, 72 << 16, 0) + b"\0\1" + name
                + b"\0\x18\xff\xff" + extensions)


def _u32(*values: int) -> bytes:
    return b"".join(v.to_bytes(4, "big") for v in values)


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=value < 0)
