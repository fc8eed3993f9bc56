"""Opens a photo once: which container it is, what its header holds, and its pixels where they guide a map."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Pixels:
    """The picture of a photo, of which only the header was read.

    Attributes:
        width: Width in pixels as decoded.
        height: Height in pixels as decoded.
        turn: Exif orientation that turns the decoded picture to the orientation of the guide.
        decode: Decodes the picture at a fraction of its size, 1/1 or one of `scales`. Returns a Pillow image, RGB in
            its own colour space.
        scales: Denominators of the fractions of the size at which it can be decoded, the largest first.
    """

    width: int
    height: int
    turn: int
    decode: Callable[[int], Any]
    scales: tuple[int, ...] = ()

    def scale(self, width: int, height: int) -> int:
        """Return the scale, as a denominator, at which the picture is decoded to be used at a size.

        It gives the smallest picture with at least twice the width and height that are used. With fewer pixels to take
        the mean of, edges of the map get worse (benchmarks/RESULTS.md).
        """
        return next((n for n in self.scales if self.width >= 2 * n * width and self.height >= 2 * n * height), 1)


class Guide:
    """The pixels of a photo along whose edges a map is refined, decoded when they are first asked for.

    A JPEG is decoded at the scale that the size needs, by libjpeg's scaled transforms; a thumbnail is never used. The
    result for a size does not depend on the sizes that were asked for before.

    Args:
        read: Reads the header.
    """

    def __init__(self, read: Callable[[], Pixels]) -> None:
        self.read = read
        self._images: dict[int, Any] = {}       # by scale

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

        pixels = self._pixels
        size = orientation.size(orientation.inverse(pixels.turn), width, height)
        scale = pixels.scale(*size)
        if scale not in self._images:
            self._images[scale] = pixels.decode(scale)
        image = self._images[scale]
        if image.size != size:
            shrinks = size[0] <= image.width and size[1] <= image.height
            # the last column and row of a scaled picture may cover less of the photo than the others
            part = None if scale == 1 else (0, 0, pixels.width / scale, pixels.height / scale)
            image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR, box=part)
        return np.ascontiguousarray(orientation.apply(pixels.turn, np.asarray(image)))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture, which is not decoded for this. Raises as `at` does."""
        return orientation.size(self._pixels.turn, self._pixels.width, self._pixels.height)

    @cached_property
    def _pixels(self) -> Pixels:
        return self.read()


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
        return Guide(lambda: self.pixels(wanted))

    def pixels(self, wanted: Orientation) -> Pixels:
        """Return what the header holds about the pixels of a guide in an orientation; see `Guide`."""
        picture, display = self.picture, wanted == "display"
        if self._decoder == "libheif":      # returns the picture as it is displayed
            turn = 1 if display else orientation.inverse(picture.orientation)
            return Pixels(picture.width, picture.height, turn, self.decode)
        from ..containers.heif import photo_encoder

        with photo_encoder.open_photo(self.path, self.source.limits) as image:
            return Pixels(image.width, image.height, picture.orientation if display else 1, self.decode,
                          photo_encoder.scales(image))

    def decode(self, scale: int) -> Any:
        """Decode the pixels of a guide; see `Pixels.decode`."""
        from ..containers.heif import photo_encoder

        limits, picture, decoder = self.source.limits, self.picture, self._decoder
        limits.check_picture(picture.coded_width, picture.coded_height, math.ceil(DECODED[decoder]),
                             where=str(self.path), packed=self.source.size)
        if decoder == "libheif":
            limits.charge(round(picture.coded_width * picture.coded_height * DECODED[decoder]))
            return self._heif(limits)
        with photo_encoder.open_photo(self.path, limits) as image:
            # all coefficients of a progressive JPEG are in memory at any scale
            held = 1 if "progressive" in image.info else scale
            limits.charge(round(-(-image.width // held) * -(-image.height // held) * DECODED[decoder]))
            return photo_encoder.decode(image, "RGB", self.path, "the pixels that guide the map", scale)

    @property
    def _decoder(self) -> str:
        decoder = capabilities(self.container).decoder if self.container else "pillow"
        if decoder is None:
            raise UnsupportedError(
                "a raw photo cannot guide a map, because its picture would have to be developed", where=str(self.path),
                hint="use ‹resize_method=bilinear› and ‹fill=nearest›, or attach the map to a developed photo")
        return decoder

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
    def read() -> Pixels:
        from PIL import Image

        image = Image.fromarray(pixels())
        return Pixels(image.width, image.height, stored if wanted == "display" else 1, lambda scale: image)
    return Guide(read)


def file_guide(path: str | Input, wanted: Orientation, limits: Limits) -> Guide:
    """Return the guide of a photo that is opened when the guide is used."""
    def read() -> Pixels:
        with open_photo(path, limits) as photo:
            return replace(photo.pixels(wanted), decode=decode)

    def decode(scale: int) -> Any:
        with open_photo(path, limits) as photo:
            return photo.decode(scale)
    return Guide(read)
