"""Byte layouts that real files have, built by hand: an attach must follow every offset and leave the rest alone."""

from __future__ import annotations

import numpy as np
import pytest
from heif_kit import (
    DEPTH_URN,
    GAIN_MAP_URN,
    HEIF,
    MATTE_URN,
    Item,
    Layout,
    attach,
    aux_c,
    box,
    coded_map,
    coded_picture,
    depth_item,
    ffmpeg_gray,
    full,
    heic,
    irot,
    ispe,
    item_bytes,
    kept_items,
    libheif,
    main_item,
    parse,
    read,
    remove,
    replace_at,
    u16,
    u32,
)

from gpudepth.errors import NoDepthError, TruncatedError, UnsupportedError
from gpudepth.formats.bytesource import ByteSource

XMP_TYPE = b"application/rdf+xml"


def second(**fields):
    return Item(2, "Exif", b"\0\0\0\x06Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", hidden=True, **fields)


LAYOUTS = {
    "iloc 0": Layout([main_item(), second()], iloc_version=0),
    "iloc 1": Layout([main_item(), second()], iloc_version=1),
    "iloc 2": Layout([main_item(), second()], iloc_version=2),
    "iloc 1 with index": Layout([main_item(), second()], index_size=4),
    "base_offset 4, offset 4": Layout([main_item(), second()], base_size=4),
    "base_offset 8, offset 4": Layout([main_item(), second()], base_size=8),
    "base_offset 4 only": Layout([main_item(), second()], offset_size=0, base_size=4),
    "base_offset 8 only": Layout([main_item(), second()], offset_size=0, base_size=8),
    "8-byte offsets and lengths": Layout([main_item(), second()], offset_size=8, length_size=8),
    "several extents": Layout([main_item(pieces=5), second(pieces=3)]),
    "several extents and a base": Layout([main_item(pieces=5), second(pieces=3)], base_size=4, iloc_version=0),
    "item in idat": Layout([main_item(), second(method=1)], idat_prefix=b"before"),
    "mdat before meta": Layout([main_item(), second()], order=("ftyp", "mdat", "meta")),
    "several mdats": Layout([main_item(mdat=1), second(mdat=2)], order=("ftyp", "mdat", "meta", "mdat", "mdat")),
    "64-bit mdat": Layout([main_item(), second()], mdat_wide=True),
    "mdat to the end": Layout([main_item(), second()], mdat_to_end=True),
    "64-bit mdat before meta": Layout([main_item(), second()], order=("ftyp", "mdat", "meta"), mdat_wide=True),
    "free behind meta": Layout([main_item(), second()], order=("ftyp", "meta", "free", "mdat"),
                               extra={"free": box("free", bytes(5000))}),
    "free elsewhere": Layout([main_item(), second()], order=("ftyp", "free", "meta", "mdat", "free"),
                             extra={"free": box("free", b"kept as it is")}),
    "no iref": Layout([main_item()]),
    "references": Layout([main_item(), second()], references=[("cdsc", 2, [1])]),
    "wide ids": Layout([main_item(70000), second()], primary=70000, iloc_version=2),
    "more than 127 properties": Layout([main_item(), second()], filler_properties=130),
}
# several extents, an index and a primary id above 65535 are beyond FFmpeg 8, with or without our edit
FFMPEG_OPENS_NONE_OF = {"several extents", "several extents and a base", "iloc 1 with index", "wide ids"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name):
    before, coded = LAYOUTS[name].build(), coded_map(40, 32)
    after = attach(before, coded)
    assert len(kept_items(before, after)) == 2
    assert np.array_equal(read(after).map, read(attach(heic(), coded)).map)
    if name != "more than 127 properties":  # libheif opens no such file
        assert np.array_equal(libheif(before).pixels, libheif(after).pixels)
        assert np.array_equal(libheif(after).depth, coded.codes)
    if name not in FFMPEG_OPENS_NONE_OF:
        assert any(np.array_equal(g, coded.codes) for g in ffmpeg_gray(after))
    stripped = remove(after)
    assert item_bytes(stripped) == item_bytes(before)
    # a table whose offset_size is 0 grows, and a size field of 0 is made explicit: those cannot come back the same
    if name not in ("base_offset 4 only", "base_offset 8 only", "mdat to the end"):
        assert stripped == before


def test_length_zero_goes_on_to_the_old_end_of_the_file():
    before = Layout([main_item(length_zero=True)]).build()
    assert parse(before).data(1) == coded_picture()[1]
    after = attach(before)
    assert item_bytes(after)[1] == coded_picture()[1]
    plain = Layout([main_item()]).build()  # libheif 1.23 takes length 0 at its word: explicit is better for it too
    assert np.array_equal(libheif(plain).pixels, libheif(after).pixels)
    assert item_bytes(remove(after)) == item_bytes(before)


def boxes(data):
    """[(type, payload)…] of a file, found without our parser."""
    out, at = [], 0
    while at < len(data):
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or len(data) - at
        out.append((data[at + 4 : at + 8].decode(), data[at + header : at + size]))
        at += size
    return out


def growth():
    """How many bytes the meta box gains by our standard map."""
    before = Layout([main_item()]).build()
    after = attach(before)
    return len(boxes(after)[1][1]) - len(boxes(before)[1][1])


def with_free(size):
    return Layout([main_item()], order=("ftyp", "meta", "free", "mdat"),
                  extra={"free": box("free", bytes(size - 8))})


@pytest.mark.parametrize(("spare", "kinds"), [
    (0, ["ftyp", "meta", "mdat", "mdat"]),
    (8, ["ftyp", "meta", "free", "mdat", "mdat"]),
    (100, ["ftyp", "meta", "free", "mdat", "mdat"]),
])
def test_free_behind_meta_takes_up_the_growth(spare, kinds):
    before = with_free(growth() + spare).build()
    after = attach(before)
    assert [k for k, _ in boxes(after)] == kinds
    start = before.index(b"mdat")
    assert after[start : len(before)] == before[start:]  # nothing behind it moved
    if spare:
        assert len(boxes(after)[2][1]) == spare - 8


@pytest.mark.parametrize("short", [1, 7, 50, -1, -7])
def test_free_that_does_not_fit_is_left_alone(short):
    before = with_free(growth() - short).build()
    after = attach(before)
    assert boxes(before)[2] == boxes(after)[2]
    assert np.array_equal(libheif(before).pixels, libheif(after).pixels)
    assert item_bytes(remove(after)) == item_bytes(before)


def test_vendor_trailer_keeps_its_bytes_and_its_distance_from_the_end():
    """Samsung's sefd and motion photo boxes are found from the end of the file."""
    trailer = box("mpvd", b"a motion photo" * 9) + box("sefd", b"SEFH...SEFT")
    before = Layout([main_item()], order=("ftyp", "meta", "mdat", "trailer"), extra={"trailer": trailer}).build()
    after = attach(before)
    assert after.endswith(trailer)
    assert [k for k, _ in boxes(after)] == ["ftyp", "meta", "mdat", "mdat", "mpvd", "sefd"]
    assert np.array_equal(libheif(after).depth, coded_map().codes)
    assert remove(after) == before


def test_item_inside_a_vendor_box_follows_it():
    layout = Layout([main_item()], order=("ftyp", "meta", "uuid"))
    body = bytes(16) + coded_picture()[1]
    layout.extra["uuid"] = box("uuid", body)
    first = layout._lay(None)[0]
    at = first.index(coded_picture()[1])
    before = layout._lay({1: [(at, len(coded_picture()[1]))]})[0]
    after = attach(before)
    assert item_bytes(after)[1] == coded_picture()[1]
    assert remove(after) == before


@pytest.mark.parametrize("kind", ["free", "skip"])
def test_open_ended_free_box_does_not_swallow_the_new_data(kind):
    before = Layout([main_item()], order=("ftyp", "meta", "mdat", "last"),
                    extra={"last": box(kind, b"padding", to_end=True)}).build()
    after = attach(before)
    assert [k for k, _ in boxes(after)] == ["ftyp", "meta", "mdat", kind, "mdat"]
    assert np.array_equal(libheif(after).depth, coded_map().codes)


def test_open_ended_property_gets_a_size_before_another_follows():
    data = Layout([main_item()]).build()
    at = data.index(b"ispe") - 4
    after = attach(replace_at(data, at, u32(0)))
    assert parse(after).meta.properties.boxes[1].raw == ispe(64, 64)
    assert np.array_equal(libheif(after).depth, coded_map().codes)


# -- ids, versions, groups --------------------------------------------------------------------------------------------

def test_wide_ids_raise_every_version():
    before = Layout([main_item(0xFFFF)], primary=0xFFFF, references=[]).build()
    after = attach(before)
    file = parse(after)
    assert set(file.meta.items) == {0xFFFF, 0x10000, 0x10001}
    assert file.meta.locations.version == 2
    # infe 3, iref 1, ipma 1, iloc 2
    for kind, version in ((b"iref", 1), (b"ipma", 1), (b"iloc", 2)):
        assert after[after.index(kind) + 4] == version
    assert [i.raw[8] for i in file.meta.items.values()] == [2, 3, 3]
    assert np.array_equal(libheif(after).depth, coded_map().codes)
    assert item_bytes(remove(after)) == item_bytes(before)


def test_the_largest_id_leaves_room_below():
    before = Layout([main_item(0xFFFFFFFF)], primary=0xFFFFFFFF, iloc_version=2).build()
    assert set(parse(attach(before)).meta.items) == {0xFFFFFFFF, 1, 2}


def test_group_ids_are_taken_too():
    layout = Layout([main_item(), second()], groups=[("altr", 3, [1, 2]), ("ster", 7, [1])])
    after = attach(layout.build())
    assert set(parse(after).meta.items) == {1, 2, 8, 9}
    assert [(g.kind, g.id, g.entities) for g in parse(after).meta.groups] == [("altr", 3, (1, 2)), ("ster", 7, (1,))]


def test_property_indices_above_127_make_all_of_them_wide():
    after = attach(Layout([main_item()], filler_properties=124).build())
    file = parse(after)
    assert len(file.meta.properties.boxes) > 127
    assert after[after.index(b"ipma") + 7] == 1
    assert [p.kind for p in file.meta.properties.of(1)] == ["hvcC", "ispe"]


def test_property_boxes_above_100_are_warned_of():
    few = HEIF.attach(ByteSource(Layout([main_item()], filler_properties=90).build()), coded_map())
    many = HEIF.attach(ByteSource(Layout([main_item()], filler_properties=99).build()), coded_map())
    assert not few.warnings
    assert "libheif" in many.warnings[0]


# -- what an edit cannot follow ---------------------------------------------------------------------------------------

def test_data_inside_meta_is_refused():
    layout = Layout([main_item(), second(method=1)])
    data = layout.build()
    at = data.index(b"idat") + 4
    # the same item by construction method 0: an offset into the file that points into meta
    places = layout._lay(None)[1] | {2: [(at, 22)]}
    layout.items[1].method = 0
    layout.items[1].share = 2
    meta = layout._meta(places)
    assert b"idat" not in meta
    before = data.replace(data[data.index(b"meta") - 4 : data.index(b"mdat") - 4], meta + box("free", bytes(200)))
    before = replace_at(before, before.index(u32(at)), u32(before.index(b"pict")))
    with pytest.raises(UnsupportedError, match="inside the meta box") as caught:
        attach(before)
    assert "meta/iloc: item 2" in caught.value.where


def test_data_of_another_file_is_left_alone():
    before = Layout([main_item(), second(data_reference=1)]).build()
    after = attach(before)
    assert parse(after).meta.locations.items[2] == parse(before).meta.locations.items[2]
    with pytest.raises(UnsupportedError, match="another file"):
        parse(after).data(2)
    assert remove(after) == before


def test_image_sequence_is_refused():
    data = Layout([main_item()], order=("ftyp", "meta", "moov", "mdat"), extra={"moov": box("moov", bytes(40))}).build()
    with pytest.raises(UnsupportedError, match="image sequence or a video") as caught:
        attach(data)
    assert caught.value.where == "bytes: moov"
    assert caught.value.hint


def test_mini_file_is_refused():
    data = box("ftyp", b"mif3", u32(0), b"mif3avif") + box("mini", bytes(40))
    with pytest.raises(UnsupportedError, match="'mini' file"):
        attach(data)


def test_primary_that_is_a_thumbnail_is_refused():
    layout = Layout([main_item(1), main_item(2)], primary=2, references=[("thmb", 2, [1])])
    with pytest.raises(UnsupportedError, match="thumbnail"):
        attach(layout.build())


# -- other auxiliaries ------------------------------------------------------------------------------------------------

def matte(id, urn=MATTE_URN):
    return Item(id, data=coded_picture()[1], hidden=True, properties=[
        (coded_picture()[0], True), (ispe(64, 64), False), (aux_c(urn), True)])


def tone_mapped(urn, targets):
    tmap = Item(3, "tmap", b"\0" * 8, properties=[(ispe(64, 64), False)])
    return Layout([main_item(), matte(2, urn), tmap], references=[("auxl", 2, targets), ("dimg", 3, [1])]).build()


def auxl_targets(data):
    file = parse(data)
    (item,) = file.depth_items()
    return file.meta.targets("auxl", item)


@pytest.mark.parametrize(("urn", "targets", "expected"), [
    (MATTE_URN, [1, 3], [1, 3]),
    (MATTE_URN, [1], [1]),
    (GAIN_MAP_URN, [1, 3], [1]),
])
def test_tmap_is_a_second_target_only_where_the_file_does_so(urn, targets, expected):
    before = tone_mapped(urn, targets)
    after = attach(before)
    assert auxl_targets(after) == expected
    kept_items(before, after)
    assert remove(after) == before


def test_matte_that_calls_itself_depth_in_xmp_is_no_depth():
    """Portrait mattes say AuxiliaryImageType depth: the URN decides."""
    before = Layout([main_item(), matte(2)], references=[("auxl", 2, [1])]).build()
    assert HEIF.read(ByteSource(before)) is None
    with pytest.raises(NoDepthError):
        remove(before)


def two_depths(**fields):
    first, last = depth_item(2), depth_item(3, subtype=b"")
    xmp = Item(4, "mime", b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>', hidden=True, content_type=XMP_TYPE)
    return Layout([main_item(), first, last, xmp], references=[("auxl", 2, [1]), ("auxl", 3, [1]), ("cdsc", 4, [2, 3])],
                  **fields)


def test_several_depth_images_all_go():
    before = two_depths().build()
    assert parse(before).depth_items() == [2, 3]
    assert set(item_bytes(remove(before))) == {1}
    after = attach(before, replace=True)
    assert len(parse(after).depth_items()) == 1
    assert np.array_equal(libheif(after).depth, coded_map().codes)


def test_last_of_several_depth_images_counts():
    a, b = depth_item(2, subtype=b""), depth_item(3)
    data = Layout([main_item(), a, b], references=[("auxl", 2, [1]), ("auxl", 3, [1])]).build()
    assert read(data).range() == (0.5, 2.25)


def test_metadata_shared_with_the_primary_stays():
    xmp = Item(3, "mime", b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>', content_type=XMP_TYPE)
    data = Layout([main_item(), depth_item(2), xmp],
                  references=[("auxl", 2, [1]), ("cdsc", 3, [1, 2])]).build()
    assert set(item_bytes(remove(data))) == {1, 3}
    assert parse(remove(data)).meta.targets("cdsc", 3) == [1]


def test_bytes_shared_by_a_dropped_and_a_kept_item_stay():
    twin = Item(3, "mime", b"", content_type=b"text/plain", share=2)
    data = Layout([main_item(), depth_item(2), twin], references=[("auxl", 2, [1])]).build()
    shared = item_bytes(data)[2]
    stripped = remove(data)
    assert item_bytes(stripped)[3] == shared
    assert stripped.count(shared) == 1
    assert b"auxC" not in stripped


def test_depth_without_sei_takes_the_range_of_its_xmp():
    packet = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
              b'<rdf:Description rdf:about="" xmlns:a="http://ns.apple.com/pixeldatainfo/1.0/" a:FloatMinValue="1.5" '
              b'a:FloatMaxValue="6" a:NativeFormat="1717855600" a:IntMaxValue="255"/></rdf:RDF></x:xmpmeta>')
    xmp = Item(3, "mime", packet, content_type=XMP_TYPE)
    data = Layout([main_item(), depth_item(2, subtype=b""), xmp],
                  references=[("auxl", 2, [1]), ("cdsc", 3, [2])]).build()
    assert (str(read(data).pixel_format), read(data).range()) == ("fdep", (1.5, 6.0))


def test_miaf_depth_urn():
    item = depth_item(2)
    item.properties = [(raw.replace(DEPTH_URN.encode(), b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth"), e)
                       if b"auxC" in raw else (raw, e) for raw, e in item.properties]
    raw = item.properties[1][0]
    item.properties[1] = (u32(len(raw)) + raw[4:], True)
    data = Layout([main_item(), item], references=[("auxl", 2, [1])]).build()
    assert read(data).range() == (0.5, 2.25)
    assert np.array_equal(libheif(data).depth, libheif(attach(heic())).depth)


# -- grids ------------------------------------------------------------------------------------------------------------

def grid(width, height, columns, rows, first_tile=10, **fields):
    """A grid item in idat, and its hidden tiles of 64 × 64."""
    data = bytes([0, 0, rows - 1, columns - 1]) + u16(width) + u16(height)
    tiles = []
    for n in range(rows * columns):
        hvcc, coded = coded_picture(seed=n)
        tiles.append(Item(first_tile + n, data=coded, hidden=True, properties=[(hvcc, True), (ispe(64, 64), False)]))
    return Item(1, "grid", data, method=1, properties=[(ispe(width, height), False), (irot(3), True)], **fields), tiles


def test_grid_primary():
    primary, tiles = grid(120, 100, 2, 2)
    layout = Layout([*tiles, primary], references=[("dimg", 1, [t.id for t in tiles])])
    before, coded = layout.build(), coded_map(60, 50)
    after = attach(before, coded)
    assert len(kept_items(before, after)) == 2
    assert np.array_equal(libheif(before).pixels, libheif(after).pixels)
    assert libheif(before).pixels.shape == (120, 100, 3)
    assert np.array_equal(libheif(after).depth, np.rot90(coded.codes, 3))
    assert (read(after).orientation, HEIF.picture(ByteSource(after)).width) == (6, 100)
    assert remove(after) == before


def depth_grid(width=60, height=40, columns=2, rows=2, tiles=4):
    base = depth_item(2)
    parts = [Item(20 + n, data=base.data, hidden=True, properties=[base.properties[0], base.properties[2]])
             for n in range(tiles)]
    head = bytes([0, 0, rows - 1, columns - 1]) + u16(width) + u16(height)
    whole = Item(2, "grid", head, method=1, hidden=True,
                 properties=[(ispe(width, height), False), base.properties[1]])
    return Layout([main_item(), whole, *parts],
                  references=[("auxl", 2, [1]), ("dimg", 2, [t.id for t in parts])])


def test_depth_as_a_grid():
    data = depth_grid().build()
    codes = coded_map().codes
    expected = np.tile(codes, (2, 2))[:40, :60]
    assert np.array_equal(libheif(data).depth, expected)
    assert np.allclose(read(data).map, 0.5 + expected / 255 * 1.75, atol=0.001)
    stripped = remove(data)
    assert set(item_bytes(stripped)) == {1}
    assert len(stripped) < len(Layout([main_item()]).build()) + 20


# -- provenance -------------------------------------------------------------------------------------------------------

def test_c2pa_is_warned_of():
    manifest = box("uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"), bytes(40))
    data = Layout([main_item()], order=("ftyp", "c2pa", "meta", "mdat"), extra={"c2pa": manifest}).build()
    edit = HEIF.attach(ByteSource(data), coded_map())
    assert "C2PA" in edit.warnings[0]
    assert manifest in edit.splice.to_bytes()
    assert not HEIF.attach(ByteSource(Layout([main_item()]).build()), coded_map()).warnings


def test_data_outside_the_file_is_said_at_once():
    data = Layout([main_item()]).build()
    with pytest.raises(TruncatedError, match="outside the file") as caught:
        attach(replace_at(data, data.index(b"iloc") + 20, u32(len(data) + 1)))
    assert "meta/iloc: item 1" in caught.value.where


def test_free_boxes_between_meta_children_are_kept():
    data = Layout([main_item()]).build()
    extra = full("abcd", 0, 0, b"unknown to us")
    start = data.index(b"meta") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    meta = data[start : start + size]
    grown = u32(size + len(extra)) + meta[4:] + extra
    before = data[:start] + grown + data[start + size :]
    # the picture moved behind a longer meta: say so in iloc
    at = before.index(b"iloc") + 4 + 4 + 2 + 2 + 2 + 2 + 2 + 2
    before = replace_at(before, at, u32(int.from_bytes(before[at : at + 4], "big") + len(extra)))
    after = attach(before)
    assert extra in after
    assert np.array_equal(libheif(before).pixels, libheif(after).pixels)
    assert remove(after) == before
