"""Parses a track's sample table: ISO/IEC 14496-12, 8.6 (times, sync samples) and 8.7 (sizes, chunks, offsets).

Counts are checked against the box, the file and `limits.max_samples` before memory for them is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, MalformedError, TruncatedError
from ...limits import DEFAULT, Limits
from ..isobmff.box import Box, Cursor, Readable, walk

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SampleTable:
    """The boxes of one stbl, which are read when a property is used.

    Arrays are in decoding order and have one number per sample.

    Every property raises MalformedError, TruncatedError or LimitError when its boxes are inconsistent.

    Attributes:
        source: The file.
        boxes: The boxes by type.
        path: Path of stbl for messages.
        limits: What the file may ask for.
    """

    source: Readable
    boxes: dict[str, Box]
    path: str
    limits: Limits = DEFAULT

    @cached_property
    def count(self) -> int:
        """Number of samples, from stsz."""
        _, count, _ = self._stsz
        return count

    @cached_property
    def sizes(self) -> Ints:
        """Bytes of each sample."""
        size, count, box = self._stsz
        if size:
            return np.full(count, size, np.int64)
        if box.type == "stz2":
            return self._compact_sizes(box, count)
        return self._array(box, 12, ">u4", count).astype(np.int64)

    @cached_property
    def offsets(self) -> Ints:
        """Offset of each sample in the file. Samples are inside the file, and no two share bytes."""
        chunks = self._chunk_offsets
        per_chunk = self._samples_per_chunk
        sizes, ends = self.sizes, np.cumsum(self.sizes)
        if self.count == 0:
            return np.zeros(0, np.int64)
        if int(ends[-1]) > self.source.size:
            raise MalformedError(f"{self.count:,} samples have {int(ends[-1]):,} bytes, the file {self.source.size:,}",
                                 where=self.path)
        first = np.cumsum(per_chunk) - per_chunk  # first sample of each chunk; chunks may be empty, even the last
        before = np.concatenate([[0], ends])
        out: Ints = np.repeat(chunks - before[first], per_chunk) + before[:-1]
        self._check_places(out, sizes)
        return out

    @cached_property
    def decode_times(self) -> Ints:
        """Time at which each sample is decoded, in units of mdhd's time scale, from 0."""
        runs = self._runs("stts", signed=False)
        deltas = self._repeat("stts", runs)
        return np.asarray(np.cumsum(deltas) - deltas, np.int64)

    @cached_property
    def presentation_times(self) -> Ints:
        """Time at which each sample is shown, in the same units, before the edit list."""
        if "ctts" not in self.boxes:
            return self.decode_times
        # In ISO's text version 0 has unsigned offsets, but QuickTime and all known writers use signed ones.
        return self.decode_times + self._repeat("ctts", self._runs("ctts", signed=True))

    @cached_property
    def durations(self) -> Ints:
        """Duration of each sample (in decoding), in the same units."""
        return self._repeat("stts", self._runs("stts", signed=False))

    @cached_property
    def sync(self) -> NDArray[np.bool_]:
        """Whether decoding can start at each sample; always true without an stss box."""
        if "stss" not in self.boxes:
            return np.ones(self.count, np.bool_)
        box = self.boxes["stss"]
        numbers = self._array(box, 8, ">u4", self._entry_count(box)).astype(np.int64)
        if numbers.size and (int(numbers.min()) < 1 or int(numbers.max()) > self.count):
            raise MalformedError(f"the box lists sample {int(numbers.max()):,} of {self.count:,}, counted from 1",
                                 where=box.path)
        out = np.zeros(self.count, np.bool_)
        out[numbers - 1] = True
        return out

    @cached_property
    def descriptions(self) -> Ints:
        """Index of the stsd entry of each sample, from 0."""
        return np.repeat(self._chunk_runs[1], self._samples_per_chunk)

    # -- boxes --------------------------------------------------------------------------------------------------------

    @cached_property
    def _stsz(self) -> tuple[int, int, Box]:
        """Return (size of all samples or 0, count, box); with stz2 (8.7.3.3) the size is 0."""
        box = self.boxes.get("stsz") or self.boxes.get("stz2")
        if box is None:
            raise MalformedError("there is neither stsz nor stz2", where=self.path)
        head = self._head(box, 12)
        size, count = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
        self.limits.check("max_samples", count, where=box.path)
        return (size if box.type == "stsz" else 0), count, box

    def _compact_sizes(self, box: Box, count: int) -> Ints:
        bits = self._head(box, 12)[7]
        if bits == 16:
            return self._array(box, 12, ">u2", count).astype(np.int64)
        if bits == 8:
            return self._array(box, 12, ">u1", count).astype(np.int64)
        if bits == 4:
            pairs = self._array(box, 12, ">u1", (count + 1) // 2).astype(np.int64)
            return np.stack([pairs >> 4, pairs & 15], 1).ravel()[:count]
        raise MalformedError(f"sizes have {bits} bits; 4, 8 or 16 are allowed", where=box.path)

    @cached_property
    def _chunk_offsets(self) -> Ints:
        box = self.boxes.get("stco") or self.boxes.get("co64")
        if box is None:
            raise MalformedError("there is neither stco nor co64", where=self.path)
        raw = self._array(box, 8, ">u4" if box.type == "stco" else ">u8", self._entry_count(box))
        if raw.size and int(raw.max()) > self.source.size:
            raise TruncatedError(f"a chunk starts at {int(raw.max()):,}, but the file ends at {self.source.size:,}",
                                 where=box.path)
        return raw.astype(np.int64)

    @cached_property
    def _chunk_runs(self) -> tuple[Ints, Ints]:
        """Return (samples, description) of each chunk, from stsc's runs."""
        box = self._box("stsc")
        chunks = len(self._chunk_offsets)
        table = self._array(box, 8, ">u4", 3 * self._entry_count(box)).astype(np.int64).reshape(-1, 3)
        if not len(table):
            if self.count:
                raise MalformedError(f"the box is empty, but there are {self.count:,} samples", where=box.path)
            return np.zeros(chunks, np.int64), np.zeros(chunks, np.int64)
        first = table[:, 0]
        if int(first[0]) != 1 or (np.diff(first) <= 0).any():
            raise MalformedError("the runs do not start at chunk 1, or do not rise", where=box.path)
        if int(table[:, 2].min()) < 1:
            raise MalformedError("the box has sample description 0, but they count from 1", where=box.path)
        # Some writers leave runs for chunks that do not exist; they are ignored.
        starts = np.minimum(first - 1, chunks)
        lengths = np.diff(np.append(starts, chunks))
        return np.repeat(table[:, 1], lengths), np.repeat(table[:, 2] - 1, lengths)

    @cached_property
    def _samples_per_chunk(self) -> Ints:
        per_chunk = self._chunk_runs[0]
        total = int(per_chunk.sum())  # 2^22 entries below 2^32: no wrap-around
        if total != self.count:
            raise MalformedError(f"the chunks hold {total:,} samples, but stsz {self.count:,}",
                                 where=self._box("stsc").path)
        return per_chunk

    def _check_places(self, offsets: Ints, sizes: Ints) -> None:
        beyond = np.flatnonzero(offsets + sizes > self.source.size)
        if beyond.size:
            n = int(beyond[0])
            raise TruncatedError(f"sample {n} at {int(offsets[n]):,}…{int(offsets[n] + sizes[n]):,} is outside the "
                                 f"file of {self.source.size:,} bytes", where=self.path,
                                 hint="the file is truncated; copy it again")
        order = np.argsort(offsets, kind="stable")
        order = order[sizes[order] > 0]
        shared = np.flatnonzero(offsets[order][:-1] + sizes[order][:-1] > offsets[order][1:])
        if shared.size:
            one, other = (int(n) for n in order[shared[0] : shared[0] + 2])
            raise MalformedError(f"samples {one} and {other} share bytes at {int(offsets[other]):,}", where=self.path)

    def _runs(self, kind: str, *, signed: bool) -> tuple[Ints, Ints]:
        """Return (count, value) of each run in a run-length table."""
        box = self._box(kind)
        table = self._array(box, 8, ">u4", 2 * self._entry_count(box)).reshape(-1, 2)
        values = table[:, 1].astype(np.uint32)
        return table[:, 0].astype(np.int64), (values.view(np.int32) if signed else values).astype(np.int64)

    def _repeat(self, kind: str, runs: tuple[Ints, Ints]) -> Ints:
        counts, values = runs
        total = int(counts.sum())
        if total != self.count:
            raise MalformedError(f"the box describes {total:,} samples, but stsz {self.count:,}",
                                 where=self._box(kind).path)
        return np.repeat(values, counts)

    def _box(self, kind: str) -> Box:
        if kind not in self.boxes:
            raise MalformedError(f"there is no {kind}", where=self.path)
        return self.boxes[kind]

    def _head(self, box: Box, length: int) -> bytes:
        if box.end - box.payload < length:
            raise MalformedError(f"the box needs {length} bytes, but has {box.end - box.payload}", where=box.path)
        return self.source.read(box.payload, length, box.type)

    def _entry_count(self, box: Box) -> int:
        """Return the count after version and flags; it cannot exceed the number of samples allowed."""
        count = int.from_bytes(self._head(box, 8)[4:8], "big")
        if self.limits.max_samples and count > self.limits.max_samples:
            raise LimitError(f"the box declares {count:,} entries, limits.max_samples is {self.limits.max_samples:,}",
                             where=box.path)
        return count

    def _array(self, box: Box, at: int, dtype: str, count: int) -> NDArray[Any]:
        """Return `count` numbers from offset `at` of the payload."""
        length = count * np.dtype(dtype).itemsize
        if at + length > box.end - box.payload:
            raise MalformedError(f"the box declares {count:,} numbers of {np.dtype(dtype).itemsize} bytes, but has "
                                 f"{box.end - box.payload - at:,} bytes", where=box.path)
        return np.frombuffer(self.source.read(box.payload + at, length, box.type), dtype)


MAX_EXTENSION = 1 << 20  # bytes of an extension that is loaded; parameter sets take a few hundred
_VISUAL = 78  # VisualSampleEntry, ISO/IEC 14496-12, 12.1.3, without its box header


@dataclass(frozen=True)
class SampleEntry:
    """One entry of stsd. Size and extensions are only set for visual entries.

    Attributes:
        format: Its type.
        path: Its path for messages.
        width: Width of the coded picture.
        height: Height of the coded picture.
        extensions: The first extension box of each type.
    """

    format: str
    path: str
    width: int = 0
    height: int = 0
    extensions: dict[str, Box] = field(default_factory=dict)

    def extension(self, source: Readable, kind: str) -> bytes | None:
        """Return the payload of an extension box, or None without one. Raises MalformedError above 1 MiB."""
        box = self.extensions.get(kind)
        if box is None:
            return None
        if box.end - box.payload > MAX_EXTENSION:
            raise MalformedError(f"the box has {box.end - box.payload:,} bytes", where=box.path)
        return source.read(box.payload, box.end - box.payload, kind)


def parse_stsd(source: Readable, stsd: Box, *, visual: bool, limits: Limits = DEFAULT) -> tuple[SampleEntry, ...]:
    """Return the entries of a stsd box; with `visual` including sizes and extensions. Raises MalformedError."""
    if stsd.end - stsd.payload < 8:
        raise MalformedError(f"the box needs 8 bytes, but has {stsd.end - stsd.payload}", where=stsd.path)
    head = Cursor(source.read(stsd.payload, 8, "stsd"), stsd.path)
    head.full()
    count = head.uint(4)
    entries: list[SampleEntry] = []
    for box in walk(source, stsd.payload + 8, stsd.end, stsd.path, limits):
        if len(entries) == count:
            break
        entries.append(_entry(source, box, limits) if visual else SampleEntry(box.type, box.path))
    if not entries or len(entries) != count:
        raise MalformedError(f"the box declares {count:,} entries, but has {len(entries)}", where=stsd.path)
    return tuple(entries)


def _entry(source: Readable, box: Box, limits: Limits) -> SampleEntry:
    if box.end - box.payload < _VISUAL:
        raise MalformedError(f"a visual sample entry needs {_VISUAL} bytes, but this one has {box.end - box.payload}",
                             where=box.path)
    c = Cursor(source.read(box.payload, _VISUAL, "sample entry"), box.path)
    c.take(24)  # reserved, data_reference_index, version, vendor, temporal and spatial quality
    width, height = c.uint(2), c.uint(2)
    extensions: dict[str, Box] = {}
    for extension in _extensions(source, box, limits):
        extensions.setdefault(extension.type, extension)
    return SampleEntry(box.type, box.path, width, height, extensions)


def _extensions(source: Readable, box: Box, limits: Limits) -> Iterator[Box]:
    """Yield extension boxes. QuickTime may end them with 4 zero bytes, which in ISO would be a box to the end."""
    start = end = box.payload + _VISUAL
    while box.end - end >= 8:
        size = int.from_bytes(source.read(end, 4), "big")
        if size < 8:
            break
        end += size
    left = max(box.end - end, 0)
    if left and any(source.read(end, min(left, 8))[:4]):  # not a terminator: `walk` reports what is wrong
        end = box.end
    return walk(source, start, min(end, box.end), box.path, limits)
