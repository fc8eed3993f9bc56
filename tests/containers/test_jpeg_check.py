"""Rules of depth in JPEG files: what Apple and Google wrote keeps them, every broken file breaks its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from photo_kit import ramp
from test_google_writing import CODES, attach, coded, gray, opened, photo

import gpudepth
from gpudepth.attachment.inspection import check_file
from gpudepth.containers import registry
from gpudepth.containers.google import gdepth
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.pixel_format import HDEP
from gpudepth.formats import jpeg, mpf
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.mpf import MpfEntry

PHOTO = photo()
GOOD = attach(PHOTO)
BOTH = attach(PHOTO, also=("gdepth", "dynamic-depth"))
GOOGLE = attach(PHOTO, profile="gdepth")
ANDROID = attach(PHOTO, profile="dynamic-depth")


def found(data: bytes, verdict: str = "fail", profile: str | None = None) -> dict[str, str]:
    with ByteSource(data) as source:
        return {f.rule: f.where for f in check_file(source, profile).findings if f.verdict == verdict}


# -- what is right ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "profile"), [
    ("iphone7plus_portrait", None), ("iphone7plus_portrait", "apple-depth"), ("iphone7plus_portrait", "apple-portrait"),
    ("android_gdepth", None), ("android_gdepth", "gdepth")])
def test_what_others_wrote_passes(sample: Any, name: str, profile: str | None) -> None:
    verdicts = gpudepth.check(sample(f"jpeg/{name}.jpg"), profile=profile)
    assert verdicts.conforms and len(verdicts.findings) > 11, [f for f in verdicts.findings if f.verdict == "fail"]


def test_a_photo_without_depth_does_not(sample: Any) -> None:
    verdicts = gpudepth.check(sample("jpeg/iphone13mini_gainmap_no_depth.jpg"))
    assert {f.rule for f in verdicts.findings if f.verdict == "fail"} == {"depth-present"}


@pytest.mark.parametrize("options", [
    {}, {"profile": "article"}, {"profile": "gdepth"}, {"profile": "dynamic-depth"}, {"also": ("gdepth",)},
    {"also": ("dynamic-depth",)}, {"also": ("gdepth", "dynamic-depth")}], ids=str)
def test_what_we_write_passes(options: dict[str, Any]) -> None:
    data = attach(PHOTO, **options)
    assert not found(data) and not found(data, profile=options.get("profile", "apple-depth"))
    assert set(found(data, "warn")) <= {"filtered", "quality"}


def test_a_layout_that_is_not_there() -> None:
    assert found(GOOD, profile="gdepth") == {"depth-present": "the whole file"}
    assert found(GOOGLE, profile="apple-depth") == {"depth-present": "the whole file"}
    assert not found(BOTH, profile="dynamic-depth") and not found(attach(PHOTO, coded(fmt=HDEP)))


# -- what is wrong ----------------------------------------------------------------------------------------------------

def index(change: Callable[[Any], Any], data: bytes = GOOD) -> bytes:
    """The file with another MPF of the same length."""
    segment = opened(data).primary.find(jpeg.APP2, jpeg.MPF)
    assert segment is not None
    new = jpeg.make(jpeg.APP2, mpf.serialise(change(mpf.parse(segment.payload))))
    assert len(new) == segment.end - segment.start
    return data[: segment.start] + new + data[segment.end :]


def entry(n: int, **fields: int) -> Callable[[Any], Any]:
    def change(table: Any) -> Any:
        entries = list(table.entries)
        entries[n] = replace(entries[n], **fields)
        return replace(table, entries=tuple(entries))

    return change


def with_image(image: bytes, data: bytes = GOOD) -> bytes:
    """The file with another depth image."""
    file = opened(data)
    stream = file.images[0].stream
    return index(entry(1, size=len(image)), data[: stream.start] + image + data[stream.end :])


def rewritten(**changes: Any) -> bytes:
    """The depth image, its segments changed by marker name; None leaves one out."""
    file = opened(GOOD)
    stream = file.images[0].stream
    out = b"\xff\xd8"
    for s in stream.header:
        payload = changes.get(s.name, s.payload) if not s.starts(jpeg.APP2, jpeg.MPF) else changes.get("MPF", s.payload)
        out += jpeg.make(s.marker, payload) if payload is not None else b""
        if s.starts(jpeg.APP1, jpeg.XMP) and "EXIF" in changes:
            out += jpeg.make(jpeg.APP1, changes["EXIF"])
    return with_image(out + GOOD[stream.scan : stream.end])


def xmp_of_image(old: bytes, new: bytes) -> bytes:
    packet = opened(GOOD).images[0].stream.xmp()
    assert packet is not None and old in packet
    return rewritten(APP1=jpeg.XMP + packet.replace(old, new))


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    """Bytes of the primary's header exchanged for as many others."""
    assert len(old) == len(new) and old in data
    return data.replace(old, new, 1)


def other_map() -> bytes:
    """Apple's image and a GDepth map that says something else."""
    two = attach(PHOTO, coded(np.ascontiguousarray(CODES[::-1])), also=("gdepth",))
    file = opened(GOOD)
    return with_image(GOOD[file.images[0].stream.start : file.images[0].stream.end], two)


GUID = GOOGLE[GOOGLE.index(b'HasExtendedXMP="') + 16 :][:32]
CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "MPF offset into the picture": (lambda: index(entry(1, offset=4000)), "mpf-offsets", "APP2 MPF"),
    "MPF offset past the end": (lambda: index(entry(1, offset=1 << 30)), "mpf-offsets", "APP2 MPF"),
    "MPF counts three": (lambda: index(lambda t: replace(t, count=3)), "mpf-count", "APP2 MPF"),
    "MPF without a primary": (lambda: index(entry(0, attribute=0)), "mpf-primary", "entry 1"),
    "MPF with an offset of the primary": (lambda: index(entry(0, offset=7)), "mpf-primary", "entry 1"),
    "image 2 with Exif": (lambda: rewritten(EXIF=jpeg.EXIF + b"MM\0*\0\0\0\x08\0\0\0\0\0\0"), "exif-of-image", "image 2"),
    "no range in the XMP": (lambda: xmp_of_image(b"FloatMaxValue", b"FloatMostValue"), "xmp-keys", "XMP"),
    "the other quantity": (lambda: xmp_of_image(b">disparity<", b">depth<"), "auxiliary-type", "XMP"),
    "range upside down": (lambda: xmp_of_image(b"FloatMinValue>0.250000", b"FloatMinValue>9.000000"), "range", "XMP"),
    "a matte, no depth": (lambda: xmp_of_image(b"1751411059", b"1278226488"), "depth-present", "whole file"),
    "no XMP": (lambda: rewritten(APP1=None), "depth-present", "whole file"),
    "another aspect": (lambda: attach(photo(size=(96, 96))), "aspect", "image 2"),
    "two maps": (other_map, "layouts-agree", "GDepth"),
    "truncated": (lambda: GOOD[:-100], "mpf-offsets", "APP2 MPF"),
    "not whole": (lambda: PHOTO[:-100], "structure", ""),
    "GDepth without Mime": (lambda: patched(GOOGLE, b"GDepth:Mime=", b"GDepth:Mima="), "gdepth-keys", "GDepth"),
    "GDepth of another format": (lambda: patched(GOOGLE, b"RangeInverse", b"RangeInvers3"), "gdepth-format", "Format"),
    "GDepth upside down": (lambda: patched(GOOGLE, b'Near="0.25"', b'Near="8.25"'), "gdepth-range", "Near"),
    "GDepth of another kind": (lambda: patched(GOOGLE, b"image/png", b"image/bmp"), "gdepth-mime", "Data"),
    "another GUID": (lambda: GOOGLE.replace(GUID, b"0" * 32, 1).replace(GUID, b"0" * 32, 1), "extended-xmp",
                     "HasExtendedXMP"),
    "DD in feet": (lambda: patched(ANDROID, b"Meters", b"Feet!!"), "dd-units", "DepthMap"),
    "DD linear": (lambda: patched(ANDROID, b'Format="RangeInverse"', b'Format="RangeLinear "'), "dd-format", "DepthMap"),
    "DD upside down": (lambda: patched(ANDROID, b'Near="0.25"', b'Near="8.25"'), "dd-range", "DepthMap"),
    "DD without confidence": (lambda: patched(ANDROID, b"ConfidenceURI=", b"ConfidenceURL="), "dd-confidence", "DepthMap"),
    "DD of another item": (lambda: patched(ANDROID, b'DepthURI="android', b'DepthURI="androix'), "dd-depth", "DepthMap"),
    "DD items of another kind": (lambda: patched(ANDROID, b"image/jpeg", b"image/webp"), "dd-mime", "Directory"),
    "DD without a profile": (lambda: patched(ANDROID, b"DepthPhoto", b"ARPhoto!!!"), "dd-profile", "Profiles"),
    "DD lengths": (lambda: patched(ANDROID, b'Length="0"', b'Length="9"'), "dd-items", "Directory"),
    "DD primary": (lambda: patched(ANDROID, b'Length="0"', b'Length="9"'), "dd-directory", "Directory"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_defect_is_found_at_its_place(case: str) -> None:
    make, rule, place = CASES[case]
    broken = found(make())
    assert rule in broken, broken
    assert place in broken[rule]


def test_a_defect_breaks_little_else() -> None:
    allowed = {"depth-present", "decodes", "structure", "gdepth-keys", "dd-items", "dd-directory", "dd-depth"}
    for case, (make, rule, _) in CASES.items():
        assert set(found(make())) <= {rule, *allowed}, (case, found(make()))


def test_what_is_only_warned_of() -> None:
    assert set(found(index(entry(0, size=77)), "warn")) == {"mpf-length"}
    assert set(found(rewritten(MPF=None), "warn")) == {"mpf-of-image"}
    assert set(found(rewritten(MPF=mpf.stub(9)), "warn")) == {"mpf-of-image"}
    segment = opened(GOOD).primary.header[0]
    assert segment.payload.endswith(b"AMPF")
    assert set(found(patched(GOOD, b"AMPF", b"BMPF"), "warn")) == {"ampf"}
    file = opened(GOOD)
    packed = index(lambda t: replace(t, entries=(t.entries[0], MpfEntry(0, t.entries[1].size, t.entries[1].offset + 3))),
                   GOOD[: file.primary.end] + b"abc" + GOOD[file.primary.end :])
    assert set(found(packed, "warn")) == {"mpf-packed"}
    relative = attach(PHOTO, coded(accuracy="relative"), profile="gdepth")
    assert set(found(relative, "warn")) == {"gdepth-units"} and not found(relative)


def test_a_sixteen_bit_image_is_read_as_unverified() -> None:
    """Lossless JPEG, 16 bits: reported of Apple for maps with holes, seen nowhere."""
    codes = ramp(48, 32)
    import imagecodecs

    coded_image = bytes(imagecodecs.ljpeg_encode(codes))
    stream = jpeg.parse(ByteSource(coded_image))
    assert stream.frame.marker == jpeg.LOSSLESS and stream.frame.bits == 16
    packet = opened(GOOD).images[0].stream.xmp()
    assert packet is not None
    packet = packet.replace(b"IntMaxValue>255", b"IntMaxValue>65535").replace(b"1278226488", b"1278226742")
    data = with_image(coded_image[:2] + jpeg.make(jpeg.APP1, jpeg.XMP + packet) + coded_image[2:])
    with ByteSource(data) as source:
        from gpudepth.containers.jpeg.jpeg import Jpeg

        depth = Jpeg().read(source)
        assert depth is not None and (depth.codes == codes).all() and depth.storage is not None
        assert depth.storage.format.bits == 16
        assert any("not verified" in w for w in Jpeg().inspect(source).warnings)
    assert found(data, profile="apple-depth") == {"gray-baseline": "MPF image 2: SOF3"}


# -- the portrait -----------------------------------------------------------------------------------------------------

def test_a_portrait_by_a_jpeg_donor(sample: Any, tmp_path: Any) -> None:
    """An iPhone 7 Plus as donor: its blob, aperture, range and Exif tag; nothing else of the photo changes."""
    donor = registry.donor(sample("jpeg/iphone7plus_portrait.jpg"))
    assert donor.custom_rendered == 9 and donor.aperture == "4.500000" and donor.disparity is not None
    assert donor.disparity == pytest.approx((0.787109, 1.735352))
    target = tmp_path / "p.jpg"
    target.write_bytes(photo(size=(96, 64)))
    from gpudepth.containers.base import Placement
    from gpudepth.containers.jpeg.jpeg import Jpeg

    camera = Calibration.from_focal35(28, 96, 64)
    with ByteSource(target) as source:
        edit = Jpeg().attach(source, coded(calibration=camera, lo=0.5), Placement("apple-portrait", donor=donor))
        data = edit.splice.to_bytes()
    assert list(edit.changes) == ["Exif CustomRendered: none → 9 (a new Exif segment)"] and not edit.warnings
    assert not found(data, profile="apple-portrait") and opened(data).exif().custom_rendered == 9
    old, new = opened(target.read_bytes()).primary, opened(data).primary
    assert target.read_bytes()[old.scan : old.end] == data[new.scan : new.end]
    bare = attach(PHOTO, profile="apple-portrait")
    assert set(found(bare, profile="apple-portrait")) == {"calibration", "rendering-parameters", "simulated-aperture"}


def test_planes_within_coding_agree() -> None:
    assert "layouts-agree" in found(BOTH, "ok") and gdepth.NAMESPACE.encode() in BOTH
    assert gray(CODES)[:2] == b"\xff\xd8"
