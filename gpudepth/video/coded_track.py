"""A track of coded gray pictures: their order, their times, and what it takes to decode them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..errors import MalformedError
from ..formats.quicktime.samples import Ints
from ..formats.quicktime.track import Track


@dataclass(frozen=True)
class CodedTrack:
    """width × height of its pictures as coded, codes of `bits`.

    codec, configuration   FFmpeg's name of the decoder, and the payload of hvcC or avcC
    colour                 the track whose coded orientation maps share, or None: its own matrix counts
    """

    track: Track
    width: int
    height: int
    bits: int
    codec: str
    configuration: bytes
    movie_time_scale: int
    colour: Track | None

    @property
    def frames(self) -> int:
        return self.track.samples.count

    @property
    def orientation(self) -> int:
        """The Exif orientation for display: the colour track's, whose coded orientation maps share; else its own.

        Raises UnsupportedError for a matrix that is no turn by quarters.
        """
        return (self.colour or self.track).orientation

    @cached_property
    def order(self) -> Ints:
        """Index of sample, in decoding order, of each frame in presentation order."""
        times = self.track.samples.presentation_times
        order = np.argsort(times, kind="stable").astype(np.int64)
        same = np.flatnonzero(np.diff(times[order]) == 0)
        if same.size:
            one, other = sorted(int(n) for n in order[same[0] : same[0] + 2])
            raise MalformedError(f"samples {one} and {other} are shown at the same time",
                                 where=self.track.samples.path)
        return order

    @cached_property
    def shift(self) -> Fraction:
        """Seconds from the media's time to the movie's; 0 where the edit list is more than a shift."""
        shift = self.track.shift(self.movie_time_scale)
        return Fraction(0) if shift is None else shift

    def seconds(self, frame: int) -> Fraction:
        """When a frame, counted in presentation order, is shown. Below 0: hidden by the edit list."""
        ticks = int(self.track.samples.presentation_times[self.order[frame]])
        return ticks * self.track.unit() + self.shift
