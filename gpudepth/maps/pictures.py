"""Reads maps kept as PNG, TIFF, BMP, JPEG or WebP with Pillow, and checks for what Pillow would hide."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ..errors import UnsupportedError
from ..formats.pillow import decoding, open_picture
from ..limits import DEFAULT, Limits
from .colormapped import check_alone, explain_colours

FORMATS = ("PNG", "TIFF", "BMP", "JPEG", "WEBP")

_BYTES = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 4, "RGBA": 4, "I": 4, "F": 4, "I;16": 2, "I;16B": 2, "I;16L": 2}
_LOSSY = {"JPEG", "WEBP"}
_LOSSY_SPREAD = 2                       # difference that YCbCr rounding leaves between the channels of a gray picture
_ORIENTATION = 0x0112
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339


def read_picture(
    stream: BinaryIO, *, where: str, limits: Limits = DEFAULT, photo_size: tuple[int, int] | None = None
) -> tuple[NDArray[Any], int]:
    """Decode a gray picture.

    Three equal channels are gray, and so is a palette of grays. 2- and 4-bit gray becomes 8-bit.

    Args:
        stream: The file.
        where: Name of the file for messages.
        limits: What the file may ask for.
        photo_size: (width, height) of the photo, to recognise pictures that show photo and map side by side.

    Returns:
        The codes (H, W) as stored, uint8, uint16, int32/uint32 (TIFF) or float32, and the Exif orientation, 1–8.

    Raises:
        LimitError: It asks for too much; raised before decoding.
        UnsupportedError: It has colours, transparency, 1 bit per pixel or several frames.
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
    """
    with decoding(where):
        picture = open_picture(stream, FORMATS)
    if picture is None:
        raise UnsupportedError("the file is not a known kind of map", where=where,
                               hint=f"maps are {', '.join(FORMATS)}, PGM, PFM, .npy or .npz; for a clip use "
                                    "gpudepth attach CLIP MAPS -o frames/%06d.heic")
    with picture:
        if picture.mode not in _BYTES:
            raise UnsupportedError(f"the picture has pixels of mode {picture.mode}; a map is gray", where=where)
        size = stream.seek(0, io.SEEK_END)
        limits.check_picture(*picture.size, _BYTES[picture.mode], where=where, packed=size)
        check_alone(picture.size, photo_size, where=where)
        with decoding(where):
            frames = getattr(picture, "n_frames", 1)
            deep = _is_deep(picture, stream)
        if frames > 1:
            raise UnsupportedError(f"the file holds {frames} pictures; a map is one", where=where)
        if deep:
            raise UnsupportedError("the picture has 16-bit colour or alpha; a map has one channel", where=where,
                                   hint="save one channel as 16-bit gray, so that no bits are lost")
        _check_tiff(picture, where)
        with decoding(where):
            picture.load()
            orientation = picture.getexif().get(_ORIENTATION, 1)    # for PNG it may come after the pixels
        codes = _codes(picture, where)
    return codes, orientation if orientation in range(1, 9) else 1


def _codes(picture: Image.Image, where: str) -> NDArray[Any]:
    mode, transparent = picture.mode, picture.info.get("transparency")
    allowed = _LOSSY_SPREAD if picture.format in _LOSSY else 0
    if mode == "1":
        raise UnsupportedError("the picture has one bit per pixel; a map needs more", where=where)
    if mode in {"LA", "RGBA"} or (transparent is not None and mode in {"P", "RGB"}):
        with decoding(where):
            picture = picture.convert("RGBA")
            alpha = np.asarray(picture)[..., 3]
        _check_opaque(alpha == 255, where)
    if picture.mode in {"P", "RGB", "RGBA"}:
        with decoding(where):
            rgb = np.asarray(picture.convert("RGB"))
        if np.ptp(rgb, axis=2).max() > allowed:
            raise explain_colours(rgb, where=where)
        return np.ascontiguousarray(rgb[..., 1])
    codes = np.asarray(picture)
    if isinstance(transparent, int) and not isinstance(transparent, bool):
        _check_opaque(codes != transparent, where)
    if mode == "I" and getattr(picture, "tag_v2", {}).get(_TIFF_SAMPLE_FORMAT, (1,))[0] == 1:
        codes = codes.view(np.uint32)               # Pillow calls both int32
    return np.ascontiguousarray(codes, dtype=codes.dtype.newbyteorder("="))


def _check_opaque(opaque: NDArray[np.bool_], where: str) -> None:
    if not opaque.all():
        raise UnsupportedError(f"the alpha channel makes {np.count_nonzero(~opaque):,} of {opaque.size:,} pixels "
                               "transparent, and their depth is undefined", where=where,
                               hint="save the map without alpha, and holes as a code that is invalid in the encoding")


def _is_deep(picture: Image.Image, stream: BinaryIO) -> bool:
    """Return whether Pillow would silently cut 16-bit channels down to 8, as it does wherever there are several."""
    if picture.mode not in {"LA", "RGB", "RGBA"}:
        return False
    if picture.format == "PNG":
        place = stream.tell()
        stream.seek(24)                                             # IHDR: width, height, bit depth
        depth = stream.read(1)
        stream.seek(place)
        return depth == b"\x10"
    tags = getattr(picture, "tag_v2", {})
    return any(bits > 8 for bits in tags.get(_TIFF_BITS, (8,)))


def _check_tiff(picture: ImageFile.ImageFile, where: str) -> None:
    tags = getattr(picture, "tag_v2", None)
    if tags is None or picture.format != "TIFF":
        return
    if tags.get(_TIFF_PHOTOMETRIC) == 0:
        # Pillow inverts 8-bit codes and leaves 16-bit codes unchanged, so it is unclear which was meant.
        raise UnsupportedError("the TIFF stores white as 0 (MinIsWhite)", where=where, hint="save it as MinIsBlack")
    if picture.mode == "L" and tags.get(_TIFF_SAMPLE_FORMAT, (1,))[0] == 2:
        raise UnsupportedError("the TIFF holds signed 8-bit values", where=where,
                               hint="save it unsigned, or as float32")
    if picture.mode in {"I", "F"} and tags.prefix == b"MM" and any(tile[0] == "libtiff" for tile in picture.tile):
        # libtiff has put these bytes in order already, and Pillow (13.0) swaps them again.
        raise UnsupportedError("Pillow misreads compressed big-endian TIFFs of 32-bit values like this one",
                               where=where,
                               hint="save it little-endian, uncompressed, or as .npy")
