"""Treats Exif orientations 1–8 and HEIF's irot × imir as one algebra.

An orientation turns the stored (coded) picture into the displayed one. All eight are
``display = rot90(mirror(coded) if m else coded, k)`` with `mirror` = left ↔ right and `rot90` counter-clockwise.
The pair (m, k) is an element of the dihedral group of the square; Exif's number is its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

# Exif tag 0x0112 (CIPA DC-008): value → (mirrored first?, quarter turns counter-clockwise)
_MK = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 1), 6: (0, 3), 7: (1, 3), 8: (0, 1)}
_EXIF = {mk: exif for exif, mk in _MK.items()}


def check(orientation: int) -> int:
    """Return `orientation`; raise UsageError unless it is 1–8."""
    if orientation not in _MK:
        raise UsageError(f"orientation {orientation!r} is not an Exif orientation", hint="use 1 to 8")
    return orientation


def then(first: int, second: int) -> int:
    """Return the orientation that equals applying `first`, then `second`."""
    (m1, k1), (m2, k2) = _MK[check(first)], _MK[check(second)]
    return _EXIF[m1 ^ m2, (k2 + (-k1 if m2 else k1)) % 4]


def inverse(orientation: int) -> int:
    """Return the orientation that undoes this one."""
    m, k = _MK[check(orientation)]
    return orientation if m else _EXIF[0, -k % 4]


def swaps_axes(orientation: int) -> bool:
    """Return True for 5–8, which exchange width and height."""
    return _MK[check(orientation)][1] % 2 == 1


def size(orientation: int, width: int, height: int) -> tuple[int, int]:
    """Return (width, height) after applying the orientation."""
    return (height, width) if swaps_axes(orientation) else (width, height)


def apply(orientation: int, image: NDArray[Any]) -> NDArray[Any]:
    """Return a view of `image` (H, W, …) with the orientation applied."""
    m, k = _MK[check(orientation)]
    return np.rot90(image[:, ::-1] if m else image, k)


def matrix(orientation: int) -> NDArray[np.int64]:
    """Return the 2 × 2 matrix that maps coded image directions (x right, y down) to display directions."""
    m, k = _MK[check(orientation)]
    turn = np.array([[0, 1], [-1, 0]])  # a quarter turn counter-clockwise, y down: x' = y, y' = −x
    mirror = np.array([[-1, 0], [0, 1]])
    out = np.linalg.matrix_power(turn, k)
    return np.asarray(out @ mirror if m else out, np.int64)


def from_heif(transforms: Iterable[tuple[str, int]]) -> int:
    """Convert HEIF's transformative properties, in association order, to an orientation.

    Args:
        transforms: ("irot", quarter turns counter-clockwise 0–3) and ("imir", axis). Axis 0 exchanges top and bottom, 1
            left and right, as libheif and Apple read ISO/IEC 23008-12. Other names are ignored.
    """
    out = 1
    for kind, value in transforms:
        if kind == "irot":
            out = then(out, _EXIF[0, value & 3])
        elif kind == "imir":
            out = then(out, 2 if value & 1 else 4)
    return out


def to_heif(orientation: int) -> list[tuple[str, int]]:
    """Return the shortest [("irot", n)?, ("imir", axis)?] with this orientation, in the order to apply."""
    m, k = _MK[check(orientation)]
    if not m:
        return [("irot", k)] if k else []
    # Mirroring and then k turns equals −k turns and then mirroring.
    turns = -k % 4
    if turns == 2:
        return [("imir", 0)]
    return [("irot", turns), ("imir", 1)] if turns else [("imir", 1)]
