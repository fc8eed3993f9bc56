"""One OpenEXR file of a photo: read back by OpenEXR and by FFmpeg, held against the decode of its source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest
from photo_kit import plain
from PIL import Image
from test_auxiliary_files import with_mattes

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.datasets import auxiliary, dataset
from gpudepth.datasets.photo import curve
from gpudepth.depth import orientation
from gpudepth.maps.reader import read_map


def channels(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Channels one by one, and the header."""
    file = OpenEXR.File(str(path), separate_channels=True)
    return {name: c.pixels for name, c in file.channels().items()}, file.header()


def ffmpeg(path: Path, **options: str) -> Any:
    with av.open(str(path), options=options) as container:
        return next(container.decode(video=0))


def test_every_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """96 × 64 turned by a quarter; maps of 48 × 32, turned with it."""
    path = with_mattes(tmp_path / "a.heic", "portrait effects matte", "hdr gain map")
    out = tmp_path / "photo.exr"
    assert run_command(["extract", str(path), "--layers", "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert "layers: RGBA, Z, validity, matte, gainmap" in said.err
    assert "the depth is NOT metric" in said.err
    found, header = channels(out)
    assert set(found) == {"R", "G", "B", "A", "Z", "validity.Y", "matte.Y", "gainmap.Y"}
    assert {n: str(c.dtype) for n, c in found.items() if c.dtype != np.float16} == {"Z": "float32"}
    import pillow_heif
    rgb = np.asarray(pillow_heif.open_heif(path).to_pillow().convert("RGB"))
    assert rgb.shape == (96, 64, 3)
    for n, name in enumerate("RGB"):
        np.testing.assert_array_equal(found[name], curve().astype(np.float16)[rgb[..., n]])
    assert (found["A"] == 1).all()
    data = gpudepth.read(path)
    assert data is not None
    np.testing.assert_array_equal(found["Z"], np.repeat(np.repeat(data.depth(), 2, 0), 2, 1))
    np.testing.assert_array_equal(found["validity.Y"], 1)
    for image, codes, _ in auxiliary.read(path):
        assert isinstance(codes, np.ndarray)
        layer = found[f"{image.name}.Y"].astype(np.float64)
        # bilinear, by hand: pixel 2k lies a quarter before the middle of code k, 2k + 1 a quarter behind it
        g = codes / 255
        rows = np.stack([0.75 * g[1:-1] + 0.25 * g[:-2], 0.75 * g[1:-1] + 0.25 * g[2:]], 1).reshape(-1, g.shape[1])
        want = np.stack([0.75 * rows[:, 1:-1] + 0.25 * rows[:, :-2], 0.75 * rows[:, 1:-1] + 0.25 * rows[:, 2:]], 2).reshape(len(rows), -1)
        np.testing.assert_allclose(layer[2:-2, 2:-2], want, atol=6e-4)
    assert header["chromaticities"] == pytest.approx((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290), abs=1e-6)
    assert header["colorSpace"].startswith("sRGB, linear light")
    assert (header["depthUnit"], header["depthSize"]) == ("m", "32x48")
    assert "NOT metric" in header["depthIs"]
    assert "intrinsics" not in header


def test_ffmpeg_reads_the_same(tmp_path: Path) -> None:
    path = with_mattes(tmp_path / "a.heic", "semantic hair matte")
    assert run_command(["extract", str(path), "--layers", "-o", str(tmp_path / "p.exr")]) == 0
    found, _ = channels(tmp_path / "p.exr")
    frame = ffmpeg(tmp_path / "p.exr")
    assert (frame.width, frame.height) == (64, 96)
    item = np.float16 if frame.format.name.startswith("gbrapf16") else np.float32
    assert frame.format.name.startswith(("gbrapf16", "gbrapf32"))
    for plane, name in zip(frame.planes, "GBRA", strict=True):
        pixels = np.frombuffer(plane, item).reshape(96, -1)[:, :64]
        np.testing.assert_array_equal(pixels, found[name])


def test_our_own_reader_takes_z(tmp_path: Path) -> None:
    path = with_mattes(tmp_path / "a.heic", "semantic hair matte")
    assert run_command(["extract", str(path), "--layers", "-o", str(tmp_path / "p.exr")]) == 0
    np.testing.assert_array_equal(read_map(tmp_path / "p.exr").codes, channels(tmp_path / "p.exr")[0]["Z"])


def test_a_folder_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with_mattes(folder / "a.heic", "semantic hair matte", "hdr gain map", broken="hdr gain map")
    depth = np.linspace(1, 4, 48 * 32, dtype=np.float32).reshape(32, 48)
    gpudepth.attach(plain(tmp_path / "b.jpg", 97, 65, focal35=26), depth, folder / "b.jpg", accuracy="absolute", fit="stretch")
    written = dataset.write(folder, "exr-layers", tmp_path / "out")
    a, b = written.records
    assert a["layers"] == ["RGBA", "Z", "validity", "hair"]
    assert b["layers"] == ["RGBA", "Z", "validity"]
    ((path, error),) = written.lacking      # is told, and the rest is written
    assert path.name == "a.heic" and "auxiliary item 3" in str(error)
    found, header = channels(tmp_path / "out" / "b.exr")
    assert found["Z"].shape == (65, 97)
    assert header["depthIs"] == "in metres, according to the file"
    assert json.loads(header["intrinsics"])["cx"] == 48.5
    data = gpudepth.read(folder / "b.jpg")
    assert data is not None
    metres = data.depth()
    for y, x in ((0, 0), (32, 48), (64, 96), (10, 60)):       # the map's pixel that holds the middle of the picture's
        assert found["Z"][y, x] == metres[int((y + 0.5) * 32 / 65), int((x + 0.5) * 48 / 97)]
    assert set(np.unique(found["Z"])) <= set(metres.ravel())      # nothing in between


def test_holes_are_nan_and_invalid(tmp_path: Path) -> None:
    """A DNG would be raw; GDepth's infinitely far is what a file can have."""
    from test_dataset import gdepth_photo

    codes = np.full((32, 48), 10, np.uint8)
    codes[:8] = 255
    (tmp_path / "p.jpg").write_bytes(gdepth_photo(codes, near="1", far="Infinity"))
    dataset.write(tmp_path / "p.jpg", "exr-layers", tmp_path / "out")
    found, _ = channels(tmp_path / "out" / "p.exr")
    np.testing.assert_array_equal(found["validity.Y"][:16], 0)
    np.testing.assert_array_equal(found["validity.Y"][16:], 1)
    assert not np.isfinite(found["Z"][:16]).any()


def test_what_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_mattes(tmp_path / "a.heic")
    assert run_command(["extract", str(path), "--layers", "-o", str(tmp_path / "p.npy")]) == 2
    assert "--layers writes an .exr file" in capsys.readouterr().err
    assert run_command(["extract", str(path), "--layers", "--coded", "-o", str(tmp_path / "p.exr")]) == 2
    assert run_command(["extract", str(plain(tmp_path / "n.jpg")), "--layers", "-o", str(tmp_path / "p.exr")]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.heic", "n.jpg"]


def test_an_iphone_s(sample: Callable[[str], Path], tmp_path: Path) -> None:
    path = sample("jpeg/iphone7plus_portrait.jpg")
    dataset.write(path, "exr-layers", tmp_path)
    found, header = channels(tmp_path / "iphone7plus_portrait.exr")
    with Image.open(path) as image:
        turn = image.getexif().get(0x0112, 1)
        rgb = orientation.apply(turn, np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(found["G"], curve().astype(np.float16)[rgb[..., 1]])
    data = gpudepth.read(path)
    assert data is not None
    np.testing.assert_array_equal(np.unique(found["Z"]), np.unique(data.depth()))
    assert header["colorSpace"].startswith("Display P3")
    assert header["chromaticities"][:2] == pytest.approx((0.68, 0.32), abs=1e-6)
