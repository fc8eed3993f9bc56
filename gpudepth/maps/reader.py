"""Reads a map of any format as codes; the encoding defines what they mean."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, LimitError, TruncatedError, UnsupportedError, missing_file
from ..formats.bytesource import Input, VirtualFile, as_input
from ..limits import DEFAULT, Limits
from . import arrays, exr, hdf5, pictures, raw, record3d
from .netpbm import read_pfm, read_pgm
from .raw import RawLayout, read_raw


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
    orientation, maximum = 1, None
    with _open(path, where, limits) as (stream, length):
        limits.check("max_file", length, where=where)
        magic = stream.read(24)
        stream.seek(0)
        if not magic:
            raise TruncatedError("the file is empty", where=where)
        if rows is not None:
            values = read_raw(stream, length, rows, where=where, limits=limits, photo_size=size or photo_size)
            top = int(np.iinfo(values.dtype).max) if values.dtype.kind == "u" else None
            return SourceMap(values, top, 1, path)
        if magic.startswith(arrays.MAGIC):
            index = arrays.split_key(key)[1]
            values = arrays.read_npy(stream, length, where=where, limits=limits, index=index)
        elif magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            values = arrays.read_npz(stream, key=key, where=where, limits=limits)
        elif magic[:2] in {b"Pf", b"PF"}:
            values = read_pfm(stream, length, where=where, limits=limits)
        elif magic[:2] in {b"P2", b"P5"}:
            values, maximum = read_pgm(stream, length, where=where, limits=limits)
        elif magic.startswith(exr.MAGIC):
            values = exr.read_exr(path, key=key, limits=limits)
        elif magic.startswith((hdf5.MAGIC, hdf5.MATLAB)):
            values = hdf5.read_hdf5(path, key=key, limits=limits)
        elif magic.startswith(raw.DPT):
            values = raw.read_dpt(stream, length, where=where, limits=limits)
        elif raw.is_colmap(magic):
            values = raw.read_colmap(stream, length, where=where, limits=limits)
        elif magic.startswith(record3d.MAGIC):
            values = record3d.read_lzfse(stream.read(), where=where, limits=limits, frame=photo_size, size=size)
        else:
            values, orientation = pictures.read_picture(stream, where=where, limits=limits, photo_size=photo_size)
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
