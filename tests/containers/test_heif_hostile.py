"""Damaged and hostile files: only errors of ours come out, each says where, and none takes long."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from heif_kit import (
    DEPTH_URN,
    HEIF,
    Item,
    Layout,
    attach,
    aux_c,
    box,
    coded_depth,
    coded_map,
    coded_picture,
    depth_item,
    full,
    heic,
    ispe,
    main_item,
    parse,
    read,
    remove,
    replace_at,
    u16,
    u32,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpudepth.containers.base import Placement
from gpudepth.containers.registry import require
from gpudepth.depth.data import DepthData
from gpudepth.errors import (
    FileError,
    GpudepthError,
    LimitError,
    MalformedError,
    NoDepthError,
    RangeError,
    TruncatedError,
    UnsupportedError,
)
from gpudepth.formats.bytesource import ByteSource
from gpudepth.limits import Limits

LIMITS = Limits(max_pixels=1 << 20, max_decoded_bytes=8 << 20)
CODED = coded_map(16, 16)


def outcomes(data):
    """Run everything on a file; returns the errors. Anything but a GpudepthError escapes and fails the test."""
    errors = []
    calls = [HEIF.picture, HEIF.inspect, HEIF.read, lambda s: HEIF.attach(s, CODED, Placement(replace=True)).splice.to_bytes(),
             lambda s: HEIF.remove(s).splice.to_bytes()]
    for call in calls:
        with ByteSource(data, LIMITS) as source:
            try:
                result = call(source)
            except GpudepthError as error:
                assert error.where, repr(error)
                assert error.where.startswith("bytes") or isinstance(error, NoDepthError), error.where
                assert len(str(error)) < 1000
                errors.append(error)
            else:
                if isinstance(result, DepthData):
                    assert result.map.dtype in (np.float16, np.float32)
    return errors


@pytest.fixture(scope="module")
def whole():
    """A file with all that we parse: picture, depth with SEI and XMP, Exif, idat, groups."""
    layout = Layout([main_item(), Item(2, "Exif", b"\0\0\0\x06Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", hidden=True),
                     Item(5, "mime", b"text", method=1, content_type=b"text/plain")],
                    references=[("cdsc", 2, [1])], groups=[("altr", 9, [1])])
    return attach(layout.build(), coded_map(16, 16))


def borders(data, start=0, end=None, depth=0):
    """Starts and ends of all boxes that nest in ways we know."""
    end = len(data) if end is None else end
    inside = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"iinf": 14, b"iref": 12, b"grpl": 8}
    while start + 8 <= end:
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if size < 8:
            return
        yield start
        yield start + 8
        if kind in inside:
            yield from borders(data, start + inside[kind], start + size, depth + 1)
        start += size
    yield end


def test_the_file_itself_is_fine(whole):
    assert outcomes(whole) == []
    assert read(whole).range() == (0.5, 2.25)


def test_cut_off_at_every_border(whole):
    for at in sorted(set(borders(whole)) - {len(whole)}):
        # a file that ends behind a whole box may still do for reading the picture's size, never for its data
        errors = outcomes(whole[:at])
        assert errors, at
        assert all(isinstance(e, FileError) for e in errors), at


def test_cut_off_anywhere(whole):
    rng = random.Random(1)
    for at in rng.sample(range(len(whole)), 150):
        assert outcomes(whole[:at]), at


@pytest.mark.parametrize("size", [0, 1, 7, 8, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
def test_size_fields(whole, size):
    starts = [b for b in sorted(set(borders(whole))) if b + 8 <= len(whole)]
    for at in starts:
        outcomes(replace_at(whole, at, u32(size)))


def test_single_bytes(whole):
    rng = random.Random(2)
    meta_end = whole.index(b"mdat") - 4
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(meta_end) if rng.random() < 0.8 else rng.randrange(len(data))
            data[at] = rng.choice((0, 1, 7, 0x7F, 0x80, 0xFF, data[at] ^ 1 << rng.randrange(8)))
        outcomes(bytes(data))


@given(st.data())
@settings(max_examples=120, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_taken_out_and_put_in(whole, data):
    at = data.draw(st.integers(0, len(whole) - 1))
    gone = data.draw(st.integers(0, 40))
    new = data.draw(st.binary(max_size=24))
    outcomes(whole[:at] + new + whole[at + gone :])


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_anything_behind_a_ftyp(tail):
    assert outcomes(box("ftyp", b"heic", u32(0), b"mif1heic") + tail)


# -- not our files ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", [b"", b"\0", b"not an image at all", b"GIF89a" + bytes(60),
                                  b"\x89PNG\r\n\x1a\n" + bytes(60), bytes(64)])
def test_not_a_heif_file(data):
    assert len(outcomes(data)) == 5
    with ByteSource(data) as source, pytest.raises(FileError):
        require(source)


def test_only_a_ftyp():
    errors = outcomes(box("ftyp", b"heic", u32(0), b"mif1heic"))
    assert all("no meta box" in str(e) for e in errors)


# -- one lie each -----------------------------------------------------------------------------------------------------

def meta(*children):
    return box("ftyp", b"heic", u32(0), b"mif1heic") + full("meta", 0, 0, *children)


HDLR = full("hdlr", 0, 0, u32(0), b"pict", bytes(13))
PITM = full("pitm", 0, 0, u16(1))
IINF = full("iinf", 0, 0, u16(1), full("infe", 2, 0, u16(1), u16(0), b"hvc1\0"))
ILOC = full("iloc", 1, 0, bytes.fromhex("4400"), u16(0))

LIES = {
    "no iinf": (meta(HDLR, PITM, ILOC), MalformedError, "there is no iinf"),
    "no pitm": (meta(HDLR, IINF, ILOC), MalformedError, "there is no pitm"),
    "pitm twice": (meta(HDLR, PITM, PITM, IINF, ILOC), MalformedError, "occurs twice"),
    "not pictures": (meta(full("hdlr", 0, 0, u32(0), b"soun", bytes(13)), PITM, IINF, ILOC), MalformedError, "soun"),
    "primary missing": (meta(HDLR, full("pitm", 0, 0, u16(7)), IINF, ILOC), MalformedError, "primary item 7"),
    "item twice": (meta(HDLR, PITM, full("iinf", 0, 0, u16(2), IINF[14:] * 2), ILOC), MalformedError, "twice"),
    "iloc counts 65535": (meta(HDLR, PITM, IINF, full("iloc", 1, 0, bytes.fromhex("4400ffff"))),
                          MalformedError, "65,535 entries"),
    "iloc sizes": (meta(HDLR, PITM, IINF, full("iloc", 1, 0, bytes.fromhex("5400"), u16(0))), MalformedError,
                   "offset_size is 5"),
    "iloc version": (meta(HDLR, PITM, IINF, full("iloc", 3, 0, bytes(8))), MalformedError, "version 3"),
    "iloc twice": (meta(HDLR, PITM, IINF, full("iloc", 1, 0, bytes.fromhex("4400"), u16(2),
                                               (u16(1) + bytes(6)) * 2)), MalformedError, "located twice"),
    "many extents": (meta(HDLR, PITM, IINF, full("iloc", 1, 0, bytes.fromhex("4400"), u16(1), u16(1), bytes(4),
                                                 u16(33), bytes(33 * 8))), LimitError, "33 extents"),
    "far away": (meta(HDLR, PITM, IINF, full("iloc", 1, 0, bytes.fromhex("8800"), u16(1), u16(1), bytes(4), u16(1),
                                             b"\xff" * 16)), TruncatedError, "outside the file"),
    "sum beyond 64 bits": (meta(HDLR, PITM, IINF, full("iloc", 1, 0, bytes.fromhex("8480"), u16(1), u16(1), bytes(4),
                                                       b"\xff" * 8, u16(1), b"\xff" * 12)), MalformedError, "64 bits"),
    "ipma counts": (meta(HDLR, PITM, IINF, ILOC, box("iprp", box("ipco"), full("ipma", 0, 0, u32(0xFFFFFFFF)))),
                    MalformedError, "4,294,967,295 entries"),
    "ipma beyond ipco": (meta(HDLR, PITM, IINF, ILOC, box("iprp", box("ipco"), full("ipma", 0, 0, u32(1), u16(1),
                                                                                  b"\x01\x05"))),
                         MalformedError, "beyond the 0"),
    "iref counts": (meta(HDLR, PITM, IINF, ILOC, full("iref", 0, 0, box("auxl", u16(2), u16(0xFFFF)))),
                    MalformedError, "65,535 entries"),
    "grpl counts": (meta(HDLR, PITM, IINF, ILOC, box("grpl", full("altr", 0, 0, u32(3), u32(1 << 31)))),
                    MalformedError, "do not fit into"),
    "name without end": (meta(HDLR, PITM, full("iinf", 0, 0, u16(1), full("infe", 2, 0, u16(1), u16(0), b"mimexyz")),
                              ILOC), TruncatedError, "no end"),
    "1,200 items": (meta(HDLR, PITM, full("iinf", 0, 0, u16(1200), *(
        full("infe", 2, 0, u16(n + 1), u16(0), b"hvc1\0") for n in range(1200))), ILOC), LimitError, "max_items"),
    "9,000 boxes": (meta(HDLR, PITM, IINF, ILOC, *[box("free")] * 9000), LimitError, "boxes are side by side"),
    "nested deeply": (box("ftyp", b"heic", u32(0), b"mif1heic") + b"".join(
        u32(8 * (5000 - n)) + b"meta" for n in range(5000)), MalformedError, "meta"),
    "64-bit size cut off": (box("ftyp", b"heic", u32(0), b"mif1heic") + b"\0\0\0\1meta\0", TruncatedError, "cut off"),
    "64-bit size huge": (box("ftyp", b"heic", u32(0), b"mif1heic") + b"\0\0\0\1meta" + b"\xff" * 8, TruncatedError,
                         "exceeds"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies(name):
    data, kind, words = LIES[name]
    errors = outcomes(data)
    assert len(errors) == 5
    for error in errors:
        assert isinstance(error, kind)
        assert words in str(error)
        assert re.match(r"bytes: (meta|file)", error.where)


def with_depth(item, *more, references=()):
    return Layout([main_item(), item, *more], references=[("auxl", 2, [1]), *references]).build()


def read_error(data, kind=FileError):
    outcomes(data)
    with pytest.raises(kind) as caught:
        read(data)
    assert "depth item 2" in caught.value.where
    return str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 11])
def test_sei_of_a_few_bytes(size):
    """libheif refuses the whole file; we still say the picture's size and take the damage away."""
    data = with_depth(depth_item(2, subtype=bytes(size)))
    assert "too short" in read_error(data, TruncatedError)
    assert HEIF.picture(ByteSource(data)).width == 64
    contents = HEIF.inspect(ByteSource(data))
    assert contents.depth is None
    assert "too short" in contents.warnings[0]
    assert remove(data) == Layout([main_item()], references=[]).build()


SEI = bytes.fromhex("00000011 0000000d 4e01b109 351e780001 03c80020")


@pytest.mark.parametrize(("sei", "words"), [
    (replace_at(SEI, 0, u32(999)), "SEI lengths 999"),
    (replace_at(SEI, 4, u32(999)), "SEI lengths 17 and 999"),
    (replace_at(SEI, 8, b"\x4c"), "is not the start of a depth representation SEI"),
    (replace_at(SEI, 10, b"\x05"), "is not the start of a depth representation SEI"),
    (replace_at(SEI, 11, b"\xff"), "payload declares 255 bytes"),
    (replace_at(SEI, 11, b"\x03"), "are needed"),
    (replace_at(SEI, 12, b"\xf0\0\0\0\0\0"), "Exp-Golomb"),
    (replace_at(SEI, 12, b"\x31"), "depth_representation_type"),
])
def test_sei_that_lies(sei, words):
    assert words in read_error(with_depth(depth_item(2, subtype=sei)))


def test_no_range_at_all():
    assert "have no range" in read_error(with_depth(depth_item(2, subtype=b"")), RangeError)


def xmp_file(body):
    xmp = Item(3, "mime", body, content_type=b"application/rdf+xml")
    return with_depth(depth_item(2, subtype=b""), xmp, references=[("cdsc", 3, [2])])


def apdi(**values):
    text = "".join(f"<a:{k}>{v}</a:{k}>" for k, v in values.items())
    return ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:a="http://ns.apple.com/pixeldatainfo/1.0/" '
            f'xmlns:d="http://ns.apple.com/depthData/1.0/">{text}</rdf:Description></rdf:RDF></x:xmpmeta>').encode()


RANGE = {"FloatMinValue": "0.5", "FloatMaxValue": "2"}
BOMB = (b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)) + b"]><x>&j;</x>")

BAD_XMP = {
    "entity bomb": (BOMB, "document type"),
    "entity bomb in UTF-16": (BOMB.decode().encode("utf-16"), "not UTF-8"),
    "deep": (b"<a>" * 5000 + b"</a>" * 5000, "nested elements"),
    "not UTF-8": (apdi(**RANGE).replace(b"0.5", b"\xff\xfe\x80"), "not well-formed"),
    "not XML": (b"}{", "not well-formed"),
    "cut off": (apdi(**RANGE)[:-20], "not well-formed"),
    "NaN": (apdi(FloatMinValue="nan", FloatMaxValue="2"), "not a finite float"),
    "infinity": (apdi(FloatMinValue="0", FloatMaxValue="inf"), "not a finite float"),
    "1e999": (apdi(FloatMinValue="0", FloatMaxValue="1e999"), "not a finite float"),
    "1e300": (apdi(FloatMinValue="0", FloatMaxValue="1e300"), "not a finite float"),
    "words": (apdi(FloatMinValue="near", FloatMaxValue="far"), "not a number"),
    "half a range": (apdi(FloatMinValue="0.5"), "have no range"),
    "unknown format": (apdi(**RANGE, NativeFormat="7"), "not a known pixel format"),
    "huge format": (apdi(**RANGE, NativeFormat="1e20"), "32 bits"),
    "huge integers": (apdi(**RANGE, IntMinValue="-1e20", IntMaxValue="1e20"), "32 bits"),
    "integers far from the codes": (apdi(FloatMinValue="0", FloatMaxValue="1e35", IntMinValue="4294967294",
                                         IntMaxValue="4294967295"), "a float cannot hold"),
    "empty": (b"", "not well-formed"),
}


@pytest.mark.parametrize("name", BAD_XMP)
def test_bad_xmp(name):
    body, words = BAD_XMP[name]
    data = xmp_file(body)
    assert words in read_error(data, GpudepthError)


def test_bad_calibration():
    for matrix in (["nan"] * 9, ["1e999"] * 9, ["x"] * 9):
        body = apdi(**RANGE).replace(b"</rdf:Description>", (
            "<d:IntrinsicMatrix><rdf:Seq>" + "".join(f"<rdf:li>{m}</rdf:li>" for m in matrix) + "</rdf:Seq>"
            "</d:IntrinsicMatrix><d:IntrinsicMatrixReferenceWidth>64</d:IntrinsicMatrixReferenceWidth>"
            "<d:IntrinsicMatrixReferenceHeight>48</d:IntrinsicMatrixReferenceHeight></rdf:Description>").encode())
        assert "IntrinsicMatrix" in read_error(xmp_file(body), MalformedError)
    huge = apdi(**RANGE).replace(b"</rdf:Description>", b"<d:IntrinsicMatrix><rdf:Seq>" + b"<rdf:li>1</rdf:li>" * 1001
                                 + b"</rdf:Seq></d:IntrinsicMatrix></rdf:Description>")
    assert "1,001 items" in read_error(xmp_file(huge), LimitError)


def swapped(kind, raw):
    """A depth item with one property replaced."""
    item = depth_item(2)
    item.properties = [(raw if p[4:8] == kind else p, e) for p, e in item.properties if raw or p[4:8] != kind]
    return item


def test_depth_without_hvcc():
    assert "has no hvcC" in read_error(with_depth(swapped(b"hvcC", b"")), MalformedError)


def test_hvcc_without_sps():
    assert "no SPS" in read_error(with_depth(swapped(b"hvcC", box("hvcC", b"\1" + bytes(20) + b"\3\0"))))


@pytest.mark.parametrize("hvcc", [b"", b"\1", b"\2" + bytes(30), b"\1" + bytes(20) + b"\3\1\x21\xff\xff",
                                  b"\1" + bytes(20) + b"\3\1\x21\0\1\0\2\x42\1", b"\1" + bytes(20) + b"\3\1\x21\0\1\0\0"])
def test_hvcc_that_lies(hvcc):
    read_error(with_depth(swapped(b"hvcC", box("hvcC", hvcc))))


@pytest.mark.parametrize(("size", "words"), [
    ((0, 24), "the size is 0"), ((32, 0), "the size is 32 × 0"), ((1 << 31, 1 << 31), "the size is 2147483648"), ((33, 24), "but ispe is"),
])
def test_ispe_that_lies(size, words):
    assert words in read_error(with_depth(swapped(b"ispe", ispe(*size))), MalformedError)


def test_depth_without_ispe():
    assert "no ispe" in read_error(with_depth(swapped(b"ispe", b"")), MalformedError)


@pytest.mark.parametrize("clap", [bytes(31), bytes(32), (u32(99) + u32(1)) * 4, (u32(8) + u32(0)) * 4,
                                  (u32(8) + u32(1 << 31)) * 4, u32(8) + u32(1) + u32(8) + u32(1) + b"\xff" * 16])
def test_clap_that_lies(clap):
    item = depth_item(2)
    item.properties = [*item.properties, (box("clap", clap), True)]
    read_error(with_depth(item))


def test_sps_larger_than_the_limits():
    data = with_depth(depth_item(2))
    with ByteSource(data, Limits(max_pixels=500)) as source, pytest.raises(LimitError, match="max_pixels"):
        HEIF.read(source)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\2\x26\1", bytes(64)])
def test_coded_data_that_is_none(data):
    item = depth_item(2)
    item.data = data
    read_error(with_depth(item))


def test_coded_data_of_another_size():
    """Another picture's slices and parameter sets than ispe and hvcC promise."""
    item = depth_item(2)
    hvcc, data = coded_picture()
    assert item.data != data
    item.data = data
    read_error(with_depth(item))
    outcomes(with_depth(swapped(b"hvcC", hvcc)))


def grid_item(head, tiles):
    item = Item(2, "grid", head, method=1, properties=depth_item(2).properties[:2])
    parts = [Item(n, data=depth_item(n).data, properties=[depth_item(n).properties[0], depth_item(n).properties[2]])
             for n in (3, 4)]
    return with_depth(item, *parts, references=[("dimg", 2, tiles)] if tiles else [])


@pytest.mark.parametrize(("head", "tiles", "words"), [
    (bytes([0, 0, 1, 1]) + u16(64) + u16(48), [3, 4], "has 2 tiles"),
    (bytes([0, 0, 0, 1]) + u16(64) + u16(24), [], "has 0 tiles"),
    (bytes([0, 0, 0, 1]) + u16(640) + u16(24), [3, 4], "do not result in"),
    (bytes([0, 0, 0, 1]) + u16(64) + u16(24), [3, 99], "not HEVC"),
    (bytes([0, 0, 0, 1]) + u16(64) + u16(24), [3, 2], "not HEVC"),
    (bytes([0, 0, 0, 1]) + u16(64) + u16(24), [2, 2], "not HEVC"),
    (bytes([0, 1, 0, 1]) + u32(1 << 30) + u32(1 << 30), [3, 4], "max_pixels"),
    (b"\0\0", [3, 4], "are needed"),
])
def test_grid_that_lies(head, tiles, words):
    assert words in read_error(grid_item(head, tiles))


def test_circular_references():
    item = depth_item(2)
    layout = Layout([main_item(), item, Item(3, "grid", bytes(8), method=1)],
                    references=[("auxl", 2, [1]), ("auxl", 1, [2]), ("dimg", 2, [3]), ("dimg", 3, [2]),
                                ("dimg", 2, [1]), ("cdsc", 1, [2]), ("cdsc", 2, [2]), ("thmb", 2, [2])])
    data = layout.build()
    outcomes(data)
    assert 1 in parse(remove(data)).meta.items  # the primary never goes with its depth


def test_picture_that_is_its_own_depth():
    item = main_item()
    item.properties = [*item.properties, (aux_c("urn:mpeg:hevc:2015:auxid:2"), True)]
    data = Layout([item], references=[("auxl", 1, [1])]).build()
    assert HEIF.read(ByteSource(data)) is None
    with pytest.raises(NoDepthError):
        remove(data)


def test_reference_from_an_item_that_is_not_there():
    data = Layout([main_item()], references=[("auxl", 9, [1]), ("cdsc", 8, [1])]).build()
    assert outcomes(data)[-1].message == "the photo has no depth to remove"


def test_depth_without_location_or_in_another_codec():
    for kind in ("av01", "jpeg", "iden"):
        item = depth_item(2)
        item.type = kind
        assert kind in read_error(with_depth(item), UnsupportedError)


def test_files_stay_readable_after_an_attach_to_a_damaged_auxiliary():
    """A gain map whose SEI or size is broken is none of our business."""
    broken = Item(2, data=b"x", properties=[(aux_c("urn:com:apple:photo:2020:aux:hdrgainmap", b"\1"), True)])
    data = Layout([main_item(), broken], references=[("auxl", 2, [1])]).build()
    assert read(attach(data)).range() == (0.5, 2.25)


def test_exif_that_lies_is_only_a_hint_lost():
    for body in (b"", b"\xff\xff\xff\xff", b"\0\0\0\0II*\0\xff\xff\xff\xff", b"\0\0\0\0MM\0*\0\0\0\x08\xff\xff"):
        data = Layout([main_item(), Item(2, "Exif", body)], references=[("cdsc", 2, [1])]).build()
        assert HEIF.picture(ByteSource(data)).focal35 is None


def test_limits_of_the_file_itself(tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(heic())
    with pytest.raises(LimitError, match="max_file"):
        ByteSource(path, Limits(max_file=100))
    with ByteSource(path, Limits(max_file=0)) as source:
        assert HEIF.picture(source).width == 96


def test_more_coded_bytes_than_a_picture_can_need():
    """Known before they are read: 32 MB of tiny NAL units once made 790 MB of a map of 32×24."""
    hvcc, _ = coded_depth(32, 24)
    depth = Item(2, data=bytes(1 << 17), properties=[(hvcc, True), (ispe(32, 24), False), (aux_c(DEPTH_URN), True)])
    data = Layout([main_item(), depth], references=[("auxl", 2, [1])]).build()
    with ByteSource(data) as source, pytest.raises(LimitError, match=r"meta/iloc: item 2: 131,072 bytes for a picture of \d+×\d+, limits.max_coded is 8"):
        HEIF.read(source)
    with ByteSource(data, Limits(max_coded=0)) as source, pytest.raises(MalformedError, match="the NAL unit at 4 is empty"):
        HEIF.read(source)


@pytest.mark.parametrize(("kind", "content", "reference", "message"), [
    ("mime", b"application/rdf+xml", 2, r"asks for 20,\d+ bytes, limits.max_xmp is 20,000"),
    ("Exif", b"", 1, None)])
def test_metadata_is_not_read_beyond_its_limit(kind, content, reference, message):
    """XMP is refused; of Exif, which only hints depend on, nothing is taken."""
    item = Item(3, kind, bytes(20_001), content_type=content, hidden=True)
    data = Layout([main_item(), depth_item(2), item], references=[("auxl", 2, [1]), ("cdsc", 3, [reference])]).build()
    with ByteSource(data, Limits(max_xmp=20_000, max_metadata=20_000)) as source:
        if message is None:
            assert HEIF.picture(source).focal35 is None
        else:
            with pytest.raises(LimitError, match=message):
                HEIF.read(source)
