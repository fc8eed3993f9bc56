"""JPEG: segments, frames, multi-picture indices, extended XMP, trailers."""

from __future__ import annotations

import io
import struct
from typing import Any

import archive_kit
from heif_kit import u32
from PIL import Image
from seeds import seeds

from bad_files.builders import Files, jpeg_segment
from bad_files.packets import packets


def jpegs() -> Files:
    jpeg, rgb = seeds()["bare.jpg"], archive_kit.pixels(32, 24)
    frame = jpeg.index(b"\xff\xc0")

    def saved(image: Image.Image, **options: Any) -> bytes:
        out = io.BytesIO()
        image.save(out, "JPEG", **options)
        return out.getvalue()

    yield "cmyk.jpg", saved(rgb.convert("CMYK"))
    yield "gray.jpg", saved(rgb.convert("L"))
    yield "progressive.jpg", saved(rgb, progressive=True)
    for marker in (0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB, 0xCF):
        yield f"frame.{marker:02x}.jpg", jpeg[: frame + 1] + bytes([marker]) + jpeg[frame + 2 :]
    for bits in (0, 1, 12, 16, 255):
        yield f"bits.{bits}.jpg", jpeg[: frame + 4] + bytes([bits]) + jpeg[frame + 5 :]
    for components in (0, 1, 2, 4, 255):
        yield f"components.{components}.jpg", jpeg[: frame + 9] + bytes([components]) + jpeg[frame + 10 :]
    yield "no.height.jpg", jpeg[: frame + 5] + bytes(2) + jpeg[frame + 7 :]
    yield "no.frame.jpg", jpeg[:frame] + jpeg[frame + 2 + int.from_bytes(jpeg[frame + 2 : frame + 4], "big") :]
    yield "two.frames.jpg", jpeg[:frame] + jpeg[frame : frame + 19] + jpeg[frame:]
    yield "garbage.before.jpg", b"garbage" + jpeg
    yield "garbage.inside.jpg", jpeg[:20] + b"garbage" + jpeg[20:]
    yield "garbage.behind.jpg", jpeg + bytes(range(256)) * 100
    yield "garbage.ff.jpg", jpeg + b"\xff" * 100_000
    yield "fill.jpg", jpeg[:2] + b"\xff" * 300_000 + jpeg[2:]
    yield "twice.jpg", jpeg + jpeg
    yield "nested.jpg", jpeg[:2] + jpeg + jpeg[2:]
    yield "no.end.jpg", jpeg[:-2]
    yield "soi.jpg", b"\xff\xd8"
    yield "soi.eoi.jpg", b"\xff\xd8\xff\xd9"
    yield "restarts.jpg", jpeg[:-2] + b"\xff\xd0" * 100_000 + jpeg[-2:]
    yield "scans.jpg", jpeg[:-2] + jpeg[jpeg.index(b"\xff\xda") : -2] * 3000 + jpeg[-2:]
    yield "segments.jpg", jpeg[:2] + jpeg_segment(0xFE, b"") * 100_000 + jpeg[2:]
    yield "segments.large.jpg", jpeg[:2] + jpeg_segment(0xFE, bytes(65_533)) * 2000 + jpeg[2:]
    icc = b"".join(jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes([n % 255 + 1, 255]) + bytes(60_000)) for n in range(255))
    yield "icc.jpg", jpeg[:2] + icc + jpeg[2:]
    yield "icc.numbers.jpg", jpeg[:2] + jpeg_segment(0xE2, b"ICC_PROFILE\0\0\0") + jpeg_segment(0xE2, b"ICC_PROFILE\0") + jpeg[2:]
    yield "icc.profile.jpg", jpeg[:2] + jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(200)) + jpeg[2:]
    for n, block in enumerate((b"", b"II", b"II*\0", b"MM\0*\0\0\0\x08", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\xff\xff\xff\xff", b"XX*\0\x08\0\0\0")):
        yield f"exif.{n}.jpg", jpeg[:2] + jpeg_segment(0xE1, b"Exif\0\0" + block) + jpeg[2:]
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    for n, packet in enumerate(packets()):
        if len(packet[1]) < 60_000:
            yield f"xmp.{n}.jpg", jpeg[:2] + jpeg_segment(0xE1, xmp + packet[1]) + jpeg[2:]
    whole = seeds()["both.jpg"]
    at = whole.index(b"MPF\0") + 4
    for n, offset in enumerate((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, len(whole) - at, len(whole) - at - 1)):
        entry = whole.index(b"\0" * 8, at + 60)
        yield f"mpf.{n}.jpg", whole[: entry + 8 + 16] + u32(offset) + whole[entry + 28 :]
    for name in ("depth.jpg", "both.jpg"):
        data = seeds()[name]
        at = data.index(b"MPF\0") + 4
        for size in (0, 7, 8, 0xFFFF, 0xFFFFFFFF):
            yield f"mpf.first.{size}.{name}", data[: at + 4] + u32(size) + data[at + 8 :]
    index = b"MM\0*\0\0\0\x08\0\3" + struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 4000)
    index += struct.pack(">HHII", 0xB002, 7, 16 * 4000, 50) + bytes(4) + struct.pack(">IIIHH", 0, 100, 0, 0, 0) * 4000
    yield "mpf.images.jpg", jpeg[:2] + jpeg_segment(0xE2, b"MPF\0" + index) + jpeg[2:]
    android = seeds()["android.jpg"]
    yield "gdepth.size.jpg", android.replace(b'GDepth:Near="', b'GDepth:Near="-').replace(b'GDepth:Far="', b'GDepth:Far="nan')
    extended = android.index(b"http://ns.adobe.com/xmp/extension/\0") + 35
    for n, value in enumerate((0, 1, 100, 0x7FFFFFFF, 0xFFFFFFFF)):
        yield f"extended.{n}.jpg", android[: extended + 32] + u32(value) + android[extended + 36 :]
        yield f"extended.offset.{n}.jpg", android[: extended + 36] + u32(value) + android[extended + 40 :]
    piece = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + u32(0x7FFFFFFF)
    yield "extended.many.jpg", jpeg[:2] + b"".join(jpeg_segment(0xE1, piece + u32(n * 60_000) + bytes(60_000)) for n in range(1000)) + jpeg[2:]
    dynamic = seeds()["dynamic.jpg"]
    for old, new in ((b"Item:Length", b"Item:Lenght"), (b"image/jpeg", b"image/heic"), (b"Item:Padding", b"Item:Pad"), (b"depthmap", b"depthnap")):
        if old in dynamic:
            yield f"dynamic.{old.decode()[-4:]}.jpg", dynamic.replace(old, new)
    for marker in (b"SEFT", b"MotionPhoto_Data", b"Image_UTC_Data", b"edof\0", b"mpvd"):
        yield f"trailer.{marker[:4].decode()}.jpg", jpeg + bytes(100) + marker + b"\xff" * 64 + marker
        yield f"trailer.end.{marker[:4].decode()}.jpg", jpeg + b"SEFH" + b"\xff" * 40 + marker
