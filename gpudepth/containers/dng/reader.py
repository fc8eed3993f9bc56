"""Reads the depth directory of a DNG file as DepthData.

Code 0 is the near end and the largest code the far end. With x = code / max:

    Linear     d = near + x (far − near)
    Inverse    1/d = 1/near − x (1/near − 1/far)        1/far = 0 for far = 1/0
"""

from __future__ import annotations

import numpy as np

from ...depth import numeric
from ...depth.data import DepthData, Storage
from ...depth.pixel_format import FDEP, FDIS, HDEP, HDIS, PixelFormat, stored
from ...errors import RangeError, UnsupportedError
from . import codec
from .file import (
    DEPTH_FAR,
    DEPTH_FORMAT,
    DEPTH_MEASURE_TYPE,
    DEPTH_NEAR,
    DEPTH_UNITS,
    FORMAT_INVERSE,
    FORMAT_LINEAR,
    FORMAT_UNKNOWN,
    DngFile,
)

OPTICAL_RAY = 2
METRES = 1
_AGAIN = "attach the depth again with its range, ‹near=0.5› ‹far=12›, and ‹replace_depth=True›"


def read_depth(file: DngFile) -> DepthData | None:
    """Return the depth in coded orientation with `orientation` set, or None for a file without depth.

    An inverse map becomes disparity and a linear one depth. 16-bit maps get a float32 format, because halves have fewer
    steps. Depth in unknown units, or in an unknown relation to distance (read as inverse), is "relative".

    Raises:
        RangeError: The file does not define what the codes mean.
        UnsupportedError: Distances are along the ray.
    """
    found = file.depth_ifds()
    if not found:
        return None
    tiff, ifd0 = file.tiff, file.ifd0
    rule = tiff.integer(ifd0, DEPTH_FORMAT, FORMAT_UNKNOWN)
    if rule not in (FORMAT_UNKNOWN, FORMAT_LINEAR, FORMAT_INVERSE):
        raise UnsupportedError(f"DepthFormat {rule} is not supported", where=f"IFD0: tag {DEPTH_FORMAT}")
    if tiff.integer(ifd0, DEPTH_MEASURE_TYPE, 0) == OPTICAL_RAY:
        raise UnsupportedError("the depth is measured along the ray and cannot be converted without the lens",
                               where=f"IFD0: tag {DEPTH_MEASURE_TYPE}")
    inverse = rule != FORMAT_LINEAR
    lo, hi = _range(file, inverse=inverse)
    codes, bits = codec.decode(tiff, found[0], file.size(found[0]), file.source.limits)
    storage = Storage(stored(bits), lo, hi)
    fmt = _format(storage, inverse=inverse)
    top = storage.format.max_code or 0
    table = numeric.pack(numeric.code_values(numeric.Linear(top, lo, hi), top), fmt)
    if inverse:
        codes = np.asarray(top, codes.dtype) - codes  # code 0 is near, where disparity is largest
    known = rule != FORMAT_UNKNOWN and tiff.integer(ifd0, DEPTH_UNITS, 0) == METRES
    return DepthData(table[codes], fmt, orientation=file.orientation(), accuracy="absolute" if known else "relative",
                     storage=storage, codes=codes)


def _format(storage: Storage, *, inverse: bool) -> PixelFormat:
    half, single = (HDIS, FDIS) if inverse else (HDEP, FDEP)
    return half if storage.format.bits == 8 and storage.hi <= float(np.finfo(np.float16).max) else single


def _range(file: DngFile, *, inverse: bool) -> tuple[float, float]:
    """Return (lo, hi): depth for a linear map, disparity for an inverse one."""
    ends = []
    for tag, name in ((DEPTH_NEAR, "DepthNear"), (DEPTH_FAR, "DepthFar")):
        top, bottom = file.tiff.rational(file.ifd0, tag) or (0, 0)
        if top == bottom == 0:
            raise RangeError(f"{name} is unknown, so the codes cannot be converted to metres",
                             where=f"IFD0: tag {tag}", hint=_AGAIN)
        ends.append((top, bottom))
    near, far = ends
    described = f"from {near[0]}/{near[1]} to {far[0]}/{far[1]}"
    if near[0] * far[1] > far[0] * near[1] or near[1] == 0:
        raise RangeError(f"in the range {described} near is not nearer than far", where=f"IFD0: tag {DEPTH_NEAR}",
                         hint=_AGAIN)
    if (near if inverse else far[::-1])[0] == 0:
        raise RangeError(f"{'an inverse' if inverse else 'a linear'} map cannot have the range {described}",
                         where=f"IFD0: tag {DEPTH_NEAR}",
                         hint=_AGAIN)
    return (far[1] / far[0], near[1] / near[0]) if inverse else (near[0] / near[1], far[0] / far[1])
