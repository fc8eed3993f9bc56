"""A Matroska file laid out by hand, as the Azure Kinect's recorder has it: raw tracks that FFmpeg's muxer does not write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def element(identifier: int, payload: bytes) -> bytes:
    """An EBML element; its size always in eight bytes."""
    width = (identifier.bit_length() + 7) // 8
    return identifier.to_bytes(width, "big") + (1 << 56 | len(payload)).to_bytes(8, "big") + payload


def number(identifier: int, value: int) -> bytes:
    return element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


@dataclass(frozen=True)
class RawTrack:
    """frames: (milliseconds, bytes). fourcc: of the BITMAPINFOHEADER in CodecPrivate (V_MS/VFW/FOURCC)."""

    name: str
    fourcc: bytes
    width: int
    height: int
    frames: Sequence[tuple[int, bytes]]

    def entry(self, index: int) -> bytes:
        private = ((40).to_bytes(4, "little") + self.width.to_bytes(4, "little") + self.height.to_bytes(4, "little")
                   + (1).to_bytes(2, "little") + (16).to_bytes(2, "little") + self.fourcc + bytes(20))
        return element(0xAE,                                # TrackEntry
                       number(0xD7, index)                  # TrackNumber
                       + number(0x73C5, index)              # TrackUID
                       + number(0x83, 1)                    # TrackType: video
                       + element(0x536E, self.name.encode())        # Name
                       + element(0x86, b"V_MS/VFW/FOURCC")          # CodecID
                       + element(0x63A2, private)           # CodecPrivate
                       + element(0xE0, number(0xB0, self.width) + number(0xBA, self.height)))   # Video: width, height


def matroska(tracks: Sequence[RawTrack]) -> bytes:
    """EBML header, Segment of Info, Tracks and one Cluster a frame time."""
    head = element(0x1A45DFA3, number(0x4286, 1) + number(0x42F7, 1) + number(0x42F2, 4) + number(0x42F3, 8)
                   + element(0x4282, b"matroska") + number(0x4287, 4) + number(0x4285, 2))
    info = element(0x1549A966, number(0x2AD7B1, 1_000_000) + element(0x4D80, b"test") + element(0x5741, b"test"))
    entries = element(0x1654AE6B, b"".join(track.entry(n) for n, track in enumerate(tracks, 1)))
    times = sorted({when for track in tracks for when, _ in track.frames})
    clusters = b""
    for time in times:
        blocks = b""
        for n, track in enumerate(tracks, 1):
            for when, data in track.frames:
                if when == time:    # SimpleBlock: track, time within the cluster, key frame
                    blocks += element(0xA3, bytes([0x80 | n]) + b"\0\0" + b"\x80" + data)
        clusters += element(0x1F43B675, number(0xE7, time) + blocks)
    return head + element(0x18538067, info + entries + clusters)
