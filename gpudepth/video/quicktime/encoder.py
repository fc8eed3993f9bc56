"""Encodes maps to the samples of a depth track, monochrome 10-bit HEVC by libx265, and writes the file of a movie.

Experimental, like the writer.

Encoding is lossless unless a quantiser is given, which is the same for all pictures and at most 4: with logarithmic
codes a rate factor causes errors of half the range at edges.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...depth.data import DepthData
from ...depth.pixel_format import Quantity
from ...errors import MalformedError, OutputError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.hevc.codec import MIN_SIDE, encode_x265, x265
from ...formats.hevc.nal import PPS, SPS, VPS, join_lengths, nal_type, split_annex_b
from ...formats.hevc.parameter_sets import (
    MONOCHROME,
    RANGE_EXTENSIONS,
    Configuration,
    ProfileTierLevel,
    SequenceParameters,
    level_idc,
)
from ...formats.isobmff.box import Box, walk
from ...formats.quicktime.movie import Track
from . import trak

MAX_QP = 4
KEY_INTERVAL = 30  # pictures from one sync sample to the next
_PICTURES = range(32)  # nal_unit_type of coded slices


class Encoder:
    """Encodes one stream of pictures of one size, without B-frames: presentation order is decoding order.

    Raises:
        UsageError: The quantiser is above 4.
        UnsupportedError: The size cannot be coded, or libx265 is missing.
    """

    pix_fmt = "gray10le"

    def __init__(self, width: int, height: int, qp: int | None = None) -> None:
        if qp is not None and not 0 <= qp <= MAX_QP:
            raise UsageError(f"quantiser {qp} is not in 0 to {MAX_QP}", hint="None is lossless")
        if min(width, height) < MIN_SIDE or max(width, height) > 0xFFFF:
            raise UnsupportedError(f"a depth track of {width}×{height} cannot be coded",
                                   hint=f"sides must have at least {MIN_SIDE} pixels")
        rate = "lossless=1" if qp is None else f"qp={qp}:ipratio=1:pbratio=1:aq-mode=0:psy-rd=0"
        self.width, self.height = width, height
        self.configuration: Configuration | None = None
        self._sent = 0
        self._context = x265(width, height, self.pix_fmt, {
            "preset": "superfast", "x265-params":
            f"keyint={KEY_INTERVAL}:min-keyint={KEY_INTERVAL}:scenecut=0:open-gop=0:bframes=0:info=0:hash=0:"
            f"repeat-headers=1:range=full:log-level=none:pools=none:frame-threads=1:{rate}"})
        self._context.framerate = Fraction(30)  # required by the encoder; times are in the sample table

    def encode(self, codes: NDArray[np.uint16]) -> Iterator[tuple[bytes, bool]]:
        """Encode codes (H, W) and yield the samples that are ready, as (bytes with 4-byte NAL lengths, sync?)."""
        if codes.shape != (self.height, self.width):
            raise UsageError(f"the map is {codes.shape[1]}×{codes.shape[0]}, the track {self.width}×{self.height}")
        picture = self.picture(codes)
        picture.pts = self._sent
        self._sent += 1
        yield from self._run(picture)

    def picture(self, codes: NDArray[np.uint16]) -> Any:
        """Return an av.VideoFrame of the codes."""
        import av

        return av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format=self.pix_fmt)

    def profile(self, sps: bytes) -> ProfileTierLevel:
        """Return profile, constraints and level as Apple writes them.

        x265 writes level 8.5 for lossless streams, which hardware may refuse.
        """
        return ProfileTierLevel(RANGE_EXTENSIONS, ProfileTierLevel.of(sps).compatibility, MONOCHROME[10], level(sps))

    def finish(self) -> Iterator[tuple[bytes, bool]]:
        """Yield the samples that the encoder still holds."""
        yield from self._run(None)

    def _run(self, picture: Any) -> Iterator[tuple[bytes, bool]]:
        for packet in encode_x265(self._context, picture):
            nals = split_annex_b(bytes(packet))
            if self.configuration is None:
                self.configuration = self._configuration(nals)
            yield join_lengths([n for n in nals if nal_type(n) in _PICTURES]), bool(packet.is_keyframe)

    def _configuration(self, nals: list[bytes]) -> Configuration:
        """Return the parameter sets, changed to what `profile` returns."""
        sets = [n for n in nals if nal_type(n) in (VPS, SPS, PPS)]
        about = self.profile(next(n for n in sets if nal_type(n) == SPS))
        return Configuration.of([about.put_into(n) for n in sets])


def level(sps: bytes) -> int:
    """Return the smallest general_level_idc that holds the coded picture."""
    coded = SequenceParameters.parse(sps)
    return level_idc(coded.coded_width * coded.coded_height)


Codes = Callable[[DepthData], NDArray[Any]]


def encode(maps: Iterable[tuple[Fraction, DepthData]], out: Output, colour: Track,
           coding: Callable[[DepthData], tuple[Encoder, Codes]]) -> tuple[trak.Media, Encoder, Quantity]:
    """Encode maps into an mdat box at the end of `out`; times are in units of the colour track.

    Args:
        maps: (seconds, map) in order of time.
        out: The movie.
        colour: The colour track.
        coding: Function of the first map that returns the encoder and a function from maps to codes.

    Raises:
        UsageError: Maps are not in order of time, have several quantities or sizes, or are missing.
    """
    start = out.at
    out.put(bytes.fromhex("00000001") + b"mdat" + bytes(8))
    media = trak.Media(colour.time_scale, 0, [], [], [], out.at)
    ticks: list[int] = []
    encoder: Encoder | None = None
    codes: Codes | None = None
    quantity = Quantity.DISPARITY

    def keep(sample: bytes, sync: bool) -> None:
        media.sizes.append(len(sample))
        media.sync.append(sync)
        out.put(sample)

    for seconds, data in maps:
        tick = round(Fraction(seconds) * colour.time_scale)
        if ticks and tick <= ticks[-1]:
            raise UsageError(f"map {len(ticks)} at {float(seconds):g} s is not later than the one before it")
        if encoder is None:
            (encoder, codes), quantity = coding(data), data.quantity
        elif data.quantity is not quantity:
            raise UsageError(f"map {len(ticks)} holds {data.quantity}, but those before it hold {quantity}")
        ticks.append(tick)
        assert encoder is not None and codes is not None
        for sample, sync in encoder.encode(codes(data)):
            keep(sample, sync)
    if encoder is None:
        raise UsageError("there is no map to write")
    for sample, sync in encoder.finish():
        keep(sample, sync)
    media.first = ticks[0]
    media.durations = [b - a for a, b in itertools.pairwise(ticks)]
    media.durations.append(media.durations[-1] if media.durations else max(colour.time_scale // 30, 1))
    if len(media.sizes) != len(ticks) or max(media.durations) >= 1 << 32:
        raise UnsupportedError(f"{len(ticks)} maps resulted in {len(media.sizes)} samples, at most "
                               f"{max(media.durations):,} units apart")
    out.patch(start + 8, (out.at - start).to_bytes(8, "big"))
    return media, encoder, quantity


class Output:
    """A file that is written sequentially."""

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
            raise OutputError(f"the movie could not be written: {error.strerror}") from error

    def patch(self, at: int, data: bytes) -> None:
        """Overwrite earlier bytes."""
        try:
            self.file.seek(at)
            self.file.write(data)
            self.file.seek(self.at)
        except OSError as error:
            raise OutputError(f"the movie could not be written: {error.strerror}") from error


def copy_but_moov(source: ByteSource, moov: Box, out: Output) -> None:
    """Copy every box to its place; the moov box becomes a free box of its size, or nothing if it is last."""
    for box in walk(source, 0, source.size, limits=source.limits):
        if box.start == moov.start:
            if box.end < source.size:
                out.put(source.read(box.start, 4) + b"free" + source.read(box.start + 8, box.header - 8))
                for _ in range(0, box.end - box.payload, 1 << 16):
                    out.put(bytes(min(1 << 16, box.end - out.at)))
            continue
        if box.type == "moov":
            raise MalformedError("the file has two moov boxes", where=box.path)
        start = box.start
        if box.open_ended:  # more boxes follow now, so it needs an explicit size
            if box.size >= 1 << 32:
                raise UnsupportedError(f"the last box extends to the end of the file, and its {box.size:,} bytes do "
                                       "not fit into a 32-bit size", where=box.path, hint="remux the movie")
            out.put(box.size.to_bytes(4, "big"))
            start += 4
        for chunk in source.chunks(start, box.end - start):
            out.put(chunk)
