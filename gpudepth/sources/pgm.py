"""Portable gray maps, P5 (binary, big-endian) and P2 (text), with codes as the file has them.

Pillow stretches codes of a maximum other than 255 and 65535, and metric codes must not be stretched: an own reader.
Source: the netpbm manual, `pgm(5)`.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import MalformedError, TruncatedError
from ..limits import DEFAULT, Limits

_GAP = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([25])" + (_GAP + rb"([0-9]{1,9})") * 3 + rb"\s")
_HEADER_BYTES = 4096                    # comments included


def read_pgm(stream: BinaryIO, size: int, *, where: str, limits: Limits = DEFAULT) -> tuple[NDArray[Any], int]:
    """Read a map of `size` bytes from the start of `stream`.

    Returns the codes, (H,W) uint8 or uint16, and the maximum that the header declares. Raises LimitError before
    decoding, TruncatedError and MalformedError.
    """
    head = stream.read(_HEADER_BYTES)
    match = _HEADER.match(head)
    if match is None:
        kind = TruncatedError if size < 32 else MalformedError
        raise kind("the PGM header is not 'P5', width, height, maximum", where=where)
    width, height, maximum = (int(match[i]) for i in (2, 3, 4))
    if not (width and height and 0 < maximum < 65536):
        raise MalformedError(f"the PGM header says {width}×{height}, maximum {maximum}", where=where)
    dtype = np.dtype(np.uint8 if maximum < 256 else np.uint16)
    limits.check_picture(width, height, dtype.itemsize, where=where)

    count = width * height
    stream.seek(match.end())
    if match[1] == b"2":
        limits.check("max_decoded_bytes", size, where=where)
        text = stream.read(size - match.end())
        if not re.fullmatch(rb"[0-9\s]*", text):
            raise MalformedError("there is more than decimal numbers after the PGM header", where=where)
        found = np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)
    else:
        stored = dtype.newbyteorder(">")
        data = stream.read(count * stored.itemsize)
        found = np.frombuffer(data[: len(data) // stored.itemsize * stored.itemsize], dtype=stored)
        if stream.read(64).strip():
            raise MalformedError(f"there is more after the {width}×{height} pixels of the header", where=where)
    if found.size < count:
        raise TruncatedError(f"the header declares {width}×{height} pixels, {found.size:,} are there", where=where)
    if found.size > count or int(found.max()) > maximum:
        raise MalformedError(f"the pixels contradict the header: {width}×{height}, maximum {maximum}", where=where)
    return found.astype(dtype).reshape(height, width), maximum
