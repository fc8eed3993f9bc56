"""Converts tkhd's matrix to Exif orientations: nine signed numbers a b u, c d v, x y w.

    u, v and w have 30 fraction bits, the others 16:

        x' = a·x + c·y + tx        y' = b·x + d·y + ty        (QuickTime File Format, "Matrices")
"""

from __future__ import annotations

import struct

import numpy as np

from ...depth.orientation import matrix as matrix_of
from ...errors import UnsupportedError

IDENTITY = bytes.fromhex("00010000 00000000 00000000  00000000 00010000 00000000  00000000 00000000 40000000")
_LAYOUT = ">9i"


def orientation(matrix: bytes, where: str = "tkhd") -> int:
    """Return the Exif orientation that turns coded samples into display orientation; scale and shift are ignored.

    Raises UnsupportedError for a matrix that is not a rotation by quarter turns, mirrored or not.
    """
    a, b, _, c, d, _, *_ = struct.unpack(_LAYOUT, matrix)
    signs = np.sign([[a, c], [b, d]])
    for candidate in range(1, 9):
        if np.array_equal(signs, matrix_of(candidate)):
            return candidate
    numbers = ", ".join(f"{v / 65536:g}" for v in (a, b, c, d))
    raise UnsupportedError(f"the matrix a, b, c, d = {numbers} is not a rotation by quarter turns", where=where,
                           hint="‹orientation=coded› uses pictures as they are stored")


def of(exif_orientation: int, width: int, height: int) -> bytes:
    """Return the matrix for an Exif orientation of coded samples of width × height; the picture stays at x, y ≥ 0."""
    (a, c), (b, d) = matrix_of(exif_orientation).tolist()
    tx = sum(size for factor, size in ((a, width), (c, height)) if factor < 0)
    ty = sum(size for factor, size in ((b, width), (d, height)) if factor < 0)
    fixed = [round(v * 65536) for v in (a, b, c, d, tx, ty)]
    return struct.pack(_LAYOUT, fixed[0], fixed[1], 0, fixed[2], fixed[3], 0, fixed[4], fixed[5], 1 << 30)
