"""Maps → the samples of a depth track, in an mdat box at the end of a movie that is being written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from ...depth.data import DepthData
from ...depth.pixel_format import Quantity
from ...errors import UnsupportedError, UsageError
from ...formats.quicktime.track import Track
from . import trak
from .encoder import Encoder
from .output import Output

Codes = Callable[[DepthData], NDArray[Any]]


def encode(maps: Iterable[tuple[Fraction, DepthData]], out: Output, colour: Track,
           coding: Callable[[DepthData], tuple[Encoder, Codes]]) -> tuple[trak.Media, Encoder, Quantity]:
    """Encode (seconds, map) into an mdat box at the end of `out`; times in units of the colour track.

    coding: of the first map gives the encoder, and what makes codes of a map.

    Raises UsageError for maps that are not in the order of time, of two quantities or sizes, and for none.
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
            raise UsageError(f"map {len(ticks)} at {float(seconds):g} s does not come after the one before it")
        if encoder is None:
            (encoder, codes), quantity = coding(data), data.quantity
        elif data.quantity is not quantity:
            raise UsageError(f"map {len(ticks)} is {data.quantity}, the ones before it are {quantity}")
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
        raise UnsupportedError(f"{len(ticks)} maps gave {len(media.sizes)} samples, "
                               f"{max(media.durations):,} units apart at most")
    out.patch(start + 8, (out.at - start).to_bytes(8, "big"))
    return media, encoder, quantity
