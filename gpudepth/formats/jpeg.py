"""Parses JPEG streams (ITU-T T.81, JFIF, Exif): segments, the end of the stream, and its frame header.

Only headers are interpreted. Entropy-coded data is scanned for the next marker and never changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import MalformedError, TruncatedError
from ..limits import Limits

SOI, EOI, SOS, DQT, DRI, DHT, DNL, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xC4, 0xDC, 0xFE
APP0, APP1, APP2 = 0xE0, 0xE1, 0xE2
SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
ARITHMETIC = frozenset({0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
LOSSLESS = 0xC3
MAX_PAYLOAD = 65533
CHUNK = 1 << 17  # fits the caches twice
SHORT = 1 << 12  # for places where little data is expected: a file may have thousands of scans and runs of fill bytes

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
EXIF = b"Exif\0\0"
JFIF, JFXX, MPF = b"JFIF\0", b"JFXX\0", b"MPF\0"

# In entropy-coded data ff 00 is a byte and ff d0…d7 are restarts. Everything else is a marker, after any fill bytes.
_IS_MARKER = np.array([code not in (0x00, *range(0xD0, 0xD8), 0xFF) for code in range(256)])


class StreamSource(Protocol):
    """Something that streams are read from, such as a ByteSource."""

    name: str
    size: int
    limits: Limits

    def read(self, offset: int, length: int, what: str = ...) -> bytes: ...


@dataclass(frozen=True)
class Segment:
    """One marker segment.

    Attributes:
        marker: Its marker.
        start: Offset of its ff, including fill bytes.
        payload: Its content.
        end: Offset of the next marker or entropy-coded data.
    """

    marker: int
    start: int
    payload: bytes
    end: int

    @property
    def name(self) -> str:
        known = {SOI: "SOI", EOI: "EOI", SOS: "SOS", DQT: "DQT", DRI: "DRI", DHT: "DHT", DNL: "DNL", COM: "COM"}
        if 0xE0 <= self.marker <= 0xEF:
            return f"APP{self.marker - 0xE0}"
        return known.get(self.marker, f"SOF{self.marker - 0xC0}" if self.marker in SOF else f"{self.marker:02x}")

    def starts(self, marker: int, tag: bytes) -> bool:
        return self.marker == marker and self.payload.startswith(tag)

    def serialise(self) -> bytes:
        return make(self.marker, self.payload)


@dataclass(frozen=True)
class FrameHeader:
    """Fields of the start-of-frame segment.

    Attributes:
        marker: Its marker.
        bits: Bits per sample.
        width: Width in pixels.
        height: Height in pixels.
        components: Number of components.
    """

    marker: int
    bits: int
    width: int
    height: int
    components: int


@dataclass(frozen=True)
class Stream:
    """One image.

    Attributes:
        start: Offset of SOI.
        header: Segments before the first SOS.
        scan: Offset of the first SOS.
        end: Offset of the byte after EOI.
        frame: Its frame header.
        count: Number of all segments.
        total: Bytes in all segments.
    """

    start: int
    header: tuple[Segment, ...]
    scan: int
    end: int
    frame: FrameHeader
    count: int = 0
    total: int = 0

    @property
    def size(self) -> int:
        return self.end - self.start

    def find(self, marker: int, tag: bytes = b"") -> Segment | None:
        return next((s for s in self.header if s.starts(marker, tag)), None)

    def xmp(self) -> bytes | None:
        """Return the main XMP packet, without its APP1 heading."""
        found = self.find(APP1, XMP)
        return found.payload[len(XMP) :] if found else None


def make(marker: int, payload: bytes) -> bytes:
    """Return a marker segment. Raises MalformedError above 65,533 bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise MalformedError(f"{len(payload):,} bytes do not fit into a JPEG segment of {MAX_PAYLOAD:,}")
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def parse(source: StreamSource, start: int = 0, where: str = "", *, whole: bool = True) -> Stream:
    """Parse the stream that starts at `start`.

    Args:
        source: The file.
        start: Offset of SOI.
        where: Place for messages.
        whole: Whether to find the end; otherwise only the header is read, and `end` is the offset of the first scan.

    Raises:
        TruncatedError: There is no EOI.
        MalformedError: There is no SOI, a second SOI, garbage between segments, or no picture.
        LimitError: There are too many segments or bytes in them.
    """
    header: list[Segment] = []
    frame: FrameHeader | None = None
    scan = end = count = total = 0
    for segment in _segments(source, start, where):
        count, total, end = count + 1, total + len(segment.payload), segment.end
        if segment.marker in SOF:
            frame = frame or _frame(segment, where)
        if segment.marker == SOS:
            scan = scan or segment.start
            if not whole and frame is not None:
                end = scan
                break
        elif not scan and segment.marker != EOI:
            header.append(segment)
    if frame is None or not scan:
        raise MalformedError("the stream has tables but no picture", where=where or None)
    return Stream(start, tuple(header), scan, end, frame, count, total)


def _segments(source: StreamSource, start: int, where: str) -> Iterator[Segment]:
    """Yield the segments after SOI up to EOI. Raises MalformedError, TruncatedError, LimitError."""
    if start + 4 > source.size or source.read(start, 2) != b"\xff\xd8":
        raise MalformedError(f"there is no JPEG at {start:,}", where=where or None)
    prefix, total, at = f"{where}: " if where else "", 0, start + 2
    for count in itertools.count(1):
        source.limits.check("max_segments", count, "segments", where=f"{prefix}{at:,}")
        segment = _segment(source, at, prefix)
        total += len(segment.payload)
        source.limits.check("max_metadata", total, "bytes of segments", where=f"{prefix}{at:,}")
        if segment.marker == SOI:
            raise MalformedError(f"there is a second SOI at {segment.start:,}", where=where or None,
                                 hint="the file was damaged or joined by another program; save it again first")
        yield segment
        if segment.marker == EOI:
            return
        at = _next_marker(source, segment.end, prefix) if segment.marker == SOS else segment.end


def _segment(source: StreamSource, at: int, prefix: str) -> Segment:
    start = at
    if at + 2 > source.size:
        raise TruncatedError(f"the stream ends at {source.size:,} without an EOI marker", where=f"{prefix}{at:,}",
                             hint="the file is truncated; appending to it would hide the damage")
    head = source.read(at, 2)
    if head[0] != 0xFF:
        raise MalformedError(f"there is byte {head[0]:02x} at {at:,} instead of a marker", where=f"{prefix}{at:,}",
                             hint="the file was damaged; save it again first")
    while head[1] == 0xFF:  # fill bytes
        fill = source.read(at, min(SHORT, source.size - at))
        at += len(fill) - len(fill.lstrip(b"\xff")) - 1
        if at + 2 > source.size or at - start > CHUNK:
            raise TruncatedError("only fill bytes follow", where=f"{prefix}{at:,}")
        head = source.read(at, 2)
    marker = head[1]
    if marker == 0 or 0xD0 <= marker <= 0xD7:
        raise MalformedError(f"marker {marker:02x} at {at:,} is outside entropy-coded data", where=f"{prefix}{at:,}")
    if marker in (SOI, EOI, 0x01):
        return Segment(marker, start, b"", at + 2)
    if at + 4 > source.size:
        raise TruncatedError("the stream ends inside a segment header", where=f"{prefix}{at:,}")
    length = int.from_bytes(source.read(at + 2, 2), "big")
    if length < 2:
        raise MalformedError(f"segment {marker:02x} declares {length} bytes", where=f"{prefix}{at:,}")
    return Segment(marker, start, source.read(at + 4, length - 2, f"segment {marker:02x}"), at + 2 + length)


def _next_marker(source: StreamSource, at: int, prefix: str) -> int:
    """Return the offset of the first marker after entropy-coded data."""
    step = SHORT
    while at < source.size:
        chunk = source.read(at, min(step, CHUNK, source.size - at))
        codes = np.frombuffer(chunk, np.uint8)
        after = np.flatnonzero(codes[:-1] == 0xFF)
        markers = after[_IS_MARKER[codes[after + 1]]]
        if markers.size:
            return at + int(markers[0])
        if at + len(chunk) >= source.size:
            break
        at += len(chunk) - 1  # an ff may be the last byte
        step *= 2
    raise TruncatedError(f"entropy-coded data continues to the end at {source.size:,} without an EOI marker",
                         where=f"{prefix}{at:,}", hint="the file is truncated; appending to it would hide the damage")


def _frame(segment: Segment, where: str) -> FrameHeader:
    p, prefix = segment.payload, f"{where}: " if where else ""
    if len(p) < 6 or len(p) < 6 + 3 * p[5]:
        raise TruncatedError("the frame header is too short", where=f"{prefix}{segment.name}")
    height, width = int.from_bytes(p[1:3], "big"), int.from_bytes(p[3:5], "big")
    if not width or not height:
        raise MalformedError(f"the picture is {width} × {height}", where=f"{prefix}{segment.name}")
    return FrameHeader(segment.marker, p[0], width, height, p[5])
