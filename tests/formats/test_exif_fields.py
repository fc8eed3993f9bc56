"""Orientation and focal length out of Exif, in both byte orders."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpudepth.errors import GpudepthError, MalformedError
from gpudepth.formats import exif
from gpudepth.formats.exif import Exif


def hexed(text):
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


LITTLE = hexed("""
    4949 2a00 08000000                  # II, 42, IFD 0 at 8
    0200                                # 2 entries
    1201 0300 01000000 06000000         # Orientation, SHORT, 1: 6
    6987 0400 01000000 26000000         # ExifIFD, LONG, 1: at 38
    00000000                            # no IFD 1
    0100                                # 1 entry
    05a4 0300 01000000 1a000000         # FocalLengthIn35mmFilm, SHORT, 1: 26
    00000000
""")
BIG = hexed("""
    4d4d 002a 00000008                  # MM, 42, IFD 0 at 8
    0002                                # 2 entries
    0112 0003 00000001 00080000         # Orientation, SHORT, 1: 8
    8769 0004 00000001 00000026         # ExifIFD, LONG, 1: at 38
    00000000                            # no IFD 1
    0001                                # 1 entry
    a405 0003 00000001 001c0000         # FocalLengthIn35mmFilm, SHORT, 1: 28
    00000000
""")


@pytest.mark.parametrize(("block", "found"), [(LITTLE, Exif(6, 26.0)), (BIG, Exif(8, 28.0))])
def test_both_byte_orders(block, found):
    assert exif.parse(block) == found
    assert exif.parse(b"Exif\0\0" + block) == found
    assert exif.parse_item(b"\0\0\0\0" + block) == found
    assert exif.parse_item(b"\0\0\0\6Exif\0\0" + block) == found


def test_values_that_say_nothing():
    assert exif.parse(LITTLE.replace(b"\6\0\0\0", b"\x09\0\0\0")) == Exif(1, 26.0)
    assert exif.parse(LITTLE.replace(b"\x1a\0\0\0", b"\0\0\0\0")) == Exif(6, None)
    assert exif.parse(hexed("4949 2a00 08000000 0000")) == Exif(1, None)


@pytest.mark.parametrize("block", [b"", b"II*\0", b"XX*\0\x08\0\0\0", LITTLE[:20], LITTLE[:40],
                                   b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged(block):
    with pytest.raises(MalformedError):
        exif.parse(block)


def test_item_that_points_nowhere():
    for item in (b"", b"\0\0", b"\xff\xff\xff\xff" + LITTLE):
        with pytest.raises(MalformedError):
            exif.parse_item(item)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(data):
    for block in (data, b"II*\0\x08\0\0\0" + data, b"MM\0*\0\0\0\x08" + data):
        with contextlib.suppress(MalformedError):
            exif.parse(block)


RENDERED = hexed("""
    4d4d 002a 00000008                  # MM, 42, IFD 0 at 8
    0001                                # 1 entry
    8769 0004 00000001 0000001a         # ExifIFD, LONG, 1: at 26
    00000000                            # no IFD 1
    0001                                # 1 entry
    a401 0003 00000001 00090000         # CustomRendered, SHORT, 1: 9
    00000000
""")


def test_custom_rendered_alone():
    assert exif.with_custom_rendered(b"", 9) == RENDERED
    assert exif.parse(RENDERED).custom_rendered == 9


@pytest.mark.parametrize("block", [LITTLE, BIG, RENDERED])
def test_custom_rendered_is_set_and_nothing_moves(block):
    """A tag that is there is changed where it is; one that is missing goes into a copy of its directory at the end."""
    before, out = exif.parse(block), exif.with_custom_rendered(block, 8)
    after = exif.parse(out)
    assert (after.orientation, after.focal35, after.custom_rendered) == (before.orientation, before.focal35, 8)
    changed = [i for i in range(len(block)) if block[i] != out[i]]
    if before.custom_rendered is None:
        assert len(out) > len(block) and 0 < len(changed) <= 4      # the offset of the Exif directory
    else:
        assert len(out) == len(block) and len(changed) == 1
    assert exif.with_custom_rendered(out, 8) == out


def test_custom_rendered_where_there_is_no_exif_directory():
    block = hexed("""
        4949 2a00 08000000
        0100
        1201 0300 01000000 06000000         # Orientation 6
        00000000
    """)
    out = exif.with_custom_rendered(block, 9)
    assert exif.parse(out) == Exif(6, None, 9)
    assert out[8:len(block)] == block[8:]


@pytest.mark.parametrize("block", [LITTLE, BIG])
def test_orientation_is_set_in_place(block):
    new = exif.with_orientation(block, 3)
    assert exif.parse(new) == Exif(3, exif.parse(block).focal35)
    assert len(new) == len(block) and sum(a != b for a, b in zip(new, block, strict=True)) == 1


def test_orientation_that_is_missing_goes_into_a_copy_of_the_directory():
    block = hexed("""
        4949 2a00 08000000              # II, 42, IFD 0 at 8
        0200                            # 2 entries
        0f01 0200 06000000 26000000     # Make, ASCII, 6: at 38
        6987 0400 01000000 2c000000     # ExifIFD, LONG, 1: at 44
        00000000                        # no IFD 1
        41636d65 7300                   # "Acmes"
        0100                            # 1 entry
        05a4 0300 01000000 1a000000     # FocalLengthIn35mmFilm: 26
        00000000
    """)
    new = exif.with_orientation(block, 6)
    assert exif.parse(new) == Exif(6, 26.0)
    assert new[8 : len(block)] == block[8:]         # nothing that is there moves
    assert new[len(block) :] == hexed("""
        0300                            # 3 entries, by tag
        0f01 0200 06000000 26000000     # Make, where it was
        1201 0300 01000000 06000000     # Orientation: 6
        6987 0400 01000000 2c000000     # ExifIFD, where it was
        00000000
    """)


def test_orientation_of_no_exif_at_all():
    assert exif.with_orientation(b"", 8) == hexed("""
        4d4d 002a 00000008              # MM, 42, IFD 0 at 8
        0001                            # 1 entry
        0112 0003 00000001 00080000     # Orientation, SHORT, 1: 8
        00000000                        # no IFD 1
    """)
    for block in (b"XX*\0\x08\0\0\0", LITTLE[:20]):
        with pytest.raises(GpudepthError):
            exif.with_orientation(block, 6)
