from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from gpudepth.errors import (
    GpudepthError,
    LimitError,
    MalformedError,
    MissingInputError,
    TruncatedError,
    UnsupportedError,
)
from gpudepth.limits import Limits
from gpudepth.maps.reader import read_map
from gpudepth.maps.stacks import read_stack

NOISE = b"".join(b"\0" + bytes(row) for row in np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8))
RAMP8 = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
RAMP16 = (np.arange(12 * 16, dtype=np.uint16) * 341).reshape(12, 16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def put(folder: Path, data: bytes, name: str = "map") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def picture(folder: Path, image: Image.Image, kind: str, **options: Any) -> Path:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return put(folder, data.getvalue())


# good

@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_8_bit_gray(tmp_path: Path, kind: str) -> None:
    found = read_map(picture(tmp_path, Image.fromarray(RAMP8), kind))
    np.testing.assert_array_equal(found.codes, RAMP8)
    assert (found.codes.dtype, found.max_code, found.orientation) == (np.uint8, 255, 1)
    assert found.size == (16, 12) and found.path == tmp_path / "map"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray(tmp_path: Path, kind: str) -> None:
    found = read_map(picture(tmp_path, Image.fromarray(RAMP16), kind))
    np.testing.assert_array_equal(found.codes, RAMP16)
    assert (found.codes.dtype, found.max_code) == (np.uint16, 65535)
    assert found.codes.dtype.isnative and found.codes.flags.c_contiguous


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "i2", "i4", "u4"])
def test_tiff(tmp_path: Path, order: str, dtype: str) -> None:
    values = (RAMP8 // 2).astype(order + dtype)
    for compression in (None, "zlib"):
        tifffile.imwrite(tmp_path / "map.tif", values, byteorder=order, compression=compression)
        try:
            found = read_map(tmp_path / "map.tif")
        except UnsupportedError as error:       # rather than misread: Pillow swaps some of these twice
            assert order == ">" and dtype not in ("u1", "u2"), error
            continue
        np.testing.assert_array_equal(found.codes, values)
        assert found.codes.dtype == {"u1": np.uint8, "f4": np.float32}.get(dtype, np.uint16)


def test_large_unsigned_tiff_is_not_taken_for_signed(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "map.tif", np.array([[0, 2**31, 2**32 - 256]], dtype=np.uint32))
    found = read_map(tmp_path / "map.tif")
    assert found.codes.dtype == np.float32 and found.max_code is None
    assert found.codes.tolist() == [[0, 2.0**31, 2.0**32 - 256]]


def test_pgm_codes_are_not_stretched_to_16_bits(tmp_path: Path) -> None:
    codes = np.array([[0, 1, 1000], [7, 999, 500]], dtype=">u2")
    found = read_map(put(tmp_path, b"P5 # made by hand\n3 2\n# a comment\n1000\n" + codes.tobytes()))
    np.testing.assert_array_equal(found.codes, codes)
    assert (found.codes.dtype, found.max_code) == (np.uint16, 1000)
    text = read_map(put(tmp_path, b"P2\n3 2\n1000\n0 1 1000\n7 999\n500\n"))
    np.testing.assert_array_equal(text.codes, codes)


def test_equal_channels_and_gray_palettes_are_gray(tmp_path: Path) -> None:
    for image in (Image.fromarray(RAMP8).convert("RGB"), Image.fromarray(RAMP8).convert("RGBA"),
                  Image.fromarray(RAMP8).convert("LA"), Image.fromarray(RAMP8).convert("P")):
        np.testing.assert_array_equal(read_map(picture(tmp_path, image, "PNG")).codes, RAMP8)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(255 - RAMP8, "P")
    image.putpalette([255 - i // 3 for i in range(768)])
    np.testing.assert_array_equal(read_map(picture(tmp_path, image, "PNG")).codes, RAMP8)


def test_few_bits_become_eight(tmp_path: Path) -> None:
    assert read_map(put(tmp_path, png(2, 1, 4, 0, b"\0\x0f"))).codes.tolist() == [[0, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_told_and_not_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "WEBP"):
        found = read_map(picture(tmp_path, Image.fromarray(RAMP8), kind, exif=exif, lossless=True))
        assert found.orientation == orientation
        np.testing.assert_array_equal(found.codes, RAMP8)
    exif[0x0112] = 99
    assert read_map(picture(tmp_path, Image.fromarray(RAMP8), "PNG", exif=exif)).orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_codes_and_orientation_of_a_tiff_agree(tmp_path: Path, orientation: int, compression: str | None) -> None:
    path = picture(tmp_path, Image.fromarray(RAMP8), "TIFF", tiffinfo={0x0112: orientation}, compression=compression)
    turned = Image.fromarray(RAMP8)
    turned.getexif()[0x0112] = orientation
    found = read_map(path)
    np.testing.assert_array_equal(found.codes, np.asarray(ImageOps.exif_transpose(turned)))
    assert found.orientation == 1


# numpy's files

@given(hnp.arrays(st.sampled_from(["u1", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]),
                  hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)), st.booleans(), st.booleans())
def test_npy_round_trip(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, fortran: bool, packed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "round"
    stored = np.asfortranarray(values) if fortran else values
    with path.open("wb") as file:
        if packed:
            np.savez_compressed(file, depth=stored)
        else:
            np.save(file, stored)
    found = read_map(path)
    assert found.codes.dtype == values.dtype.newbyteorder("=") and found.codes.dtype.isnative
    assert found.codes.flags.c_contiguous
    assert found.codes.tobytes() == np.ascontiguousarray(values, values.dtype.newbyteorder("=")).tobytes()


@pytest.mark.parametrize(("values", "dtype"), [
    ([[0, 65535]], np.uint16), ([[0, 65536]], np.float32), ([[-1, 7]], np.float32), ([[0, 1 << 40]], np.float32),
])
def test_other_integers(tmp_path: Path, values: list[list[int]], dtype: type) -> None:
    found = read_map(put(tmp_path, npy(np.array(values, dtype=np.int64))))
    assert found.codes.dtype == dtype and found.codes.tolist() == values
    assert found.max_code == (65535 if dtype is np.uint16 else None)


@pytest.mark.parametrize("values", [[[0, (1 << 24) + 1]], [[0, (1 << 60) + 1]], [[-(1 << 63), 0]]])
def test_integers_that_no_float32_holds(tmp_path: Path, values: list[list[int]]) -> None:
    with pytest.raises(UnsupportedError, match="float32"):
        read_map(put(tmp_path, npy(np.array(values, dtype=np.int64))))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5)])
def test_shapes_of_one_map(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(20, dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(read_map(put(tmp_path, npy(values))).codes, values.reshape(4, 5))
    np.testing.assert_array_equal(read_map(put(tmp_path, npy(np.asfortranarray(values)))).codes, values.reshape(4, 5))


@pytest.mark.parametrize("shape", [(20,), (), (2, 5, 2), (1, 1, 4, 5), (0, 5)])
def test_other_shapes_are_named(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedError, match="shape"):
        read_map(put(tmp_path, npy(np.zeros(shape, np.float32))))


def test_python_2_wrote_long_shapes(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + np.arange(6, dtype="<f4").tobytes()
    assert read_map(put(tmp_path, data)).codes.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_npz_keys(tmp_path: Path) -> None:
    a, b = np.full((2, 3), 1.0), np.full((2, 3), 2.0)
    path = tmp_path / "maps.npz"
    np.savez(path, disparity=a, depth=b, focal=np.float32(3))
    assert read_map(path).codes[0, 0] == 2
    assert read_map(path, key="disparity").codes[0, 0] == 1
    np.savez(path, disparity=a, other=b)
    assert read_map(path).codes[0, 0] == 1
    np.savez(path, focallength_px=np.float32(3), pred=b, note=np.array("x"))
    assert read_map(path).codes[0, 0] == 2
    np.savez(path, first=a, second=b)
    with pytest.raises(UnsupportedError, match=r"more than one.*first: float64 \(2, 3\); second: float64 \(2, 3\)"):
        read_map(path)
    np.savez(path, note=np.array("x"), focal=np.float32(3))
    with pytest.raises(UnsupportedError, match=r"no \(height, width\).*note: not a map; focal: float32 \(\)"):
        read_map(path)
    with pytest.raises(UnsupportedError, match=r"no array 'deep'.*note, focal"):
        read_map(path, key="deep")


def test_npz_is_not_unpacked_beyond_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, depth=np.zeros((2000, 2000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(LimitError, match="max_decoded_bytes"):
        read_map(path, limits=Limits(max_decoded_bytes=1 << 20))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:      # more than the array's header declares
        archive.writestr("depth.npy", npy(np.zeros((2, 2))) + bytes(1 << 22))
    with pytest.raises(MalformedError, match="more than float64"):
        read_map(path)


# special

@pytest.mark.parametrize(("data", "error", "says"), [
    (npy(np.zeros((2, 3), bool)), UnsupportedError, "booleans"),
    (npy(np.zeros((2, 3), complex)), UnsupportedError, "no plain numbers"),
    (npy(np.zeros((2, 3), "f4,f4")), UnsupportedError, "no plain numbers"),
    (npy(np.array([[None]], object)), UnsupportedError, "objects"),
    (npy(np.zeros((2, 3)))[:-1], TruncatedError, "48 bytes, but the file holds 47"),
    (npy(np.zeros((2, 3))) + b"\0", MalformedError, "1 bytes more"),
    (npy(np.zeros((2, 3)))[:40], TruncatedError, "header"),
    (b"\x93NUMPY\x09\x00" + bytes(200), MalformedError, "version 9"),
    (b"\x93NUMPY\x01\x00\x04\x00{}  ", MalformedError, "lacks"),
    (npy(np.zeros((2, 3))).replace(b"(2, 3)", b"(2,-3)"), MalformedError, "lacks"),
    (b"", TruncatedError, "empty"),
    (b"hello", UnsupportedError, "not a known kind of map"),
    (b"PK\x03\x04 and nothing", MalformedError, "archive is damaged"),
    (png(1, 1, 1, 0, b"\0\0"), UnsupportedError, "one bit"),
    (png(1, 1, 16, 2, bytes(7)), UnsupportedError, "16-bit colour"),
    (png(1, 1, 16, 4, bytes(5)), UnsupportedError, "16-bit colour or alpha"),
    (png(2, 1, 8, 4, b"\0\x10\xff\x20\xfe"), UnsupportedError, "1 of 2 pixels transparent"),
    (png(2, 1, 8, 0, b"\0\x10\x20", chunk(b"tRNS", b"\0\x10")), UnsupportedError, "alpha"),
    (png(2, 1, 16, 0, b"\0\1\2\3\4", chunk(b"tRNS", b"\1\2")), UnsupportedError, "alpha"),
    (png(1 << 20, 1 << 20, 8, 0, b""), LimitError, "max_pixels"),
    (png(40, 40, 8, 0, NOISE)[:900], TruncatedError, "truncated"),
    (b"P5\n3 2\n255\n12345", TruncatedError, "but the file holds 5"),
    (b"P5\n3 2\n255\n1234567", MalformedError, "of its header"),
    (b"P5\n3 2\n9\n123456", MalformedError, "maximum 9"),
    (b"P5\n3 2\n70000\n123456", MalformedError, "70000"),
    (b"P5\n99999 99999\n255\n", LimitError, "max_pixels"),
    (b"P2\n3 2\n9\n1 2 3 4 5", TruncatedError, "but the file holds 5"),
    (b"P2\n3 2\n9\n1 2 3 4 5 x", MalformedError, "decimal"),
    (b"P5\n3", TruncatedError, "header"),
    (b"PF\n1 1\n-1\n" + bytes(12), UnsupportedError, "colour PFM"),
    (b"P4\n8 1\n\xaa", UnsupportedError, "not a known kind of map"),
])
def test_what_is_wrong_is_said(tmp_path: Path, data: bytes, error: type[GpudepthError], says: str) -> None:
    path = put(tmp_path, data)
    with pytest.raises(error, match=says) as caught:
        read_map(path)
    assert (caught.value.where or "").startswith(str(path))


def test_transparent_colour_that_is_not_used(tmp_path: Path) -> None:
    path = put(tmp_path, png(2, 1, 8, 0, b"\0\x10\x20", chunk(b"tRNS", b"\0\x11")))
    assert read_map(path).codes.tolist() == [[16, 32]]


def test_tiff_kinds_that_would_be_misread(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    tifffile.imwrite(path, RAMP16, photometric="miniswhite")
    with pytest.raises(UnsupportedError, match="MinIsWhite"):
        read_map(path)
    tifffile.imwrite(path, RAMP8.astype(np.int8))
    with pytest.raises(UnsupportedError, match="signed 8-bit"):
        read_map(path)
    tifffile.imwrite(path, np.stack([RAMP16] * 3, axis=-1), photometric="rgb")
    with pytest.raises(UnsupportedError, match=r"16-bit colour|Pillow does not support this kind of pixels"):
        read_map(path)
    tifffile.imwrite(path, RAMP8.astype(np.float64))
    with pytest.raises(UnsupportedError, match="Pillow does not support this kind of pixels"):
        read_map(path)
    with tifffile.TiffWriter(path) as writer:
        writer.write(RAMP8)
        writer.write(RAMP8)
    with pytest.raises(UnsupportedError, match="2 pictures"):
        read_map(path)


def test_only_regular_files(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="the file does not exist"):
        read_map(tmp_path / "none.png")
    with pytest.raises(MissingInputError):
        read_map(tmp_path / "nul\0.png")
    with pytest.raises(UnsupportedError, match="a folder"):
        read_map(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnsupportedError, match="not a regular file"):
        read_map(tmp_path / "pipe.png")
    with pytest.raises(UnsupportedError, match="not a regular file"):
        read_map("/dev/zero")
    with pytest.raises(LimitError, match="max_file"):
        read_map(put(tmp_path, bytes(100)), limits=Limits(max_file=99))


def test_our_limits_decide_and_not_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("PNG", "BMP", "JPEG"):
        assert read_map(picture(tmp_path, Image.fromarray(RAMP8), kind)).codes.shape == (12, 16)
    with pytest.raises(LimitError, match="max_pixels is 191"):
        read_map(picture(tmp_path, Image.fromarray(RAMP8), "PNG"), limits=Limits(max_pixels=191))
    with pytest.raises(LimitError, match="max_decoded_bytes"):
        read_map(picture(tmp_path, Image.fromarray(RAMP16), "PNG"), limits=Limits(max_decoded_bytes=383))


def test_threads_leave_the_warning_filters_alone(tmp_path: Path) -> None:
    path = picture(tmp_path, Image.fromarray(RAMP8), "PNG")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_map(path), range(200)))
    assert list(warnings.filters) == before


# damaged

def _seeds() -> list[bytes]:
    seeds = [npy(RAMP16), b"P5\n16 12\n65535\n" + RAMP16.astype(">u2").tobytes(), png(2, 1, 8, 0, b"\0\1\2")]
    for kind in ("PNG", "TIFF", "BMP", "JPEG", "WEBP"):
        data = io.BytesIO()
        Image.fromarray(RAMP8).save(data, kind)
        seeds.append(data.getvalue())
    for compression in ("zlib", None):
        data = io.BytesIO()
        tifffile.imwrite(data, RAMP16, compression=compression)
        seeds.append(data.getvalue())
    for save in (np.savez, np.savez_compressed):
        data = io.BytesIO()
        save(data, a=RAMP16, b=np.float32(1))
        seeds.append(data.getvalue())
    return seeds


SEEDS = _seeds()


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_mutations_raise_only_our_errors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(len(seed) - 1, 0)))
        match data.draw(st.sampled_from(["set", "cut", "insert"])):
            case "set" if seed:
                seed[at] = data.draw(st.integers(0, 255))
            case "cut":
                del seed[at : at + data.draw(st.integers(1, 40))]
            case _:
                seed[at:at] = data.draw(st.binary(max_size=8))
    path = put(tmp_path_factory.getbasetemp(), bytes(seed), "mutant")
    try:
        found = read_map(path, limits=Limits(max_pixels=1 << 22, max_decoded_bytes=1 << 24))
    except GpudepthError as error:
        assert str(path) in str(error)
    else:
        assert found.codes.ndim == 2 and found.codes.dtype in ("u1", "u2", "f2", "f4", "f8")


# real files

@pytest.mark.parametrize(("name", "shape", "dtype", "low", "high"), [
    ("depth/kitti2015_disp_occ_0_000046_10.png", (375, 1242), "u2", 0, None),
    ("depth/tum_rgbd_1_depth.png", (480, 640), "u2", 0, None),
    ("depth/arkit_lidar_depth_promptda.png", (192, 256), "u2", None, None),
    ("depth/middlebury2014_MotorcycleQ_disp0GT.pfm", (497, 741), "f4", None, np.inf),
    ("heic/article_input_gray.png", (500, 375), "u1", None, None),
])
def test_real_maps(
    sample: Callable[[str], Path], name: str, shape: tuple[int, int], dtype: str, low: float | None, high: float | None
) -> None:
    found = read_map(sample(name))
    assert (found.codes.shape, found.codes.dtype) == (shape, np.dtype(dtype))
    assert low is None or found.codes.min() == low
    assert high is None or found.codes.max() == high
    with Image.open(sample(name)) as other:
        np.testing.assert_array_equal(found.codes, np.asarray(other))


def test_of_many_arrays_twenty_are_named(tmp_path: Path) -> None:
    path = tmp_path / "many.npz"
    np.savez(path, **{f"a{n:02}": np.ones((2, 3)) for n in range(50)})
    with pytest.raises(UnsupportedError, match=r"a19: float64 \(2, 3\); and 30 more\)$"):
        read_map(path)
    with pytest.raises(UnsupportedError, match=r"it holds a00, .*, a19, and 30 more\)$"):
        read_map(path, key="deep")
    with pytest.raises(UnsupportedError, match=r"it holds a00, .*, a19, and 30 more\)$"):
        read_stack(path)
