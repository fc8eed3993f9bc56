"""Finds the auxiliary tracks of an MP4-AT file and those that hold depth, and reads their frames."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...containers.google.gdepth import from_codes
from ...depth import numeric
from ...depth.pixel_format import stored
from ...errors import MalformedError, NoDepthError, RangeError, TruncatedError, UnsupportedError
from ...formats.bytesource import ByteSource, Window
from ...formats.hevc.parameter_sets import Configuration
from ...formats.isobmff.box import Box, walk
from ...formats.quicktime import movie
from ...formats.quicktime.metadata import Value, metadata_of, uint
from ...formats.quicktime.movie import Movie, Track
from ...formats.quicktime.samples import Ints, SampleEntry
from ...limits import DEFAULT, Limits
from ..quicktime.log_code import require_values
from ..quicktime.reader import TrackFrame, inside
from ..track_decoder import CodedTrack, decode, only_entry

OFFSET, LENGTH = "auxiliary.tracks.offset", "auxiliary.tracks.length"
INTERLEAVED, MAP = "auxiliary.tracks.interleaved", "auxiliary.tracks.map"
ACCURACY = "gpudepth.accuracy"      # our own key
LINEAR, INVERSE = 1, 2      # track types of depth
_SAMPLE = struct.Struct("<eeH")
_ENTRY = 4
METADATA = 3
KINDS = {0: "sharp video", LINEAR: "depth, linear", INVERSE: "depth, inverse", METADATA: "timed depth metadata",
         4: "translucent video"}
MIME = b"application/x-depth-metadata"
# sample entry → FFmpeg's decoder, and the box of its configuration
CODECS = {"hvc1": ("hevc", "hvcC"), "hev1": ("hevc", "hvcC"), "avc1": ("h264", "avcC"), "avc3": ("h264", "avcC")}
MAX_META = 1 << 20


@dataclass(frozen=True)
class Axte:
    """The box of auxiliary tracks.

    Attributes:
        box: The box.
        content: The MP4 in it.
        values: Metadata of its moov.
        types: Types of its tracks, from auxiliary.tracks.map.
        interleaved: Whether samples are in the outer movie's mdat.
        notes: What is unusual.
    """

    box: Box
    content: Movie
    values: dict[str, Value]
    types: tuple[int, ...]
    interleaved: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AuxiliaryDepth(CodedTrack):
    """A depth track.

    Attributes:
        inverse: Whether codes are linear in 1/depth.
        ranges: Track with near and far of each frame, or None.
        metric: Whether the values are metric.
        notes: What is unusual.
    """

    inverse: bool = True
    ranges: Track | None = None
    metric: bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def _sample_of(self) -> Ints:
        """Index of the metadata sample of each frame in presentation order: that of its time, or the last before it."""
        assert self.ranges is not None
        times = self.ranges.samples.presentation_times
        order = np.argsort(times, kind="stable")
        unit = float(self.track.unit() / self.ranges.unit())
        wanted = self.track.samples.presentation_times[self.order] * unit
        at = np.searchsorted(times[order], wanted + 0.5, side="right") - 1      # half a unit is rounding
        found: Ints = order[np.maximum(at, 0)].astype(np.int64)
        return found

    def near_far(self, frame: int) -> NearFar:
        """Return near and far of a frame, in presentation order: those of its time, or the last before it.

        Raises:
            MalformedError: The sample is damaged.
            NoDepthError: There is no sample.
        """
        if self.ranges is None:
            raise NoDepthError("there is no timed depth metadata, so the codes cannot be converted to metres",
                               where=self.track.path)
        samples = self.ranges.samples
        if not samples.count:
            raise NoDepthError("the timed depth metadata is empty", where=samples.path)
        number = int(self._sample_of[frame])
        size = int(samples.sizes[number])
        where = f"{samples.path}: sample {number}"
        if size > MAX_META:
            raise MalformedError(f"the depth metadata has {size:,} bytes", where=where)
        return NearFar.parse(samples.source.read(int(samples.offsets[number]), size, "depth metadata"), where,
                             inverse=self.inverse)


def find_axte(source: ByteSource, content: Movie) -> Box | None:
    """Find the axte box: where moov's keys point, or else among the boxes of the file.

    Raises MalformedError and its subclasses.
    """
    offset = uint(metadata_of(source, content.moov).values.get(OFFSET), 8)
    if offset is not None and offset + 8 <= source.size and source.read(offset + 4, 4) == b"axte":
        return next(walk(source, offset, source.size, "", source.limits))
    with contextlib.suppress(MalformedError, TruncatedError):       # bytes after the last box are ignored
        return next((b for b in walk(source, 0, source.size, "", source.limits) if b.type == "axte"), None)
    return None


def open_axte(source: ByteSource, content: Movie, *, strict: bool = True) -> Axte | None:
    """Return the auxiliary tracks of a movie, or None without any. Unless `strict`, an invalid map results in no types.

    Raises MalformedError, TruncatedError.
    """
    box = find_axte(source, content)
    if box is None:
        return None
    declared, notes = metadata_of(source, content.moov).values, []
    if (uint(declared.get(OFFSET), 8), uint(declared.get(LENGTH), 8)) != (box.start, box.size):
        notes.append(f"{OFFSET} and {LENGTH} in moov/meta are not those of the axte box")
    moov = next((b for b in walk(source, box.payload, box.end, box.path, source.limits) if b.type == "moov"), None)
    if moov is None:
        raise MalformedError("the box has no moov", where=box.path)
    values = metadata_of(source, moov).values
    interleaved = uint(values.get(INTERLEAVED), 1) == 1
    if interleaved:     # offsets count from the start of the file
        inner = movie.read(source, moov)
    else:
        window = Window(source, box.payload, box.end - box.payload)
        inner = movie.read(window, replace(movie.find_moov(window), path=moov.path))
    types: tuple[int, ...] = ()
    try:
        types = _types(values.get(MAP), f"{moov.path}/meta")
    except MalformedError:
        if strict:
            raise
    return Axte(box, inner, values, types, interleaved, tuple(notes))


def _types(value: Value | None, where: str) -> tuple[int, ...]:
    """Parse a version byte, a count byte and one byte per track."""
    if value is None:
        raise MalformedError(f"{MAP}, which declares the types of the tracks, is missing", where=where)
    data = value.data
    if len(data) < 2 or data[0] != 1 or len(data) < 2 + data[1]:
        raise MalformedError(f"{MAP} is {data[:8].hex()}; expected version 1, a count and as many types", where=where)
    return tuple(data[2 : 2 + data[1]])


def depth_of(axte: Axte) -> AuxiliaryDepth | None:
    """Return the first depth track, or None. Raises UnsupportedError for codecs, MalformedError."""
    source, tracks, notes = axte.content.source, axte.content.tracks, list(axte.notes)
    if len(tracks) != len(axte.types):
        notes.append(f"{MAP} declares {len(axte.types)} tracks, but there are {len(tracks)}")
    kinds = list(zip(tracks, axte.types, strict=False))
    found = [(t, kind) for t, kind in kinds if kind in (LINEAR, INVERSE)]
    if not found:
        return None
    if len(found) > 1:
        notes.append(f"there are {len(found)} depth tracks; the first is used")
    track, kind = found[0]
    ranges = next((t for t, k in kinds if k == METADATA), None)
    entry = only_entry(track)
    codec, configuration = _configuration(source, entry)
    width, height, bits = _coding(entry, codec, configuration)
    colr = entry.extension(source, "colr")
    if colr is None or colr[:4] != b"nclx" or len(colr) < 11 or not colr[10] & 0x80:
        notes.append("the sample entry does not declare the range of codes (colr); full range is assumed")
    accuracy = axte.values.get(ACCURACY)
    return AuxiliaryDepth(track, width, height, bits, codec, configuration, axte.content.time_scale, None,
                          inverse=kind == INVERSE, ranges=ranges, notes=tuple(notes),
                          metric=accuracy is not None and accuracy.data == b"absolute")


def _configuration(source: ByteSource, entry: SampleEntry) -> tuple[str, bytes]:
    """Return FFmpeg's name of the decoder, and the payload of hvcC or avcC. Raises UnsupportedError, MalformedError."""
    if entry.format not in CODECS:
        raise UnsupportedError(f"the track is coded as {entry.format!r}; HEVC and H.264 are supported",
                               where=entry.path)
    codec, name = CODECS[entry.format]
    configuration = entry.extension(source, name)
    if configuration is None:
        raise MalformedError(f"the {name} box is missing", where=entry.path)
    return codec, configuration


def _coding(entry: SampleEntry, codec: str, configuration: bytes) -> tuple[int, int, int]:
    """Return width, height and bits of the pictures. Raises UnsupportedError, MalformedError."""
    width, height, bits = entry.width, entry.height, 8
    if codec == "hevc":
        sequence = Configuration.parse(configuration, f"{entry.path}/hvcC").sequence()
        width, height, bits = sequence.width, sequence.height, sequence.bit_depth
    elif len(configuration) > 1 and configuration[1] in (110, 122):     # High 10 and 4:2:2
        bits = 10
    if bits not in (8, 10):
        raise UnsupportedError(f"codes have {bits} bits; MP4-AT allows 8 or 10", where=entry.path)
    return width, height, bits


def find(source: ByteSource, content: Movie) -> AuxiliaryDepth | None:
    """Return the depth of an MP4-AT movie, or None without any. Raises FileError and its subclasses."""
    axte = open_axte(source, content)
    return None if axte is None else depth_of(axte)


@dataclass(frozen=True)
class NearFar:
    """The ends of a depth track's codes.

    Attributes:
        near: Near end in metres, a half float.
        far: Far end in metres, a half float; may be infinite where codes are linear in the inverse.
        inverse: Whether codes are linear in 1/depth.

    Raises:
        RangeError: The range is not valid.
    """

    near: float
    far: float
    inverse: bool

    def __post_init__(self) -> None:
        infinite = np.isposinf(self.far) and self.inverse
        usable = np.isfinite(self.near) and (np.isfinite(self.far) or infinite) and 0 <= self.near < self.far
        if not usable or (self.inverse and self.near == 0):
            raise RangeError(f"near {self.near:g} and far {self.far:g} are not a valid range",
                             hint="0 < near < far, in metres")

    @classmethod
    def outward(cls, lo: float, hi: float, *, inverse: bool) -> NearFar:
        """Return the narrowest range of halves that holds [lo, hi] (1/metres if `inverse`). Raises RangeError."""
        if not (np.isfinite(lo) and np.isfinite(hi) and 0 <= lo <= hi):
            raise RangeError(f"{lo:g} to {hi:g} is not a valid range")
        if inverse and hi < 1 / 65504:
            raise RangeError(f"{lo:g} to {hi:g} 1/m is farther than a half float can hold")
        near, far = ((1 / hi, 1 / lo if lo else np.inf) if inverse else (lo, hi))
        near, far = numeric.half_outward(near, up=False), numeric.half_outward(far, up=True)
        if far == near:
            far = float(np.nextafter(np.float16(near), np.float16(np.inf)))
        return cls(near, far, inverse)

    @classmethod
    def parse(cls, sample: bytes, where: str, *, inverse: bool) -> NearFar:
        """Parse a metadata sample. Raises TruncatedError, MalformedError."""
        if len(sample) < _SAMPLE.size:
            raise TruncatedError(f"the sample has {len(sample)} bytes; near, far and a count take {_SAMPLE.size}",
                                 where=where)
        near, far, entries = _SAMPLE.unpack_from(sample)
        if len(sample) < _SAMPLE.size + _ENTRY * entries:
            raise TruncatedError(f"a focal table of {entries} entries does not fit into {len(sample)} bytes",
                                 where=where)
        try:
            return cls(near, far, inverse)
        except RangeError as error:
            raise MalformedError(error.message, where=where) from None

    def serialise(self) -> bytes:
        """Return the sample, without a focal table."""
        return _SAMPLE.pack(self.near, self.far, 0)

    @property
    def ends(self) -> tuple[float, float]:
        """Return (lo, hi), in 1/metres if `inverse`, else in metres."""
        return (1 / self.far if np.isfinite(self.far) else 0.0, 1 / self.near) if self.inverse else (
            self.near, self.far)

    def codes(self, values: NDArray[Any], top: int) -> NDArray[Any]:
        """Convert values to codes.

        Args:
            values: Float values (H, W) in the quantity of `ends`; values outside get the code of the nearer end.
            top: Largest code.

        Raises:
            HolesError: There are NaN values, for which there is no code.
        """
        require_values(values)
        stored = numeric.store(values, *self.ends, top)
        return np.asarray(top, stored.dtype) - stored if self.inverse else stored


@contextlib.contextmanager
def open_depth(file: str | PathLike[str] | bytes, limits: Limits = DEFAULT) -> Iterator[AuxiliaryDepth]:
    """Open the depth track of an MP4-AT file until the block ends. The file may have limits.max_movie bytes.

    Raises:
        NoDepthError: It has no auxiliary depth track.
        MissingInputError: It does not exist.
        FileError: It is damaged.
    """
    with ByteSource(file, replace(limits, max_file=limits.max_movie)) as source, inside(source):
        track = find(source, movie.read(source))
        if track is None:
            raise NoDepthError("the movie has no auxiliary depth track", where=source.name)
        yield track


def frames(depth: AuxiliaryDepth, start: int = 0, stop: int | None = None, stride: int = 1, *,
           oriented: bool = True) -> Iterator[TrackFrame]:
    """Read every stride-th frame of [start, stop), counted in presentation order; stop None means all that follow.

    Values are disparity where the track is linear in the inverse, else depth; each frame has its own near and far. They
    are relative unless the file declares otherwise, which only gpudepth's files can.

    Raises:
        UsageError: The range is not in the track.
        NoDepthError: Near and far are missing.
        FileError: The track is damaged; frames before the damage are correct.
    """
    stop = depth.stop(start, stop, stride)
    orientation = depth.orientation if oriented else 1
    form = "RangeInverse" if depth.inverse else "RangeLinear"
    with contextlib.closing(decode(depth, start, stop)) as decoded:
        for index, codes in decoded:
            if (index - start) % stride == 0:
                ends = depth.near_far(index)
                data = from_codes(codes.astype(np.uint8) if depth.bits == 8 else codes, form, ends.near, ends.far,
                                  orientation=orientation, where=depth.track.path, stored=stored(depth.bits),
                                  accuracy="absolute" if depth.metric else "relative")
                yield TrackFrame(index, depth.seconds(index), data, codes)
