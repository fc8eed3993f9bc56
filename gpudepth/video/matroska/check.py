"""Rules of depth video in Matroska, and a file held against them. The layout is ours, codec and container are not."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from ...containers.rules import PRESENT, STRUCTURE, Checklist, Finding, Rule
from ...errors import GpudepthError, MalformedError
from ...formats.bytesource import ByteSource
from .depth_video import FORMATS, VERSION, meaning, whole

LAYOUT, FFV1, RFC = "the layout of depth video, docs of this project", "FFV1, RFC 9043", "Matroska, RFC 9559"

CODEC = Rule("codec", "there is one video track, FFV1", LAYOUT)
PIXELS = Rule("pixels", "its pixels are 16-bit gray, the bits of half floats", LAYOUT)
LEVEL = Rule("level", "FFV1 is of version 3, with its configuration in CodecPrivate", f"{FFV1} 4.2.1; {RFC}")
CHECK_SUMS = Rule("check-sums", "every slice has a check sum, and it is right", f"{FFV1} 4.9: damage is silent else")
ALONE = Rule("frames-alone", "every frame can be decoded alone", f"{LAYOUT}: seeking is exact then", must=())
SAID = Rule("version", f"the tag GPUDEPTH says {VERSION}", LAYOUT)
FORMAT = Rule("format", f"the tag DEPTH_FORMAT is {' or '.join(FORMATS)}", LAYOUT)
UNIT = Rule("unit", "the tag DEPTH_UNIT is that of the format: 1/m or m", LAYOUT)
ACCURACY = Rule("accuracy", "the tag DEPTH_ACCURACY is relative or absolute", LAYOUT)
CALIBRATION = Rule("calibration", "the tag DEPTH_CALIBRATION, if there, is JSON of nine numbers and a size", LAYOUT)
ORDER = Rule("times", "frames have times, and each is later than the one before", f"{RFC}; {LAYOUT}")
DECODES = Rule("decodes", "every frame can be decoded", FFV1)


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Hold a Matroska file against the rules; damage is a finding at its place."""
    import av
    import av.error

    out = Checklist(profile, source.name)
    # FFmpeg is given what it asks for, and opens nothing by itself
    try:
        with av.open(io.BufferedReader(_File(source)), format="matroska") as container:
            out.test(STRUCTURE, True, "Segment")
            _Check(out, container, source).run()
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        out.broken(STRUCTURE, MalformedError(f"cannot be read as Matroska: {error}"), "Segment")
    return out.findings


class _File(io.RawIOBase):
    """A source as a file object."""

    def __init__(self, source: ByteSource) -> None:
        self.source, self.at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self.source.size - self.at)
        buffer[:length] = self.source.read(self.at, length)
        self.at += length
        return length

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.source.size}[whence]
        self.at = min(max(start + offset, 0), self.source.size)
        return self.at


@dataclass
class _Frames:
    """What went by: counts, and where the first broken one was."""

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
        if not out.test(PRESENT, "GPUDEPTH" in tags, "Tags", "it has no tag GPUDEPTH, and says nothing of depth"):
            return
        self._tags(tags)
        videos = [s for s in self.container.streams.video if s.codec_context is not None]
        names = ", ".join(s.codec_context.name for s in videos) or "none"
        if not out.test(CODEC, len(videos) == 1 and names == "ffv1", "Tracks", f"the video tracks: {names}"):
            return
        stream = videos[0]
        context = stream.codec_context
        out.test(PIXELS, context.pix_fmt == "gray16le", "Tracks", f"they are {context.pix_fmt}")
        version = _version(bytes(context.extradata or b""))
        out.test(LEVEL, version == 3, "Tracks/CodecPrivate", f"version {version}" if version is not None else
                 "there is no configuration: version 0 or 1")
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
        out.test(SAID, tags["GPUDEPTH"] == VERSION, "Tags", f"it says {tags['GPUDEPTH'][:20]!r}")
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
            out.test(DECODES, seen.number > 0, "Cluster", "there is none")
        for rule, which in ((CHECK_SUMS, seen.damaged), (ALONE, seen.dependent), (ORDER, seen.late)):
            out.test(rule, not which, f"frame {which[0]}" if which else "Cluster",
                     f"{len(which)} of {seen.number} frames are not so")


def _version(configuration: bytes) -> int | None:
    """FFV1's version, of its configuration record; None without one.

    RFC 9043, 4.2 and 3.8.1: an unsigned symbol of the range coder, whose states are all at 128 when it is read.
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
