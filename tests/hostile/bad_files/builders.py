"""What bad files are made of: little files with every field in the hands of the caller."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HUGE = 65535
_MEBIBYTE = bytes(1 << 20)
Files = Iterator[tuple[str, bytes]]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(width: int, height: int, bits: int, colour: int, rows: bytes | None = None, extra: bytes = b"",
        packed: bytes | None = None) -> bytes:
    """A PNG of those rows, deflated, or of what is packed already, or of a few zeros."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + extra + png_chunk(b"IDAT", packed or zlib.compress(rows or bytes(100)))
            + png_chunk(b"IEND", b""))


def raw_zeros(count: int, head: bytes = b"") -> bytes:
    """Raw deflate of `head` and that many zeros: one mebibyte packed once, and repeated."""
    def piece(data: bytes, end: int) -> bytes:
        pack = zlib.compressobj(9, zlib.DEFLATED, -15)
        return pack.compress(data) + pack.flush(end)

    return (piece(head, zlib.Z_FULL_FLUSH) + piece(bytes(1 << 20), zlib.Z_FULL_FLUSH) * (count >> 20)
            + piece(bytes(count % (1 << 20)), zlib.Z_FINISH))


def zeros(count: int) -> bytes:
    """Deflated zeros; their Adler-32 is their number and 1."""
    return b"\x78\xda" + raw_zeros(count) + struct.pack(">HH", count % 65521, 1)


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
            archive.writestr(zipfile.ZipInfo(name), data, method)      # without the time of day
    return out.getvalue()


def zip_bomb(name: str, head: bytes, count: int) -> bytes:
    """One member of `head` and `count` zeros, packed without making them."""
    packed, check = raw_zeros(count, head), zlib.crc32(head)
    for _ in range(count >> 20):
        check = zlib.crc32(_MEBIBYTE, check)
    check = zlib.crc32(bytes(count % (1 << 20)), check)
    about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, check, len(packed), len(head) + count, len(name), 0)
    local = b"PK\3\4" + about + name.encode() + packed
    entry = b"PK\1\2" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    return local + entry + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, len(entry), len(local), 0)


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


def hdf5(make: Callable[[Any], Any]) -> bytes:
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


def tar_header(name: bytes, length: int, kind: bytes, link: bytes = b"", size: bytes | None = None) -> bytes:
    head = bytearray(512)
    head[: len(name)] = name[:100]
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136] = (size or b"%011o" % length).ljust(12, b"\0")
    head[136:148], head[148:156], head[156:157] = b"00000000000\0", b" " * 8, kind
    head[157 : 157 + len(link)] = link
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)
