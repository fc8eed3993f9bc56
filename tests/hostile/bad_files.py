"""Bad files in the spirit of public test suites, made here: bombs, loops, lies about sizes, cuts, odd kinds."""

from __future__ import annotations

import io
import pickle
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import archive_kit
import numpy as np
from heif_kit import DEPTH_URN, Item, Layout, aux_c, box, coded_depth, depth_item, full, irot, ispe, main_item, u16, u32
from PIL import Image
from seeds import Z, seeds

HUGE = 65535
Files = Iterator[tuple[str, bytes]]


# -- builders ---------------------------------------------------------------------------------------------------------

def png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(width: int, height: int, bits: int, colour: int, rows: bytes | None = None, extra: bytes = b"") -> bytes:
    """A PNG of those rows, deflated, or of a few zeros."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + extra + png_chunk(b"IDAT", zlib.compress(rows or bytes(100)))
            + png_chunk(b"IEND", b""))


def zeros(count: int) -> bytes:
    """Deflated zeros, made in pieces."""
    pack, out, piece = zlib.compressobj(9), [], bytes(1 << 20)
    for _ in range(count >> 20):
        out.append(pack.compress(piece))
    return b"".join([*out, pack.compress(bytes(count % (1 << 20))), pack.flush()])


def tiff(entries: list[tuple[int, int, int, bytes | int]], order: str = "<", following: int = 0, tail: bytes = b"",
         first: int = 8) -> bytes:
    """A classic TIFF of one directory at 8; a value of bytes stands behind it."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    at = 8 + 2 + 12 * len(entries) + 4
    out, values = mark + struct.pack(f"{order}I", first) + struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, count, value in sorted(entries, key=lambda e: e[0]):
        if isinstance(value, bytes):
            field = struct.pack(f"{order}I", at + len(values))
            values += value
        else:
            field = struct.pack(f"{order}{'H2x' if kind == 3 and count == 1 else 'I'}", value)
        out += struct.pack(f"{order}HHI", tag, kind, count) + field
    return out + struct.pack(f"{order}I", following) + values + tail


def gray_tiff(width: int, height: int, bits: int = 16, compression: int = 1, data: bytes = bytes(64), photometric: int = 1,
              sample_format: int = 1, samples: int = 1, **more: Any) -> bytes:
    entries: list[tuple[int, int, int, bytes | int]] = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression), (262, 3, 1, photometric),
        (273, 4, 1, 1000), (277, 3, 1, samples), (278, 4, 1, height), (279, 4, 1, len(data)), (339, 3, 1, sample_format)]
    blob = tiff(entries + more.get("extra", []))
    return blob.ljust(1000, b"\0") + data


def npy_header(descr: str, shape: str, order: str = "False", version: int = 1, length: int | None = None) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    text = text.ljust(118) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + (length or len(text)).to_bytes(2 if version == 1 else 4, "little") + text


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def zip_bomb(name: str, head: bytes, count: int) -> bytes:
    """One member of `head` and `count` zeros, written in pieces."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as member:
        member.write(head)
        for _ in range(count >> 20):
            member.write(bytes(1 << 20))
    return out.getvalue()


def exr(width: int, height: int, channels: bytes = b"Z", kind: int = 2, *, extra: bytes = b"", body: bytes = bytes(64)) -> bytes:
    """An OpenEXR header of one scan line picture."""
    def attribute(name: bytes, type_: bytes, data: bytes) -> bytes:
        return name + b"\0" + type_ + b"\0" + struct.pack("<I", len(data)) + data

    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    listed = b"".join(bytes([c]) + b"\0" + struct.pack("<iBxxxii", kind, 0, 1, 1) for c in channels) + b"\0"
    return (b"\x76\x2f\x31\x01\x02\0\0\0" + attribute(b"channels", b"chlist", listed) + attribute(b"compression", b"compression", b"\3")
            + attribute(b"dataWindow", b"box2i", window) + attribute(b"displayWindow", b"box2i", window)
            + attribute(b"lineOrder", b"lineOrder", b"\0") + attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1))
            + attribute(b"screenWindowCenter", b"v2f", bytes(8)) + attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1))
            + extra + b"\0" + body)


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def _hdf5(make: Callable[[Any], Any]) -> bytes:
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        with h5py.File(path, "w") as file:
            make(file)
        return path.read_bytes()


def replaced(data: bytes, old: bytes, new: bytes, which: int = 0) -> bytes:
    """With one occurrence replaced; it has to be there."""
    at = -1
    for _ in range(which + 1):
        at = data.index(old, at + 1)
    return data[:at] + new + data[at + len(old) :]


# -- bombs: little files whose headers ask for much -------------------------------------------------------------------

def bombs() -> Files:
    """Declared sizes of 400 MP to 65535² × 900, with little or nothing behind them."""
    for side in (20_000, 46_341, HUGE):
        yield f"{side}.png", png(side, side, 16, 0)
        yield f"{side}.rgb.png", png(side, side, 8, 2)
        yield f"{side}.tiff", gray_tiff(side, side)
        yield f"{side}.deflate.tiff", gray_tiff(side, side, compression=8, data=zlib.compress(bytes(1 << 20)))
        yield f"{side}.pfm", b"Pf\n%d %d\n-1.0\n" % (side, side) + bytes(64)
        yield f"{side}.pgm", b"P5\n%d %d\n65535\n" % (side, side) + bytes(64)
        yield f"{side}.text.pgm", b"P2\n%d %d\n65535\n" % (side, side) + b"0 " * 32
        yield f"{side}.npy", npy_header("'<f4'", f"({side}, {side})") + bytes(64)
        yield f"{side}.npz", zip_of({"depth.npy": npy_header("'<f4'", f"({side}, {side})") + bytes(64)})
        yield f"{side}.exr", exr(side, side)
        yield f"{side}.dpt", b"PIEH" + struct.pack("<ii", side, side) + bytes(64)
        yield f"{side}.bin", b"%d&%d&1&" % (side, side) + bytes(64)
        yield f"{side}.bmp", b"BM" + struct.pack("<IIIIiiHHIIIIII", 1000, 0, 54, 40, side, side, 1, 8, 0, 0, 0, 0, 0, 0) + bytes(64)
        yield f"{side}.h5", _hdf5(lambda f, n=side: f.create_dataset("depth", (n, n), "f4", chunks=(64, 64)))
        yield f"{side}.mat.h5", _hdf5(lambda f, n=side: f.create_dataset("depth", (900, n, n), "f8", chunks=(1, 64, 64)))
        jpeg = seeds()["bare.jpg"]
        frame = jpeg.index(b"\xff\xc0")
        wide = min(side, HUGE)
        yield f"{side}.jpg", jpeg[: frame + 5] + u16(wide) + u16(wide) + jpeg[frame + 9 :]
        for name in ("depth.heic", "bare.heic"):
            yield f"{side}.{name}", seeds()[name].replace(ispe(64, 64)[-8:], u32(side) + u32(side)).replace(
                ispe(32, 24)[-8:], u32(side) + u32(side))
        yield f"{side}.dng", _bigger_dng(side)
        yield f"{side}.mov", replaced(seeds()["depth.mov"], u16(48) + u16(32), u16(wide) + u16(wide))
        yield f"{side}.gray.mkv", replaced(seeds()["gray.mkv"], b"\xb0\x81\x20", b"\xb0\x81\x7f")
        yield f"{side}.plist", seeds()["depth.plist"].replace(b"<integer>32<", b"<integer>%d<" % side).replace(b"<integer>24<", b"<integer>%d<" % side)
    yield "frames.npy", npy_header("'<f4'", "(900, 65535, 65535)") + bytes(64)
    yield "frames.npz", zip_of({"depths.npy": npy_header("'<f4'", "(900, 65535, 65535)") + bytes(64)})
    yield "samples.npy", npy_header("'<f4'", "(999999999999, 2, 2)") + bytes(64)
    yield "deflated.npz", zip_bomb("depth.npy", npy_header("'<f4'", "(20000, 20000)"), 64 << 20)
    yield "deflated.zip", zip_bomb("depth/1.png", b"\x89PNG\r\n\x1a\n", 64 << 20)
    yield "wide.exr", exr(HUGE, HUGE, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    yield "window.exr", exr(1 << 30, 1 << 30)
    yield "window.negative.exr", exr(-5, -5)


def _bigger_dng(side: int) -> bytes:
    data = seeds()["depth.dng"]
    for width, height in ((32, 24), (40, 30)):
        for kind in (struct.pack("<HHI", 256, 4, 1) + struct.pack("<I", width), struct.pack("<HHI", 256, 3, 1) + struct.pack("<I", width)):
            data = data.replace(kind, struct.pack("<HHII", 256, 4, 1, side))
        for kind in (struct.pack("<HHI", 257, 4, 1) + struct.pack("<I", height), struct.pack("<HHI", 257, 3, 1) + struct.pack("<I", height)):
            data = data.replace(kind, struct.pack("<HHII", 257, 4, 1, side))
    return data


def inflating() -> Files:
    """Within the limits on pixels, and packed a thousand times."""
    yield "16k.png", png(16_000, 16_000, 16, 0, bytes(16_000 * 32_001))
    yield "16k.one-bit.png", png(16_000, 16_000, 1, 0, bytes(16_000 * 2_001))
    yield "16k.rgba.png", png(8_000, 8_000, 16, 6, bytes(8_000 * 64_001))
    yield "text.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"zTXt", b"a\0\0" + zeros(100 << 20)))
    yield "icc.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"iCCP", b"a\0\0" + zeros(100 << 20)))
    yield "icc.rgb.png", png(32, 24, 8, 2, bytes(24 * 97), png_chunk(b"iCCP", b"a\0\0" + zeros(100 << 20)))
    strip = zeros(16_000 * 32_000)
    yield "16k.tiff", gray_tiff(16_000, 16_000, compression=8, data=strip)
    yield "float.tiff", gray_tiff(11_000, 11_000, 32, 8, zeros(11_000 * 44_000), sample_format=3)
    yield "zeros.npz", zip_bomb("depth.npy", npy_header("'<f4'", "(16384, 16384)"), 1 << 30)
    yield "many.npz", zip_of({f"a{n}.npy": npy_header("'<f4'", "(2, 2)") + bytes(16) for n in range(3000)})


# -- pictures ---------------------------------------------------------------------------------------------------------

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
                          ("IM", {}), ("SPIDER", {}), ("MSP", {}), ("XBM", {}), ("PDF", {}), ("ICNS", {}), ("AVIF", {})):
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


# -- HEIF -------------------------------------------------------------------------------------------------------------

def heifs() -> Files:
    hvcc, data = coded_depth(32, 24)
    grid = full("grid", 0, 0)[8:]

    def made(name: str, items: list[Item], **fields: Any) -> tuple[str, bytes]:
        return f"{name}.heic", Layout(items, **fields).build()

    yield made("loop.dimg", [main_item(), Item(2, "grid", b"\0\0\1\1\0\x80\0\x80", properties=[(ispe(128, 128), False)])],
               references=[("dimg", 2, [2, 2, 2, 2]), ("dimg", 1, [2])], primary=2)
    yield made("loop.iovl", [Item(1, "iovl", grid + bytes(16), properties=[(ispe(64, 64), False)])], references=[("dimg", 1, [1])])
    yield made("loop.auxl", [main_item(), depth_item(2)], references=[("auxl", 2, [1, 2]), ("auxl", 1, [2])])
    yield made("loop.thmb", [main_item()], references=[("thmb", 1, [1]), ("cdsc", 1, [1])])
    yield made("grid.huge", [main_item(), Item(2, "grid", b"\0\1\xff\xff" + u32(HUGE) + u32(HUGE), properties=[(ispe(HUGE, HUGE), False)])],
               references=[("dimg", 2, [1] * 900)], primary=2)
    yield made("depth.grid", [main_item(), Item(2, "grid", b"\0\0\0\0\0\x20\0\x18", properties=[(ispe(32, 24), False), (aux_c(DEPTH_URN), True)])],
               references=[("auxl", 2, [1]), ("dimg", 2, [2])])
    yield made("depth.identity", [main_item(), Item(2, "iden", b"", properties=[(ispe(32, 24), False), (aux_c(DEPTH_URN), True)])],
               references=[("auxl", 2, [1]), ("dimg", 2, [1])])
    yield made("missing.target", [main_item(), depth_item(2)], references=[("auxl", 2, [77]), ("auxl", 99, [1])])
    yield made("no.properties", [Item(1, data=data)])
    yield made("primary.mime", [Item(1, "mime", b"text", content_type=b"a/b")])
    yield made("depth.mime", [main_item(), Item(2, "mime", b"text", content_type=b"a/b", properties=[(ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("turns", [main_item(1, 64, 64, *[(irot(n), True) for n in (1, 2, 3, 1)], (box("imir", b"\x02"), True), (box("irot", b""), True)), depth_item(2)],
               references=[("auxl", 2, [1])])
    yield made("clap", [main_item(1, 64, 64, (box("clap", *map(u32, (64, 0, 64, 1, 0, 1, 0, 1))), True))])
    yield made("clap.negative", [main_item(1, 64, 64, (box("clap", *map(u32, (0xFFFFFFFF, 1, 64, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0, 1))), True))])
    yield made("ispe.zero", [Item(1, data=data, properties=[(hvcc, True), (ispe(0, 0), False)])])
    yield made("ispe.short", [Item(1, data=data, properties=[(hvcc, True), (box("ispe", bytes(6)), False)])])
    yield made("hvcc.short", [main_item(), Item(2, data=data, properties=[(box("hvcC", b"\1" + bytes(5)), True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    many = b"\1" + bytes(20) + b"\3\xff" + (b"\x20" + u16(HUGE) + bytes(2 * HUGE)) * 255
    yield made("hvcc.empty", [main_item(), Item(2, data=data, properties=[(box("hvcC", many), True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("nal.zeros", [main_item(), Item(2, data=bytes(32 << 20), properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("nal.ones", [main_item(), Item(2, data=b"\xff" * 1000, properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("nal.repeated", [main_item(), Item(2, data=data * 2000, properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("depth.empty", [main_item(), depth_item(2, 32, 24)], references=[("auxl", 2, [1])])
    yield made("depth.avif", [main_item(), Item(2, "av01", b"\x12\0", properties=[(box("av1C", bytes(4)), True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    yield made("depth.jpeg", [main_item(), Item(2, "jpeg", seeds()["bare.jpg"], properties=[(ispe(64, 48), False), (aux_c(DEPTH_URN), True)])], references=[("auxl", 2, [1])])
    for n, sei in enumerate((b"", bytes(4), b"\xff" * 20, bytes(64), bytes.fromhex("00000011 0000000d 4e01b109 ffffffff ffffffffffff"))):
        yield made(f"sei.{n}", [main_item(), depth_item(2, subtype=sei)], references=[("auxl", 2, [1])])
    for n, (_, packet) in enumerate(packets()):
        if len(packet) < 1 << 20:
            yield made(f"xmp.{n}", [main_item(), depth_item(2), Item(3, "mime", packet, content_type=b"application/rdf+xml", hidden=True)],
                       references=[("auxl", 2, [1]), ("cdsc", 3, [2])])
    for n, block in enumerate((b"", b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\6Exif\0\0", b"\0\0\0\0II*\0\xff\xff\xff\xff")):
        yield made(f"exif.{n}", [main_item(), Item(2, "Exif", block, hidden=True)], references=[("cdsc", 2, [1])])
    yield made("items.many", [main_item(), *(Item(n, "mime", b"", content_type=b"a") for n in range(2, 1500))])
    yield made("references.many", [main_item()], references=[("abcd", 1, [1] * 60_000)] * 150)
    yield made("references.wide", [main_item(0x10000)], references=[("abcd", 0x10000, [0x10000] * 60_000)] * 150, primary=0x10000,
               iloc_version=2)
    yield made("groups.many", [main_item()], groups=[("altr", 9, [1] * 400_000)])
    yield made("properties.many", [main_item()], filler_properties=5000)
    yield made("in.other.file", [main_item(), depth_item(2, data_reference=1)], references=[("auxl", 2, [1])])
    whole = seeds()["depth.heic"]
    meta = whole.index(b"meta") - 4
    nested = b""
    for _ in range(3000):
        nested = box("meta", bytes(4) + nested)
    yield "nested.heic", whole[:meta] + nested
    yield "boxes.many.heic", whole[:meta] + box("free") * 100_000 + whole[meta:]
    yield "boxes.two.metas.heic", whole[:meta] + whole[meta:] + whole[meta:]
    yield "sequence.heic", box("ftyp", b"hevc", u32(0), b"hevcmsf1") + whole[meta:] + box("moov", b"")
    yield "mini.heic", box("ftyp", b"mif3", b"avif") + box("mini", bytes(20))
    yield "brands.heic", box("ftyp", b"heic", u32(0), b"mif1" * 100_000) + whole[meta:]
    yield "ftyp.only.heic", whole[:meta]
    yield "meta.cut.heic", whole[: meta + 100]
    yield "meta.open.heic", whole[:meta] + u32(0) + whole[meta + 4 :]
    yield "meta.wide.heic", whole[:meta] + u32(1) + b"meta" + b"\xff" * 8 + whole[meta + 8 :]
    pairs = u32(1000) + b"".join(u16(1) + b"\xff" + b"\x01" * 255 for _ in range(1000))
    ipma = box("iprp", box("ipco", ispe(8, 8)), full("ipma", 0, 0, pairs) * 10)
    at = whole.index(b"iprp") - 4
    yield "pairs.many.heic", whole[:at] + ipma + whole[at + int.from_bytes(whole[at : at + 4], "big") :]
    out = io.BytesIO()
    try:
        archive_kit.pixels(64, 48).save(out, "AVIF")
        yield "photo.avif", out.getvalue()
        yield "photo.cut.avif", out.getvalue()[:-50]
    except (OSError, KeyError):
        pass


# -- XML --------------------------------------------------------------------------------------------------------------

def packets() -> Files:
    """XMP: what entities, depth, lengths and encodings can do to a parser."""
    head = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    tail = b"</rdf:RDF></x:xmpmeta>"
    apdi = b"xmlns:apdi='http://ns.apple.com/pixeldatainfo/1.0/' xmlns:depthData='http://ns.apple.com/depthData/1.0/'"
    laughs = b"<!DOCTYPE l [<!ENTITY a 'lol'>" + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(10)) + b"]><l>&k;</l>"
    yield "laughs", laughs
    yield "quadratic", b"<!DOCTYPE l [<!ENTITY a '" + b"a" * 50_000 + b"'>]><l>" + b"&a;" * 2000 + b"</l>"
    yield "external", b"<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>"
    yield "external.utf16", ("\ufeff<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>").encode("utf-16-le")
    yield "laughs.utf7", b"<?xml version='1.0' encoding='utf-7'?>+ADw-!DOCTYPE l+AD4-<l/>"
    yield "encoding", b"<?xml version='1.0' encoding='cp037'?><l/>"
    yield "encoding.unknown", b"<?xml version='1.0' encoding='none'?><l/>"
    yield "encoding.hex", b"<?xml version='1.0' encoding='hex'?><l/>"
    yield "deep", b"<a>" * 200_000 + b"</a>" * 200_000
    yield "deep.description", head + b"<rdf:Description>" * 200 + b"</rdf:Description>" * 200 + tail
    yield "deep.rdf", head + b"<rdf:Description><rdf:RDF>" * 120 + b"<rdf:Description xmlns:a='b'>" + b"<a:x/>" * 15_000 + b"</rdf:Description>" + b"</rdf:RDF></rdf:Description>" * 120 + tail
    yield "attribute", head + b"<rdf:Description a='" + b"a" * (30 << 20) + b"'/>" + tail
    yield "attribute.15", head + b"<rdf:Description a='" + b"a" * (15 << 20) + b"'/>" + tail
    yield "attributes", head + b"<rdf:Description " + b" ".join(b"a%d='1'" % n for n in range(300_000)) + b"/>" + tail
    yield "attributes.names", head + b"<rdf:Description xmlns:b='" + b"b" * 900 + b"' " + b" ".join(b"b:a%d='1'" % n for n in range(90_000)) + b"/>" + tail
    yield "namespaces", head + b"<rdf:Description " + b" ".join(b"xmlns:n%d='u%d'" % (n, n) for n in range(50_000)) + b"/>" + tail
    yield "elements", head + b"<rdf:Description>" + b"<a/>" * 300_000 + b"</rdf:Description>" + tail
    yield "elements.99k", head + b"<rdf:Description xmlns:a='b'>" + b"<a:x>1</a:x>" * 99_000 + b"</rdf:Description>" + tail
    yield "li", head + b"<rdf:Description " + apdi + b"><depthData:IntrinsicMatrix><rdf:Seq>" + b"<rdf:li>1</rdf:li>" * 1500 + b"</rdf:Seq></depthData:IntrinsicMatrix></rdf:Description>" + tail
    yield "comment", head + b"<!--" + b"-" * (1 << 20) + b"-->" + tail
    yield "spaces", head + b"<rdf:Description" + b" " * (8 << 20) + b"/>" + tail
    yield "quotes", head + b"<rdf:Description a='" + b"\"" * (4 << 20) + b"'/>" + tail
    yield "angle", b"<" * (1 << 20)
    yield "prefix", b"<x:y/>"
    yield "wrong.uri", b"<x:xmpmeta xmlns:x='a'><x:b x:c='1' x:c='2'/></x:xmpmeta>"
    yield "nul", head + b"\0" + tail
    yield "surrogate", head + b"<a>\xed\xa0\x80</a>" + tail
    yield "latin", head + b"<a>\xe9</a>" + tail
    yield "no.root", b"<?xpacket begin=''?>"
    for name, value in (("nan", b"nan"), ("inf", b"-inf"), ("huge", b"1e400"), ("long", b"9" * 5000), ("empty", b""), ("arabic", "\u0663".encode()),
                        ("under", b"1_000"), ("hex", b"0x10"), ("minus", b"-1")):
        names = (b"NativeFormat", b"StoredFormat", b"IntMinValue", b"IntMaxValue", b"FloatMinValue", b"FloatMaxValue")
        yield f"number.{name}", head + b"<rdf:Description " + apdi + b" apdi:AuxiliaryImageType='disparity' " + b" ".join(b"apdi:%s='%s'" % (n, value) for n in names) + b"/>" + tail
    matrix = b"".join(b"<rdf:li>%s</rdf:li>" % v for v in (b"1e38",) * 9)
    yield "camera", head + b"<rdf:Description " + apdi + b" depthData:IntrinsicMatrixReferenceWidth='1e-30' depthData:IntrinsicMatrixReferenceHeight='1e38'><depthData:IntrinsicMatrix><rdf:Seq>" + matrix + b"</rdf:Seq></depthData:IntrinsicMatrix></rdf:Description>" + tail


# -- arrays and rows --------------------------------------------------------------------------------------------------

def arrays() -> Files:
    for name, array in (("bool", Z > 1), ("complex", Z + 1j), ("scalar", np.float32(1)), ("empty", np.zeros((0, 5))), ("string", np.array([["a"]])),
                        ("time", np.array([["2020-01-01"]], "M8[s]")), ("five", np.zeros((1, 1, 1, 2, 2))), ("int64", np.full((4, 4), 1 << 62)),
                        ("long", np.full((4, 4), 1 << 63, np.uint64)), ("negative", np.full((4, 4), -(1 << 62))), ("nan", np.full((4, 4), np.nan)),
                        ("inf", np.full((4, 4), np.inf, np.float16)), ("big", Z.astype(">f8")), ("fortran", np.asfortranarray(Z)), ("one", np.ones((1, 1))),
                        ("line", np.ones((1, 5000), np.float32)), ("column", np.ones((5000, 1), np.uint8)), ("zero", np.zeros((4, 4), np.uint16)),
                        ("denormal", np.full((4, 4), 1e-310)), ("largest", np.full((4, 4), 1.7e308))):
        yield f"{name}.npy", archive_kit.npy(array)
        yield f"{name}.npz", zip_of({"depth.npy": archive_kit.npy(array)})
        yield f"{name}.stack.npy", archive_kit.npy(np.stack([array, array]))
    out = io.BytesIO()
    np.save(out, np.array([[{"a": 1}]], object), allow_pickle=True)
    yield "object.npy", out.getvalue()
    yield "record.npy", archive_kit.npy(np.zeros((3, 3), [("a", "f4"), ("b", "i2")]))
    yield "pickle.npy", pickle.dumps({"a": Z})
    yield "pickle.npz", zip_of({"depth.npy": pickle.dumps({"a": Z})})
    for n, header in enumerate((npy_header("'<f4'", "(4, -4)"), npy_header("'<f4'", "(4, 4.5)"), npy_header("'<f4'", "()"), npy_header("'<f4'", "(4)"),
                                npy_header("'<f4'", "(9" + "9" * 30 + ",4)"), npy_header("'<f4'", "(4,4)", "None"), npy_header("'<f999'", "(4,4)"),
                                npy_header("__import__('os')", "(4,4)"), npy_header("'<f4'", "(4,4)", version=9), npy_header("'<f4'", "(4,4)", version=2),
                                npy_header("'<f4'", "(4,4)", length=65535), npy_header("'<f4'", "(0, 4)"), npy_header("'|O'", "(4,4)"),
                                npy_header("'<f4'", "(1," * 40 + "4" + ")" * 1), npy_header("'<u0'", "(4,4)"))):
        yield f"header.{n}.npy", header + bytes(64)
        yield f"header.{n}.npz", zip_of({"depth.npy": header + bytes(64)})
    for n, text in enumerate((b"Pf\n4 4\n0\n", b"Pf\n4 4\n1e400\n", b"Pf\n4 4\nnan\n", b"Pf\n4 4\n-1e-300\n", b"Pf\n0 4\n1\n", b"Pf\n-4 4\n1\n", b"PF\n4 4\n1\n",
                              b"Pf 999999999 999999999 1 ", b"Pf", b"Pf\n4", b"Pf\n4 4\n1\n\n\n\n", b"Pf\n" + b"9" * 300, b"Pf\n4 4\n-" + b"0" * 300, b"Pf\r\n4 4\r\n1\r\n")):
        yield f"{n}.pfm", text + bytes(64)
        yield f"cut.{n}.pfm", text
    yield "nan.pfm", b"Pf\n4 4\n-1\n" + np.full(16, np.nan, "<f4").tobytes()
    yield "payload.pfm", b"Pf\n4 4\n-1\n" + bytes.fromhex("010080ff") * 16
    for n, text in enumerate((b"P5\n4 4\n0\n", b"P5\n4 4\n65536\n", b"P5\n0 0\n255\n", b"P5\n4 4\n-1\n", b"P2\n4 4\n255\n", b"P2\n4 4\n255\n1 2 x", b"P5 4 4 255", b"P5",
                              b"P5\n#" + b"a" * 5000 + b"\n4 4\n255\n", b"P2\n2 2\n255\n1 2 3 99999999999999999999999", b"P2\n2 2\n255\n1 2 3 -4",
                              b"P2\n2 2\n7\n8 9 10 11", b"P5\n4 4 #c\n #d\n255\n", b"P2\n1000 1000\n255\n" + b"1" * 2_000_000, b"P1\n4 4\n1 0 1 0", b"P4\n4 4\n", b"P6\n4 4\n255\n",
                              b"P7\nWIDTH 4\n")):
        yield f"{n}.pgm", text + bytes(8)
        yield f"cut.{n}.pgm", text
    yield "size.dpt", b"PIEH" + struct.pack("<ii", -1, -1) + bytes(64)
    yield "size.bin", b"0&0&1&" + bytes(64)
    yield "channels.bin", b"4&4&3&" + bytes(192)
    yield "block.depth", b"bvx2" + bytes(100) + b"bvx$"
    yield "block.one.depth", b"bvx1" + b"\xff" * 100 + b"bvx$"
    yield "block.plain.depth", b"bvx-" + struct.pack("<I", 0xFFFFFFFF) + bytes(100) + b"bvx$"
    yield "block.lzvn.depth", b"bvxn" + struct.pack("<II", 0xFFFFFFFF, 50) + bytes(50) + b"bvx$"
    for width in (0, 1, 0x7FFFFFFF):
        yield f"{width}.exr", exr(width, 4)
    yield "deep.exr", exr(8, 8, extra=b"type\0string\0" + struct.pack("<I", 12) + b"deepscanline")
    yield "deep.flag.exr", b"\x76\x2f\x31\x01\x02\x08\0\0" + exr(8, 8)[8:]
    yield "parts.exr", b"\x76\x2f\x31\x01\x02\x10\0\0" + exr(8, 8)[8:] * 3
    yield "attribute.exr", exr(8, 8, extra=b"a\0string\0" + struct.pack("<I", 0x7FFFFFFF) + b"x")
    yield "attribute.negative.exr", exr(8, 8, extra=b"a\0string\0" + struct.pack("<i", -1) + b"x")
    yield "name.exr", b"\x76\x2f\x31\x01\x02\0\0\0" + b"a" * 100_000
    yield "channels.exr", exr(8, 8, b"")
    yield "integers.exr", exr(8, 8, b"Z", 0)
    yield "kind.exr", exr(8, 8, b"Z", 9)
    yield "table.exr", exr(8, 8, body=b"\xff" * 4096)
    yield "version.exr", b"\x76\x2f\x31\x01\xff\0\0\0" + exr(8, 8)[8:]
    whole = seeds()["depth.exr"]
    for name in (b"compression", b"dataWindow", b"displayWindow", b"channels", b"lineOrder"):
        yield f"no.{name.decode()}.exr", whole.replace(name, name[:-1] + b"_")
    for method in range(12):
        yield f"compression.{method}.exr", replaced(whole, b"compression\0compression\0\1\0\0\0\x03", b"compression\0compression\0\1\0\0\0" + bytes([method]))


def hdf5s() -> Files:
    import h5py

    yield "external.link.h5", _hdf5(lambda f: f.__setitem__("depth", h5py.ExternalLink("/etc/passwd", "/depth")))
    yield "external.self.h5", _hdf5(lambda f: f.__setitem__("depth", h5py.ExternalLink("a.h5", "/depth")))
    yield "soft.loop.h5", _hdf5(lambda f: (f.__setitem__("depth", h5py.SoftLink("/b")), f.__setitem__("b", h5py.SoftLink("/depth"))))
    yield "soft.nothing.h5", _hdf5(lambda f: f.__setitem__("depth", h5py.SoftLink("/nothing")))
    yield "hard.loop.h5", _hdf5(lambda f: f.create_group("a").__setitem__("a", f["a"]))
    yield "external.storage.h5", _hdf5(lambda f: f.create_dataset("depth", (4, 4), "f4", external=[("/etc/passwd", 0, 64)]))

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((4, 4), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "depth", (4, 4))
        file.create_virtual_dataset("depth", layout)

    yield "virtual.h5", _hdf5(virtual)
    yield "scalar.h5", _hdf5(lambda f: f.create_dataset("depth", data=1.0))
    yield "null.h5", _hdf5(lambda f: f.create_dataset("depth", data=h5py.Empty("f4")))
    yield "compound.h5", _hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), [("a", "f4")])))
    yield "reference.h5", _hdf5(lambda f: f.create_dataset("depth", data=np.array([[f.ref]], dtype=h5py.ref_dtype)))
    yield "text.h5", _hdf5(lambda f: f.create_dataset("depth", data=[["a", "b"]], dtype=h5py.string_dtype()))
    yield "vlen.h5", _hdf5(lambda f: f.create_dataset("depth", (4, 4), h5py.vlen_dtype(np.float32)))
    yield "bool.h5", _hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), bool)))
    yield "empty.h5", _hdf5(lambda f: f.create_dataset("depth", (0, 4), "f4"))
    yield "five.h5", _hdf5(lambda f: f.create_dataset("depth", (1, 1, 2, 4, 4), "f4"))
    yield "nothing.h5", _hdf5(lambda f: None)
    yield "type.h5", _hdf5(lambda f: f.__setitem__("depth", np.dtype("f4")))
    yield "group.h5", _hdf5(lambda f: f.create_group("depth"))
    yield "many.h5", _hdf5(lambda f: [f.create_dataset(f"d{n}", (2, 2), "f4") for n in range(1500)])
    yield "fill.h5", _hdf5(lambda f: f.create_dataset("depth", (16_000, 16_000), "f4", chunks=(64, 64)))
    yield "chunk.h5", _hdf5(lambda f: f.create_dataset("depth", (4, 4), "f4", chunks=(16_000, 8_000), maxshape=(None, None)))
    yield "half.h5", _hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), np.float16)))
    yield "long.h5", _hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), np.longdouble)))
    yield "name.h5", _hdf5(lambda f: f.create_dataset("a" * 60_000, data=Z))
    yield "name.escape.h5", _hdf5(lambda f: (f.create_dataset("a\n\x1b[31m", data=Z), f.create_dataset("b", data=Z)))
    whole = seeds()["depth.h5"]
    # a filter that nobody has, in the place of deflate (number 1)
    found = whole.find(b"\x01\0\x07\0\x01\0\x01\0") if b"deflate" in whole else -1
    if found >= 0:
        yield "filter.h5", whole[:found] + b"\xff\x7f" + whole[found + 2 :]
    yield "deflate.h5", whole.replace(b"deflate", b"definite")
    yield "superblock.h5", b"\x89HDF\r\n\x1a\n" + b"\xff" * 512
    yield "superblock.zero.h5", b"\x89HDF\r\n\x1a\n" + bytes(512)
    yield "user.block.h5", b"MATLAB 7.3 MAT-file".ljust(512) + whole
    yield "mat.h5", b"MATLAB 5.0 MAT-file".ljust(512) + bytes(512)


# -- archives, lists, jobs, movies --------------------------------------------------------------------------------------

def archives() -> Files:
    jpeg, depth = seeds()["bare.jpg"], archive_kit.depth()
    yield "names.zip", zip_of({"../../evil.png": depth, "/abs.png": depth, "a\\b.png": depth, "C:/x.png": depth, "a/../b.png": depth, ".": depth, "\x1b[31m\n.png": depth,
                               "a" * 60_000: depth, "/".join("a" * 1 for _ in range(200)): depth})
    yield "twice.zip", zip_of({"rgb/1.jpg": jpeg}) + zip_of({"rgb/1.jpg": jpeg})
    whole = seeds()["scene.zip"]
    directory = whole.index(b"PK\1\2")
    end = whole.index(b"PK\5\6")
    for offset in (8, 10, 20, 24, 28, 30, 32, 34, 38, 42):
        for value in (0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
            size = 2 if offset in (8, 10, 28, 30, 32, 34) else 4
            yield f"directory.{offset}.{value:x}.zip", whole[: directory + offset] + struct.pack("<I", value)[:size] + whole[directory + offset + size :]
    for offset in (4, 8, 10, 12, 16, 20):
        for value in (0, 1, 0xFFFF, 0xFFFFFFFF):
            size = 4 if offset in (12, 16) else 2
            yield f"end.{offset}.{value:x}.zip", whole[: end + offset] + struct.pack("<I", value)[:size] + whole[end + offset + size :]
    for offset in (0, 4, 6, 8, 14, 18, 22, 26, 28):
        yield f"local.{offset}.zip", whole[:offset] + b"\xff\xff" + whole[offset + 2 :]
    entry = whole[directory : whole.index(b"PK\1\2", directory + 1)]
    count = 60_000
    yield "overlap.zip", whole[:directory] + entry * count + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, count, count, len(entry) * count, directory, 0)
    quine = zip_of({"a.zip": zip_of({"b.zip": zip_of({"c.zip": bytes(1000)})})})
    yield "nested.zip", quine
    for kind in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"L", b"K", b"x", b"g", b"S", b"\0", b"Z"):
        yield f"kind.{kind.hex()}.tar", _tar_header(b"a.png", 100, kind, b"/etc/passwd") + bytes(1024)
    for size in (b"77777777777", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-1         ", b"            ", b"88888888888"):
        yield f"size.{size[:2].hex()}.tar", _tar_header(b"a.png", 0, b"0", size=size) + bytes(1024)
        yield f"pax.{size[:2].hex()}.tar", _tar_header(b"a.png", 0, b"x", size=size) + bytes(1024)
        yield f"long.{size[:2].hex()}.tar", _tar_header(b"a.png", 0, b"L", size=size) + bytes(1024)
    for n, record in enumerate((b"30 size=99999999999999999999\n", b"0 a=b\n", b"-5 a=b\n", b"9" * 400 + b" a=b\n", b"20 GNU.sparse.map=1,x\n", b"25 GNU.sparse.size=xx\n",
                                b"18 mtime=nanananana\n", b"16 hdrcharset=a\n", b"22 path=../../../evil\n", b"12 path=\xff\xfe\n", b"")):
        body = record.ljust(512, b"\0")
        yield f"pax.record.{n}.tar", _tar_header(b"a.png", len(record), b"x") + body + _tar_header(b"b.png", 10, b"0") + bytes(1536)
    yield "names.tar", b"".join(_tar_header(name, 0, b"0") for name in (b"../../evil.png", b"/abs.png", b"\xff\xfe.png", b"\x1b[31m\n.png", b"")) + bytes(1024)
    yield "chain.tar", b"".join(_tar_header(b"././@LongLink", 20, b"L") + b"a" * 20 + bytes(492) for _ in range(3000)) + bytes(1024)
    yield "gzip.tar", b"\x1f\x8b\x08\0" + bytes(600)
    for n, text in enumerate((b"{", b"[]", b"{}", b"null", b"NaN", b'{"K": [1e999], "w": 1, "h": 1}', b'{"w": 1e400, "h": -1, "K": []}', b"[" * 100_000, b'{"w": ' + b"9" * 5000 + b"}", b"\xff")):
        yield f"metadata.{n}.r3d", zip_of({"metadata": text, "rgbd/0.jpg": jpeg, "rgbd/0.depth": b"bvx$"})


def _tar_header(name: bytes, length: int, kind: bytes, link: bytes = b"", size: bytes | None = None) -> bytes:
    head = bytearray(512)
    head[: len(name)] = name[:100]
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136] = (size or b"%011o" % length).ljust(12, b"\0")
    head[136:148], head[148:156], head[156:157] = b"00000000000\0", b" " * 8, kind
    head[157 : 157 + len(link)] = link
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def texts() -> Files:
    """Jobs, lists, calibrations: the same files are sent to every reader of text."""
    yield "tag.yaml", b"a: !!python/object/apply:os.system [echo]\n"
    yield "aliases.yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8))
    yield "loop.yaml", b"&a [*a]\n"
    yield "merge.yaml", b"a: {<<: {b: 1}}\n"
    yield "twice.yaml", b"source: {a: 1}\nsource: {a: 2}\n"
    yield "numbers.yaml", b"encoding: {near: 1e3, far: 012}\nlimits: {max_pixels: 12:30:45}\nrefine: {clamp: [.nan, .inf]}\n"
    yield "digits.yaml", b"limits: {max_pixels: " + b"9" * 5000 + b"}\n"
    yield "digits.hex.yaml", b"limits: {max_pixels: 0x" + b"9" * 100_000 + b"}\n"
    yield "digits.float.yaml", b"encoding: {near: 1e999999, far: " + b"9" * 400 + b".0}\n"
    yield "deep.yaml", b"[" * 20_000
    yield "deep.block.yaml", b"".join(b" " * n + b"a:\n" for n in range(1000))
    yield "deep.dash.yaml", b"- " * 20_000
    yield "deep.question.yaml", b"? " * 20_000
    yield "wide.yaml", b"a: [" + b"1," * 400_000 + b"]\n"
    yield "wide.keys.yaml", b"".join(b"k%d: 1\n" % n for n in range(60_000))
    yield "long.yaml", b"a: " + b"b" * (1 << 20)
    yield "long.quoted.yaml", b'a: "' + b"\\x41" * 200_000 + b'"\n'
    yield "long.spaces.yaml", b"a:" + b" " * 1_000_000 + b"b\n"
    yield "long.lines.yaml", b"\n" * 1_000_000
    yield "long.comments.yaml", b"#\n" * 500_000
    yield "long.text.yaml", b"a: |\n" + b"  b\n" * 200_000
    yield "long.plain.yaml", b"a:\n" + b"  b\n" * 200_000
    yield "keys.yaml", b"? [a]\n: b\n? {c: d}\n: e\n1: 2\n~: 3\n"
    yield "documents.yaml", b"a: 1\n---\nb: 2\n"
    yield "directive.yaml", b"%YAML 9.9\n---\na: 1\n"
    yield "tab.yaml", b"\ta: 1\n"
    yield "bom.yaml", b"\xff\xfea\0:\0"
    yield "control.yaml", b"a: \x01\x02\n"
    yield "surrogate.yaml", b"a: \xed\xa0\x80\n"
    yield "surrogate.escape.yaml", b'source: {color: "\\ud800", depth: "\\x00"}\noutput: {path: "\\ud800.heic"}\n'
    yield "escape.yaml", b'a: "\\x1b[31m\\U00110000"\n'
    yield "list.yaml", b"- 1\n- 2\n"
    yield "scalar.yaml", b"5"
    yield "types.yaml", b"source: 5\nencoding: [1]\noutput: null\nmap: a\nrefine: true\nrun: {workers: [1]}\nlimits: {max_pixels: -1, max_file: 99999999999999999999999 GiB}\n"
    yield "sizes.yaml", b"source: {color: a, depth: b}\noutput: {path: c.heic}\nlimits: {max_file: '..GiB', max_archive: '1e5GiB', max_xmp: '9999999999999999999999999999.GiB'}\n"
    yield "templates.yaml", b'source: {color: "{x.__class__}/*.heic", depth: "{0}/{stem!r:>{width}}.png"}\noutput: {path: "../../{stem}/{nothing}.heic"}\n'
    for n, text in enumerate((b"{", b"[" * 100_000, b'{"frames": ' + b"[" * 100_000, b'{"frames": [' + b"9" * 5000 + b"]}", b'{"frames": [{"file_path": 5, "depth_file_path": []}]}',
                              b'{"frames": [{"file_path": "\\u0000", "depth_file_path": "\\ud800"}]}', b'{"frames": [{"file_path": "' + b"a" * 100_000 + b'"}]}', b"NaN", b"Infinity",
                              b'{"frames": [{}]}', b'{"frames": {}}', b'{"a": 1, "a": 2}', b"\xff\xfe{\0}\0", b'"' + b"a" * (1 << 20))):
        yield f"{n}.json", text
    for n, text in enumerate((b'{"color": ' + b"9" * 5000 + b"}\n", b"[" * 100_000 + b"\n", b'{"color": "a", "depth": 1e999}\n', b'{"color": "\\ud800", "depth": "\\u0000"}\n',
                              b"null\n" * 50_000, b'{"color": {"a": "b"}, "depth": ["c"]}\n', b'{"color": "' + b"a" * 300 + b'", "depth": "b"}\n')):
        yield f"{n}.jsonl", text
    for n, text in enumerate((b"color,depth\n" + b'"' + b"a" * 200_000 + b'",b\n', b"color,depth\n\0,b\n", b"color,depth,color\na,b,c\n", b"color;depth\na;b\n", b'color,depth\n"a\n',
                              b"color,depth\n" + b"," * 500_000, b"\n\n\n", b"color,depth\n" + b"a,b\n" * 100_000, b"color,depth\r" + b"a,b\r" * 100, b"color,depth\n" + b"a" * 300 + b",b\n",
                              b"," * 100_000 + b"\n")):
        yield f"{n}.csv", text
    for n, text in enumerate((b"1.0 a.jpg\n", b"nan a.jpg\n", b"inf a.jpg\n1e999999 b.jpg\n", b"9" * 5000 + b" a.jpg\n", b"1e99999999999 a.jpg\n", b"1.0\n", b"-1 a\n" * 100_000,
                              b"1 " + b"a" * 100_000 + b"\n", b"\0 \0\n", b"1 a\n1 b\n", b"1e-999999999 a\n2 b\n", b"0x10 a\n", b"1_0 a\n", "\u0663 a\n".encode())):
        yield f"times.{n}.txt", text
    for n, text in enumerate((b"cam0=[1 2 3; 4 5 6; 7 8 9]\n", b"cam0=[nan 0 0; 0 nan 0; 0 0 1]\ncam1=[1 0 0;0 1 0;0 0 1]\ndoffs=nan\nbaseline=inf\nwidth=0\nheight=-5\n",
                              b"cam0=" + b"[" * 100_000, b"baseline=1e999\ndoffs=0\ncam0=[1 0 0; 0 1 0; 0 0 1]\nwidth=1e99\nheight=" + b"9" * 5000, b"=\n" * 100_000, b"a" * (2 << 20))):
        yield f"calib.{n}.txt", text
    for n, text in enumerate((b"1 PINHOLE 640 480 nan inf 0 0\n", b"1 PINHOLE 0 0 1 1 1 1\n", b"1 PINHOLE 99999999999999999999 1 1 1 1 1\n", b"1 OPENCV 1 1\n", b"x PINHOLE 1 1 1 1 1 1\n",
                              b"1 PINHOLE 640 480 1 1 1 1\n" * 50_000, b"1 1 0 0 0 0 0 0 1 a.jpg\n1 2\n", b"1 nan 0 0 0 0 0 0 1 a.jpg\n1 2 3\n", b"1 0 0 0 0 0 0 0 1 a.jpg\n\n", b"9" * 5000 + b" PINHOLE\n")):
        yield f"model.{n}.txt", text
    for n, head in enumerate((1, 2, 1000, 1 << 40, (1 << 64) - 1)):
        yield f"model.{n}.bin", struct.pack("<Q", head) + bytes(range(256)) * 8
        yield f"model.ones.{n}.bin", struct.pack("<Q", head) + b"\xff" * 2048
        yield f"model.zeros.{n}.bin", struct.pack("<Q", head) + bytes(4096)


def playlists() -> Files:
    """What FFmpeg would open further files for."""
    yield "concat.png", b"ffconcat version 1.0\nfile depth.mp4\n"
    yield "concat.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"
    yield "hls.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    yield "hls.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    yield "dash.mp4", b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>"
    yield "sdp.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    yield "subtitles.mp4", b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"
    yield "lavfi.mp4", b"movie=/etc/passwd"


def films() -> Files:
    """Videos of unusual pixels, sizes and kinds, and headers that lie."""
    import av

    def film(codec: str, pix_fmt: str, suffix: str, width: int = 64, height: int = 48, count: int = 2, **options: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            try:
                with av.open(str(path), "w") as out:
                    stream = out.add_stream(codec, rate=30, options=options)
                    stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
                    for n in range(count):
                        frame = av.VideoFrame(width, height, pix_fmt)
                        for plane in frame.planes:
                            plane.update(bytes([n * 40 + 20]) * plane.buffer_size)
                        frame.pts = n
                        out.mux(stream.encode(frame))
                    out.mux(stream.encode(None))
                return path.read_bytes()
            except (av.error.FFmpegError, ValueError, LookupError):
                return None

    wanted = [("ffv1", f, ".mkv") for f in ("yuv420p", "yuv444p", "yuv422p10le", "gray", "gray10le", "gray12le", "gray16le", "bgra", "rgb48le", "yuva420p", "gbrp", "ya8")]
    wanted += [("rawvideo", f, ".mkv") for f in ("monob", "monow", "pal8", "rgb24", "gray16be", "yuv410p", "nv12", "yuyv422", "rgb565le", "gray", "rgb8")]
    wanted += [("mjpeg", "yuvj422p", ".mov"), ("mjpeg", "yuvj444p", ".avi"), ("mjpeg", "yuvj420p", ".mkv"), ("png", "rgba", ".mov"), ("png", "monob", ".mov"), ("png", "gray16be", ".mov"),
               ("libx264", "yuv444p", ".mp4"), ("libx264", "gray", ".mp4"), ("libx265", "yuv420p10le", ".mp4"), ("libvpx-vp9", "yuv420p", ".webm"), ("mpeg4", "yuv420p", ".avi"),
               ("gif", "rgb8", ".gif"), ("apng", "rgba", ".apng"), ("qtrle", "rgb24", ".mov"), ("prores_ks", "yuv422p10le", ".mov"), ("dnxhd", "yuv422p", ".mov"), ("huffyuv", "rgb24", ".avi")]
    for codec, pix_fmt, suffix in wanted:
        for width, height in ((64, 48), (63, 47)):
            data = film(codec, pix_fmt, suffix, width, height)
            if data is not None:
                yield f"{codec}.{pix_fmt}.{width}{suffix}", data
    for name in ("depth.mov", "colour.mp4", "auxiliary.mp4", "lerobot.mp4"):
        whole = seeds()[name]
        for kind in (b"stsz", b"stco", b"stsc", b"stts", b"ctts", b"stss", b"stsd", b"mdhd", b"tkhd", b"mvhd", b"elst", b"hdlr", b"tref", b"hvcC", b"avcC", b"disc", b"mdta", b"keys", b"ilst", b"axte"):
            at = whole.find(kind)
            if at < 0:
                continue
            for value in (0, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
                for offset in (4, 8, 12):
                    yield f"{kind.decode()}.{offset}.{value:x}.{name}", whole[: at + 4 + offset] + u32(value) + whole[at + 8 + offset :]
            yield f"{kind.decode()}.none.{name}", whole.replace(kind, b"free")
    mkv = seeds()["depth.mkv"]
    for n, at in enumerate(range(0, 120, 3)):
        yield f"ebml.{n}.mkv", mkv[:at] + b"\x01\xff\xff\xff\xff\xff\xff\xff" + mkv[at + 8 :]
    for name in (b"NATIVE", b"CALIBRATION", b"GPUDEPTH", b"MIN", b"MAX", b"ACCURACY"):
        if name in mkv:
            yield f"tag.{name.decode()}.mkv", mkv.replace(name, name[:-1] + b"_")


def lists_of_properties() -> Files:
    whole, binary = seeds()["depth.plist"], seeds()["binary.plist"]
    yield "laughs.plist", b"<?xml version='1.0'?><!DOCTYPE plist [<!ENTITY a 'lol'>]><plist><string>&a;</string></plist>"
    yield "external.plist", b"<?xml version='1.0'?><!DOCTYPE plist SYSTEM 'file:///etc/passwd'><plist><dict/></plist>"
    yield "deep.plist", b"<plist>" + b"<array>" * 100_000 + b"</array>" * 100_000 + b"</plist>"
    yield "wide.plist", b"<plist><array>" + b"<true/>" * 1_000_000 + b"</array></plist>"
    yield "integer.plist", b"<plist><integer>" + b"9" * 5000 + b"</integer></plist>"
    yield "date.plist", b"<plist><date>9999-99-99T99:99:99Z</date></plist>"
    yield "data.plist", b"<plist><data>!!!!</data></plist>"
    yield "unknown.plist", b"<plist><weird/></plist>"
    yield "key.plist", b"<plist><dict><string>a</string></dict></plist>"
    yield "uid.plist", b"<plist><dict><key>CF$UID</key><integer>5</integer></dict></plist>"
    yield "real.plist", b"<plist><real>1e999</real></plist>"
    for key in (b"Width", b"Height", b"BytesPerRow", b"PixelFormat"):
        for value in (b"<integer>0</integer>", b"<integer>-1</integer>", b"<integer>99999999999999999999</integer>", b"<real>nan</real>", b"<string>a</string>", b"<true/>", b"<array/>"):
            at = whole.index(b"<key>" + key)
            start, stop = whole.index(b"<integer>", at), whole.index(b"</integer>", at) + 10
            yield f"{key.decode()}.{value[1:12].decode().replace('/', '')}.plist", whole[:start] + value + whole[stop:]
    yield "loop.binary.plist", b"bplist00\xa1\0" + b"\x08" + bytes(6) + b"\1\1" + struct.pack(">QQQ", 1, 0, 10)
    nest = b"".join(b"\xa2" + bytes([n + 1, n + 1]) for n in range(60)) + b"\x08"
    offsets = bytes(8 + 3 * n for n in range(60)) + bytes([8 + 180])
    yield "laughs.binary.plist", b"bplist00" + nest + offsets + bytes(6) + b"\1\1" + struct.pack(">QQQ", 61, 0, 8 + len(nest))
    for n, trailer in enumerate((struct.pack(">QQQ", 1 << 62, 0, 8), struct.pack(">QQQ", 1, 1 << 62, 8), struct.pack(">QQQ", 1, 0, 1 << 62), bytes(24))):
        yield f"trailer.{n}.binary.plist", binary[:-24] + trailer
    yield "sizes.binary.plist", binary[:-26] + b"\0\0" + binary[-24:]
    yield "sizes.large.binary.plist", binary[:-26] + b"\xff\xff" + binary[-24:]
    for n in range(10, 60, 5):
        yield f"byte.{n}.binary.plist", binary[:n] + b"\x4f\x13" + b"\x7f" * 8 + binary[n + 10 :]


def cuts() -> Files:
    """Every seed cut off in 9 places, and with its middle gone."""
    for name, data in seeds().items():
        stem, _, suffix = name.rpartition(".")
        for tenth in range(1, 10):
            yield f"{stem}.cut{tenth}.{suffix}", data[: len(data) * tenth // 10]
        yield f"{stem}.hole.{suffix}", data[: len(data) // 3] + bytes(len(data) // 3) + data[2 * (len(data) // 3) :]
        yield f"{stem}.gone.{suffix}", data[: len(data) // 3] + data[2 * (len(data) // 3) :]
        yield f"{stem}.longer.{suffix}", data + data


FAMILIES: dict[str, Callable[[], Files]] = {
    "bombs": bombs, "inflating": inflating, "pictures": pictures, "tiffs": tiffs, "jpegs": jpegs, "heifs": heifs, "arrays": arrays, "hdf5s": hdf5s,
    "archives": archives, "texts": texts, "playlists": playlists, "films": films, "lists_of_properties": lists_of_properties, "cuts": cuts,
    "packets": lambda: ((f"{name}.xmp", data) for name, data in packets())}


def write(folder: Path, *families: str) -> int:
    """The files of these families, of all without a name, each family into a folder of its own. Returns how many."""
    count = 0
    for family in families or FAMILIES:
        (folder / family).mkdir(parents=True, exist_ok=True)
        for name, data in FAMILIES[family]():
            count += 1
            (folder / family / name).write_bytes(data)
    return count
