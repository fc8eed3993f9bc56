"""Files that Apple software wrote: taken apart and rebuilt byte for byte, and one made again from its inputs."""

from __future__ import annotations

import numpy as np
import pytest
from heif_kit import HEIF, exif_tags, ffmpeg_gray, libheif, parse, remove

import gpudepth
from gpudepth.containers import apple
from gpudepth.containers.base import CodedMap
from gpudepth.containers.heif import writer
from gpudepth.containers.heif.reader import decode, metadata, representation
from gpudepth.depth.data import Storage
from gpudepth.depth.encoding import DisparityRange
from gpudepth.depth.pixel_format import HDIS, L008
from gpudepth.formats import xmp
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.hevc.parameter_sets import Configuration

ARTICLE, CAMERA = "heic/article_output.heic", "heic/iphone13pro_portrait.heic"
FRONT = "heic/iphone14pro_front_rotated_mirrored_no_depth.heic"


@pytest.fixture
def apple_file(sample):
    return lambda name: sample(name).read_bytes()


@pytest.mark.parametrize("name", [ARTICLE, CAMERA, FRONT])
def test_meta_box_is_rebuilt(apple_file, name):
    data = apple_file(name)
    file = parse(data)
    assert file.meta.serialise() == data[file.meta_box.start : file.meta_box.end]


@pytest.mark.parametrize("name", [ARTICLE, CAMERA])
def test_sei_is_rebuilt(apple_file, name):
    file = parse(apple_file(name))
    (item,) = file.depth_items()
    sei = representation(file, item)
    assert sei is not None
    assert sei.serialise() == file.urn(item)[1]


@pytest.mark.parametrize("name", [ARTICLE, CAMERA])
def test_depth_xmp_is_rebuilt(apple_file, name):
    file = parse(apple_file(name))
    (about,) = file.metadata_of(file.depth_items()[0])
    packet = xmp.parse(file.data(about))
    assert xmp.serialise(packet.properties, apple.PREFIXES) == file.data(about)


@pytest.mark.parametrize("name", [ARTICLE, CAMERA])
def test_depth_hvcc_is_rebuilt(apple_file, name):
    file = parse(apple_file(name))
    hvcc = file.meta.properties.first(file.depth_items()[0], "hvcC")
    assert Configuration.parse(hvcc.payload).serialise() == hvcc.raw


def test_article_metadata_from_its_own_map(apple_file):
    """What ImageIO wrote around this map is what our writer writes around it."""
    file = parse(apple_file(ARTICLE))
    (item,) = file.depth_items()
    sei = representation(file, item)
    codes, bits = decode(file, item)
    assert bits == 8
    coded = CodedMap(codes, Storage(L008, sei.d_min, sei.d_max), HDIS)
    assert writer.aux_c(coded) == file.meta.properties.first(item, "auxC").raw
    assert apple.serialise(coded, "article") == file.data(file.metadata_of(item)[0])


def test_camera_calibration_is_written_as_it_was_read(apple_file):
    """All lines of the camera's packet that our profile has are the same text."""
    file = parse(apple_file(CAMERA))
    (item,) = file.depth_items()
    sei, about = representation(file, item), metadata(file, item)
    coded = CodedMap(np.zeros((576, 768), np.uint8), Storage(L008, sei.d_min, sei.d_max), HDIS,
                     calibration=about.calibration)
    ours = xmp.parse(apple.serialise(coded, "apple-depth")).properties
    theirs = xmp.parse(file.data(file.metadata_of(item)[0])).properties
    assert list(ours) == [p for p in theirs if p.namespace in (apple.APDI, apple.DEPTH_DATA)]


def describe(data):
    """Types, flags, references and properties of the depth item and its XMP, without the ids."""
    file = parse(data)
    (item,) = file.depth_items()
    (about,) = file.metadata_of(item)
    meta = file.meta
    pairs = [(meta.properties.boxes[i - 1].kind, essential) for i, essential in meta.properties.associations[item]]
    return {
        "types": [(meta.items[i].type, meta.items[i].hidden, meta.items[i].content_type) for i in (item, about)],
        "auxl": [r.targets == (meta.primary,) for r in meta.references if r.source == item],
        "cdsc": [(r.kind, r.targets == (item,)) for r in meta.references if r.source == about],
        "properties": sorted(pairs),
        "small": {k: meta.properties.first(item, k).raw for k in ("ispe", "irot", "pixi")},
        "sei": representation(file, item),
    }


def test_the_article_again(sample, tmp_path):
    """The recipe of Apple's article, from the inputs that macOS was given, beside what macOS made of them."""
    out = gpudepth.attach(sample("heic/article_input_color.png"), sample("heic/article_input_gray.png"),
                          tmp_path / "out.heic", encoding=DisparityRange(1.2627, 6.8086), resize=(188, 250),
                          profile="article")
    theirs_path = sample(ARTICLE)
    ours, theirs = describe(out.read_bytes()), describe(theirs_path.read_bytes())
    assert ours["sei"].d_max == theirs["sei"].d_max
    # 375 columns became 188 there by blending the last one with nothing, which made it darker than the picture is
    golden_map = gpudepth.read(theirs_path).disparity()
    assert ours["sei"].d_min == pytest.approx(golden_map[:, :187].min(), abs=0.04)
    assert golden_map[:, 187].min() == theirs["sei"].d_min
    for key in ("types", "auxl", "cdsc", "properties", "small"):
        assert ours[key] == theirs[key], key

    error = gpudepth.read(out).disparity()[:, :187] - golden_map[:, :187]
    assert np.sqrt(np.mean(error * error)) < 0.02

    def tags(path):
        file = parse(path.read_bytes())
        packet = xmp.parse(file.data(file.metadata_of(file.depth_items()[0])[0]))
        return [p for p in packet.properties if p.name != "FloatMinValue"]

    assert tags(out) == tags(theirs_path)
    seen = [exif_tags(p, "XMP-apdi", "XMP-depthData") for p in (out, theirs_path)]
    for found in seen:
        assert found.pop("XMP-apdi:FloatMinValue")
    assert seen[0] == seen[1]
    assert len(seen[0]) == 11


@pytest.mark.parametrize("name", [ARTICLE, CAMERA])
def test_read_agrees_with_libheif_and_ffmpeg(apple_file, name):
    data = apple_file(name)
    file = parse(data)
    with ByteSource(data) as source:
        depth = HEIF.read(source)
    codes, _ = decode(file, file.depth_items()[0])
    grays = [g for g in ffmpeg_gray(data) if g.shape == codes.shape]
    assert any(np.array_equal(g, codes) for g in grays)
    judged = libheif(data)
    assert np.array_equal(judged.depth, codes)
    lo, hi = judged.metadata["d_min"], judged.metadata["d_max"]
    assert (depth.storage.lo, depth.storage.hi) == (lo, hi)
    expected = lo + codes / 255 * (hi - lo)
    assert np.abs(depth.disparity() - expected).max() <= hi * 2**-11


def test_camera_file_fields(apple_file):
    with ByteSource(apple_file(CAMERA)) as source:
        depth = HEIF.read(source)
        picture = HEIF.picture(source)
    assert (depth.width, depth.height, str(depth.pixel_format)) == (768, 576, "hdis")
    assert (depth.accuracy, depth.quality, depth.filtered) == ("relative", "high", True)
    assert depth.calibration.focal == (3032.59423828125, 3032.59423828125)
    assert depth.calibration.center == (1988.450927734375, 1512.30712890625)
    assert (depth.calibration.reference_width, depth.calibration.reference_height) == (4032, 3024)
    assert depth.calibration.pixel_size == 0.0019
    assert len(depth.calibration.distortion) == len(depth.calibration.inverse_distortion) == 8
    assert (picture.coded_width, picture.coded_height, picture.orientation, picture.focal35) == (4032, 3024, 1, 26.0)


@pytest.mark.parametrize("name", [ARTICLE, CAMERA])
def test_remove_leaves_nothing_of_the_depth(apple_file, name):
    data = apple_file(name)
    file = parse(data)
    (item,) = file.depth_items()
    coded, packet = file.data(item), file.data(file.metadata_of(item)[0])
    stripped = remove(data)
    assert coded not in stripped
    assert packet not in stripped
    assert b"urn:mpeg:hevc:2015:auxid:2" not in stripped
    assert len(data) - len(stripped) > len(coded) + len(packet)
    gone = set(parse(data).meta.items) - set(parse(stripped).meta.items)
    assert gone == {item, *file.metadata_of(item)}


@pytest.mark.parametrize("value", [1e39, -1e300, float("inf"), float("nan")])
def test_a_calibration_that_no_float_holds(value):
    """Numbers of a damaged file, scaled to another size of the map: said, not written as inf."""
    from heif_kit import attach, coded_map, heic

    from gpudepth.depth.calibration import Calibration
    from gpudepth.errors import GpudepthError

    with pytest.raises(GpudepthError, match="calibration"):
        attach(heic(), coded_map(calibration=Calibration(np.array([[value, 0, 16], [0, 30, 12], [0, 0, 1]]), 32, 24)))
