"""Rows without a header: bytes written out, padded rows, sizes that do not fit."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from gpudepth.errors import LimitError, MalformedError, TruncatedError, UsageError
from gpudepth.limits import Limits
from gpudepth.maps.raw import DTYPES, RawLayout
from gpudepth.maps.reader import read_map

VALUES = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
CODES = {"uint8": "B", "uint16": "<H", "uint16be": ">H", "float16": "<e", "float16be": ">e", "float32": "<f",
         "float32be": ">f", "float64": "<d", "float64be": ">d"}


def put(folder: Path, data: bytes) -> Path:
    (folder / "map.raw").write_bytes(data)
    return folder / "map.raw"


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("gap", [0, 5])
def test_values(tmp_path: Path, dtype: str, gap: int) -> None:
    rows = [b"".join(struct.pack(CODES[dtype], v if dtype[0] == "f" else int(v)) for v in row) for row in VALUES]
    step = len(rows[0]) + gap if gap else None
    layout = RawLayout(3, 2, dtype, step)
    whole = b"".join(row + b"\xee" * gap for row in rows)
    for data in (whole, whole[: len(whole) - gap]):     # the last row with its padding, and without
        found = read_map(put(tmp_path, data), rows=layout)
        np.testing.assert_array_equal(found.codes, VALUES)
        assert found.codes.dtype == DTYPES[dtype].newbyteorder("=") and found.codes.flags.c_contiguous
        assert found.max_code == {"uint8": 255, "uint16": 65535, "uint16be": 65535}.get(dtype)


def test_it_is_not_looked_at(tmp_path: Path) -> None:
    """What begins like another format is rows all the same, when that was said."""
    data = b"\x93NUMPY\1\0" + bytes(16)
    assert read_map(put(tmp_path, data), rows=RawLayout(3, 2)).codes.shape == (2, 3)


def test_the_size_of_the_photo(tmp_path: Path) -> None:
    path = put(tmp_path, np.arange(6, dtype="<f4").tobytes())
    assert read_map(path, rows=RawLayout(), photo_size=(3, 2)).codes.shape == (2, 3)
    assert read_map(path, rows=RawLayout(2, 3), photo_size=(3, 2)).codes.shape == (3, 2)
    with pytest.raises(UsageError, match="so the size of the map must be"):
        read_map(path, rows=RawLayout())
    with pytest.raises(TruncatedError, match="4×2, the photo's size, in float32 takes 32 bytes, but the file"):
        read_map(path, rows=RawLayout(), photo_size=(4, 2))


def test_sizes_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(TruncatedError, match="3×2 in float32 takes 24 bytes, but the file holds 23"):
        read_map(put(tmp_path, bytes(23)), rows=RawLayout(3, 2))
    with pytest.raises(MalformedError, match="but the file holds 25"):
        read_map(put(tmp_path, bytes(25)), rows=RawLayout(3, 2))
    with pytest.raises(TruncatedError, match="is empty"):
        read_map(put(tmp_path, b""), rows=RawLayout(3, 2))
    with pytest.raises(LimitError):
        read_map(put(tmp_path, bytes(24)), rows=RawLayout(3, 2), limits=Limits(max_pixels=5))
    with pytest.raises(LimitError):
        read_map(put(tmp_path, bytes(24)), rows=RawLayout(999_999, 999_999))
    with pytest.raises(UsageError, match="11 bytes cannot hold a row of 3 float32"):
        read_map(put(tmp_path, bytes(24)), rows=RawLayout(bytes_per_row=11), photo_size=(3, 2))


@pytest.mark.parametrize("shape", ["", "3", "3x", "x3", "3x2x1", "-3x2", "0x2", "3x0", "3 x 2", "9999999x1", "1e3x2"])
def test_shapes_that_are_none(shape: str) -> None:
    with pytest.raises(UsageError, match="shape"):
        RawLayout.parse(shape)


def test_layouts() -> None:
    assert RawLayout.parse("256x192") == RawLayout.parse("256×192") == RawLayout(256, 192, "float32")
    assert RawLayout.parse(dtype="uint16", bytes_per_row=640) == RawLayout(0, 0, "uint16", 640)
    with pytest.raises(UsageError, match="unknown type of number 'int7'"):
        RawLayout.parse("3x2", "int7")
    with pytest.raises(UsageError, match="11 bytes cannot hold"):
        RawLayout(3, 2, "float32", 11)
    with pytest.raises(UsageError, match="shape 3×0 is"):
        RawLayout(3, 0)
