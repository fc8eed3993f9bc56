"""What a run reads: a file, or what stands for one and is read into memory (a member of an archive, a picture made).

Whatever opens files opens these, too.
"""

from __future__ import annotations

import contextlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from ..errors import UnsupportedError
from ..limits import DEFAULT, Limits


class Held(ABC):
    """An input that is no file by itself. str() of it is what messages call it."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """Where it is, as if it were a file: what a plan shows and pairs by."""

    @abstractmethod
    def stat(self) -> os.stat_result:
        """Of the file that it comes from. Raises OSError."""

    @abstractmethod
    def read(self, limits: Limits = DEFAULT) -> bytes:
        """All its bytes. Raises FileError's kinds."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePath(self.path).name

    @property
    def suffix(self) -> str:
        return PurePath(self.path).suffix

    @property
    def stem(self) -> str:
        return PurePath(self.path).stem


Input = Path | Held


def as_input(file: str | os.PathLike[str] | Held) -> Input:
    return file if isinstance(file, Held) else Path(file)


def as_file(file: str | os.PathLike[str] | Held, limits: Limits = DEFAULT) -> Path | BinaryIO:
    """What libraries open: a path, or bytes as a file."""
    return io.BytesIO(file.read(limits)) if isinstance(file, Held) else Path(file)


@contextlib.contextmanager
def as_path(file: Input, limits: Limits = DEFAULT) -> Iterator[str]:
    """For libraries that open nothing but paths: what is no file is one in memory while the block runs, on no disk.

    Raises UnsupportedError where the system has no such files.
    """
    if not isinstance(file, Held):
        yield os.fspath(file)
        return
    if not hasattr(os, "memfd_create"):
        raise UnsupportedError("its format is read from files only", where=str(file), hint="unpack the archive")
    handle = os.memfd_create("gpudepth")
    try:
        with os.fdopen(os.dup(handle), "wb") as memory:
            memory.write(file.read(limits))
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
