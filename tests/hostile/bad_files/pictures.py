"""Pictures of odd kinds, and TIFF directories that loop, lie and overlap."""

from __future__ import annotations

import io
import struct
from typing import Any

import archive_kit
import numpy as np
from PIL import Image
from seeds import Z, seeds

from bad_files.builders import Files, gray_tiff, jpeg_segment, png, png_chunk, tiff


def pictures() -> Files:
    gray, rgb = (Z * 30).astype(np.uint8), archive_kit.pixels(32, 24)

    def saved(image: Any, kind: str, **options: Any) -> bytes:
        out = io.BytesIO()
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
        return out.getvalue()

    yield "one-bit.png", saved(Image.fromarray(gray).convert("1"), "PNG")
    yield "two-bit.png", png(32, 24, 2, 0, bytes(24 * 9))
    yield "palette.png", png(32, 24, 8, 3, bytes(24 * 33))                 # no PLTE
    yield "palette.short.png", png(32, 24, 8, 3, b"\0" + b"\xff" * 32 + bytes(23 * 33), png_chunk(b"PLTE", b"abc"))
    yield "palette.odd.png", png(32, 24, 8, 3, bytes(24 * 33), png_chunk(b"PLTE", b"abcd"))
    yield "deep.png", png(32, 24, 16, 2, bytes(24 * (1 + 32 * 6)))
    yield "interlaced.png", saved(gray, "PNG")[:28] + b"\1" + saved(gray, "PNG")[29:]
    for name, bits, colour in (("bits.3", 3, 0), ("colour.5", 8, 5), ("bits.255", 255, 0), ("bits.0", 0, 0)):
        yield f"{name}.png", png(32, 24, bits, colour)
    yield "no.width.png", png(0, 24, 8, 0)
    yield "no.size.png", png(0, 0, 8, 0)
    yield "negative.png", png(0x80000000, 0xFFFFFFFF, 8, 0)
    yield "no.end.png", saved(gray, "PNG")[:-12]
    yield "crc.png", saved(gray, "PNG")[:-20] + bytes(20)
    yield "no.data.png", b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 24, 8, 0, 0, 0, 0)) + png_chunk(b"IEND", b"")
    yield "chunk.size.png", b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xff" + b"IHDR" + bytes(20)
    yield "exif.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"))
    yield "exif.loop.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"eXIf", tiff([(0x8769, 4, 1, 8)], following=8)))
    yield "gamma.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"gAMA", b"") + png_chunk(b"pHYs", b"\0") + png_chunk(b"tRNS", b""))
    yield "animated.png", saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)])
    yield "animated.gif", saved(rgb, "GIF", save_all=True, append_images=[rgb.rotate(90)])
    yield "animated.webp", saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)])
    yield "pages.tiff", saved(gray, "TIFF", save_all=True, append_images=[Image.fromarray(gray)])
    for mode in ("CMYK", "L", "1", "YCbCr", "LAB", "F", "I", "RGBA", "LA", "P"):
        with_mode = rgb.convert("RGB").convert(mode) if mode not in ("LAB", "F", "I") else Image.new(mode, (32, 24))
        for kind in ("TIFF", "JPEG", "PNG", "WEBP", "GIF", "BMP"):
            try:
                yield f"{mode}.{kind.lower()}", saved(with_mode, kind)
            except (OSError, KeyError, ValueError):
                continue
    for kind, options in (("JPEG2000", {}), ("TGA", {}), ("ICO", {}), ("PCX", {}), ("SGI", {}), ("PPM", {}), ("EPS", {}), ("DDS", {}),
                          ("SPIDER", {}), ("MSP", {}), ("XBM", {}), ("PDF", {}), ("ICNS", {}), ("AVIF", {})):
        try:
            image = Image.fromarray(gray).convert("1") if kind in ("MSP", "XBM") else Image.fromarray(gray)
            yield f"kind.{kind.lower()}", saved(image, kind, **options)
        except (OSError, KeyError, ValueError):
            continue
    yield "ghost.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n(/tmp/ghost) (w) file\n%%EOF\n"
    yield "ghost.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
    yield "fits.png", b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80) + b"NAXIS   = 2".ljust(80) + b"NAXIS1  = 99999".ljust(80) + b"NAXIS2  = 99999".ljust(80) + b"END".ljust(80 * 31)
    yield "svg.png", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"
    yield "html.jpg", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "empty.png", b""
    yield "empty.heic", b""
    yield "one.jpg", b"\xff"
    yield "zeros.jpg", bytes(4096)
    yield "ones.heic", b"\xff" * 4096
    for text in (b"GRIB", b"\x89HDF\r\n\x1a\n", b"BUFR", b"\xd7\xcd\xc6\x9a", b"\0\0\1\0\1\0", b"\0\0\2\0\1\0", b"8BPS\0\1", b"qoif", b"DDS ",
                 b"FLIF", b"farbfeld", b"gimp xcf", b"\x8aMNG\r\n\x1a\n", b"II\xbc\1", b"IIRO", b"\x80\x2a\x5f\xd7", b"SDPX", b"icns", b"\xff\n",
                 b"\0\0\0\x0cJXL \r\n\x87\n", b"\xab\x4b\x54\x58", b"RIFF\xff\xff\xff\xffWEBPVP8X", b"RIFF\4\0\0\0WEBP", b"BM\xff\xff\xff\xff"):
        yield f"magic.{text[:4].hex()}.png", text + bytes(range(256)) * 4
        yield f"magic.zeros.{text[:4].hex()}.jpg", text + bytes(2048)


def tiffs() -> Files:
    for compression in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 32773, 32946, 34712, 34925, 50000, 50001, 52546, 65535):
        yield f"compression.{compression}.tiff", gray_tiff(32, 24, compression=compression, data=bytes(range(256)) * 6)
        yield f"compression.{compression}.rgb.tiff", gray_tiff(32, 24, 8, compression, bytes(range(256)) * 9, 2, samples=3)
    for bits in (0, 1, 2, 4, 7, 12, 24, 32, 64, 128, 65535):
        for sample_format in (1, 2, 3, 4, 6):
            yield f"bits.{bits}.{sample_format}.tiff", gray_tiff(32, 24, bits, data=bytes(32 * 24 * 16), sample_format=sample_format)
    yield "nan.tiff", gray_tiff(32, 24, 32, data=np.full((24, 32), np.nan, "<f4").tobytes(), sample_format=3)
    yield "infinite.tiff", gray_tiff(32, 24, 32, data=np.full((24, 32), np.inf, "<f4").tobytes(), sample_format=3)
    yield "loop.tiff", tiff([(256, 4, 1, 32)], following=8)
    yield "loop.sub.tiff", tiff([(256, 4, 1, 32), (330, 4, 1, 8), (50706, 1, 4, 0x401)])
    yield "loop.exif.tiff", tiff([(256, 4, 1, 32), (257, 4, 1, 32), (0x8769, 4, 1, 8), (50706, 1, 4, 0x401)])
    yield "loop.gps.jpg", seeds()["bare.jpg"][:2] + jpeg_segment(0xE1, b"Exif\0\0" + tiff([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8)], following=8)) + seeds()["bare.jpg"][2:]
    yield "first.beyond.tiff", tiff([(256, 4, 1, 32)], first=0x7FFFFFFF)
    yield "first.zero.tiff", tiff([(256, 4, 1, 32)], first=0)
    yield "first.odd.tiff", tiff([(256, 4, 1, 32)], first=9)
    yield "entries.tiff", b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 4000)
    yield "entries.dng", b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 50706, 1, 4, 1) * 70_000
    yield "no.entries.tiff", b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    for kind in (0, 1, 2, 3, 5, 6, 9, 11, 12, 13, 14, 255):
        yield f"type.{kind}.tiff", tiff([(256, kind, 1, 32), (257, kind, 1, 24), (258, kind, 1, 16), (273, kind, 1, 8), (279, kind, 1, 8), (50706, 1, 4, 0x401)])
    for count in (0, 2, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"count.{count}.tiff", tiff([(256, 4, count, 32), (257, 4, 1, 24), (258, 3, count, 16), (273, 4, count, 8), (279, 4, count, 8), (50706, 1, 4, 0x401)])
        yield f"count.{count}.dng", tiff([(256, 4, 1, 32), (257, 4, 1, 24), (330, 4, count, 200), (50706, 1, 4, 0x401), (273, 4, count, 8), (279, 4, count, 8)], tail=bytes(1000))
    yield "strips.tiff", gray_tiff(32, 24, extra=[(322, 3, 1, 16), (323, 3, 1, 16), (324, 4, 1, 8), (325, 4, 1, 0xFFFFFFFF)])
    yield "tile.zero.tiff", gray_tiff(32, 24, extra=[(322, 3, 1, 0), (323, 3, 1, 0), (324, 4, 1, 8), (325, 4, 1, 8)])
    yield "planar.tiff", gray_tiff(32, 24, 8, data=bytes(32 * 24 * 3), samples=3, photometric=2, extra=[(284, 3, 1, 2)])
    yield "rows.zero.tiff", gray_tiff(32, 24, extra=[(278, 4, 1, 0)])
    yield "orientation.99.tiff", gray_tiff(32, 24, 8, data=bytes(32 * 24), extra=[(274, 3, 1, 99)])
    yield "samples.many.tiff", gray_tiff(32, 24, 8, data=bytes(32 * 24 * 8), samples=65535)
    yield "white.tiff", gray_tiff(32, 24, 8, data=bytes(32 * 24), photometric=0)
    yield "big.tiff", b"II+\0\x08\0\0\0" + struct.pack("<Q", 1 << 63) + bytes(32)
    yield "big.offsets.tiff", b"II+\0\x04\0\0\0" + struct.pack("<Q", 16) + bytes(32)
    yield "big.entries.tiff", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 62) + bytes(64)
    chain = b"II*\0\x08\0\0\0"
    for n in range(300):
        chain += struct.pack("<HHHII", 1, 50706, 1, 4, 1) + struct.pack("<I", 8 + 18 * (n + 1))
    yield "chain.dng", chain
    nested = b"II*\0\x08\0\0\0"
    for n in range(300):
        nested += struct.pack("<H", 2) + struct.pack("<HHII", 330, 4, 1, 8 + 30 * (n + 1)) + struct.pack("<HHII", 50706, 1, 4, 1) + struct.pack("<I", 0)
    yield "nested.dng", nested
