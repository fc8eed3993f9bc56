"""Reads, writes and checks lossless depth video: FFV1 in Matroska.

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

import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..containers.rules import PRESENT, STRUCTURE, Checklist, Finding, Rule
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..depth.pixel_format import HDEP, HDIS, PixelFormat
from ..errors import GpudepthError, MalformedError, NoDepthError, UnsupportedError, UsageError
from ..formats.bytesource import ByteSource, SourceFile
from ..limits import DEFAULT, Limits
from .frame_writer import FrameWriter
from .track_decoder import VideoFrame

FORMATS = {fmt.name: fmt for fmt in (HDIS, HDEP)}
VERSION = "1"
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


LAYOUT, FFV1, RFC = "the layout of depth video, docs of this project", "FFV1, RFC 9043", "Matroska, RFC 9559"

CODEC = Rule("codec", "there is one video track, FFV1", LAYOUT)
PIXELS = Rule("pixels", "its pixels are 16-bit gray, the bits of half floats", LAYOUT)
LEVEL = Rule("level", "FFV1 has version 3 and its configuration in CodecPrivate", f"{FFV1} 4.2.1; {RFC}")
CHECK_SUMS = Rule("check-sums", "every slice has a correct check sum", f"{FFV1} 4.9: otherwise damage is silent")
ALONE = Rule("frames-alone", "every frame can be decoded independently", f"{LAYOUT}: then seeking is exact", must=())
VERSION_TAG = Rule("version", f"the tag GPUDEPTH is {VERSION}", LAYOUT)
FORMAT = Rule("format", f"the tag DEPTH_FORMAT is {' or '.join(FORMATS)}", LAYOUT)
UNIT = Rule("unit", "the tag DEPTH_UNIT is that of the format: 1/m or m", LAYOUT)
ACCURACY = Rule("accuracy", "the tag DEPTH_ACCURACY is relative or absolute", LAYOUT)
CALIBRATION = Rule("calibration", "the tag DEPTH_CALIBRATION, if present, is JSON of nine numbers and a size", LAYOUT)
ORDER = Rule("times", "frames have times, each later than the one before", f"{RFC}; {LAYOUT}")
DECODES = Rule("decodes", "every frame can be decoded", FFV1)


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Check a Matroska file against the rules; damage becomes a finding at its place."""
    import av
    import av.error

    out = Checklist(profile, source.name)
    # FFmpeg gets a file object, so that it cannot open other files.
    try:
        with av.open(io.BufferedReader(SourceFile(source)), format="matroska") as container:
            out.test(STRUCTURE, True, "Segment")
            _Check(out, container, source).run()
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        out.broken(STRUCTURE, MalformedError(f"the file cannot be read as Matroska: {error}"), "Segment")
    return out.findings


@dataclass
class _Frames:
    """Number of frames, and the indices of frames that break a rule."""

    number: int = 0
    damaged: list[int] = field(default_factory=list)
    dependent: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)


@dataclass
class _Check:
    out: Checklist
    container: Any
    source: ByteSource

    def run(self) -> None:
        out = self.out
        tags = dict(self.container.metadata)
        if not out.test(PRESENT, "GPUDEPTH" in tags, "Tags", "the tag GPUDEPTH is missing"):
            return
        self._tags(tags)
        videos = [s for s in self.container.streams.video if s.codec_context is not None]
        names = ", ".join(s.codec_context.name for s in videos) or "none"
        if not out.test(CODEC, len(videos) == 1 and names == "ffv1", "Tracks", f"the video tracks: {names}"):
            return
        stream = videos[0]
        context = stream.codec_context
        out.test(PIXELS, context.pix_fmt == "gray16le", "Tracks", f"the pixel format is {context.pix_fmt}")
        version = _version(bytes(context.extradata or b""))
        out.test(LEVEL, version == 3, "Tracks/CodecPrivate", f"version {version}" if version is not None else
                 "CodecPrivate is missing, which means version 0 or 1")
        try:
            self.source.limits.check_picture(context.width, context.height, 2, where=self.source.name,
                                             packed=self.source.size)
        except GpudepthError as error:
            out.broken(STRUCTURE, error, "Tracks")
            return
        self._frames(stream)

    def _tags(self, tags: dict[str, str]) -> None:
        out = self.out
        fmt = FORMATS.get(tags.get("DEPTH_FORMAT", ""))
        out.test(VERSION_TAG, tags["GPUDEPTH"] == VERSION, "Tags", f"it is {tags['GPUDEPTH'][:20]!r}")
        out.test(FORMAT, fmt is not None, "Tags", f"it is {tags.get('DEPTH_FORMAT', '')[:20]!r}")
        if fmt is not None:
            unit = "1/m" if fmt.name == "hdis" else "m"
            out.test(UNIT, tags.get("DEPTH_UNIT") == unit, "Tags", f"{tags.get('DEPTH_UNIT', '')[:20]!r} of {fmt.name}")
        accuracy = tags.get("DEPTH_ACCURACY", "")
        out.test(ACCURACY, accuracy in ("relative", "absolute"), "Tags", f"it is {accuracy[:20]!r}")
        if "DEPTH_CALIBRATION" in tags:
            good = {"GPUDEPTH": VERSION, "DEPTH_FORMAT": "hdis", "DEPTH_ACCURACY": "relative"}
            try:
                meaning(good | {"DEPTH_CALIBRATION": tags["DEPTH_CALIBRATION"]}, "Tags")
            except GpudepthError as error:
                out.broken(CALIBRATION, error, "Tags")
            else:
                out.test(CALIBRATION, True, "Tags")

    def _frames(self, stream: Any) -> None:
        import av.error

        out, seen, last = self.out, _Frames(), None
        try:
            for packet in self.container.demux(stream):
                if not packet.size:
                    continue
                if not whole(bytes(packet)):
                    seen.damaged.append(seen.number)
                if not packet.is_keyframe:
                    seen.dependent.append(seen.number)
                if packet.pts is None or (last is not None and packet.pts <= last):
                    seen.late.append(seen.number)
                last = packet.pts if packet.pts is not None else last
                packet.decode()
                seen.number += 1
        except (av.error.FFmpegError, ValueError) as error:
            out.broken(DECODES, MalformedError(f"frame {seen.number}: {error}"), f"frame {seen.number}")
        else:
            out.test(DECODES, seen.number > 0, "Cluster", "there is no frame")
        for rule, which in ((CHECK_SUMS, seen.damaged), (ALONE, seen.dependent), (ORDER, seen.late)):
            out.test(rule, not which, f"frame {which[0]}" if which else "Cluster",
                     f"{len(which)} of {seen.number} frames break this rule")


def _version(configuration: bytes) -> int | None:
    """Return FFV1's version from its configuration record, or None without one.

    Source: RFC 9043, 4.2 and 3.8.1: an unsigned symbol of the range coder, whose states are all 128 when it is read.
    """
    if len(configuration) < 8:
        return None
    low, span, at = int.from_bytes(configuration[:2], "big"), 0xFF00, 2

    def bit() -> int:
        nonlocal low, span, at
        upper = span * 128 >> 8
        span -= upper
        if low < span:
            value = 0
        else:
            low, span, value = low - span, upper, 1
        if span < 0x100:
            low, span = (low << 8) + (configuration[at] if at < len(configuration) else 0), span << 8
            at += 1
        return value

    if bit():
        return 0
    bits = 0
    while bits < 8 and bit():
        bits += 1
    value = 1
    for _ in range(bits):
        value = value * 2 + bit()
    return value
