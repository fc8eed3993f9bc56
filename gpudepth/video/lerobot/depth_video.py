"""Depth frames ↔ an MP4 of lossless HEVC, gray12le, codes as `quantiser` has them. What they mean is in `metadata`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...depth.data import DepthData
from ...depth.pixel_format import FDEP
from ...errors import GpudepthError, MalformedError, NoDepthError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...formats.hevc.codec import MIN_SIDE
from ...formats.quicktime import movie
from ...limits import DEFAULT, Limits
from ..frame_writer import FrameWriter
from ..track_decoder import VideoFrame
from .metadata import TOP, Feature, Quantiser, describe, of_video

TICK = Fraction(1, 90000)
# x265's "lossless" loses pixels of noise with blocks of 64, which slower presets have: seen in a fifth of such clips,
# differently from run to run; never with blocks of 32 (superfast). hash: an MD5 of each picture, for damage is silent.
_OPTIONS = {"preset": "superfast", "x265-params":
            "lossless=1:bframes=0:keyint=30:hash=1:range=full:info=0:log-level=none:pools=none:frame-threads=1"}


class LerobotWriter(FrameWriter):
    """Writes frames to a seekable binary file as they come; a context manager. The first frame sets the size.

    near, far: how many pixels had a value and no code of their own.

    Raises UsageError for frames of another size or not in the order of time, UnsupportedError for sizes below 16 and
    without libx265.
    """

    format, codec, pixel_format, says = "mp4", "libx265", "gray12le", "libx265"
    tick, options = TICK, _OPTIONS

    def __init__(self, file: BinaryIO, quantiser: Quantiser) -> None:
        super().__init__(file)
        self.quantiser = quantiser
        self.times: list[Fraction] = []
        self.near = self.far = 0
        self._first: DepthData | None = None

    def write(self, frame: DepthData, seconds: float | Fraction) -> None:
        """The next frame, shown from then on; rounded to 1/90000 s."""
        tick = round(Fraction(seconds) / TICK)
        if self.times and tick * TICK <= self.times[-1]:
            raise UsageError(f"a frame at {float(seconds):.3f} s after one at {float(self.times[-1]):.3f} s",
                             hint="frames come in the order of time")
        first = self._first or self._begin(frame)
        if frame.map.shape != first.map.shape:
            raise UsageError(f"a frame of {frame.width}×{frame.height} in a video of {first.width}×{first.height}")
        metres = frame.depth()
        codes = self.quantiser.codes(metres)
        near, far = self.quantiser.outside(metres, codes)
        self.near, self.far = self.near + near, self.far + far
        self._put(codes, tick)
        self.times.append(tick * TICK)

    def _begin(self, frame: DepthData) -> DepthData:
        import av

        if min(frame.width, frame.height) < MIN_SIDE:
            raise UnsupportedError(f"frames of {frame.width}×{frame.height} are too small for HEVC",
                                   hint=f"{MIN_SIDE} pixels a side at least")
        if "libx265" not in av.codecs_available:
            raise UnsupportedError("this build of PyAV has no libx265", hint="install the av wheel from PyPI")
        self._open(frame)
        self._stream.codec_context.codec_tag = "hvc1"
        self._first = frame
        return frame

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average; 30 of a single frame."""
        times = self.times
        return Fraction(len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else Fraction(30)

    def notes(self) -> list[str]:
        """What people should know of what was written."""
        said, ends = [], self.quantiser
        if self.near:
            said.append(f"{self.near:,} pixels are as near as {ends.depth_min:g} m, or nearer: they have no value now")
        if self.far:
            said.append(f"{self.far:,} pixels are farther than {ends.depth_max:g} m: they are {ends.depth_max:g} m now")
        steps = np.diff([float(t) for t in self.times])
        if len(steps) and steps.max() - steps.min() > 0.01 * steps.mean():
            said.append("the frames are not evenly spaced, and LeRobot takes them to be: "
                        f"{steps.min():.4f} to {steps.max():.4f} s apart")
        if self._first is not None and self._first.accuracy == "relative":
            said.append("the depth is NOT metric, and LeRobot takes it for metres")
        return said

    def metadata(self) -> bytes:
        """The JSON file that belongs beside the video. Raises UsageError before there is a frame."""
        if self._first is None:
            raise UsageError("a video without a frame")
        return describe(self.quantiser, self._first.width, self._first.height, self.rate, self._first.accuracy)


def read_lerobot(path: str | Path, feature: Feature | None = None, *, limits: Limits = DEFAULT) -> Iterator[VideoFrame]:
    """Frames (fdep: float32 metres, NaN where the code is 0) in the order of time, one in memory at a time.

    Raises NoDepthError for a video of which nothing says that it is depth, UnsupportedError for one that is not
    gray12le, LimitError before decoding, MalformedError for a damaged one.
    """
    import av
    import av.error

    feature = feature or of_video(path)
    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        where = source.name
        if feature is not None:
            expected = _frames(source)
    if feature is None:
        raise NoDepthError("is a video, and nothing beside it says that it is LeRobot's depth", where=where,
                           hint=f"{Path(path).with_suffix('.json').name} or meta/info.json with is_depth_map")
    table, number = feature.quantiser.values(), 0
    try:
        with av.open(str(path), format="mp4", options={"protocol_whitelist": "file"}) as container:
            # FFmpeg knows no codec of some streams, and there is then no context
            streams = [s for s in container.streams.video if s.codec_context is not None]
            stream = streams[0] if streams else None
            kind = (stream.codec_context.name, stream.codec_context.pix_fmt) if stream is not None else None
            if stream is None or kind != ("hevc", "gray12le"):
                raise UnsupportedError(f"is {' '.join(map(str, kind)) if kind else 'no video'}, and {feature.source} "
                                       "speaks of depth in gray12le", where=where)
            limits.check_picture(stream.codec_context.width, stream.codec_context.height, 4, where=where,
                                 packed=container.size)
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
            for frame in container.decode(stream):
                if frame.is_corrupt or frame.pts is None or frame.time_base is None:
                    raise MalformedError(f"frame {number} is damaged", where=where)
                codes = np.minimum(np.asarray(frame.to_ndarray(format="gray12le"), np.uint16), TOP)
                yield VideoFrame(Fraction(frame.pts) * Fraction(frame.time_base),
                                 DepthData(table[codes], FDEP, accuracy=feature.accuracy))
                number += 1
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise MalformedError(f"frame {number} cannot be decoded: {error}", where=where) from None
    if number < expected:
        raise MalformedError(f"{number} of its {expected} frames come out of the decoder", where=where)


def _frames(source: ByteSource) -> int:
    """How many frames have to come: the samples of the only HEVC track, which all lie in the file; FFmpeg takes a file
    that is cut off as far as it goes. Where an edit list hides some, one at least. Raises FileError and its kin.
    """
    try:
        tracks = [t for t in movie.read(source).of_handler("vide") if t.entries[0].format in ("hvc1", "hev1")]
        if len(tracks) != 1:
            return 1        # what it is instead is told when it is opened
        samples = tracks[0].samples
        if not samples.count or not len(samples.offsets):
            raise MalformedError("holds no frame", where=samples.path)
        return samples.count if tracks[0].shift(1) in (None, 0) or len(tracks[0].edits) <= 1 else 1
    except GpudepthError as error:
        raise error.within(source.name) from None
