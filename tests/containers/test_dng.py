"""Depth in DNG files: the raw stays, the file is only appended to, and every reader gets the codes."""

from __future__ import annotations

import contextlib
import io
import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from dng_kit import BASES, BIG, HEIGHT, WIDTH, dcraw, depth_page, dng, libraw, needs, sdk_accepts
from heif_kit import tool
from photo_kit import ramp

import gpudepth
from gpudepth.containers import registry
from gpudepth.containers.base import CodedMap, Placement
from gpudepth.containers.dng.dng import Dng
from gpudepth.containers.dng.file import DngFile
from gpudepth.demo import photos
from gpudepth.depth import orientation as exif
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP, HDIS, L008, L012, L016, PixelFormat
from gpudepth.errors import (
    ExistingDepthError,
    GpudepthError,
    HolesError,
    MalformedError,
    NoDepthError,
    RangeError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from gpudepth.formats.bytesource import ByteSource

DNG = Dng()
COMPRESSIONS = ("none", "deflate", "ljpeg", "jpegxl")


def coded(bits: int = 16, fmt: PixelFormat = HDIS, lo: float = 0.25, hi: float = 4.0, **fields: Any) -> CodedMap:
    top = (1 << bits) - 1
    return CodedMap(ramp(48, 36, top), Storage({8: L008, 16: L016}[bits], lo, hi), fmt, **fields)


def attach(data: bytes, codes: CodedMap | None = None, **placement: Any) -> bytes:
    with ByteSource(data) as source:
        return DNG.attach(source, codes or coded(), Placement(**placement)).splice.to_bytes()


def remove(data: bytes) -> bytes:
    with ByteSource(data) as source:
        return DNG.remove(source).splice.to_bytes()


def read(data: bytes) -> Any:
    with ByteSource(data) as source:
        return DNG.read(source)


def exif_of(path: Path) -> dict[str, Any]:
    return dict(json.loads(tool("exiftool", "-j", "-n", "-a", "-G1", "-u", path))[0])


# -- nothing moves, the raw stays -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [*BASES, *BIG])
@pytest.mark.parametrize("bits", [8, 16])
def test_the_file_is_only_appended_to(name: str, bits: int) -> None:
    """All of it is there as it was, but for the offset of IFD 0 in its header."""
    base = {**BASES, **BIG}[name]
    out = attach(base, coded(bits))
    header = 16 if name in BIG else 8
    offset = 8 if name in BIG else 4
    assert out[:offset] == base[:offset] and out[offset:header] != base[offset:header]
    assert out[header : len(base)] == base[header:]


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("bits", [8, 16])
def test_the_raw_is_the_same_to_every_decoder(tmp_path: Path, name: str, compression: str, bits: int) -> None:
    before, after = tmp_path / "before.dng", tmp_path / "after.dng"
    before.write_bytes(BASES[name])
    after.write_bytes(attach(BASES[name], coded(bits, compression=compression)))
    assert libraw(before) == libraw(after)
    assert dcraw(before) == dcraw(after)
    assert sdk_accepts(after)
    page, codes = depth_page(after)
    assert (codes == ((1 << bits) - 1) - ramp(48, 36, (1 << bits) - 1)).all()  # disparity: code 0 is near
    assert page.photometric == 51177 and page.bitspersample == bits


@pytest.mark.parametrize("name", BIG)
def test_big_tiff_stays_big(tmp_path: Path, name: str) -> None:
    """libraw and dcraw read no BigTIFF at all; Adobe's SDK and tifffile do."""
    path = tmp_path / "big.dng"
    path.write_bytes(attach(BIG[name]))
    assert sdk_accepts(path)
    assert (depth_page(path)[1] == 65535 - ramp(48, 36)).all()


@pytest.mark.parametrize("name", ["cfa II", "linear MM sub"])
def test_exiftool_sees_nothing_else(tmp_path: Path, name: str) -> None:
    before, after = tmp_path / "before.dng", tmp_path / "after.dng"
    before.write_bytes(BASES[name])
    after.write_bytes(attach(BASES[name], coded(lo=0.25, hi=2.0, accuracy="absolute")))
    old, new = exif_of(before), exif_of(after)
    skip = ("SourceFile", "System:", "ExifTool:")
    assert {k for k in old if new.get(k) != old[k] and not k.startswith(skip)} == {"IFD0:DNGVersion"}
    added = {k for k in new if k not in old and not k.startswith(skip)}
    sub = "SubIFD1" if "sub" in name else "SubIFD"
    about = {"DepthFormat": 2, "DepthNear": 0.5, "DepthFar": 4, "DepthUnits": 1, "DepthMeasureType": 1}
    assert {k: new[k] for k in added if k.startswith("IFD0:")} == {f"IFD0:{k}": v for k, v in about.items()}
    assert all(k.startswith((f"{sub}:", "IFD0:Depth")) for k in added)
    assert new[f"{sub}:SubfileType"] == 8 and new[f"{sub}:PhotometricInterpretation"] == 51177
    assert new["IFD0:DNGVersion"] == "1 5 0 0"


def test_the_real_file_gains_depth(sample: Any, tmp_path: Path) -> None:
    photo, out = sample("dng/linearraw_200x200_no_depth.dng"), tmp_path / "out.dng"
    metres = 1 + ramp(100, 100) / 65535
    gpudepth.attach(photo, metres, out)
    assert libraw(photo) == libraw(out) and dcraw(photo) == dcraw(out) and sdk_accepts(out)
    data = gpudepth.read(out)
    assert data is not None
    np.testing.assert_allclose(data.depth(), metres, atol=2e-3)  # halves are what was stored
    assert gpudepth.remove(out, tmp_path / "again.dng").read_bytes() == photo.read_bytes()


# -- Adobe's judge is known to judge ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("tag", "value"), [(262, 1), (258, 12), (259, 5), (339, 3)],
                         ids=["photometric", "bits", "compression", "float"])
def test_the_sdk_refuses_what_is_wrong(tmp_path: Path, tag: int, value: int) -> None:
    """A wrong depth directory is fatal for the whole file there; our reader refuses the same."""
    out = bytearray(attach(BASES["cfa II"], coded(compression="none")))
    with ByteSource(bytes(out)) as source:
        file = DngFile(source)
        (ifd,) = file.depth_ifds()
    path = tmp_path / "broken.dng"
    path.write_bytes(bytes(out))
    assert sdk_accepts(path)
    for n, e in enumerate(ifd.entries):
        if e.tag == (tag if tag != 339 else 284):  # PlanarConfiguration makes room for SampleFormat
            at = ifd.offset + 2 + 12 * n
            out[at : at + 2] = tag.to_bytes(2, "little")
            out[at + 8 : at + 10] = value.to_bytes(2, "little")
    path.write_bytes(bytes(out))
    assert not sdk_accepts(path)
    with pytest.raises(UnsupportedError, match=r"SubIFD"):
        gpudepth.read(path)


def test_no_map_as_large_as_the_raw() -> None:
    whole = CodedMap(ramp(WIDTH, HEIGHT), Storage(L016, 0.5, 1.0), HDIS)
    with pytest.raises(UnsupportedError, match="smaller than the raw image") as caught:
        attach(BASES["cfa II"], whole)
    assert "resize=64" in str(caught.value)


# -- what the numbers mean --------------------------------------------------------------------------------------------

def formula(tags: dict[str, Any], codes: Any, top: int) -> Any:
    """Distances by the specification, from the rationals that exiftool prints."""
    near, far = (Fraction(str(tags[f"IFD0:Depth{end}"])) if tags[f"IFD0:Depth{end}"] != "inf" else None
                 for end in ("Near", "Far"))
    assert near is not None
    out = []
    for code in codes:
        x = Fraction(int(code), top)
        if tags["IFD0:DepthFormat"] == 1:
            assert far is not None
            out.append(float(near + x * (far - near)))
        else:
            inverse = 1 / near - x * (1 / near - (1 / far if far is not None else 0))
            out.append(float(1 / inverse) if inverse else float("inf"))
    return np.array(out)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("fmt", "lo", "hi"), [
    (HDIS, 0.25, 4.0), (FDIS, 0.5, 2.0), (HDEP, 0.5, 12.0), (FDEP, 1.0, 80.0), (HDIS, 0.0, 2.0)])
def test_metres_by_the_specifications_formula(tmp_path: Path, fmt: PixelFormat, lo: float, hi: float, bits: int) -> None:
    path = tmp_path / "d.dng"
    path.write_bytes(attach(BASES["cfa II"], coded(bits, fmt, lo, hi)))
    tags = exif_of(path)
    codes = depth_page(path)[1]
    expected = formula(tags, codes.ravel(), (1 << bits) - 1).reshape(codes.shape)
    data = gpudepth.read(path)
    assert data is not None
    assert data.pixel_format is ({"dis": HDIS, "dep": HDEP}[fmt.name[1:]] if bits == 8
                                 else {"dis": FDIS, "dep": FDEP}[fmt.name[1:]])
    relative = 2.0**-11 if bits == 8 else 2.0**-22
    with np.errstate(invalid="ignore"):
        error = np.abs(data.depth() / expected - 1)
    assert np.nanmax(error) <= relative * 1.01
    assert (np.isinf(data.depth()) == np.isinf(expected)).all() and np.isinf(expected).any() == (lo == 0)


def test_ranges_are_rounded_outward_to_rationals_that_are_written(tmp_path: Path) -> None:
    """The codes are of the range that the file names, not of the one that was asked for."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        lo, hi = sorted(float(v) for v in np.exp(rng.uniform(-7, 5, 2)))
        storage = DNG.storage(FDEP, lo, hi)
        assert storage.lo <= lo and storage.hi >= hi and storage.format is L016
        assert storage.hi - hi <= hi * 2.0**-22 and lo - storage.lo <= max(lo * 2.0**-22, 2.0**-24)
        path = tmp_path / "d.dng"
        path.write_bytes(attach(BASES["cfa II"], CodedMap(ramp(48, 36), storage, FDEP)))
        with ByteSource(path) as source:
            file = DngFile(source)
            near, far = (file.tiff.rational(file.ifd0, t) for t in (51178, 51179))
        assert near and far
        assert (near[0] / near[1], far[0] / far[1]) == (storage.lo, storage.hi)
        again = DNG.storage(FDEP, storage.lo, storage.hi)
        assert (again.lo, again.hi) == (storage.lo, storage.hi)


@pytest.mark.parametrize("fmt", ["hdis", "fdis", "hdep", "fdep"])
def test_round_trip_within_half_a_code(tmp_path: Path, fmt: str) -> None:
    photo = tmp_path / "p.dng"
    photo.write_bytes(BASES["linear II"])
    metres = np.random.default_rng(3).uniform(0.5, 10, (36, 48)).astype(np.float32)
    for bits in (8, 16):
        out = gpudepth.attach(photo, metres, tmp_path / "o.dng", pixel_format=fmt, bits=bits)
        data = gpudepth.read(out)
        assert data is not None and data.storage is not None
        quantity = "disparity" if fmt.endswith("dis") else "depth"
        wanted = 1 / metres if quantity == "disparity" else metres
        step = (data.storage.hi - data.storage.lo) / ((1 << bits) - 1)
        half = 2.0**-11 * wanted.max() if fmt[0] == "h" or bits == 8 else 2.0**-22 * wanted.max()
        assert np.abs(data.values(quantity) - wanted).max() <= step / 2 + half


def test_sixteen_bits_inverse_is_the_default(tmp_path: Path) -> None:
    photo = tmp_path / "p.dng"
    photo.write_bytes(BASES["cfa MM"])
    out = gpudepth.attach(photo, ramp(48, 36), tmp_path / "o.dng", near=0.5, far=10)
    tags = exif_of(out)
    assert (tags["IFD0:DepthFormat"], tags["SubIFD:BitsPerSample"], tags["IFD0:DepthUnits"]) == (2, 16, 0)
    assert gpudepth.inspect(out).depth["accuracy"] == "relative"  # type: ignore[index]
    assert gpudepth.attach(photo, ramp(48, 36), out, near=0.5, far=10, accuracy="absolute")
    assert exif_of(out)["IFD0:DepthUnits"] == 1
    assert gpudepth.inspect(out).depth["accuracy"] == "absolute"  # type: ignore[index]


@pytest.mark.parametrize("o", range(1, 9))
def test_orientation_is_of_the_raw(tmp_path: Path, o: int) -> None:
    photo = tmp_path / "p.dng"
    photo.write_bytes(dng(orientation=o))
    shown = (36, 48) if o >= 5 else (48, 36)
    codes = ramp(*shown)
    out = gpudepth.attach(photo, codes, tmp_path / "o.dng", near=1, far=2, pixel_format="fdep")
    stored = depth_page(out)[1]
    assert (exif.apply(o, stored) == codes).all()
    data = gpudepth.read(out)
    assert data is not None and (data.width, data.height) == shown
    assert libraw(photo) == libraw(out)


def test_holes_and_ranges_that_dng_cannot_hold(tmp_path: Path) -> None:
    photo = tmp_path / "p.dng"
    photo.write_bytes(BASES["cfa II"])
    metres = np.full((36, 48), 2.0, np.float32)
    metres[0, 0] = np.nan
    with pytest.raises(HolesError):
        gpudepth.attach(photo, metres, tmp_path / "o.dng")
    for lo, hi, message in [(-1.0, 1.0, "negative"), (0.0, 0.0, "no distance"), (float("nan"), 1.0, "DNG cannot store the range")]:
        with pytest.raises(RangeError, match=message):
            DNG.storage(HDIS, lo, hi)
    with pytest.raises(RangeError, match="32 bits"):
        DNG.storage(FDEP, 1.0, 1e12)
    with pytest.raises(UsageError, match="8 or 16"):
        DNG.storage(HDIS, 0.5, 1.0, 12)
    with pytest.raises(UnsupportedError, match="8 or 16"):
        attach(BASES["cfa II"], CodedMap(ramp(48, 36, 4095), Storage(L012, 0.5, 1.0), HDIS))
    with pytest.raises(UsageError, match="deflate"):
        attach(BASES["cfa II"], coded(compression="lzw"))
    with pytest.raises(UsageError, match="no profile"):
        attach(BASES["cfa II"], profile="article")
    constant = gpudepth.attach(photo, np.full((36, 48), 2.0, np.float32), tmp_path / "c.dng")
    data = gpudepth.read(constant)
    assert data is not None and data.range() == (0.5, 0.5) and sdk_accepts(constant)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("o.")] == []


# -- again, and away --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [*BASES, *BIG])
def test_removing_gives_the_original_back(name: str) -> None:
    base = {**BASES, **BIG}[name]
    for compression in COMPRESSIONS:
        once = attach(base, coded(compression=compression))
        assert remove(once) == base
        twice = attach(once, coded(8, compression=compression), replace=True)
        assert twice == attach(base, coded(8, compression=compression))
        assert remove(twice) == base
    with pytest.raises(ExistingDepthError):
        attach(once)
    with pytest.raises(NoDepthError):
        remove(base)


def foreign(*, tiled: bool = True, compression: Any = None, predictor: bool = False, second: bool = False) -> bytes:
    """A DNG whose depth tifffile wrote: 16 bits, near 1 m, far 5 m, linear."""
    from dng_kit import _about, _raw, pixels

    buffer = io.BytesIO()
    codes = ramp(48, 32)
    about = [(51177, "H", 1, 1, False), (51178, "2I", 1, (1, 1), False), (51179, "2I", 1, (5, 1), False),
             (51180, "H", 1, 1, False), (51181, "H", 1, 1, False)]
    plain: dict[str, Any] = {"metadata": None, "software": False}
    photometric: Any = 51177
    with tifffile.TiffWriter(buffer) as out:
        out.write(pixels(False), photometric=32803, subfiletype=0, subifds=1 + second,
                  extratags=[*_about(1, "all"), *_raw(False), *about], **plain)
        layout: dict[str, Any] = {"tile": (16, 16)} if tiled else {"rowsperstrip": 5}
        what: Any = codes
        if compression == "ljpeg":
            encode = needs("imagecodecs").ljpeg_encode
            what = iter([encode(codes[y : y + 16, x : x + 16].copy()) for y in (0, 16) for x in (0, 16, 32)])
            layout |= {"shape": codes.shape, "dtype": codes.dtype}
        out.write(what, photometric=photometric, subfiletype=8, compression=7 if compression == "ljpeg" else compression,
                  predictor=predictor, **layout, **plain)
        if second:
            out.write(codes[::2, ::2].copy(), photometric=photometric, subfiletype=9, **plain)
    data = bytearray(buffer.getvalue())
    if compression == "ljpeg":  # tifffile thinks of 12 bits when it hears JPEG
        with ByteSource(bytes(data)) as source:
            (ifd,) = DngFile(source).depth_ifds()
        at = ifd.offset + 2 + 12 * next(n for n, e in enumerate(ifd.entries) if e.tag == 258)
        data[at + 8 : at + 10] = b"\x10\0"
    return bytes(data)


@pytest.mark.parametrize("options", [
    {}, {"tiled": False}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True},
    {"compression": "zlib", "predictor": True, "tiled": False}, {"compression": "ljpeg"},
    {"compression": 52546}, {"second": True}], ids=str)
def test_depth_that_others_wrote(tmp_path: Path, options: dict[str, Any]) -> None:
    data = foreign(**options)
    depth = read(data)
    assert depth.pixel_format is FDEP and depth.accuracy == "absolute" and depth.range() == (1.0, 5.0)
    np.testing.assert_allclose(depth.map, 1 + 4.0 * ramp(48, 32) / 65535, rtol=1e-6)
    with ByteSource(data) as source:
        contents = DNG.inspect(source)
        assert [a.kind for a in contents.auxiliary] == (["depth", "depth (smaller)"] if options.get("second") else ["depth"])
        edit = DNG.remove(source)
        removed = edit.splice.to_bytes()
        assert any("bytes remain" in w for w in edit.warnings)
        replaced = DNG.attach(source, coded(), Placement(replace=True))
    assert read(removed) is None and removed.startswith(data[:4])
    assert any("bytes remain" in w for w in replaced.warnings)
    assert (read(replaced.splice.to_bytes()).codes == ramp(48, 36)).all()
    path = tmp_path / "r.dng"
    for result in (removed, replaced.splice.to_bytes()):
        path.write_bytes(result)
        assert sdk_accepts(path)


# -- damage -----------------------------------------------------------------------------------------------------------

def test_where_there_is_no_depth() -> None:
    assert read(BASES["cfa II"]) is None
    with ByteSource(BASES["cfa II"]) as source:
        contents = DNG.inspect(source)
    assert contents.depth is None and (contents.picture.width, contents.picture.height) == (WIDTH, HEIGHT)


def test_a_tiff_that_is_no_dng_stays_a_map(tmp_path: Path) -> None:
    from photo_kit import heic

    path = tmp_path / "d.tiff"
    tifffile.imwrite(path, ramp(64, 48))
    with ByteSource(path) as source:
        assert registry.find(source) is None
    out = gpudepth.attach(heic(tmp_path / "p.heic"), path, tmp_path / "o.heic", near=1, far=2)
    assert gpudepth.read(out) is not None


def test_the_tags_that_say_what_codes_mean() -> None:
    """Each way in which the five tags can fail to say it."""
    def with_tag(tag: int, field: bytes) -> bytes:
        out = bytearray(attach(BASES["cfa II"], coded(compression="none")))
        with ByteSource(bytes(out)) as source:
            file = DngFile(source)
        for n, e in enumerate(file.ifd0.entries):
            if e.tag == tag:
                if e.type == 5:
                    at = int.from_bytes(e.field, "little")
                    out[at : at + 8] = field
                else:
                    at = file.ifd0.offset + 2 + 12 * n + 8
                    out[at : at + len(field)] = field
        return bytes(out)

    def ratio(a: int, b: int) -> bytes:
        return a.to_bytes(4, "little") + b.to_bytes(4, "little")

    for data, kind, message in [
            (with_tag(51178, ratio(0, 0)), RangeError, "DepthNear is unknown"),
            (with_tag(51179, ratio(0, 0)), RangeError, "DepthFar is unknown"),
            (with_tag(51178, ratio(0, 1)), RangeError, "cannot have the range"),
            (with_tag(51178, ratio(9, 1)), RangeError, "not nearer"),
            (with_tag(51177, b"\x07\0"), UnsupportedError, "DepthFormat 7"),
            (with_tag(51181, b"\x02\0"), UnsupportedError, "along the ray")]:
        with pytest.raises(kind, match=message):
            read(data)
    assert read(with_tag(51177, b"\0\0")).accuracy == "relative"
    assert read(with_tag(51179, ratio(1, 0))).storage.lo == 0


def hostile(data: bytes) -> set[type]:
    """Everything on a file; anything but a GpudepthError escapes."""
    kinds: set[type] = set()
    with ByteSource(data) as source:
        for call in (DNG.picture, DNG.inspect, DNG.read, lambda s: DNG.attach(s, coded(), Placement(replace=True)).splice.to_bytes(),
                     lambda s: DNG.remove(s).splice.to_bytes()):
            try:
                call(source)
            except GpudepthError as error:
                assert error.where is not None
                kinds.add(type(error))
    return kinds


def test_truncated_anywhere() -> None:
    whole = attach(BASES["cfa II sub"], coded())
    for end in range(0, len(whole), 997):
        if end < 8:
            continue
        assert hostile(whole[:end]) & {TruncatedError, MalformedError}


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_mutations_end_in_typed_errors(compression: str) -> None:
    """Bytes of the directories and of the map, not of the raw pixels."""
    rng = random.Random(9)
    base = dng(size=(64, 56))
    whole = attach(base, coded(compression=compression))
    places = [*range(16), *range(len(base), len(whole))]
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            broken[rng.choice(places)] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
        hostile(bytes(broken))


def test_a_bomb_is_not_inflated() -> None:
    """A strip that inflates to far more than its map has bytes is read no further than that."""
    import tracemalloc
    import zlib

    bomb = zlib.compress(bytes(64 << 20), 9)
    buffer = io.BytesIO(attach(BASES["cfa II"], coded(compression="deflate")))
    data = buffer.getvalue()
    with ByteSource(data) as source:
        file = DngFile(source)
        (ifd,) = file.depth_ifds()
    out = bytearray(data) + bomb
    for n, e in enumerate(ifd.entries):
        at = ifd.offset + 2 + 12 * n + 8
        if e.tag == 273:
            out[at : at + 4] = len(data).to_bytes(4, "little")
        if e.tag == 279:
            out[at : at + 4] = len(bomb).to_bytes(4, "little")
    tracemalloc.start()
    with contextlib.suppress(GpudepthError):
        read(bytes(out))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_the_demos_photo_is_a_dng_to_everybody(tmp_path: Path) -> None:
    shown = np.zeros((24, 32, 3), np.uint8)
    shown[:12] = 200
    for order in "<>":
        path = tmp_path / "d.dng"
        path.write_bytes(photos.dng(shown, 6, order))
        assert sdk_accepts(path) and dcraw(path)
        with needs("rawpy").imread(str(path)) as opened:
            assert opened.sizes.flip == 6 and opened.raw_image.shape[:2] == (24, 32)


def test_a_tag_of_a_type_that_nobody_knows() -> None:
    """Of what a foreign program wrote: it stays, and removing the depth does not fall over it."""
    import struct

    data = attach(dng("<"))
    at = data.rindex(struct.pack("<HH", 51177, 3))        # DepthFormat, SHORT
    odd = data[: at + 2] + struct.pack("<H", 64515) + data[at + 4 :]
    left = remove(odd)
    assert len(left) > len(odd)         # not taken for our own: the references to the map are gone, its bytes are not
    with ByteSource(left) as source:
        assert not DngFile(source).depth_ifds()
