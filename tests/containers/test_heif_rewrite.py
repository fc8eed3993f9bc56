"""Small parts of an edit, and how containers are found."""

from __future__ import annotations

import photo_kit
import pytest
from heif_kit import HEIF, Layout, attach, box, coded_map, heic, libheif, main_item, tool, u32

import gpudepth
from gpudepth.containers import registry
from gpudepth.containers.heif.file import HeifFile
from gpudepth.containers.heif.rewrite import header, subtract
from gpudepth.depth.pixel_format import HDIS
from gpudepth.errors import FileError, UnsupportedError, UsageError
from gpudepth.formats.bytesource import ByteSource


@pytest.mark.parametrize(("payload", "wide", "expected"), [
    (0, False, "00000008 6d646174"),
    (100, False, "0000006c 6d646174"),
    (100, True, "00000001 6d646174 0000000000000074"),
    ((1 << 32) - 9, False, "ffffffff 6d646174"),
    ((1 << 32) - 8, False, "00000001 6d646174 0000000100000008"),
])
def test_header(payload, wide, expected):
    assert header("mdat", payload, wide=wide) == bytes.fromhex(expected)


@pytest.mark.parametrize(("ranges", "holes", "left"), [
    ([(0, 10)], [], [(0, 10)]),
    ([(0, 10)], [(3, 5)], [(0, 3), (5, 10)]),
    ([(0, 10)], [(0, 10)], []),
    ([(0, 10)], [(-5, 2), (8, 20)], [(2, 8)]),
    ([(5, 10), (0, 7)], [(6, 8)], [(0, 6), (8, 10)]),
    ([(0, 4), (4, 8), (1, 2)], [(3, 5), (4, 6)], [(0, 3), (6, 8)]),
    ([(2, 2)], [], []),
])
def test_subtract(ranges, holes, left):
    assert subtract(ranges, holes) == left


def test_files_are_found_by_what_they_start_with():
    for data in (heic(), Layout([main_item()]).build()):
        with ByteSource(data) as source:
            assert registry.find(source).name == "heif"
    for brand in (b"qt  ", b"mp42", b"isom"):
        with ByteSource(box("ftyp", brand, u32(0)) + bytes(40)) as source:
            assert registry.find(source) is None
            with pytest.raises(UnsupportedError, match="the file is a movie; expected a photo"):
                registry.require(source)
    with ByteSource(b"%PDF-1.7 and more") as source, pytest.raises(UnsupportedError, match="the format of this file cannot hold depth"):
        registry.require(source)
    with ByteSource(b"") as source, pytest.raises(FileError, match="empty"):
        registry.require(source)


def test_files_are_found_by_suffix():
    assert registry.by_suffix(".HEIC").name == "heif"
    assert registry.by_suffix(".txt") is None


def test_storage():
    assert str(HEIF.storage(HDIS, 0.5, 2.0).format) == "L008"
    assert str(HEIF.storage(HDIS, 0.5, 2.0, 12).format) == "L012"
    with pytest.raises(UsageError, match="8, 10 or 12"):
        HEIF.storage(HDIS, 0.5, 2.0, 16)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_older_libheif_opens_the_result_too(tmp_path, bits):
    path = tmp_path / "out.heic"
    path.write_bytes(attach(heic(), coded_map(48, 32, bits=bits)))
    assert "(48x32)" in tool("heif-info", path)
    assert libheif(path.read_bytes()).depth.shape == (32, 48)


def test_the_meta_box_is_parsed_once_for_an_open_file(tmp_path, monkeypatch):
    """The picture is asked for first, then depth is read or added. An edited file is not used again."""
    parsed = []
    opened = HeifFile._open
    monkeypatch.setattr(HeifFile, "_open", lambda file: (parsed.append(file.source.name), opened(file)))
    photo, depth = photo_kit.heic(tmp_path / "p.heic", 64, 48), photo_kit.gray(tmp_path / "d.png", 64, 48)
    parsed.clear()
    with_depth = gpudepth.attach(photo, depth, tmp_path / "o.heic", near=0.5, far=12)
    assert parsed == [str(photo)]
    for use in (gpudepth.read, gpudepth.inspect, gpudepth.check):
        parsed.clear()
        use(with_depth)
        assert parsed == [str(with_depth)], use
    parsed.clear()
    gpudepth.attach(photo, with_depth, tmp_path / "again.heic")
    assert parsed == [str(photo), str(with_depth)]
    with ByteSource(photo) as source:
        container = registry.require(source)
        first = container.attach(source, coded_map()).splice.to_bytes()
        assert container.read(source) is None
        assert container.attach(source, coded_map()).splice.to_bytes() == first
