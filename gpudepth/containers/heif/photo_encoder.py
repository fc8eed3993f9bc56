"""Opens photos that are not HEIF by Pillow and encodes them as HEIC, once, by libheif (pillow-heif).

pillow-heif encodes the pixels and the colour profile. This module adds orientation as irot and imir, and unchanged Exif
and XMP. The pixels stay in their stored orientation.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from ...depth.orientation import then, to_heif
from ...errors import FileError, LimitError, MalformedError, UnsupportedError
from ...formats import exif
from ...formats.bytesource import ByteSource, Input, as_file
from ...formats.hevc.codec import Colour
from ...formats.hevc.effort import Effort
from ...formats.isobmff.box import make, make_full
from ...formats.isobmff.items import ItemInfo
from ...formats.isobmff.locations import Extent, Locations
from ...formats.isobmff.meta import Meta
from ...formats.isobmff.properties import Properties
from ...limits import DEFAULT, Limits
from ..base import PHOTO_QUALITY, Picture

ENCODED = 30        # bytes of memory per pixel to decode a photo and encode it with libx265, as measured
# Parameters of the encoder of libheif, whose own preset is "slow". Most of its time goes into decisions that save 1 to
# 5 % of the file (benchmarks/RESULTS.md).
_PARAMETERS: dict[Effort, dict[str, Any]] = {
    "small": {},
    "balanced": {"preset": "veryfast", "tu-intra-depth": 1, "x265:ctu": 32, "x265:max-tu-size": 16},
    "fast": {"preset": "ultrafast"}}
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000")


def open_photo(path: str | Input, limits: Limits = DEFAULT) -> Any:
    """Open a photo: its header is read and its size checked, but its pixels are not decoded. The caller closes it.

    Returns:
        A Pillow image.

    Raises:
        MissingInputError: The file does not exist.
        UnsupportedError: It is not a picture or not a regular file.
        LimitError: It asks for too much.
        MalformedError: It is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    from ...formats.pillow import decoding

    with ByteSource(path, limits) as source:  # existence, kind and size of the file
        if source.size == 0:
            raise MalformedError("the file is empty", where=source.name)
        size = source.size
    with decoding(str(path), "the picture cannot be read"):
        try:
            image = Image.open(as_file(path, limits), formats=FORMATS)
        except UnidentifiedImageError:
            raise UnsupportedError("not a picture in a supported format", where=str(path),
                                   hint="photos are HEIC, JPEG, PNG, TIFF, WebP, BMP, GIF, PPM or JPEG 2000; for a "
                                        "clip use gpudepth attach CLIP MAPS -o frames/%06d.heic, or source.video"
                                   ) from None
    try:
        limits.check_picture(*image.size, 4, where=str(path), packed=size)
    except LimitError:
        image.close()
        raise
    return image


def scales(image: Any) -> tuple[int, ...]:
    """Return the denominators of the scales at which an opened image can be decoded, the largest first.

    They are those of libjpeg for transformed blocks. Lossless JPEGs have no such blocks and no quantisation tables.
    """
    return (8, 4, 2) if image.format in ("JPEG", "MPO") and image.quantization else ()


def decode(image: Any, mode: str, path: str | Input, what: str = "the pixels", scale: int = 1) -> Any:
    """Return the pixels of an opened image in a mode, at 1/scale of its size, rounded up: one of `scales`.

    Raises FileError, whose messages name `what`.
    """
    from ...formats.pillow import decoding

    with decoding(str(path), f"{what} cannot be decoded"):
        if scale > 1:
            image.draft(None, (image.width // scale, image.height // scale))
        return image.convert(mode)


@contextlib.contextmanager
def libheif(where: str | Input, action: str) -> Iterator[None]:
    """Convert errors of pillow-heif to MalformedError; only its calls may run inside."""
    try:
        yield
    except MemoryError as error:
        raise LimitError("the picture does not fit into memory", where=str(where)) from error
    except Exception as error:      # damaged files raise ValueError, RuntimeError, SyntaxError, IndexError …
        raise MalformedError(f"libheif cannot {action}: {error}", where=str(where)) from error


def picture(path: str | Input, limits: Limits = DEFAULT) -> Picture:
    """Return size, orientation and focal length of a picture that is not HEIF, from its header."""
    with open_photo(path, limits) as image:
        about = _exif(image)
        return Picture(image.width, image.height, about.orientation, about.focal35)


def _exif(image: Any) -> exif.Exif:
    block = image.info.get("exif")
    if isinstance(block, bytes):
        with contextlib.suppress(MalformedError):
            return exif.parse(block)
    return exif.Exif()


def encode_photo(path: str | Input, quality: int = PHOTO_QUALITY, limits: Limits = DEFAULT, turn: int = 1,
                 effort: Effort = "balanced") -> bytes:
    """Encode a photo as a HEIC file.

    Args:
        path: The photo.
        quality: libheif's 0–100; -1 is lossless.
        limits: What the photo may ask for.
        turn: Exif orientation that is applied in addition to the photo's own.
        effort: Effort of encoding.

    Raises:
        FileError: The errors of `open_photo`, or the photo cannot be encoded.
    """
    with open_photo(path, limits) as image:
        about, info = _exif(image), dict(image.info)
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in info
        limits.charge(image.width * image.height * ENCODED)
        pixels = decode(image, "RGBA" if alpha else "RGB", path)
    turned, block = then(about.orientation, turn), info.get("exif")
    if turn != 1 and block:
        block = exif.with_orientation(block.removeprefix(exif.HEADING), turned)
    return encode_pixels(pixels, quality=quality, effort=effort, orientation=turned, exif_block=block,
                         xmp_packet=info.get("xmp"), icc_profile=info.get("icc_profile"), where=str(path))


def encode_pixels(pixels: Any, *, quality: int = PHOTO_QUALITY, effort: Effort = "balanced", orientation: int = 1,
                  exif_block: bytes | None = None, xmp_packet: bytes | None = None,
                  icc_profile: bytes | None = None, where: str = "photo") -> bytes:
    """Encode a Pillow image (RGB or RGBA) in stored orientation as HEIC that is displayed with `orientation`.

    libheif encodes even sizes of at least 64 pixels; smaller and odd pictures get a clap.
    """
    import pillow_heif

    from .file import XMP_TYPE, HeifFile
    from .rewrite import Rewriter

    pixels.info.clear()  # otherwise pillow-heif turns the pixels by their Exif and also writes irot
    buffer = io.BytesIO()
    try:
        heif = pillow_heif.from_pillow(pixels)
        extra = {"icc_profile": icc_profile} if icc_profile else {}
        heif.save(buffer, quality=quality, enc_params=dict(_PARAMETERS[effort]), **extra)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise FileError(f"libheif could not encode the picture: {error}", where=where) from None
    with ByteSource(buffer.getvalue()) as source:
        file = HeifFile(source)
        edit, primary = Rewriter(file), file.meta.primary
        for kind, value in to_heif(orientation):
            file.meta.properties.associate(primary, b"\0\0\0\x09" + kind.encode() + bytes([value]))
        if exif_block:
            body = exif_block if exif_block[:6] == b"Exif\0\0" else b"Exif\0\0" + exif_block
            edit.refer("cdsc", edit.add("Exif", b"\0\0\0\x06" + body), primary)
        if xmp_packet:
            edit.refer("cdsc", edit.add("mime", xmp_packet, content_type=XMP_TYPE), primary)
        return edit.splice().to_bytes()


PICTURE = 1     # id of the item


def heic(hvcc: bytes, data: bytes, width: int, height: int, colour: Colour, *, bits: int = 8,
         orientation: int = 1) -> bytes:
    """Return a HEIC file that displays a coded picture with an Exif orientation.

    Brands are those of Apple and libheif: heic for 8 bits, heix for 10. colr is nclx (ISO/IEC 23008-12, 6.5.5), pixi
    declares the bits of three channels.

    Args:
        hvcc: The hvcC box.
        data: The item's data.
        width: Width in pixels.
        height: Height in pixels.
        colour: Colour of the picture.
        bits: Bits per channel.
        orientation: Exif orientation.
    """
    properties, locations = Properties(), Locations()
    size = make_full("ispe", 0, 0, width.to_bytes(4, "big") + height.to_bytes(4, "big"))
    for raw in (hvcc, size, nclx(colour), make_full("pixi", 0, 0, bytes([3, bits, bits, bits]))):
        properties.associate(PICTURE, raw)
    for kind, value in to_heif(orientation):
        properties.associate(PICTURE, make(kind, bytes([value])))
    order = [("hdlr", make_full("hdlr", 0, 0, bytes(4) + b"pict" + bytes(13))),
             ("pitm", make_full("pitm", 0, 0, PICTURE.to_bytes(2, "big"))), ("iinf", b""), ("iloc", b"")]
    meta = Meta(PICTURE, {PICTURE: ItemInfo(PICTURE, "hvc1")}, [], properties, locations, [], b"", order)
    brand = b"heic" if bits == 8 else b"heix"
    head = make("ftyp", brand + bytes(4) + b"mif1" + brand + b"miaf")
    locations.add(PICTURE, (Extent(0, len(data)),))
    locations.add(PICTURE, (Extent(len(head) + len(meta.serialise()) + 8, len(data)),))
    return head + meta.serialise() + make("mdat", data)


def nclx(colour: Colour) -> bytes:
    """Return the colr box with H.273 code points (ISO/IEC 14496-12, 12.1.5)."""
    points = b"".join(v.to_bytes(2, "big") for v in (colour.primaries, colour.transfer, colour.matrix))
    return make("colr", b"nclx" + points + bytes([0x80 * colour.full_range]))
