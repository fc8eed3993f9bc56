"""Checks a movie against the rules of MP4-AT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...containers.rules import ONE_MAP, PRESENT, Checklist, Finding, Rule, check_file
from ...errors import GpudepthError, NoDepthError, UnsupportedError
from ...formats.bytesource import ByteSource
from ...formats.isobmff.box import walk
from ...formats.quicktime import movie
from ...formats.quicktime.metadata import RESERVED, UINT8, UINT64, metadata_of
from ...formats.quicktime.movie import Movie, Track
from ..track_decoder import decode_ends
from . import tracks
from .tracks import CODECS, INTERLEAVED, INVERSE, KINDS, LENGTH, LINEAR, MAP, METADATA, MIME, OFFSET, Axte, NearFar

SPEC = "MP4-AT 0.9"
CUSTOM = 128
MILLISECOND = 1e-3

KEYS = Rule("keys", f"moov/meta has {OFFSET} and {LENGTH}, of type {UINT64}", SPEC)
PLACE = Rule("axte-place", "they are the offset and the size of the axte box", SPEC)
AXTE = Rule("axte", "there is an axte box", f"{SPEC}: the keys alone do not prove it")
LAST = Rule("axte-last", "axte is the last box, so that removing it leaves the movie", f"{SPEC}: recommended",
            must=())
INNER = Rule("auxiliary-mp4", "axte holds an MP4 with moov and tracks", SPEC)
INTERLEAVED_VALUE = Rule("interleaved", f"{INTERLEAVED} is absent, 0 or 1, of type {UINT8}", SPEC)
SAMPLES = Rule("samples-place", "samples lie in axte's mdat, or interleaved in the outer one's", SPEC)
MAPPED = Rule("track-map", f"{MAP} is of type {RESERVED}: version 1, the number of tracks, one type per track", SPEC)
TYPES = Rule("track-types", f"track types are 0 to {max(KINDS)}, or {CUSTOM} and above", f"{SPEC}: others are reserved")
BITS = Rule("bits", "depth has 8 or 10 bits", SPEC)
COMMON = Rule("codec", f"depth is coded as {', '.join(CODECS)}", f"{SPEC} allows any common codec; these are supported",
              must=())
RANGES = Rule("depth-metadata", "a timed depth metadata track declares near and far",
              f"{SPEC}: nothing else defines what codes mean", must=())
MIME_TYPE = Rule("mime-type", f"its sample entry is mett, of type {MIME.decode()}", SPEC)
NEAR_FAR = Rule("near-far", "each of its samples has 0 ≤ near < far, and as many entries as it declares",
                f"{SPEC}; Dynamic Depth 1.0")
TIMES = Rule("times", "the access units of all timed tracks have the same times",
             f"{SPEC}: should, or frames are dropped", must=())
DECODES = Rule("decodes", "the first and the last frame can be decoded, at the declared size",
               "the codec's standard")


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Check a movie against the rules; damage becomes a finding at its place."""
    return check_file(source, profile, movie.read, lambda out, content: _Check(out, content).run(), where="moov")


@dataclass
class _Check:
    out: Checklist
    content: Movie

    def run(self) -> None:
        out, source, content = self.out, self.content.source, self.content
        values, where = metadata_of(source, content.moov).values, f"{content.moov.path}/meta"
        numbers = {k: values.get(k) for k in (OFFSET, LENGTH)}
        wrong = [f"{k} is missing" if v is None else f"{k} has type {v.type} and {len(v.data)} bytes"
                 for k, v in numbers.items() if v is None or (v.type, len(v.data)) != (UINT64, 8)]
        keys = out.test(KEYS, not wrong, where, "; ".join(wrong))
        box = tracks.find_axte(source, content)
        if not out.test(AXTE, box is not None, where, "it is missing, whatever the keys declare"):
            return
        assert box is not None
        if keys:
            named = tuple(int.from_bytes(v.data, "big") for v in numbers.values() if v is not None)
            out.test(PLACE, named == (box.start, box.size), where,
                     f"they are {named[0]:,} and {named[1]:,}; the box is at {box.start:,} and has {box.size:,} bytes")
        out.test(LAST, box.end == source.size, box.path, f"{source.size - box.end:,} bytes follow")
        try:
            axte = tracks.open_axte(source, content, strict=False)
            assert axte is not None
        except GpudepthError as error:
            out.broken(INNER, error, box.path)
            return
        out.test(INNER, bool(axte.content.tracks), box.path, "it has no track")
        self._static(axte)
        self._tracks(axte)

    def _static(self, axte: Axte) -> None:
        out, where = self.out, f"{axte.content.moov.path}/meta"
        value = axte.values.get(INTERLEAVED)
        good = value is None or (value.type == UINT8 and value.data in (b"\0", b"\1"))
        out.test(INTERLEAVED_VALUE, good, where, f"type {value.type}, {value.data[:4].hex()}" if value else "")
        value, count = axte.values.get(MAP), len(axte.content.tracks)
        good = value is not None and value.type == RESERVED and value.data[:2] == bytes([1, count]) and (
            len(value.data) == 2 + count)
        out.test(MAPPED, good, where, f"type {value.type}, {value.data[:16].hex()} for {count} tracks" if value else
                 "it is missing")
        reserved = [t for t in axte.types if t not in KINDS and t < CUSTOM]
        out.test(TYPES, not reserved, where, f"types {', '.join(map(str, reserved))}")

    def _tracks(self, axte: Axte) -> None:
        out, moov = self.out, axte.content.moov
        kinds = list(zip(axte.content.tracks, axte.types, strict=False))
        depth = [t for t, kind in kinds if kind in (LINEAR, INVERSE)]
        if not out.test(PRESENT, bool(depth), moov.path, "no track is depth (1 or 2)"):
            return
        out.test(ONE_MAP, len(depth) == 1, depth[-1].path, f"{len(depth)} tracks")
        ranges = next((t for t, kind in kinds if kind == METADATA), None)
        out.test(RANGES, ranges is not None, moov.path, "it is missing")
        if ranges is not None:
            self._ranges(ranges, inverse=(depth[0], INVERSE) in kinds)
        self._places(axte)
        self._times([self._first_video(), depth[0], ranges])
        self._depth(axte, depth[0])

    def _ranges(self, track: Track, *, inverse: bool) -> None:
        out, entry, samples = self.out, track.entries[0], track.samples
        box = next(iter(walk(samples.source, *_inside_stsd(track), entry.path)), None)
        raw = samples.source.read(box.payload, min(box.end - box.payload, 256), "mett") if box is not None else b""
        out.test(MIME_TYPE, entry.format == "mett" and MIME in raw.split(b"\0"), entry.path,
                 f"{entry.format!r}, {raw[8:].split(bytes(1))[1:2]}")
        try:
            for number in range(samples.count):
                size, where = int(samples.sizes[number]), f"{samples.path}: sample {number}"
                NearFar.parse(samples.source.read(int(samples.offsets[number]), min(size, tracks.MAX_META)), where,
                              inverse=inverse)
        except GpudepthError as error:
            out.broken(NEAR_FAR, error, samples.path)
            return
        out.test(NEAR_FAR, samples.count > 0, samples.path, "it has no sample")

    def _places(self, axte: Axte) -> None:
        out, source = self.out, axte.content.source
        start = axte.box.payload if not axte.interleaved else 0
        mdats = [(b.payload + start, b.end + start) for b in walk(source, 0, source.size) if b.type == "mdat"]
        for track in axte.content.tracks:
            samples = track.samples
            try:
                offsets = samples.offsets + start
            except GpudepthError as error:
                out.broken(SAMPLES, error, samples.path)
                return
            inside = np.zeros(samples.count, np.bool_)
            for a, b in mdats:
                inside |= (offsets >= a) & (offsets + samples.sizes <= b)
            if not inside.all():
                out.test(SAMPLES, False, samples.path, f"{int((~inside).sum())} of track {track.id} are elsewhere")
                return
        out.test(SAMPLES, True, axte.box.path)

    def _first_video(self) -> Track | None:
        return next(iter(self.content.of_handler("vide")), None)

    def _times(self, timed: list[Track | None]) -> None:
        out = self.out
        found: list[tuple[Track, NDArray[Any]]] = []
        for track in timed:
            if track is not None:
                try:
                    found.append((track, np.sort(track.samples.presentation_times) * float(track.unit())))
                except GpudepthError as error:
                    out.broken(TIMES, error, track.path)
                    return
        first = found[0][1]
        for track, times in found[1:]:
            same = len(times) == len(first)
            same = same and (not len(times) or float(np.abs(times - times[0] - (first - first[0])).max()) < MILLISECOND)
            if not out.test(TIMES, same, track.samples.path, f"{len(times)} access units of track {track.id}, "
                                                             f"{len(first)} of the video, or at other times"):
                return

    def _depth(self, axte: Axte, track: Track) -> None:
        out, entry = self.out, track.entries[0]
        if not out.test(COMMON, entry.format in CODECS, entry.path, f"it is {entry.format!r}"):
            return
        try:
            depth = tracks.depth_of(axte)
            assert depth is not None
            out.test(BITS, True, entry.path)
            if not depth.frames:
                raise NoDepthError("there is no sample", where=track.samples.path)
            decode_ends(depth)
        except UnsupportedError as error:
            out.broken(BITS, error, entry.path)
            return
        except GpudepthError as error:
            out.broken(DECODES, error, track.samples.path)
            return
        out.test(DECODES, True, track.samples.path)


def _inside_stsd(track: Track) -> tuple[int, int]:
    """Return the start and end of the entries in a track's stsd."""
    box = track.samples.boxes["stsd"]
    return box.payload + 8, box.end
