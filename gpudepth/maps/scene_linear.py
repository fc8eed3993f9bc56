"""Scene-linear pictures (OpenEXR) as photos: developed by a transform that has a name, encoded once.

Values are light, with no upper end; what of it a display shows is a choice that nobody makes here unasked.

    srgb       c clipped to 0…1
    reinhard   c · Y/(1 + Y) / Y, Y the luminance, then clipped (Reinhard et al. 2002, equation 3)

Both then get sRGB's curve (IEC 61966-2-1): 12.92·c up to 0.0031308, beyond 1.055·c^(1/2.4) − 0.055, and 8 bits.
Primaries are taken for Rec. 709's. NaN is black, infinity white; alpha is not looked at: what it lets through is black.
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
from . import exr

WHITE = 65504.0     # half floats end here
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)      # of Rec. 709


def srgb_curve(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """0…1 → 0…1."""
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


def develop(light: NDArray[np.float32], transform: str) -> NDArray[np.uint8]:
    """(H, W, 3) float32 of any range → uint8, sRGB. Raises UsageError for a transform of another name."""
    if transform not in TRANSFORMS:
        raise UsageError(f"unknown colour transform {transform!r}", hint="one of " + ", ".join(TRANSFORMS))
    finite = np.nan_to_num(light, nan=0.0, posinf=WHITE, neginf=0.0)
    return np.asarray(np.rint(srgb_curve(TRANSFORMS[transform](finite)) * np.float32(255)), np.uint8)


@dataclass(frozen=True)
class Developed(VirtualFile):
    """A scene-linear picture as a PNG of what is shown of it, made when it is read."""

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
        """Raises UnsupportedError for a file without colours, and as `exr.read_colour` does."""
        return self._png

    @cached_property
    def _png(self) -> bytes:
        from PIL import Image

        pixels = develop(exr.read_colour(self.file, limits=self.limits), self.transform)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
        return out.getvalue()


def displayed(photo: Input, transform: str | None, limits: Limits = DEFAULT) -> Input:
    """The photo itself, or what a scene-linear one is developed into. Raises UsageError when that has no name."""
    with ByteSource(photo, limits) as source:
        linear = source.read(0, min(4, source.size)) == exr.MAGIC
    if not linear:
        return photo
    if transform is None:
        raise UsageError("is scene-linear: how its light becomes colours has to be said", where=str(photo),
                         hint="--color-transform srgb (clipped) or reinhard; in a job source.color_transform")
    return Developed(photo, transform, limits)
