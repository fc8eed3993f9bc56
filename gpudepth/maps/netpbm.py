"""Reads and encodes portable float maps, as MiDaS, Middlebury and SceneFlow write disparity, and reads PGM.

The header of a PFM is `Pf`, width, height, scale, each followed by white space; then follow float32 rows, bottom row
first. The sign of the scale is the byte order (negative: little-endian). Programs do not agree on the meaning of its
magnitude (Middlebury 2014 writes −0.003922 beside disparities in plain pixels), so it is ignored.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import MalformedError, TruncatedError, UnsupportedError, UsageError
from ..limits import DEFAULT, Limits

_NUMBER = rb"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
_HEADER = re.compile(rb"P([fF])\s+([0-9]{1,9})\s+([0-9]{1,9})\s+" + _NUMBER)
_HEADER_BYTES = 256


def read_size(head: bytes) -> tuple[int, int] | None:
    """Return (width, height) that the first bytes of a PFM declare, or None for other files."""
    match = _HEADER.match(head[:_HEADER_BYTES])
    return (int(match[2]), int(match[3])) if match else None


def read_pfm(stream: BinaryIO, size: int, *, where: str, limits: Limits = DEFAULT) -> NDArray[np.float32]:
    """Read a map of `size` bytes from the start of `stream`.

    Args:
        stream: The file.
        size: Its size in bytes.
        where: Name of the file for messages.
        limits: What the file may ask for.

    Returns:
        (H, W) float32 in native byte order, top row first.

    Raises:
        UnsupportedError: It is a colour map.
        LimitError: It asks for too much; raised before decoding.
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
    """
    head = stream.read(_HEADER_BYTES)
    match = _HEADER.match(head)
    if match is None:
        if size < _HEADER_BYTES and re.fullmatch(rb"P[fF](\s+[-+.0-9eE]*){0,3}", head):
            raise TruncatedError("the PFM header is cut off", where=where)
        raise MalformedError("the PFM header is not 'Pf', width, height, scale", where=where)
    kind, width, height, scale = match[1], int(match[2]), int(match[3]), float(match[4])
    if kind == b"F":
        raise UnsupportedError("a colour PFM ('PF') holds three values per pixel; a map holds one", where=where,
                               hint="write only the depth or disparity channel, as 'Pf'")
    if not (width and height and scale and np.isfinite(scale)):
        raise MalformedError(f"the PFM header declares {width}×{height} pixels, scale {scale:g}", where=where)
    limits.check_decode(width, height, 4, where=where)

    # Headers end in a varying amount of white space, and floats may look like it: the length decides where rows begin.
    wanted = width * height * 4
    start = size - wanted
    if start < match.end() + 1:
        raise TruncatedError(f"the header declares {width}×{height} pixels, {wanted:,} bytes, but the file holds "
                             f"{max(size - match.end() - 1, 0):,}", where=where)
    if head[match.end() : start].strip() or start > _HEADER_BYTES:
        raise MalformedError(f"the file holds {start - match.end() - 1:,} bytes more than {width}×{height} pixels need",
                             where=where)
    stream.seek(start)
    rows = stream.read(wanted)
    if len(rows) != wanted:
        raise TruncatedError("the file became shorter while it was being read", where=where)
    values = np.frombuffer(rows, dtype="<f4" if scale < 0 else ">f4").reshape(height, width)
    return np.ascontiguousarray(values[::-1], dtype=np.float32)


def encode_pfm(values: ArrayLike, *, byteorder: Literal["little", "big"] = "little") -> bytes:
    """Encode a map as a float32 PFM.

    Args:
        values: (H, W) values, top row first.
        byteorder: Byte order of the floats.

    Raises:
        UsageError: The shape is another one.
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise UsageError(f"a PFM holds one (height, width) map, not an array of shape {array.shape}")
    order, scale = ("<f4", -1.0) if byteorder == "little" else (">f4", 1.0)
    header = f"Pf\n{array.shape[1]} {array.shape[0]}\n{scale}\n".encode("ascii")
    return header + array[::-1].astype(order).tobytes()


_GAP = rb"(?:\s|#[^\n]*\n)+"
_PGM_HEADER = re.compile(rb"P([25])" + (_GAP + rb"([0-9]{1,9})") * 3 + rb"\s")
_PGM_HEADER_BYTES = 4096                    # including comments


def read_pgm(stream: BinaryIO, size: int, *, where: str, limits: Limits = DEFAULT) -> tuple[NDArray[Any], int]:
    """Read a PGM of `size` bytes from the start of `stream`.

    Args:
        stream: The file.
        size: Its size in bytes.
        where: Name of the file for messages.
        limits: What the file may ask for.

    Returns:
        The codes, (H, W) uint8 or uint16, and the maximum that the header declares.

    Raises:
        LimitError: It asks for too much; raised before decoding.
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
    """
    head = stream.read(_PGM_HEADER_BYTES)
    match = _PGM_HEADER.match(head)
    if match is None:
        kind = TruncatedError if size < 32 else MalformedError
        raise kind("the PGM header is not 'P5', width, height, maximum", where=where)
    width, height, maximum = (int(match[i]) for i in (2, 3, 4))
    if not (width and height and 0 < maximum < 65536):
        raise MalformedError(f"the PGM header declares {width}×{height} pixels, maximum {maximum}", where=where)
    dtype = np.dtype(np.uint8 if maximum < 256 else np.uint16)
    limits.check_decode(width, height, dtype.itemsize, where=where)

    count = width * height
    stream.seek(match.end())
    if match[1] == b"2":
        limits.check("max_decoded_bytes", size, where=where)
        text = stream.read(size - match.end())
        if not re.fullmatch(rb"[0-9\s]*", text):
            raise MalformedError("the pixels after the PGM header must be decimal numbers", where=where)
        found = np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)
    else:
        stored = dtype.newbyteorder(">")
        data = stream.read(count * stored.itemsize)
        found = np.frombuffer(data[: len(data) // stored.itemsize * stored.itemsize], dtype=stored)
        if stream.read(64).strip():
            raise MalformedError(f"the file continues after the {width}×{height} pixels of its header", where=where)
    if found.size < count:
        raise TruncatedError(f"the header declares {width}×{height} pixels, but the file holds {found.size:,}",
                             where=where)
    if found.size > count or int(found.max()) > maximum:
        raise MalformedError(f"the pixels contradict the header: {width}×{height}, maximum {maximum}", where=where)
    return found.astype(dtype).reshape(height, width), maximum
