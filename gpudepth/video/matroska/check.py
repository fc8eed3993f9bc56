"""Checks depth video in Matroska against its rules. The layout is this project's; codec and container are standards."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from ...containers.rules import PRESENT, STRUCTURE, Checklist, Finding, Rule
from ...errors import GpudepthError, MalformedError
from ...formats.bytesource import ByteSource, SourceFile
from .depth_video import FORMATS, VERSION, meaning, whole

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
