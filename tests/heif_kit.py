"""What the HEIF tests share: small pictures and maps, files laid out by hand, and independent programs as judges."""

from __future__ import annotations

import functools
import io
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from gpudepth.containers.base import CodedMap, Placement
from gpudepth.containers.heif.file import HeifFile
from gpudepth.containers.heif.heif import Heif
from gpudepth.depth.data import DepthData, Storage
from gpudepth.depth.pixel_format import pixel_format, stored
from gpudepth.formats.bytesource import ByteSource

HEIF = Heif()


# -- independent programs ---------------------------------------------------------------------------------------------

def tool(name: str, *arguments: str | Path) -> str:
    """What an installed program prints. Without the program the test is skipped; on CI it fails."""
    if shutil.which(name) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs the program {name}")
    done = subprocess.run([name, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exif_tags(path: Path, group: str = "XMP-apdi", *more: str) -> dict[str, str]:
    """exiftool's tags of the XMP namespaces named: {"XMP-apdi:IntMaxValue": "255", …}."""
    groups = [f"-{g}:all" for g in (group, *more)]
    lines = tool("exiftool", "-s", "-n", "-a", "-G1", *groups, path).splitlines()
    found = (re.match(r"\[(\S+)\s*\]\s+(\S+)\s*: (.*)", line) for line in lines)
    return {f"{m[1]}:{m[2]}": m[3] for m in found if m}


@dataclass
class Judged:
    """A file as libheif reads it: the primary's pixels, and (codes, metadata) of its depth, both as displayed."""

    pixels: Any
    depth: Any
    metadata: dict[str, Any]


def libheif(data: bytes) -> Judged:
    heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    depth = heif.info.get("depth_images") or []
    assert len(depth) <= 1
    return Judged(np.asarray(heif), np.asarray(depth[0]) if depth else None,
                  depth[0].info["metadata"] or {} if depth else {})


def ffmpeg_gray(data: bytes) -> list[Any]:
    """The codes of every monochrome stream that FFmpeg sees, as coded."""
    with av.open(io.BytesIO(data)) as container:
        streams = [s for s in container.streams.video if s.codec_context.pix_fmt.startswith("gray")]
        found = []
        for stream in streams:
            container.seek(0, stream=stream)
            found.append(next(container.decode(stream)).to_ndarray())
        return found


# -- pictures and maps ------------------------------------------------------------------------------------------------

def picture(width: int = 96, height: int = 64, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A smooth picture that looks different in all eight orientations."""
    y, x = np.mgrid[:height, :width]
    bands = [x * 255 // width, y * 255 // height, (x + 2 * y + 40 * seed) % 256, 255 - x * 200 // width]
    return Image.fromarray(np.dstack(bands[: len(mode)]).astype(np.uint8), mode)


def heic(image: Image.Image | None = None, **options: Any) -> bytes:
    """A file that libheif wrote."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image or picture()).save(buffer, quality=options.pop("quality", 60), **options)
    return buffer.getvalue()


def coded_map(width: int = 32, height: int = 24, fmt: str = "hdis", lo: float = 0.5, hi: float = 2.25, *,
              bits: int = 8, seed: int = 0, **fields: Any) -> CodedMap:
    """A map whose codes use both ends of their range and no symmetry."""
    storage = Storage(stored(bits), lo, hi)
    top = storage.format.max_code or 0
    y, x = np.mgrid[:height, :width]
    codes = ((x * 3 + y * 7 + seed * 11) * top // (3 * width + 7 * height + seed * 11)).astype(storage.format.dtype)
    codes[0, 0], codes[-1, -1] = 0, top
    return CodedMap(codes, storage, pixel_format(fmt), **fields)


# -- our own reading and writing --------------------------------------------------------------------------------------

def parse(data: bytes) -> HeifFile:
    return HeifFile(ByteSource(data))


def attach(data: bytes, coded: CodedMap | None = None, **options: Any) -> bytes:
    return HEIF.attach(ByteSource(data), coded or coded_map(), Placement(**options)).splice.to_bytes()


def remove(data: bytes) -> bytes:
    return HEIF.remove(ByteSource(data)).splice.to_bytes()


def read(data: bytes) -> DepthData:
    depth = HEIF.read(ByteSource(data))
    assert depth is not None
    return depth


def item_bytes(data: bytes) -> dict[int, bytes]:
    """Every item that lies in the file itself, with its bytes."""
    file = parse(data)
    return {i: file.data(i) for i, where in file.meta.locations.items.items() if not where.data_reference}


def kept_items(before: bytes, after: bytes) -> set[int]:
    """Assert that every item of `before` is in `after`, byte for byte; returns the ids that are new."""
    old, new = item_bytes(before), item_bytes(after)
    for item, data in old.items():
        assert new.get(item) == data, f"item {item} changed"
    return set(new) - set(old)


# -- files laid out by hand -------------------------------------------------------------------------------------------

def box(kind: str, *payload: bytes, wide: bool = False, to_end: bool = False) -> bytes:
    body = b"".join(payload)
    if wide:
        return b"\0\0\0\1" + kind.encode() + (16 + len(body)).to_bytes(8, "big") + body
    return (0 if to_end else 8 + len(body)).to_bytes(4, "big") + kind.encode() + body


def full(kind: str, version: int, flags: int, *payload: bytes) -> bytes:
    return box(kind, bytes([version]) + flags.to_bytes(3, "big"), *payload)


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def ispe(width: int, height: int) -> bytes:
    return full("ispe", 0, 0, u32(width), u32(height))


def irot(turns: int) -> bytes:
    return box("irot", bytes([turns]))


def imir(axis: int) -> bytes:
    return box("imir", bytes([axis]))


def aux_c(urn: str, subtype: bytes = b"") -> bytes:
    return full("auxC", 0, 0, urn.encode(), b"\0", subtype)


DEPTH_URN = "urn:mpeg:hevc:2015:auxid:2"
MATTE_URN = "urn:com:apple:photo:2018:aux:portraiteffectsmatte"
GAIN_MAP_URN = "urn:com:apple:photo:2020:aux:hdrgainmap"


@functools.cache
def coded_picture(width: int = 64, height: int = 64, seed: int = 0) -> tuple[bytes, bytes]:
    """(hvcC box, item data) of a picture that x265 coded, by way of libheif."""
    file = parse(heic(picture(width, height, seed=seed)))
    hvcc = file.meta.properties.first(file.meta.primary, "hvcC")
    assert hvcc is not None
    return hvcc.raw, file.data(file.meta.primary)


@functools.cache
def coded_depth(width: int = 32, height: int = 24) -> tuple[bytes, bytes]:
    """(hvcC box, item data) of a monochrome map."""
    file = parse(attach(heic(), coded_map(width, height)))
    (item,) = file.depth_items()
    hvcc = file.meta.properties.first(item, "hvcC")
    assert hvcc is not None
    return hvcc.raw, file.data(item)


@dataclass
class Item:
    """method 0: in mdat number `mdat`, cut into `pieces` extents; 1: in idat."""

    id: int
    type: str = "hvc1"
    data: bytes = b""
    properties: Sequence[tuple[bytes, bool]] = ()
    hidden: bool = False
    content_type: bytes = b""
    method: int = 0
    mdat: int = 0
    pieces: int = 1
    data_reference: int = 0
    length_zero: bool = False
    share: int | None = None     # the item whose bytes it shares


@dataclass
class Layout:
    """A HEIF file to be. `order` names the boxes; "mdat" is repeated for mdat 0, 1…; other names are in `extra`."""

    items: list[Item] = field(default_factory=list)
    primary: int = 1
    references: Sequence[tuple[str, int, Sequence[int]]] = ()
    groups: Sequence[tuple[str, int, Sequence[int]]] = ()
    order: Sequence[str] = ("ftyp", "meta", "mdat")
    extra: dict[str, bytes] = field(default_factory=dict)
    iloc_version: int = 1
    offset_size: int = 4
    length_size: int = 4
    base_size: int = 0
    index_size: int = 0
    mdat_wide: bool = False
    mdat_to_end: bool = False
    filler_properties: int = 0
    idat_prefix: bytes = b""

    def build(self) -> bytes:
        file = self._lay(self._lay(None)[1])[0]
        assert self._lay(self._lay(None)[1])[1] == self._lay(None)[1]
        return file

    def _lay(self, places: dict[int, list[tuple[int, int]]] | None) -> tuple[bytes, dict[int, list[tuple[int, int]]]]:
        meta = self._meta(places or {i.id: [(0, 0)] * i.pieces for i in self.items})
        out, found, mdats = b"", dict[int, list[tuple[int, int]]](), 0
        for name in self.order:
            if name == "ftyp":
                out += box("ftyp", b"heic", u32(0), b"mif1heic")
            elif name == "meta":
                out += meta
            elif name == "mdat":
                body = b""
                start = len(out) + (16 if self.mdat_wide else 8)
                for item in self.items:
                    if item.method == 0 and item.mdat == mdats and item.share is None and not item.data_reference:
                        found[item.id] = list(self._cut(item, start + len(body)))
                        body += item.data
                out += box("mdat", body, wide=self.mdat_wide, to_end=self.mdat_to_end)
                mdats += 1
            else:
                out += self.extra[name]
        at = len(self.idat_prefix)
        for item in self.items:
            if item.method == 1:
                found[item.id] = [(at, len(item.data))]
                at += len(item.data)
            elif item.data_reference:
                found[item.id] = [(4321, 12)] * item.pieces
        for item in self.items:
            if item.share is not None:
                found[item.id] = found[item.share]
        return out, found

    @staticmethod
    def _cut(item: Item, at: int) -> Any:
        size = -(-len(item.data) // item.pieces)
        for n in range(item.pieces):
            yield at + n * size, min(size, len(item.data) - n * size)

    def _meta(self, places: dict[int, list[tuple[int, int]]]) -> bytes:
        wide_ids = any(i.id > 0xFFFF for i in self.items)
        number: Callable[[int], bytes] = u32 if wide_ids else u16
        infe = b""
        for i in self.items:
            body = (u32 if i.id > 0xFFFF else u16)(i.id) + u16(0) + i.type.encode() + b"\0"
            body += i.content_type + b"\0" if i.type == "mime" else b""
            infe += full("infe", 3 if i.id > 0xFFFF else 2, int(i.hidden), body)
        filler = [box("free", b"filler" + u32(n)) for n in range(self.filler_properties)]
        listed = list(dict.fromkeys([*filler, *(raw for i in self.items for raw, _ in i.properties)]))
        wide = len(listed) > 127
        ipma = u32(sum(1 for i in self.items if i.properties))
        for i in sorted(self.items, key=lambda i: i.id):
            if i.properties:
                ipma += number(i.id) + bytes([len(i.properties)])
                for raw, essential in i.properties:
                    n = listed.index(raw) + 1
                    ipma += u16(n | 0x8000 * essential) if wide else bytes([n | 0x80 * essential])
        iref = b"".join(box(kind, number(a), u16(len(to)), *map(number, to)) for kind, a, to in self.references)
        children = [
            full("hdlr", 0, 0, u32(0), b"pict", bytes(12), b"\0"),
            full("pitm", int(wide_ids), 0, number(self.primary)),
            full("iinf", 0, 0, u16(len(self.items)), infe),
        ]
        if self.references:
            children.append(full("iref", int(wide_ids), 0, iref))
        children.append(box("iprp", box("ipco", *listed), full("ipma", int(wide_ids), int(wide), ipma)))
        if self.groups:
            children.append(box("grpl", *(full(kind, 0, 0, u32(n), u32(len(of)), *map(u32, of))
                                          for kind, n, of in self.groups)))
        idat = b"".join(i.data for i in self.items if i.method == 1)
        if idat or self.idat_prefix:
            children.append(box("idat", self.idat_prefix, idat))
        children.append(self._iloc(places))
        return full("meta", 0, 0, *children)

    def _iloc(self, places: dict[int, list[tuple[int, int]]]) -> bytes:
        sizes = self.offset_size << 12 | self.length_size << 8 | self.base_size << 4 | self.index_size
        number: Callable[[int], bytes] = u32 if self.iloc_version == 2 else u16
        out = u16(sizes) + number(len(self.items))
        for i in self.items:
            where = places[i.id]
            base = where[0][0] if self.base_size else 0
            out += number(i.id)
            if self.iloc_version:
                out += u16(i.method)
            out += u16(i.data_reference) + base.to_bytes(self.base_size, "big") + u16(len(where))
            for offset, length in where:
                out += bytes(self.index_size if self.iloc_version else 0)
                out += (offset - base).to_bytes(self.offset_size, "big")
                out += (0 if i.length_zero else length).to_bytes(self.length_size, "big")
        return full("iloc", self.iloc_version, 0, out)


def main_item(id: int = 1, width: int = 64, height: int = 64, *more: tuple[bytes, bool], **fields: Any) -> Item:
    """A picture as an item; `more` are further properties."""
    hvcc, data = coded_picture(width, height)
    return Item(id, data=data, properties=[(hvcc, True), (ispe(width, height), False), *more], **fields)


def depth_item(id: int, width: int = 32, height: int = 24, subtype: bytes | None = None, **fields: Any) -> Item:
    """A depth map as an item, with 0.5 … 2.25 1/m in its SEI unless a subtype is given."""
    hvcc, data = coded_depth(width, height)
    sei = bytes.fromhex("00000011 0000000d 4e01b109 351e780001 03c80020") if subtype is None else subtype
    return Item(id, data=data, hidden=True,
                properties=[(ispe(width, height), False), (aux_c(DEPTH_URN, sei), True), (hvcc, True)], **fields)


def replace_at(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]
