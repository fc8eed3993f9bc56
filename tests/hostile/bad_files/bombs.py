"""Little files whose headers, or whose packed data, ask for much."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path

from heif_kit import ispe, u16, u32
from seeds import seeds

from bad_files.builders import (
    HUGE,
    Files,
    exr,
    gray_tiff,
    hdf5,
    npy_header,
    png,
    png_chunk,
    replaced,
    zeros,
    zip_bomb,
    zip_of,
)
from gpudepth.formats.hevc.nal import SPS, Bits, BitWriter, escape, unescape
from gpudepth.formats.hevc.parameter_sets import Configuration


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
        yield f"{side}.h5", hdf5(lambda f, n=side: f.create_dataset("depth", (n, n), "f4", chunks=(64, 64)))
        yield f"{side}.mat.h5", hdf5(lambda f, n=side: f.create_dataset("depth", (900, n, n), "f8", chunks=(1, 64, 64)))
        jpeg = seeds()["bare.jpg"]
        frame = jpeg.index(b"\xff\xc0")
        wide = min(side, HUGE)
        yield f"{side}.jpg", jpeg[: frame + 5] + u16(wide) + u16(wide) + jpeg[frame + 9 :]
        for name in ("depth.heic", "bare.heic"):
            yield f"{side}.{name}", seeds()[name].replace(ispe(64, 64)[-8:], u32(side) + u32(side)).replace(
                ispe(32, 24)[-8:], u32(side) + u32(side))
        yield f"{side}.dng", _bigger_dng(side)
        yield f"{side}.sps.heic", resized(seeds()["depth.heic"], side)
        yield f"{side}.mov", resized(seeds()["depth.mov"], side).replace(u16(48) + u16(32), u16(wide) + u16(wide))
        yield f"{side}.avi", _bigger_avi(side)
        # PixelWidth and PixelHeight (RFC 9559): their values take two bytes in both
        yield f"{side}.mkv", _film(".mkv").replace(b"\xb0\x82\x01\x40\xba\x82\x01\x04", b"\xb0\x82" + u16(wide) + b"\xba\x82" + u16(wide))
        yield f"{side}.plist", seeds()["depth.plist"].replace(b"<integer>32<", b"<integer>%d<" % side).replace(b"<integer>24<", b"<integer>%d<" % side)
    yield "frames.npy", npy_header("'<f4'", "(900, 65535, 65535)") + bytes(64)
    yield "frames.npz", zip_of({"depths.npy": npy_header("'<f4'", "(900, 65535, 65535)") + bytes(64)})
    yield "samples.npy", npy_header("'<f4'", "(999999999999, 2, 2)") + bytes(64)
    yield "deflated.npz", zip_bomb("depth.npy", npy_header("'<f4'", "(20000, 20000)"), 64 << 20)
    yield "deflated.zip", zip_bomb("depth/1.png", b"\x89PNG\r\n\x1a\n", 64 << 20)
    yield "wide.exr", exr(HUGE, HUGE, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    yield "window.exr", exr(1 << 30, 1 << 30)
    yield "window.negative.exr", exr(-5, -5)


def _bigger_avi(side: int) -> bytes:
    data = _film(".avi")
    at = data.index(b"strf") + 12       # biWidth, biHeight
    return data[:at] + struct.pack("<ii", side, side) + data[at + 8 :]


def _film(suffix: str) -> bytes:
    """Raw gray video of 48×32, in Matroska of 320×260."""
    import av

    width, height = (320, 260) if suffix == ".mkv" else (48, 32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("rawvideo", rate=30)
            stream.width, stream.height, stream.pix_fmt = width, height, "gray" if suffix == ".mkv" else "rgb24"
            out.mux(stream.encode(av.VideoFrame(width, height, stream.pix_fmt)))
            out.mux(stream.encode(None))
        return path.read_bytes()


def resized(data: bytes, side: int) -> bytes:
    """The same file with an SPS of side × side in each hvcC, in boxes of the same size: what follows the size is cut
    off or filled up, which no one reads before the size."""
    at = 0
    while (at := data.find(b"hvcC", at + 1)) >= 0:
        size = int.from_bytes(data[at - 4 : at], "big") - 8
        box = data[at + 4 : at + 4 + size]
        sets = Configuration.parse(box)
        sps = sets.first(SPS)
        assert sps is not None
        bits, out = Bits(unescape(sps)), BitWriter()
        for count in (16, 8, 96):       # header; ids and one sub-layer; profile, tier and level
            out.u(count, bits.u(count))
        for _ in range(2):      # seq_parameter_set_id, chroma_format_idc
            out.ue(bits.ue())
        bits.ue(), bits.ue()
        out.ue(side), out.ue(side)
        while out.length < 8 * len(sps) - 16:
            out.u(1, bits.u(1) if bits.left else 1)
        new = escape(out.align())[: len(sps)].ljust(len(sps), b"\x55")
        box = box.replace(sps, new)
        data = data[: at + 4] + box + data[at + 4 + size :]
    return data


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
    yield "16k.png", png(16_000, 16_000, 16, 0, packed=zeros(16_000 * 32_001))
    yield "16k.one-bit.png", png(16_000, 16_000, 1, 0, packed=zeros(16_000 * 2_001))
    yield "16k.rgba.png", png(8_000, 8_000, 16, 6, packed=zeros(8_000 * 64_001))
    yield "text.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"zTXt", b"a\0\0" + zeros(100 << 20)))
    yield "icc.png", png(32, 24, 8, 0, bytes(24 * 33), png_chunk(b"iCCP", b"a\0\0" + zeros(100 << 20)))
    yield "icc.rgb.png", png(32, 24, 8, 2, bytes(24 * 97), png_chunk(b"iCCP", b"a\0\0" + zeros(100 << 20)))
    strip = zeros(16_000 * 32_000)
    yield "16k.tiff", gray_tiff(16_000, 16_000, compression=8, data=strip)
    yield "float.tiff", gray_tiff(11_000, 11_000, 32, 8, zeros(11_000 * 44_000), sample_format=3)
    yield "zeros.npz", zip_bomb("depth.npy", npy_header("'<f4'", "(16384, 16384)"), 1 << 30)
    yield "display.exr", replaced(seeds()["depth.exr"], struct.pack("<4i", 0, 0, 31, 23), struct.pack("<4i", 0, 0, 15_999, 15_999), 1)
    yield "15k.avi", _bigger_avi(15_000)
    yield "fill.h5", hdf5(lambda f: f.create_dataset("depth", (16_000, 16_000), "f4", chunks=(64, 64)))
    yield "many.npz", zip_of({f"a{n}.npy": npy_header("'<f4'", "(2, 2)") + bytes(16) for n in range(3000)})
