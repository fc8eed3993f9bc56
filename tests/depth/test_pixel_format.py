"""Names, FourCCs and look-ups of the pixel formats."""

from __future__ import annotations

import numpy as np
import pytest

from gpudepth.depth import pixel_format as pf
from gpudepth.errors import UsageError

# The numbers are Core Video's constants, as they stand in the XMP of real files.
NUMBERS = {"hdis": 1751411059, "fdis": 1717856627, "hdep": 1751410032, "fdep": 1717855600, "L008": 1278226488}


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_fourcc_is_core_videos_number(name: str, number: int) -> None:
    assert pf.pixel_format(name).fourcc == number
    assert pf.pixel_format(number) is pf.pixel_format(name)


def test_every_format_is_found_by_name_number_and_itself() -> None:
    for fmt in pf.NATIVE + pf.STORED:
        assert pf.pixel_format(fmt.name) is fmt
        assert pf.pixel_format(fmt.fourcc) is fmt
        assert pf.pixel_format(fmt) is fmt
        assert str(fmt) == fmt.name


def test_native_formats_have_a_quantity_and_stored_ones_a_largest_code() -> None:
    table = {"hdis": (np.float16, "disparity", "1/m"), "fdis": (np.float32, "disparity", "1/m"),
             "hdep": (np.float16, "depth", "m"), "fdep": (np.float32, "depth", "m")}
    assert [f.name for f in pf.NATIVE] == list(table)
    for fmt in pf.NATIVE:
        dtype, quantity, unit = table[fmt.name]
        assert fmt.dtype == dtype
        assert fmt.bits == np.dtype(dtype).itemsize * 8
        assert pf.quantity_of(fmt) == quantity
        assert pf.quantity_of(fmt).unit == unit
        assert fmt.max_code is None
    for fmt, bits in zip(pf.STORED, (8, 10, 12, 16), strict=True):
        assert pf.stored(bits) is fmt
        assert fmt.bits == bits
        assert fmt.max_code == (1 << bits) - 1
        assert fmt.max_code <= np.iinfo(fmt.dtype).max
        assert fmt.quantity is None


@pytest.mark.parametrize("key", ["hdiz", "HDIS", "", 0, 1751411060])
def test_unknown_formats_are_usage_errors_that_name_the_choices(key: str | int) -> None:
    with pytest.raises(UsageError, match="unknown pixel format") as caught:
        pf.pixel_format(key)
    assert "hdis, fdis, hdep, fdep" in str(caught.value)


def test_stored_formats_hold_no_values() -> None:
    assert pf.native("hdis") is pf.HDIS
    with pytest.raises(UsageError, match="holds codes"):
        pf.native("L008")
    with pytest.raises(UsageError, match="holds codes"):
        pf.quantity_of(pf.L016)
    with pytest.raises(UsageError, match="9 bits"):
        pf.stored(9)
