"""The rules of Android's validator (AOSP external/dynamic_depth, depth_jpeg.cc) on a file, with a parser of its own.

ElementTree and offsets counted from the end of the first JPEG: nothing here is shared with the code it judges.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
from PIL import Image

BASE = "http://ns.google.com/photos/dd/1.0/"


def primary_end(data: bytes) -> int:
    """Behind the first EOI: markers are walked, entropy-coded data is scanned."""
    at = 2
    while True:
        assert data[at] == 0xFF
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            at = next(m.start() for m in re.finditer(rb"\xff[\x01-\xcf\xd8-\xfe]", data) if m.start() >= at)


def packet(data: bytes) -> ElementTree.Element:
    at = data.index(b"http://ns.adobe.com/xap/1.0/\0")
    length = int.from_bytes(data[at - 2 : at], "big") - 2 - 29
    return ElementTree.fromstring(data[at + 29 : at + 29 + length])


def value(node: ElementTree.Element, room: str, name: str) -> str | None:
    """A property as attribute or as element."""
    key = f"{{{BASE}{room}/}}{name}"
    found = node.get(key)
    child = node.find(key)
    return found if found is not None else (child.text if child is not None else None)


def validate(data: bytes) -> list[str]:
    """What is wrong; [] when Android would take it."""
    root, wrong = packet(data), []
    items = [n for n in root.iter() if value(n, "item", "Mime")]
    if not items:
        return ["no directory"]
    places, at = {}, primary_end(data)
    for n in items:
        if value(n, "item", "Mime") != "image/jpeg":
            wrong.append(f"item is {value(n, 'item', 'Mime')}")
        length = int(value(n, "item", "Length") or 0)
        at += int(value(n, "item", "Padding") or 0)
        places[value(n, "item", "DataURI")] = (at, length)
        at += length
    if places.get("primary_image", (0, 1))[1] != 0:
        wrong.append("the primary image has a length")
    profiles = [n for n in root.iter() if value(n, "profile", "Type")]
    if not any(value(n, "profile", "Type") == "DepthPhoto" for n in profiles):
        wrong.append("no DepthPhoto profile")
    indices = [int(li.text or -1) for n in profiles for c in n if c.tag == f"{{{BASE}profile/}}CameraIndices"
               for li in c.iter() if li.tag.endswith("}li")]
    cameras = [n for n in root.iter() if n.tag == f"{{{BASE}device/}}Camera"]
    if not indices or not 0 <= indices[0] < len(cameras):
        wrong.append("no camera for the profile")
        return wrong
    maps = [n for n in cameras[indices[0]].iter() if value(n, "depthmap", "Format")]
    if not maps:
        return [*wrong, "no depth map"]
    about = maps[0]
    if value(about, "depthmap", "Units") != "Meters":
        wrong.append("not in metres")
    if value(about, "depthmap", "Format") != "RangeInverse":
        wrong.append("not RangeInverse")
    near, far = (float(value(about, "depthmap", end) or "nan") for end in ("Near", "Far"))
    if not 0 <= near < far < float("inf"):
        wrong.append(f"near {near}, far {far}")
    for name in ("DepthURI", "ConfidenceURI"):
        uri = value(about, "depthmap", name)
        if uri not in places:
            wrong.append(f"{name} {uri} is no item")
            continue
        start, length = places[uri]
        try:
            Image.open(io.BytesIO(data[start : start + length]), formats=["JPEG"]).load()
            if data[start + length - 2 : start + length] != b"\xff\xd9":
                wrong.append(f"{uri} does not end where its length says")
        except (OSError, SyntaxError):
            wrong.append(f"{uri} is no JPEG")
    return wrong


def metres(data: bytes) -> tuple[np.ndarray, float, float]:
    """(codes of the depth item, near, far)."""
    root = packet(data)
    at = primary_end(data)
    about = next(n for n in root.iter() if value(n, "depthmap", "Format"))
    for n in root.iter():
        if not value(n, "item", "Mime"):
            continue
        length = int(value(n, "item", "Length") or 0)
        if value(n, "item", "DataURI") == value(about, "depthmap", "DepthURI"):
            codes = np.asarray(Image.open(io.BytesIO(data[at : at + length])))
            return codes, float(value(about, "depthmap", "Near") or 0), float(value(about, "depthmap", "Far") or 0)
        at += length
    raise AssertionError("no depth item")
