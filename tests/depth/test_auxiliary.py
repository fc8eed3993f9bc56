"""ImageIO's auxiliary data dictionary."""

from __future__ import annotations

import numpy as np
import pytest

from gpudepth.depth.data import DATA, DATA_DESCRIPTION, auxiliary_data_info, map_from_info
from gpudepth.depth.pixel_format import FDEP, HDIS, NATIVE
from gpudepth.errors import UsageError

VALUES = np.array([[1.0, -2.0, 0.5], [65504, np.inf, np.nan]])


def test_keys_and_bytes_are_apples():
    info = auxiliary_data_info(VALUES[:1].astype(np.float16), HDIS, 8)
    assert info == {
        "kCGImageAuxiliaryDataInfoData": bytes.fromhex("003c 00c0 0038 0000"),  # little-endian halves, padded
        "kCGImageAuxiliaryDataInfoDataDescription": {
            "PixelFormat": 1751411059, "Width": 3, "Height": 1, "BytesPerRow": 8},
    }


@pytest.mark.parametrize("fmt", NATIVE)
@pytest.mark.parametrize("padding", [None, 0, 1, 16, 52])
def test_round_trip(fmt, padding):
    values = VALUES.astype(fmt.dtype)
    tight = 3 * fmt.dtype.itemsize
    info = auxiliary_data_info(values, fmt, None if padding is None else tight + padding)
    assert info[DATA_DESCRIPTION]["BytesPerRow"] == tight + (padding or 0)
    assert len(info[DATA]) == 2 * (tight + (padding or 0))
    again, found = map_from_info(info)
    assert found == fmt
    assert again.dtype == fmt.dtype
    assert again.tobytes() == values.tobytes()


def test_views_are_written_as_they_look():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    for view in (values[::-1, ::2], values.T):
        assert np.array_equal(map_from_info(auxiliary_data_info(view, FDEP, 64))[0], view)


def test_last_row_may_lack_its_padding():
    info = auxiliary_data_info(VALUES.astype(np.float16), HDIS, 16)
    info[DATA] = info[DATA][:-10]
    assert map_from_info(info)[0].shape == (2, 3)
    info[DATA] += bytes(100)
    assert map_from_info(info)[0].shape == (2, 3)


def test_rows_too_short():
    with pytest.raises(UsageError, match="bytes_per_row is 5"):
        auxiliary_data_info(VALUES.astype(np.float16), HDIS, 5)


@pytest.mark.parametrize("change", [
    {"Width": 0}, {"Height": 0}, {"Width": -3}, {"Height": 3}, {"BytesPerRow": 5}, {"Width": 1 << 40},
    {"PixelFormat": 7}, {"PixelFormat": int.from_bytes(b"L008", "big")}, {"Width": "wide"}, {"Width": None},
])
def test_contradictions(change):
    info = auxiliary_data_info(VALUES.astype(np.float16), HDIS)
    info[DATA_DESCRIPTION] |= change
    with pytest.raises(UsageError):
        map_from_info(info)


@pytest.mark.parametrize("key", [DATA, DATA_DESCRIPTION, "Width", "Height", "BytesPerRow", "PixelFormat"])
def test_missing_keys(key):
    info = auxiliary_data_info(VALUES.astype(np.float16), HDIS)
    info.pop(key, None)
    info.get(DATA_DESCRIPTION, {}).pop(key, None)
    with pytest.raises(UsageError, match="incomplete"):
        map_from_info(info)
