"""GDepth and Dynamic Depth written: Android's rules, exiftool's eyes, the same plane in every layout of one file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import dynamic_depth_validator as android
import numpy as np
import pytest
from heif_kit import tool
from photo_kit import pixels, plain, ramp
from PIL import Image

import gpudepth
from gpudepth.containers.base import CodedMap, Placement
from gpudepth.containers.google import dynamic_depth, gdepth
from gpudepth.containers.google.packets import MAIN, NOTE, Packets
from gpudepth.containers.jpeg.file import JpegFile
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import FDIS, HDEP, HDIS, L008, L016
from gpudepth.errors import (
    ExistingDepthError,
    GpudepthError,
    MalformedError,
    NoDepthError,
    RangeError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from gpudepth.formats import jpeg, rdf, xmp
from gpudepth.formats.bytesource import ByteSource

CODES = ramp(48, 32, 255)
FOREIGN = "http://foreign.example/"
FOREIGN_XMP = rdf.packet(rdf.description("", {"f": FOREIGN}, {"f:Kept": "as it is", "f:Long": "x" * 2000}))


def coded(codes: Any = CODES, lo: float = 0.25, hi: float = 4.0, **fields: Any) -> CodedMap:
    stored = L016 if codes.dtype == np.uint16 else L008
    return CodedMap(codes, Storage(stored, lo, hi), fields.pop("fmt", HDIS), **{"accuracy": "absolute", **fields})


def photo(packet: bytes = b"", extended: bytes = b"", size: tuple[int, int] = (96, 64), **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels(*size).save(buffer, "JPEG", **options)
    segments = b"".join(Packets(packet, extended).segments()) if packet or extended else b""
    data = buffer.getvalue()
    return data[:2] + segments + data[2:]


def attach(data: bytes, codes: CodedMap | None = None, **placement: Any) -> bytes:
    with ByteSource(data) as source:
        return Jpeg().attach(source, codes or coded(), Placement(**placement)).splice.to_bytes()


def read(data: bytes) -> Any:
    with ByteSource(data) as source:
        return Jpeg().read(source)


def opened(data: bytes) -> JpegFile:
    return JpegFile(ByteSource(data))


def same_picture(before: bytes, after: bytes) -> None:
    old, new = opened(before).primary, opened(after).primary
    assert before[old.scan : old.end] == after[new.scan : new.end]
    skip = [(jpeg.APP0, jpeg.JFIF), (jpeg.APP2, jpeg.MPF), (jpeg.APP1, jpeg.XMP), (jpeg.APP1, jpeg.EXTENDED_XMP)]

    def rest(stream: Any) -> list[bytes]:
        return [s.serialise() for s in stream.header if not any(s.starts(*kind) for kind in skip)]

    assert rest(old) == rest(new)


# -- GDepth -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("codes", [CODES, ramp(48, 32)], ids=["8 bit", "16 bit"])
@pytest.mark.parametrize("accuracy", ["absolute", "relative"])
def test_gdepth_is_the_inverted_plane(tmp_path: Path, codes: Any, accuracy: str) -> None:
    before = photo()
    out = attach(before, coded(codes, accuracy=accuracy), profile="gdepth")
    same_picture(before, out)
    path = tmp_path / "o.jpg"
    path.write_bytes(out)
    tags = json.loads(tool("exiftool", "-j", "-n", "-G1", "-a", "-XMP-GDepth:all", path))[0]
    assert tags["XMP-GDepth:Format"] == "RangeInverse" and tags["XMP-GDepth:Mime"] == "image/png"
    assert (tags["XMP-GDepth:Near"], tags["XMP-GDepth:Far"]) == (0.25, 4)
    assert tags.get("XMP-GDepth:Units") == ("m" if accuracy == "absolute" else None)
    tool("exiftool", "-b", "-XMP-GDepth:DepthImage", "-w", f"{tmp_path}/d.png%0f", path)
    plane = np.asarray(Image.open(tmp_path / "d.png")).astype(np.int64)
    top = 255 if codes.dtype == np.uint8 else 65535
    assert (plane == top - codes.astype(np.int64)).all()
    data = read(out)
    assert (data.codes == codes).all() and data.accuracy == accuracy
    assert data.pixel_format is (HDIS if top == 255 else FDIS) and (data.storage.lo, data.storage.hi) == (0.25, 4.0)


def test_gdepth_of_depth_is_linear() -> None:
    data = read(attach(photo(), coded(fmt=HDEP, lo=0.5, hi=12), profile="gdepth"))
    assert data.pixel_format is HDEP and (data.codes == CODES).all() and data.range() == (0.5, 12)


@pytest.mark.parametrize(("lo", "hi"), [(0.0, 2.0), (1e-320, 2.0), (0.5, 0.5), (1 / 3, 3.3333), (1e-3, 1.00001e-3)])
def test_ranges_come_back(lo: float, hi: float) -> None:
    """Infinitely far has no number, and near must be nearer than far: within a hundredth of a code all the same."""
    codes = CODES if hi > lo else np.zeros_like(CODES)
    data = read(attach(photo(), coded(codes, lo, hi), profile="gdepth"))
    step = (hi - lo) / 255
    assert abs(data.storage.lo - lo) <= max(step / 99, lo * 2e-6) and abs(data.storage.hi - hi) <= max(step / 99, hi * 2e-6)
    assert (data.codes == codes).all()


def test_a_large_map_goes_into_extended_xmp_beside_what_is_there() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300), np.uint8)
    theirs = rdf.packet(rdf.description("", {"GImage": "http://ns.google.com/photos/1.0/image/"},
                                        {"GImage:Data": "A" * 100_000}))
    before = photo(FOREIGN_XMP, theirs, size=(600, 400))
    assert opened(before).packets.extended == theirs
    out = attach(before, coded(noise), profile="gdepth")
    same_picture(before, out)
    packets = opened(out).packets
    assert packets.text("http://ns.google.com/photos/1.0/image/", "Data") == "A" * 100_000
    assert packets.text(FOREIGN, "Kept") == "as it is"
    assert packets.main.count(b"HasExtendedXMP") == 1 and (read(out).codes == noise).all()
    pieces = [s for s in opened(out).primary.header if s.starts(jpeg.APP1, jpeg.EXTENDED_XMP)]
    assert len(pieces) >= 3 and all(len(s.payload) <= 65_533 for s in pieces)

    with ByteSource(out) as source:
        removed = Jpeg().remove(source).splice.to_bytes()
    assert read(removed) is None
    again = opened(removed).packets
    assert again.extended == theirs and again.text(FOREIGN, "Kept") == "as it is"
    assert again.text(gdepth.NAMESPACE, "Format") is None and not again.names([gdepth.NAMESPACE])
    assert removed == before


def test_removing_gives_the_same_photo_back() -> None:
    before = photo(FOREIGN_XMP)
    for options in ({"profile": "gdepth"}, {"profile": "dynamic-depth"}, {"also": ("gdepth", "dynamic-depth")}):
        out = attach(before, **options)
        with ByteSource(out) as source:
            removed = Jpeg().remove(source).splice.to_bytes()
        same_picture(before, removed)
        assert opened(removed).packets.main == FOREIGN_XMP
        with ByteSource(removed) as source, pytest.raises(NoDepthError):
            Jpeg().remove(source)


def test_a_full_packet_is_refused() -> None:
    full = rdf.packet(rdf.description("", {"f": FOREIGN}, {"f:Long": "x" * (MAIN - 500)}))
    with pytest.raises(UnsupportedError, match="one JPEG segment holds 65,504"):
        attach(photo(full), profile="gdepth")
    head = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    padded = head + full[:-len(b"</rdf:RDF>\n</x:xmpmeta>\n")].replace(b"x" * 4000, b"", 1) + (
        b"</rdf:RDF>\n</x:xmpmeta>\n" + b" " * 4000 + b'<?xpacket end="w"?>')
    out = attach(photo(padded), profile="gdepth")  # the padding is there to be eaten
    assert (read(out).codes == CODES).all() and len(opened(out).packets.main) <= MAIN


def extension(guid: str, total: int, *pieces: tuple[int, bytes]) -> bytes:
    head = jpeg.EXTENDED_XMP + guid.encode() + total.to_bytes(4, "big")
    return b"".join(jpeg.make(0xE1, head + at.to_bytes(4, "big") + data) for at, data in pieces)


NAMED = rdf.packet(rdf.description("", {"xmpNote": NOTE}, {"xmpNote:HasExtendedXMP": "A" * 32}))
OTHERS = {
    "of another packet": extension("B" * 32, 300, (0, b"b" * 300)), "with holes": extension("B" * 32, 300, (100, b"b" * 200)),
    "a second main packet": jpeg.make(0xE1, jpeg.XMP + FOREIGN_XMP)}


@pytest.mark.parametrize(("name", "main", "first"), [
    ("of another packet", FOREIGN_XMP, True), ("of another packet", FOREIGN_XMP, False), ("of another packet", b"", True),
    ("with holes", FOREIGN_XMP, True), ("with holes", b"", True), ("a second main packet", FOREIGN_XMP, False)])
def test_other_programs_segments_stay(name: str, main: bytes, first: bool) -> None:
    other, ours = OTHERS[name], photo(main)
    at = 2 if first else 2 + len(b"".join(Packets(main).segments()))
    before = ours[:at] + other + ours[at:]
    for options in ({"profile": "gdepth"}, {"also": ("gdepth", "dynamic-depth")}):
        after = attach(before, **options)
        assert after.count(other) == 1 and opened(after).has_gdepth()
        with ByteSource(after) as source:
            assert Jpeg().remove(source).splice.to_bytes() == before


@pytest.mark.parametrize(("pieces", "message"), [
    (b"", "but no piece of it exists"), (extension("B" * 32, 3, (0, b"bbb")), "but no piece of it exists"),
    (extension("A" * 32, 0, (0, b"")), "but no piece of it exists"),
    (extension("A" * 32, 6, (0, b"aaaa"), (2, b"aaaa")), "piece starts at 2 instead of 4"), (extension("A" * 32, 6, (0, b"aaa")), "3 of 6")])
def test_a_packet_whose_extension_is_lost_is_not_touched(pieces: bytes, message: str) -> None:
    plain_photo = photo()
    before = plain_photo[:2] + jpeg.make(0xE1, jpeg.XMP + NAMED) + pieces + plain_photo[2:]
    for options in ({"profile": "gdepth"}, {"profile": "dynamic-depth"}, {"also": ("gdepth",)}):
        with pytest.raises(MalformedError, match=message) as caught:
            attach(before, **options)
        assert caught.value.where is not None and caught.value.hint is not None
    apple = attach(before)
    assert jpeg.make(0xE1, jpeg.XMP + NAMED) + pieces in apple and read(apple) is not None


# -- Dynamic Depth ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [{"profile": "dynamic-depth"}, {"also": ("dynamic-depth",)},
                                     {"also": ("gdepth", "dynamic-depth")}, {"profile": "gdepth", "also": ("dynamic-depth",)}])
@pytest.mark.parametrize("packet", [b"", FOREIGN_XMP], ids=["no xmp", "xmp"])
def test_android_takes_it(tmp_path: Path, options: dict[str, Any], packet: bytes) -> None:
    before = photo(packet)
    out = attach(before, **options)
    same_picture(before, out)
    assert android.validate(out) == []
    codes, near, far = android.metres(out)
    assert np.abs(codes.astype(int) - (255 - CODES.astype(int))).max() <= 1  # JPEG of quality 100
    assert (near, far) == (0.25, 4.0)
    path = tmp_path / "o.jpg"
    path.write_bytes(out)
    said = tool("exiftool", "-s", "-a", "-G1", "-struct", "-XMP:all", path)
    assert "Directory=[" in said and "android/depthmap" in said and "DepthPhoto" in said
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(before))))


def test_one_file_for_both_worlds(tmp_path: Path) -> None:
    """Apple's image by MPF, Google's by XMP and by directory: the same map, to every reader of each."""
    out = attach(photo(), also=("gdepth", "dynamic-depth"), profile="apple-depth")
    path = tmp_path / "o.jpg"
    path.write_bytes(out)
    tool("exiftool", "-b", "-MPImage2", "-w", f"{tmp_path}/i.jpg%0f", path)
    second = (tmp_path / "i.jpg").read_bytes()
    at = second.index(b"MPF\0") - 4  # Pillow takes the two-tag MPF for a damaged file
    apple = np.asarray(Image.open(io.BytesIO(second[:at] + second[at + 46 :]))).astype(int)
    google = 255 - android.metres(out)[0].astype(int)
    tool("exiftool", "-b", "-XMP-GDepth:DepthImage", "-w", f"{tmp_path}/d.png%0f", path)
    in_xmp = 255 - np.asarray(Image.open(tmp_path / "d.png")).astype(int)
    assert (in_xmp == CODES).all()
    assert np.abs(google - CODES).max() <= 1 and np.abs(apple - CODES).max() <= 8
    file = opened(out)
    assert not file.missing and file.images[0].stream.start == file.items_end
    names = [a.urn for a in Jpeg().inspect(ByteSource(out)).auxiliary]
    assert names == ["disparity", "Dynamic Depth", "GDepth"]
    with pytest.raises(ExistingDepthError):
        attach(out)
    replaced = attach(out, coded(lo=1.0), replace=True)
    assert [a.urn for a in Jpeg().inspect(ByteSource(replaced)).auxiliary] == ["disparity"]
    assert read(replaced).storage.lo == 1.0 and len(replaced) < len(out)


def test_the_items_have_the_quality_that_is_named() -> None:
    def tables(quality: int | None) -> Any:
        out = attach(photo(), coded(jpeg_quality=quality), profile="dynamic-depth")
        file = opened(out)
        with Image.open(io.BytesIO(out[file.primary.end :])) as item:
            return item.quantization[0]  # type: ignore[attr-defined]

    for quality, named in ((60, 60), (100, 100), (None, 100)):
        with Image.open(io.BytesIO(gray(FLAT, quality=named))) as picture:
            assert tables(quality) == picture.quantization[0]  # type: ignore[attr-defined]


BREAKS = {
    "another mime": (b'Item:Mime="image/jpeg" Item:Length="0"', b'Item:Mime="image/webp" Item:Length="0"'),
    "another profile": (b"DepthPhoto", b"ARPhoto   "), "another unit": (b"Meters", b"None  "),
    "linear": (b"RangeInverse", b"RangeLinear "), "near": (b'Near="0.25"', b'Near="9.25"'),
    "no confidence": (b'ConfidenceURI="android', b'ConfidenceURI="anderso'), "no camera": (b"<rdf:li>0</", b"<rdf:li>7</")}


@pytest.mark.parametrize("name", BREAKS)
def test_the_validator_judges(name: str) -> None:
    out = attach(photo(), profile="dynamic-depth")
    assert BREAKS[name][0] in out
    assert android.validate(out.replace(*BREAKS[name])) != []


def test_existing_images_stay_and_items_come_first() -> None:
    """Dynamic Depth's items follow the primary image; the others are found through the MPF wherever they are."""
    buffer = io.BytesIO()
    pixels(96, 64).save(buffer, "MPO", save_all=True, append_images=[pixels(48, 32)])
    before = buffer.getvalue()
    out = attach(before, also=("dynamic-depth",))
    assert android.validate(out) == []
    old, new = opened(before), opened(out)
    assert [i.kind for i in new.images] == ["unknown", "depth"] and new.primary.end < new.items_end
    a, b = old.images[0].stream, new.images[0].stream
    assert before[a.start : a.end] == out[b.start : b.end]


def dd(depth: str = "", items: str = "", *, payload: bytes = b"", after: bytes = b"") -> bytes:
    """A file with Dynamic Depth in the form that is given."""
    spaces = {"Device": dynamic_depth.DEVICE, "Container": dynamic_depth.CONTAINER, "Item": dynamic_depth.ITEM,
              "Camera": dynamic_depth.CAMERA, "DepthMap": dynamic_depth.DEPTH}
    inner = (f"<Device:Container><rdf:Description><Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
             f"</rdf:Description></Device:Container><Device:Cameras><rdf:Seq><rdf:li>{depth}</rdf:li></rdf:Seq>"
             "</Device:Cameras>")
    return photo(rdf.packet(rdf.description("", spaces, {}, inner))) + payload + after


def gray(codes: Any, kind: str = "JPEG", quality: int = 100) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(codes).save(buffer, kind, quality=quality)
    return buffer.getvalue()


FLAT = np.full((32, 48), 51, np.uint8)  # 51/255 = 0.2
PAYLOAD = gray(FLAT)


def item(length: int, uri: str = "android/depthmap", form: str = "attribute") -> str:
    if form == "attribute":
        return (f'<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Length="{length}" Item:DataURI="{uri}"/></rdf:li>')
    return (f"<rdf:li><Container:Item><Item:Mime>image/jpeg</Item:Mime><Item:Length>{length}</Item:Length>"
            f"<Item:DataURI>{uri}</Item:DataURI></Container:Item></rdf:li>")


def depth_map(form: str = "attribute", **values: str) -> str:
    given = {"ItemSemantic": "Depth", "Format": "RangeInverse", "Near": "0.5", "Far": "5", "Units": "Meters",
             "DepthURI": "android/depthmap", **values}
    given = {k: v for k, v in given.items() if v != "-"}
    if form == "attribute":
        return "<Camera:DepthMap " + " ".join(f'DepthMap:{k}="{v}"' for k, v in given.items()) + "/>"
    inner = "".join(f"<DepthMap:{k}>{v}</DepthMap:{k}>" for k, v in given.items())
    return f'<Camera:DepthMap rdf:parseType="Resource">{inner}</Camera:DepthMap>'


def test_items_with_a_palette_are_looked_up() -> None:
    picture = Image.fromarray(FLAT, "L")
    picture.putpalette([255 - n for n in range(256) for _ in range(3)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    payload = buffer.getvalue()
    data = read(dd(depth_map(), item(len(payload)), payload=payload))
    assert (data.codes == FLAT).all()  # 255 − 51 in the palette, and Apple's codes run the other way


@pytest.mark.parametrize("form", ["attribute", "element"])
def test_other_writers_forms_are_read(form: str) -> None:
    data = read(dd(depth_map(form), item(0, "primary_image", form) + item(len(PAYLOAD), form=form), payload=PAYLOAD))
    assert data.accuracy == "absolute" and (data.storage.lo, data.storage.hi) == (0.2, 2.0)
    np.testing.assert_allclose(data.depth(), 5 * 0.5 / (5 - 0.2 * 4.5), rtol=2e-3)


@pytest.mark.parametrize(("values", "metres", "accuracy"), [
    ({"Units": "None"}, 5 * 0.5 / (5 - 0.2 * 4.5), "relative"), ({"Units": "-"}, 5 * 0.5 / (5 - 0.2 * 4.5), "relative"),
    ({"Format": "RangeLinear"}, 0.5 + 0.2 * 4.5, "absolute"),
    # the public example: numbers in 1/metres, the nearer the larger
    ({"Units": "Diopters", "Near": "0.086360", "Far": "0.129485"}, 1 / (0.129485 - 0.2 * (0.129485 - 0.08636)), "relative"),
    ({"ItemSemantic": "-"}, 5 * 0.5 / (5 - 0.2 * 4.5), "absolute")])
def test_units_and_formats(values: dict[str, str], metres: float, accuracy: str) -> None:
    data = read(dd(depth_map(**values), item(len(PAYLOAD)), payload=PAYLOAD))
    assert data.accuracy == accuracy
    np.testing.assert_allclose(data.depth(), metres, rtol=2e-3)


@pytest.mark.parametrize(("values", "items", "kind", "message"), [
    ({"MeasureType": "OpticRay"}, item(len(PAYLOAD)), UnsupportedError, "along the ray"),
    ({"Units": "Feet"}, item(len(PAYLOAD)), UnsupportedError, "Feet"),
    ({"Near": "6"}, item(len(PAYLOAD)), RangeError, "are not a valid range"),
    ({"Near": "1e-320"}, item(len(PAYLOAD)), RangeError, "are not a valid range"), ({"Far": "1e300"}, item(len(PAYLOAD)), RangeError, "are not a valid range"),
    ({"Near": "1e-320", "Units": "Diopters"}, item(len(PAYLOAD)), RangeError, "are not a valid range"),
    ({"Near": "x"}, item(len(PAYLOAD)), RangeError, "Near"),
    ({}, item(len(PAYLOAD), "elsewhere"), MalformedError, "is not an item of the directory"),
    ({}, item(10**7), TruncatedError, "outside the file"), ({}, item(-5), MalformedError, "Item:Length"),
    ({}, item(40), TruncatedError, "not a picture:"), ({"Format": "Cubic"}, item(len(PAYLOAD)), UnsupportedError, "Cubic")])
def test_what_cannot_be_read_says_why(values: dict[str, str], items: str, kind: type[GpudepthError], message: str) -> None:
    data = dd(depth_map(**values), items, payload=PAYLOAD)
    with pytest.raises(kind, match=message) as caught:
        read(data)
    assert caught.value.where is not None
    with ByteSource(data) as source:
        assert any(message in w for w in Jpeg().inspect(source).warnings)


def test_other_items_are_kept_where_they_are() -> None:
    """An edit of a file with a further item: directory and bytes of it stay, depth and confidence go."""
    other = gray(np.full((8, 8), 7, np.uint8))
    data = dd(depth_map(), item(0, "primary_image") + item(len(PAYLOAD)) + item(len(other), "android/other"),
              payload=PAYLOAD + other)
    with ByteSource(data) as source:
        removed = Jpeg().remove(source).splice.to_bytes()
    file = opened(removed)
    assert file.dynamic is not None and [i.uri for i in file.dynamic.items] == ["primary_image", "android/other"]
    assert removed[file.primary.end :] == other and not file.dynamic.maps
    replaced = attach(data, replace=True)
    file = opened(replaced)
    assert replaced[file.primary.end : file.items_end] == other and file.images[0].stream.start == file.items_end
    with pytest.raises(UnsupportedError, match="other Dynamic Depth items"):
        attach(data, replace=True, also=("dynamic-depth",))
    assert read(attach(data, replace=True, also=("gdepth",))) is not None


def test_a_foreign_directory_is_not_broken() -> None:
    ultra = rdf.packet(rdf.description("", {"Container": dynamic_depth.FOREIGN, "Item": f"{dynamic_depth.FOREIGN}item/"}, {},
                                       '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item '
                                       'Item:Semantic="GainMap" Item:Length="99"/></rdf:li></rdf:Seq></Container:Directory>'))
    with pytest.raises(UnsupportedError, match="another directory"):
        attach(photo(ultra), also=("dynamic-depth",))
    assert opened(attach(photo(ultra), also=("gdepth",))).packets.main.startswith(ultra[:200])


def test_what_the_layouts_cannot_hold() -> None:
    with pytest.raises(UnsupportedError, match="RangeInverse"):
        attach(photo(), coded(fmt=HDEP), profile="dynamic-depth")
    with pytest.raises(UnsupportedError, match="8 bits"):
        attach(photo(), coded(ramp(48, 32)), profile="dynamic-depth")
    with pytest.raises(UnsupportedError, match="8 bits"):
        attach(photo(), coded(ramp(48, 32)), also=("gdepth",))
    with pytest.raises(UsageError, match="jpegxl"):
        attach(photo(), also=("jpegxl",))
    with pytest.raises(RangeError, match="does not hold distances"):
        attach(photo(), coded(lo=-1.0), profile="gdepth")
    for lo, hi in ((1e-320, 1e-310), (0.0, 5e-324), (1e-3, 1e200)):
        for layout in ("gdepth", "dynamic-depth"):
            with pytest.raises(RangeError, match=r"not hold distances|are not a valid range"):
                attach(photo(), coded(lo=lo, hi=hi), profile=layout)
    relative = Jpeg().attach(ByteSource(photo()), coded(accuracy="relative"), Placement("dynamic-depth"))
    assert any("relative" in w for w in relative.warnings)


# -- there and back ---------------------------------------------------------------------------------------------------

def test_android_to_apple_and_back(sample: Any, tmp_path: Path) -> None:
    """The picture untouched, the plane 255 − g, the range to a float's digits; only the JPEG of Apple's image costs."""
    android_file = sample("jpeg/android_gdepth.jpg")
    apple = gpudepth.convert(android_file, tmp_path / "apple.jpg", profile="apple-depth")
    back = gpudepth.convert(apple, tmp_path / "back.jpg", profile="gdepth")
    direct = gpudepth.convert(android_file, tmp_path / "direct.jpg", profile="gdepth")
    first, second, third, fourth = (gpudepth.read(p) for p in (android_file, apple, back, direct))
    assert first and second and third and fourth
    assert first.codes is not None and second.codes is not None
    off = np.abs(first.codes.astype(int) - second.codes)
    assert off.max() <= 2 and off.mean() < 0.2
    assert (third.codes == second.codes).all() and (fourth.codes == first.codes).all()
    for data in (second, third, fourth):
        assert data.storage is not None and first.storage is not None
        assert data.storage.lo == pytest.approx(first.storage.lo, rel=1e-8)
        assert data.storage.hi == pytest.approx(first.storage.hi, rel=1e-8)
    for path in (apple, back, direct):
        same_picture(android_file.read_bytes(), path.read_bytes())
    names = {p.name for p in xmp.parse(opened(back.read_bytes()).packets.main).properties}
    theirs = {p.name for p in xmp.parse(opened(android_file.read_bytes()).packets.main).properties if p.namespace not in (
        gdepth.NAMESPACE, NOTE)}
    assert theirs <= names and {"Near", "Far", "HasExtendedXMP"} <= names


def test_the_commands(tmp_path: Path) -> None:
    from gpudepth.cli.app import run_command

    photo_path = plain(tmp_path / "p.jpg", 96, 64, orientation=6)
    Image.fromarray(ramp(32, 48, 255)).save(tmp_path / "d.png")
    out = tmp_path / "o.jpg"
    assert run_command(["attach", str(photo_path), str(tmp_path / "d.png"), "--near", "0.5", "--far", "5", "--also",
                        "gdepth", "--also", "dynamic-depth", "--accuracy", "absolute", "-o", str(out)]) == 0
    assert android.validate(out.read_bytes()) == []
    assert (tmp_path / "job.yaml").write_text(
        "source: {color: '*p.jpg', depth: d.png}\nencoding: {near: 0.5, far: 5}\nmap: {accuracy: absolute}\n"
        "output: {path: 'out/{stem}.jpg', also: [gdepth, dynamic-depth]}\nrun: {workers: 1}\n")
    assert run_command(["run", str(tmp_path / "job.yaml")]) == 0
    assert (tmp_path / "out/p.jpg").read_bytes() == out.read_bytes()


def test_mutations_end_in_typed_errors() -> None:
    rng = np.random.default_rng(4)
    whole = attach(photo(FOREIGN_XMP), also=("gdepth", "dynamic-depth"))
    scan, end = opened(whole).primary.scan, opened(whole).primary.end
    places = np.concatenate([np.arange(2, scan), np.arange(end, len(whole))])
    for _ in range(400):
        broken = bytearray(whole)
        for at in rng.choice(places, rng.integers(1, 5)):
            broken[at] = rng.integers(0, 256)
        with ByteSource(bytes(broken)) as source:
            for call in (Jpeg().read, Jpeg().inspect, Jpeg().remove, Jpeg().codes,
                         lambda s: Jpeg().attach(s, coded(), Placement(replace=True, also=("gdepth",)))):
                try:
                    call(source)
                except GpudepthError as error:
                    assert error.where is not None
