"""Writes files that are complete or absent: a temporary file beside the target, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import OutputError

TEMP_MARK = ".gpudepth-"


class Written:
    """The size and the SHA-256 of a file, computed while it is written."""

    def __init__(self) -> None:
        import hashlib  # late: only runs need hashes

        self._begin = hashlib.sha256
        self.begin()

    @property
    def sha256(self) -> str:
        """The hash of all bytes so far, as hexadecimal digits."""
        return self._digest.hexdigest()

    def begin(self) -> None:
        """Forget all bytes: the file is written again after a failure."""
        self.size, self._digest = 0, self._begin()

    def add(self, data: bytes | memoryview) -> None:
        """Add bytes that follow those so far."""
        self.size += len(data)
        self._digest.update(data)


class _Hashed(io.RawIOBase):
    """A file whose content is hashed on the way; bytes are only appended."""

    def __init__(self, file: BinaryIO, written: Written) -> None:
        self.file, self.written = file, written
        written.begin()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        done = self.file.write(data)
        self.written.add(memoryview(data)[:done])
        return done


@contextlib.contextmanager
def atomic(path: Path, *, like: os.stat_result | None = None, make_folder: bool = False,
           written: Written | None = None) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` when the block ends, and is deleted when the block raises.

    Args:
        path: The file to write.
        like: State of a file whose times are kept.
        make_folder: Whether to make missing folders of `path`.
        written: Gets the bytes as they are appended.

    Raises:
        OutputError: The disk or the folder cannot be written.
    """
    temp = path.with_name(f"{TEMP_MARK}{path.stem[:40]}-{os.urandom(4).hex()}.tmp")
    try:
        if path.is_dir():
            raise OutputError("the output is a folder", where=path, hint="name a file")
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL never opens an existing file, and implies O_NOFOLLOW
        handle = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except FileNotFoundError:
        if path.parent.is_dir():        # /proc and other folders in which files cannot be made
            raise OutputError("the file cannot be written: its folder does not take files", where=path) from None
        raise OutputError(f"the folder {path.parent} does not exist", where=path,
                          hint=f"make it: mkdir -p {shlex.quote(str(path.parent))}") from None
    except OSError as error:
        raise OutputError(f"the file cannot be written: {error.strerror or error}", where=path) from None
    try:
        with _held(handle):
            with os.fdopen(handle, "wb") as file:
                yield file if written is None else cast(BinaryIO, _Hashed(file, written))
                file.flush()
                os.fsync(file.fileno())
            if like is not None:
                os.utime(temp, ns=(like.st_atime_ns, like.st_mtime_ns))
            temp.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temp.unlink()
        if isinstance(error, OSError):
            raise OutputError(f"the file cannot be written: {error.strerror or error}", where=path) from error
        if isinstance(error, OutputError):
            raise error.within(path) from None
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def _held(handle: int) -> Iterator[None]:
    """Lock the file until the block or the process ends, so that it is not mistaken for a leftover of a killed run."""
    try:
        import fcntl
    except ImportError:     # Windows
        yield
        return
    with contextlib.suppress(OSError):      # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    copy = os.dup(handle)       # both handles hold the lock
    try:
        yield
    finally:
        os.close(copy)


def _is_held(path: Path) -> bool:
    """Return whether a process is writing the file."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # POSIX: the rename itself must reach the disk
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def remove_stale(folder: Path) -> int:
    """Delete temporary files that a killed run left in a folder, and return their number.

    The caller holds the lock of the run. Files that another process is writing stay: those of a job with another
    ledger, or of a single `attach`.
    """
    count = 0
    for stale in folder.glob(f"{TEMP_MARK}*.tmp"):
        if _is_held(stale):
            continue
        with contextlib.suppress(OSError):
            stale.unlink()
            count += 1
    return count
