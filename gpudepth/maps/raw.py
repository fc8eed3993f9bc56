"""Rows of numbers and nothing else, top row first: ETH3D's maps, dumps of sensors, `.hdis` and its like.

Nothing in such a file says what it is: the size comes from the photo, or is named; so do the kind of number, and the
bytes from one row to the next where rows are padded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import MalformedError, TruncatedError, UsageError
from ..limits import DEFAULT, Limits

DTYPES = {f"{name}{'' if order == '<' else 'be'}": np.dtype(f"{order}{code}") for order in "<>"
          for name, code in (("uint16", "u2"), ("float16", "f2"), ("float32", "f4"), ("float64", "f8"))}
DTYPES["uint8"] = np.dtype(np.uint8)
"""By name; little-endian but for those that end in `be`."""


@dataclass(frozen=True)
class RawLayout:
    """width and height in pixels, 0: the photo's. dtype: one of DTYPES. bytes_per_row: None where rows follow each
    other without a gap."""

    width: int = 0
    height: int = 0
    dtype: str = "float32"
    bytes_per_row: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UsageError(f"unknown kind of number {self.dtype!r}", hint="one of " + ", ".join(DTYPES))
        if min(self.width, self.height) < 0 or (self.width == 0) != (self.height == 0):
            raise UsageError(f"a shape of {self.width}×{self.height}", hint="width × height: 256x192")
        if self.bytes_per_row is not None and self.bytes_per_row < self.width * DTYPES[self.dtype].itemsize:
            raise UsageError(f"{self.bytes_per_row} bytes do not hold a row of {self.width} {self.dtype}")

    @classmethod
    def parse(cls, shape: str | None = None, dtype: str | None = None, bytes_per_row: int | None = None) -> RawLayout:
        """shape: "256x192", width × height. Raises UsageError."""
        found = re.fullmatch(r"([0-9]{1,6})[x×]([0-9]{1,6})", shape) if shape is not None else None
        if shape is not None and found is None:
            raise UsageError(f"{shape!r} is no shape", hint="width × height: 256x192")
        width, height = (int(found[1]), int(found[2])) if found else (0, 0)
        if found and not (width and height):
            raise UsageError(f"a shape of {width}×{height}", hint="width × height: 256x192")
        return cls(width, height, dtype or "float32", bytes_per_row)


def read_raw(stream: BinaryIO, length: int, layout: RawLayout, *, where: str, limits: Limits = DEFAULT,
             photo_size: tuple[int, int] | None = None) -> NDArray[Any]:
    """(H, W), native byte order, of a file of `length` bytes.

    Raises UsageError when neither layout nor photo says how large the map is, LimitError before reading,
    TruncatedError and MalformedError when the length does not fit.
    """
    dtype = DTYPES[layout.dtype]
    width, height = (layout.width, layout.height) if layout.width else photo_size or (0, 0)
    if not width:
        raise UsageError("has no header, and nothing says how large the map is", where=where,
                         hint="--shape 256x192; in a job source.rows.shape")
    limits.check_picture(width, height, dtype.itemsize, where=where)
    row = width * dtype.itemsize
    step = layout.bytes_per_row or row
    if step < row:
        raise UsageError(f"{step} bytes do not hold a row of {width} {layout.dtype}", where=where)
    least, most = step * (height - 1) + row, step * height      # the last row may come without its padding
    if not least <= length <= most:
        whose = "" if layout.width else ", the photo's size,"
        kind = TruncatedError if length < least else MalformedError
        raise kind(f"{width}×{height}{whose} in {layout.dtype} takes {least:,} bytes; {length:,} are there",
                   where=where, hint="--shape and --dtype name others; in a job source.rows")
    data = stream.read(length)
    if len(data) != length:
        raise TruncatedError("the file became shorter while it was read", where=where)
    rows = np.frombuffer(data.ljust(most, b"\0"), np.uint8).reshape(height, step)[:, :row]
    return np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder("="))
