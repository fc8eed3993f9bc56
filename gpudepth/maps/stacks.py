"""Reads stacks of maps: `.npy` and `.npz` of (T, H, W), as Video-Depth-Anything and DepthCrafter write them.

Only one map is in memory at a time, whether the archive is compressed or not. Arrays in Fortran order are refused,
because their maps are scattered over the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import TruncatedError, UnsupportedError, listing
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .arrays import MAGIC, Header, archive_errors, read_header

KEYS = ("depths", "depth", "disparity", "disparities")
"""Arrays of an `.npz` that are used by default; Video-Depth-Anything writes `depths`, DepthCrafter `depth`."""

_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Stack:
    """A file that holds many maps.

    Attributes:
        path: The file.
        key: Name of the array in an archive, or None.
        maps: Number of maps.
        height: Height of a map in pixels.
        width: Width of a map in pixels.
        dtype: Stored type of the values.
        limits: What the file may ask for.
    """

    path: Path
    key: str | None
    maps: int
    height: int
    width: int
    dtype: np.dtype[Any]
    limits: Limits = DEFAULT

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield maps in order.

        Args:
            wanted: Rising indices of the maps; None means all.

        Yields:
            The index and the (H, W) array in native byte order.

        Raises:
            FileError: The file is damaged.
        """
        due = set(range(self.maps) if wanted is None else wanted)
        where, size = str(self.path), self.height * self.width * self.dtype.itemsize
        with archive_errors(where), ExitStack() as stack:
            stream, _ = _open(stack, self.path, self.key)
            read_header(stream, where)
            for place in range(max(due, default=-1) + 1):
                data = stream.read(size)
                if len(data) < size:
                    raise TruncatedError(f"the file ends inside map {place} of {self.maps}", where=where)
                if place in due:
                    yield place, (np.frombuffer(data, self.dtype).reshape(self.height, self.width)
                                  .astype(self.dtype.newbyteorder("="), copy=False))


def is_stack_file(path: Path) -> bool:
    """Return whether a file is a .npy or .npz by its first bytes."""
    with ByteSource(path, Limits(max_file=0)) as source:
        head = source.read(0, min(6, source.size))
    return head.startswith((MAGIC, _ZIP))


def read_stack(path: str | Path, key: str | None = None, *, limits: Limits = DEFAULT) -> Stack:
    """Read what a file of many maps declares. Limits are checked for each map, not for all of them together.

    Args:
        path: The file.
        key: Name of the array in an archive.
        limits: What the file may ask for.

    Returns:
        The stack.

    Raises:
        UnsupportedError: The array holds objects or records, or has another shape.
        MissingInputError: The file does not exist.
        FileError: The file is damaged.
    """
    path = Path(path)
    where = str(path)
    with ByteSource(path, Limits(max_file=limits.max_movie)):
        pass
    with archive_errors(where), ExitStack() as stack:
        stream, key = _open(stack, path, key)
        header = read_header(stream, where)
    frames, height, width = _shape(header, where)
    limits.check("max_samples", frames, where=where)
    limits.check_decode(width, height, header.dtype.itemsize, where=where)
    if header.fortran:
        raise UnsupportedError("the array is in Fortran order, which scatters its maps over the file", where=where,
                               hint="save numpy.ascontiguousarray(depths)")
    return Stack(path, key, frames, height, width, header.dtype, limits)


def _shape(header: Header, where: str) -> tuple[int, int, int]:
    shape = header.shape
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    elif len(shape) == 4 and shape[1] == 1:
        shape = (shape[0], *shape[2:])
    if len(shape) != 3 or 0 in shape:
        raise UnsupportedError(f"the array has shape {header.shape}; maps of a clip are (frames, height, width)",
                               where=where)
    return shape[0], shape[1], shape[2]


def _open(stack: ExitStack, path: Path, key: str | None) -> tuple[IO[bytes], str | None]:
    """Return the bytes of the array, header included, and its key."""
    file = stack.enter_context(path.open("rb"))
    if file.read(4) != _ZIP:
        file.seek(0)
        return file, None
    archive = stack.enter_context(ZipFile(file))
    names = [info.filename.removesuffix(".npy") for info in archive.infolist()[:1000]]
    taken = [key] if key is not None else [k for k in KEYS if k in names] or (names if len(names) == 1 else [])
    if not taken or taken[0] not in names:
        raise UnsupportedError("the archive has no " + ("array of maps" if key is None else f"array {key!r}"),
                               where=path, hint="name one with source.key; it holds " + listing(names, len(names)))
    return stack.enter_context(archive.open(taken[0] + ".npy" if taken[0] + ".npy" in archive.namelist()
                                            else taken[0])), taken[0]
