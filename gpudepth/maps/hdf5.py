"""Reads depth in HDF5 files: Hypersim's frames, NYU's labelled set (MAT v7.3 is HDF5) and exports of research code.

A data set is named by its path (`dataset`, `camera/depth`), and an image of a stack by an index: `depths[3]`. MATLAB
stores columns first; its data sets have the attribute MATLAB_class and are transposed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GpudepthError, MalformedError, UnsupportedError, listing
from ..formats.bytesource import Input, as_file
from ..limits import DEFAULT, Limits
from .arrays import split_key

PREFERRED = ("depth", "depths", "disparity", "dataset")
MAX_SETS = 1000


def read_hdf5(file: Input, *, key: str | None = None, limits: Limits = DEFAULT) -> NDArray[Any]:
    """Read a data set.

    Args:
        file: The file.
        key: Path of the data set, with `[i]` for one image of a stack (N, H, W).
        limits: What the file may ask for.

    Returns:
        (H, W), with the stored dtype.

    Raises:
        UnsupportedError: The package h5py is missing, the shape or type is not that of a map, the values are in another
            file, or the data set is ambiguous; the hint lists the data sets.
        LimitError: It asks for too much; raised before reading.
        MalformedError: It contradicts its format.
    """
    with _opened(file, limits) as opened:
        name, index = split_key(key)
        return _read(_find(opened, name, str(file)), index, limits, str(file))


def list_sets(file: Input, limits: Limits = DEFAULT) -> dict[str, tuple[str, tuple[int, ...]]]:
    """List the data sets by path, each with its type of number and its shape. Raises the errors of `read_hdf5`."""
    with _opened(file, limits) as opened:
        return {name: (str(found.dtype), tuple(int(n) for n in found.shape))
                for name, found in _all_sets(opened).items()}


@contextlib.contextmanager
def _opened(file: Input, limits: Limits) -> Iterator[Any]:
    """Open the file and convert the errors of the library."""
    path = str(file)
    try:
        import h5py
    except ImportError:
        raise UnsupportedError("reading HDF5 requires the package h5py", where=path,
                               hint="pip install 'gpudepth[hdf5]'") from None
    try:
        with h5py.File(as_file(file, limits), "r", locking=False) as opened:
            yield opened
    except GpudepthError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise MalformedError(f"the file cannot be read as HDF5: {error}", where=path) from None


def _all_sets(file: Any) -> dict[str, Any]:
    import h5py

    sets: dict[str, Any] = {}

    def visit(path: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset):
            sets[path] = item
        return True if len(sets) >= MAX_SETS else None      # anything but None ends the visit

    file.visititems(visit)      # does not follow links out of the file
    return sets


def _find(file: Any, name: str | None, where: str) -> Any:
    sets = _all_sets(file)
    shown = listing((f"{p}: {d.dtype} {d.shape}" for p, d in sets.items()), len(sets), "; ", "none")
    if name is not None:
        if name.strip("/") in sets:
            return sets[name.strip("/")]
        raise UnsupportedError(f"the file has no data set {name!r}", where=where, hint=f"it holds {shown}")
    maps = {p: d for p, d in sets.items() if d.dtype.kind in "fiu" and d.ndim in (2, 3)}
    for wanted in PREFERRED:
        if wanted in maps:
            return maps[wanted]
    if len(maps) == 1:
        return next(iter(maps.values()))
    raise UnsupportedError("it is ambiguous which data set holds the depth", where=where,
                           hint=f"name one with ‹key›: {shown}")


def _read(found: Any, index: int | None, limits: Limits, where: str) -> NDArray[Any]:
    name = f"{where}: {found.name}"
    if found.dtype.kind not in "fiu" or found.dtype.itemsize > 8:
        raise UnsupportedError(f"the data set holds {found.dtype}; a map holds numbers", where=name)
    if found.external or found.is_virtual:
        raise UnsupportedError("the data set keeps its values in other files, which are not read", where=name)
    plane = _plane(tuple(int(n) for n in found.shape), index, found.name, name)
    there = int(found.id.get_storage_size())        # of all images; 0 when none was written
    limits.check_decode(plane[1], plane[0], found.dtype.itemsize, where=name, packed=there)
    if found.chunks is not None:
        chunk = int(np.prod(found.chunks, dtype=object)) * found.dtype.itemsize
        limits.check("max_decoded_bytes", chunk, where=name)
        limits.check_ratio(there, chunk, where=name)
    values = np.asarray(found[index] if index is not None else found[()]).reshape(plane)
    return np.ascontiguousarray(values.T if "MATLAB_class" in found.attrs else values)


def _plane(shape: tuple[int, ...], index: int | None, key: str, where: str) -> tuple[int, ...]:
    """Return the shape of a map: of one image of a stack, or without an axis of length 1. Raises UnsupportedError."""
    if index is not None:
        if len(shape) != 3 or index >= shape[0]:
            raise UnsupportedError(f"there is no image {index}: the data set has shape {shape}", where=where)
        plane: tuple[int, ...] = shape[1:]
    elif len(shape) == 3 and 1 not in (shape[0], shape[2]):
        raise UnsupportedError(f"the data set is a stack of {shape[0]} images", where=where,
                               hint=f"name one, ‹key='{key[1:]}[0]'›")
    else:
        plane = tuple(n for n in shape if n != 1) if len(shape) == 3 else shape
    if len(plane) != 2 or 0 in plane:
        raise UnsupportedError(f"the data set has shape {shape}; a map is (height, width)", where=where)
    return plane
