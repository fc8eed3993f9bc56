"""How a picture is fitted into the input of a depth network, and the map's part is cut out of its output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Fit = Literal["letterbox", "stretch", "aspect"]
FITS: tuple[Fit, ...] = ("letterbox", "stretch", "aspect")


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies in the input of a network.

    Attributes:
        width: Width of the input in pixels.
        height: Height of the input.
        x: Left edge of the picture in it.
        y: Top edge of the picture.
        inner_width: Width of the picture.
        inner_height: Height of the picture.
    """

    width: int
    height: int
    x: int
    y: int
    inner_width: int
    inner_height: int

    @classmethod
    def of(cls, picture: tuple[int, int], size: tuple[int, int], fit: Fit, multiple: int = 1) -> Letterbox:
        """Fit a picture into an input.

        Args:
            picture: (width, height) of the picture.
            size: (width, height) of the input; with `aspect` its long side is the picture's long side.
            fit: "stretch" ignores the aspect, "aspect" keeps it up to `multiple`, "letterbox" adds margins.
            multiple: Sides are multiples of this, for "aspect".
        """
        if fit == "stretch":
            return cls(*size, 0, 0, *size)
        if fit == "aspect":
            scale = max(size) / max(picture)
            width, height = (max(multiple, round(side * scale / multiple) * multiple) for side in picture)
            return cls(width, height, 0, 0, width, height)
        scale = min(size[0] / picture[0], size[1] / picture[1])
        width, height = (max(1, min(most, round(side * scale))) for side, most in zip(picture, size, strict=True))
        return cls(*size, (size[0] - width) // 2, (size[1] - height) // 2, width, height)

    def fill(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the input (height, width, 3) that holds a normalised picture, with 0 around it."""
        out = np.zeros((self.height, self.width, 3), np.float32)
        out[self.y : self.y + self.inner_height, self.x : self.x + self.inner_width] = picture
        return out

    def cut(self, output: NDArray[Any], picture: tuple[int, int]) -> NDArray[np.float32]:
        """Cut the picture's part out of an output (H, W) of any resolution and restore its aspect (width, height)."""
        across, down = output.shape[1] / self.width, output.shape[0] / self.height
        left, top = round(self.x * across), round(self.y * down)
        right = max(left + 1, round((self.x + self.inner_width) * across))
        bottom = max(top + 1, round((self.y + self.inner_height) * down))
        part = np.ascontiguousarray(output[top:bottom, left:right], np.float32)
        height, width = part.shape
        if abs(width * picture[1] / (height * picture[0]) - 1) < 0.01:
            return part
        from PIL import Image

        # The input was stretched or rounded to a multiple: keep the number of pixels and restore the shape.
        scale = (width * height / (picture[0] * picture[1])) ** 0.5
        size = max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale))
        return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))
