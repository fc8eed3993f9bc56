"""Checks Google's depth in JPEG files: GDepth, and Dynamic Depth as Android's validator accepts it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Callable

from ...depth.data import DepthData
from ...formats import jpeg, rdf, xmp
from ...formats.bytesource import ByteSource
from ...formats.jpeg import Stream
from ..rules import Checklist, Rule
from . import dynamic_depth, gdepth
from .dynamic_depth import PRIMARY_URI, PROFILE, DynamicDepth
from .packets import NOTE, Packets

GDEPTH, AOSP = "developers.google.com/depthmap-metadata", "AOSP external/dynamic_depth, depth_jpeg.cc"
DDF = "Dynamic Depth 1.0"

KEYS = Rule("gdepth-keys", "Format, Near, Far, Mime and Data are present", GDEPTH)
FORMAT = Rule("gdepth-format", "GDepth:Format is RangeInverse or RangeLinear", GDEPTH)
RANGE = Rule("gdepth-range", "0 ≤ Near < Far, both finite, and Near > 0 in RangeInverse", GDEPTH)
UNITS = Rule("gdepth-units", "GDepth:Units is m or mm", f"{GDEPTH}: a map without it is relative", must=())
MIME = Rule("gdepth-mime", "GDepth:Data is a picture of the kind in GDepth:Mime, PNG or JPEG", GDEPTH)
AXIS = Rule("gdepth-measure", "GDepth:MeasureType is OpticalAxis or missing", GDEPTH, must=())
EXTENDED = Rule("extended-xmp", "HasExtendedXMP is the MD5 of the extended packet, all of whose pieces are present",
                "XMP specification part 3, 1.1.3.1")

DIRECTORY = Rule("dd-directory", "the primary image comes first in the directory, with length 0", f"{DDF}; {AOSP}")
ITEMS = Rule("dd-items", "every item follows the primary image, from SOI to EOI, in the directory's order", DDF)
ITEM_MIME = Rule("dd-mime", "every item is image/jpeg", AOSP)
DEPTH_PHOTO = Rule("dd-profile", "there is a profile DepthPhoto with a camera index", AOSP)
METRES = Rule("dd-units", "DepthMap:Units is Meters", AOSP)
INVERSE = Rule("dd-format", "DepthMap:Format is RangeInverse", AOSP)
DD_RANGE = Rule("dd-range", "0 ≤ Near < Far, both finite", AOSP)
CONFIDENCE = Rule("dd-confidence", "ConfidenceURI names an item", AOSP)
DEPTH_ITEM = Rule("dd-depth", "DepthURI names an item", AOSP)


def check_gdepth(out: Checklist, primary: Stream, packets: Packets, source: ByteSource) -> DepthData | None:
    """Apply GDepth's rules; return the map in coded orientation if it can be read."""
    where, limits = "XMP GDepth", source.limits

    def get(name: str) -> str | None:
        return packets.text(gdepth.NAMESPACE, name, limits)

    _extended(out, primary, packets)
    missing = [k for k in ("Format", "Near", "Far", "Mime", "Data") if get(k) is None]
    out.test(KEYS, not missing, where, f"missing: {', '.join(missing)}")
    form = get("Format")
    out.test(FORMAT, form in ("RangeInverse", "RangeLinear"), f"{where}:Format", f"it is {form}")
    near, far = _number(get("Near")), _number(get("Far"))
    out.test(RANGE, 0 <= near < far < math.inf and (near > 0 or form == "RangeLinear"), f"{where}:Near",
             f"{get('Near')} to {get('Far')}")
    units = get("Units") or ""
    out.test(UNITS, units.lower() in gdepth.UNITS, f"{where}:Units", f"it is {units or 'missing'}")
    out.test(AXIS, get("MeasureType") in (None, "OpticalAxis"), f"{where}:MeasureType", f"it is {get('MeasureType')}")
    mime = get("Mime")
    head = _head(get("Data") or "")
    kind = "image/png" if head.startswith(b"\x89PNG") else "image/jpeg" if head.startswith(b"\xff\xd8") else "neither"
    out.test(MIME, mime in (None, kind), f"{where}:Data", f"Mime is {mime}, but the data is {kind}")
    return _decoded(out, where, primary, lambda: gdepth.read(packets, 1, limits))


def _decoded(out: Checklist, where: str, primary: Stream, read: Callable[[], DepthData | None]) -> DepthData | None:
    data = out.decoded(where, read)
    if data is not None:
        out.check_aspect((data.width, data.height), (primary.frame.width, primary.frame.height), where)
    return data


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _head(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text[:64].split())[:32])
    except (binascii.Error, ValueError):
        return b""


def _extended(out: Checklist, primary: Stream, packets: Packets) -> None:
    pieces = [s for s in primary.header if s.starts(jpeg.APP1, jpeg.EXTENDED_XMP)]
    named = xmp.parse(packets.main).text(NOTE, "HasExtendedXMP") if b"HasExtendedXMP" in packets.main else None
    if named is None and not pieces:
        return
    digest = hashlib.md5(packets.extended, usedforsecurity=False).hexdigest().upper()
    out.test(EXTENDED, named is not None and bool(packets.extended) and named.strip() == digest, "XMP HasExtendedXMP",
             f"it is {named or 'missing'}; the packet's MD5 is {digest if packets.extended else 'that of nothing'}")


def check_dynamic_depth(out: Checklist, found: DynamicDepth, primary: Stream, source: ByteSource) -> DepthData | None:
    """Apply Dynamic Depth's rules; return the map in coded orientation if it can be read."""
    _directory(out, found, primary.end, source)
    profiles = [n for d in found.tree.descriptions() for n in d.walk() if (PROFILE, "Type") in n.own()]
    photos = [n for n in profiles if n.own()[(PROFILE, "Type")] == "DepthPhoto" and _indices(n)]
    out.test(DEPTH_PHOTO, bool(photos), "XMP Device:Profiles",
             f"profiles: {', '.join(n.own()[(PROFILE, 'Type')] for n in profiles) or 'none'}")
    about = found.depth()
    if about is None:
        return None
    where = "XMP Camera:DepthMap"
    out.test(METRES, about.units == "Meters", where, f"it is {about.units or 'missing'}")
    out.test(INVERSE, about.format == "RangeInverse", where, f"it is {about.format}")
    near, far = _number(about.near), _number(about.far)
    out.test(DD_RANGE, 0 <= near < far < math.inf, where, f"{about.near} to {about.far}")
    out.test(DEPTH_ITEM, found.offset(about.uri) is not None, where, f"{about.uri!r} is not one")
    confidence = found.offset(about.confidence_uri) if about.confidence_uri else None
    out.test(CONFIDENCE, confidence is not None, where, f"{about.confidence_uri!r} is not one")
    return _decoded(out, where, primary, lambda: dynamic_depth.read(found, source, primary.end, 1))


def _directory(out: Checklist, found: DynamicDepth, at: int, source: ByteSource) -> None:
    """Check the directory and its items, which start at `at`."""
    where, items = "XMP Container:Directory", found.items
    first = items[0]
    out.test(DIRECTORY, first.length == 0 and first.uri in ("", PRIMARY_URI), where,
             f"it starts with {first.uri!r} and length {first.length:,}")
    wrong = [f"{i.uri!r} is {i.mime}" for i in items if i.mime != "image/jpeg"]
    out.test(ITEM_MIME, not wrong, where, ", ".join(wrong))
    astray = []
    for item in items:
        at += item.padding
        if item.length and not _is_jpeg(source, at, item.length):
            astray.append(f"{item.uri!r} at {at:,}, {item.length:,} bytes")
        at += item.length
    out.test(ITEMS, not astray, where, ", ".join(astray))


def _is_jpeg(source: ByteSource, at: int, length: int) -> bool:
    return (at + length <= source.size and length > 4 and source.read(at, 2) == b"\xff\xd8"
            and source.read(at + length - 2, 2) == b"\xff\xd9")


def _indices(profile: rdf.Node) -> list[str]:
    return [n.text for c in profile.walk() if c.name == (PROFILE, "CameraIndices") for n in c.walk()
            if n.name[1] == "li"]
