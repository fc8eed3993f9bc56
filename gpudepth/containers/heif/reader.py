"""Reads depth items as DepthData."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import HDEP, HDIS, PixelFormat, Quantity, quantity_of, stored
from ...errors import MalformedError, NoDepthError, RangeError, UnsupportedError, located
from ...formats import xmp
from ...formats.hevc.codec import decode_luma
from ...formats.hevc.depth_sei import UNIFORM_Z, DepthRepresentation
from ...formats.hevc.parameter_sets import Configuration
from ...formats.isobmff.box import Cursor
from .. import apple
from ..apple import DepthMetadata
from ..base import Donor
from .file import HeifFile


def read_depth(file: HeifFile) -> DepthData | None:
    """Return the primary's depth in coded orientation with `orientation` set; None for a file without depth.

    Of several depth images the last one is used, as in libheif. The SEI's range takes precedence over the XMP's six
    decimals.

    Raises:
        RangeError: Neither has a range.
        UnsupportedError: The codec is not HEVC.
    """
    items = file.depth_items()
    if not items:
        return None
    item = items[-1]
    with located(f"{file.source.name}: depth item {item}"):
        return _read(file, item)


def read_donor(file: HeifFile) -> Donor:
    """Return what a photo provides as a donor. Raises NoDepthError, UnsupportedError."""
    data = read_depth(file)
    packets = file.metadata_of(file.depth_items()[-1]) if data is not None else []
    if data is None or not packets:
        raise NoDepthError("the photo cannot be a donor: it has no depth with Apple's metadata")
    return apple.donor(file.data(packets[0], "max_xmp"), f"XMP item {packets[0]}", file.exif().custom_rendered,
                       data.storage, file.source.limits)


def representation(file: HeifFile, item: int) -> DepthRepresentation | None:
    """Return the content of auxC's SEI, or None when auxC only holds the URN."""
    urn = file.urn(item)
    return DepthRepresentation.parse(urn[1], "auxC") if urn and urn[1] else None


def metadata(file: HeifFile, item: int) -> DepthMetadata:
    """Return the content of a depth item's XMP; defaults without one."""
    for i in file.metadata_of(item):
        packet = xmp.parse(file.data(i, "max_xmp"), f"XMP item {i}", file.source.limits)
        if packet.has(apple.APDI) or packet.has(apple.DEPTH_DATA):
            return apple.parse(packet, f"XMP item {i}")
    return DepthMetadata()


def _read(file: HeifFile, item: int) -> DepthData:
    sei, about = representation(file, item), metadata(file, item)
    fmt = _native_format(sei, about)
    codes, bits = decode(file, item)
    storage = Storage(stored(bits), *_range(sei, about, quantity_of(fmt)))
    _, _, width, height = file.window(file.meta.primary)
    return apple.depth_data(codes, storage, fmt, about, orientation=file.orientation(item), frame=(width, height))


def _native_format(sei: DepthRepresentation | None, about: DepthMetadata) -> PixelFormat:
    if about.native is not None:
        return about.native
    if sei is not None:
        return HDEP if sei.kind == UNIFORM_Z or (sei.z_near is not None and sei.d_min is None) else HDIS
    return HDEP if about.quantity is Quantity.DEPTH else HDIS


def _range(sei: DepthRepresentation | None, about: DepthMetadata, quantity: Quantity) -> tuple[float, float]:
    """Return (lo, hi) in the native quantity: the values of code 0 and the largest code."""
    if sei is not None:
        if sei.kind not in (0, 1, 2):
            raise UnsupportedError("a non-uniform disparity table is not supported", where="auxC")
        planes = (sei.z_near, sei.z_far) if quantity is Quantity.DEPTH else (sei.d_min, sei.d_max)
        if planes[0] is not None and planes[1] is not None:
            return planes[0], planes[1]
        other = (sei.z_near, sei.z_far)
        if quantity is Quantity.DISPARITY and other[0] and other[1]:
            return 1 / other[1], 1 / other[0]
    if about.float_min is not None and about.float_max is not None:
        return about.float_min, about.float_max
    raise RangeError("the codes have no range: neither SEI nor XMP defines what they mean in metres",
                     hint="attach the depth again with its range: ‹near=0.5› ‹far=12›")


def decode(file: HeifFile, item: int) -> tuple[NDArray[Any], int]:
    """Return the (H, W) luma codes of an item after its own clap, before irot and imir, and their bits.

    Raises UnsupportedError for other codecs than HEVC and grids of it, MalformedError, LimitError.
    """
    kind = file.meta.items[item].type
    if kind == "hvc1":
        codes, bits = _decode_hvc1(file, item)
    elif kind == "grid":
        codes, bits = _decode_grid(file, item)
    else:
        raise UnsupportedError(f"the item is coded as {kind!r}; HEVC (hvc1) and grids of it are supported",
                               hint="convert the file to HEIC with another tool first")
    width, height = file.stored_size(item)
    if codes.shape[0] < height or codes.shape[1] < width:
        raise MalformedError(f"the picture decodes to {codes.shape[1]}×{codes.shape[0]}, but ispe is {width}×{height}")
    x, y, w, h = file.window(item)
    return np.ascontiguousarray(codes[:height, :width][y : y + h, x : x + w]), bits


def _decode_hvc1(file: HeifFile, item: int) -> tuple[NDArray[Any], int]:
    prop = file.meta.properties.first(item, "hvcC")
    if prop is None:
        raise MalformedError("the item has no hvcC property", where=f"item {item}")
    limits = file.source.limits
    configuration = Configuration.parse(prop.payload, prop.path, limits)
    return decode_luma(configuration, file.coded(item, configuration), limits, f"item {item}")


def _decode_grid(file: HeifFile, item: int) -> tuple[NDArray[Any], int]:
    """Decode an ImageGrid (ISO/IEC 23008-12, 6.6.2.3): rows and columns of equal tiles, cropped to the output size."""
    c = Cursor(file.data(item, "max_metadata"), f"item {item}")
    c.uint(1)
    size = 4 if c.uint(1) & 1 else 2
    rows, columns = c.uint(1) + 1, c.uint(1) + 1
    width, height = c.uint(size), c.uint(size)
    file.source.limits.check_picture(width, height, 2, where=c.where)
    file.source.limits.check("max_items", rows * columns, where=c.where)    # one tile could be repeated many times
    tiles = file.meta.targets("dimg", item)
    if len(tiles) != rows * columns:
        raise MalformedError(f"the grid of {rows} × {columns} has {len(tiles)} tiles", where=c.where)
    out: NDArray[Any] | None = None
    bits = 8
    for n, tile in enumerate(tiles):
        if file.meta.items.get(tile) is None or file.meta.items[tile].type != "hvc1":
            raise UnsupportedError(f"grid tile {tile} is not HEVC", where=c.where)
        codes, bits = _decode_hvc1(file, tile)
        h, w = codes.shape
        if out is None:
            fits = width <= w * columns < width + w and height <= h * rows < height + h
            if not fits:
                raise MalformedError(f"{columns} × {rows} tiles of {w}×{h} do not result in {width}×{height}",
                                     where=c.where)
            file.source.limits.check_decode(w * columns, h * rows, 2, where=c.where, packed=file.source.size)
            out = np.zeros((h * rows, w * columns), codes.dtype)
        if codes.shape != (out.shape[0] // rows, out.shape[1] // columns) or codes.dtype != out.dtype:
            raise MalformedError("the grid's tiles differ in size or bits", where=c.where)
        y, x = divmod(n, columns)
        out[y * h : (y + 1) * h, x * w : (x + 1) * w] = codes
    if out is None:
        raise MalformedError("the grid has no tiles", where=c.where)
    return out[:height, :width], bits
