"""Makes the hex dumps of docs/formats: the important bytes of files that gpudepth writes, with the meaning of each field.

Values that depend on the version of an encoder, such as sizes and offsets of coded pictures, are shown as `..`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import tempfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.demo.photos import dng

WIDTH = 34      # characters of hex, in groups of four bytes
Field = tuple[int, str] | tuple[int, str, bool]     # number of bytes, meaning, whether they depend on an encoder


def fields(data: bytes, at: int, parts: Iterable[Field]) -> str:
    """Return consecutive fields from `at` on as lines of hex with their meaning."""
    lines = []
    for size, text, *hidden in parts:
        part = data[at:at + size]
        if len(part) != size:
            raise ValueError(f"{text}: {size} bytes at {at} of {len(data)}")
        digits = ".." * size if hidden and hidden[0] else part.hex()
        for n in range(0, len(digits), 32):
            group = re.sub(r"(.{8})(?=.)", r"\1 ", digits[n:n + 32])
            lines.append(f"{group:<{WIDTH + 2}} {text if n == 0 else ''}".rstrip())
        at += size
    return "\n".join(lines)


def block(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def after(data: bytes, *names: bytes) -> int:
    """Return the offset of the last name, where each name is searched behind the previous one. Raises ValueError."""
    at = -1
    for name in names:
        at = data.index(name, at + 1)
    return at


@functools.cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="gpudepth-dumps-")


def pixels() -> Image.Image:
    y, x = np.mgrid[:96, :128]
    return Image.fromarray(np.stack([x * 2, y * 2, (x + y) % 256], -1).astype(np.uint8))


def metres() -> np.ndarray:
    """Return (48, 64) float32 from 0.5 to 8 m."""
    return np.linspace(0.5, 8, 64 * 48, dtype=np.float32).reshape(48, 64)


@functools.cache
def attached(kind: str, profile: str | None = None) -> bytes:
    """Return a photo of 128×96 pixels with these metres attached."""
    base = Path(folder().name)
    photo, out = base / f"photo.{kind}", base / f"out-{profile}.{kind}"
    if kind == "heic":
        photo.write_bytes(encode_pixels(pixels(), quality=60))
    elif kind == "dng":
        photo.write_bytes(dng(np.asarray(pixels())))
    else:
        pixels().save(photo, quality=90)
    more = {"compression": "none"} if kind == "dng" else {}
    gpudepth.attach(photo, metres(), out, profile=profile, accuracy="absolute", **more)
    return out.read_bytes()


def _command(*arguments: str) -> None:
    """Run gpudepth without output. Raises RuntimeError."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = run_command(list(arguments))
    if code:
        raise RuntimeError(errors.getvalue())


# HEIF

def heif_items() -> str:
    data = attached("heic")
    infe = [m.start() - 4 for m in re.finditer(b"infe", data)][-2:]
    auxl, cdsc = (data.rindex(name) - 4 for name in (b"auxl", b"cdsc"))
    depth = fields(data, infe[0], [
        (4, "21 bytes"), (4, "infe"), (4, "version 2, flags 1: hidden"), (2, "item 2"), (2, "not protected"),
        (4, "hvc1"), (1, "no name")])
    text = fields(data, infe[1], [
        (4, "41 bytes"), (4, "infe"), (4, "version 2, flags 1: hidden"), (2, "item 3"), (2, "not protected"),
        (4, "mime"), (1, "no name"), (20, "application/rdf+xml")])
    refs = [fields(data, at, [(4, "14 bytes"), (4, name), (2, f"from {a}"), (2, "to one"), (2, f"to {b}")])
            for at, name, a, b in ((auxl, "auxl", "the map, item 2", "the picture, item 1"),
                                   (cdsc, "cdsc", "the XMP, item 3", "the map, item 2"))]
    return block("\n\n".join([depth, text, *refs]))


def heif_auxc() -> str:
    data = attached("heic")
    at = data.index(b"auxC") - 4
    return block(fields(data, at, [
        (4, "60 bytes"), (4, "auxC"), (4, "version 0, flags 0"), (27, "urn:mpeg:hevc:2015:auxid:2, 0"),
        (4, "length: 17 bytes"), (4, "the NAL unit has 13 bytes"), (2, "NAL header: 39, prefix SEI"),
        (1, "177, depth representation info"), (1, "9 bytes"), (9, "d_min 0.125, d_max 2.0; see below")]))


def heif_hvcc() -> str:
    data = attached("heic")
    at = data.rindex(b"hvcC") - 4
    return block(fields(data, at, [
        (4, "size", True), (4, "hvcC"), (1, "version 1"), (1, "profile 4: format range extensions"),
        (4, "compatibility flags"), (6, "constraints of the Monochrome profile"), (1, "level × 30"),
        (2, "no spatial segmentation"), (1, "no parallelism"), (1, "chroma 0: 4:0:0"), (1, "8 bits of luma"),
        (1, "8 bits of chroma"), (2, "no frame rate"), (1, "one temporal layer, NAL lengths of 4 bytes"), (1, "3 arrays: VPS, SPS, PPS")]))


def xmp_of(data: bytes, place: str) -> str:
    """Return the innermost XMP packet that contains a word."""
    end = data.index(b"</x:xmpmeta>", data.index(place.encode())) + len(b"</x:xmpmeta>")
    return data[data.rindex(b"<x:xmpmeta", 0, end):end].decode()


def heif_xmp() -> str:
    return block(xmp_of(attached("heic"), "depthData:Accuracy"), "xml")


# JPEG

def jpeg_mpf() -> str:
    data = attached("jpg")
    jfif, mpf = data.index(b"\xff\xe0"), data.index(b"MPF\0") - 4
    first = fields(data, jfif, [(2, "APP0"), (2, "20 bytes"), (5, "JFIF, 0"), (2, "1.01"), (1, "unit"), (4, "density"),
                                (2, "no thumbnail"), (4, "AMPF, as Apple writes it")])
    second = fields(data, mpf, [
        (2, "APP2"), (2, "88 bytes"), (4, "MPF, 0"), (4, "big-endian TIFF; offsets count from here"), (4, "directory at 8"),
        (2, "3 entries"), (12, "version 0100"), (12, "2 images"), (12, "32 bytes of entries, at 50"), (4, "no further directory"),
        (4, "image 1: the photo"), (4, "its size", True), (4, "its offset: 0"), (4, "no dependent images"),
        (4, "image 2: type undefined; its XMP has the type"), (4, "its size", True), (4, "its offset", True), (4, "no dependent images")])
    return block(first + "\n\n" + second)


def jpeg_image() -> str:
    data = attached("jpg")
    at = after(data, b"\xff\xd9\xff\xd8") + 2
    head = fields(data, at, [(2, "SOI, directly after the EOI of the photo"), (2, "APP1"), (2, "size", True),
                             (29, "http://ns.adobe.com/xap/1.0/, 0; the XMP follows")])
    mpf = data.index(b"MPF\0", at) - 4
    head += "\n\n" + fields(data, mpf, [
        (2, "APP2"), (2, "48 bytes"), (4, "MPF, 0"), (8, "big-endian TIFF, directory at 8"), (2, "2 entries"),
        (12, "version 0100"), (12, "2 images"), (4, "no further directory")])
    sof = data.index(b"\xff\xc0", mpf)
    head += "\n\n" + fields(data, sof, [(2, "SOF0: baseline"), (2, "11 bytes"), (1, "8 bits"), (2, "height 48"),
                                        (2, "width 64"), (1, "one component"), (3, "1, 1×1, table 0")])
    return block(head)


def elided(packet: str, most: int = 72) -> str:
    """Return the packet with long Base64 data shortened."""
    return re.sub(rf'([>"])([A-Za-z0-9+/]{{{most}}})[A-Za-z0-9+/=]+([<"])', r"\1\2…\3", packet)


def google_gdepth() -> str:
    data = attached("jpg", "gdepth")
    at = data.index(b"http://ns.adobe.com/xap/1.0/\0")
    first = xmp_of(data[at:], "GDepth:Format")
    extended = data.index(b"http://ns.adobe.com/xmp/extension/\0") if b"http://ns.adobe.com/xmp/extension/\0" in data else None
    parts = [block(_numbers_hidden(elided(first)), "xml")]
    if extended is not None:
        parts.append(block(fields(data, extended - 4, [
            (2, "APP1"), (2, "size", True), (35, "http://ns.adobe.com/xmp/extension/, 0"),
            (32, "MD5 of the complete packet, in hexadecimal", True), (4, "size of the complete packet", True), (4, "offset of this part: 0")])))
    return "\n\n".join(parts)


def _numbers_hidden(packet: str) -> str:
    packet = re.sub(r'(HasExtendedXMP(?:="|>))[0-9A-F]{32}', r"\1…", packet)
    return re.sub(r'(Item:Length(?:="|>))[1-9]\d*', r"\1…", packet)


def google_dynamic() -> str:
    return block(_numbers_hidden(elided(xmp_of(attached("jpg", "dynamic-depth"), "DepthMap"))), "xml")


# DNG

_TAGS = {254: "NewSubFileType 8: depth map", 256: "width", 257: "height", 258: "16 bits",
         259: "Compression 1: none", 262: "PhotometricInterpretation 51177: depth", 273: "offset of the codes",
         277: "one sample per pixel", 278: "all rows in one strip", 279: "bytes of the strip",
         284: "PlanarConfiguration 1", 330: "SubIFDs: the depth directory", 51177: "DepthFormat 2: inverse", 51178: "DepthNear, offset", 51179: "DepthFar, offset", 51180: "DepthUnits 1: metres",
         51181: "DepthMeasureType 1: the optical axis"}


def _entries(data: bytes, at: int, wanted: Callable[[int], bool]) -> tuple[list[str], int]:
    """Return the wanted entries of a little-endian directory, and the number of all entries."""
    count = int.from_bytes(data[at:at + 2], "little")
    lines = []
    for n in range(count):
        place = at + 2 + 12 * n
        tag = int.from_bytes(data[place:place + 2], "little")
        if wanted(tag):
            lines.append(fields(data, place, [(12, f"{tag}: {_TAGS.get(tag, '')}".rstrip(": "))]))
    return lines, count


def _value(data: bytes, at: int, tag: int) -> int:
    count = int.from_bytes(data[at:at + 2], "little")
    for n in range(count):
        place = at + 2 + 12 * n
        if int.from_bytes(data[place:place + 2], "little") == tag:
            return int.from_bytes(data[place + 8:place + 12], "little")
    raise ValueError(f"no tag {tag}")


def dng_directories() -> str:
    data = attached("dng")
    first = int.from_bytes(data[4:8], "little")
    lines = [fields(data, 0, [(4, "little-endian TIFF"), (4, "offset of IFD 0, which is at the end")]), ""]
    ours, _ = _entries(data, first, lambda tag: tag == 330 or 51177 <= tag <= 51181)
    lines += ["The added entries of IFD 0:", *ours, ""]
    for tag, name in ((51178, "DepthNear"), (51179, "DepthFar")):
        lines.append(fields(data, _value(data, first, tag), [(8, f"{name}: metres as a fraction")]))
    depth = _value(data, first, 330)
    entries, count = _entries(data, depth, lambda tag: True)
    lines += ["", "The depth directory:", fields(data, depth, [(2, f"{count} entries")]), *entries,
              fields(data, depth + 2 + 12 * count, [(4, "no next directory")])]
    return block("\n".join(lines))


# Movies

@functools.cache
def movie(kind: str) -> bytes:
    """Return a movie of four frames with depth."""
    base = Path(folder().name)
    clip, out = base / "clip.mp4", base / f"out.{kind}"
    if not clip.exists():
        with av.open(str(clip), "w") as file:
            stream = file.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
            for n in range(4):
                frame = av.VideoFrame.from_ndarray(np.asarray(pixels()), format="rgb24")
                frame.pts, frame.time_base = n, Fraction(1, 30)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    maps = base / "maps.npy"
    np.save(maps, np.stack([metres()] * 4))
    _command("attach", str(clip), str(maps), "--metric", "-o", str(out))
    return out.read_bytes()


def quicktime_entry() -> str:
    data = movie("mov")
    hdlr = data.index(b"auxv") - 16
    entry = data.index(b"dish") - 4
    parts = [fields(data, hdlr, [(4, "size"), (4, "hdlr"), (4, "version 0, flags 0"), (4, "component type"),
                                 (4, "auxv: auxiliary picture")]),
             fields(data, entry, [(4, "size", True), (4, "dish: disparity in HEVC"), (6, "reserved"), (2, "data reference 1"),
                                  (16, "reserved"), (2, "width 64"), (2, "height 48")])]
    disc = data.index(b"disc") - 4
    parts.append(fields(data, disc, [(4, "21 bytes"), (4, "disc"), (4, "version 0, flags 0"), (1, "1"),
                                     (4, "smallest disparity, 16.16 fixed point"), (4, "largest")]))
    return block("\n\n".join(parts))


def mp4at_keys() -> str:
    data = movie("mp4")
    keys, axte = data.index(b"keys") - 4, data.rindex(b"axte") - 4
    size = int.from_bytes(data[keys:keys + 4], "big")
    named = data[keys:keys + size]
    parts, at = [fields(data, keys, [(4, "size"), (4, "keys"), (4, "version 0, flags 0"), (4, "number of keys")])], keys + 16
    while at < keys + size:
        length = int.from_bytes(data[at:at + 4], "big")
        parts.append(fields(data, at, [(4, "size"), (4, "mdta"), (length - 8, data[at + 8:at + length].decode())]))
        at += length
    assert b"auxiliary.tracks.offset" in named
    parts.append(fields(data, axte, [
        (4, "1: a size of 64 bits follows"), (4, "axte, the last box of the file"), (8, "its size", True),
        (4, "size of the first box of the MP4 inside"), (4, "ftyp"), (4, "its brand")]))
    return block("\n\n".join(parts))


# Dictionary

def dictionary() -> str:
    base = Path(folder().name)
    out = base / "tiny.plist"
    np.save(base / "tiny.npy", np.array([[0.5, 1], [2, 4]], np.float32))
    _command("convert", str(base / "tiny.npy"), "--metric", "-o", str(out))
    text = re.sub(r"(<key>gpudepthMetadataXMP</key>\s*<data>\s*)(\S+)[^<]*(</data>)", r"\1\2\n\t…\n\t\3", out.read_text())
    return block(text, "xml")


DUMPS: dict[str, Callable[[], str]] = {
    "heif-items": heif_items, "heif-auxc": heif_auxc, "heif-hvcc": heif_hvcc, "heif-xmp": heif_xmp,
    "jpeg-mpf": jpeg_mpf, "jpeg-image": jpeg_image, "google-gdepth": google_gdepth, "google-dynamic": google_dynamic,
    "dng-directories": dng_directories, "quicktime-entry": quicktime_entry, "mp4at-keys": mp4at_keys,
    "dictionary": dictionary}
