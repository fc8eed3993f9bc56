"""Opens a photo once: which container it is, what its header holds, and its pixels where they guide a map."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..containers import registry
from ..containers.base import Container, Picture, capabilities
from ..depth import orientation
from ..depth.data import DepthData
from ..errors import UnsupportedError
from ..formats.bytesource import ByteSource, Input, as_file, as_input
from ..limits import Limits
from ..maps.scene_linear import displayed
from ..settings.values import Orientation

DECODED = {"pillow": 8.0, "libheif": 9.0}     # bytes of memory per pixel while a picture is decoded, as measured


class Guide:
    """The pixels of a photo along whose edges a map is refined, decoded when they are first asked for.

    Args:
        decode: Returns the picture as a Pillow image, RGB in its own colour space, and the Exif orientation that turns
            it to the orientation of the guide.
    """

    def __init__(self, decode: Callable[[], tuple[Any, int]]) -> None:
        self.decode = decode

    def at(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture at a size.

        Returns:
            (height, width, 3) uint8: the mean of the pixels that each covers where the picture shrinks, linear
            interpolation where it grows.

        Raises:
            UnsupportedError: The photo is raw.
            MalformedError: The photo cannot be decoded.
            LimitError: It is larger than the limits allow.
        """
        from PIL import Image

        image, turn = self._decoded
        size = orientation.size(orientation.inverse(turn), width, height)
        if image.size != size:
            shrinks = size[0] <= image.width and size[1] <= image.height
            image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
        return np.ascontiguousarray(orientation.apply(turn, np.asarray(image)))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture. Raises as `at` does."""
        image, turn = self._decoded
        return orientation.size(turn, *image.size)

    @cached_property
    def _decoded(self) -> tuple[Any, int]:
        return self.decode()


class Photo:
    """An open photo.

    Attributes:
        path: The photo; of a scene-linear picture, the photo that its transform makes.
        source: Its bytes.
        container: Its container; None for formats that cannot hold depth.
    """

    def __init__(self, path: Input, source: ByteSource) -> None:
        self.path, self.source = path, source
        self.container: Container | None = registry.find(source)

    @cached_property
    def picture(self) -> Picture:
        """Its size, orientation and focal length, from its header. Raises FileError."""
        if self.container is not None:
            return self.container.picture(self.source)
        from ..containers.heif import photo_encoder

        return photo_encoder.picture(self.path, self.source.limits)

    def guide(self, wanted: Orientation) -> Guide:
        """Return the guide in an orientation. The photo must be open while it is used for the first time."""
        return Guide(lambda: self.decode(wanted))

    def decode(self, wanted: Orientation) -> tuple[Any, int]:
        """Decode the pixels of a guide in an orientation; see `Guide`."""
        decoder = capabilities(self.container).decoder if self.container else "pillow"
        if decoder is None:
            raise UnsupportedError(
                "a raw photo cannot guide a map, because its picture would have to be developed", where=str(self.path),
                hint="use ‹resize_method=bilinear› and ‹fill=nearest›, or attach the map to a developed photo")
        limits, picture = self.source.limits, self.picture
        limits.check_decode(picture.coded_width, picture.coded_height, DECODED[decoder], where=str(self.path),
                            packed=self.source.size)
        display = wanted == "display"
        if decoder == "libheif":        # returns the picture as it is displayed
            return self._heif(limits), 1 if display else orientation.inverse(picture.orientation)
        from ..containers.heif import photo_encoder

        with photo_encoder.open_photo(self.path, limits) as image:
            pixels = photo_encoder.decode(image, "RGB", self.path, "the pixels that guide the map")
        return pixels, picture.orientation if display else 1

    def _heif(self, limits: Limits) -> Any:
        import pillow_heif

        from ..containers.heif import photo_encoder

        file = as_file(self.path, limits)
        with photo_encoder.libheif(self.path, "decode the picture that guides the map"):
            return pillow_heif.open_heif(file, convert_hdr_to_8bit=True).to_pillow().convert("RGB")


@contextlib.contextmanager
def open_photo(path: str | Input, limits: Limits, transform: str | None = "srgb") -> Iterator[Photo]:
    """Open a photo.

    Args:
        path: The photo.
        limits: What it may ask for.
        transform: The transform of scene-linear pictures; None raises UsageError for them.

    Raises:
        FileError: The photo cannot be read.
    """
    shown = displayed(as_input(path), transform, limits)
    with ByteSource(shown, limits) as source:
        yield Photo(shown, source)


def read_picture(path: str | Input, limits: Limits) -> Picture:
    """Return what the header of a photo of any format holds. Raises FileError."""
    with open_photo(path, limits) as photo:
        return photo.picture


def read_depth(path: str | os.PathLike[str], wanted: Orientation, limits: Limits) -> DepthData | None:
    """Return the depth of a photo in an orientation, or None if it holds none. Raises MissingInputError, FileError."""
    with ByteSource(path, limits) as source:
        data = registry.require(source).read(source)
    return data if data is None or wanted == "coded" else data.displayed()


def frame_guide(pixels: Callable[[], NDArray[np.uint8]], stored: int, wanted: Orientation) -> Guide:
    """Return the guide of a frame.

    Args:
        pixels: Returns the frame (H, W, 3) uint8.
        stored: The Exif orientation that displays it.
        wanted: The orientation of the guide.
    """
    def decode() -> tuple[Any, int]:
        from PIL import Image

        return Image.fromarray(pixels()), stored if wanted == "display" else 1
    return Guide(decode)


def file_guide(path: str | Input, wanted: Orientation, limits: Limits) -> Guide:
    """Return the guide of a photo that is opened when the guide is used."""
    def decode() -> tuple[Any, int]:
        with open_photo(path, limits) as photo:
            return photo.decode(wanted)
    return Guide(decode)
