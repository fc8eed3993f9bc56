"""Reads and writes Dynamic Depth 1.0: items after the primary image, and a directory of them in its XMP.

    primary image … EOI | item | item | …            in the order of the directory, which only gives their lengths

The directory and the depth's metadata are nested RDF under Device:Container, Device:Profiles and Device:Cameras. As in
GDepth, code 0 is near.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...depth.data import DepthData
from ...errors import MalformedError, RangeError, TruncatedError, UnsupportedError
from ...formats import rdf
from ...formats.bytesource import ByteSource
from ...formats.rdf import Node, Tree
from ...limits import DEFAULT, Limits
from ..base import CodedMap
from .gdepth import check_range, decode, from_codes, number, plane, range_of
from .packets import Packets

BASE = "http://ns.google.com/photos/dd/1.0/"
DEVICE, CONTAINER, ITEM, PROFILE, CAMERA, IMAGE, DEPTH = (
    f"{BASE}{name}/" for name in ("device", "container", "item", "profile", "camera", "image", "depthmap"))
PRIMARY_URI, DEPTH_URI, CONFIDENCE_URI = "primary_image", "android/depthmap", "android/confidencemap"
QUALITY = 100  # default of the items, which must be JPEG
MAX_ITEMS = 256
# Another directory of Google's (Ultra HDR, motion photos), whose items also follow the primary image
FOREIGN = "http://ns.google.com/photos/1.0/container/"


@dataclass(frozen=True)
class DirectoryItem:
    """An entry of the directory.

    Attributes:
        uri: Its name.
        mime: Its MIME type.
        length: Its bytes; 0 for the primary image.
        padding: Bytes before it.
        node: Its element in the packet.
    """

    uri: str
    mime: str
    length: int
    padding: int
    node: Node


@dataclass(frozen=True)
class Map:
    """A depth map's element; texts are as in the packet, "" for missing ones.

    Attributes:
        node: The element.
        semantic: ItemSemantic.
        format: Format.
        near: Near.
        far: Far.
        units: Units.
        measure: MeasureType.
        uri: DepthURI.
        confidence_uri: ConfidenceURI.
    """

    node: Node
    semantic: str
    format: str
    near: str
    far: str
    units: str
    measure: str
    uri: str
    confidence_uri: str


@dataclass(frozen=True)
class DynamicDepth:
    """The content of a packet.

    Attributes:
        tree: The packet.
        items: The directory.
        maps: Depth maps of its cameras.
    """

    tree: Tree
    items: tuple[DirectoryItem, ...]
    maps: tuple[Map, ...]

    @property
    def size(self) -> int:
        """Number of bytes after the primary image that the directory describes."""
        return sum(i.length + i.padding for i in self.items)

    def depth(self) -> Map | None:
        """Return the map that is depth; segmentations are maps as well."""
        return next((m for m in self.maps if m.semantic in ("", "Depth")), None)

    def offset(self, uri: str) -> tuple[int, int] | None:
        """Return the offset of an item from the end of the primary image, and its length."""
        at = 0
        for item in self.items:
            at += item.padding
            if item.uri == uri and item.length:
                return at, item.length
            at += item.length
        return None


def _structures(node: Node, namespace: str, name: str) -> Iterator[Node]:
    """Yield elements that have a property, as an attribute or an element."""
    for n in node.walk():
        if (namespace, name) in n.own():
            yield n


def parse(packets: Packets, limits: Limits = DEFAULT) -> DynamicDepth | None:
    """Read the main packet; None when it has no Dynamic Depth directory. Raises MalformedError, LimitError."""
    if DEVICE.encode() not in packets.main:
        return None
    tree = rdf.parse(packets.main, "XMP", limits)
    items, maps = [], []
    for d in tree.descriptions():
        for node in _structures(d, ITEM, "Mime"):
            own = node.own()
            items.append(DirectoryItem(own.get((ITEM, "DataURI"), ""), own[(ITEM, "Mime")],
                                       _length(own.get((ITEM, "Length"))), _length(own.get((ITEM, "Padding"))), node))
        for node in _structures(d, DEPTH, "Format"):
            own = node.own()
            names = ("ItemSemantic", "Format", "Near", "Far", "Units", "MeasureType", "DepthURI", "ConfidenceURI")
            maps.append(Map(node, *(own.get((DEPTH, name), "") for name in names)))
    if len(items) > MAX_ITEMS:
        raise MalformedError(f"the directory has {len(items)} items", where="XMP Container:Directory")
    return DynamicDepth(tree, tuple(items), tuple(maps)) if items else None


def _length(text: str | None) -> int:
    if not text:
        return 0
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 40:
        raise MalformedError(f"Item:Length or Item:Padding is {text[:40]!r}; expected a size",
                             where="XMP Container:Directory")
    return value


def read(found: DynamicDepth, source: ByteSource, end: int, orientation: int) -> DepthData | None:
    """Return the depth in coded orientation; None when the packet has no depth map.

    Args:
        found: The content of the packet.
        source: The file.
        end: End of the primary image.
        orientation: Its Exif orientation.

    Raises:
        RangeError: The range is missing or not valid.
        UnsupportedError: Units, format or kind of measurement are not supported.
        TruncatedError: An item is missing.
        MalformedError: An item is damaged.
    """
    about, where = found.depth(), "XMP Camera:DepthMap"
    if about is None:
        return None
    if about.measure in ("OpticRay", "OpticalRay"):
        raise UnsupportedError("distances are along the ray and cannot be converted to depth without a focal length",
                               where=where)
    near, far = _number(about.near, "Near"), _number(about.far, "Far")
    check_range(near, far, where)
    codes = _item(found, source, end, "DepthURI", about.uri)
    units = about.units.lower()
    if units == "diopters" and about.format == "RangeInverse":
        return from_codes(codes, "RangeInverse", *_of_dioptres(near, far), orientation=orientation, where=where,
                          accuracy="relative")
    if units not in ("", "none", "meters", "diopters"):
        raise UnsupportedError(f"Units {about.units!r} are not supported", where=where,
                               hint="supported are Meters, Diopters and None")
    if units == "diopters":
        raise UnsupportedError("Diopters are not supported in a linear range", where=where)
    return from_codes(codes, about.format, near, far, orientation=orientation, where=where,
                      accuracy="absolute" if units == "meters" else "relative")


def has_confidence(found: DynamicDepth) -> bool:
    """Return whether the depth map has a confidence."""
    about = found.depth()
    return about is not None and bool(about.confidence_uri)


def confidence(found: DynamicDepth, source: ByteSource, end: int) -> NDArray[Any]:
    """Return the confidence, (H, W) uint8 or uint16; the largest code is fully trusted. Raises the errors of `read`."""
    about = found.depth()
    uri = about.confidence_uri if about is not None else ""
    return _item(found, source, end, "ConfidenceURI", uri)


def _item(found: DynamicDepth, source: ByteSource, end: int, key: str, uri: str) -> NDArray[Any]:
    """Return the codes of the item that a property names."""
    place = found.offset(uri)
    if place is None:
        raise MalformedError(f"{key} {uri!r} is not an item of the directory", where="XMP Camera:DepthMap")
    at, length = end + place[0], place[1]
    if at + length > source.size:
        raise TruncatedError(f"item {uri!r} at {at:,}…{at + length:,} is outside the file of {source.size:,} bytes",
                             where="XMP Container:Directory")
    return decode(source.read(at, length), f"item {uri!r}", source.limits)


def _of_dioptres(near: float, far: float) -> tuple[float, float]:
    """Convert (near, far) from dioptres to metres; both are reciprocals, and the larger one is nearer.

    The specification has no formula for them, and in the one public example (Near 0.086, Far 0.129) they are in the
    other order than metres would be. The result is therefore relative.
    """
    if near <= 0:
        raise RangeError(f"{near:g} dioptres are not a distance", where="XMP Camera:DepthMap")
    lo, hi = sorted((near, far))
    return 1 / hi, 1 / lo


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if math.isnan(value):
        raise RangeError(f"{name} is {text[:40]!r}, which is not a number", where="XMP Camera:DepthMap")
    return value


# -- writing ----------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class WrittenItems:
    """What to put into a file.

    Attributes:
        packets: The XMP packets.
        items: Items that follow the primary image.
        warnings: Warnings.
    """

    packets: Packets
    items: tuple[bytes, ...]
    warnings: tuple[str, ...] = ()


def write(packets: Packets, coded: CodedMap) -> WrittenItems:
    """Write a map as depth and confidence items into packets without Dynamic Depth (see `without`).

    The result is what Android's validator requires (AOSP external/dynamic_depth): all items JPEG, a DepthPhoto profile
    with a camera, RangeInverse in Meters, 0 ≤ Near < Far, and a confidence map.
    """
    form, near, far = range_of(coded)
    if form != "RangeInverse":
        raise UnsupportedError("Dynamic Depth requires disparity, which is what Android reads (RangeInverse)",
                               hint="‹pixel_format=hdis›")
    if FOREIGN.encode() in packets.main and b"Item:Length" in packets.main:
        raise UnsupportedError("the photo has another directory of items (Ultra HDR, motion photo), and both would "
                               "have to follow the primary image", where="XMP", hint="‹profile=gdepth› can be added")
    codes = plane(coded)
    if codes.dtype != np.uint8:
        raise UnsupportedError("Dynamic Depth items are JPEG, which has 8 bits", hint="‹bits=8›")
    quality = coded.jpeg_quality or QUALITY
    items = (_jpeg(codes, quality), _jpeg(np.full(codes.shape, 255, np.uint8), quality))
    out = packets.adding(rdf.description(packets.about(), _SPACES, {}, _properties(near, far, items)))
    warnings = () if coded.accuracy == "absolute" else (
        "Dynamic Depth declares metres although the map is relative, because Android accepts nothing else",)
    return WrittenItems(out, items, warnings)


_SPACES = {"Device": DEVICE, "Container": CONTAINER, "Item": ITEM, "Profile": PROFILE, "Camera": CAMERA, "Image": IMAGE,
           "DepthMap": DEPTH}


def _properties(near: float, far: float, items: tuple[bytes, ...]) -> str:
    def resource(name: str, inner: str) -> str:
        return f'<{name} rdf:parseType="Resource">{inner}</{name}>'

    def seq(name: str, *entries: str) -> str:
        rows = "".join(f'<rdf:li rdf:parseType="Resource">{e}</rdf:li>\n' for e in entries)
        return f"<{name}><rdf:Seq>\n{rows}</rdf:Seq></{name}>"

    def item(uri: str, length: int) -> str:
        return f'<Container:Item Item:Mime="image/jpeg" Item:Length="{length}" Item:DataURI="{uri}"/>'

    directory = seq("Container:Directory", item(PRIMARY_URI, 0), item(DEPTH_URI, len(items[0])),
                    item(CONFIDENCE_URI, len(items[1])))
    profile = resource("Device:Profile", "<Profile:Type>DepthPhoto</Profile:Type><Profile:CameraIndices><rdf:Seq>"
                                         "<rdf:li>0</rdf:li></rdf:Seq></Profile:CameraIndices>")
    depth = ('<Camera:DepthMap DepthMap:ItemSemantic="Depth" DepthMap:Format="RangeInverse" '
             f'DepthMap:Near="{number(near)}" DepthMap:Far="{number(far)}" DepthMap:Units="Meters" '
             f'DepthMap:MeasureType="OpticalAxis" DepthMap:DepthURI="{DEPTH_URI}" '
             f'DepthMap:ConfidenceURI="{CONFIDENCE_URI}" DepthMap:Software="gpudepth"/>')
    camera = resource("Device:Camera", "<Camera:Trait>Physical</Camera:Trait>"
                      f'<Camera:Image Image:ItemSemantic="Primary" Image:ItemURI="{PRIMARY_URI}"/>{depth}')
    return "\n".join((resource("Device:Container", directory), seq("Device:Profiles", profile),
                      seq("Device:Cameras", camera), ""))


def _jpeg(codes: NDArray[Any], quality: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(codes)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def without(found: DynamicDepth, packets: Packets) -> tuple[Packets, tuple[DirectoryItem, ...]]:
    """Return the packets without depth, and the other items in order. Everything goes when no item remains."""
    gone = {uri for m in found.maps for uri in (m.uri, m.confidence_uri)}
    stay = tuple(i for i in found.items if i.uri not in gone or not i.length)
    if not any(i.length for i in stay):
        return packets.without([DEVICE]), ()
    parents = {id(c): n for d in found.tree.descriptions() for n in d.walk() for c in n.children}

    def entry(node: Node) -> Node:
        """Return the list entry that holds an item."""
        at = node
        while at.name[1] != "li" and id(at) in parents:
            at = parents[id(at)]
        return at

    spans = [(m.node.start, m.node.end) for m in found.maps]
    spans += [(n.start, n.end) for i in found.items if i not in stay for n in [entry(i.node)]]
    return replace(packets, main=found.tree.without(spans)), stay
