"""Reads and writes the codes of a map as TIFF strips and tiles: uncompressed, Deflate, lossless JPEG, JPEG XL.

The last two require imagecodecs, which the extra `dng` installs.

Code 0 is the near end and the largest code the far end. With x = code / max:

    Linear     d = near + x (far − near)
    Inverse    1/d = 1/near − x (1/near − 1/far)        1/far = 0 for far = 1/0
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...depth import numeric
from ...depth.data import DepthData, Storage
from ...depth.pixel_format import FDEP, FDIS, HDEP, HDIS, PixelFormat, stored
from ...errors import GpudepthError, MalformedError, RangeError, TruncatedError, UnsupportedError, UsageError
from ...formats import jpeg
from ...formats.bytesource import ByteSource
from ...formats.tiff import Ifd, Order, Tiff
from ...limits import Limits
from .file import (
    DEPTH_FAR,
    DEPTH_FORMAT,
    DEPTH_MEASURE_TYPE,
    DEPTH_NEAR,
    DEPTH_UNITS,
    FORMAT_INVERSE,
    FORMAT_LINEAR,
    FORMAT_UNKNOWN,
    PHOTOMETRIC,
    PHOTOMETRIC_DEPTH,
    DngFile,
)

BITS_PER_SAMPLE, COMPRESSION, SAMPLES_PER_PIXEL, PLANAR_CONFIGURATION, PREDICTOR = 258, 259, 277, 284, 317
SAMPLE_FORMAT = 339
STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_BYTE_COUNTS = 273, 278, 279
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTE_COUNTS = 322, 323, 324, 325

NONE, LOSSLESS_JPEG, DEFLATE, OLD_DEFLATE, JPEG_XL = 1, 7, 8, 32946, 52546
COMPRESSIONS = {"deflate": DEFLATE, "none": NONE, "ljpeg": LOSSLESS_JPEG, "jpegxl": JPEG_XL}


@dataclass(frozen=True)
class Strip:
    """All codes in one strip.

    Attributes:
        data: The coded bytes.
        compression: Value of the tag Compression.
        predictor: Value of the tag Predictor.
    """

    data: bytes
    compression: int
    predictor: int = 1


def _imagecodecs(name: str, where: str | None = None) -> Any:
    try:
        import imagecodecs
    except ImportError:
        raise UnsupportedError(f"{name} requires the package imagecodecs", where=where,
                               hint="pip install 'gpudepth[dng]', or use deflate or none") from None
    return imagecodecs


def encode(codes: NDArray[Any], compression: str | None, order: Order) -> Strip:
    """Encode codes as one strip.

    Args:
        codes: (H, W) uint8 or uint16.
        compression: A name of COMPRESSIONS; None is deflate.
        order: Byte order.

    Raises:
        UsageError: The compression is unknown.
        UnsupportedError: imagecodecs is required and missing.
    """
    kind = COMPRESSIONS.get(compression or "deflate")
    if kind is None:
        raise UsageError(f"DNG depth cannot be compressed with {compression!r}",
                         hint="use " + " or ".join(COMPRESSIONS))
    codes = np.ascontiguousarray(codes)
    if kind == LOSSLESS_JPEG:
        return Strip(bytes(_imagecodecs("lossless JPEG").ljpeg_encode(codes)), kind)
    if kind == JPEG_XL:
        return Strip(bytes(_imagecodecs("JPEG XL").jpegxl_encode(codes, lossless=True)), kind)
    stored = codes.dtype.newbyteorder(order)
    if kind == NONE:
        return Strip(codes.astype(stored).tobytes(), kind)
    differences = codes.copy()
    differences[:, 1:] -= codes[:, :-1]  # modulo 2^bits, as TIFF's predictor 2
    plain, predicted = (zlib.compress(c.astype(stored).tobytes(), 9) for c in (codes, differences))
    return Strip(predicted, kind, 2) if len(predicted) < len(plain) else Strip(plain, kind)


def decode(tiff: Tiff, ifd: Ifd, size: tuple[int, int], limits: Limits) -> tuple[NDArray[Any], int]:
    """Decode the image of a directory to ((H, W) codes, bits). Raises FileError and its subclasses."""
    width, height = size
    limits.check_decode(width, height, 2, where=ifd.path)
    bits = _check_format(tiff, ifd)
    tiled = ifd.has(TILE_OFFSETS)
    if tiled:
        piece_w, piece_h = tiff.integer(ifd, TILE_WIDTH), tiff.integer(ifd, TILE_LENGTH)
    else:
        piece_w, piece_h = width, min(tiff.integer(ifd, ROWS_PER_STRIP, height), height)
    if piece_w <= 0 or piece_h <= 0:
        raise MalformedError(f"tiles or strips have {piece_w} × {piece_h} pixels", where=ifd.path)
    across, down = -(-width // piece_w), -(-height // piece_h)
    limits.check_decode(across * piece_w, down * piece_h, 2, where=ifd.path)
    tags = (TILE_OFFSETS, TILE_BYTE_COUNTS) if tiled else (STRIP_OFFSETS, STRIP_BYTE_COUNTS)
    offsets, counts = (tiff.integers(ifd, tag) or () for tag in tags)
    if not len(offsets) == len(counts) == across * down:
        raise MalformedError(f"there are {len(offsets)} offsets and {len(counts)} byte counts for {across * down} "
                             "strips or tiles", where=f"{ifd.path}: tag {tags[0]}")
    limits.check_ratio(sum(counts), 2 * width * height, where=ifd.path)
    piece = _Piece(tiff.integer(ifd, COMPRESSION, NONE), tiff.integer(ifd, PREDICTOR, 1), bits, tiff.layout.order)
    codes = np.empty((height, width), np.uint8 if bits == 8 else np.uint16)
    for n, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        y, x = n // across * piece_h, n % across * piece_w
        where = f"{ifd.path}: tag {tags[0]}[{n}]"
        rows = piece_h if tiled else min(piece_h, height - y)
        if offset < 0 or count < 0:
            raise MalformedError(f"the data has offset {offset} and {count} bytes", where=where)
        values = piece.decode(tiff.read(offset, count, where), piece_w, rows, where)
        codes[y : y + piece_h, x : x + piece_w] = values[: height - y, : width - x]
    return codes, bits


def _check_format(tiff: Tiff, ifd: Ifd) -> int:
    """Return the bits per code. Raises UnsupportedError for what the specification does not allow for depth."""
    expected = ((SAMPLES_PER_PIXEL, 1, "SamplesPerPixel"), (SAMPLE_FORMAT, 1, "SampleFormat"),
                (PHOTOMETRIC, PHOTOMETRIC_DEPTH, "PhotometricInterpretation"))
    for tag, wanted, name in expected:
        found = tiff.integer(ifd, tag, None if tag == PHOTOMETRIC else 1)
        if found != wanted:
            raise UnsupportedError(f"the depth map has {name} {found} instead of {wanted}",
                                   where=f"{ifd.path}: tag {tag}")
    bits = tiff.integer(ifd, BITS_PER_SAMPLE, 1)
    if bits not in (8, 16):
        raise UnsupportedError(f"the depth map has {bits} bits; DNG allows 8 and 16", where=f"{ifd.path}: tag 258")
    return bits


@dataclass(frozen=True)
class _Piece:
    """How strips and tiles are coded."""

    compression: int
    predictor: int
    bits: int
    order: Order

    def decode(self, data: bytes, width: int, rows: int, where: str) -> NDArray[Any]:
        """Decode one strip or tile to (rows, width) codes."""
        if self.compression in (NONE, DEFLATE, OLD_DEFLATE):
            return self._decode_bytes(data, width, rows, where)
        if self.compression == LOSSLESS_JPEG:
            return _decode_lossless_jpeg(data, self.bits, (rows, width), where)
        if self.compression == JPEG_XL:
            return _decode_jpeg_xl(data, self.bits, (rows, width), where)
        raise UnsupportedError(f"compression method {self.compression} is not supported", where=where,
                               hint="supported are Deflate, lossless JPEG, JPEG XL and uncompressed maps")

    def _decode_bytes(self, data: bytes, width: int, rows: int, where: str) -> NDArray[Any]:
        size = rows * width * self.bits // 8
        if self.compression != NONE:
            try:
                data = zlib.decompressobj().decompress(data, size)
            except zlib.error as error:
                raise MalformedError(f"the Deflate data is damaged: {error}", where=where) from None
        if len(data) < size:
            raise TruncatedError(f"the strip holds {len(data):,} of {size:,} bytes", where=where)
        stored = np.dtype(np.uint8 if self.bits == 8 else np.uint16)
        codes = np.frombuffer(data, stored.newbyteorder(self.order), rows * width).reshape(rows, width).astype(stored)
        if self.compression == NONE or self.predictor == 1:
            return codes
        if self.predictor != 2:
            raise UnsupportedError(f"predictor {self.predictor} is not supported, only 1 and 2", where=where)
        return np.asarray(np.add.accumulate(codes, axis=1, dtype=stored))


def _decode_lossless_jpeg(data: bytes, bits: int, shape: tuple[int, int], where: str) -> NDArray[Any]:
    """Decode lossless JPEG. Adobe splits rows over two components; the order of samples is the same."""
    codecs = _imagecodecs("reading lossless JPEG", where)
    try:
        frame = jpeg.parse(ByteSource(data)).frame  # checked first, because the decoder allocates what it declares
    except GpudepthError as error:
        raise MalformedError(error.message, where=where) from None
    if frame.marker != jpeg.LOSSLESS or frame.bits != bits:
        raise UnsupportedError(f"the JPEG has {frame.bits} bits, kind {frame.marker:02x}; expected {bits}-bit lossless",
                               where=where)
    if frame.height * frame.width * frame.components != shape[0] * shape[1] or frame.height != shape[0]:
        raise MalformedError(f"the JPEG has {frame.width}×{frame.height}×{frame.components} samples; expected "
                             f"{shape[1]}×{shape[0]}",
                             where=where)
    try:
        return _shaped(codecs.ljpeg_decode(data), bits, shape, where)
    except (RuntimeError, ValueError) as error:
        raise MalformedError(f"the lossless JPEG cannot be decoded: {error}", where=where) from None


def _decode_jpeg_xl(data: bytes, bits: int, shape: tuple[int, int], where: str) -> NDArray[Any]:
    codecs = _imagecodecs("reading JPEG XL", where)
    out = np.empty(shape, np.uint8 if bits == 8 else np.uint16)
    try:
        return _shaped(codecs.jpegxl_decode(data, out=out), bits, shape, where)
    except (RuntimeError, ValueError, TypeError) as error:
        raise MalformedError(f"the JPEG XL data cannot be decoded: {error}", where=where) from None


def _shaped(decoded: object, bits: int, shape: tuple[int, int], where: str) -> NDArray[Any]:
    codes = np.asarray(decoded)
    if codes.size != shape[0] * shape[1] or codes.dtype.itemsize * 8 != bits:
        raise MalformedError(f"the data is {codes.shape} {codes.dtype}; expected {shape[1]}×{shape[0]} of {bits} bits",
                             where=where)
    return codes.reshape(shape)


OPTICAL_RAY = 2
METRES = 1
_AGAIN = "attach the depth again with its range, ‹near=0.5› ‹far=12›, and ‹replace_depth=True›"


def read_depth(file: DngFile) -> DepthData | None:
    """Return the depth in coded orientation with `orientation` set, or None for a file without depth.

    An inverse map becomes disparity and a linear one depth. 16-bit maps get a float32 format, because halves have fewer
    steps. Depth in unknown units, or in an unknown relation to distance (read as inverse), is "relative".

    Raises:
        RangeError: The file does not define what the codes mean.
        UnsupportedError: Distances are along the ray.
    """
    found = file.depth_ifds()
    if not found:
        return None
    tiff, ifd0 = file.tiff, file.ifd0
    rule = tiff.integer(ifd0, DEPTH_FORMAT, FORMAT_UNKNOWN)
    if rule not in (FORMAT_UNKNOWN, FORMAT_LINEAR, FORMAT_INVERSE):
        raise UnsupportedError(f"DepthFormat {rule} is not supported", where=f"IFD0: tag {DEPTH_FORMAT}")
    if tiff.integer(ifd0, DEPTH_MEASURE_TYPE, 0) == OPTICAL_RAY:
        raise UnsupportedError("the depth is measured along the ray and cannot be converted without the lens",
                               where=f"IFD0: tag {DEPTH_MEASURE_TYPE}")
    inverse = rule != FORMAT_LINEAR
    lo, hi = _range(file, inverse=inverse)
    codes, bits = decode(tiff, found[0], file.size(found[0]), file.source.limits)
    storage = Storage(stored(bits), lo, hi)
    fmt = _format(storage, inverse=inverse)
    top = storage.format.max_code or 0
    table = numeric.pack(numeric.code_values(numeric.Linear(top, lo, hi), top), fmt)
    if inverse:
        codes = np.asarray(top, codes.dtype) - codes  # code 0 is near, where disparity is largest
    known = rule != FORMAT_UNKNOWN and tiff.integer(ifd0, DEPTH_UNITS, 0) == METRES
    return DepthData(table[codes], fmt, orientation=file.orientation(), accuracy="absolute" if known else "relative",
                     storage=storage, codes=codes)


def _format(storage: Storage, *, inverse: bool) -> PixelFormat:
    half, single = (HDIS, FDIS) if inverse else (HDEP, FDEP)
    return half if storage.format.bits == 8 and storage.hi <= float(np.finfo(np.float16).max) else single


def _range(file: DngFile, *, inverse: bool) -> tuple[float, float]:
    """Return (lo, hi): depth for a linear map, disparity for an inverse one."""
    ends = []
    for tag, name in ((DEPTH_NEAR, "DepthNear"), (DEPTH_FAR, "DepthFar")):
        top, bottom = file.tiff.rational(file.ifd0, tag) or (0, 0)
        if top == bottom == 0:
            raise RangeError(f"{name} is unknown, so the codes cannot be converted to metres",
                             where=f"IFD0: tag {tag}", hint=_AGAIN)
        ends.append((top, bottom))
    near, far = ends
    described = f"from {near[0]}/{near[1]} to {far[0]}/{far[1]}"
    if near[0] * far[1] > far[0] * near[1] or near[1] == 0:
        raise RangeError(f"in the range {described} near is not nearer than far", where=f"IFD0: tag {DEPTH_NEAR}",
                         hint=_AGAIN)
    if (near if inverse else far[::-1])[0] == 0:
        raise RangeError(f"{'an inverse' if inverse else 'a linear'} map cannot have the range {described}",
                         where=f"IFD0: tag {DEPTH_NEAR}",
                         hint=_AGAIN)
    return (far[1] / far[0], near[1] / near[0]) if inverse else (near[0] / near[1], far[0] / far[1])
