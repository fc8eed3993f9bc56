"""Describes a track of coded gray pictures: their order, their times, and what is needed to decode them."""

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
    """A track of coded gray pictures.

    Attributes:
        track: The track.
        width: Width of the pictures as coded, in pixels.
        height: Height of the pictures as coded.
        bits: Bits of the codes.
        codec: FFmpeg's name of the decoder.
        configuration: Payload of hvcC or avcC.
        movie_time_scale: Time scale of the movie.
        colour: Track whose coded orientation the maps share, or None: the track's own matrix is used.
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
        """Exif orientation for display: that of the colour track, whose coded orientation maps share, or else its own.

        Raises:
            UnsupportedError: The matrix is not a rotation by quarter turns.
        """
        return (self.colour or self.track).orientation

    @cached_property
    def order(self) -> Ints:
        """Index of the sample, in decoding order, of each frame in presentation order."""
        times = self.track.samples.presentation_times
        order = np.argsort(times, kind="stable").astype(np.int64)
        same = np.flatnonzero(np.diff(times[order]) == 0)
        if same.size:
            one, other = sorted(int(n) for n in order[same[0] : same[0] + 2])
            raise MalformedError(f"samples {one} and {other} have the same presentation time",
                                 where=self.track.samples.path)
        return order

    @cached_property
    def shift(self) -> Fraction:
        """Seconds from the media's time to the movie's; 0 where the edit list is more than a shift."""
        shift = self.track.shift(self.movie_time_scale)
        return Fraction(0) if shift is None else shift

    def seconds(self, frame: int) -> Fraction:
        """Return the time of a frame, counted in presentation order. Below 0 the edit list hides it."""
        ticks = int(self.track.samples.presentation_times[self.order[frame]])
        return ticks * self.track.unit() + self.shift
