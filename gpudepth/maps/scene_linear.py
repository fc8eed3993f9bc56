"""Converts scene-linear pictures (OpenEXR) to photos with a named transform.

Values are light without an upper bound. How they become colours is a choice that the user has to make; `TRANSFORMS`
lists the transforms:

    srgb       c clipped to 0…1
    reinhard   c · Y/(1 + Y) / Y, where Y is the luminance, then clipped (Reinhard et al. 2002, equation 3)

Both are followed by sRGB's curve (IEC 61966-2-1), 12.92·c up to 0.0031308 and 1.055·c^(1/2.4) − 0.055 beyond, and 8
bits. Primaries are assumed to be those of Rec. 709. NaN becomes black and infinity white. Alpha is ignored.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..formats.bytesource import ByteSource, Input, VirtualFile
from ..limits import DEFAULT, Limits
from .reader import HEAD, format_of

WHITE = 65504.0     # the largest half float
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)      # of Rec. 709


def srgb_curve(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply sRGB's curve, 0…1 → 0…1."""
    low = linear <= np.float32(0.0031308)
    high = np.float32(1.055) * np.power(np.where(low, np.float32(1), linear), np.float32(1 / 2.4)) - np.float32(0.055)
    curve: NDArray[np.float32] = np.where(low, np.float32(12.92) * linear, high)
    return curve


def _clip(light: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped: NDArray[np.float32] = np.clip(light, 0, 1)
    return clipped


def _reinhard(light: NDArray[np.float32]) -> NDArray[np.float32]:
    luminance = np.maximum(light, 0) @ LUMINANCE
    return _clip(light / (1 + luminance)[..., None])


TRANSFORMS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {"srgb": _clip, "reinhard": _reinhard}
"""The transforms by name, which `--color-transform` offers."""


def develop(light: NDArray[np.float32], transform: str) -> NDArray[np.uint8]:
    """Convert light to colours.

    Args:
        light: (H, W, 3) float32 of any range.
        transform: A key of TRANSFORMS.

    Returns:
        (H, W, 3) uint8, sRGB.

    Raises:
        UsageError: The transform is unknown.
    """
    if transform not in TRANSFORMS:
        raise UsageError(f"unknown colour transform {transform!r}", hint="use " + " or ".join(TRANSFORMS))
    finite = np.nan_to_num(light, nan=0.0, posinf=WHITE, neginf=0.0)
    return np.asarray(np.rint(srgb_curve(TRANSFORMS[transform](finite)) * np.float32(255)), np.uint8)


@dataclass(frozen=True)
class Developed(VirtualFile):
    """A scene-linear picture as a PNG of its developed colours, which is made when it is read.

    Attributes:
        file: The scene-linear picture.
        transform: A key of TRANSFORMS.
        limits: What the file may ask for.
    """

    file: Input
    transform: str
    limits: Limits = DEFAULT

    @property
    def path(self) -> Path:
        return self.file.path if isinstance(self.file, VirtualFile) else self.file

    def __str__(self) -> str:
        return str(self.file)

    def stat(self) -> os.stat_result:
        return self.file.stat()

    def read(self, limits: Limits = DEFAULT) -> bytes:
        """Return the PNG. Raises UnsupportedError for a file without colours, and the errors of `exr.read_colour`."""
        return self._png

    @cached_property
    def _png(self) -> bytes:
        from PIL import Image

        from . import exr

        pixels = develop(exr.read_colour(self.file, limits=self.limits), self.transform)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
        return out.getvalue()


def displayed(photo: Input, transform: str | None, limits: Limits = DEFAULT) -> Input:
    """Return the photo itself, or a scene-linear photo developed by `transform`. Raises UsageError without one."""
    with ByteSource(photo, limits) as source:
        linear = format_of(source.read(0, min(HEAD, source.size))) == "exr"
    if not linear:
        return photo
    if transform is None:
        raise UsageError("the photo is scene-linear: choose a transform to colours", where=str(photo),
                         hint=" or ".join(f"‹color_transform={name}›" for name in TRANSFORMS))
    return Developed(photo, transform, limits)
