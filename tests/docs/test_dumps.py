"""Hex of docs/formats: laid out as said, and what the pages say of it is what it says."""

from __future__ import annotations

import re

import pytest

from tools import dumps
from tools.dumps import DUMPS, fields


def bits_of(name: str, line: str) -> str:
    """The bits of the field that says `line`, as the page shows them."""
    shown = next(row for row in DUMPS[name]().splitlines() if line in row)
    digits = shown.split("  ")[0].replace(" ", "")
    return f"{int(digits, 16):0{len(digits) * 4}b}"


def test_fields_are_laid_out() -> None:
    data = bytes(range(40))
    assert fields(data, 1, [(2, "two"), (17, "more"), (2, "hidden", True)]) == (
        "0102                                 two\n03040506 0708090a 0b0c0d0e 0f101112  more\n13\n"
        "....                                 hidden")
    with pytest.raises(ValueError, match=r"more: 9 bytes at 38 of 40"):
        fields(data, 38, [(9, "more")])


def test_the_message_of_auxc_reads_as_the_page_says() -> None:
    """By the page's table: flags, Exp-Golomb codes, sign, exponent, length, mantissa."""
    bits = bits_of("heif-auxc", "d_min 0.125, d_max 2.0")
    assert bits.startswith("0011" "010" "1")
    at, found = 8, []
    for _ in range(2):
        sign, exponent, length = int(bits[at]), int(bits[at + 1:at + 8], 2), int(bits[at + 8:at + 13], 2) + 1
        mantissa = int(bits[at + 13:at + 13 + length], 2)
        found.append((-1) ** sign * 2.0 ** (exponent - 31) * (1 + mantissa / 2**length))
        at += 13 + length
    assert found == [0.125, 2.0]
    assert re.fullmatch("10*", bits[at:])


def test_depth_of_the_dng_reads_as_the_page_says() -> None:
    text = DUMPS["dng-directories"]()
    for name, value in (("DepthNear", 0.5), ("DepthFar", 8.0)):
        row = next(line for line in text.splitlines() if f"{name}: metres as a fraction" in line)
        above, below = (int.from_bytes(bytes.fromhex(part), "little") for part in row.split()[:2])
        assert above / below == value


def test_the_range_of_the_depth_track_reads_as_the_page_says() -> None:
    text = DUMPS["quicktime-entry"]()
    found = [int(next(line for line in text.splitlines() if said in line).split()[0], 16) / 65536
             for said in ("smallest disparity", " largest")]
    assert found == [0.125, 2.0]


def test_every_dump_is_a_block_that_holds_bytes() -> None:
    for name, dump in DUMPS.items():
        text = dump()
        assert text.count("```") % 2 == 0 and len(text.splitlines()) > 8, name


def test_what_encoders_decide_is_not_shown() -> None:
    packet = dumps._numbers_hidden('xmpNote:HasExtendedXMP="' + "A" * 32 + '" Item:Length="123" Item:Length="0"')
    assert packet == 'xmpNote:HasExtendedXMP="…" Item:Length="…" Item:Length="0"'
    assert dumps.elided('<a>' + "Q" * 100 + '</a>') == "<a>" + "Q" * 72 + "…</a>"
