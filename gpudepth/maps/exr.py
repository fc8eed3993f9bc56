"""Reads depth in OpenEXR: a half or float channel of the display window.

A renderer may store less (or more) than the display window, namely the data window. Pixels of the display window
without data are NaN. Without a key the channel is `Z`, or the only one whose last name is `Z`, `V` or `depth`
(Blender's `ViewLayer.Depth.Z`, Hypersim's and compositors' `depth.V`), or the only channel in the file.

The package OpenEXR of the Academy Software Foundation decodes; deep pictures are refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import GpudepthError, MalformedError, UnsupportedError, listing
from ..formats.bytesource import Input, as_path
from ..limits import DEFAULT, Limits

LAST_NAMES = ("z", "v", "depth")
MAX_PARTS = 64


def read_exr(file: Input, *, key: str | None = None, limits: Limits = DEFAULT) -> NDArray[Any]:
    """Read a channel of the display window.

    Args:
        file: The file.
        key: Name of a channel, or `part:channel` with the part's number.
        limits: What the file may ask for.

    Returns:
        (H, W) float16 or float32.

    Raises:
        UnsupportedError: The package OpenEXR is missing, the picture is deep or subsampled, the channel holds integers,
            or the channel is ambiguous; the hint lists the channels.
        LimitError: It asks for too much; raised before decoding.
        MalformedError: It contradicts its format.
    """
    def choose(parts: list[Any]) -> tuple[int, list[str]]:
        number, channel = _choose(parts, key, str(file))
        return number, [channel]

    return _read(file, choose, limits)[0]


def read_colour(file: Input, *, limits: Limits = DEFAULT) -> NDArray[np.float32]:
    """Read the colours of the display window, NaN where there is no data.

    Args:
        file: The file.
        limits: What the file may ask for.

    Returns:
        (H, W, 3) float32: R, G and B of one layer (such as Blender's `ViewLayer.Combined.R`), or Y three times.

    Raises:
        UnsupportedError: There are no colours, or only those of several named layers. Otherwise the errors of
            `read_exr`.
    """
    def choose(parts: list[Any]) -> tuple[int, list[str]]:
        return _colours(parts, str(file))

    channels = [np.asarray(channel, np.float32) for channel in _read(file, choose, limits)]
    return np.stack(channels if len(channels) == 3 else channels * 3, -1)


def _read(file: Input, choose: Callable[[list[Any]], tuple[int, list[str]]], limits: Limits) -> list[NDArray[Any]]:
    """Read channels of the display window of one part; `choose` returns the part's number and the channels."""
    path, library = str(file), _library(str(file))
    with as_path(file, limits) as name, _damage(path):
        parts = library.File(name, header_only=True).parts[:MAX_PARTS]
        size = Path(name).stat().st_size
        _check_parts(parts, size, limits, path)
        number, channels = choose(parts)
        header = parts[number].header
        if "deep" in str(header.get("type", "")).lower():
            raise UnsupportedError("the picture is deep: it holds many samples per pixel", where=path,
                                   hint="flatten it in a compositor first")
        data, display = _window(header["dataWindow"], path), _window(header["displayWindow"], path)
    x0, y0, x1, y1 = display
    limits.check_decode(x1 - x0, y1 - y0, 4 * len(channels), where=path, packed=size)
    out = []
    with as_path(file, limits) as name, _damage(path):
        there = library.File(name, separate_channels=True).parts[number].channels
        for channel in channels:
            found = there[channel]
            if (found.xSampling, found.ySampling) != (1, 1):
                raise UnsupportedError(f"channel {channel} is subsampled", where=path)
            values = np.asarray(found.pixels)
            if values.dtype.kind != "f":
                raise UnsupportedError(f"channel {channel} holds {values.dtype} instead of floats", where=path)
            out.append(_pasted(values, data, display))
    return out


def _check_parts(parts: list[Any], size: int, limits: Limits, where: str) -> None:
    """Check all parts and channels of a file of `size` bytes, because the library decodes them all."""
    total = 0
    for part in parts:
        x0, y0, x1, y1 = _window(part.header["dataWindow"], where)
        sample = 4 * max(1, len(part.header["channels"]))
        limits.check_picture(x1 - x0, y1 - y0, sample, where=where)
        total += (x1 - x0) * (y1 - y0) * sample
    limits.check("max_decoded_bytes", total, where=where)
    limits.check_ratio(size, total, where=where)


def _colours(parts: list[Any], where: str) -> tuple[int, list[str]]:
    """Return the part and its channels R, G and B, or Y."""
    layers = [(number, channels) for number, part in enumerate(parts) for channels in _layers(part)]
    plain = [found for found in layers if found[1][0] in ("R", "Y")]
    combined = [found for found in layers if "combined" in found[1][0].lower()]
    for candidates in (plain[:1], combined, layers):
        if len(candidates) == 1:
            return candidates[0]
    what = "no colours"
    if layers:
        what = "colours of several layers: " + listing((found[1][0][:-2] for found in layers), len(layers))
    raise UnsupportedError(f"the picture holds {what}; a photo needs one set of them", where=where,
                           hint="use a file with the channels R, G and B, or with a single layer of them")


def _layers(part: Any) -> list[list[str]]:
    """Return the channels of each set of colours in a part."""
    names = {str(c.name) for c in part.header["channels"]}
    sets = [[f"{layer}{c}" for c in "RGB"] for name in sorted(names)
            if name == "R" or name.endswith(".R") for layer in (name[:-1],)]
    return [channels for channels in sets if names.issuperset(channels)] + ([["Y"]] if "Y" in names else [])


def _library(where: str) -> Any:
    try:
        import OpenEXR
    except ImportError:
        raise UnsupportedError("reading OpenEXR requires the package OpenEXR", where=where,
                               hint="pip install 'gpudepth[exr]'") from None
    return OpenEXR


def list_channels(path: str) -> tuple[str, ...]:
    """List the channels of all parts, from the headers. Raises UnsupportedError without the package, MalformedError."""
    library = _library(path)
    with _damage(path):
        return tuple(str(channel.name) for part in library.File(path, header_only=True).parts[:MAX_PARTS]
                     for channel in part.header["channels"])


def _choose(parts: list[Any], key: str | None, where: str) -> tuple[int, str]:
    """Return the part and the channel that holds depth. Raises UnsupportedError."""
    names = [(i, str(c.name)) for i, part in enumerate(parts) for c in part.header["channels"]]
    shown = listing((name if i == 0 else f"{i}:{name}" for i, name in names), len(names), none="none")
    if key is not None:
        part, colon, name = key.partition(":")
        wanted = (int(part), name) if colon and part.isdigit() else (0, key)
        if wanted in names:
            return wanted
        raise UnsupportedError(f"the file has no channel {key!r}", where=where, hint=f"it holds {shown}")
    candidates = _candidates(names)
    if len(candidates) == 1:
        return candidates[0]
    raise UnsupportedError("it is ambiguous which channel holds the depth", where=where,
                           hint=f"name one with ‹key›: {shown}")


def _candidates(names: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the channels that hold depth by their names, or all of them."""
    exact = [n for n in names if n[1] == "Z"]
    return exact or [n for n in names if n[1].lower().rpartition(".")[2] in LAST_NAMES] or names


def _window(box: Any, where: str) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of a window, ends exclusive."""
    (x0, y0), (x1, y1) = ((int(v) for v in corner) for corner in box)
    if x1 < x0 or y1 < y0:
        raise MalformedError(f"the window runs from {x0}, {y0} to {x1}, {y1}", where=where)
    return x0, y0, x1 + 1, y1 + 1


def _pasted(values: NDArray[Any], data: tuple[int, ...], display: tuple[int, ...]) -> NDArray[Any]:
    if data == display:
        return np.ascontiguousarray(values)
    out = np.full((display[3] - display[1], display[2] - display[0]), np.nan, values.dtype)
    x0, y0, x1, y1 = (f(a, b) for f, a, b in zip((max, max, min, min), data, display, strict=True))
    if x0 < x1 and y0 < y1:
        out[y0 - display[1] : y1 - display[1], x0 - display[0] : x1 - display[0]] = (
            values[y0 - data[1] : y1 - data[1], x0 - data[0] : x1 - data[0]])
    return out


@contextlib.contextmanager
def _damage(where: str) -> Any:
    """Convert the errors of the library."""
    try:
        yield
    except GpudepthError:
        raise
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, OSError, OverflowError, MemoryError) as error:
        raise MalformedError(f"the file cannot be read as OpenEXR: {error}", where=where) from None
