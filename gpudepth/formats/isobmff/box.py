"""Parses and writes boxes: `size u32, type u32[, largesize u64]`; full boxes: `version u8, flags u24`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Protocol

from ...errors import LimitError, MalformedError, TruncatedError
from ...limits import DEFAULT, Limits

# Boxes whose children are lists (items, properties, kinds of samples, keys), as are those of the file itself.
_LISTS = frozenset({"", "iinf", "ipco", "iref", "grpl", "stsd", "keys", "ilst"})


class Readable(Protocol):
    """Something that boxes are read from, such as a ByteSource."""

    size: int

    def read(self, offset: int, length: int, what: str = ...) -> bytes: ...


@dataclass(frozen=True)
class Box:
    """The place of a box.

    Attributes:
        type: Its type.
        start: Offset of its header.
        header: Bytes of its header.
        end: Offset of its end.
        path: Its path for messages.
        open_ended: Whether its size field is 0.
    """

    type: str
    start: int
    header: int
    end: int
    path: str
    open_ended: bool = False

    @property
    def payload(self) -> int:
        return self.start + self.header

    @property
    def size(self) -> int:
        return self.end - self.start


def fourcc(raw: bytes) -> str:
    """Return four bytes as text; bytes outside Latin-1's printable range stay readable in messages."""
    return raw.decode("latin-1")


def walk(source: Readable, start: int, end: int, path: str = "", limits: Limits = DEFAULT) -> Iterator[Box]:
    """Yield the boxes in [start, end), one level.

    Raises:
        MalformedError: A size is below the header or beyond the parent.
        LimitError: There are too many boxes.
        TruncatedError: The last box of a file continues past its end.
    """
    at, count, seen, most = start, 0, Counter[str](), _most_children(path, limits)
    while at < end:
        count += 1
        if count > most:
            name = "max_items" if _is_list(path) else "max_children"
            raise LimitError(f"more than {most:,} boxes are side by side; limits.{name} is {getattr(limits, name):,}",
                             where=path or "file", hint=f"raise limits.{name} if the file can be trusted")
        if end - at < 8:
            raise MalformedError(f"there are {end - at} stray bytes at {at:,} instead of a box", where=path or "file")
        head = source.read(at, min(16, end - at), "box header")
        kind = fourcc(head[4:8])
        where = f"{path}/{kind}" if path else kind
        if seen[kind]:
            where += f"[{seen[kind]}]"
        seen[kind] += 1
        header, size = _sizes(head, end - at, where)
        if at + size > end:
            raise (MalformedError if path else TruncatedError)(
                f"the box of {size:,} bytes at {at:,} exceeds {path or 'the file'}, which ends at {end:,}", where=where)
        yield Box(kind, at, header, at + size, where, open_ended=head[:4] == bytes(4))
        at += size


def _is_list(path: str) -> bool:
    return path.rpartition("/")[2].partition("[")[0] in _LISTS


def _most_children(path: str, limits: Limits) -> float:
    """Return how many boxes may be side by side; lists of items have several for each of them, and padding."""
    name, most = ("max_items", 4 * limits.max_items + 100) if _is_list(path) else ("max_children", limits.max_children)
    return most if getattr(limits, name) else inf


def _sizes(head: bytes, left: int, where: str) -> tuple[int, int]:
    """Return the bytes of the header and of the whole box, of which `left` follow. Raises FileError."""
    header, size = 8, int.from_bytes(head[:4], "big")
    if size == 0:       # the box extends to the end
        return header, left
    if size == 1:
        if len(head) < 16:
            raise TruncatedError("the 64-bit size is cut off", where=where)
        header, size = 16, int.from_bytes(head[8:16], "big")
    if size < header:
        raise MalformedError(f"size {size} is smaller than the header", where=where)
    return header, size


def make(kind: str, payload: bytes) -> bytes:
    """Return a box with a 32-bit size. Raises MalformedError when it needs more."""
    size = 8 + len(payload)
    if size >= 1 << 32:
        raise MalformedError(f"a box of {size:,} bytes needs a 64-bit size", where=kind)
    return size.to_bytes(4, "big") + kind.encode("latin-1") + payload


def make_full(kind: str, version: int, flags: int, payload: bytes) -> bytes:
    """Return a full box."""
    return make(kind, bytes([version]) + flags.to_bytes(3, "big") + payload)


class Cursor:
    """Reads big-endian fields of a byte string; errors name the place."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where, self.at = data, where, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        if length < 0 or length > self.left:
            raise TruncatedError(f"{length} bytes are needed at offset {self.at}, but {self.left} are left",
                                 where=self.where)
        self.at += length
        return self.data[self.at - length : self.at]

    def uint(self, length: int) -> int:
        """Return an unsigned integer of 0 to 8 bytes; 0 bytes, as in iloc's absent fields, result in 0."""
        return int.from_bytes(self.take(length), "big")

    def fourcc(self) -> str:
        return fourcc(self.take(4))

    def cstring(self) -> bytes:
        """Return bytes up to a NUL, which is consumed. Raises TruncatedError without a NUL."""
        stop = self.data.find(b"\0", self.at)
        if stop < 0:
            raise TruncatedError(f"the string at offset {self.at} has no end", where=self.where)
        out = self.data[self.at : stop]
        self.at = stop + 1
        return out

    def rest(self) -> bytes:
        return self.take(self.left)

    def full(self) -> tuple[int, int]:
        """Return (version, flags) of a full box."""
        return self.uint(1), self.uint(3)

    def count(self, n: int, at_least: int) -> int:
        """Return `n` after checking that n entries of at least that many bytes can still follow."""
        if n * at_least > self.left:
            raise MalformedError(f"{n:,} entries of at least {at_least} bytes do not fit into {self.left} bytes",
                                 where=self.where)
        return n

    def done(self) -> None:
        if self.left:
            raise MalformedError(f"there are {self.left} bytes too many", where=self.where)
