"""Reads numpy's files, `.npy` and `.npz`, without trusting them: sizes are checked first and pickles are never loaded.

Source: `numpy.lib.format`: magic, version, header length, then a Python dict as text with descr, fortran_order, shape.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, GpudepthError, MalformedError, TruncatedError, UnsupportedError, listing
from ..limits import DEFAULT, Limits

MAGIC = b"\x93NUMPY"
PREFERRED = ("depth", "disparity")
"""Keys of an `.npz` that are used by default, in this order; Depth Pro writes `depth`."""

_KEY = re.compile(r"(.*?)(?:\[([0-9]{1,9})\])?")
_MAX_HEADER = 10_000                    # numpy's own default limit
_MAX_MEMBERS = 1000
_DESCR = re.compile(r"'descr':\s*'([<>|=]?)([a-zA-Z])([0-9]{1,3})'")
_NUMBERS = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8"}
_ORDER = re.compile(r"'fortran_order':\s*(True|False)")
_SHAPE = re.compile(r"'shape':\s*\(([0-9L,\s]*)\)")


@dataclass(frozen=True)
class Header:
    """What a `.npy` declares.

    Attributes:
        dtype: Type of the values.
        shape: Shape of the array.
        fortran: Whether the array is in Fortran order.
        start: Offset of the values in bytes.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def pixels(self) -> int:
        return int(np.prod(self.shape, dtype=object))

    def __str__(self) -> str:
        return f"{self.dtype.name} {self.shape}"


def split_key(key: str | None) -> tuple[str | None, int | None]:
    """Split "depths[3]" into the name and the index of an image in a stack; either may be left out."""
    match = _KEY.fullmatch(key) if key else None
    if match is None:
        return key, None
    return match[1] or None, int(match[2]) if match[2] else None


def read_npy(stream: IO[bytes], size: int, *, where: str, limits: Limits = DEFAULT,
             index: int | None = None) -> NDArray[Any]:
    """Read an array of `size` bytes from the start of `stream`.

    Args:
        stream: The file.
        size: Its size in bytes.
        where: Name of the file for messages.
        limits: What the file may ask for.
        index: Index of one image of a stack (N, H, W), or None.

    Returns:
        The map (H, W) in C order and native byte order, with its stored dtype. (H, W, 1) and (1, H, W) lose the empty
        axis.

    Raises:
        LimitError: It asks for too much; raised before loading.
        UnsupportedError: It holds objects, records, or another dtype or shape.
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
    """
    header = read_header(stream, where)
    height, width = _plane(header, where) if index is None else _image(header, index, where)
    limits.check_decode(width, height, header.dtype.itemsize, where=where)
    wanted = header.pixels * header.dtype.itemsize
    there = size - header.start
    if there < wanted:
        raise TruncatedError(f"the header declares {header}, {wanted:,} bytes, but the file holds {there:,}",
                             where=where)
    if there > wanted:
        raise MalformedError(f"the file holds {there - wanted:,} bytes more than {header} needs", where=where)
    if index is not None:
        return _read_image(stream, header, index, where)
    data = stream.read(wanted)
    if len(data) != wanted or stream.read(1):           # reading to the end also checks the CRC of a zip member
        raise TruncatedError(f"the header declares {header}, {wanted:,} bytes, but only {len(data):,} could be read",
                             where=where)
    flat = np.frombuffer(data, dtype=header.dtype)
    array = flat.reshape(header.shape, order="F" if header.fortran else "C").reshape(height, width)
    return np.ascontiguousarray(array, dtype=header.dtype.newbyteorder("="))


def _image(header: Header, index: int, where: str) -> tuple[int, int]:
    shape = header.shape
    if len(shape) != 3 or index >= shape[0] or 0 in shape or header.fortran:
        what = "is in Fortran order" if header.fortran else f"has shape {shape}"
        raise UnsupportedError(f"there is no image {index}: the array {what}; a stack is (N, height, width)",
                               where=where)
    return shape[1], shape[2]


def _read_image(stream: IO[bytes], header: Header, index: int, where: str) -> NDArray[Any]:
    """Read one image of a stack. Earlier images are skipped in pieces, because an archive has to unpack them."""
    _, height, width = header.shape
    wanted = height * width * header.dtype.itemsize
    ahead = index * wanted
    while ahead:
        skipped = len(stream.read(min(ahead, 1 << 20)))
        if not skipped:
            break
        ahead -= skipped
    data = stream.read(wanted)
    if len(data) != wanted:
        raise TruncatedError(f"the file ends inside image {index} of {header}", where=where)
    array = np.frombuffer(data, header.dtype).reshape(height, width)
    return np.ascontiguousarray(array, dtype=header.dtype.newbyteorder("="))


def read_npz(stream: IO[bytes], *, key: str | None, where: str, limits: Limits = DEFAULT) -> NDArray[Any]:
    """Read one array of an archive.

    Args:
        stream: The file.
        key: Name of the array, which may end in [i] for one image of a stack. Without it, the array is one of
            PREFERRED, or else the only (H, W) map.
        where: Name of the file for messages.
        limits: What the file may ask for.

    Returns:
        The map (H, W), as `read_npy` does.

    Raises:
        UnsupportedError: No array fits, or several do; the hint lists them. Otherwise the errors of `read_npy`.
    """
    with archive_errors(where), ZipFile(stream) as archive:
        members = {_key(info): info for info in archive.infolist()[:_MAX_MEMBERS]}
        name, index = (key, None) if key in members else split_key(key)
        info = _choose(archive, members, name, where, stacks=index is not None)
        if index is None:
            limits.check("max_decoded_bytes", info.file_size, where=where)
            limits.check_ratio(info.compress_size, info.file_size, where=f"{where}: {_key(info)}")
        with archive.open(info) as member:
            return read_npy(member, info.file_size, where=f"{where}: {_key(info)}", limits=limits, index=index)


@contextmanager
def archive_errors(where: str) -> Iterator[None]:
    """Convert the errors of zipfile."""
    try:
        yield
    except GpudepthError:
        raise
    except EOFError as error:
        raise TruncatedError(f"the archive ends too early: {error}", where=where) from error
    except (NotImplementedError, RuntimeError) as error:            # encrypted, or an exotic compression
        raise UnsupportedError(f"the archive cannot be read: {error}", where=where) from error
    except (BadZipFile, zlib.error, ValueError, OSError, LookupError, OverflowError) as error:
        raise MalformedError(f"the archive is damaged: {error}", where=where,
                             hint="a truncated .npz has lost its table of contents") from error


def _key(info: ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _choose(archive: ZipFile, members: dict[str, ZipInfo], key: str | None, where: str, *,
            stacks: bool = False) -> ZipInfo:
    if key is not None:
        if key in members:
            return members[key]
        raise UnsupportedError(f"the archive has no array {key!r}", where=where,
                               hint="it holds " + listing(members, len(members)))
    for name in PREFERRED:
        if name in members:
            return members[name]
    found, described = [], []
    for name, info in members.items():
        try:
            with archive.open(info) as member:
                header = read_header(member, where)
            described.append(f"{name}: {header}")
            if stacks:
                _image(header, 0, where)
            else:
                _plane(header, where)
            found.append(info)
        except FileError:
            described.extend([] if described and described[-1].startswith(f"{name}: ") else [f"{name}: not a map"])
    if len(found) == 1:
        return found[0]
    what = "more than one array that could be the map" if found else "no (height, width) array"
    raise UnsupportedError(f"the archive holds {what}", where=where,
                           hint="name one with ‹key›: " + listing(described, len(described), "; ", "it is empty"))


def read_header(stream: IO[bytes], where: str) -> Header:
    """Read what a .npy declares, from its start. Raises TruncatedError, MalformedError, UnsupportedError."""
    text, start = _header_text(stream, where)
    # Patterns instead of an evaluated dict exclude record types, and read Python 2's 480L as well.
    descr, order, shape = (pattern.search(text) for pattern in (_DESCR, _ORDER, _SHAPE))
    if order is None or shape is None or "'descr'" not in text:
        raise MalformedError("the .npy header lacks descr, fortran_order or shape", where=where)
    if descr is None or descr[2] + descr[3] not in _NUMBERS:
        raise UnsupportedError(f"the array holds {_kind(text)}; a map holds integers, or floats of 16, 32 or 64 bits",
                               where=where, hint="save it with astype(numpy.float32)")
    sizes = [part.strip(" \n\tL") for part in shape[1].split(",")]
    if any(len(part) > 18 or (part and not part.isdigit()) for part in sizes):
        raise MalformedError(f"the .npy header declares the shape ({shape[1]})", where=where)
    return Header(np.dtype(descr[1] + descr[2] + descr[3]), tuple(int(part) for part in sizes if part),
                  order[1] == "True", start)


def _kind(text: str) -> str:
    """Return what an array holds whose header declares other values than numbers."""
    if re.search(r"'descr':\s*'[<>|=]?b", text):
        return "booleans"
    return "objects" if "'|O'" in text else "no plain numbers"


def _header_text(stream: IO[bytes], where: str) -> tuple[str, int]:
    """Return the dict of a .npy header as text, and the offset of the values."""
    fixed = stream.read(8)
    if fixed[:6] != MAGIC[: len(fixed)]:
        raise MalformedError("not a .npy array", where=where)
    width = 2 if fixed[6:7] in (b"", b"\1") else 4       # of the length, in version 1 and in later ones
    length = stream.read(width)
    if len(fixed) < 8 or len(length) < width:
        raise TruncatedError("the .npy header is cut off", where=where)
    size = int.from_bytes(length, "little")
    if fixed[6] not in {1, 2, 3} or size > _MAX_HEADER:
        raise MalformedError(f"the file declares .npy version {fixed[6]}.{fixed[7]} and a header of {size:,} bytes",
                             where=where)
    text = stream.read(size)
    if len(text) < size:
        raise TruncatedError("the .npy header is cut off", where=where)
    return text.decode("latin-1"), 8 + width + size


def _plane(header: Header, where: str) -> tuple[int, int]:
    """Return (height, width) of a map, which may have one empty axis at its end or start."""
    shape = header.shape
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    elif len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2 or 0 in shape:
        stack = len(shape) == 3 and 0 not in shape
        raise UnsupportedError(f"the array has shape {header.shape}; a map is (height, width)", where=where,
                               hint="save one map per file: array[..., 0], or array.squeeze()"
                                    + (f"; or name one of the {shape[0]} images, ‹key='[0]'›" if stack else ""))
    return shape
