"""Depth put into files and taken out again: nothing else changes, and independent readers see the same map."""

from __future__ import annotations

import io
import itertools
import re
import struct

import numpy as np
import pytest
from heif_kit import (
    DEPTH_URN,
    HEIF,
    attach,
    coded_map,
    exif_tags,
    ffmpeg_gray,
    heic,
    imir,
    irot,
    item_bytes,
    kept_items,
    libheif,
    parse,
    picture,
    read,
    remove,
    tool,
)
from PIL import Image, features

from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.containers.heif.rewrite import Rewriter
from gpudepth.depth import orientation as exif
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.pixel_format import Quantity
from gpudepth.errors import ExistingDepthError, NoDepthError, UnsupportedError, UsageError
from gpudepth.formats.bytesource import ByteSource

FRONT = "heic/iphone14pro_front_rotated_mirrored_no_depth.heic"
CAMERA = "heic/iphone13pro_portrait.heic"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


def exif_block(orientation=1, focal35=26):
    """A TIFF block with Orientation and FocalLengthIn35mmFilm."""
    first = struct.pack("<H HHIHH HHII I", 2, 0x0112, 3, 1, orientation, 0, 0x8769, 4, 1, 38, 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + struct.pack("<H HHIHH I", 1, 0xA405, 3, 1, focal35, 0, 0)


PHOTOS = {
    "plain": heic,
    "alpha": lambda: heic(picture(mode="RGBA")),
    "gray": lambda: heic(picture().convert("L")),
    "exif and xmp": lambda: heic(exif=exif_block(), xmp=XMP),
    "odd sizes": lambda: heic(picture(97, 65)),
    "tiny": lambda: heic(picture(20, 14)),
    "thumbnail": lambda: heic(picture(160, 120), thumbnails=[64]),
}


def assert_attached(before, after, coded):
    """Everything that must hold of an attach, whatever the file."""
    assert len(kept_items(before, after)) == 2
    old, new = libheif(before), libheif(after)
    assert np.array_equal(old.pixels, new.pixels)
    orientation = parse(before).picture().orientation
    shown = exif.apply(orientation, coded.codes)
    assert new.depth.dtype == shown.dtype
    assert np.array_equal(new.depth, shown)
    assert any(np.array_equal(g, coded.codes) for g in ffmpeg_gray(after))
    depth = read(after)
    assert depth.orientation == orientation
    assert (depth.storage.lo, depth.storage.hi) == (coded.storage.lo, coded.storage.hi)
    lo, hi, top = coded.storage.lo, coded.storage.hi, coded.storage.format.max_code
    expected = lo + shown / top * (hi - lo)
    rounding = 0 if depth.map.dtype == np.float32 else hi * 2**-11
    assert np.abs(depth.displayed().map.astype(float) - expected).max() <= rounding + 1e-6 * hi
    if coded.pixel_format.quantity is Quantity.DISPARITY:
        assert (new.metadata["d_min"], new.metadata["d_max"]) == (lo, hi)
    else:
        assert (new.metadata["z_near"], new.metadata["z_far"]) == (lo, hi)


@pytest.mark.parametrize("name", PHOTOS)
def test_files_of_libheif(name):
    before = PHOTOS[name]()
    coded = coded_map(48, 32)
    after = attach(before, coded)
    assert_attached(before, after, coded)
    assert remove(after) == before


@pytest.mark.parametrize(("bits", "fmt"), list(itertools.product((8, 10, 12), ("hdis", "fdis", "hdep", "fdep"))))
def test_bits_and_formats(bits, fmt):
    before, coded = heic(), coded_map(33, 21, fmt, 0.75, 6.5, bits=bits)
    after = attach(before, coded)
    assert_attached(before, after, coded)
    depth = read(after)
    assert (str(depth.pixel_format), str(depth.storage.format)) == (fmt, f"L{bits:03}")
    assert remove(after) == before


@pytest.mark.parametrize("fmt", ["hdis", "hdep"])
def test_what_the_tools_print(tmp_path, fmt):
    path = tmp_path / "out.heic"
    path.write_bytes(attach(heic(), coded_map(48, 32, fmt, 0.75, 6.5, accuracy="absolute")))
    said = tool("heif-info", path)
    ends = ("d-min", "d-max") if fmt == "hdis" else ("z-near", "z-far")
    assert "depth channel: yes" in said
    for end, value in zip(ends, (0.75, 6.5), strict=True):
        assert float(re.search(rf"{end}: +(\S+)", said)[1]) == value
    assert f"representation: uniform {'disparity' if fmt == 'hdis' else 'Z'}" in said
    assert exif_tags(path, "XMP-apdi", "XMP-depthData") == {
        "XMP-apdi:IntMinValue": "0", "XMP-apdi:IntMaxValue": "255",
        "XMP-apdi:StoredFormat": str(int.from_bytes(b"L008", "big")),
        "XMP-apdi:NativeFormat": str(int.from_bytes(fmt.encode(), "big")),
        "XMP-apdi:FloatMinValue": "0.750000", "XMP-apdi:FloatMaxValue": "6.500000",
        "XMP-apdi:AuxiliaryImageType": "disparity" if fmt == "hdis" else "depth",
        "XMP-depthData:DepthDataVersion": "65541", "XMP-depthData:Quality": "high",
        "XMP-depthData:Accuracy": "absolute", "XMP-depthData:Filtered": "True",
    }


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_we_write(orientation):
    """Non-HEIF pictures become files with irot and imir."""
    before = encode_pixels(picture(96, 64), orientation=orientation)
    assert parse(before).picture().orientation == orientation
    shown = exif.apply(orientation, libheif(encode_pixels(picture(96, 64))).pixels)
    assert np.array_equal(libheif(before).pixels, shown)
    coded = coded_map(48, 32)
    assert_attached(before, attach(before, coded), coded)


def turned(*properties):
    """A file whose primary has these transformations, in this order."""
    with ByteSource(heic(picture(80, 64))) as source:
        file = parse(source.read(0, source.size))
    edit = Rewriter(file)
    for raw in properties:
        file.meta.properties.associate(file.meta.primary, raw)
    return edit.splice().to_bytes()


TURNS = [(irot(n),) for n in range(4)] + [(imir(a),) for a in (0, 1)] + [
    pair for n in range(4) for a in (0, 1) for pair in ((irot(n), imir(a)), (imir(a), irot(n)))]


@pytest.mark.parametrize("properties", TURNS, ids=lambda p: "-".join(f"{x[4:8].decode()}{x[8]}" for x in p))
def test_every_irot_and_imir_in_either_order(properties):
    before, coded = turned(*properties), coded_map(40, 32)
    after = attach(before, coded)
    assert_attached(before, after, coded)
    file = parse(after)
    mine = [p.raw for p in file.meta.properties.of(file.depth_items()[0]) if p.kind in ("irot", "imir")]
    assert [p for p in mine if p != irot(0)] == [p for p in properties if p != irot(0)]
    assert remove(after) == before


def test_camera_file_with_its_depth_removed(sample):
    original = sample(CAMERA).read_bytes()
    before = remove(original)
    assert HEIF.read(ByteSource(before)) is None
    calibration = read(original).calibration
    coded = coded_map(192, 144, bits=10, calibration=calibration)
    after = attach(before, coded)
    assert len(kept_items(before, after)) == 2
    assert np.array_equal(libheif(after).depth, coded.codes)
    assert any(np.array_equal(g, coded.codes) for g in ffmpeg_gray(after))
    assert read(after).calibration == calibration
    assert remove(after) == before
    kinds = {a.kind for a in HEIF.inspect(ByteSource(after)).auxiliary}
    assert kinds == {"hdr gain map", "depth"}


def test_front_camera_file(sample):
    """irot 1 then imir 0, tiles, and a gain map that is a grid."""
    before = sample(FRONT).read_bytes()
    coded = coded_map(80, 60)
    after = attach(before, coded)
    assert_attached(before, after, coded)
    file = parse(after)
    assert file.picture().orientation == 5
    assert remove(after) == before


def test_remove_then_attach_the_same_map_reads_the_same(sample):
    original = sample(CAMERA).read_bytes()
    once = attach(remove(original), coded_map(64, 48))
    assert attach(original, coded_map(64, 48), replace=True) == once


def test_calibration_metadata_and_profile_survive():
    calibration = Calibration(
        np.array([[90.5, 0, 47.25], [0, 90.5, 31.5], [0, 0, 1]]), 96, 64, pixel_size=0.0019,
        extrinsics=np.array([[0.0, 1, 0, 12.5], [-1, 0, 0, 0], [0, 0, 1, 0]]), distortion=(0.0, 0.5, -0.25),
        inverse_distortion=(0.0, -0.5, 0.25), distortion_center=(48.0, 32.5))
    coded = coded_map(48, 32, calibration=calibration, accuracy="absolute", quality="low", filtered=False)
    depth = read(attach(heic(), coded))
    assert depth.calibration == calibration
    assert (depth.accuracy, depth.quality, depth.filtered) == ("absolute", "low", False)


def test_article_profile_writes_no_calibration():
    coded = coded_map(48, 32, calibration=Calibration.from_focal35(26, 96, 64))
    depth = read(attach(heic(), coded, profile="article"))
    assert depth.calibration is None
    assert (depth.quality, depth.filtered) == ("low", False)


def test_unknown_profile_is_a_usage_error():
    with pytest.raises(UsageError, match="nonsense"):
        attach(heic(), profile="nonsense")


def test_items_and_properties_are_laid_out_as_apple_does():
    file = parse(attach(heic(), coded_map(48, 32)))
    meta, (depth,) = file.meta, file.depth_items()
    (about,) = file.metadata_of(depth)
    assert (meta.items[depth].type, meta.items[depth].hidden) == ("hvc1", True)
    assert (meta.items[about].type, meta.items[about].hidden) == ("mime", True)
    assert [(r.kind, r.source, r.targets) for r in meta.references] == [
        ("auxl", depth, (meta.primary,)), ("cdsc", about, (depth,))]
    assert [(meta.properties.boxes[i - 1].kind, e) for i, e in meta.properties.associations[depth]] == [
        ("ispe", False), ("irot", True), ("pixi", False), ("auxC", True), ("hvcC", True)]
    where = meta.locations.items
    assert where[depth].method == where[about].method == 0  # metadata in idat is reported to be ignored
    assert where[about].extents[0].offset < where[depth].extents[0].offset
    assert file.data(about).startswith(b"<x:xmpmeta")


def test_identical_properties_are_shared():
    twice = turned(irot(1))
    file = parse(attach(twice))
    assert sum(p.raw == irot(1) for p in file.meta.properties.boxes) == 1


def test_depth_is_refused_unless_replaced():
    once = attach(heic(), coded_map(seed=1))
    with pytest.raises(ExistingDepthError, match="the photo already has depth"):
        attach(once)
    old = item_bytes(once)
    new_map = coded_map(lo=0.25, hi=3.0, seed=2)
    twice = attach(once, new_map, replace=True)
    assert len(parse(twice).depth_items()) == 1
    assert np.array_equal(libheif(twice).depth, new_map.codes)
    for item in parse(once).depth_items() + parse(once).metadata_of(parse(once).depth_items()[0]):
        assert old[item] not in twice
    assert twice == attach(heic(), new_map)


def test_replacing_by_the_quantity_that_was_not_there():
    """disparity goes, depth comes: neither range is left of the old one."""
    once = attach(heic(), coded_map(lo=0.125, hi=3.0))
    twice = attach(once, coded_map(fmt="hdep", lo=1.5, hi=7.0), replace=True)
    judged = libheif(twice)
    assert (judged.metadata["z_near"], judged.metadata["z_far"]) == (1.5, 7.0)
    assert b"0.125000" not in twice


def test_nothing_to_remove():
    with pytest.raises(NoDepthError, match="no depth"):
        remove(heic())


def test_the_same_input_gives_the_same_bytes():
    before = heic()
    for bits in (8, 12):
        assert len({attach(before, coded_map(70, 50, bits=bits)) for _ in range(3)}) == 1


@pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow that codes AVIF")
def test_avif_as_a_target():
    """An AV1 picture with an HEVC map beside it."""
    buffer = io.BytesIO()
    picture().save(buffer, "AVIF")
    before, coded = buffer.getvalue(), coded_map(48, 32)
    after = attach(before, coded)
    assert len(kept_items(before, after)) == 2
    old, new = (np.asarray(Image.open(io.BytesIO(data))) for data in (before, after))
    assert np.array_equal(old, new)
    assert any(np.array_equal(g, coded.codes) for g in ffmpeg_gray(after))
    assert read(after).range() == (0.5, 2.25)
    assert remove(after) == before


def test_lossy_when_asked():
    rng = np.random.default_rng(5)
    coded = coded_map(96, 64)
    coded.codes[:] = rng.integers(0, 256, coded.codes.shape)
    small = coded_map(96, 64, crf=30)
    small.codes[:] = coded.codes
    lossless, lossy = attach(heic(), coded), attach(heic(), small)
    assert len(lossy) < len(lossless)
    assert libheif(lossy).depth.shape == coded.codes.shape
    assert attach(heic(), small) == lossy


def test_a_constant_map():
    coded = coded_map(lo=2.0, hi=2.0)
    coded.codes[:] = 0
    depth = read(attach(heic(), coded))
    assert (depth.map == 2.0).all()


@pytest.mark.parametrize("width_height", [(15, 40), (40, 15), (1, 1)])
def test_maps_too_small_for_hevc(width_height):
    with pytest.raises(UnsupportedError, match="too small"):
        attach(heic(), coded_map(*width_height))


def test_inspect_tells_what_there_is():
    contents = HEIF.inspect(ByteSource(attach(heic(picture(mode="RGBA")), coded_map(48, 32))))
    assert contents.container == "heif"
    assert (contents.picture.width, contents.picture.height) == (96, 64)
    assert {(a.kind, a.width, a.height) for a in contents.auxiliary} == {("alpha", 96, 64), ("depth", 48, 32)}
    assert next(a.urn for a in contents.auxiliary if a.kind == "depth") == DEPTH_URN
    assert contents.depth.range() == (0.5, 2.25)


def test_transcoded_photo_keeps_exif_xmp_and_pixels():
    block = exif_block(orientation=6)
    data = encode_pixels(picture(mode="RGBA"), orientation=6, exif_block=block, xmp_packet=XMP)
    file = parse(data)
    about = file.picture()
    assert (about.orientation, about.focal35, about.width, about.height) == (6, 26.0, 64, 96)
    assert XMP in item_bytes(data).values()
    assert b"\0\0\0\x06" + block in item_bytes(data).values()
    assert "alpha" in {a.kind for a in file.describe_auxiliaries()}
    assert libheif(data).pixels.shape == (96, 64, 4)
