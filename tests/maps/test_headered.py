"""Bare rows behind a header: bytes written out."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from gpudepth.errors import LimitError, MalformedError, TruncatedError, UnsupportedError
from gpudepth.limits import Limits
from gpudepth.maps.reader import read_map

DPT = bytes.fromhex(
    "50494548"      # "PIEH": 202021.25
    "03000000"      # width 3
    "02000000"      # height 2
    "0000803f0000004000004040"      # 1 2 3
    "000080400000a0400000c040")     # 4 5 6
COLMAP = b"3&2&1&" + DPT[12:]
VALUES = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def put(folder: Path, data: bytes) -> Path:
    (folder / "map.bin").write_bytes(data)
    return folder / "map.bin"


@pytest.mark.parametrize("data", [DPT, COLMAP])
def test_values(tmp_path: Path, data: bytes) -> None:
    found = read_map(put(tmp_path, data))
    np.testing.assert_array_equal(found.codes, VALUES)
    assert (found.codes.dtype, found.max_code) == (np.float32, None)
    assert struct.unpack("<f", DPT[:4]) == (202021.25,)


@pytest.mark.parametrize("data", [DPT, COLMAP])
def test_sizes(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TruncatedError, match="3×2 pixels take 24 bytes, but the file holds 23"):
        read_map(put(tmp_path, data[:-1]))
    with pytest.raises(MalformedError, match="24 bytes, but the file holds 25"):
        read_map(put(tmp_path, data + b"\0"))
    with pytest.raises(LimitError):
        read_map(put(tmp_path, data), limits=Limits(max_pixels=5))


def test_headers(tmp_path: Path) -> None:
    with pytest.raises(TruncatedError, match="cut off"):
        read_map(put(tmp_path, DPT[:9]))
    with pytest.raises(MalformedError, match="-1×2"):
        read_map(put(tmp_path, b"PIEH" + struct.pack("<ii", -1, 2)))
    with pytest.raises(MalformedError, match="0×2"):
        read_map(put(tmp_path, b"0&2&1&"))
    with pytest.raises(UnsupportedError, match="3 channels"):
        read_map(put(tmp_path, b"1&1&3&" + bytes(12)))
    with pytest.raises(LimitError):
        read_map(put(tmp_path, b"9999999&9999999&1&" + bytes(12)))
