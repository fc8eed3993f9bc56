"""Archives and property lists."""

from __future__ import annotations

import struct

import archive_kit
from seeds import seeds

from bad_files.builders import Files, tar_header, zip_of


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
        yield f"kind.{kind.hex()}.tar", tar_header(b"a.png", 100, kind, b"/etc/passwd") + bytes(1024)
    for size in (b"77777777777", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-1         ", b"            ", b"88888888888"):
        yield f"size.{size[:2].hex()}.tar", tar_header(b"a.png", 0, b"0", size=size) + bytes(1024)
        yield f"pax.{size[:2].hex()}.tar", tar_header(b"a.png", 0, b"x", size=size) + bytes(1024)
        yield f"long.{size[:2].hex()}.tar", tar_header(b"a.png", 0, b"L", size=size) + bytes(1024)
    for n, record in enumerate((b"30 size=99999999999999999999\n", b"0 a=b\n", b"-5 a=b\n", b"9" * 400 + b" a=b\n", b"20 GNU.sparse.map=1,x\n", b"25 GNU.sparse.size=xx\n",
                                b"18 mtime=nanananana\n", b"16 hdrcharset=a\n", b"22 path=../../../evil\n", b"12 path=\xff\xfe\n", b"")):
        body = record.ljust(512, b"\0")
        yield f"pax.record.{n}.tar", tar_header(b"a.png", len(record), b"x") + body + tar_header(b"b.png", 10, b"0") + bytes(1536)
    yield "names.tar", b"".join(tar_header(name, 0, b"0") for name in (b"../../evil.png", b"/abs.png", b"\xff\xfe.png", b"\x1b[31m\n.png", b"")) + bytes(1024)
    yield "chain.tar", b"".join(tar_header(b"././@LongLink", 20, b"L") + b"a" * 20 + bytes(492) for _ in range(3000)) + bytes(1024)
    yield "gzip.tar", b"\x1f\x8b\x08\0" + bytes(600)
    for n, text in enumerate((b"{", b"[]", b"{}", b"null", b"NaN", b'{"K": [1e999], "w": 1, "h": 1}', b'{"w": 1e400, "h": -1, "K": []}', b"[" * 100_000, b'{"w": ' + b"9" * 5000 + b"}", b"\xff")):
        yield f"metadata.{n}.r3d", zip_of({"metadata": text, "rgbd/0.jpg": jpeg, "rgbd/0.depth": b"bvx$"})


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
