"""GDepth: Google's depth in the XMP of a JPEG."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import tool
from photo_kit import plain, ramp
from PIL import Image

import gpudepth
from gpudepth.containers.google import gdepth
from gpudepth.containers.google.gdepth import NAMESPACE
from gpudepth.containers.google.packets import NOTE, extended_xmp
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.errors import (
    ExistingDepthError,
    GpudepthError,
    LimitError,
    MalformedError,
    RangeError,
    UnsupportedError,
)
from gpudepth.formats import jpeg, xmp
from gpudepth.formats.bytesource import ByteSource
from gpudepth.limits import Limits

CODES = ramp(48, 32, 255)


def coded(codes: Any, kind: str = "PNG", mode: str = "") -> str:
    buffer = io.BytesIO()
    picture = Image.fromarray(codes)
    (picture.convert(mode) if mode else picture).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def packet(form: str = "attributes", **fields: str) -> bytes:
    if form == "attributes":
        inner = " ".join(f'GDepth:{k}="{v}"' for k, v in fields.items()) + "/>"
    else:
        inner = ">" + "".join(f"<GDepth:{k}>{v}</GDepth:{k}>" for k, v in fields.items()) + "</rdf:Description>"
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:GDepth="{NAMESPACE}" xmlns:xmpNote="{NOTE}" {inner}</rdf:RDF></x:xmpmeta>').encode()


def photo(path: Path, main: bytes, extended: bytes = b"", chunk: int = 1000, orientation: int = 1) -> Path:
    data = plain(path, 96, 64, orientation).read_bytes()
    segments = jpeg.make(0xE1, jpeg.XMP + main)
    guid = hashlib.md5(extended).hexdigest().upper().encode()
    for at in range(0, len(extended), chunk):
        segments += jpeg.make(0xE1, jpeg.EXTENDED_XMP + guid + len(extended).to_bytes(4, "big") + at.to_bytes(4, "big")
                              + extended[at : at + chunk])
    path.write_bytes(data[:2] + segments + data[2:])
    return path


FIELDS = {"Format": "RangeInverse", "Near": "0.5", "Far": "8", "Units": "m", "Mime": "image/png"}


@pytest.mark.parametrize("form", ["attributes", "elements"])
@pytest.mark.parametrize("top", [255, 65535])
def test_range_inverse(tmp_path: Path, form: str, top: int) -> None:
    codes = ramp(48, 32, top)
    path = photo(tmp_path / "p.jpg", packet(form, **FIELDS, Data=coded(codes)))
    data = gpudepth.read(path)
    assert data is not None and data.storage is not None
    v = codes / top
    assert np.allclose(data.depth(), 8 * 0.5 / (8 - v * 7.5), rtol=2e-3 if top == 255 else 1e-6)
    assert (data.accuracy, data.storage.lo, data.storage.hi) == ("absolute", 0.125, 2)
    assert str(data.pixel_format) == ("hdis" if top == 255 else "fdis")
    report = gpudepth.inspect(path)
    assert report.depth is not None and report.depth["stored_format"] == ("L008" if top == 255 else "L016")


def test_range_linear_millimetres_and_orientation(tmp_path: Path) -> None:
    fields = {**FIELDS, "Format": "RangeLinear", "Near": "500", "Far": "8000", "Units": "mm"}
    data = gpudepth.read(photo(tmp_path / "p.jpg", packet(**fields, Data=coded(CODES)), orientation=6))
    assert data is not None
    assert (data.width, data.height) == (32, 48)
    assert np.allclose(data.depth(), np.rot90(0.5 + CODES / 255 * 7.5, -1), rtol=1e-3)


@pytest.mark.parametrize(("kind", "mode", "error"), [("PNG", "RGBA", 0), ("PNG", "RGB", 0), ("JPEG", "", 6)])
def test_pictures(tmp_path: Path, kind: str, mode: str, error: float) -> None:
    data = gpudepth.read(photo(tmp_path / "p.jpg", packet(**FIELDS, Data=coded(CODES, kind, mode))))
    assert data is not None
    assert np.abs((data.disparity() - 0.125) / 1.875 * 255 - (255 - CODES)).max() < error + 0.5


def test_missing_units_are_relative(tmp_path: Path) -> None:
    fields = {k: v for k, v in FIELDS.items() if k != "Units"}
    data = gpudepth.read(photo(tmp_path / "p.jpg", packet(**fields, Data=coded(CODES))))
    assert data is not None
    assert data.accuracy == "relative"


@pytest.mark.parametrize("chunk", [999, 65000])
def test_extended_xmp(tmp_path: Path, chunk: int) -> None:
    extended = packet(**FIELDS, Data=coded(np.random.default_rng(1).integers(0, 256, (200, 300), np.uint8)))
    guid = hashlib.md5(extended).hexdigest().upper()
    main = packet("attributes").replace(b"xmlns:GDepth=", f'xmpNote:HasExtendedXMP="{guid}" xmlns:GDepth='.encode())
    path = photo(tmp_path / "p.jpg", main, extended, chunk)
    data = gpudepth.read(path)
    assert data is not None
    assert (data.width, data.height) == (300, 200)
    with ByteSource(path) as source:
        primary = jpeg.parse(source)
        assert extended_xmp(primary, guid) == extended
        assert extended_xmp(primary, "0" * 32) is None
        with pytest.raises(LimitError, match="max_xmp"):
            extended_xmp(primary, guid, Limits(max_xmp=1000))
    whole = path.read_bytes()
    first = whole.index(jpeg.EXTENDED_XMP) - 4
    path.write_bytes(whole[:first] + whole[first + 2 + int.from_bytes(whole[first + 2 : first + 4], "big") :])
    with pytest.raises(MalformedError, match="extended XMP"):  # its first piece is gone
        gpudepth.read(path)


def test_a_packet_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data may be megabytes, and a dozen properties are asked for."""
    path = photo(tmp_path / "p.jpg", packet(**FIELDS, Data=coded(CODES)))
    parsed: list[bytes] = []

    def counted(data: bytes, *rest: Any) -> xmp.Packet:
        parsed.append(data)
        return parse(data, *rest)

    parse = xmp.parse
    monkeypatch.setattr(xmp, "parse", counted)
    with ByteSource(path) as source:
        assert Jpeg().read(source) is not None
    assert len(parsed) == 1


@pytest.mark.parametrize("alpha", [False, True])
def test_a_palette_is_looked_up(alpha: bool) -> None:
    """Its samples are places in a list of colours, here of grays from white to black."""
    picture = Image.fromarray(CODES, "L")
    picture.putpalette([255 - n for n in range(256) for _ in range(3)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **({"transparency": bytes(range(256))} if alpha else {}))
    assert Image.open(io.BytesIO(buffer.getvalue())).mode == "P"
    assert (gdepth.decode(buffer.getvalue(), "here", Limits()) == 255 - CODES).all()


def test_one_bit_is_black_or_white() -> None:
    buffer = io.BytesIO()
    Image.fromarray(CODES > 99).save(buffer, "PNG")
    codes = gdepth.decode(buffer.getvalue(), "here", Limits())
    assert codes.dtype == np.uint8 and (codes == np.where(CODES > 99, 255, 0)).all()


@pytest.mark.parametrize(("near", "far"), [("1e-320", "8"), ("0.5", "1e300"), ("1e-39", "1"), ("0.5", "2e38"), ("inf", "inf"),
                                           ("0", "0"), ("-1", "1"), ("0.5", "1e400"), ("1e-30", "1e39")])
@pytest.mark.parametrize("form", ["RangeInverse", "RangeLinear"])
def test_ends_that_single_floats_do_not_hold(tmp_path: Path, near: str, far: str, form: str) -> None:
    path = photo(tmp_path / "p.jpg", packet(**{**FIELDS, "Near": near, "Far": far, "Format": form}, Data=coded(CODES)))
    if form == "RangeInverse" and far == "1e400":
        return  # infinitely far, which a disparity can be
    with pytest.raises(RangeError, match=r"p\.jpg: XMP GDepth"):
        gpudepth.read(path)


@pytest.mark.parametrize(("near", "far", "form", "fmt"), [
    ("500", "80000", "RangeLinear", "fdep"), ("500", "60000", "RangeLinear", "hdep"), ("1e-5", "1", "RangeInverse", "fdis")])
def test_ranges_beyond_halves_become_single_floats(tmp_path: Path, near: str, far: str, form: str, fmt: str) -> None:
    fields = {**FIELDS, "Near": near, "Far": far, "Format": form}
    data = gpudepth.read(photo(tmp_path / "p.jpg", packet(**fields, Data=coded(CODES))))
    assert data is not None and str(data.pixel_format) == fmt and np.isfinite(data.map).all()


@pytest.mark.parametrize(("change", "error"), [
    ({"Near": "x"}, RangeError), ({"Near": "9"}, RangeError), ({"Far": "nan"}, RangeError), ({"Near": "0"}, RangeError),
    ({"Format": "Other"}, UnsupportedError), ({"MeasureType": "OpticRay"}, UnsupportedError),
    ({"Data": "!!!"}, MalformedError), ({"Data": "AAAA"}, MalformedError),
    ({"Format": "RangeLinear", "Far": "inf"}, RangeError),
])
def test_refusals(tmp_path: Path, change: dict[str, str], error: type[GpudepthError]) -> None:
    path = photo(tmp_path / "p.jpg", packet(**{**FIELDS, "Data": coded(CODES), **change}))
    with pytest.raises(error, match=r"p\.jpg: XMP GDepth"):
        gpudepth.read(path)
    assert gpudepth.inspect(path).warnings


def test_infinite_far(tmp_path: Path) -> None:
    data = gpudepth.read(photo(tmp_path / "p.jpg", packet(**{**FIELDS, "Far": "inf"}, Data=coded(CODES))))
    assert data is not None
    assert data.depth()[-1, -1] == np.inf


def test_a_new_map_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """No file holds two maps that contradict each other."""
    path = photo(tmp_path / "p.jpg", packet(**FIELDS, Data=coded(CODES)))
    with pytest.raises(ExistingDepthError):
        gpudepth.attach(path, ramp(48, 32), tmp_path / "o.jpg", near=3, far=4)
    out = gpudepth.attach(path, ramp(48, 32), tmp_path / "o.jpg", near=3, far=4, replace_depth=True)
    data = gpudepth.read(out)
    assert data is not None
    assert data.depth().min() == pytest.approx(3, rel=0.01)
    assert [a["urn"] for a in gpudepth.inspect(out).auxiliary] == ["disparity"]


def test_a_real_file_equals_an_independent_decode(sample: Any, tmp_path: Path) -> None:
    """The picture by exiftool and Pillow, the formula of the specification."""
    path = sample("jpeg/android_gdepth.jpg")
    tool("exiftool", "-b", "-XMP-GDepth:DepthImage", "-w", f"{tmp_path}/d.png%0f", path)
    tags = dict(line.split(": ", 1) for line in tool("exiftool", "-s", "-n", "-XMP-GDepth:Near", "-XMP-GDepth:Far",
                                                     path).replace(" ", "").replace(":", ": ").splitlines())
    near, far = float(tags["Near"]), float(tags["Far"])
    v = np.asarray(Image.open(tmp_path / "d.png"))[..., 0] / 255
    data = gpudepth.read(path, orientation="coded")
    assert data is not None
    assert np.allclose(data.depth(), far * near / (far - v * (far - near)), rtol=6e-4)
    assert data.accuracy == "relative"
    assert gdepth.NAMESPACE.endswith("/depthmap/")
