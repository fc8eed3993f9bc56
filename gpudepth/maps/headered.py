"""Reads float32 rows behind a short header: Sintel's `.dpt`, COLMAP's `.geometric.bin` and `.photometric.bin`.

    .dpt     "PIEH" (the float 202021.25, little-endian), int32 width, int32 height, rows
    COLMAP   "width&height&channels&" as text, rows; 0 is no value

Both are little-endian with the top row first.

Source: MPI Sintel, depth_read; colmap.github.io/format.html, Dense Reconstruction.
"""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import MalformedError, TruncatedError, UnsupportedError
from ..limits import DEFAULT, Limits

DPT = b"PIEH"
_COLMAP = re.compile(rb"([0-9]{1,7})&([0-9]{1,7})&([0-9]{1,4})&")
_LONGEST = 32       # bytes of COLMAP's header


def is_colmap(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a COLMAP map."""
    return _COLMAP.match(head) is not None


def read_dpt(stream: BinaryIO, size: int, *, where: str, limits: Limits = DEFAULT) -> NDArray[np.float32]:
    """Read a .dpt of `size` bytes.

    Returns:
        (H, W) float32.

    Raises:
        LimitError: It asks for too much; raised before reading.
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
    """
    head = stream.read(12)
    if len(head) < 12:
        raise TruncatedError("the header of a .dpt is cut off", where=where)
    width, height = (int(n) for n in np.frombuffer(head, "<i4", 2, 4))
    return _rows(stream, size, 12, (height, width), where, limits)


def read_colmap(stream: BinaryIO, size: int, *, where: str, limits: Limits = DEFAULT) -> NDArray[np.float32]:
    """Read a COLMAP map of `size` bytes.

    Returns:
        (H, W) float32; 0 means no value.

    Raises:
        UnsupportedError: It has several channels (a normal map). Otherwise the errors of `read_dpt`.
    """
    match = _COLMAP.match(stream.read(_LONGEST))
    if match is None:
        raise MalformedError("the header is not 'width&height&channels&'", where=where)
    width, height, channels = (int(match[i]) for i in (1, 2, 3))
    if channels != 1:
        raise UnsupportedError(f"the file holds {channels} channels; a depth map has one", where=where,
                               hint="use the files in depth_maps/, not those in normal_maps/")
    return _rows(stream, size, match.end(), (height, width), where, limits)


def _rows(stream: BinaryIO, size: int, start: int, shape: tuple[int, int], where: str,  # noqa: PLR0917
          limits: Limits) -> NDArray[np.float32]:
    height, width = shape
    if width < 1 or height < 1:
        raise MalformedError(f"the header declares {width}×{height} pixels", where=where)
    limits.check_picture(width, height, 4, where=where)
    wanted = width * height * 4
    if size - start != wanted:
        kind = TruncatedError if size - start < wanted else MalformedError
        raise kind(f"{width}×{height} pixels take {wanted:,} bytes, but the file holds {size - start:,}", where=where)
    stream.seek(start)
    data = stream.read(wanted)
    if len(data) != wanted:
        raise TruncatedError("the file became shorter while it was being read", where=where)
    return np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)
