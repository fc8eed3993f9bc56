"""Converts the dictionary that ImageIO and AVDepthData exchange, with the literal strings behind their constants.

`AVDepthData(fromDictionaryRepresentation:)` takes it, `CGImageSourceCopyAuxiliaryDataInfoAtIndex` returns it:

    kCGImageAuxiliaryDataInfoData              the rows, each padded to BytesPerRow
    kCGImageAuxiliaryDataInfoDataDescription   PixelFormat (FourCC as a number), Width, Height, BytesPerRow
    kCGImageAuxiliaryDataInfoMetadata          a CGImageMetadata object, which only Apple software can make
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .pixel_format import PixelFormat, native

DATA = "kCGImageAuxiliaryDataInfoData"
DATA_DESCRIPTION = "kCGImageAuxiliaryDataInfoDataDescription"
METADATA = "kCGImageAuxiliaryDataInfoMetadata"
TYPE_DEPTH = "kCGImageAuxiliaryDataTypeDepth"
TYPE_DISPARITY = "kCGImageAuxiliaryDataTypeDisparity"
PIXEL_FORMAT, WIDTH, HEIGHT, BYTES_PER_ROW = "PixelFormat", "Width", "Height", "BytesPerRow"


def auxiliary_data_info(values: NDArray[Any], fmt: PixelFormat, bytes_per_row: int | None = None) -> dict[str, Any]:
    """Return the dictionary of a map, with little-endian rows padded with zeros.

    Args:
        values: A map (H, W) of a native format.
        fmt: The format.
        bytes_per_row: Bytes of a padded row; there is no padding by default. Core Video pads to 16 or 64.

    Raises:
        UsageError: `bytes_per_row` is too small.
    """
    height, width = values.shape
    tight = width * fmt.dtype.itemsize
    pitch = tight if bytes_per_row is None else bytes_per_row
    if pitch < tight:
        raise UsageError(f"bytes_per_row is {pitch}, but a row of {width} {fmt} values takes {tight} bytes")
    rows = np.zeros((height, pitch), np.uint8)
    little = np.ascontiguousarray(values, fmt.dtype.newbyteorder("<"))
    rows[:, :tight] = little.view(np.uint8).reshape(height, tight)
    description = {PIXEL_FORMAT: fmt.fourcc, WIDTH: width, HEIGHT: height, BYTES_PER_ROW: pitch}
    return {DATA: rows.tobytes(), DATA_DESCRIPTION: description}


def map_from_info(info: dict[str, Any]) -> tuple[NDArray[Any], PixelFormat]:
    """Return the map (H, W) in native byte order, and its format. Raises UsageError for an inconsistent dictionary."""
    try:
        data, about = bytes(info[DATA]), info[DATA_DESCRIPTION]
        width, height, pitch = (int(about[k]) for k in (WIDTH, HEIGHT, BYTES_PER_ROW))
        fmt = native(int(about[PIXEL_FORMAT]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"the auxiliary data dictionary is incomplete: {error}") from None
    tight = width * fmt.dtype.itemsize
    if width <= 0 or height <= 0 or pitch < tight or len(data) < pitch * (height - 1) + tight:
        raise UsageError(f"the auxiliary data dictionary holds {len(data)} bytes instead of {height} rows of {pitch}")
    padded = data.ljust(pitch * height, b"\0")[: pitch * height]
    rows = np.frombuffer(padded, np.uint8).reshape(height, pitch)[:, :tight]
    little = np.ascontiguousarray(rows).view(fmt.dtype.newbyteorder("<"))
    return little.astype(fmt.dtype), fmt
