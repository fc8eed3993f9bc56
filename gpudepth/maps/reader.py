"""Reads a map of any format as codes; the encoding defines what they mean."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, LimitError, TruncatedError, UnsupportedError, missing_file
from ..formats.bytesource import Input, VirtualFile, as_input
from ..limits import DEFAULT, Limits
from .raw import RawLayout

HEAD = 24   # bytes that tell the format
_SIGNATURES = {
    "npy": rb"\x93NUMPY", "npz": rb"PK(\x03\x04|\x05\x06)", "pfm": rb"P[fF]", "pgm": rb"P[25]",
    "exr": rb"\x76\x2f\x31\x01", "hdf5": rb"\x89HDF\r\n\x1a\n",
    "mat": rb"MATLAB 7\.3 MAT-f",        # the HDF5 file begins 512 bytes later
    "dpt": rb"PIEH", "colmap": rb"[0-9]{1,7}&[0-9]{1,7}&[0-9]{1,4}&",
    "lzfse": rb"bvx"}                    # its blocks begin with bvx2, bvx1, bvxn or bvx-


def format_of(head: bytes) -> str | None:
    """Return the format of a map by the first bytes of its file, a key of the signatures; None for pictures."""
    return next((name for name, signature in _SIGNATURES.items() if re.match(signature, head)), None)


@dataclass(frozen=True, eq=False)
class SourceMap:
    """A map as stored in its file.

    Attributes:
        codes: (H, W) uint8, uint16, float16, float32 or float64; C order, native byte order.
        max_code: Code that means 1.0: 255 or 65535, or a PGM's own maximum; None for floats.
        orientation: The map's Exif orientation, 1–8. The codes are as stored, not turned by it.
        path: The file.
    """

    codes: NDArray[Any]
    max_code: int | None
    orientation: int
    path: Input

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height) in pixels, as stored."""
        return self.codes.shape[1], self.codes.shape[0]


def read_map(
    path: str | os.PathLike[str] | VirtualFile, *, limits: Limits = DEFAULT, key: str | None = None,
    photo_size: tuple[int, int] | None = None, size: tuple[int, int] | None = None, rows: RawLayout | None = None,
) -> SourceMap:
    """Read a map.

    The formats are PNG, TIFF, BMP, JPEG, WebP, PGM, PFM, .npy, .npz, OpenEXR, HDF5 (and MAT v7.3), .dpt, COLMAP's .bin
    and Record3D's .depth and .conf. The content decides, not the suffix. Codes are kept as stored, with these
    exceptions: integers of other widths become uint16 where all are in 0..65535, or else float32 where that is exact;
    three equal channels become one. A TIFF is turned upright while it is decoded.

    Args:
        path: The file.
        limits: What the file may ask for.
        key: The array of an .npz, the channel of an EXR, or the data set of an HDF5 file; `name[i]` or `[i]` is one
            image of a stack in .npy, .npz and HDF5. Without it, `depth` or a similar name is used, or the only map in
            the file.
        photo_size: (width, height) of the photo, to recognise pictures that show photo and map side by side.
        size: (width, height) of the map, for files that do not declare it.
        rows: Layout of a file that holds only rows of numbers; the content is then not examined.

    Returns:
        The map.

    Raises:
        MissingInputError: The file does not exist.
        LimitError: It asks for too much; raised before decoding.
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
        UnsupportedError: It is valid but not a map that can be read.
    """
    path = as_input(path)
    where = str(path)
    with _open(path, where, limits) as (stream, length):
        limits.check("max_file", length, where=where)
        head = stream.read(HEAD)
        stream.seek(0)
        if not head:
            raise TruncatedError("the file is empty", where=where)
        read = _READERS.get(format_of(head) or "", _picture) if rows is None else _rows
        values, maximum, orientation = read(_Opened(path, stream, length, limits, key, photo_size, size, rows))
    codes = _codes(values, where)
    if codes.dtype.kind == "u" and maximum is None:
        maximum = int(np.iinfo(codes.dtype).max)
    return SourceMap(codes, maximum, orientation, path)


def _codes(values: NDArray[Any], where: str) -> NDArray[Any]:
    if values.dtype.kind == "f" or values.dtype in (np.uint8, np.uint16):
        return values
    low, high = int(values.min()), int(values.max())
    if low >= 0 and high <= 65535:
        return values.astype(np.uint16)
    if max(-low, high) <= 1 << 53:                      # float64 holds these exactly, so the comparison is exact
        exact = values.astype(np.float32)
        if np.array_equal(exact.astype(np.float64), values.astype(np.float64)):
            return exact
    raise UnsupportedError(f"the map holds integers from {low} to {high}, which neither 16 bits nor float32 can hold",
                           where=where, hint="save them as float64, or scale them into 0..65535")


@dataclass(frozen=True)
class _Opened:
    """An open file and the arguments of `read_map`."""

    path: Input
    stream: BinaryIO
    length: int
    limits: Limits
    key: str | None
    photo_size: tuple[int, int] | None
    size: tuple[int, int] | None
    rows: RawLayout | None

    @property
    def where(self) -> str:
        return str(self.path)


# Each reader returns the values (H, W), the code that means 1.0 if the file declares one, and the Exif orientation.
# Modules are imported when a file of their format is read.
_Content = tuple[NDArray[Any], int | None, int]


def _npy(file: _Opened) -> _Content:
    from .arrays import read_npy, split_key

    index = split_key(file.key)[1]
    return read_npy(file.stream, file.length, where=file.where, limits=file.limits, index=index), None, 1


def _npz(file: _Opened) -> _Content:
    from .arrays import read_npz

    return read_npz(file.stream, key=file.key, where=file.where, limits=file.limits), None, 1


def _pfm(file: _Opened) -> _Content:
    from .netpbm import read_pfm

    return read_pfm(file.stream, file.length, where=file.where, limits=file.limits), None, 1


def _pgm(file: _Opened) -> _Content:
    from .netpbm import read_pgm

    return *read_pgm(file.stream, file.length, where=file.where, limits=file.limits), 1


def _exr(file: _Opened) -> _Content:
    from .exr import read_exr

    return read_exr(file.path, key=file.key, limits=file.limits), None, 1


def _hdf5(file: _Opened) -> _Content:
    from .hdf5 import read_hdf5

    return read_hdf5(file.path, key=file.key, limits=file.limits), None, 1


def _dpt(file: _Opened) -> _Content:
    from .raw import read_dpt

    return read_dpt(file.stream, file.length, where=file.where, limits=file.limits), None, 1


def _colmap(file: _Opened) -> _Content:
    from .raw import read_colmap

    return read_colmap(file.stream, file.length, where=file.where, limits=file.limits), None, 1


def _lzfse(file: _Opened) -> _Content:
    from .record3d import read_lzfse

    return read_lzfse(file.stream.read(), where=file.where, limits=file.limits, frame=file.photo_size,
                      size=file.size), None, 1


def _rows(file: _Opened) -> _Content:
    from .raw import read_raw

    assert file.rows is not None
    return read_raw(file.stream, file.length, file.rows, where=file.where, limits=file.limits,
                    photo_size=file.size or file.photo_size), None, 1


def _picture(file: _Opened) -> _Content:
    from .pictures import read_picture

    codes, orientation = read_picture(file.stream, where=file.where, limits=file.limits, photo_size=file.photo_size)
    return codes, None, orientation


_READERS: dict[str, Callable[[_Opened], _Content]] = {
    "npy": _npy, "npz": _npz, "pfm": _pfm, "pgm": _pgm, "exr": _exr, "hdf5": _hdf5, "mat": _hdf5, "dpt": _dpt,
    "colmap": _colmap, "lzfse": _lzfse}


@contextmanager
def _open(path: Input, where: str, limits: Limits) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file and yield it with its size. Only regular files are opened, because a pipe could block forever."""
    if isinstance(path, VirtualFile):
        with _memory(where):
            data = path.read(limits)
            yield io.BytesIO(data), len(data)
        return
    try:
        # Without blocking, opening a pipe that nobody writes to returns, and the pipe can be refused.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise missing_file(path) from error
    except OSError as error:
        raise FileError(f"the file cannot be opened: {error.strerror}", where=where) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise UnsupportedError(f"the path is {what}", where=where, hint="give the map's file")
    with os.fdopen(handle, "rb") as stream, _memory(where):
        yield stream, status.st_size


@contextmanager
def _memory(where: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise LimitError("the map does not fit into memory", where=where) from error
    except OSError as error:
        raise FileError(f"the file cannot be read: {error.strerror or error}", where=where) from error
