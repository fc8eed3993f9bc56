"""A part of a file as a file of its own."""

from __future__ import annotations

from .bytesource import ByteSource


class Window(ByteSource):
    """`length` bytes of `outer` from `start` on, which has to stay open; positions in it count from 0."""

    def __init__(self, outer: ByteSource, start: int, length: int) -> None:
        outer.read(start, 0, "a part of the file")      # both ends are inside
        outer.read(start + length, 0, "a part of the file")
        super().__init__(b"", outer.limits)
        self.name, self.size = outer.name, length
        self._outer, self._start = outer, start

    def read(self, offset: int, length: int, what: str = "data") -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            super().read(offset, length, what)      # says so
        return self._outer.read(self._start + offset, length, what)
