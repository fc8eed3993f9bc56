"""Writes a movie from its start, with the boxes of an old one in their places except moov."""

from __future__ import annotations

from typing import BinaryIO

from ...errors import MalformedError, OutputError, UnsupportedError
from ...formats.bytesource import ByteSource
from ...formats.isobmff.box import Box, walk


class Output:
    """A file that is written sequentially."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.at = file, 0

    def put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                done = self.file.write(view)
                self.at += done
                view = view[done:]
        except OSError as error:
            raise OutputError(f"the movie could not be written: {error.strerror}") from error

    def patch(self, at: int, data: bytes) -> None:
        """Overwrite earlier bytes."""
        try:
            self.file.seek(at)
            self.file.write(data)
            self.file.seek(self.at)
        except OSError as error:
            raise OutputError(f"the movie could not be written: {error.strerror}") from error


def copy_but_moov(source: ByteSource, moov: Box, out: Output) -> None:
    """Copy every box to its place; the moov box becomes a free box of its size, or nothing if it is last."""
    for box in walk(source, 0, source.size, limits=source.limits):
        if box.start == moov.start:
            if box.end < source.size:
                out.put(source.read(box.start, 4) + b"free" + source.read(box.start + 8, box.header - 8))
                for _ in range(0, box.end - box.payload, 1 << 16):
                    out.put(bytes(min(1 << 16, box.end - out.at)))
            continue
        if box.type == "moov":
            raise MalformedError("the file has two moov boxes", where=box.path)
        start = box.start
        if box.open_ended:  # more boxes follow now, so it needs an explicit size
            if box.size >= 1 << 32:
                raise UnsupportedError(f"the last box extends to the end of the file, and its {box.size:,} bytes do "
                                       "not fit into a 32-bit size", where=box.path, hint="remux the movie")
            out.put(box.size.to_bytes(4, "big"))
            start += 4
        for chunk in source.chunks(start, box.end - start):
            out.put(chunk)
