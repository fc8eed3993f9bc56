"""A movie that is written from its start: the boxes of an old one in their places, all but moov."""

from __future__ import annotations

from typing import BinaryIO

from ...errors import MalformedError, OutputError, UnsupportedError
from ...formats.bytesource import ByteSource
from ...formats.isobmff.box import Box, walk


class Output:
    """A file that is written from its start."""

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
            raise OutputError(f"could not be written: {error.strerror}") from error

    def patch(self, at: int, data: bytes) -> None:
        """Write over what is there."""
        try:
            self.file.seek(at)
            self.file.write(data)
            self.file.seek(self.at)
        except OSError as error:
            raise OutputError(f"could not be written: {error.strerror}") from error


def copy_but_moov(source: ByteSource, moov: Box, out: Output) -> None:
    """Every box in its place; of the moov box only the room that it had, unless it is last."""
    for box in walk(source, 0, source.size, limits=source.limits):
        if box.start == moov.start:
            if box.end < source.size:
                out.put(source.read(box.start, 4) + b"free" + source.read(box.start + 8, box.header - 8))
                for _ in range(0, box.end - box.payload, 1 << 16):
                    out.put(bytes(min(1 << 16, box.end - out.at)))
            continue
        if box.type == "moov":
            raise MalformedError("there are two", where=box.path)
        start = box.start
        if box.open_ended:  # something follows now, so it has to say where it ends
            if box.size >= 1 << 32:
                raise UnsupportedError(f"{box.size:,} bytes to the end of the file, in a box without room for a 64-bit "
                                       "size", where=box.path, hint="remux it")
            out.put(box.size.to_bytes(4, "big"))
            start += 4
        for chunk in source.chunks(start, box.end - start):
            out.put(chunk)
