"""Provides random access to an input file, and outputs that are described as pieces of it.

Files of hundreds of megabytes are never loaded: headers are read, and everything else is copied in chunks.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from ..errors import FileError, LimitError, OutputError, TruncatedError, UnsupportedError, missing_file
from ..limits import DEFAULT, Limits

CHUNK = 1 << 17  # larger buffers are allocated as fresh pages each time, which costs more than the calls saved


class ByteSource:
    """A regular file (or bytes, or a virtual file), read by position. Use it as a context manager.

    Args:
        file: The input.
        limits: What it may ask for.

    Attributes:
        parsed: What a container has parsed of the file, for its next use of this source.

    Raises:
        MissingInputError: It does not exist.
        UnsupportedError: It is not a regular file.
        LimitError: It exceeds max_file.
    """

    def __init__(self, file: str | os.PathLike[str] | bytes | VirtualFile, limits: Limits = DEFAULT) -> None:
        self._file: BinaryIO | None = None
        self._data: bytes | None = None
        self.parsed: object = None
        self.limits = limits
        if isinstance(file, bytes):
            self._data, self.name, self.size = file, "bytes", len(file)
            return
        if isinstance(file, VirtualFile):
            self._data, self.name = file.read(limits), str(file)
            self.size = len(self._data)
            return
        self.name = os.fspath(file)
        try:
            # A FIFO or a device would block or never end, so it is checked before opening.
            kind = os.stat(file).st_mode  # noqa: PTH116  (bytes paths too)
        except FileNotFoundError:
            raise missing_file(file) from None
        except (OSError, ValueError) as error:
            raise FileError(f"the file cannot be read: {error}", where=self.name) from None
        if stat.S_ISDIR(kind):
            raise UnsupportedError("the path is a folder", where=self.name, hint="give a file in it, or make a job for "
                                   "the whole folder: gpudepth init FOLDER")
        if not stat.S_ISREG(kind):
            raise UnsupportedError("the path is not a regular file", where=self.name)
        try:
            self._file = Path(self.name).open("rb", buffering=0)  # noqa: SIM115  (closed by close())
        except OSError as error:
            raise FileError(f"the file cannot be read: {error.strerror}", where=self.name) from None
        self.size = os.fstat(self._file.fileno()).st_size
        if limits.max_file and self.size > limits.max_file:
            self.close()
            raise LimitError(f"the file has {self.size:,} bytes, limits.max_file is {limits.max_file:,}",
                             where=self.name)

    def read(self, offset: int, length: int, what: str = "data") -> bytes:
        """Return `length` bytes at `offset`. Raises TruncatedError when the file does not hold them."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(
                f"{what} at {offset:,}…{offset + length:,} is outside the file of {self.size:,} bytes",
                where=self.name)
        if self._data is not None:
            return self._data[offset : offset + length]
        if self._file is None:
            raise ValueError("the source is closed")
        parts = []
        while length:
            self._file.seek(offset)
            part = self._file.read(length)
            if not part:
                raise TruncatedError(f"{what} at {offset:,} could not be read: the file became shorter",
                                     where=self.name)
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield the same bytes in pieces of at most 128 KiB."""
        while length:
            part = self.read(offset, min(CHUNK, length))
            yield part
            offset, length = offset + len(part), length - len(part)

    def close(self) -> None:
        self.parsed = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> ByteSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_input(file: Input, limits: Limits = DEFAULT) -> bytes:
    """Return all bytes of a small input. Raises MissingInputError, FileError and its subclasses."""
    with ByteSource(file, limits) as source:
        return source.read(0, source.size)


class Splice:
    """An output that consists of new bytes and ranges of a source, which must stay open until it is written."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.pieces: list[bytes | tuple[int, int]] = []
        self.size = 0

    def add(self, data: bytes) -> int:
        """Append bytes; return the position they will have."""
        at = self.size
        if data:
            self.pieces.append(data)
            self.size += len(data)
        return at

    def keep(self, offset: int, length: int) -> int:
        """Append a range of the source; return the position it will have."""
        at = self.size
        if length:
            last = self.pieces[-1] if self.pieces else None
            if isinstance(last, tuple) and last[0] + last[1] == offset:
                self.pieces[-1] = (last[0], last[1] + length)
            else:
                self.pieces.append((offset, length))
            self.size += length
        return at

    def chunks(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from self.source.chunks(*piece)

    def write(self, file: BinaryIO) -> None:
        """Write everything. Raises OutputError."""
        for chunk in self.chunks():
            view = memoryview(chunk)
            while view:
                try:
                    done = file.write(view)
                except OSError as error:
                    raise OutputError(f"the file could not be written: {error.strerror}") from error
                view = view[done:]

    def to_bytes(self) -> bytes:
        return b"".join(self.chunks())


class VirtualFile(ABC):
    """An input that is not a file by itself; str() returns its name for messages."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """Path as if it were a file, for plans and pairing."""

    @abstractmethod
    def stat(self) -> os.stat_result:
        """Return the status of the file that it comes from. Raises OSError."""

    @abstractmethod
    def read(self, limits: Limits = DEFAULT) -> bytes:
        """Return all its bytes. Raises FileError and its subclasses."""

    @property
    def name(self) -> str:
        """Last part of its path."""
        return PurePath(self.path).name

    @property
    def suffix(self) -> str:
        return PurePath(self.path).suffix

    @property
    def stem(self) -> str:
        return PurePath(self.path).stem


Input = Path | VirtualFile


def as_input(file: str | os.PathLike[str] | VirtualFile) -> Input:
    return file if isinstance(file, VirtualFile) else Path(file)


def as_file(file: str | os.PathLike[str] | VirtualFile, limits: Limits = DEFAULT) -> Path | BinaryIO:
    """Return what libraries can open: a path, or the bytes as a file object."""
    return io.BytesIO(file.read(limits)) if isinstance(file, VirtualFile) else Path(file)


@contextlib.contextmanager
def as_path(file: Input, limits: Limits = DEFAULT) -> Iterator[str]:
    """Yield a path for libraries that only open paths; a virtual file becomes a file in memory while the block runs.

    Raises UnsupportedError on systems without such files.
    """
    if not isinstance(file, VirtualFile):
        yield os.fspath(file)
        return
    if not hasattr(os, "memfd_create"):
        raise UnsupportedError("this format can only be read from files", where=str(file), hint="unpack the archive")
    handle = os.memfd_create("gpudepth")
    try:
        with os.fdopen(os.dup(handle), "wb") as memory:
            memory.write(file.read(limits))
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


class Window(ByteSource):
    """`length` bytes of `outer` from `start` on; `outer` must stay open, and positions count from 0."""

    def __init__(self, outer: ByteSource, start: int, length: int) -> None:
        outer.read(start, 0, "a part of the file")      # checks that both ends are inside
        outer.read(start + length, 0, "a part of the file")
        super().__init__(b"", outer.limits)
        self.name, self.size = outer.name, length
        self._outer, self._start = outer, start

    def read(self, offset: int, length: int, what: str = "data") -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            super().read(offset, length, what)      # raises the error
        return self._outer.read(self._start + offset, length, what)


class SourceFile(io.RawIOBase):
    """A source as a file object for libraries that read files.

    Args:
        source: The source, which must stay open.
        most: Bytes that may be read at once; None means any number. More raises LimitError.
    """

    def __init__(self, source: ByteSource, most: int | None = None) -> None:
        super().__init__()
        self._source, self._most, self._at = source, most, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._source.size - self._at)
        size = left if size < 0 else min(size, left)
        if self._most is not None and size > self._most:
            raise LimitError(f"the header at {self._at:,} has {size:,} bytes", where=self._source.name)
        data = self._source.read(self._at, size) if size else b""
        self._at += size
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._source.size)[whence])
        return self._at
