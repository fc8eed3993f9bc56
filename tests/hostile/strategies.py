"""Hypothesis strategies of files that are sound by their structure, and what breaks them.

`heifs`, `jpegs`, `tiffs`, `packets`, `pfms` and `movies` draw whole files; `broken(files)` does to one of them what a
bad disk, a bad writer or a bad will does. What fails shrinks to few parts and one change.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from bad_files.builders import jpeg_segment, tiff
from heif_kit import (
    DEPTH_URN,
    Item,
    Layout,
    aux_c,
    box,
    coded_depth,
    coded_picture,
    depth_item,
    full,
    imir,
    irot,
    ispe,
    main_item,
    u16,
    u32,
)
from hypothesis import strategies as st
from movie_kit import coded, depth_movie
from seeds import seeds

Draw = st.DrawFn
# sizes and counts as files have them, and those at which sums and signs turn over
NUMBERS = st.one_of(st.integers(0, 300), st.sampled_from([0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]),
                    st.integers(0, 0xFFFFFFFF))
FOURCC = st.sampled_from(["hvc1", "mime", "Exif", "grid", "iden", "iovl", "av01", "jpeg", "tmap", "uri ", "abcd"])


@st.composite
def broken(draw: Draw, files: st.SearchStrategy[bytes]) -> bytes:
    """One to four changes: a number, a byte, a cut, a hole, a part twice, a part of another file of the kind."""
    data = draw(files)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        change = draw(st.sampled_from(["number", "byte", "cut", "hole", "twice", "other"]))
        length = draw(st.integers(1, 64))
        if change == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            value = draw(st.one_of(NUMBERS, st.just(len(data)), st.just((1 << 64) - 1))) & (1 << 8 * width) - 1
            data = data[:at] + value.to_bytes(width, draw(st.sampled_from(["big", "little"]))) + data[at + width :]
        elif change == "byte":
            data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
        elif change == "cut":
            data = data[:at]
        elif change == "hole":
            data = data[:at] + data[at + length :]
        elif change == "twice":
            data = data[: at + length] + data[at:]
        else:
            other = draw(files)
            start = draw(st.integers(0, len(other)))
            data = data[:at] + other[start : start + length] + data[at + draw(st.sampled_from([0, length])) :]
    return data


# -- HEIF -------------------------------------------------------------------------------------------------------------

@st.composite
def properties(draw: Draw) -> list[tuple[bytes, bool]]:
    """What an item may have beside its size and its decoder's configuration."""
    made: dict[str, bytes] = {
        "irot": irot(draw(st.integers(0, 3))), "imir": imir(draw(st.integers(0, 1))), "pixi": full("pixi", 0, 0, b"\1\x08"),
        "clap": box("clap", *map(u32, (32, 1, 24, 1, 0, 1, 0, 1))), "colr": box("colr", b"nclx", u16(1), u16(13), u16(6), b"\x80"),
        "free": box("free", draw(st.binary(max_size=8))), "auxC": aux_c(draw(st.sampled_from([DEPTH_URN, "urn:x", ""])), draw(st.binary(max_size=20)))}
    return [(made[kind], draw(st.booleans())) for kind in draw(st.lists(st.sampled_from(list(made)), max_size=3, unique=True))]


@st.composite
def heifs(draw: Draw) -> bytes:
    """A picture, perhaps its depth, items of any kind, references and groups among them: also such as make no sense."""
    items = [main_item(1, 64, 64)]
    if draw(st.booleans()):
        items.append(depth_item(2, subtype=draw(st.one_of(st.none(), st.binary(max_size=24)))))
    for number in range(3, 3 + draw(st.integers(0, 3))):
        kind = draw(FOURCC)
        hvcc, data = draw(st.sampled_from([coded_depth(32, 24), coded_picture(64, 64)]))
        content: dict[str, tuple[bytes, bytes]] = {"mime": (draw(packets()), b"application/rdf+xml"), "Exif": (b"\0\0\0\6Exif\0\0" + draw(tiffs()), b""),
                                                   "hvc1": (data, b""), "grid": (b"\0\0" + bytes([draw(st.integers(0, 3)), 0]) + u16(64) + u16(48), b"")}
        body, content_type = content.get(kind, (draw(st.binary(max_size=40)), b""))
        more = [(hvcc, True)] if kind == "hvc1" else []
        method = draw(st.integers(0, 1))
        items.append(Item(number, kind, body, properties=[*more, (ispe(32, 24), False), *draw(properties())], content_type=content_type,
                          hidden=draw(st.booleans()), method=method, pieces=1 if method else draw(st.integers(1, 2))))
    numbers = [item.id for item in items]
    one = st.sampled_from(numbers)
    links = st.tuples(st.sampled_from(["auxl", "dimg", "cdsc", "thmb"]), one, st.lists(one, min_size=1, max_size=3))
    references = [("auxl", 2, [1])] * (2 in numbers) + draw(st.lists(links, max_size=4))
    groups = [("altr", 90, draw(st.lists(one, min_size=1, max_size=3)))] * draw(st.integers(0, 1))
    version, base = draw(st.sampled_from([(0, 0), (1, 0), (1, 4), (2, 0), (2, 4)])) if all(i.method == 0 for i in items) else (1, 0)
    return Layout(items, references=references, groups=groups, iloc_version=version, base_size=base, mdat_wide=draw(st.booleans()),
                  filler_properties=draw(st.sampled_from([0, 0, 3, 150]))).build()


# -- JPEG -------------------------------------------------------------------------------------------------------------

@st.composite
def jpegs(draw: Draw) -> bytes:
    """A decodable picture with any segments before it, and any trailer behind it."""
    picture = seeds()["bare.jpg"]
    heads = {0xE0: b"JFIF\0\1\1\0\0\1\0\1\0\0", 0xE1: b"Exif\0\0", 0xE2: b"ICC_PROFILE\0\1\1", 0xED: b"Photoshop 3.0\0", 0xFE: b""}
    xmp, extended = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
    made = []
    for marker in draw(st.lists(st.sampled_from(list(heads)), max_size=4)):
        body = draw(tiffs()) if marker == 0xE1 else draw(st.binary(max_size=60))
        made.append(jpeg_segment(marker, heads[marker] + body))
    for packet in draw(st.lists(packets(), max_size=2)):
        made.append(jpeg_segment(0xE1, xmp + packet[:60_000]))
    for total, offset in draw(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2)):
        made.append(jpeg_segment(0xE1, extended + b"0123456789ABCDEF0123456789ABCDEF" + u32(total) + u32(offset) + draw(st.binary(max_size=60))))
    count = draw(st.integers(0, 3))
    if count:
        entries = b"".join(struct.pack(">IIIHH", draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), 0, 0) for _ in range(count))
        index = b"MM\0*\0\0\0\x08" + struct.pack(">HHHI4sHHIIHHIII", 3, 0xB000, 7, 4, b"0100", 0xB001, 4, 1, count, 0xB002, 7, 16 * count, 50, 0)
        made.append(jpeg_segment(0xE2, b"MPF\0" + index + entries))
    trailer = draw(st.sampled_from([b"", picture, bytes(40), b"SEFHSEFT", b"\xff\xd8\xff\xd9"]))
    return picture[:2] + b"".join(draw(st.permutations(made))) + picture[2:] + trailer


# -- TIFF, XMP, PFM -----------------------------------------------------------------------------------------------------

TAGS = (254, 256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 320, 330, 339, 34665, 34853, 37386, 41989, 50706, 50708, 51177, 51178, 51181)


@st.composite
def tiffs(draw: Draw) -> bytes:
    """One directory of known tags, in either order; values inside or behind it."""
    order = draw(st.sampled_from("<>"))
    entries: list[Any] = []
    for tag in draw(st.lists(st.sampled_from(TAGS), max_size=8, unique=True)):
        kind = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 10, 12, 13]))
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 12: 8, 13: 4}[kind]
        count = draw(st.integers(1, 5))
        inside = count * size <= 4
        entries.append((tag, kind, count, draw(st.integers(0, 0xFFFF)) if inside else draw(st.binary(min_size=count * size, max_size=count * size))))
    return tiff(entries, order=order, tail=bytes(64))


WORDS = ("NativeFormat", "StoredFormat", "IntMinValue", "IntMaxValue", "FloatMinValue", "FloatMaxValue", "AuxiliaryImageType", "Accuracy", "Quality",
         "Filtered", "IntrinsicMatrix", "ExtrinsicMatrix", "PixelSize", "LensDistortionCoefficients", "Near", "Far", "Format", "Data", "Mime")
VALUES = st.one_of(st.sampled_from(["disparity", "depth", "hdis", "L008", "1751411059", "RangeInverse", "image/jpeg", "true", "False", "nan", "-inf", "1e999", ""]),
                   st.floats().map(str), st.integers(-5, 1 << 33).map(str), st.text("abc&<>\"'é\u3000 \n", max_size=12))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@st.composite
def packets(draw: Draw) -> bytes:
    """XMP of Apple's and Google's names, as attributes, elements and arrays."""
    spaces = {"apdi": "http://ns.apple.com/pixeldatainfo/1.0/", "depthData": "http://ns.apple.com/depthData/1.0/",
              "GDepth": "http://ns.google.com/photos/1.0/depthmap/", "x1": "urn:x"}
    names = st.tuples(st.sampled_from(list(spaces)), st.sampled_from(WORDS)).map(":".join)
    attributes = "".join(f' {name}="{_escaped(draw(VALUES))}"' for name in draw(st.lists(names, max_size=5, unique=True)))
    inner = ""
    for name in draw(st.lists(names, max_size=4)):
        if draw(st.booleans()):
            inner += f"<{name}>{_escaped(draw(VALUES))}</{name}>"
        else:
            kind = draw(st.sampled_from(["Seq", "Bag", "Alt"]))
            items = "".join(f"<rdf:li>{_escaped(v)}</rdf:li>" for v in draw(st.lists(VALUES, max_size=9)))
            inner += f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>"
    declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description rdf:about=""{declared}{attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>').encode()


@st.composite
def pfms(draw: Draw) -> bytes:
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    space = draw(st.sampled_from(["\n", " ", "\r\n", "\t"]))
    scale = draw(st.sampled_from(["1.0", "-1.0", "-0.003922", "1e-3", "-1e20"]))
    values = np.array(draw(st.lists(st.floats(width=32), min_size=width * height, max_size=width * height)), "<f4")
    return f"Pf\n{width}{space}{height}\n{scale}\n".encode() + values.tobytes()


# -- movies -----------------------------------------------------------------------------------------------------------

@st.composite
def movies(draw: Draw) -> bytes:
    """A movie with a depth track, in any of the ways that its tables may be."""
    count = draw(st.integers(1, 3))
    edits = draw(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 40)), max_size=2))
    return depth_movie({"count": count}, moov_first=draw(st.booleans()), stream=coded(count, bframes=0), edits=edits,
                       time_scale=draw(st.sampled_from([1, 600, 90_000])), per_chunk=draw(st.integers(1, 4)),
                       references={"auxl": [1]} if draw(st.booleans()) else {})
