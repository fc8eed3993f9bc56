"""Small movies for tests: streams that libx265 coded, boxes laid out here, whole files by FFmpeg's muxer."""

from __future__ import annotations

import functools
import struct
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gpudepth.depth import orientation
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.hevc.nal import join_lengths, nal_type, split_annex_b
from gpudepth.formats.hevc.parameter_sets import Configuration
from gpudepth.formats.isobmff.box import make, make_full
from gpudepth.formats.quicktime import movie
from gpudepth.formats.quicktime.movie import IDENTITY, MATRIX

DISC = bytes.fromhex("00000000 01 00000000 00020000")  # version and flags, 1, min 0.0, max 2.0


def hexed(text: str) -> bytes:
    """Bytes of hex lines; what follows a # is a comment."""
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


def matrix_for(exif_orientation: int, width: int, height: int) -> bytes:
    """Return the matrix for an Exif orientation of coded samples of width × height; the picture stays at x, y ≥ 0."""
    (a, c), (b, d) = orientation.matrix(exif_orientation).tolist()
    tx = sum(size for factor, size in ((a, width), (c, height)) if factor < 0)
    ty = sum(size for factor, size in ((b, width), (d, height)) if factor < 0)
    fixed = [round(v * 65536) for v in (a, b, c, d, tx, ty)]
    return struct.pack(MATRIX, fixed[0], fixed[1], 0, fixed[2], fixed[3], 0, fixed[4], fixed[5], 1 << 30)


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(*values: int) -> bytes:
    return b"".join((v & 0xFFFFFFFF).to_bytes(4, "big") for v in values)


@dataclass(frozen=True)
class Sample:
    """One coded picture, in decoding order; times in units of the track."""

    data: bytes
    shown: int
    decoded: int
    sync: bool


def ramp(index: int, width: int = 48, height: int = 32) -> Any:
    """(H, W) uint16 10-bit codes; every frame and every corner differs."""
    y, x = np.mgrid[:height, :width]
    return ((x * 11 + y * 7 + index * 97) % 1024).astype(np.uint16)


@functools.cache
def coded(count: int = 6, width: int = 48, height: int = 32, bframes: int = 2, pix_fmt: str = "gray10le",
          keyint: int = 4) -> tuple[bytes, tuple[Sample, ...]]:
    """(payload of hvcC, samples) of `ramp` frames 20 units apart, lossless."""
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = width, height, pix_fmt
    context.time_base = Fraction(1, 600)
    context.options = {"preset": "ultrafast", "x265-params":
                       f"keyint={keyint}:min-keyint={keyint}:scenecut=0:open-gop=0:bframes={bframes}:b-adapt=0:info=0:lossless=1:"
                       "repeat-headers=1:log-level=none:pools=none:frame-threads=1"}
    packets = []
    for n in range(count):
        codes = ramp(n, width, height)
        frame = av.VideoFrame.from_ndarray(codes if pix_fmt != "gray" else (codes >> 2).astype(np.uint8), format=pix_fmt)
        frame.pts, frame.time_base = n * 20, Fraction(1, 600)
        packets += context.encode(frame)
    packets += context.encode(None)
    nals = [n for p in packets for n in split_annex_b(bytes(p))]
    configuration = Configuration.of([n for i, n in enumerate(nals) if nal_type(n) not in (32, 33, 34) or n not in nals[:i]])
    samples = tuple(Sample(join_lengths([n for n in split_annex_b(bytes(p)) if nal_type(n) < 32]), p.pts, p.dts, p.is_keyframe)
                    for p in packets)
    return configuration.serialise()[8:], samples


def visual_entry(kind: str, width: int, height: int, extensions: bytes = b"") -> bytes:
    return make(kind, bytes(6) + u16(1) + bytes(16) + u16(width) + u16(height) + u32(72 << 16, 72 << 16, 0) + u16(1)
                + bytes(32) + u16(24) + b"\xff\xff" + extensions)


@dataclass
class Trak:
    """One track. Every part can be replaced by bytes, which is what the hostile tests do."""

    id: int
    handler: str
    entry: bytes
    samples: tuple[Sample, ...]
    width: int = 48
    height: int = 32
    flags: int = 3
    time_scale: int = 600
    matrix: bytes = IDENTITY
    references: dict[str, list[int]] = field(default_factory=dict)
    edits: list[tuple[int, int]] = field(default_factory=list)
    per_chunk: int = 2
    replace: dict[str, bytes | None] = field(default_factory=dict)

    def table(self, start: int) -> dict[str, bytes]:
        """The boxes of stbl; the samples lie side by side from `start`."""
        times = [s.decoded for s in self.samples]
        deltas = [*np.diff(times).tolist(), 20]
        sizes = [len(s.data) for s in self.samples]
        chunks = [start + sum(sizes[:n]) for n in range(0, len(sizes), self.per_chunk)]
        runs = [(1, self.per_chunk, 1)]
        if len(sizes) % self.per_chunk:
            runs.append((len(chunks), len(sizes) % self.per_chunk, 1))
            runs = runs[1:] if len(chunks) == 1 else runs
        first = self.samples[0].decoded if self.samples else 0
        sync = [n + 1 for n, s in enumerate(self.samples) if s.sync]
        boxes = {
            "stsd": make_full("stsd", 0, 0, u32(1) + self.entry),
            "stts": make_full("stts", 0, 0, u32(len(deltas)) + b"".join(u32(1, d) for d in deltas)),
            "ctts": make_full("ctts", 1, 0, u32(len(times)) + b"".join(u32(1, s.shown - s.decoded + first) for s in self.samples)),
            "stss": make_full("stss", 0, 0, u32(len(sync), *sync)),
            "stsc": make_full("stsc", 0, 0, u32(len(runs)) + b"".join(u32(*r) for r in runs)),
            "stsz": make_full("stsz", 0, 0, u32(0, len(sizes), *sizes)),
            "stco": make_full("stco", 0, 0, u32(len(chunks), *chunks)),
        }
        for kind, box in self.replace.items():
            if kind in boxes or kind == "co64":
                boxes[kind] = box or b""
        return boxes

    def build(self, start: int) -> bytes:
        parts = {
            "tkhd": make_full("tkhd", 0, self.flags, u32(0, 0, self.id, 0, 0) + bytes(16) + self.matrix
                              + u32(self.width << 16, self.height << 16)),
            "edts": make("edts", make_full("elst", 0, 0, u32(len(self.edits)) + b"".join(u32(*e, 1 << 16) for e in self.edits)))
            if self.edits else b"",
            "tref": make("tref", b"".join(make(k, u32(*ids)) for k, ids in self.references.items())) if self.references else b"",
            "mdhd": make_full("mdhd", 0, 0, u32(0, 0, self.time_scale, 20 * len(self.samples)) + bytes(4)),
            "hdlr": make_full("hdlr", 0, 0, u32(0) + self.handler.encode() + bytes(12) + b"\0"),
        }
        parts |= {k: v or b"" for k, v in self.replace.items() if k in parts}
        stbl = make("stbl", b"".join(self.table(start).values()))
        mdia = make("mdia", parts["mdhd"] + parts["hdlr"] + make("minf", stbl))
        return make("trak", parts["tkhd"] + parts["edts"] + parts["tref"] + mdia)


def build(traks: list[Trak], *, brand: str = "qt  ", moov_first: bool = False, time_scale: int = 600) -> bytes:
    """ftyp, mdat and moov (or moov before mdat)."""
    ftyp = make("ftyp", brand.encode() + u32(0) + brand.encode())
    media = b"".join(s.data for t in traks for s in t.samples)

    def moov(start: int) -> bytes:
        out = make_full("mvhd", 0, 0, u32(0, 0, time_scale, 120, 1 << 16) + u16(256) + bytes(10) + IDENTITY + bytes(24)
                        + u32(max(t.id for t in traks) + 1))
        for t in traks:
            out += t.build(start)
            start += sum(len(s.data) for s in t.samples)
        return make("moov", out)

    if moov_first:
        return ftyp + moov(len(ftyp) + len(moov(0)) + 8) + make("mdat", media)
    return ftyp + make("mdat", media) + moov(len(ftyp) + 8)


def colour_trak(number: int = 1, count: int = 6, **fields: Any) -> Trak:
    """A colour track whose samples nobody decodes."""
    samples = tuple(Sample(bytes([n + 1]) * 5, n * 20, n * 20, n == 0) for n in range(count))
    return Trak(number, fields.pop("handler", "vide"), visual_entry("jpeg", 96, 64), samples, 96, 64, **fields)


def depth_trak(number: int = 2, *, kind: str = "dish", disc: bytes | None = DISC, handler: str = "auxv", stream: Any = None,
               extensions: bytes = b"", **fields: Any) -> Trak:
    configuration, samples = stream or coded()
    inside = make("hvcC", configuration) + (make("disc", disc) if disc is not None else b"") + extensions
    return Trak(number, handler, visual_entry(kind, 48, 32, inside), samples, **fields)


def depth_movie(colour: dict[str, Any] | None = None, moov_first: bool = False, **fields: Any) -> bytes:
    """A colour track 1 that refers to depth track 2."""
    return build([colour_trak(**{"references": {"vdep": [2]}, **(colour or {})}), depth_trak(**fields)], moov_first=moov_first)


def parse(data: bytes) -> movie.Movie:
    return movie.read(ByteSource(data))


def muxed(count: int = 6, *, codec: str = "libx264", container: str = "mov", options: dict[str, str] | None = None,
          width: int = 96, height: int = 64, rate: int = 30) -> bytes:
    """A colour movie as FFmpeg's muxer writes it, B-frames included."""
    with tempfile.TemporaryDirectory() as folder:       # faststart opens the file a second time
        path = Path(folder) / "movie"
        _mux(path, count, codec, container, options or {}, width, height, rate)
        return path.read_bytes()


def _mux(path: Path, count: int, codec: str, container: str, options: dict[str, str], width: int, height: int, rate: int) -> None:
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        y, x = np.mgrid[:height, :width]
        for n in range(count):
            rgb = np.stack([x * 2 % 256, y * 3 % 256, (x + y + 8 * n) % 256], -1).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
