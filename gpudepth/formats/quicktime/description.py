"""Parses stsd, which describes how samples are coded: one entry per coding, with extension boxes (hvcC, colr…)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from ..isobmff.box import Box, Cursor, Readable, walk

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
        """Return the payload of an extension box, or None when there is none. Raises MalformedError above 1 MiB."""
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
