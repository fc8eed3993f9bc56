"""Pictures that are not HEIF → a HEIC file, encoded once by libheif (pillow-heif).

pillow-heif codes the pixels and the colour profile; orientation, Exif and XMP are added by us: orientation as irot
and imir, Exif and XMP unchanged. The pixels stay in their stored orientation.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from ...depth import orientation as exif
from ...errors import FileError, LimitError, MalformedError, UnsupportedError
from ...formats import exif as exif_format
from ...formats.bytesource import ByteSource, Input, as_file
from ...limits import DEFAULT, Limits
from ..base import Picture
from .file import HeifFile
from .rewrite import Rewriter
from .writer import XMP_TYPE

DEFAULT_QUALITY = 90
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000")


def open_photo(path: str | Input, limits: Limits = DEFAULT) -> Any:
    """A Pillow image, header read and size checked, pixels not decoded. The caller closes it.

    Raises MissingInputError, UnsupportedError (no picture, not a regular file), LimitError, MalformedError.
    """
    from PIL import Image, UnidentifiedImageError

    from ...formats.pillow import decoding

    with ByteSource(path, limits) as source:  # existence, kind and size of the file
        if source.size == 0:
            raise MalformedError("the file is empty", where=source.name)
        size = source.size
    with decoding(str(path), "cannot be read"):
        try:
            image = Image.open(as_file(path, limits), formats=FORMATS)
        except UnidentifiedImageError:
            raise UnsupportedError("is not a picture we can read", where=str(path),
                                   hint="photos are HEIC, JPEG, PNG, TIFF, WebP, BMP, GIF, PPM, JPEG 2000; of a clip: "
                                        "gpudepth attach CLIP MAPS -o frames/%06d.heic, source.video in a job"
                                   ) from None
    try:
        limits.check_picture(*image.size, 4, where=str(path), packed=size)
    except LimitError:
        image.close()
        raise
    return image


def decode(image: Any, mode: str, path: str | Input, what: str = "its pixels") -> Any:
    """The pixels of an image that `open_photo` opened, in that mode. Raises FileError's kinds, of `what`."""
    from ...formats.pillow import decoding

    with decoding(str(path), f"{what} cannot be decoded"):
        return image.convert(mode)


@contextlib.contextmanager
def libheif(where: str | Input, says: str) -> Iterator[None]:
    """What pillow-heif raises, as MalformedError. Only its code may run inside."""
    try:
        yield
    except MemoryError as error:
        raise LimitError("does not fit into memory", where=str(where)) from error
    except Exception as error:      # of damaged files: ValueError, RuntimeError, SyntaxError, IndexError …
        raise MalformedError(f"libheif cannot {says}: {error}", where=str(where)) from error


def picture(path: str | Input, limits: Limits = DEFAULT) -> Picture:
    """Size, orientation and focal length of a picture that is not HEIF, from its header."""
    with open_photo(path, limits) as image:
        about = _exif(image)
        return Picture(image.width, image.height, about.orientation, about.focal35)


def _exif(image: Any) -> exif_format.Exif:
    block = image.info.get("exif")
    if isinstance(block, bytes):
        with contextlib.suppress(MalformedError):
            return exif_format.parse(block)
    return exif_format.Exif()


def encode_photo(path: str | Input, quality: int = DEFAULT_QUALITY, limits: Limits = DEFAULT, turn: int = 1) -> bytes:
    """A whole HEIC file. `quality` is libheif's 0–100; -1 is lossless. turn: an Exif orientation on top of the
    picture's own. Raises as `open_photo` does."""
    with open_photo(path, limits) as image:
        about, info = _exif(image), dict(image.info)
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in info
        pixels = decode(image, "RGBA" if alpha else "RGB", path)
    orientation, block = exif.then(about.orientation, turn), info.get("exif")
    if turn != 1 and block:
        block = exif_format.with_orientation(block.removeprefix(exif_format.HEADING), orientation)
    return encode_pixels(pixels, quality=quality, orientation=orientation, exif_block=block,
                         xmp_packet=info.get("xmp"), icc_profile=info.get("icc_profile"), where=str(path))


def encode_pixels(pixels: Any, *, quality: int = DEFAULT_QUALITY, orientation: int = 1,
                  exif_block: bytes | None = None, xmp_packet: bytes | None = None,
                  icc_profile: bytes | None = None, where: str = "photo") -> bytes:
    """A Pillow image (RGB or RGBA) in stored orientation → HEIC bytes that display with `orientation`.

    libheif codes at least 64 pixels a side and even sizes; smaller and odd ones carry a clap.
    """
    import pillow_heif

    pixels.info.clear()  # pillow-heif would turn the pixels by the Exif it finds, and write irot as well
    buffer = io.BytesIO()
    try:
        heif = pillow_heif.from_pillow(pixels)
        extra = {"icc_profile": icc_profile} if icc_profile else {}
        heif.save(buffer, quality=quality, **extra)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise FileError(f"libheif could not encode it: {error}", where=where) from None
    with ByteSource(buffer.getvalue()) as source:
        file = HeifFile(source)
        edit, primary = Rewriter(file), file.meta.primary
        for kind, value in exif.to_heif(orientation):
            file.meta.properties.associate(primary, b"\0\0\0\x09" + kind.encode() + bytes([value]))
        if exif_block:
            body = exif_block if exif_block[:6] == b"Exif\0\0" else b"Exif\0\0" + exif_block
            edit.refer("cdsc", edit.add("Exif", b"\0\0\0\x06" + body), primary)
        if xmp_packet:
            edit.refer("cdsc", edit.add("mime", xmp_packet, content_type=XMP_TYPE), primary)
        return edit.splice().to_bytes()
