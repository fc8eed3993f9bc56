"""Boxes of the meta box: hex with a comment per field ↔ object ↔ the same bytes."""

from __future__ import annotations

import pytest

from gpudepth.errors import LimitError, MalformedError, TruncatedError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.isobmff.box import Cursor, make, make_full, walk
from gpudepth.formats.isobmff.items import (
    EntityGroup,
    ItemInfo,
    Reference,
    children,
    parse_grpl,
    parse_iinf,
    parse_iref,
    parse_pitm,
    serialise_iinf,
    serialise_iref,
)
from gpudepth.formats.isobmff.locations import FILE, IDAT, Extent, Location, Locations
from gpudepth.formats.isobmff.meta import Meta
from gpudepth.formats.isobmff.properties import Properties
from gpudepth.limits import Limits


def hexed(text):
    """Bytes of hex lines; what follows a # is a comment."""
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


# -- box --------------------------------------------------------------------------------------------------------------

def test_walk_all_three_kinds_of_size():
    data = hexed("""
        0000000a 66726565 abcd                      # size 10, 'free', payload
        00000001 6d646174 0000000000000012 beef     # 64-bit size 18, 'mdat'
        00000000 75756964 0102                      # to the end, 'uuid'
    """)
    with ByteSource(data) as source:
        found = list(walk(source, 0, len(data)))
    assert [(b.type, b.start, b.header, b.end, b.open_ended) for b in found] == [
        ("free", 0, 8, 10, False), ("mdat", 10, 16, 28, False), ("uuid", 28, 8, 38, True)]
    assert [data[b.payload : b.end].hex() for b in found] == ["abcd", "beef", "0102"]
    assert [b.size for b in found] == [10, 18, 10]


def test_paths_count_boxes_of_the_same_type():
    data = make("auxC", b"") * 2 + make("irot", b"\0") + make("auxC", b"")
    assert [p for *_, p in children(data, 0, "meta/iprp/ipco")] == [
        "meta/iprp/ipco/auxC", "meta/iprp/ipco/auxC[1]", "meta/iprp/ipco/irot", "meta/iprp/ipco/auxC[2]"]


@pytest.mark.parametrize(("text", "error", "words"), [
    ("00000007 66726565", MalformedError, "smaller than the header"),
    ("00000001 66726565 000000000000000f", MalformedError, "smaller than the header"),
    ("00000009 66726565", TruncatedError, "at 0 exceeds the file,"),
    ("00000001 66726565 0000", TruncatedError, "cut off"),
    ("00000008 66726565 0000", MalformedError, "2 stray bytes"),
])
def test_sizes_that_lie(text, error, words):
    data = hexed(text)
    with ByteSource(data) as source, pytest.raises(error, match=words):
        list(walk(source, 0, len(data)))


def test_box_past_its_parent_is_malformed():
    with pytest.raises(MalformedError, match="the box of 16 bytes") as caught:
        children(hexed("00000010 66726565"), 0, "meta")
    assert caught.value.where == "meta/free"


def test_make():
    assert make("free", b"ab") == hexed("0000000a 66726565 6162")
    assert make_full("pitm", 1, 2, b"\0\7") == hexed("0000000e 7069746d 01 000002 0007")


def test_open_ended_child_is_given_its_size():
    assert children(hexed("00000000 69726f74 03"), 0, "ipco")[0][1] == hexed("00000009 69726f74 03")


def test_cursor():
    c = Cursor(b"\1\0\0\2ab\0rest", "here")
    assert c.full() == (1, 2)
    assert c.cstring() == b"ab"
    assert c.uint(0) == 0
    assert c.rest() == b"rest"
    c.done()
    for call in (lambda: c.uint(1), lambda: c.take(-1), c.cstring):
        with pytest.raises(TruncatedError, match="here"):
            call()
    with pytest.raises(MalformedError, match="1 bytes too many"):
        Cursor(b"x", "here").done()


# -- items ------------------------------------------------------------------------------------------------------------

INFE = """
    00000015 696e6665   # size, 'infe'
    02 000001           # version 2, flags: hidden
    0036                # item_ID
    0000                # item_protection_index
    68766331            # item_type 'hvc1'
    00                  # item_name
"""
INFE_WIDE = """
    0000002b 696e6665   # size, 'infe'
    03 000001           # version 3, flags: hidden
    00011170            # item_ID 70000
    0000                # item_protection_index
    6d696d65            # item_type 'mime'
    00                  # item_name
    6170706c69636174696f6e2f7264662b786d6c 00    # content_type, and no content_encoding
"""


@pytest.mark.parametrize(("text", "item"), [
    (INFE, ItemInfo(54, "hvc1", True)),
    (INFE_WIDE, ItemInfo(70000, "mime", True, content_type=b"application/rdf+xml")),
])
def test_infe(text, item):
    raw = hexed(text)
    parsed = ItemInfo.parse(raw, raw[8:], "infe")
    assert (parsed.id, parsed.type, parsed.hidden, parsed.content_type) == (
        item.id, item.type, item.hidden, item.content_type)
    assert item.serialise() == parsed.serialise() == raw


def test_infe_of_unknown_make_is_kept():
    raw = hexed("00000020 696e6665 02000000 0002 0000 75726920 6e616d6500 7572693a78 00 6d6f72")
    assert ItemInfo.parse(raw, raw[8:], "infe").serialise() == raw
    old = hexed("00000010 696e6665 00000000 0005 0000")
    assert ItemInfo.parse(old, old[8:], "infe").id == 5
    with pytest.raises(MalformedError, match="version 4"):
        ItemInfo.parse(b"", b"\4" + bytes(20), "infe")


def test_iinf():
    box = make_full("iinf", 0, 0, hexed("0001") + hexed(INFE))
    items = parse_iinf(box[8:], "iinf")
    assert list(items) == [54]
    assert serialise_iinf(items) == box


IREF = """
    0000002a 69726566 00 000000     # size, 'iref', version 0
    0000000e 6175786c               # size, 'auxl'
    0036 0001 0031                  # from 54, 1 target: 49
    00000010 64696d67               # size, 'dimg'
    0031 0002 0001 0002             # from 49, 2 targets
"""
IREF_WIDE = """
    0000001e 69726566 01 000000     # size, 'iref', version 1
    00000012 63647363               # size, 'cdsc'
    00011170 0001 00000031          # from 70000, 1 target: 49
"""


@pytest.mark.parametrize(("text", "references"), [
    (IREF, [Reference("auxl", 54, (49,)), Reference("dimg", 49, (1, 2))]),
    (IREF_WIDE, [Reference("cdsc", 70000, (49,))]),
])
def test_iref(text, references):
    raw = hexed(text)
    assert parse_iref(raw[8:], "iref") == references
    assert serialise_iref(references) == raw


@pytest.mark.parametrize(("text", "item"), [("00000000 0031", 49), ("01000000 00011170", 70000)])
def test_pitm(text, item):
    assert parse_pitm(hexed(text), "pitm") == item


def test_grpl():
    payload = hexed("""
        0000001c 616c7472 00000000  # size, 'altr', version and flags
        00000079                    # group_id 121
        00000002 0000002e 0000007a  # 2 entities: 46, 122
    """)
    assert parse_grpl(payload, "grpl") == [EntityGroup("altr", 121, (46, 122))]


# -- properties -------------------------------------------------------------------------------------------------------

IPRP = """
    00000049 69707270               # size, 'iprp'
    00000025 6970636f               # size, 'ipco'
    00000014 69737065 00000000      # size, 'ispe', version and flags
    00000300 00000240               # 768 × 576
    00000009 69726f74 03            # size, 'irot', three quarter turns
    0000001c 69706d61 00 000000     # size, 'ipma', version 0, flags 0
    00000002                        # entries
    0031 02 01 82                   # item 49: ispe, irot essential
    0036 04 01 82 81 02             # item 54: the same, and both again the other way round
"""


def test_iprp():
    raw = hexed(IPRP)
    properties = Properties.parse(raw[8:], "meta/iprp")
    assert [(p.kind, p.path) for p in properties.boxes] == [
        ("ispe", "meta/iprp/ipco/ispe"), ("irot", "meta/iprp/ipco/irot")]
    assert properties.associations == {49: [(1, False), (2, True)], 54: [(1, False), (2, True), (1, True), (2, False)]}
    assert [p.kind for p in properties.of(49)] == ["ispe", "irot"]
    assert properties.first(49, "irot").payload == b"\3"
    assert properties.first(49, "clap") is None
    assert properties.of(7) == []
    assert properties.serialise() == raw


def test_ipma_grows_wide_for_indices_and_ids():
    properties = Properties()
    for n in range(130):
        properties.associate(1 if n < 100 else 70000, make("free", bytes([n])), essential=n == 129)
    raw = properties.serialise()
    at = raw.index(b"ipma")
    assert raw[at + 4 : at + 8] == hexed("01 000001")
    assert raw[at + 12 : at + 19] == hexed("00000001 64 0001")
    assert raw.endswith(hexed("8082"))
    assert Properties.parse(raw[8:], "iprp").associations == properties.associations


def test_several_ipma_become_one():
    two = make("ipco", make("irot", b"\0")) + make_full("ipma", 0, 0, hexed("00000001 0002 01 81")) + make_full(
        "ipma", 1, 0, hexed("00000001 00000001 01 01"))
    properties = Properties.parse(two, "iprp")
    assert properties.associations == {2: [(1, True)], 1: [(1, False)]}
    assert properties.serialise().endswith(hexed("00000000 00000002 0001 01 01 0002 01 81"))


def test_identical_properties_are_stored_once_and_dropped_with_their_last_user():
    properties = Properties()
    properties.associate(1, make("irot", b"\1"))
    properties.associate(1, make("ispe", b"1"))
    properties.associate(2, make("irot", b"\1"))
    properties.associate(2, make("pixi", b"2"))
    assert [p.kind for p in properties.boxes] == ["irot", "ispe", "pixi"]
    assert properties.associations[2] == [(1, True), (3, False)]
    properties.drop({1})
    assert [p.kind for p in properties.boxes] == ["irot", "pixi"]
    assert properties.associations == {2: [(1, True), (2, False)]}


def test_64_bit_property_header():
    raw = hexed("00000001 69726f74 0000000000000011 02")
    properties = Properties.parse(make("ipco", raw), "iprp")
    assert properties.boxes[0].payload == b"\2"


# -- locations --------------------------------------------------------------------------------------------------------

ILOC = {
    "version 0": ("""
        00000026 696c6f63 00 000000     # size, 'iloc', version 0
        44 00                           # offset 4, length 4, base 0 bytes
        0001                            # items
        0036 0000                       # item 54, in this file
        0002                            # extents
        00001000 00000010               # offset, length
        00002000 00000020
    """, Locations(0, 4, 4, 0, 0, {
        54: Location(FILE, (Extent(0x1000, 0x10), Extent(0x2000, 0x20)))})),
    "version 1, idat": ("""
        00000020 696c6f63 01 000000     # size, 'iloc', version 1
        44 00                           # offset 4, length 4, base 0, index 0 bytes
        0001                            # items
        0031 0001 0000                  # item 49, construction_method 1 (idat), in this file
        0001                            # extents
        00000000 00000008               # offset, length
    """, Locations(1, 4, 4, 0, 0, {49: Location(IDAT, (Extent(0, 8),))})),
    "version 2, all fields": ("""
        00000034 696c6f63 02 000000     # size, 'iloc', version 2
        48 84                           # offset 4, length 8, base 8, index 4 bytes
        00000001                        # items
        00011170 0000 0000              # item 70000
        0000000000001000                # base_offset
        0001                            # extents
        00000007 00000000 0000000000000010   # index, offset, length
    """, Locations(2, 4, 8, 4, 8, {70000: Location(FILE, (Extent(0x1000, 0x10, 7),), based=True)})),
    "libheif": ("""
        00000022 696c6f63 00 000000     # size, 'iloc', version 0
        44 40                           # offset 4, length 4, base 4 bytes
        0001                            # items
        0001 0000 0000017a              # item 1, in this file, base_offset
        0001                            # extents
        00000000 000020e7               # offset from there, length
    """, Locations(0, 4, 4, 0, 4, {1: Location(FILE, (Extent(0x17A, 0x20E7),), based=True)})),
}


@pytest.mark.parametrize("name", ILOC)
def test_iloc(name):
    text, locations = ILOC[name]
    raw = hexed(text)
    assert len(raw) == int.from_bytes(raw[:4], "big")
    assert Locations.parse(raw[8:], "meta/iloc") == locations
    assert locations.serialise() == raw


def test_iloc_without_offset_fields_gets_some():
    parsed = Locations.parse(hexed("00000000 04 40 0001 0001 0000 0000017a 0001 000020e7"), "iloc")
    assert parsed == Locations(0, 4, 4, 0, 4, {1: Location(FILE, (Extent(0x17A, 0x20E7),), based=True)})


@pytest.mark.parametrize(("largest", "method", "item", "expected"), [
    (1 << 20, FILE, 7, (0, 4, 4, 4)),
    ((1 << 32) - 1, FILE, 7, (0, 4, 4, 4)),
    (1 << 32, FILE, 7, (0, 8, 4, 8)),
    (1 << 20, IDAT, 7, (1, 4, 4, 4)),
    (1 << 20, FILE, 70000, (2, 4, 4, 4)),
])
def test_iloc_grows_to_what_it_must_hold(largest, method, item, expected):
    table = Locations(0, 4, 4, 0, 4, {item: Location(method, (Extent(0, 9),))}).shape(largest)
    assert (table.version, table.offset_size, table.length_size, table.base_size) == expected


def test_iloc_never_shrinks_and_grows_lengths():
    table = Locations(2, 8, 4, 4, 8, {1: Location(FILE, (Extent(0, 1 << 32),))}).shape(100)
    assert (table.version, table.offset_size, table.length_size, table.index_size, table.base_size) == (2, 8, 8, 4, 8)
    far = Locations(1, 4, 4, 0, 0, {1: Location(FILE, (Extent(1 << 32, 1),), data_reference=1)})
    assert Locations.parse(far.shape(100).serialise()[8:], "iloc").items == far.items


def test_extents_are_limited():
    raw = Locations(0, items={1: Location(FILE, (Extent(0, 1),) * 5)}).serialise()
    with pytest.raises(LimitError, match="5 extents"):
        Locations.parse(raw[8:], "iloc", Limits(max_extents=4))
    assert Locations.parse(raw[8:], "iloc", Limits(max_extents=0)).items[1].extents[4] == Extent(0, 1)


# -- meta -------------------------------------------------------------------------------------------------------------

def meta_payload(*more):
    return bytes(4) + make_full("hdlr", 0, 0, bytes(4) + b"pict" + bytes(13)) + make_full("pitm", 0, 0, b"\0\1") + (
        make_full("iinf", 0, 0, hexed("0001") + hexed(INFE).replace(b"\x00\x36", b"\0\1"))) + b"".join(more) + (
        Locations(1).serialise())


def test_meta_keeps_children_it_does_not_know_in_their_order():
    payload = meta_payload(make("dinf", b"whatever"), make("iprp", make("ipco", b"") + make_full("ipma", 0, 0, bytes(4))),
                           make("xyz ", b"1"), make("xyz ", b"2"))
    assert Meta.parse(payload).serialise() == make("meta", payload)


def test_meta_adds_iref_and_iprp_where_apple_has_them():
    meta = Meta.parse(meta_payload())
    meta.references.append(Reference("cdsc", 1, (1,)))
    meta.properties.associate(1, make("irot", b"\0"))
    again = Meta.parse(meta.serialise()[8:])
    assert [kind for kind, _ in again.order] == ["hdlr", "pitm", "iinf", "iref", "iprp", "iloc"]
    assert again.references == meta.references


def test_meta_drop():
    meta = Meta.parse(meta_payload())
    meta.references = [Reference("cdsc", 2, (1,)), Reference("auxl", 3, (1, 2)), Reference("dimg", 1, (2,))]
    meta.drop({2})
    assert meta.references == [Reference("auxl", 3, (1,))]
    assert meta.targets("auxl", 3) == [1]
    assert meta.to("auxl", 1) == [3]


def test_next_id():
    meta = Meta.parse(meta_payload())
    assert meta.next_id() == 2
    meta.groups.append(EntityGroup("altr", 41))
    assert meta.next_id() == 42
    meta.groups.append(EntityGroup("altr", 0xFFFFFFFF))
    assert meta.next_id() == 2
