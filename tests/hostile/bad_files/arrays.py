"""Arrays and rows: NumPy, PFM, PGM, LZFSE, OpenEXR and HDF5."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import archive_kit
import numpy as np
from seeds import Z, seeds

from bad_files.builders import Files, exr, hdf5, npy_header, replaced, zip_of


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

    yield "external.link.h5", hdf5(lambda f: f.__setitem__("depth", h5py.ExternalLink("/etc/passwd", "/depth")))
    yield "external.self.h5", hdf5(lambda f: f.__setitem__("depth", h5py.ExternalLink("a.h5", "/depth")))
    yield "soft.loop.h5", hdf5(lambda f: (f.__setitem__("depth", h5py.SoftLink("/b")), f.__setitem__("b", h5py.SoftLink("/depth"))))
    yield "soft.nothing.h5", hdf5(lambda f: f.__setitem__("depth", h5py.SoftLink("/nothing")))
    yield "hard.loop.h5", hdf5(lambda f: f.create_group("a").__setitem__("a", f["a"]))
    yield "external.storage.h5", hdf5(lambda f: f.create_dataset("depth", (4, 4), "f4", external=[("/etc/passwd", 0, 64)]))

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((4, 4), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "depth", (4, 4))
        file.create_virtual_dataset("depth", layout)

    yield "virtual.h5", hdf5(virtual)
    yield "scalar.h5", hdf5(lambda f: f.create_dataset("depth", data=1.0))
    yield "null.h5", hdf5(lambda f: f.create_dataset("depth", data=h5py.Empty("f4")))
    yield "compound.h5", hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), [("a", "f4")])))
    yield "reference.h5", hdf5(lambda f: f.create_dataset("depth", data=np.array([[f.ref]], dtype=h5py.ref_dtype)))
    yield "text.h5", hdf5(lambda f: f.create_dataset("depth", data=[["a", "b"]], dtype=h5py.string_dtype()))
    yield "vlen.h5", hdf5(lambda f: f.create_dataset("depth", (4, 4), h5py.vlen_dtype(np.float32)))
    yield "bool.h5", hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), bool)))
    yield "empty.h5", hdf5(lambda f: f.create_dataset("depth", (0, 4), "f4"))
    yield "five.h5", hdf5(lambda f: f.create_dataset("depth", (1, 1, 2, 4, 4), "f4"))
    yield "nothing.h5", hdf5(lambda f: None)
    yield "type.h5", hdf5(lambda f: f.__setitem__("depth", np.dtype("f4")))
    yield "group.h5", hdf5(lambda f: f.create_group("depth"))
    yield "many.h5", hdf5(lambda f: [f.create_dataset(f"d{n}", (2, 2), "f4") for n in range(1500)])
    yield "fill.h5", hdf5(lambda f: f.create_dataset("depth", (16_000, 16_000), "f4", chunks=(64, 64)))
    yield "chunk.h5", hdf5(lambda f: f.create_dataset("depth", (4, 4), "f4", chunks=(16_000, 8_000), maxshape=(None, None)))
    yield "half.h5", hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), np.float16)))
    yield "long.h5", hdf5(lambda f: f.create_dataset("depth", data=np.zeros((4, 4), np.longdouble)))
    yield "name.h5", hdf5(lambda f: f.create_dataset("a" * 60_000, data=Z))
    yield "name.escape.h5", hdf5(lambda f: (f.create_dataset("a\n\x1b[31m", data=Z), f.create_dataset("b", data=Z)))
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
