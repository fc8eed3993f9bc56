"""GDepth: a gray picture in the XMP of the primary image (developers.google.com/depthmap-metadata).

v = code / max runs from 0 = near to 1 = far, the other way round than Apple's disparity:

    RangeInverse   1/d = 1/near − v · (1/near − 1/far): linear in disparity, so Apple's codes are max − code
    RangeLinear      d = near + v · (far − near)
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...depth import numeric
from ...depth.data import DepthData, Storage
from ...depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, L016, PixelFormat
from ...errors import GpudepthError, LimitError, MalformedError, RangeError, UnsupportedError
from ...formats import jpeg, xmp
from ...formats.jpeg import Stream
from ...limits import DEFAULT, Limits

NAMESPACE = "http://ns.google.com/photos/1.0/depthmap/"
NOTE = "http://ns.adobe.com/xmp/note/"
UNITS = {"m": 1.0, "meters": 1.0, "mm": 1e-3, "millimeters": 1e-3}
_GUID, _HEAD = 32, 40  # MD5 in hex; then u32 length of the whole, u32 offset of this piece


def read(primary: Stream, orientation: int, limits: Limits = DEFAULT) -> DepthData | None:
    """The depth of a primary image in coded orientation, or None when its XMP names none.

    Without units the values are relative. Raises MalformedError, RangeError, UnsupportedError, LimitError.
    """
    packets = _packets(primary, limits)

    def get(name: str) -> str | None:
        return next((t for p in packets if (t := p.text(NAMESPACE, name)) is not None), None)

    data, form = get("Data"), get("Format")
    if data is None or form is None:
        return None
    where = "XMP GDepth"
    if get("MeasureType") in ("OpticRay", "OpticalRay"):
        raise UnsupportedError("holds distances along the ray, and no focal length to turn them into depth",
                               where=where)
    units = get("Units")
    near, far = (_number(get(name), name, where) * UNITS.get((units or "m").lower(), 1.0) for name in ("Near", "Far"))
    if not 0 <= near < far:
        raise RangeError(f"near {near:g} and far {far:g} are no range", where=where)
    codes = _decode(data, where, limits)
    return from_codes(codes, form, near, far, orientation=orientation, where=where,
                      accuracy="absolute" if units else "relative")


def from_codes(codes: NDArray[Any], form: str, near: float, far: float, *, orientation: int, where: str,
               accuracy: Literal["relative", "absolute"]) -> DepthData:
    """Codes with 0 = near → DepthData: 8 bits become halves, 16 bits single floats, which hold them."""
    stored = L008 if codes.dtype == np.uint8 else L016
    top = stored.max_code or 0
    fmt: PixelFormat
    if form == "RangeInverse":
        if near <= 0:
            raise RangeError(f"near {near:g} has no disparity", where=where)
        fmt, lo, hi = (HDIS if stored is L008 else FDIS), 0.0 if math.isinf(far) else 1 / far, 1 / near
        codes = top - codes
    elif form == "RangeLinear":
        if math.isinf(far):
            raise RangeError("far is infinite in a linear range", where=where)
        fmt, lo, hi = (HDEP if stored is L008 else FDEP), near, far
    else:
        raise UnsupportedError(f"Format {form!r}", where=where, hint="RangeInverse and RangeLinear are known")
    table = numeric.pack(numeric.code_values(numeric.Linear(top, lo, hi), top), fmt)
    return DepthData(table[codes], fmt, orientation=orientation, accuracy=accuracy, storage=Storage(stored, lo, hi))


def _packets(primary: Stream, limits: Limits) -> list[xmp.Packet]:
    """The main packet, and the extended one that it names."""
    main = primary.xmp()
    if main is None or (NAMESPACE.encode() not in main and b"HasExtendedXMP" not in main):
        return []
    try:
        packets = [xmp.parse(main, "XMP", limits)]
    except GpudepthError:
        if NAMESPACE.encode() in main:
            raise
        return []  # damaged XMP of somebody else's
    guid = packets[0].text(NOTE, "HasExtendedXMP")
    if guid:
        extended = extended_xmp(primary, guid, limits)
        if extended is not None and NAMESPACE.encode() in extended:
            packets.append(xmp.parse(extended, "extended XMP", limits))
    return packets


def extended_xmp(primary: Stream, guid: str, limits: Limits = DEFAULT) -> bytes | None:
    """The extended packet with that GUID, its pieces put together; None when there is none.

    Raises MalformedError for pieces that overlap, leave holes or go beyond the length they name.
    """
    pieces, total = [], None
    for segment in primary.header:
        if not segment.starts(jpeg.APP1, jpeg.EXTENDED_XMP):
            continue
        head = segment.payload[len(jpeg.EXTENDED_XMP) :]
        if len(head) < _HEAD or head[:_GUID].decode("latin-1").upper() != guid.strip().upper():
            continue
        total = int.from_bytes(head[32:36], "big")
        pieces.append((int.from_bytes(head[36:40], "big"), head[_HEAD:]))
    if total is None:
        return None
    limits.check("max_xmp", total, where="extended XMP")
    at, out = 0, b""
    for offset, data in sorted(pieces, key=lambda p: p[0]):
        if offset != at:
            raise MalformedError(f"piece at {offset:,} where {at:,} was expected", where="extended XMP")
        out += data
        at += len(data)
    if at != total:
        raise MalformedError(f"{at:,} of {total:,} bytes are there", where="extended XMP")
    return out


def _number(text: str | None, name: str, where: str) -> float:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise RangeError(f"{name} is {'missing' if text is None else repr(text[:40])}", where=where)
    return value


def _decode(text: str, where: str, limits: Limits) -> NDArray[Any]:
    """Base64 of a PNG or JPEG → (H, W) uint8 or uint16; of equal channels the first is taken."""
    from PIL import Image

    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"Data is not base64: {error}", where=where) from None
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as picture:
            limits.check_picture(*picture.size, 4, where=where)
            if picture.mode in ("I;16", "I;16B", "I"):
                return np.asarray(picture).astype(np.uint16)
            return np.ascontiguousarray(np.asarray(picture if picture.mode == "L" else picture.getchannel(0)), np.uint8)
    except LimitError:
        raise
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        raise MalformedError(f"Data is no picture: {error}", where=where) from None
