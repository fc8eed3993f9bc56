"""Many maps in one array: `.npy` and `.npz` of (T, H, W), as Video-Depth-Anything and DepthCrafter write them.

One map is in memory at a time, whether the archive is compressed or not; an array in Fortran's order, whose maps lie
scattered over the file, is refused.
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
"""Arrays of an `.npz` that are taken unasked: Video-Depth-Anything writes `depths`, DepthCrafter `depth`."""

_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Stack:
    """maps of (height, width), stored as `dtype`; key: of the array in an archive."""

    path: Path
    key: str | None
    maps: int
    height: int
    width: int
    dtype: np.dtype[Any]
    limits: Limits = DEFAULT

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """(place, (H, W) array in native byte order) of the wanted places, which rise. Raises FileError's kinds."""
        due = set(range(self.maps) if wanted is None else wanted)
        where, size = str(self.path), self.height * self.width * self.dtype.itemsize
        with archive_errors(where), ExitStack() as stack:
            stream, _ = _open(stack, self.path, self.key)
            read_header(stream, where)
            for place in range(max(due, default=-1) + 1):
                data = stream.read(size)
                if len(data) < size:
                    raise TruncatedError(f"ends inside map {place} of {self.maps}", where=where)
                if place in due:
                    yield place, (np.frombuffer(data, self.dtype).reshape(self.height, self.width)
                                  .astype(self.dtype.newbyteorder("="), copy=False))


def is_stack_file(path: Path) -> bool:
    """By its first bytes: a .npy or .npz."""
    with ByteSource(path, Limits(max_file=0)) as source:
        head = source.read(0, min(6, source.size))
    return head.startswith((MAGIC, _ZIP))


def read_stack(path: str | Path, key: str | None = None, *, limits: Limits = DEFAULT) -> Stack:
    """What a file of many maps declares; limits are checked for each map, not for all of them.

    Raises UnsupportedError for arrays of another shape, objects and records, MissingInputError, FileError's kinds.
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
    limits.check_picture(width, height, header.dtype.itemsize, where=where)
    if header.fortran:
        raise UnsupportedError("keeps its maps in Fortran's order, scattered over the file", where=where,
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
    """The array's bytes from its header on, and its key."""
    file = stack.enter_context(path.open("rb"))
    if file.read(4) != _ZIP:
        file.seek(0)
        return file, None
    archive = stack.enter_context(ZipFile(file))
    names = [info.filename.removesuffix(".npy") for info in archive.infolist()[:1000]]
    taken = [key] if key is not None else [k for k in KEYS if k in names] or (names if len(names) == 1 else [])
    if not taken or taken[0] not in names:
        raise UnsupportedError("no array of maps" if key is None else f"no array {key!r} in the archive", where=path,
                               hint="name one with source.key; it holds " + listing(names, len(names)))
    return stack.enter_context(archive.open(taken[0] + ".npy" if taken[0] + ".npy" in archive.namelist()
                                            else taken[0])), taken[0]
