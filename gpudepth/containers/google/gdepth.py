"""Reads and writes GDepth: a gray picture in the XMP of the primary image (developers.google.com/depthmap-metadata).

v = code / max runs from 0 = near to 1 = far, opposite to Apple's disparity:

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
from ...depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, L016, PixelFormat, Quantity, quantity_of
from ...errors import MalformedError, RangeError, UnsupportedError
from ...formats import rdf
from ...limits import DEFAULT, Limits
from ..base import CodedMap
from .packets import Packets

NAMESPACE = "http://ns.google.com/photos/1.0/depthmap/"
CONSTANT = 1e-6  # relative distance of near and far in a constant map, where they must differ
TINY, HALF_MAX = 2.0**-126, 65504  # smallest normal float32, largest half
UNITS = {"m": 1.0, "meters": 1.0, "mm": 1e-3, "millimeters": 1e-3}


def read(packets: Packets, orientation: int, limits: Limits = DEFAULT) -> DepthData | None:
    """Return the depth in a primary image's XMP, in coded orientation; None for a packet without depth.

    Without units the values are relative. Raises MalformedError, RangeError, UnsupportedError, LimitError.
    """
    if not packets.names([NAMESPACE]):
        return None

    def get(name: str) -> str | None:
        return packets.text(NAMESPACE, name, limits)

    data, form = get("Data"), get("Format")
    if data is None or form is None:
        return None
    where = "XMP GDepth"
    if get("MeasureType") in ("OpticRay", "OpticalRay"):
        raise UnsupportedError("distances are along the ray and cannot be converted to depth without a focal length",
                               where=where)
    units = get("Units")
    near, far = (_number(get(name), name, where) * UNITS.get((units or "m").lower(), 1.0) for name in ("Near", "Far"))
    check_range(near, far, where)
    codes = _decode(data, where, limits)
    return from_codes(codes, form, near, far, orientation=orientation, where=where,
                      accuracy="absolute" if units else "relative")


def from_codes(codes: NDArray[Any], form: str, near: float, far: float, *, orientation: int, where: str,
               accuracy: Literal["relative", "absolute"], stored: PixelFormat | None = None) -> DepthData:
    """Make DepthData from codes where 0 is near: 8 bits become halves if these reach far enough, more bits floats.

    Args:
        codes: (H, W) codes.
        form: RangeInverse or RangeLinear.
        near: Near end in metres.
        far: Far end in metres.
        orientation: Exif orientation of the picture.
        where: Place for messages.
        accuracy: Whether values are metric.
        stored: Stored format, such as L010, where the dtype does not determine it.
    """
    stored = stored or (L008 if codes.dtype == np.uint8 else L016)
    top = stored.max_code or 0
    fmt: PixelFormat
    if form == "RangeInverse":
        if near <= 0:
            raise RangeError(f"near {near:g} has no disparity; it must be positive", where=where)
        lo, hi = 0.0 if math.isinf(far) else 1 / far, 1 / near
        fmt = HDIS if stored is L008 and hi <= HALF_MAX else FDIS
        codes = top - codes
    elif form == "RangeLinear":
        if math.isinf(far):
            raise RangeError("far must not be infinite in a linear range", where=where)
        lo, hi = near, far
        fmt = HDEP if stored is L008 and hi <= HALF_MAX else FDEP
    else:
        raise UnsupportedError(f"Format {form!r} is not supported", where=where,
                               hint="supported are RangeInverse and RangeLinear")
    table = numeric.pack(numeric.code_values(numeric.Linear(top, lo, hi), top), fmt)
    return DepthData(table[codes], fmt, orientation=orientation, accuracy=accuracy, storage=Storage(stored, lo, hi),
                     codes=codes)


def check_range(near: float, far: float, where: str | None = None) -> None:
    """Raise RangeError unless 0 ≤ near ≤ far and float32 can hold both and their reciprocals.

    Only far may be infinite, and only near may be 0.
    """
    usable = all(TINY <= v <= 1 / TINY for v in (near or TINY, TINY if math.isinf(far) else far))
    if not usable or not near <= far:
        raise RangeError(f"near {near:g} and far {far:g} are not a valid range", where=where)


def present(packets: Packets, limits: Limits = DEFAULT) -> bool:
    """Return whether there is a map."""
    return packets.names([NAMESPACE]) and packets.text(NAMESPACE, "Data", limits) is not None


def has_confidence(packets: Packets, limits: Limits = DEFAULT) -> bool:
    """Return whether there is a confidence beside the map."""
    return packets.names([NAMESPACE]) and packets.text(NAMESPACE, "Confidence", limits) is not None


def confidence(packets: Packets, limits: Limits = DEFAULT) -> NDArray[Any]:
    """Return the confidence, (H, W) uint8 or uint16; it is linear, and the largest code is fully trusted.

    Raises MalformedError, LimitError.
    """
    return _decode(packets.text(NAMESPACE, "Confidence", limits) or "", "XMP GDepth", limits, "Confidence")


def write(packets: Packets, coded: CodedMap) -> Packets:
    """Return the packets with a map as a PNG in the extended packet; an older GDepth map is removed."""
    form, near, far = range_of(coded)
    values = {"Format": form, "Near": number(near), "Far": number(far), "Mime": "image/png",
              "MeasureType": "OpticalAxis", "Software": "gpudepth"}
    if coded.accuracy == "absolute":
        values["Units"] = "m"
    data = base64.b64encode(_png(plane(coded))).decode("ascii")
    out = packets.without([NAMESPACE])
    about = out.about()
    spaces = {"GDepth": NAMESPACE}
    out = out.adding(rdf.description(about, spaces, {f"GDepth:{k}": v for k, v in values.items()}))
    return out.adding(rdf.description(about, spaces, {"GDepth:Data": data}), extended=True)


def plane(coded: CodedMap) -> NDArray[Any]:
    """Return codes where 0 is near: a disparity map's codes are reversed for Google's formats."""
    top = coded.storage.format.max_code or 0
    disparity = quantity_of(coded.pixel_format) is Quantity.DISPARITY
    return np.asarray(top, coded.codes.dtype) - coded.codes if disparity else coded.codes


def range_of(coded: CodedMap) -> tuple[str, float, float]:
    """Return (Format, Near, Far) of a map. Raises RangeError without a valid range.

    Infinity cannot be stored: Far is then so large that the farthest code is off by a hundredth of a code.
    """
    lo, hi = coded.storage.lo, coded.storage.hi
    if not 0 <= lo <= hi or hi < TINY:
        raise RangeError(f"the range {lo:g} to {hi:g} does not hold distances")
    if quantity_of(coded.pixel_format) is Quantity.DEPTH:
        near, far = lo, hi if hi > lo else hi * (1 + CONSTANT)  # all codes of a constant map are 0: near
        check_range(near, far)
        return "RangeLinear", near, far
    far = 1 / (lo if lo >= TINY else hi / ((coded.storage.format.max_code or 255) * 100))
    near = 1 / hi if hi > lo else far * (1 - CONSTANT)
    check_range(near, far)
    return "RangeInverse", near, far


def number(value: float) -> str:
    """Format all digits of a double, so that reading gives the same range."""
    return repr(float(value))


def _png(codes: NDArray[Any]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(codes)).save(buffer, "PNG")
    return buffer.getvalue()


def _number(text: str | None, name: str, where: str) -> float:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise RangeError(f"{name} is {'missing' if text is None else f'{text[:40]!r}, which is not a number'}",
                         where=where)
    return value


def _decode(text: str, where: str, limits: Limits, name: str = "Data") -> NDArray[Any]:
    """Decode the base64 of a picture to codes."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"{name} is not base64: {error}", where=where) from None
    return decode(data, f"{where}:{name}", limits)


def decode(data: bytes, where: str, limits: Limits) -> NDArray[Any]:
    """Decode a PNG or JPEG to (H, W) uint8 or uint16: the first of equal channels, or the gray of a palette."""
    from ...formats.pillow import decoding, open_picture

    with decoding(where, "it is not a picture"):
        picture = open_picture(io.BytesIO(data), ("PNG", "JPEG"))
        if picture is None:
            raise MalformedError("it is not a picture: neither PNG nor JPEG", where=where)
        with picture:
            limits.check_decode(*picture.size, 4, where=where, packed=len(data))
            if picture.mode in ("I;16", "I;16B", "I"):
                return np.asarray(picture).astype(np.uint16)
            if picture.mode in ("P", "1"):  # samples are not gray values; Pillow warns about a palette with alpha
                return np.asarray(picture.convert("RGBA").convert("L"))
            return np.ascontiguousarray(np.asarray(picture if picture.mode == "L" else picture.getchannel(0)), np.uint8)
