"""Rules of Apple's depth metadata, which are the same in HEIF and JPEG files."""

from __future__ import annotations

import base64
import binascii
import math

from ..depth.pixel_format import Quantity
from ..errors import GpudepthError
from ..formats import xmp
from ..formats.xmp import Packet
from ..limits import DEFAULT, Limits
from . import apple
from .apple import APDI, BLUR, DEPTH_DATA, PORTRAIT_RENDERED, PORTRAIT_SIDE, DepthMetadata
from .rules import Checklist, Rule

FILES = "every known file of Apple software"
REPORTED = "publicly reported of Photos, not proven"
CAMERA, PORTRAIT = ("apple-depth", "apple-portrait"), ("apple-portrait",)

XMP_PARSES = Rule("xmp-parses", "the XMP of the depth image can be read", "ISO 16684-1")
XMP_KEYS = Rule("xmp-keys", "the XMP has the seven apdi keys: AuxiliaryImageType, NativeFormat, StoredFormat, "
                            "IntMinValue, IntMaxValue, FloatMinValue, FloatMaxValue", FILES)
NATIVE = Rule("native-format", "apdi:NativeFormat is hdis, fdis, hdep or fdep", "AVDepthData: depthDataType")
QUANTITY = Rule("auxiliary-type", "apdi:AuxiliaryImageType is the quantity of apdi:NativeFormat", FILES)
STORED = Rule("stored-format", "apdi:StoredFormat and IntMaxValue are those of the coded bits", FILES)
RANGE = Rule("range", "FloatMinValue and FloatMaxValue are finite, in order and not negative", FILES)
DISPARITY = Rule("disparity", "the map is disparity", FILES, only=PORTRAIT)
FILTERED = Rule("filtered", "depthData:Filtered is True", f"{REPORTED}: unfiltered depth is refused", must=CAMERA)
WORDS = Rule("words", "Quality is high or low, Accuracy is relative or absolute, Filtered is True or False",
             f"{FILES}; AVDepthData's Quality and Accuracy")
QUALITY = Rule("quality", "depthData:Quality is high", f"{REPORTED}: low quality depth is refused", must=CAMERA)
VERSION = Rule("depth-data-version", "depthData:DepthDataVersion has major version 1",
               f"{REPORTED}; {FILES} from a camera", must=PORTRAIT, only=CAMERA)
CALIBRATED = Rule("calibration", "there is a camera calibration", f"{REPORTED}: a map without one is refused",
                  must=PORTRAIT, only=CAMERA)
RENDERING = Rule("rendering-parameters", "depthBlurEffect:RenderingParameters is a REND blob of the length it names",
                 f"{REPORTED}; {FILES} of Portrait mode", only=PORTRAIT)
APERTURE = Rule("simulated-aperture", "depthBlurEffect:SimulatedAperture is a positive number",
                f"{FILES} of Portrait mode", only=PORTRAIT)
SIDE = Rule("portrait-size", f"the map has at most {PORTRAIT_SIDE} pixels per side", f"{FILES} of Portrait mode",
            only=PORTRAIT)
REACH = Rule("portrait-range", "the nearest disparity is 0.5 1/m or more",
             "publicly reported: 0.04 to 0.47 1/m gave no blur", must=(), only=PORTRAIT)

RENDERED = Rule("custom-rendered", "Exif CustomRendered is Portrait (7, 8 or 9)",
                f"{FILES} of Portrait mode; publicly reported", only=PORTRAIT)

_KEYS = ("AuxiliaryImageType", "NativeFormat", "StoredFormat", "IntMinValue", "IntMaxValue", "FloatMinValue",
         "FloatMaxValue")
_WORDS = {"Quality": ("high", "low"), "Accuracy": ("relative", "absolute"), "Filtered": ("True", "False")}


def check(out: Checklist, data: bytes, where: str, *, bits: int | None, size: tuple[int, int] | None,
          limits: Limits) -> DepthMetadata | None:
    """Apply the rules to a packet; bits and size (width, height) are those of the coded map, if known."""
    try:
        packet = xmp.parse(data, where, limits)
        about = apple.parse(packet, where)
    except GpudepthError as error:
        out.broken(XMP_PARSES, error, where)
        return None
    out.test(XMP_PARSES, True, where)
    missing = [k for k in _KEYS if packet.text(APDI, k) is None]
    out.test(XMP_KEYS, not missing, where, f"missing: {', '.join(missing)}")
    _check_formats(out, packet, about, where, bits)
    lo, hi = about.float_min, about.float_max
    if lo is not None and hi is not None:
        out.test(RANGE, 0 <= lo <= hi < math.inf, where, f"{lo:g} to {hi:g}")
        out.test(REACH, hi >= 0.5, where, f"it is {hi:g}")
    _check_flags(out, packet, about, where)
    version = packet.text(DEPTH_DATA, "DepthDataVersion") or ""
    out.test(VERSION, version.isdecimal() and int(version) >> 16 == 1, where, f"it is {version or 'missing'}")
    out.test(CALIBRATED, about.calibration is not None, where, "it is missing")
    _check_portrait(out, packet, where, size)
    return about


def _check_formats(out: Checklist, packet: Packet, about: DepthMetadata, where: str, bits: int | None) -> None:
    native = about.native
    out.test(NATIVE, native is not None, where, f"NativeFormat is {packet.text(APDI, 'NativeFormat')}")
    if native is not None:
        out.test(QUANTITY, about.quantity is native.quantity, where,
                 f"{packet.text(APDI, 'AuxiliaryImageType')!r} with {native}")
        out.test(DISPARITY, native.quantity is Quantity.DISPARITY, where, f"the map is {native}")
    if bits is not None:
        coded = about.stored.bits if about.stored is not None else None
        out.test(STORED, coded == bits and about.int_max == (1 << bits) - 1 and about.int_min == 0, where,
                 f"{about.stored} with codes {about.int_min}…{about.int_max}, but {bits} bits are coded")


def _check_flags(out: Checklist, packet: Packet, about: DepthMetadata, where: str) -> None:
    flags = {name: packet.text(DEPTH_DATA, name) for name in _WORDS}
    out.test(FILTERED, flags["Filtered"] is not None and about.filtered, where, f"it is {flags['Filtered']}")
    odd = [f"{name} is {value}" for name, value in flags.items() if value is not None and value not in _WORDS[name]]
    out.test(WORDS, not odd, where, ", ".join(odd))
    out.test(QUALITY, flags["Quality"] == "high", where, f"it is {flags['Quality']}")


def _check_portrait(out: Checklist, packet: Packet, where: str, size: tuple[int, int] | None) -> None:
    text = packet.text(BLUR, "RenderingParameters")
    out.test(RENDERING, text is not None and is_rendering_blob(text), where,
             "it is missing; only Portrait photos have one, which --donor copies"
             if text is None else "it is not such a blob")
    aperture = packet.text(BLUR, "SimulatedAperture")
    try:
        good = aperture is not None and 0 < float(aperture) < math.inf
    except ValueError:
        good = False
    out.test(APERTURE, good, where, f"it is {aperture or 'missing'}")
    if size is not None:
        out.test(SIDE, max(size) <= PORTRAIT_SIDE, where, f"it is {size[0]}×{size[1]}")


def check_rendered(out: Checklist, value: int | None, where: str) -> None:
    """Apply the rule about Exif CustomRendered."""
    out.test(RENDERED, value in PORTRAIT_RENDERED, where, f"it is {value}")


def missing_of_portrait(packet: bytes, size: tuple[int, int]) -> list[str]:
    """Return warnings about what a map lacks to be used as a Portrait photo."""
    out = Checklist("apple-portrait")
    check(out, packet, "XMP", bits=None, size=size, limits=DEFAULT)
    return [f"apple-portrait: {f.found} ({f.rule}: {f.source})" for f in out.findings if f.verdict != "ok"]


def is_rendering_blob(text: str) -> bool:
    """Return whether a text is base64 of 'REND', a version, the total length (both 32 bits, little-endian), records."""
    try:
        blob = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(blob) < 12 or blob[:4] != b"REND":
        return False
    return int.from_bytes(blob[8:12], "little") == len(blob)
