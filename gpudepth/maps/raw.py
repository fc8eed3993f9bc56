"""Reads rows of numbers without a header, top row first: ETH3D's maps, sensor dumps, `.hdis` and similar files.

Such a file does not describe itself. The size is the photo's or is given, as are the type of number and the distance
between rows where they are padded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import MalformedError, TruncatedError, UnsupportedError, UsageError
from ..limits import DEFAULT, Limits

DTYPES = {f"{name}{'' if order == '<' else 'be'}": np.dtype(f"{order}{code}") for order in "<>"
          for name, code in (("uint16", "u2"), ("float16", "f2"), ("float32", "f4"), ("float64", "f8"))}
DTYPES["uint8"] = np.dtype(np.uint8)
"""Types by name; little-endian except for those that end in `be`."""


@dataclass(frozen=True)
class RawLayout:
    """How rows are stored.

    Attributes:
        width: Width in pixels; 0 means the photo's.
        height: Height in pixels; 0 means the photo's.
        dtype: A key of DTYPES.
        bytes_per_row: Distance between rows in bytes; None where there is no padding.
    """

    width: int = 0
    height: int = 0
    dtype: str = "float32"
    bytes_per_row: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UsageError(f"unknown type of number {self.dtype!r}", hint="use " + ", ".join(DTYPES))
        if min(self.width, self.height) < 0 or (self.width == 0) != (self.height == 0):
            raise UsageError(f"the shape {self.width}×{self.height} is not valid",
                             hint="for example 256x192, width × height")
        if self.bytes_per_row is not None and self.bytes_per_row < self.width * DTYPES[self.dtype].itemsize:
            raise UsageError(f"{self.bytes_per_row} bytes cannot hold a row of {self.width} {self.dtype} values")

    @classmethod
    def parse(cls, shape: str | None = None, dtype: str | None = None, bytes_per_row: int | None = None) -> RawLayout:
        """Make a layout from a shape such as "256x192", width × height. Raises UsageError."""
        found = re.fullmatch(r"([0-9]{1,6})[x×]([0-9]{1,6})", shape) if shape is not None else None
        if shape is not None and found is None:
            raise UsageError(f"{shape!r} is not a shape", hint="for example 256x192, width × height")
        width, height = (int(found[1]), int(found[2])) if found else (0, 0)
        if found and not (width and height):
            raise UsageError(f"the shape {width}×{height} is not valid", hint="for example 256x192, width × height")
        return cls(width, height, dtype or "float32", bytes_per_row)


def read_raw(stream: BinaryIO, length: int, layout: RawLayout, *, where: str, limits: Limits = DEFAULT,
             photo_size: tuple[int, int] | None = None) -> NDArray[Any]:
    """Read a map from rows.

    Args:
        stream: The file.
        length: Its size in bytes.
        layout: How the rows are stored.
        where: Name of the file for messages.
        limits: What the file may ask for.
        photo_size: (width, height) of the photo.

    Returns:
        (H, W) in native byte order.

    Raises:
        UsageError: Neither layout nor photo defines the size of the map.
        LimitError: It asks for too much; raised before reading.
        TruncatedError: The file is too short.
        MalformedError: The file is too long.
    """
    dtype = DTYPES[layout.dtype]
    width, height = (layout.width, layout.height) if layout.width else photo_size or (0, 0)
    if not width:
        raise UsageError("the file has no header, so the size of the map must be given", where=where,
                         hint="‹shape=256x192›")
    limits.check_decode(width, height, dtype.itemsize, where=where)
    row = width * dtype.itemsize
    step = layout.bytes_per_row or row
    if step < row:
        raise UsageError(f"{step} bytes cannot hold a row of {width} {layout.dtype} values", where=where)
    least, most = step * (height - 1) + row, step * height      # the last row may lack its padding
    if not least <= length <= most:
        whose = "" if layout.width else ", the photo's size,"
        kind = TruncatedError if length < least else MalformedError
        raise kind(f"{width}×{height}{whose} in {layout.dtype} takes {least:,} bytes, but the file holds {length:,}",
                   where=where, hint="set another shape or type: ‹shape=256x192› or ‹dtype=float16›")
    data = stream.read(length)
    if len(data) != length:
        raise TruncatedError("the file became shorter while it was being read", where=where)
    rows = np.frombuffer(data.ljust(most, b"\0"), np.uint8).reshape(height, step)[:, :row]
    return np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder("="))


_COLMAP = re.compile(rb"([0-9]{1,7})&([0-9]{1,7})&([0-9]{1,4})&")
_LONGEST = 32       # bytes of COLMAP's header


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
    limits.check_decode(width, height, 4, where=where)
    wanted = width * height * 4
    if size - start != wanted:
        kind = TruncatedError if size - start < wanted else MalformedError
        raise kind(f"{width}×{height} pixels take {wanted:,} bytes, but the file holds {size - start:,}", where=where)
    stream.seek(start)
    data = stream.read(wanted)
    if len(data) != wanted:
        raise TruncatedError("the file became shorter while it was being read", where=where)
    return np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)
