"""Depth in JPEG files: nothing that was there changes, everything that was added is found."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import tool
from photo_kit import pixels, plain, ramp
from PIL import Image

import gpudepth
from gpudepth.containers import apple
from gpudepth.containers.base import CodedMap, Placement
from gpudepth.containers.jpeg import image
from gpudepth.containers.jpeg.file import JpegFile
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDEP, HDIS, L008, L016, NATIVE
from gpudepth.errors import (
    ExistingDepthError,
    GpudepthError,
    MalformedError,
    NoDepthError,
    RangeError,
    UnsupportedError,
    UsageError,
)
from gpudepth.formats import jpeg, mpf, xmp
from gpudepth.formats.bytesource import ByteSource
from gpudepth.formats.mpf import Mpf, MpfEntry

STORAGE = Storage(L008, 0.5, 4.0)
CODES = ramp(48, 32, 255)


def coded(codes: Any = CODES, **fields: Any) -> CodedMap:
    return CodedMap(codes, fields.pop("storage", STORAGE), fields.pop("fmt", HDIS), **fields)


def saved(mode: str = "RGB", size: tuple[int, int] = (96, 64), **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels(*size).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def attach(data: bytes, codes: CodedMap | None = None, **options: Any) -> bytes:
    with ByteSource(data) as source:
        return Jpeg().attach(source, codes or coded(), Placement(**options)).splice.to_bytes()


def check(before: bytes, after: bytes, codes: Any = CODES, *, google: bool = False) -> JpegFile:
    """The promises of an attach: scans, segments, other images and trailer unchanged; offsets right; depth there."""
    with ByteSource(before) as a, ByteSource(after) as b:
        old, new = JpegFile(a), JpegFile(b)
        assert not new.missing
        assert before[old.primary.scan : old.primary.end] == after[new.primary.scan : new.primary.end]

        def kept(file: JpegFile) -> list[bytes]:
            return [s.serialise() for s in file.primary.header
                    if not s.starts(jpeg.APP2, jpeg.MPF) and not s.starts(jpeg.APP0, jpeg.JFIF)
                    and not (google and s.starts(jpeg.APP1, b"http://ns.adobe.com/x"))]

        assert kept(old) == kept(new)
        assert new.mpf is not None
        assert new.mpf.count == len(new.mpf.entries) == len(new.images) + 1
        assert new.mpf.entries[0].size == new.primary.size
        for i in new.images:
            assert new.mpf.entries[i.index].size == i.stream.size
        others = [after[i.stream.start : i.stream.end] for i in new.images if not i.is_depth]
        was = [before[i.stream.start : i.stream.end] for i in old.images if not i.is_depth]
        assert [len(x) for x in others] == [len(x) for x in was]
        for x, y in zip(others, was, strict=True):
            assert sum(p != q for p, q in zip(x, y, strict=True)) <= 1  # the number of images in its two-tag MPF
        assert before[old.tail :] == after[new.tail :]
        data = Jpeg().read(b)
        assert data is not None and data.storage is not None
        step = (data.storage.hi - data.storage.lo) / 255
        got = (data.map.astype(np.float64) - data.storage.lo) / step
        assert np.abs(got - codes).max() < 4  # Apple's quantisation table is lossy
        return new


TRAPS: dict[str, Any] = {
    "plain": saved,
    "progressive": lambda: saved(progressive=True),
    "restarts": lambda: saved(restart_marker_rows=1),
    "gray": lambda: saved("L"),
    "cmyk": lambda: saved("CMYK"),
    "multi-chunk icc": lambda: saved(icc_profile=bytes(150_000)),
    "exif, xmp, comment": lambda: saved(exif=Image.Exif().tobytes() + bytes(500), xmp=b"<x:xmpmeta/>",
                                        comment=b"\xff\xd9 not the end"),
    "no jfif": lambda: saved()[:2] + saved()[20:],
    "exif before jfif": lambda: saved()[:2] + jpeg.make(0xE1, Image.Exif().tobytes()) + saved()[2:],
    "jfif thumbnail": lambda: saved()[:2] + jpeg.make(0xE0, saved()[6:18] + b"\x01\x01" + bytes(3)) + saved()[20:],
    "jfxx": lambda: saved()[:20] + jpeg.make(0xE0, b"JFXX\0\x13\x01\x01" + bytes(3)) + saved()[20:],
    "fill bytes": lambda: saved()[:20] + b"\xff\xff\xff" + saved()[20:],
    "arithmetic": lambda: saved().replace(b"\xff\xc0", b"\xff\xc9", 1),
    "samsung trailer": lambda: saved() + b"SEFH" + bytes(60) + b"\x3c\0\0\0SEFT",
    "motion photo": lambda: saved() + b"\0\0\0\x18ftypmp42" + bytes(3000),
    "zero tail": lambda: saved() + bytes(5000),
    "trailer with a jpeg": lambda: saved() + b"junk" + saved("L", (16, 16)),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_attach_changes_nothing_else(trap: str) -> None:
    before = TRAPS[trap]()
    after = attach(before)
    check(before, after)
    if trap != "arithmetic":
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(before))), np.asarray(Image.open(io.BytesIO(after))))
        with Image.open(io.BytesIO(after)) as picture:
            assert (picture.format, picture.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    with ByteSource(after) as source:
        assert Jpeg().remove(source).splice.to_bytes() == before


@pytest.mark.parametrize("options", [
    ("-arithmetic",), ("-arithmetic", "-progressive"), ("-progressive", "-restart", "1"), ("-restart", "3B"),
    ("-grayscale", "-optimize"), ("-rgb",), ("-sample", "1x2"), ("-dct", "float", "-smooth", "20")],
    ids=" ".join)
def test_files_of_libjpeg_decode_to_the_same_samples(tmp_path: Path, options: tuple[str, ...]) -> None:
    """djpeg, for Pillow has no arithmetic coding."""
    pixels(96, 64).save(tmp_path / "p.ppm")
    tool("cjpeg", *options, "-outfile", tmp_path / "p.jpg", tmp_path / "p.ppm")
    before = (tmp_path / "p.jpg").read_bytes()
    (tmp_path / "o.jpg").write_bytes(attach(before))
    check(before, (tmp_path / "o.jpg").read_bytes())
    for name in ("p", "o"):
        tool("djpeg", "-outfile", tmp_path / f"{name}.pnm", tmp_path / f"{name}.jpg")
    assert (tmp_path / "p.pnm").read_bytes() == (tmp_path / "o.pnm").read_bytes()


def multi(order: Any, others: int = 2, attributes: bool = True, uids: bool = True, stub: bytes = b"") -> bytes:
    """A file of several images, with all that an MPF may hold; `stub` stands in each of the others."""
    primary, extra = saved(), [saved("L", (16 + 8 * i, 16)) for i in range(others)]
    extra = [e[:20] + stub + e[20:] for e in extra]
    tags = (mpf.Tag(mpf.UIDS, 7, 33 * (others + 1), b"u" * 33 * (others + 1)),) if uids else ()
    more = (mpf.Tag(0xB101, 4, 1, (1).to_bytes(4, order)),) if attributes else ()
    index = Mpf(tuple(MpfEntry(0, 0, 0) for _ in range(others + 1)), others + 1, order, tags, more)
    size = 4 + len(mpf.serialise(index))
    entries, at = [MpfEntry(0x20030002, 12345, 0)], len(primary) + size  # the primary's size is wrong in real files too
    for e in extra:
        entries.append(MpfEntry(0x020002, len(e), at - 28))
        at += len(e)
    index = Mpf(tuple(entries), others + 1, order, tags, more)
    return primary[:20] + jpeg.make(0xE2, mpf.serialise(index)) + primary[20:] + b"".join(extra)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("attributes", [True, False])
def test_other_images_are_kept_and_pointed_to_anew(order: str, attributes: bool) -> None:
    before = multi(order, attributes=attributes, uids=attributes) + b"SEFT trailer"
    new = check(before, attach(before))
    assert new.mpf is not None
    assert new.mpf.order == order
    assert len(new.mpf.attributes) == attributes
    assert [e.attribute for e in new.mpf.entries] == [0x20030002, 0x020002, 0x020002, 0]
    with ByteSource(attach(before)) as source:
        back = Jpeg().remove(source).splice.to_bytes()
        again = JpegFile(ByteSource(back))
        assert again.mpf is not None and len(again.images) == 2
        assert back[again.tail :] == b"SEFT trailer"
        assert len(back) == len(before)


STUBS = {"two tags": mpf.stub(3),
         "attributes alone": bytes.fromhex("4d504600 4d4d002a 00000008 0001 b101 0004 00000001 00000002 00000000"),
         "data behind the tags": mpf.stub(3) + b"left over", "damaged": b"MPF\0XX"}


@pytest.mark.parametrize("name", STUBS)
def test_the_mpf_of_another_image_keeps_its_length(name: str) -> None:
    """The offsets behind an image are its length away: tags that it has not are not put in."""
    before = multi("big", stub=b"\xff" + jpeg.make(0xE2, STUBS[name]))  # a fill byte before the marker
    new = check(before, attach(before))
    for i in new.images[:2]:
        found = i.stream.find(jpeg.APP2, jpeg.MPF)
        assert found is not None and found.payload == mpf.with_count(STUBS[name], 4)
    with ByteSource(attach(before)) as source:
        back = Jpeg().remove(source).splice.to_bytes()
    again = JpegFile(ByteSource(back))
    assert not again.missing and len(again.images) == 2


@pytest.mark.parametrize("index", [mpf.stub(1), STUBS["attributes alone"]], ids=["a count", "attributes"])
def test_an_mpf_without_entries_gets_the_primary_image_first(index: bytes) -> None:
    before = saved()[:20] + jpeg.make(0xE2, index) + saved()[20:]
    new = check(before, attach(before))
    assert new.mpf is not None and [i.is_depth for i in new.images] == [True]
    assert [e.attribute for e in new.mpf.entries] == [mpf.BASELINE_PRIMARY, 0]


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_through_the_road(tmp_path: Path, fmt: Any, orientation: int) -> None:
    photo = plain(tmp_path / "p.jpg", 96, 64, orientation)
    size = (48, 32) if orientation < 5 else (32, 48)
    out = gpudepth.attach(photo, ramp(*size), tmp_path / "o.jpg", near=0.5, far=12, pixel_format=fmt)
    check(photo.read_bytes(), out.read_bytes(), _stored(out))
    data = gpudepth.read(out)
    assert data is not None
    assert (data.width, data.height, data.pixel_format) == (*size, fmt)
    assert data.depth()[0, 0] == pytest.approx(0.5, rel=0.02)
    report = gpudepth.inspect(out)
    assert (report.container, report.width, report.height) == ("jpeg", *((96, 64) if orientation < 5 else (64, 96)))
    assert report.depth is not None and report.depth["stored_format"] == "L008"


def _stored(path: Path) -> Any:
    with ByteSource(path) as source:
        file = JpegFile(source)
        return image.decode(source, file.depth_images()[0].stream, source.limits)[0]


def test_image_two_has_the_cameras_form() -> None:
    packet = apple.serialise(coded(), "apple-depth")
    data = image.encode(CODES, packet, 3)
    stream = jpeg.parse(ByteSource(data))
    assert [s.name for s in stream.header] == ["APP1", "APP2", "DQT", "DRI", "SOF0", "DHT"]
    assert stream.header[1].payload == mpf.stub(3)
    assert stream.header[2].payload == b"\0" + bytes(image.APPLE_QUANTISATION)
    assert stream.header[3].payload == (48 // 8).to_bytes(2, "big")  # one MCU row
    assert stream.header[4].payload == bytes.fromhex("08 0020 0030 01 01 11 00")
    assert image.encode(CODES, packet, 3) == data
    lossless = image.encode(CODES, packet, 2, 100)
    got, _ = image.decode(ByteSource(lossless), jpeg.parse(ByteSource(lossless)), ByteSource(b"").limits)
    assert np.abs(got.astype(int) - CODES).max() <= 1


def test_quality_and_calibration(tmp_path: Path) -> None:
    camera = Calibration(np.array([[80.0, 0, 48], [0, 80, 32], [0, 0, 1]]), 96, 64)
    data = Jpeg().read(ByteSource(attach(saved(), coded(calibration=camera, jpeg_quality=100, accuracy="absolute"))))
    assert data is not None and data.calibration is not None
    assert np.array_equal(data.calibration.intrinsics, camera.intrinsics)
    assert data.accuracy == "absolute"
    assert np.abs((data.map.astype(float) - 0.5) / 3.5 * 255 - CODES).max() < 1.6


def test_replace_and_remove() -> None:
    once = attach(saved())
    with pytest.raises(ExistingDepthError, match=r"replace_depth=True"):
        attach(once)
    other = coded(CODES[::-1])
    assert attach(once, other, replace=True) == attach(saved(), other)
    with pytest.raises(NoDepthError):
        Jpeg().remove(ByteSource(saved()))


@pytest.mark.parametrize("bad", ["truncated", "two soi", "garbage", "empty", "mpf beyond the end"])
def test_damaged_files_are_refused(tmp_path: Path, bad: str) -> None:
    good = saved()
    data = {
        "truncated": good[:-100], "two soi": good[:2] + good, "garbage": good[:20] + b"xx" + good[20:], "empty": b"",
        "mpf beyond the end": multi("big")[:-50],
    }[bad]
    (tmp_path / "p.jpg").write_bytes(data)
    with pytest.raises(GpudepthError, match=r"p\.jpg"):
        gpudepth.attach(tmp_path / "p.jpg", CODES, tmp_path / "o.jpg", near=1, far=2)
    assert [p.name for p in tmp_path.iterdir()] == ["p.jpg"]


def test_mattes_and_gain_maps_are_not_depth() -> None:
    def with_xmp(kind: str, sub: str, native: int) -> bytes:
        properties = [xmp.Property(apple.APDI, "AuxiliaryImageType", kind),
                      xmp.Property(apple.APDI, "AuxiliaryImageSubType", sub),
                      xmp.Property(apple.APDI, "NativeFormat", str(native))]
        packet = xmp.serialise(properties, apple.PREFIXES)
        return image.encode(CODES, packet, 2)

    for kind, sub, expected in (("depth", "portraiteffectsmatte", "portrait effects matte"),
                                ("urn:com:apple:photo:2020:aux:hdrgainmap", "", "hdr gain map")):
        extra, primary = with_xmp(kind, sub, L008.fourcc), saved()
        index = Mpf((MpfEntry(0x30000, 0, 0), MpfEntry(0, len(extra), 0)), 2)
        size = 4 + len(mpf.serialise(index))
        index = Mpf((MpfEntry(0x30000, 0, 0), MpfEntry(0, len(extra), len(primary) + size - 28)), 2)
        data = primary[:20] + jpeg.make(0xE2, mpf.serialise(index)) + primary[20:] + extra
        with ByteSource(data) as source:
            assert Jpeg().read(source) is None
            assert [a.kind for a in Jpeg().inspect(source).auxiliary] == [expected]
        check(data, attach(data))


def test_sixteen_bits_and_missing_ranges() -> None:
    with pytest.raises(UsageError, match="8 bits"):
        Jpeg().storage(HDIS, 0, 1, 10)
    with pytest.raises(UnsupportedError, match="8 bits"):
        attach(saved(), coded(ramp(48, 32), storage=Storage(L016, 0.5, 4)))
    broken = attach(saved()).replace(b"FloatMinValue", b"FloatMinVaXue")
    with pytest.raises(RangeError, match="MPF image 2"):
        Jpeg().read(ByteSource(broken))
    assert Jpeg().inspect(ByteSource(broken)).warnings


def test_warnings() -> None:
    def warned(data: bytes) -> str:
        with ByteSource(data) as source:
            return " ".join(Jpeg().attach(source, coded()).warnings)

    assert warned(saved()) == ""
    assert warned(saved() + bytes(100)) == ""
    assert "bytes after the last image" in warned(TRAPS["samsung trailer"]())
    assert "CMYK" in warned(saved("CMYK"))
    assert "arithmetic" in warned(TRAPS["arithmetic"]())
    assert "C2PA" in warned(saved()[:2] + jpeg.make(0xEB, b"JP\0\1") + saved()[2:])


def test_exiftool_finds_and_reads_image_two(tmp_path: Path) -> None:
    path = tmp_path / "o.jpg"
    path.write_bytes(attach(multi("big", 1), coded(fmt=HDEP)))
    with ByteSource(path) as source:
        stream = JpegFile(source).depth_images()[0].stream
        ours = source.read(stream.start, stream.size)
    tool("exiftool", "-b", "-MPImage3", "-w", f"{tmp_path}/two.jpg%0f", path)
    assert (tmp_path / "two.jpg").read_bytes() == ours
    tags = json.loads(tool("exiftool", "-j", "-n", "-G1", tmp_path / "two.jpg"))[0]
    assert tags["XMP-apdi:NativeFormat"] == HDEP.fourcc
    assert (tags["XMP-apdi:FloatMinValue"], tags["XMP-apdi:FloatMaxValue"]) == (0.5, 4)
    assert tags["XMP-depthData:Quality"] == "high"
    whole = json.loads(tool("exiftool", "-j", "-G1", path))[0]
    assert whole["MPF0:NumberOfImages"] == 3


def test_iphone_depth_equals_an_independent_decode(sample: Any) -> None:
    """The plane by Pillow from MPF's own numbers, the formula written out."""
    path = sample("jpeg/iphone7plus_portrait.jpg")
    data = gpudepth.read(path, orientation="coded")
    assert data is not None
    raw = path.read_bytes()
    start = raw.index(b"MPF\0") + 4
    offset = int.from_bytes(raw[start + 50 + 24 : start + 50 + 28], "big")
    second = raw[start + offset :]
    second = second[: second.index(b"\xff\xd9", second.index(b"\xff\xda")) + 2]
    segment = second.index(b"MPF\0") - 4
    second = second[:segment] + second[segment + 46 :]
    codes = np.asarray(Image.open(io.BytesIO(second))).astype(np.float64)
    packet = raw[start + offset :].split(b"<x:xmpmeta", 1)[1].split(b"</x:xmpmeta>", 1)[0].decode()
    lo, hi = (float(packet.split(f"<apdi:Float{k}Value>")[1].split("<")[0]) for k in ("Min", "Max"))
    assert np.abs(data.map - (lo + codes / 255 * (hi - lo))).max() < 1e-3
    assert (data.width, data.height, data.orientation) == (768, 576, 6)
    assert data.calibration is not None
    assert data.calibration.focal == pytest.approx((6658.83, 6658.83), abs=0.01)


def test_xmp_of_a_real_file_is_rebuilt(sample: Any) -> None:
    with ByteSource(sample("jpeg/iphone7plus_portrait.jpg")) as source:
        packet = JpegFile(source).images[0].stream.xmp()
    assert packet is not None
    parsed = xmp.parse(packet)
    assert xmp.serialise(parsed.properties, apple.PREFIXES, parsed.toolkit) == packet


@pytest.mark.parametrize("name", ["iphone7plus_portrait", "iphone13mini_gainmap_no_depth", "android_gdepth"])
def test_real_files(sample: Any, name: str) -> None:
    before = sample(f"jpeg/{name}.jpg").read_bytes()
    with ByteSource(before) as source:
        picture = Jpeg().picture(source)
    codes = ramp(picture.coded_width // 32, picture.coded_height // 32, 255)
    after = attach(before, coded(codes), replace=True)
    check(before, after, codes, google=name.startswith("android"))  # its own map is in the XMP, and had to go
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(before))), np.asarray(Image.open(io.BytesIO(after))))


def test_mutations_raise_only_our_errors() -> None:
    rng = np.random.default_rng(11)
    base = attach(multi("little"))
    header = base.index(b"\xff\xda")
    for _ in range(400):
        data = bytearray(base)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(2, header if rng.random() < 0.8 else len(data))] = rng.integers(256)
        cut = bytes(data[: len(data) if rng.random() < 0.7 else rng.integers(10, len(data))])
        with ByteSource(cut) as source:
            for call in (Jpeg().read, Jpeg().inspect, lambda s: Jpeg().attach(s, coded(), Placement(replace=True)), Jpeg().remove):
                with contextlib.suppress(GpudepthError):
                    call(source)


def test_damaged_mpf_is_named() -> None:
    broken = multi("big").replace(b"MPF\0MM", b"MPF\0XX")
    with pytest.raises(MalformedError, match="APP2 MPF"):
        Jpeg().read(ByteSource(broken))
