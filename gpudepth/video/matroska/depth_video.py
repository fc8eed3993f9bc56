"""Reads and writes frames of hdis or hdep bit for bit: FFV1 (level 3) of gray16 in Matroska; pixels are bits of halves.

Tags of the file define what the frames mean, so that a reader returns metres:

    GPUDEPTH            1, the version of this layout
    DEPTH_FORMAT        hdis or hdep
    DEPTH_UNIT          1/m or m
    DEPTH_ACCURACY      relative or absolute
    DEPTH_CALIBRATION   JSON: intrinsics (3×3, rows), width, height; or missing

FFV1 has its own half-float format, but FFmpeg does not decode it to what was encoded; gray16 is lossless. Players show
such a video as gray noise. Time stamps are in milliseconds, as in all of Matroska.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...depth.calibration import Calibration
from ...depth.data import DepthData
from ...depth.pixel_format import HDEP, HDIS, PixelFormat
from ...errors import MalformedError, NoDepthError, UnsupportedError, UsageError
from ...formats.bytesource import ByteSource
from ...limits import DEFAULT, Limits
from ..frame_writer import FrameWriter
from ..track_decoder import VideoFrame

FORMATS = {fmt.name: fmt for fmt in (HDIS, HDEP)}
VERSION = "1"
MAGIC = b"\x1a\x45\xdf\xa3"    # begins every EBML file
TICK = Fraction(1, 1000)
FOOTER = 8      # bytes at the end of a slice
_REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
_OPTIONS = {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}     # independent frames with check sums


class DepthVideoWriter(FrameWriter):
    """Writes frames to a binary file. It is a context manager; the first frame sets size and format.

    Raises:
        UsageError: A frame has another size or format, or is not in order of time.
    """

    format, codec, pixel_format, codec_label = "matroska", "ffv1", "gray16le", "FFV1"
    tick, options = TICK, _OPTIONS

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._first: DepthData | None = None
        self._last = -1

    def write(self, frame: DepthData, seconds: float | Fraction) -> None:
        """Write the next frame, shown from `seconds` on, rounded to milliseconds."""
        tick = round(Fraction(seconds) / TICK)
        if tick <= self._last:
            raise UsageError(f"the frame at {float(seconds):.3f} s comes after one at {float(self._last * TICK):.3f} s",
                             hint="frames must be in order of time, at least one millisecond apart")
        if self._first is None:
            self._begin(frame)
        first = self._first
        assert first is not None
        if (frame.pixel_format, frame.map.shape) != (first.pixel_format, first.map.shape):
            raise UsageError(f"the frame is {frame.width}×{frame.height} {frame.pixel_format}, but the video is "
                             f"{first.width}×{first.height} {first.pixel_format}")
        self._put(np.ascontiguousarray(frame.map).view(np.uint16), tick)
        self._last = tick

    def _begin(self, frame: DepthData) -> None:
        if frame.pixel_format.name not in FORMATS:
            raise UsageError(f"a depth video holds {' or '.join(FORMATS)}, not {frame.pixel_format}",
                             hint="convert frames with DepthData.to('hdis')")
        self._open(frame)
        self._container.metadata.update(_tags(frame))   # written with the header, before the first packet
        self._first = frame


def _tags(frame: DepthData) -> dict[str, str]:
    tags = {"GPUDEPTH": VERSION, "DEPTH_FORMAT": frame.pixel_format.name, "DEPTH_UNIT": frame.quantity.unit,
            "DEPTH_ACCURACY": frame.accuracy}
    if frame.calibration is not None:
        camera = frame.calibration.scaled(frame.width, frame.height)
        tags["DEPTH_CALIBRATION"] = json.dumps({"intrinsics": camera.intrinsics.tolist(), "width": frame.width,
                                                "height": frame.height})
    return tags


def read_depth_video(path: str | Path, *, limits: Limits = DEFAULT) -> Iterator[VideoFrame]:
    """Read frames in order of time; one is in memory at a time.

    Args:
        path: The video.
        limits: What the video may ask for.

    Yields:
        The frames. If the video is damaged, frames before the damage are correct.

    Raises:
        NoDepthError: It lacks the tags of this layout.
        UnsupportedError: It has a newer version of the layout.
        LimitError: It asks for too much; raised before decoding.
        MalformedError: It is damaged.
    """
    import av
    import av.error

    with ByteSource(path, replace(limits, max_file=limits.max_movie)) as source:
        where = source.name
    try:
        with av.open(str(path), format="matroska", options={"protocol_whitelist": "file"}) as container:
            fmt, accuracy, calibration = meaning(dict(container.metadata), where)
            # FFmpeg has no decoder for some streams, whose context is then None
            streams = [s for s in container.streams.video if s.codec_context is not None]
            stream = streams[0] if streams else None
            if stream is None or stream.codec_context.name != "ffv1" or stream.codec_context.pix_fmt != "gray16le":
                raise MalformedError("the tags declare depth, but there is no FFV1 video of 16-bit gray", where=where)
            limits.check_picture(stream.codec_context.width, stream.codec_context.height, 2, where=where,
                                 packed=container.size)
            number = 0
            for packet in container.demux(stream):
                if packet.size and not whole(bytes(packet)):
                    raise MalformedError(f"frame {number} is damaged: its check sum is wrong", where=where)
                for frame in packet.decode():
                    if frame.pts is None or frame.time_base is None:
                        raise MalformedError(f"frame {number} has no time stamp", where=where)
                    yield VideoFrame(Fraction(frame.pts) * Fraction(frame.time_base),
                                     DepthData(_bits(frame).view(np.float16), fmt, calibration=calibration,
                                               accuracy=accuracy))
                    number += 1
    except (av.error.FFmpegError, UnicodeDecodeError) as error:     # UnicodeDecodeError: tags that are not text
        raise MalformedError(f"the file cannot be read as Matroska: {error}", where=where) from None


def whole(packet: bytes) -> bool:
    """Return whether the check sums of all slices are correct. FFmpeg silently conceals damaged slices.

    A slice ends in its size (3 bytes), a status byte and its CRC-32 (RFC 9043, 4.9): polynomial 04C11DB7, most
    significant bit first, starting from 0. Over a slice including its CRC the result is 0. zlib's CRC is the same with
    reversed bits.
    """
    end = len(packet)
    while end >= FOOTER:
        start = end - FOOTER - int.from_bytes(packet[end - FOOTER : end - FOOTER + 3], "big")
        if start < 0 or zlib.crc32(packet[start:end].translate(_REVERSED), 0xFFFFFFFF) != 0xFFFFFFFF:
            return False
        end = start
    return end == 0


def _bits(frame: Any) -> NDArray[np.uint16]:
    pixels: NDArray[np.uint16] = np.ascontiguousarray(frame.to_ndarray(format="gray16le"), np.uint16)
    return pixels


def meaning(tags: dict[str, str], where: str) -> tuple[PixelFormat, Any, Calibration | None]:
    """Return (format, accuracy, calibration) from a video's tags.

    Raises:
        NoDepthError: The tags are missing.
        UnsupportedError: The layout is newer.
        MalformedError: A tag is not valid.
    """
    if "GPUDEPTH" not in tags:
        raise NoDepthError("the video does not declare any depth", where=where,
                           hint="a depth video of another program does not define what its codes mean; give the ends, "
                                "gpudepth attach CLIP THIS --near M --far M, or use a job")
    if tags["GPUDEPTH"] != VERSION:
        raise UnsupportedError(f"the depth video has version {tags['GPUDEPTH'][:20]!r}", where=where,
                               hint="it was written by a newer gpudepth; update this one")
    fmt, accuracy = FORMATS.get(tags.get("DEPTH_FORMAT", "")), tags.get("DEPTH_ACCURACY")
    if fmt is None or accuracy not in ("relative", "absolute"):
        raise MalformedError(f"its tags are {tags.get('DEPTH_FORMAT', '')[:20]!r}, {str(accuracy)[:20]!r}", where=where)
    calibration = None
    if "DEPTH_CALIBRATION" in tags:
        try:
            about = json.loads(tags["DEPTH_CALIBRATION"])
            matrix = np.array(about["intrinsics"], np.float64).reshape(3, 3)
            calibration = Calibration(matrix, float(about["width"]), float(about["height"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise MalformedError(f"the tag DEPTH_CALIBRATION is damaged: {error}", where=where) from None
        if not np.isfinite(matrix).all():
            raise MalformedError("the tag DEPTH_CALIBRATION holds values that are not finite", where=where)
    return fmt, accuracy, calibration
