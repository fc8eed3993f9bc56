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
        limits.check_decode(*picture.size, _BYTES[picture.mode], where=where, packed=size)
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


GRAYSCALE_HINT = ("make the model write the map itself: MiDaS --grayscale; Depth Anything --grayscale --pred-only; "
                  "ZoeDepth save_raw_16bit; Marigold depth_npy or depth_bw; Depth Pro the .npz")
ALONE_HINT = "make the model write the map alone: Depth Anything --pred-only; MiDaS run.py without --side"
MARGIN = 50
"""Depth Anything puts this many white pixels between photo and map."""

# Colours at equal steps from one end to the other; between them the palettes are nearly linear.
_PALETTES = {
    "inferno": "000004 210c4a 57106e 8a226a bc3754 e35933 f98c0a f9c932 fcffa4",
    "Spectral_r": "5e4fa2 3288bd 66c2a5 abdda4 e6f598 ffffbf fee08b fdae61 f46d43 d53e4f 9e0142",
    "magma": "000004 1d1147 51127c 832681 b73779 e55064 fb8761 fec287 fcfdbf",
    "viridis": "440154 472d7b 3b528b 2c728e 21918c 27ad81 5cc863 aadc32 fde725",
    "plasma": "0d0887 4c02a1 7e03a8 aa2395 cc4778 e56b5d f89441 fdc328 f0f921",
    "turbo": "30123b 434eba 4685fa 28bceb 1ae4b6 55fa76 a4fc3c d9e436 faba39 fb8122 e5470b b91e02 7a0403",
    "jet": "000080 0000ff 0080ff 02fffe 82ff7e feff01 ff8000 ff0000 800000",
}
_SAMPLE = 4096                          # pixels that are examined
_CLOSE = 26.0                           # Euclidean distance, of 255: JPEG blur and linear interpolation
_ENOUGH = 0.9                           # share of the pixels


def check_alone(size: tuple[int, int], photo_size: tuple[int, int] | None, *, where: str) -> None:
    """Raise UnsupportedError when a picture is as high as the photo and twice as wide, with or without a margin.

    Args:
        size: (width, height) of the picture in pixels.
        photo_size: (width, height) of the photo; with None nothing is checked.
        where: Name of the file for messages.
    """
    if photo_size is None or size[1] != photo_size[1]:
        return
    if min(abs(size[0] - 2 * photo_size[0]), abs(size[0] - 2 * photo_size[0] - MARGIN)) <= 2:
        raise UnsupportedError(f"the picture is {size[0]}×{size[1]}, twice as wide as the photo: it shows both of them",
                               where=where, hint=ALONE_HINT)


def explain_colours(rgb: NDArray[np.uint8], *, where: str) -> UnsupportedError:
    """Return the error that explains why a picture (H, W, 3) whose channels differ is not a map."""
    name, width = palette_of(rgb), rgb.shape[1]
    if name is not None:
        return UnsupportedError(f"the map was coloured with a palette (probably {name}); its codes are lost",
                                where=where,
                                hint=GRAYSCALE_HINT)
    for margin in (0, MARGIN):
        half = (width - margin) // 2
        left, right = rgb[:, :half], rgb[:, width - half :]
        white = not margin or (half >= 8 and rgb[:, half : width - half].min() > 250)
        if half >= 8 and white and _is_map(right) and not _is_map(left):
            return UnsupportedError("the picture shows photo and map side by side", where=where, hint=ALONE_HINT)
    if _few_colours(rgb):
        return UnsupportedError("the map was coloured with a palette; its codes are lost", where=where,
                                hint=GRAYSCALE_HINT)
    return UnsupportedError("the file is a colour picture; a map has one channel, or three equal ones", where=where,
                            hint="check that it is not the photo; for a coloured map, " + GRAYSCALE_HINT)


def palette_of(rgb: NDArray[np.uint8]) -> str | None:
    """Return the name of the palette whose colours nearly all pixels of (H, W, 3) have, or None."""
    pixels = _some(rgb).astype(np.float32)
    if np.mean(np.ptp(pixels, axis=1)) < 8:             # too gray to decide: dark palettes resemble night photos
        return None
    best, least = None, _CLOSE
    for name, text in _PALETTES.items():
        anchors = np.array([list(bytes.fromhex(part)) for part in text.split()], dtype=np.float32)
        at, steps = np.linspace(0, len(anchors) - 1, 128), np.arange(len(anchors))
        curve = np.stack([np.interp(at, steps, anchors[:, c]) for c in range(3)], axis=1).astype(np.float32)
        # |p − q|² = |p|² − 2 p·q + |q|² needs only one matrix product
        square = (pixels**2).sum(axis=1)[:, None] - 2 * pixels @ curve.T + (curve**2).sum(axis=1)
        distance = float(np.sqrt(np.quantile(np.maximum(square.min(axis=1), 0), _ENOUGH)))
        if distance < least:
            best, least = name, distance
    return best


def _is_map(rgb: NDArray[np.uint8]) -> bool:
    spread = np.ptp(_some(rgb).astype(np.int16), axis=1)
    return bool(np.quantile(spread, _ENOUGH) <= 4) or palette_of(rgb) is not None


def _few_colours(rgb: NDArray[np.uint8]) -> bool:
    """Return whether a picture has at most 256 colours, as many as 8-bit codes, and many more pixels."""
    colours = len(np.unique(_some(rgb, 1 << 16).astype(np.uint32) @ np.array((65536, 256, 1), dtype=np.uint32)))
    return colours <= 256 and rgb.shape[0] * rgb.shape[1] >= 16 * colours


def _some(rgb: NDArray[np.uint8], count: int = _SAMPLE) -> NDArray[Any]:
    """Return about `count` pixels (N, 3), evenly spread over the picture."""
    step = max(1, int((rgb.shape[0] * rgb.shape[1] / count) ** 0.5))
    return rgb[step // 2 :: step, step // 2 :: step].reshape(-1, 3)
