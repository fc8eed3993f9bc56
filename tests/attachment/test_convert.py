"""Depth from one kind of file into another: what is kept, and what a change of container costs."""

from __future__ import annotations

import base64
import json
import plistlib
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dng_kit import depth_page, dng, libraw
from heif_kit import attach as attach_codes
from heif_kit import coded_map, heic, picture
from photo_kit import gray, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers import registry
from gpudepth.containers.base import Donor, Placement
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.depth import numeric
from gpudepth.depth import orientation as exif
from gpudepth.depth.encoding import Gray
from gpudepth.depth.pixel_format import HDIS
from gpudepth.errors import NoDepthError, UsageError
from gpudepth.formats.bytesource import ByteSource


def photo_with(tmp_path: Path, **fields: Any) -> Path:
    path = tmp_path / "photo.heic"
    path.write_bytes(attach_codes(heic(picture(96, 72)), coded_map(**fields)))
    return path


def codes_of(path: Path) -> np.ndarray:
    data = gpudepth.read(path, orientation="coded")
    assert data is not None and data.codes is not None
    return data.codes


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(("lo", "hi"), [(0.5, 2.25), (1.75, 1.78125), (0.0, 4.0), (0.25, 0.25)])
def test_the_codes_go_over_as_they_are(tmp_path: Path, bits: int, lo: float, hi: float) -> None:
    """Half floats cannot tell the codes of a narrow range apart: so they are carried, not computed anew."""
    source = photo_with(tmp_path, bits=bits, lo=lo, hi=hi)
    out = gpudepth.convert(source, tmp_path / "out.heic")
    before, after = (gpudepth.read(p, orientation="coded") for p in (source, out))
    assert before is not None and after is not None and before.storage == after.storage
    assert (before.codes == after.codes).all() and (codes_of(source) == coded_map(bits=bits).codes).all()


def test_more_bits_change_no_value(tmp_path: Path) -> None:
    """8 bits into 12 are off by half a new code, and a range that halves do not hold is kept."""
    source = photo_with(tmp_path, lo=0.5, hi=2.25)
    out = gpudepth.convert(source, tmp_path / "out.heic", bits=12)
    exact = 0.5 + 1.75 * codes_of(source) / 255
    now = 0.5 + 1.75 * codes_of(out) / 4095
    assert np.abs(now - exact).max() <= 1.75 / 4095 / 2 * 1.0001


def test_codes_are_not_kept_when_the_map_changes(tmp_path: Path) -> None:
    source = photo_with(tmp_path, width=64, height=48)
    clamped = gpudepth.read(gpudepth.convert(source, tmp_path / "a.heic", clamp=(0.5, 1.0)))
    assert clamped is not None and clamped.range() == (1.0, 2.0)
    smaller = gpudepth.read(gpudepth.convert(source, tmp_path / "b.heic", resize=gpudepth_resize(32)))
    assert smaller is not None and (smaller.width, smaller.height) == (32, 24)


def gpudepth_resize(side: int) -> Any:
    from gpudepth.settings.values import Resize

    return Resize(long_side=side)


def test_the_native_format_stays_unless_named(tmp_path: Path) -> None:
    source = photo_with(tmp_path, fmt="fdep", lo=0.5, hi=8.0)
    kept = gpudepth.read(gpudepth.convert(source, tmp_path / "a.heic"))
    assert kept is not None and kept.pixel_format.name == "fdep"
    other = gpudepth.read(gpudepth.convert(source, tmp_path / "b.heic", pixel_format="hdis"))
    assert other is not None and other.pixel_format is HDIS and other.range() == (0.125, 2.0)


def test_profiles_are_laid_out_anew(tmp_path: Path) -> None:
    source = photo_with(tmp_path)
    out = gpudepth.convert(source, tmp_path / "out.heic", profile="article")
    data = gpudepth.read(out)
    assert data is not None and not data.filtered and data.quality == "low"
    assert (codes_of(out) == codes_of(source)).all()


BLOB = base64.b64encode(b"REND" + struct.pack("<II", 1, 16) + bytes(4)).decode()


def portrait(tmp_path: Path, suffix: str) -> Path:
    """A photo of Portrait mode."""
    path, donor = tmp_path / f"portrait{suffix}", Donor(BLOB, "2.800000", 8)
    if suffix == ".heic":
        path.write_bytes(attach_codes(heic(picture(96, 72)), coded_map(), profile="apple-portrait", donor=donor))
        return path
    with ByteSource(plain(path, 96, 72)) as source:
        placement = Placement("apple-portrait", donor=donor)
        data = Jpeg().attach(source, coded_map(jpeg_quality=100), placement).splice.to_bytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".heic", ".jpg"])
def test_a_portrait_is_its_own_donor(tmp_path: Path, suffix: str) -> None:
    source = portrait(tmp_path, suffix)
    given = registry.donor(source)
    assert (given.rendering, given.aperture, given.custom_rendered) == (BLOB, "2.800000", 8)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        out = gpudepth.convert(source, tmp_path / f"out{suffix}", profile="apple-portrait")
    off = np.abs(codes_of(out).astype(int) - codes_of(source)).max()
    assert registry.donor(out) == given and off <= (0 if suffix == ".heic" else 2)  # JPEG of quality 100
    assert [str(w.message) for w in said if "calibration" not in str(w.message)] == []  # no photo of a camera's
    other = tmp_path / f"other{suffix}"
    with ByteSource(source) as opened:
        other.write_bytes(opened.read(0, opened.size).replace(b"2.800000", b"5.600000"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = gpudepth.convert(source, tmp_path / f"named{suffix}", profile="apple-portrait", donor=other)
    assert registry.donor(named).aperture == "5.600000"


@pytest.mark.parametrize(("suffix", "profile"), [(".heic", None), (".heic", "apple-depth"), (".jpg", None), (".jpg", "gdepth")])
def test_what_other_profiles_leave_out_is_said(tmp_path: Path, suffix: str, profile: str | None) -> None:
    with pytest.warns(UserWarning, match="RenderingParameters, SimulatedAperture.*apple-portrait. keeps"):
        gpudepth.convert(portrait(tmp_path, suffix), tmp_path / f"out{suffix}", profile=profile)


def test_a_map_that_is_made_smaller_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "p.heic"
    source.write_bytes(attach_codes(heic(picture(96, 72)), coded_map(800, 600)))
    for profile, size in (("apple-portrait", "768×576"), ("apple-depth", "800×600")):
        assert run_command(["convert", str(source), "-o", str(tmp_path / "o.heic"), "--profile", profile]) == 0
        said = capsys.readouterr().err
        assert size in said and ("reduced from 800×600" in said) == (profile == "apple-portrait")


@pytest.mark.parametrize("name", ["p.heic", "p.jpg", "p.dng", "p.plist"])
def test_a_range_of_its_own_is_not_given_another(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    if name == "p.dng":
        source.write_bytes(dng())
        metres = np.linspace(1, 3, 16 * 12, dtype=np.float32).reshape(12, 16)
        gpudepth.attach(source, metres, source, fit="stretch")
    elif name == "p.plist":
        gpudepth.convert(photo_with(tmp_path), source)
    else:
        source = portrait(tmp_path, source.suffix)
    for out in (f"o{source.suffix}", "o.heic"):
        with pytest.raises(UsageError, match="do not apply to depth that has a range") as caught:
            gpudepth.convert(source, tmp_path / out, encoding=Gray(1, 2))
        assert str(source) in str(caught.value) and not (tmp_path / out).exists()


@pytest.mark.parametrize("name", ["hdis", "fdis", "hdep", "fdep"])
def test_bare_rows_from_a_plain_map(tmp_path: Path, name: str) -> None:
    """The article's numbers, without any photo."""
    codes = np.arange(256, dtype=np.uint8).reshape(8, 32)
    Image.fromarray(codes).save(tmp_path / "d.png")
    out = gpudepth.convert(tmp_path / "d.png", tmp_path / f"d.{name}", encoding=Gray(0.5, 12),
                           pixel_format=name)
    about = json.loads((tmp_path / f"d.{name}.json").read_text())
    kind = {"h": np.float16, "f": np.float32}[name[0]]
    rows = np.frombuffer(out.read_bytes(), np.dtype(kind).newbyteorder("<")).reshape(8, 32)
    metres = numeric.code_values(numeric.Linear(255, 0.5, 12.0), 255)[codes]
    expected = metres if name.endswith("dep") else np.float32(1) / metres
    assert (rows == expected.astype(kind)).all()
    assert (about["Width"], about["Height"]) == (32, 8)


@pytest.mark.parametrize("o", range(1, 9))
def test_maps_alone_are_upright_or_coded(tmp_path: Path, o: int) -> None:
    photo = plain(tmp_path / "p.jpg", 64, 48, orientation=o)
    shown = (48, 64) if o >= 5 else (64, 48)
    metres = np.linspace(1, 3, shown[0] * shown[1], dtype=np.float32).reshape(shown[1], shown[0])
    source = gpudepth.attach(photo, metres, tmp_path / "o.jpg", jpeg_quality=100)
    upright = gpudepth.read(gpudepth.convert(source, tmp_path / "up.plist"))
    coded = gpudepth.read(gpudepth.convert(source, tmp_path / "coded.plist", orientation="coded"))
    assert upright is not None and coded is not None
    assert (upright.width, upright.height) == shown
    assert (exif.apply(o, coded.map) == upright.map).all()
    assert np.abs(upright.depth() - metres).max() < 0.05


def test_a_dictionary_is_read_and_written(tmp_path: Path) -> None:
    source = photo_with(tmp_path)
    first = gpudepth.convert(source, tmp_path / "a.plist")
    binary = gpudepth.convert(source, tmp_path / "a.bplist")
    assert plistlib.loads(first.read_bytes()) == plistlib.loads(binary.read_bytes())
    assert first.read_bytes().startswith(b"<?xml") and binary.read_bytes().startswith(b"bplist00")
    assert binary.stat().st_size < first.stat().st_size
    assert gpudepth.convert(binary, tmp_path / "b.plist").read_bytes() == first.read_bytes()
    again = gpudepth.convert(first, tmp_path / "b.plist")
    assert first.read_bytes() == again.read_bytes()
    metres = np.load(gpudepth.convert(first, tmp_path / "c.npy"))
    data = gpudepth.read(source)
    assert data is not None and (metres == data.depth()).all()


def test_what_it_refuses(tmp_path: Path) -> None:
    bare = tmp_path / "bare.heic"
    bare.write_bytes(heic())
    with pytest.raises(NoDepthError):
        gpudepth.convert(bare, tmp_path / "x.plist")
    with pytest.raises(NoDepthError, match="near and far"):
        gpudepth.convert(gray(tmp_path / "d.png", 32, 24), tmp_path / "x.plist")
    with pytest.raises(UsageError, match="not a photo"):
        gpudepth.convert(gray(tmp_path / "d.png", 32, 24), tmp_path / "x.heic", encoding=Gray(1, 2))
    plist = gpudepth.convert(photo_with(tmp_path), tmp_path / "d.plist")
    with pytest.raises(UsageError, match="gpudepth attach PHOTO d"):
        gpudepth.convert(plist, tmp_path / "x.heic")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bare.heic", "d.plist", "d.png", "photo.heic"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = photo_with(tmp_path)
    assert run_command(["convert", str(source), "-o", str(tmp_path / "o.plist"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["native_format"] == "hdis" and Path(said["output"]).exists()
    assert run_command(["convert", str(source), "--in-place", "--profile", "article"]) == 0
    assert "from" in capsys.readouterr().err
    assert run_command(["convert", str(source)]) == 2


def test_jobs_write_maps_alone(tmp_path: Path) -> None:
    for folder in ("photos", "depth"):
        (tmp_path / folder).mkdir()
    for n in (1, 2):
        plain(tmp_path / f"photos/p{n}.jpg", 64, 48, orientation=6)
        gray(tmp_path / f"depth/p{n}.png", 48, 64)
    (tmp_path / "job.yaml").write_text(
        "source: {color: 'photos/*.jpg', depth: 'depth/{stem}.png'}\nencoding: {near: 0.5, far: 12}\n"
        "map: {pixel_format: fdep}\noutput: {path: 'out/{stem}.plist', container: dictionary, orientation: coded}\n"
        "run: {workers: 1}\n")
    assert run_command(["run", str(tmp_path / "job.yaml")]) == 0
    data = gpudepth.read(tmp_path / "out/p2.plist")
    assert data is not None and (data.width, data.height, data.pixel_format.name) == (64, 48, "fdep")
    assert data.range() == (0.5, 12.0)


def test_jobs_attach_to_raw_photos(tmp_path: Path) -> None:
    for folder in ("photos", "depth"):
        (tmp_path / folder).mkdir()
    for n, order in ((1, "<"), (2, ">")):
        (tmp_path / f"photos/p{n}.dng").write_bytes(dng(order, orientation=6))
        gray(tmp_path / f"depth/p{n}.png", 48, 64)
    (tmp_path / "job.yaml").write_text(
        "source: {color: 'photos/*.dng', depth: 'depth/{stem}.png'}\nencoding: {near: 0.5, far: 12}\n"
        "map: {compression: none}\noutput: {path: 'out/{stem}.dng', container: dng}\nrun: {workers: 1}\n")
    assert run_command(["run", str(tmp_path / "job.yaml")]) == 0
    for n in (1, 2):
        data = gpudepth.read(tmp_path / f"out/p{n}.dng")
        assert data is not None and (data.width, data.height) == (48, 64)
        assert data.depth().min() == 0.5 and data.depth().max() == pytest.approx(12, rel=2**-11)
        page, codes = depth_page(tmp_path / f"out/p{n}.dng")
        assert page.compression == 1 and codes.shape == (48, 64) and codes.dtype == np.uint16
        assert libraw(tmp_path / f"out/p{n}.dng") == libraw(tmp_path / f"photos/p{n}.dng")
