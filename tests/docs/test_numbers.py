"""The tables of docs/numbers.md, against bounds that are computed another way."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageOps

from gpudepth.attachment.precision import rounding
from gpudepth.depth.pixel_format import Quantity
from tools.numbers import BITS, RANGES, metres, off, orientations, precision


def worst_case(near: float, far: float, bits: int) -> Fraction:
    """Of disparity, in exact arithmetic: half a step, and half a unit of a half float, next to the far end."""
    lo, hi = Fraction(1) / Fraction(far), Fraction(1) / Fraction(near)
    half_step = (hi - lo) / (2**bits - 1) / 2
    return Fraction(far) - 1 / (lo + half_step)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", RANGES)
def test_disparity_is_off_as_the_bound_says(name: str, bits: int) -> None:
    near, far = RANGES[name]
    worst, where, rms = off(near, far, "hdis", bits)
    half_float = far**2 * 2**-12 / far       # half a unit in the last place of 1/far, 11 bits
    assert worst <= float(worst_case(near, far, bits)) * 1.2 + 2 * half_float
    assert worst >= 0.7 * float(worst_case(near, far, bits))
    assert where > 0.75 * far and rms < worst
    assert worst <= rounding(near, far, Quantity.DISPARITY, bits)[0] * 1.2 + 2 * half_float


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", RANGES)
def test_depth_is_off_by_half_a_step(name: str, bits: int) -> None:
    near, far = RANGES[name]
    worst, _, _ = off(near, far, "hdep", bits)
    half_step = (far - near) / (2**bits - 1) / 2
    assert half_step * 0.95 <= worst <= half_step + 64 * 2**-11 * (far > 16) + 16 * 2**-11 * (far <= 16)


def test_halves_are_off_by_half_a_unit() -> None:
    worst, _, _ = off(2, 80, "hdep", None)
    assert worst == pytest.approx(2**6 * 2**-11, rel=0.05)      # 64 to 128 m: 1/16 m apart


def test_the_table_has_every_range_and_number_of_bits() -> None:
    lines = precision().splitlines()
    assert len(lines) == 2 + len(RANGES) * (len(BITS) + 1)
    assert all(line.count("|") == 7 for line in lines)


def test_orientations_are_pillows() -> None:
    """What each Exif number shows, by Pillow's exif_transpose."""
    stored = Image.fromarray(np.frombuffer(b"ABCDEF", np.uint8).reshape(2, 3))
    rows = [line for line in orientations().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == 8
    for row in rows:
        number, irot, imir, shown, swapped = (cell.strip() for cell in row.strip("|").split("|"))
        stored.getexif()[0x0112] = int(number)
        found = np.asarray(ImageOps.exif_transpose(stored))
        assert shown == "`" + " ".join(line.tobytes().decode() for line in found) + "`"
        assert (swapped == "yes") == (found.shape != (2, 3))
        turned = np.rot90(np.asarray(stored), int(irot or 0))
        mirrored = {"": turned, "0": turned[::-1], "1": turned[:, ::-1]}[imir]
        assert mirrored.tolist() == found.tolist()


def test_metres_are_printed_in_the_unit_that_suits() -> None:
    assert [metres(v) for v in (5.71, 0.524, 0.0123, 0.0034)] == ["5.7 m", "52 cm", "1.2 cm", "3.4 mm"]


def test_the_sentence_about_a_room_holds() -> None:
    """`over a room, 8 bits are off by a millimetre at 0.5 m, by 15 at 2 m`: half a step of disparity there."""
    near, far = RANGES["a room"]
    half_step = (1 / near - 1 / far) / 255 / 2
    assert [round(1000 * (d - 1 / (1 / d + half_step))) for d in (0.5, 2.0)] == [1, 15]
