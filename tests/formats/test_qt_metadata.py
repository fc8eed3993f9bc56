"""moov/meta: hex bytes with a comment per field, read, added to, and written."""

from __future__ import annotations

import pytest
from movie_kit import hexed, u32

from gpudepth.errors import GpudepthError, MalformedError, UnsupportedError
from gpudepth.formats.isobmff.box import make
from gpudepth.formats.quicktime.metadata import TEXT, UINT64, Metadata, Value, uint, uint64

META = """
    00000076 6d657461                                       # 'meta', a plain box
    00000021 68646c72 00000000 00000000 6d647461 00000000 00000000 00000000 00  # 'hdlr': 'mdta', no name
    00000025 6b657973 00000000 00000002                     # 'keys': 2
    0000000a 6d647461 6162                                  # 'mdta' "ab"
    0000000b 6d647461 632e64                                # 'mdta' "c.d"
    00000028 696c7374                                       # 'ilst'
    00000020 00000002                                       # of key 2
    00000018 64617461 0000004e 00000000 0000000000000007    # 'data': type 78, no locale, 7
"""


def test_bytes() -> None:
    whole = hexed(META)
    found = Metadata.parse(whole[8:])
    assert found.values == {"c.d": Value(UINT64, (7).to_bytes(8, "big"))}
    assert found.keys == ((b"mdta", b"ab"), (b"mdta", b"c.d"))
    assert found.serialise() == whole
    assert uint(found.values["c.d"], 8) == 7
    assert uint(found.values["c.d"], 4) is None
    assert uint(None, 8) is None


def test_a_full_box_stays_one() -> None:
    whole = make("meta", bytes(4) + hexed(META)[8:])
    assert Metadata.parse(whole[8:]).serialise() == whole


def test_adding() -> None:
    """A key that is there is used, its old value goes; a new one is put behind."""
    found = Metadata.parse(hexed(META)[8:]).adding({"c.d": uint64(9), "e": Value(TEXT, b"x")})
    again = Metadata.parse(found.serialise()[8:])
    assert again.values == {"c.d": uint64(9), "e": Value(TEXT, b"x")}
    assert again.keys == ((b"mdta", b"ab"), (b"mdta", b"c.d"), (b"mdta", b"e"))
    assert len(again.items) == 2
    from_nothing = Metadata.parse(Metadata({}).adding({"c.d": uint64(7)}).serialise()[8:])
    assert from_nothing.values == {"c.d": uint64(7)}


def test_a_value_that_refers_to_another_namespace_is_not_ours() -> None:
    found = Metadata.parse(hexed(META.replace("0000000b 6d647461", "0000000b 75647461"))[8:])
    assert found.values == {}
    assert found.adding({"c.d": uint64(1)}).values == {"c.d": uint64(1)}
    assert len(found.adding({"c.d": uint64(1)}).keys) == 3


def test_boxes_that_lie() -> None:
    whole = hexed(META)[8:]
    for stop in range(len(whole)):
        try:
            Metadata.parse(whole[:stop])
        except GpudepthError:
            continue
    keys = whole[33:70]
    with pytest.raises(MalformedError, match="a value has key 2, but there are 0"):
        Metadata.parse(whole.replace(keys, make("keys", bytes(8))))
    with pytest.raises(UnsupportedError, match="handler is b'mdir',"):
        Metadata.parse(whole.replace(b"hdlr" + bytes(8) + b"mdta", b"hdlr" + bytes(8) + b"mdir"))
    with pytest.raises(MalformedError, match="entries of at least 8 bytes do not fit"):
        Metadata.parse(whole.replace(b"keys" + bytes(4) + u32(2), b"keys" + bytes(4) + u32(1 << 30)))
    with pytest.raises(GpudepthError):
        Metadata.parse(whole.replace(u32(10) + b"mdta", u32(3) + b"mdta"))
