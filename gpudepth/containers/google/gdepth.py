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
from ...depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, L016, PixelFormat, Quantity, quantity_of
from ...errors import MalformedError, RangeError, UnsupportedError
from ...formats import rdf
from ...limits import DEFAULT, Limits
from ..base import CodedMap
from .packets import Packets

NAMESPACE = "http://ns.google.com/photos/1.0/depthmap/"
CONSTANT = 1e-6  # near must be nearer than far, even where everything is at one distance
TINY, HALF_MAX = 2.0**-126, 65504  # the least single float of full precision, the largest half
UNITS = {"m": 1.0, "meters": 1.0, "mm": 1e-3, "millimeters": 1e-3}


def read(packets: Packets, orientation: int, limits: Limits = DEFAULT) -> DepthData | None:
    """The depth that a primary image's XMP holds, in coded orientation; None when it holds none.

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
        raise UnsupportedError("holds distances along the ray, and no focal length to turn them into depth",
                               where=where)
    units = get("Units")
    near, far = (_number(get(name), name, where) * UNITS.get((units or "m").lower(), 1.0) for name in ("Near", "Far"))
    check_range(near, far, where)
    codes = _decode(data, where, limits)
    return from_codes(codes, form, near, far, orientation=orientation, where=where,
                      accuracy="absolute" if units else "relative")


def from_codes(codes: NDArray[Any], form: str, near: float, far: float, *, orientation: int, where: str,
               accuracy: Literal["relative", "absolute"], stored: PixelFormat | None = None) -> DepthData:
    """Codes with 0 = near → DepthData: 8 bits become halves if those reach as far, more bits single floats.

    stored: L010 and the like, where the dtype does not tell.
    """
    stored = stored or (L008 if codes.dtype == np.uint8 else L016)
    top = stored.max_code or 0
    fmt: PixelFormat
    if form == "RangeInverse":
        if near <= 0:
            raise RangeError(f"near {near:g} has no disparity", where=where)
        lo, hi = 0.0 if math.isinf(far) else 1 / far, 1 / near
        fmt = HDIS if stored is L008 and hi <= HALF_MAX else FDIS
        codes = top - codes
    elif form == "RangeLinear":
        if math.isinf(far):
            raise RangeError("far is infinite in a linear range", where=where)
        lo, hi = near, far
        fmt = HDEP if stored is L008 and hi <= HALF_MAX else FDEP
    else:
        raise UnsupportedError(f"Format {form!r}", where=where, hint="RangeInverse and RangeLinear are known")
    table = numeric.pack(numeric.code_values(numeric.Linear(top, lo, hi), top), fmt)
    return DepthData(table[codes], fmt, orientation=orientation, accuracy=accuracy, storage=Storage(stored, lo, hi),
                     codes=codes)


def check_range(near: float, far: float, where: str | None = None) -> None:
    """Raise RangeError unless 0 ≤ near ≤ far, and single floats hold both and what they are the reciprocals of. Only
    far may be infinite, and only near 0."""
    usable = all(TINY <= v <= 1 / TINY for v in (near or TINY, TINY if math.isinf(far) else far))
    if not usable or not near <= far:
        raise RangeError(f"near {near:g} and far {far:g} are no range", where=where)


def present(packets: Packets, limits: Limits = DEFAULT) -> bool:
    """Is there a map in it?"""
    return packets.names([NAMESPACE]) and packets.text(NAMESPACE, "Data", limits) is not None


def has_confidence(packets: Packets, limits: Limits = DEFAULT) -> bool:
    """Is there a confidence beside the map?"""
    return packets.names([NAMESPACE]) and packets.text(NAMESPACE, "Confidence", limits) is not None


def confidence(packets: Packets, limits: Limits = DEFAULT) -> NDArray[Any]:
    """(H, W) uint8 or uint16, 0 not at all and the largest code fully trusted (always linear, by the specification).

    Raises MalformedError, LimitError.
    """
    return _decode(packets.text(NAMESPACE, "Confidence", limits) or "", "XMP GDepth", limits, "Confidence")


def write(packets: Packets, coded: CodedMap) -> Packets:
    """The packets with a map: what there was of GDepth goes, the plane is a PNG in the extended packet."""
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
    """Codes with 0 = near: a disparity map's turned round, which is all that Google's formats differ by."""
    top = coded.storage.format.max_code or 0
    disparity = quantity_of(coded.pixel_format) is Quantity.DISPARITY
    return np.asarray(top, coded.codes.dtype) - coded.codes if disparity else coded.codes


def range_of(coded: CodedMap) -> tuple[str, float, float]:
    """(Format, Near, Far) of a map. Raises RangeError for one that has none of it.

    Infinitely far has no number: Far is then so large that the farthest code is off by a hundredth of a code.
    """
    lo, hi = coded.storage.lo, coded.storage.hi
    if not 0 <= lo <= hi or hi < TINY:
        raise RangeError(f"a range from {lo:g} to {hi:g} names no distances")
    if quantity_of(coded.pixel_format) is Quantity.DEPTH:
        near, far = lo, hi if hi > lo else hi * (1 + CONSTANT)  # all codes of a constant map are 0: near
        check_range(near, far)
        return "RangeLinear", near, far
    far = 1 / (lo if lo >= TINY else hi / ((coded.storage.format.max_code or 255) * 100))
    near = 1 / hi if hi > lo else far * (1 - CONSTANT)
    check_range(near, far)
    return "RangeInverse", near, far


def number(value: float) -> str:
    """All digits of a double: 1/x of what is read is the range again."""
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
        raise RangeError(f"{name} is {'missing' if text is None else repr(text[:40])}", where=where)
    return value


def _decode(text: str, where: str, limits: Limits, name: str = "Data") -> NDArray[Any]:
    """Base64 of a picture → its codes."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"{name} is not base64: {error}", where=where) from None
    return decode(data, f"{where}:{name}", limits)


def decode(data: bytes, where: str, limits: Limits) -> NDArray[Any]:
    """A PNG or JPEG → (H, W) uint8 or uint16; of equal channels the first is taken, of a palette its gray."""
    from ...formats.pillow import decoding, open_picture

    with decoding(where, "is no picture"):
        picture = open_picture(io.BytesIO(data), ("PNG", "JPEG"))
        if picture is None:
            raise MalformedError("is no picture: neither PNG nor JPEG", where=where)
        with picture:
            limits.check_picture(*picture.size, 4, where=where, packed=len(data))
            if picture.mode in ("I;16", "I;16B", "I"):
                return np.asarray(picture).astype(np.uint16)
            if picture.mode in ("P", "1"):  # their samples are no gray values; Pillow warns of a palette with alpha
                return np.asarray(picture.convert("RGBA").convert("L"))
            return np.ascontiguousarray(np.asarray(picture if picture.mode == "L" else picture.getchannel(0)), np.uint8)
