"""Writes and reads Apple's depth metadata, the XMP packet of an auxiliary depth image.

Namespaces and spellings are those in files of Apple software. Numbers are text: ranges have six decimals, matrices have
17 digits of their float32 values column by column, booleans are "True" and "False".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..depth import numeric
from ..depth.calibration import Calibration
from ..depth.data import DepthData, Storage
from ..depth.pixel_format import PixelFormat, Quantity, pixel_format, quantity_of
from ..errors import MalformedError, RangeError, UnsupportedError, UsageError
from ..formats import xmp
from ..formats.xmp import Packet, Property, Value
from ..limits import DEFAULT, Limits
from .base import CodedMap, Donor

APDI = "http://ns.apple.com/pixeldatainfo/1.0/"
DEPTH_DATA = "http://ns.apple.com/depthData/1.0/"
BLUR = "http://ns.apple.com/depthBlurEffect/1.0/"
LIGHTING = "http://ns.apple.com/portraitLightingEffect/2.0/"
PREFIXES = {APDI: "apdi", DEPTH_DATA: "depthData", BLUR: "depthBlurEffect", LIGHTING: "portraitLightingEffect"}

DEPTH_DATA_VERSION = 0x10005  # 1.5, as iOS 16 to 18 write it
PORTRAIT_SIDE = 768  # pixels of a map's long side in photos of Portrait mode
PORTRAIT_RENDERED = (7, 8, 9)  # their values of Exif CustomRendered; 9 is reported to be accepted
_LARGEST = float(np.finfo(np.float32).max)

# The orders are those of Apple's files. They do not matter to readers, but tests compare bytes.
_CAMERA_ORDER: tuple[str, ...] = (
    "IntMaxValue", "StoredFormat", "NativeFormat", "IntMinValue", "FloatMaxValue", "FloatMinValue",
    "AuxiliaryImageType",
    "IntrinsicMatrixReferenceWidth", "DepthDataVersion", "Quality", "IntrinsicMatrix",
    "IntrinsicMatrixReferenceHeight", "InverseLensDistortionCoefficients", "LensDistortionCenterOffsetX",
    "LensDistortionCoefficients", "Accuracy", "PixelSize", "Filtered", "ExtrinsicMatrix",
    "LensDistortionCenterOffsetY",
)
_ARTICLE_ORDER: tuple[str, ...] = (
    "NativeFormat", "AuxiliaryImageType", "StoredFormat", "FloatMaxValue", "IntMinValue", "FloatMinValue",
    "IntMaxValue",
    "Accuracy", "PortraitScore", "PortraitScoreIsHigh", "Quality", "Filtered",
)
_APDI_NAMES = frozenset(_CAMERA_ORDER[:7])


def serialise(coded: CodedMap, profile: str, donor: Donor | None = None, limits: Limits = DEFAULT) -> bytes:
    """Return the packet for a map.

    Args:
        coded: The map.
        profile: `apple-depth` (as from a camera), `article` (as from ImageIO without metadata) or `apple-portrait` (as
            from the camera's Portrait mode).
        donor: A Portrait photo whose rendering parameters are used, for `apple-portrait`.
        limits: Limits within which the packet must be readable.

    Raises:
        UsageError: The profile is unknown.
        LimitError: The packet exceeds `limits`.
    """
    values: dict[str, Value] = {
        "NativeFormat": str(coded.pixel_format.fourcc),
        "StoredFormat": str(coded.storage.format.fourcc),
        "IntMinValue": "0",
        "IntMaxValue": str(coded.storage.format.max_code),
        "FloatMinValue": _range_end(coded.storage.lo, coded.storage),
        "FloatMaxValue": _range_end(coded.storage.hi, coded.storage),
        "AuxiliaryImageType": str(quantity_of(coded.pixel_format)),
        "Accuracy": coded.accuracy,
    }
    if profile == "article":
        values |= {"PortraitScore": "0.000000", "PortraitScoreIsHigh": "False", "Quality": "low", "Filtered": "False"}
        order = _ARTICLE_ORDER
    elif profile in ("apple-depth", "apple-portrait"):
        values |= {"DepthDataVersion": str(DEPTH_DATA_VERSION), "Quality": coded.quality,
                   "Filtered": str(coded.filtered)}
        if coded.calibration is not None:
            values |= _calibration_values(coded.calibration)
        order = _CAMERA_ORDER
    else:
        raise UsageError(f"unknown profile {profile!r}", hint="use apple-depth, article or apple-portrait")
    properties = [Property(APDI if name in _APDI_NAMES else DEPTH_DATA, name, values[name])
                  for name in order if name in values]
    if profile == "article":
        properties.append(Property(LIGHTING, "EffectStrength", "0.000000"))
    if profile == "apple-portrait" and donor is not None:
        properties.append(Property(BLUR, "RenderingParameters", donor.rendering))
        if donor.aperture is not None:
            properties.append(Property(BLUR, "SimulatedAperture", donor.aperture))
    packet = xmp.serialise(properties, PREFIXES)
    xmp.parse(packet, "XMP", limits)
    return packet


def donor(packet: bytes, where: str, custom_rendered: int | None, storage: Storage | None,
          limits: Limits = DEFAULT) -> Donor:
    """Return what a depth image's packet provides as a donor. Raises UnsupportedError if it is not a Portrait photo."""
    parsed = xmp.parse(packet, where, limits)
    text = parsed.text(BLUR, "RenderingParameters")
    if text is None:
        raise UnsupportedError("not a Portrait photo: RenderingParameters is missing", where=where)
    about = parse(parsed, where)
    disparity = about.native is not None and about.native.quantity is Quantity.DISPARITY
    return Donor(text, parsed.text(BLUR, "SimulatedAperture"), custom_rendered,
                 (storage.lo, storage.hi) if storage is not None and disparity else None)


def custom_rendered(old: int | None, donor: Donor | None) -> tuple[int, str]:
    """Return the value of Exif CustomRendered for a Portrait photo, and a description of the change; "" for none."""
    value = PORTRAIT_RENDERED[-1] if donor is None or donor.custom_rendered is None else donor.custom_rendered
    return value, "" if old == value else f"Exif CustomRendered: {'none' if old is None else old} → {value}"


def metadata_packet(calibration: Calibration | None, accuracy: str, quality: str, *, filtered: bool) -> bytes:
    """Return the packet without the entries that only a stored map has: no codes, no range."""
    values: dict[str, Value] = {"DepthDataVersion": str(DEPTH_DATA_VERSION), "Quality": quality, "Accuracy": accuracy,
                                "Filtered": str(filtered)}
    if calibration is not None:
        values |= _calibration_values(calibration)
    properties = [Property(DEPTH_DATA, name, values[name]) for name in _CAMERA_ORDER if name in values]
    return xmp.serialise(properties, PREFIXES)


def _range_end(value: float, storage: Storage) -> str:
    """Format a range's end as Apple does, with six decimals of a half float.

    Nine digits are used for ends that are not halves (another container's range), and where six decimals would be off
    by more than 1/64 of a code.
    """
    text = f"{value:.6f}"
    step = (storage.hi - storage.lo) / (storage.format.max_code or 1)
    near = abs(float(text) - value) <= (step / 64 if step else abs(value) / 8192)
    with np.errstate(over="ignore"):
        return text if near and float(np.float16(value)) == value else f"{value:.9g}"


def _number(value: float) -> str:
    """Format a number as Apple does in matrices: %.17g of the float32, but 0.0 for zero. Raises RangeError."""
    with np.errstate(over="ignore"):
        single = float(np.float32(value))
    if not isfinite(single):
        raise RangeError(f"the calibration holds {value:g}, which a float32 cannot represent", where="XMP",
                         hint="‹calibration=none› leaves it out")
    return "0.0" if single == 0 else f"{single:.17g}"


def _numbers(values: object) -> tuple[str, ...]:
    return tuple(_number(v) for v in np.asarray(values, np.float64).ravel())


def _calibration_values(c: Calibration) -> dict[str, Value]:
    x, y = c.distortion_center or c.center
    out: dict[str, Value] = {
        "IntrinsicMatrix": _numbers(c.intrinsics.T),
        "IntrinsicMatrixReferenceWidth": f"{c.reference_width:.17g}",
        "IntrinsicMatrixReferenceHeight": f"{c.reference_height:.17g}",
        "ExtrinsicMatrix": _numbers(c.extrinsics.T),
        "PixelSize": f"{c.pixel_size:.6f}",
        "LensDistortionCenterOffsetX": _number(x),
        "LensDistortionCenterOffsetY": _number(y),
    }
    if c.distortion:
        out["LensDistortionCoefficients"] = _numbers(c.distortion)
    if c.inverse_distortion:
        out["InverseLensDistortionCoefficients"] = _numbers(c.inverse_distortion)
    return out


@dataclass(frozen=True)
class DepthMetadata:
    """The content of a packet, with defaults for what it lacks.

    Attributes:
        quantity: Depth or disparity, from AuxiliaryImageType.
        native: Native format.
        stored: Stored format.
        float_min: Value of code `int_min`.
        float_max: Value of code `int_max`.
        int_min: Smallest code.
        int_max: Largest code.
        accuracy: Whether values are metric.
        quality: Quality of the map.
        filtered: Whether holes are filled.
        calibration: Calibration of the camera.
    """

    quantity: Quantity | None = None
    native: PixelFormat | None = None
    stored: PixelFormat | None = None
    float_min: float | None = None
    float_max: float | None = None
    int_min: int = 0
    int_max: int | None = None
    accuracy: Literal["relative", "absolute"] = "relative"
    quality: Literal["high", "low"] = "high"
    filtered: bool = True
    calibration: Calibration | None = None


def parse(packet: Packet, where: str = "XMP") -> DepthMetadata:
    """Read a packet. Raises MalformedError for values of the wrong type."""

    def number(namespace: str, name: str) -> float | None:
        text = packet.text(namespace, name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            raise MalformedError(f"{name} is {text[:40]!r}, which is not a number", where=where) from None
        if not abs(value) <= _LARGEST:
            raise MalformedError(f"{name} is {text[:40]!r}, which is not a finite float", where=where)
        return value

    def whole(name: str) -> int | None:
        value = number(APDI, name)
        if value is not None and abs(value) >= 1 << 32:
            raise MalformedError(f"{name} is {value:g}, which does not fit into 32 bits", where=where)
        return None if value is None else int(value)

    def fourcc(name: str) -> PixelFormat | None:
        value = whole(name)
        try:
            return None if value is None else pixel_format(value)
        except UsageError:
            raise MalformedError(f"{name} is {value}, which is not a known pixel format", where=where) from None

    def word(name: str, allowed: tuple[str, str], default: str) -> str:
        text = (packet.text(DEPTH_DATA, name) or default).lower()
        return text if text in allowed else default

    kind = packet.text(APDI, "AuxiliaryImageType")
    native = fourcc("NativeFormat")
    return DepthMetadata(
        quantity=Quantity(kind) if kind in ("depth", "disparity") else None,
        native=native if native is not None and native.quantity is not None else None,
        stored=fourcc("StoredFormat"),
        float_min=number(APDI, "FloatMinValue"), float_max=number(APDI, "FloatMaxValue"),
        int_min=whole("IntMinValue") or 0, int_max=whole("IntMaxValue"),
        accuracy=cast('Literal["relative", "absolute"]', word("Accuracy", ("relative", "absolute"), "relative")),
        quality=cast('Literal["high", "low"]', word("Quality", ("high", "low"), "high")),
        filtered=word("Filtered", ("true", "false"), "true") == "true",
        calibration=_parse_calibration(packet, number, where),
    )


def depth_data(codes: NDArray[Any], storage: Storage, fmt: PixelFormat, about: DepthMetadata, *, orientation: int,
               frame: tuple[int, int]) -> DepthData:
    """Make DepthData in coded orientation from stored codes and the content of a packet.

    Args:
        codes: Stored codes (H, W).
        storage: Stored format and range.
        fmt: Native format.
        about: The content of the packet.
        orientation: Exif orientation of the picture.
        frame: (width, height) of the coded picture.

    Raises:
        RangeError: A float cannot hold the values.
    """
    lo, hi, top = storage.lo, storage.hi, storage.format.max_code or 0
    if about.int_max is not None and (about.int_min, about.int_max) != (0, top) and about.int_max > about.int_min:
        # The range belongs to the codes int_min…int_max: extend it to 0…top.
        step = (hi - lo) / (about.int_max - about.int_min)
        lo, hi = lo - about.int_min * step, hi + (top - about.int_max) * step
    if not max(abs(lo), abs(hi)) <= float(np.finfo(np.float32).max):
        raise RangeError(f"the codes represent {lo:g} to {hi:g}, which a float cannot hold", where="XMP")
    table = numeric.pack(numeric.code_values(numeric.Linear(top, lo, hi), top), fmt)
    calibration = about.calibration
    if calibration is not None:
        turned = (calibration.reference_width < calibration.reference_height) != (frame[0] < frame[1])
        if turned and frame[0] != frame[1]:
            calibration = None  # its orientation differs from the coded picture's and is unknown
    return DepthData(table[codes], fmt, orientation=orientation, calibration=calibration, accuracy=about.accuracy,
                     quality=about.quality, filtered=about.filtered, storage=Storage(storage.format, lo, hi),
                     codes=codes)


def _parse_calibration(packet: Packet, get: Callable[[str, str], float | None], where: str) -> Calibration | None:
    width, height = (get(DEPTH_DATA, f"IntrinsicMatrixReference{side}") for side in ("Width", "Height"))

    def array(name: str) -> tuple[float, ...]:
        value = packet.get(DEPTH_DATA, name)
        if not isinstance(value, tuple):
            return ()
        try:
            numbers = tuple(float(v) for v in value)
        except ValueError:
            raise MalformedError(f"{name} holds a value that is not a number", where=where) from None
        if not all(abs(n) <= _LARGEST for n in numbers):
            raise MalformedError(f"{name} holds a value that is not a finite float", where=where)
        return numbers

    matrix, extrinsic = array("IntrinsicMatrix"), array("ExtrinsicMatrix")
    if len(matrix) != 9 or not width or not height:
        return None
    if width < 0 or height < 0:
        raise MalformedError(f"IntrinsicMatrix has the reference size {width:g} × {height:g}", where=where)
    x, y = (get(DEPTH_DATA, f"LensDistortionCenterOffset{axis}") for axis in "XY")
    fields: dict[str, object] = {}
    if len(extrinsic) == 12:
        fields["extrinsics"] = np.array(extrinsic).reshape(4, 3).T
    return Calibration(
        np.array(matrix).reshape(3, 3).T, width, height,
        pixel_size=get(DEPTH_DATA, "PixelSize") or 0.0,
        distortion=array("LensDistortionCoefficients"),
        inverse_distortion=array("InverseLensDistortionCoefficients"),
        distortion_center=None if x is None or y is None else (x, y),
        **fields,  # type: ignore[arg-type]
    )

