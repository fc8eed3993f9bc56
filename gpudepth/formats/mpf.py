"""Parses and writes MPF, the multi-picture format (CIPA DC-007): the APP2 segment that lists the images of a JPEG file.

It is a small TIFF: header, index IFD (version, number of images, 16 bytes per image, …) and optionally an attribute
IFD. Offsets of images count from the TIFF header, which is the byte after "MPF\\0".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ..errors import FileError, LimitError, MalformedError
from ..limits import DEFAULT, Limits
from .jpeg import MPF

VERSION, COUNT, ENTRIES, UIDS = 0xB000, 0xB001, 0xB002, 0xB003
BASELINE_PRIMARY = 0x030000  # type "Baseline MP Primary Image", JPEG
MAX_TAGS = 64
MAX_OFFSET = 0xFFFFFFFF
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}
UNDEFINED, LONG = 7, 4

ByteOrder = Literal["little", "big"]
_ORDERS: dict[bytes, ByteOrder] = {b"MM\0*": "big", b"II*\0": "little"}


@dataclass(frozen=True)
class MpfEntry:
    """One image.

    Attributes:
        attribute: Flags and type.
        size: Its bytes.
        offset: Offset from the MPF's TIFF header; 0 for the first image.
        dependent: Numbers of dependent images.
    """

    attribute: int
    size: int
    offset: int
    dependent: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Tag:
    """A field that is kept unchanged.

    Attributes:
        tag: Its number.
        type: Its TIFF type.
        count: Number of values.
        data: The values in the file's byte order.
    """

    tag: int
    type: int
    count: int
    data: bytes


@dataclass(frozen=True)
class Mpf:
    """The index of a file's first image, or (without entries) the two-tag stub of the others.

    Attributes:
        entries: The images.
        count: NumberOfImages.
        order: Byte order.
        tags: Other tags of the index IFD.
        attributes: Tags of the attribute IFD.
    """

    entries: tuple[MpfEntry, ...]
    count: int
    order: ByteOrder = "big"
    tags: tuple[Tag, ...] = ()
    attributes: tuple[Tag, ...] = field(default=())

    def adding(self, entry: MpfEntry) -> Mpf:
        """Return the index with one more image; a UID list gets an empty one."""
        tags = tuple(replace(t, count=t.count + 33, data=t.data + bytes(33)) if t.tag == UIDS else t for t in self.tags)
        return replace(self, entries=(*self.entries, entry), count=len(self.entries) + 1, tags=tags)

    def without(self, index: int) -> Mpf:
        """Return the index without one image."""
        tags = tuple(replace(t, count=t.count - 33, data=t.data[: 33 * index] + t.data[33 * (index + 1) :])
                     if t.tag == UIDS and t.count >= 33 * (index + 1) else t for t in self.tags)
        kept = self.entries[:index] + self.entries[index + 1 :]
        return replace(self, entries=kept, count=len(kept), tags=tags)


def parse(payload: bytes, where: str = "APP2 MPF", limits: Limits = DEFAULT) -> Mpf:
    """Parse an APP2 payload, including "MPF\\0". Raises MalformedError, LimitError."""
    tiff = payload[len(MPF) :]
    order = _ORDERS.get(tiff[:4])
    if order is None or len(tiff) < 8:
        raise MalformedError(f"the byte order mark is {tiff[:4].hex()}", where=where)

    def uint(at: int, size: int) -> int:
        raw = tiff[at : at + size]
        if at < 0 or len(raw) < size:
            raise MalformedError(f"an offset points to {at}, but there are {len(tiff)} bytes", where=where)
        return int.from_bytes(raw, order)

    def directory(at: int) -> tuple[list[Tag], int]:
        n = uint(at, 2)
        if n > MAX_TAGS:
            raise LimitError(f"a directory has {n} tags", where=where)
        found = []
        for i in range(n):
            entry = at + 2 + 12 * i
            kind, count = uint(entry + 2, 2), uint(entry + 4, 4)
            size = _SIZES.get(kind, 1) * count
            if size > len(tiff):
                raise MalformedError(f"tag {uint(entry, 2):04x} declares {size:,} bytes", where=where)
            start = entry + 8 if size <= 4 else uint(entry + 8, 4)
            uint(start + max(size - 1, 0), 1)
            found.append(Tag(uint(entry, 2), kind, count, tiff[start : start + size]))
        return found, uint(at + 2 + 12 * n, 4)

    tags, following = directory(uint(4, 4))
    attributes = directory(following)[0] if following else []
    values = {t.tag: t for t in tags}
    count = int.from_bytes(values[COUNT].data, order) if COUNT in values else 0
    table = values[ENTRIES].data if ENTRIES in values else b""
    limits.check("max_images", max(len(table) // 16, count), "images", where=where)
    entries = []
    for i in range(0, len(table) - 15, 16):
        a, size, offset = (int.from_bytes(table[i + k : i + k + 4], order) for k in (0, 4, 8))
        pair = tuple(int.from_bytes(table[i + k : i + k + 2], order) for k in (12, 14))
        entries.append(MpfEntry(a, size, offset, (pair[0], pair[1])))
    kept = tuple(t for t in tags if t.tag not in (COUNT, ENTRIES))
    return Mpf(tuple(entries), count, order, kept, tuple(attributes))


def serialise(mpf: Mpf) -> bytes:
    """Return the APP2 payload: header, index IFD, its data in tag order, attribute IFD, its data."""
    order = mpf.order
    table = b"".join(
        e.attribute.to_bytes(4, order) + e.size.to_bytes(4, order) + e.offset.to_bytes(4, order)
        + b"".join(d.to_bytes(2, order) for d in e.dependent) for e in mpf.entries)
    tags = [*mpf.tags, Tag(COUNT, LONG, 1, mpf.count.to_bytes(4, order))]
    if not any(t.tag == VERSION for t in tags):
        tags.append(Tag(VERSION, UNDEFINED, 4, b"0100"))
    if table:
        tags.append(Tag(ENTRIES, UNDEFINED, len(table), table))
    mark = b"MM\0*" if order == "big" else b"II*\0"
    out = mark + (8).to_bytes(4, order)
    out += _directory(sorted(tags, key=lambda t: t.tag), 8, order, more=bool(mpf.attributes))
    if mpf.attributes:
        out += _directory(list(mpf.attributes), len(out), order, more=False)
    return MPF + out


def with_count(payload: bytes, count: int) -> bytes:
    """Return the payload of a further image with another number of images and the same length.

    It is unchanged if it has no number (only an attribute IFD), has entries, or is damaged.
    """
    try:
        if parse(payload).entries:
            return payload
    except FileError:
        return payload
    start = len(MPF)
    order = _ORDERS[payload[start : start + 4]]
    at = start + int.from_bytes(payload[start + 4 : start + 8], order)
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(payload[at : at + 2], order), 12):
        tag, kind = (int.from_bytes(payload[entry + k : entry + k + 2], order) for k in (0, 2))
        if tag == COUNT and kind == LONG and int.from_bytes(payload[entry + 4 : entry + 8], order) == 1:
            return payload[: entry + 8] + count.to_bytes(4, order) + payload[entry + 12 :]
    return payload


def _directory(tags: list[Tag], at: int, order: ByteOrder, *, more: bool) -> bytes:
    """Return an IFD at offset `at` and its data; with `more` the next directory follows it."""
    head = len(tags).to_bytes(2, order)
    data = b""
    after = at + 2 + 12 * len(tags) + 4
    for t in tags:
        head += t.tag.to_bytes(2, order) + t.type.to_bytes(2, order) + t.count.to_bytes(4, order)
        if len(t.data) <= 4:
            head += t.data.ljust(4, b"\0")
        else:
            head += (after + len(data)).to_bytes(4, order)
            data += t.data + b"\0" * (len(t.data) % 2)
    following = after + len(data) if more else 0
    return head + following.to_bytes(4, order) + data


def stub(count: int) -> bytes:
    """Return the payload of the second and further images in Apple's files: version and number of images."""
    return serialise(Mpf((), count))
