"""The colour picture as a guide: decoded once, when the first step asks for it, at the sizes they ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..containers import registry
from ..containers.base import capabilities
from ..containers.heif import photo_encoder as photo_room
from ..depth import orientation as exif
from ..errors import UnsupportedError
from ..formats.bytesource import ByteSource, Input, as_file, as_input
from ..limits import Limits


class Guide:
    """A photo's pixels, sRGB or what else they are in: guides need differences, not colours.

    orientation   of what comes out: as the photo is displayed, or as its pixels are stored
    """

    def __init__(self, photo: str | Input, orientation: Literal["display", "coded"], limits: Limits) -> None:
        self.photo, self.orientation, self.limits = as_input(photo), orientation, limits

    def at(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8, RGB: each pixel the mean of what it covers, in between where it grows.

        Raises UnsupportedError for a raw photo, MalformedError for one that cannot be decoded, LimitError.
        """
        from PIL import Image

        image, turn = self._decoded
        size = exif.size(exif.inverse(turn), width, height)
        if image.size != size:
            shrinks = size[0] <= image.width and size[1] <= image.height
            image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
        return np.ascontiguousarray(exif.apply(turn, np.asarray(image)))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole picture, in that orientation. Raises as `at`."""
        image, turn = self._decoded
        return exif.size(turn, *image.size)

    @cached_property
    def _decoded(self) -> tuple[Any, int]:
        """A Pillow image, RGB, and the orientation that turns it as wanted."""
        with ByteSource(self.photo, self.limits) as source:
            container = registry.find(source)
            picture = container.picture(source) if container else photo_room.picture(self.photo, self.limits)
            decoder = capabilities(container).decoder if container else "pillow"
            self.limits.check_picture(picture.coded_width, picture.coded_height, 3, where=str(self.photo),
                                      packed=source.size)
        display = self.orientation == "display"
        if decoder is None:
            raise UnsupportedError("is raw, and cannot guide: its picture would have to be developed",
                                   where=str(self.photo), hint="resize with bilinear and fill with nearest, or attach "
                                                               "to a developed photo")
        if decoder == "libheif":      # libheif gives what is displayed
            return _heif(self.photo, self.limits), 1 if display else exif.inverse(picture.orientation)
        with photo_room.open_photo(self.photo, self.limits) as image:
            pixels = photo_room.decode(image, "RGB", self.photo, "its pixels, which are to guide,")
        return pixels, picture.orientation if display else 1


def _heif(path: Input, limits: Limits) -> Any:
    import pillow_heif

    file = as_file(path, limits)
    with photo_room.libheif(path, "decode its picture, which is to guide"):
        return pillow_heif.open_heif(file, convert_hdr_to_8bit=True).to_pillow().convert("RGB")


class FrameGuide(Guide):
    """The same of a picture that is decoded already: (H, W, 3) uint8 by `pixels`, stored so that the Exif orientation
    `turn` displays it."""

    def __init__(self, pixels: Callable[[], NDArray[np.uint8]], turn: int,
                 orientation: Literal["display", "coded"]) -> None:
        self.pixels, self.turn, self.orientation = pixels, turn, orientation

    @cached_property
    def _decoded(self) -> tuple[Any, int]:
        from PIL import Image

        return Image.fromarray(self.pixels()), self.turn if self.orientation == "display" else 1
