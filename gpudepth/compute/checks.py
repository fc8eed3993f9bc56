"""What every back end checks of its arguments, and the errors that it raises."""

from __future__ import annotations

from ..depth.pixel_format import PixelFormat
from ..errors import HolesError, UsageError
from .interface import Array


def expect(values: Array, kinds: str = "") -> None:
    """Raise ValueError unless a map has two dimensions, TypeError unless its dtype is one of `kinds`."""
    if values.ndim != 2:
        raise ValueError(f"a map must have two dimensions, not {values.ndim}")
    if kinds and f"{values.dtype.kind}{values.itemsize}" not in kinds.split():
        raise TypeError(f"the dtype {values.dtype} is not one of {kinds}")


def expect_factor(factor: Array, codes: Array) -> None:
    """Raise TypeError unless a factor is float32, ValueError unless it has the shape of the codes."""
    expect(factor, "f4")
    if factor.shape != codes.shape:
        raise ValueError(f"factor has the shape {factor.shape}, but the codes have {codes.shape}")


def expect_confidence(confidence: Array, shape: tuple[int, ...]) -> None:
    """Raise TypeError unless a confidence is uint8, ValueError unless it has the shape of its map."""
    expect(confidence, "u1")
    if confidence.shape != shape:
        raise ValueError(f"the confidence has the shape {confidence.shape}, but the map has {shape}")


def expect_box(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return a box; raise ValueError unless it lies inside a map."""
    x, y, width, height = box
    if min(box) < 0 or x + width > shape[1] or y + height > shape[0]:
        raise ValueError(f"the box {box} does not lie inside a map of {shape[1]}×{shape[0]}")
    return box


def max_code_of(fmt: PixelFormat) -> int:
    """Return the largest code of a stored format; raise UsageError for a format of values."""
    if fmt.max_code is None:
        raise UsageError(f"{fmt} holds values, not codes", hint="use a stored format: L008, L010, L012 or L016")
    return fmt.max_code


def holes_error(missing: int, total: int, fmt: PixelFormat) -> HolesError:
    """Return the error for a map that cannot be quantised because of its holes."""
    share = 100 * missing / total
    return HolesError(f"{missing:,} of {total:,} pixels ({share:.3g} %) hold no value, and {fmt} has no code for that",
                      hint="‹fill=nearest› puts values there, as do far, near and inpaint")
