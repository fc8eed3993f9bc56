"""Appends depth to a movie as MP4-AT. Samples of the movie stay where they are, byte for byte.
    the movie's boxes, moov as a free box | moov with auxiliary.tracks.offset and .length | axte
    axte: ftyp, mdat (depth), mdat (near and far of each frame), moov with auxiliary.tracks.map, two tracks

MP4-AT cannot declare whether depth is metric; our own key in axte's moov, gpudepth.accuracy, does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...depth.data import DepthData
from ...depth.pixel_format import Quantity
from ...errors import ExistingDepthError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.hevc.parameter_sets import ProfileTierLevel
from ...formats.isobmff.box import make, make_full
from ...formats.isobmff.items import children
from ...formats.quicktime import movie
from ...formats.quicktime.metadata import RESERVED, TEXT, UINT8, Metadata, Value, uint64
from ...formats.quicktime.movie import IDENTITY, Movie, Track
from ..quicktime import trak
from ..quicktime.encoder import Codes, Encoder, Output, encode, level
from ..quicktime.reader import inside
from ..quicktime.writer import begin
from .tracks import ACCURACY, INTERLEAVED, INVERSE, LENGTH, LINEAR, MAP, METADATA, MIME, OFFSET, NearFar, find_axte

_FULL_RANGE = make("colr", b"nclx" + bytes.fromhex("0002 0002 0002 80"))    # colours unspecified, full range


def write(source: ByteSource, maps: Iterable[tuple[Fraction, DepthData]], file: BinaryIO, ends: tuple[float, float],
          *, qp: int | None = None, bits: int = 8) -> int:
    """Write `source` with a box of depth to `file`; one map is in memory at a time.

    If it raises, `file` does not hold a valid movie.

    Args:
        source: The movie.
        maps: (seconds, map) in order of time, as `quicktime.writer.colour_times` gives the seconds. All maps have one
            size with even sides, one quantity (disparity is stored linear in the inverse, depth linear), the coded
            orientation of the colour track, and no NaN.
        file: An empty, seekable file.
        ends: Range of the codes in that quantity, rounded outward to halves of metres; values outside get the codes of
            its ends.
        qp: None is lossless (of the codes); 0 to 4 is smaller.
        bits: 8 or 10.

    Returns:
        The number of frames.

    Raises:
        ExistingDepthError: The movie has auxiliary tracks.
        UnsupportedError: The movie is fragmented or has no colour track, or sides are odd.
        UsageError: Maps are not in order of time, or have several sizes or quantities.
        HolesError: A map has NaN.
        RangeError: The range is not valid.
        FileError: The movie is damaged.
        OutputError: The file cannot be written.
    """
    with inside(source):
        content = movie.read(source)
        if find_axte(source, content) is not None:
            raise ExistingDepthError("the movie already has auxiliary tracks", where=source.name)
        colour, out = begin(content, file)
        start = out.at + len(_moov(content, 0, 0))
        out.put(_moov(content, start, 0))
        out.put(bytes.fromhex("00000001") + b"axte" + bytes(8))
        frames = _inner(maps, out, content, colour, _Coding(ends, qp, bits))
        length = out.at - start
        out.patch(start + 8, length.to_bytes(8, "big"))
        moov = _moov(content, start, length)
        out.patch(start - len(moov), moov)
        return frames


def _moov(content: Movie, start: int, length: int) -> bytes:
    """Return the old moov with the two keys in its meta, which is created if missing. Its size is always the same."""
    source, moov = content.source, content.moov
    raw = source.read(moov.payload, moov.end - moov.payload, "moov")
    added, out, done = {OFFSET: uint64(start), LENGTH: uint64(length)}, b"", False
    for kind, whole, payload, path in children(raw, 0, "moov", source.limits):
        if kind == "meta" and not done:
            out, done = out + Metadata.parse(payload, path, source.limits).adding(added).serialise(), True
        else:
            out += whole
    return make("moov", out + (b"" if done else Metadata({}).adding(added).serialise()))


@dataclass
class _Coding:
    """Encodes maps to samples; near and far and the accuracy are those of the first map."""

    ends: tuple[float, float]
    qp: int | None
    bits: int
    near_far: NearFar | None = None
    accuracy: str = ""

    def __call__(self, first: DepthData) -> tuple[Encoder, Codes]:
        quantity, self.accuracy = first.quantity, first.accuracy
        rule = self.near_far = NearFar.outward(*self.ends, inverse=quantity is Quantity.DISPARITY)
        encoder = GrayEncoder(first.width, first.height, self.qp, self.bits)
        return encoder, lambda data: rule.codes(data.values(quantity), (1 << self.bits) - 1)


def _inner(maps: Iterable[tuple[Fraction, DepthData]], out: Output, content: Movie, colour: Track,
           coding: _Coding) -> int:
    """Write the auxiliary tracks' MP4 to the end of `out`; its offsets count from its own start."""
    start = out.at
    out.put(make("ftyp", b"isom" + (0x200).to_bytes(4, "big") + b"isomiso2mp41"))
    media, encoder, _ = encode(maps, out, colour, coding)
    near_far = coding.near_far
    if near_far is None or encoder.configuration is None:
        raise UnsupportedError("the encoder produced no output", where=content.source.name)
    sample, count = near_far.serialise(), len(media.sizes)
    about = replace(media, sizes=[len(sample)] * count, sync=[True] * count, offset=out.at + 8 - start)
    out.put(make("mdat", sample * count))
    media.offset -= start
    size = encoder.width, encoder.height
    entry = trak.visual_entry("hvc1", *size, encoder.configuration.serialise() + _FULL_RANGE)
    scale = content.time_scale
    tracks = trak.track(1, size, colour.matrix, media, scale, handler="vide", entry=entry)
    tracks += trak.track(2, (0, 0), IDENTITY, about, scale, handler="meta", entry=_mett())
    types = bytes([1, 2, INVERSE if near_far.inverse else LINEAR, METADATA])
    meta = Metadata({}).adding({INTERLEAVED: Value(UINT8, b"\0"), MAP: Value(RESERVED, types),
                                ACCURACY: Value(TEXT, coding.accuracy.encode())})
    out.put(make("moov", _mvhd(scale, sum(media.shown(scale))) + meta.serialise() + tracks))
    return count


def _mett() -> bytes:
    """Return a text metadata sample entry (ISO/IEC 14496-12, 12.3.3.2): no content encoding, the MIME type."""
    return make("mett", bytes(6) + b"\0\1" + b"\0" + MIME + b"\0")


def _mvhd(scale: int, duration: int) -> bytes:
    """Return an mvhd with rate 1, volume 1 and two tracks (8.2.2)."""
    return make_full("mvhd", 1, 0, bytes(16) + scale.to_bytes(4, "big") + duration.to_bytes(8, "big")
                     + bytes.fromhex("00010000 0100") + bytes(10) + IDENTITY + bytes(24) + (3).to_bytes(4, "big"))


_FORMATS = {8: "yuv420p", 10: "yuv420p10le"}


class GrayEncoder(Encoder):
    """Encodes codes as luma with neutral chroma, which needs no special support in decoders. Sides must be even.

    Raises:
        UsageError: The bits are not 8 or 10.
        UnsupportedError: A side is odd. Otherwise the errors of `Encoder`.
    """

    def __init__(self, width: int, height: int, qp: int | None = None, bits: int = 8) -> None:
        if bits not in _FORMATS:
            raise UsageError(f"MP4-AT depth has 8 or 10 bits, not {bits}")
        if width % 2 or height % 2:
            raise UnsupportedError(f"a map of {width}×{height} cannot be coded in 4:2:0", hint="make its sides even")
        self.bits, self.pix_fmt = bits, _FORMATS[bits]
        super().__init__(width, height, qp)

    def picture(self, codes: NDArray[np.uint16]) -> Any:
        import av

        item = np.dtype(np.uint8 if self.bits == 8 else "<u2")
        middle = np.full(codes.size // 4, 1 << self.bits - 1, item)
        planes = np.concatenate([codes.astype(item).ravel(), middle, middle])
        return av.VideoFrame.from_ndarray(planes.reshape(self.height * 3 // 2, self.width), format=self.pix_fmt)

    def profile(self, sps: bytes) -> ProfileTierLevel:
        return replace(ProfileTierLevel.of(sps), level=level(sps))
