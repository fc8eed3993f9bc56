"""Mattes, gain maps and confidence: what our reader takes out of a file is what libheif and Pillow take out of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from heif_kit import Item, Layout, aux_c, coded_depth, irot, ispe, main_item, picture
from photo_kit import plain, ramp
from PIL import Image
from test_gdepth import FIELDS, coded, packet, photo

import gpudepth
from gpudepth.containers import registry
from gpudepth.containers.base import KINDS, NAMES, AuxiliaryImage, HoldsAuxiliaries, name_of
from gpudepth.depth import orientation
from gpudepth.errors import FileError, MalformedError, UnsupportedError
from gpudepth.formats import jpeg, mpf
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.mpf import Mpf, MpfEntry


def images(data: bytes | Path) -> tuple[list[AuxiliaryImage], ByteSource]:
    source = ByteSource(data)
    container = registry.require(source)
    assert isinstance(container, HoldsAuxiliaries)
    return container.auxiliary_images(source), source


def upright(image: AuxiliaryImage) -> Any:
    return orientation.apply(image.orientation, image.decode()[0])


def matte(number: int, urn: str, *, size: tuple[int, int] = (32, 24), turns: int = 0) -> Item:
    hvcc, data = coded_depth(*size)
    return Item(number, data=data, hidden=True, properties=[
        (ispe(*size), False), (irot(turns), True), (aux_c(urn), True), (hvcc, True)])


def grid(number: int, urn: str, tiles: list[int], width: int, height: int) -> Item:
    """Two tiles side by side."""
    body = bytes([0, 0, 0, len(tiles) - 1]) + width.to_bytes(2, "big") + height.to_bytes(2, "big")
    return Item(number, "grid", body, hidden=True, method=1, properties=[(ispe(width, height), False), (aux_c(urn), True)])


def every_kind(turns: int = 0) -> bytes:
    urns = list(KINDS)
    items = [main_item(1, 64, 64, (irot(turns), True)),
             *(matte(n, urn, size=(32 + 8 * n, 64), turns=turns) for n, urn in enumerate(urns, 2))]
    return Layout(items, references=[("auxl", i.id, [1]) for i in items[1:]]).build()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_every_kind_equals_libheif_s_decode(turns: int) -> None:
    data = every_kind(turns)
    found, _ = images(data)
    assert [i.name for i in found] == [n for n in NAMES if n != "confidence"]
    judge = pillow_heif.open_heif(io.BytesIO(data))
    for image in found:
        (item,) = judge.info["aux"][image.urn]
        theirs = np.asarray(judge.get_aux_image(item))
        np.testing.assert_array_equal(upright(image), theirs)
        assert np.ptp(theirs) == 255        # a plane of zeros would be equal, too
        assert image.decode()[1] == 8


def test_a_grid(tmp_path: Path) -> None:
    urn = next(u for u, kind in KINDS.items() if kind == "hdr gain map")
    tile = coded_depth(64, 64)
    tiles = [Item(n, data=tile[1], hidden=True, properties=[(ispe(64, 64), False), (tile[0], True)]) for n in (2, 3)]
    data = Layout([main_item(), *tiles, grid(4, urn, [2, 3], 120, 60)],
                  references=[("auxl", 4, [1]), ("dimg", 4, [2, 3])]).build()
    (image,), _ = images(data)
    judge = pillow_heif.open_heif(io.BytesIO(data))
    np.testing.assert_array_equal(upright(image), np.asarray(judge.get_aux_image(4)))
    assert upright(image).shape == (60, 120)


@pytest.mark.parametrize("name", ["iphone13pro_portrait", "iphone14pro_front_rotated_mirrored_no_depth"])
def test_gain_maps_of_iphones_equal_libheif_s_decode(sample: Callable[[str], Path], name: str) -> None:
    path = sample(f"heic/{name}.heic")
    (image,), source = images(path)
    assert image.name == "gainmap"
    judge = pillow_heif.open_heif(path)
    (item,) = judge.info["aux"][image.urn]
    theirs = np.asarray(judge.get_aux_image(item))
    np.testing.assert_array_equal(upright(image), theirs)
    assert theirs.std() > 1
    source.close()


def test_a_gain_map_in_an_iphone_s_jpeg_equals_pillow_s_decode(sample: Callable[[str], Path]) -> None:
    path = sample("jpeg/iphone13mini_gainmap_no_depth.jpg")
    (image,), source = images(path)
    with Image.open(path) as judge:
        turn = judge.getexif().get(0x0112, 1)
        judge.seek(1)
        np.testing.assert_array_equal(image.decode()[0], np.asarray(judge.convert("L")))
    assert (image.name, image.orientation) == ("gainmap", turn)
    source.close()


def xmp_of(**fields: str) -> bytes:
    inner = "".join(f"<apdi:{k}>{v}</apdi:{k}>" for k, v in fields.items())
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:apdi="http://ns.apple.com/pixeldatainfo/1.0/">{inner}</rdf:Description></rdf:RDF></x:xmpmeta>').encode()


def several(*others: tuple[dict[str, str], Image.Image]) -> bytes:
    """A JPEG with further images, each with that XMP, turned by Exif 6."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(buffer, "JPEG", exif=exif)
    primary = buffer.getvalue()
    extra = []
    for fields, image in others:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG")
        body = buffer.getvalue()
        extra.append(body[:2] + jpeg.make(0xE1, jpeg.XMP + xmp_of(**fields)) + body[2:])
    index = Mpf(tuple(MpfEntry(0, 0, 0) for _ in range(len(extra) + 1)), len(extra) + 1, "big", (), ())
    size = 4 + len(mpf.serialise(index))
    entries, at = [MpfEntry(0, 0, 0)], len(primary) + size
    for e in extra:
        entries.append(MpfEntry(0, len(e), at - 2 - 8))    # offsets count from behind "MPF\0"
        at += len(e)
    index = Mpf(tuple(entries), len(entries), "big", (), ())
    return primary[:2] + jpeg.make(0xE2, mpf.serialise(index)) + primary[2:] + b"".join(extra)


def test_jpeg_mattes_and_what_is_no_gray() -> None:
    gray, colour = Image.fromarray(ramp(48, 32, 255)), picture(48, 32)
    skin = next(u for u, kind in KINDS.items() if kind == "semantic skin matte")
    data = several(({"AuxiliaryImageType": "depth", "AuxiliaryImageSubType": "portraiteffectsmatte"}, gray),
                   ({"AuxiliaryImageType": skin}, colour), ({"AuxiliaryImageType": "tag:of.somebody"}, gray))
    found, _ = images(data)
    assert [(i.name, i.orientation) for i in found] == [("matte", 6), ("skin", 6)]
    with Image.open(io.BytesIO(data)) as judge:
        judge.seek(1)
        np.testing.assert_array_equal(found[0].decode()[0], np.asarray(judge))
    with pytest.raises(UnsupportedError, match="semantic skin matte image has 3 components;") as caught:
        found[1].decode()
    assert "MPF image 3" in str(caught.value)


def test_confidence_in_gdepth(tmp_path: Path) -> None:
    confidence = ramp(48, 32, 65535)
    path = photo(tmp_path / "p.jpg", packet(**FIELDS, Data=coded(ramp(48, 32, 255)), Confidence=coded(confidence)), orientation=8)
    (image,), source = images(path)
    codes, bits = image.decode()
    np.testing.assert_array_equal(codes, confidence)
    assert (image.name, image.urn, image.orientation, bits) == ("confidence", "GDepth", 8, 16)
    source.close()
    (broken,), source = images(photo(tmp_path / "b.jpg", packet(**FIELDS, Data=coded(confidence), Confidence="***")))
    with pytest.raises(MalformedError, match="Confidence is not base64"):
        broken.decode()
    source.close()
    assert images(photo(tmp_path / "n.jpg", packet(**FIELDS, Data=coded(confidence))).read_bytes())[0] == []


def test_confidence_in_dynamic_depth(tmp_path: Path) -> None:
    depth = np.linspace(1, 4, 48 * 32, dtype=np.float32).reshape(32, 48)
    gpudepth.attach(plain(tmp_path / "p.jpg", 96, 64), depth, tmp_path / "d.jpg", profile="dynamic-depth", accuracy="absolute")
    (image,), source = images(tmp_path / "d.jpg")
    assert (image.name, image.urn) == ("confidence", "Dynamic Depth")
    codes, _ = image.decode()
    assert codes.shape == (32, 48) and codes.min() == 255
    source.close()
    data = (tmp_path / "d.jpg").read_bytes().replace(b'ConfidenceURI="android/confidencemap"', b'ConfidenceURI="android/confidencemao"')
    (lost,), _ = images(data)
    with pytest.raises(MalformedError, match="ConfidenceURI 'android/confidencemao' is not an item"):
        lost.decode()


def test_damage_is_an_error_of_the_image_alone() -> None:
    urn = next(iter(KINDS))
    item = matte(2, urn)
    item.data = item.data[: len(item.data) // 2]
    item.properties = [p for p in item.properties if p[0][4:8] != b"hvcC"]
    (image,), _ = images(Layout([main_item(), item], references=[("auxl", 2, [1])]).build())
    with pytest.raises(FileError, match="has no hvcC property") as caught:
        image.decode()
    assert "auxiliary item 2" in str(caught.value)


def test_names() -> None:
    assert [name_of(kind) for kind in KINDS.values()] == list(NAMES[:-1])
    assert name_of("linear thumbnail") is None
    assert name_of("depth") is None
