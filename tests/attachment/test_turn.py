"""Phones' exports that lie on their side: picture and map are turned by metadata, no pixel is."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import tool
from photo_kit import heic, pixels, plain
from PIL import Image, ImageOps

import gpudepth
from gpudepth.attachment.convert import export_item
from gpudepth.batch.runner import run
from gpudepth.compute import backend
from gpudepth.depth import orientation as exif
from gpudepth.depth.pixel_format import FDEP
from gpudepth.errors import UnsupportedError, UsageError
from gpudepth.formats import jpeg
from gpudepth.formats.bytesource import ByteSource
from gpudepth.settings.job import parse_job
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import TURNS

DEGREES = {turn: degrees for degrees, turn in TURNS.items()}

METRES = np.linspace(1, 3, 24 * 32, dtype=np.float32).reshape(24, 32)


def attach(photo: Path, out: Path, turn: int, **rest: Any) -> Any:
    told = photo.suffix == ".jpg" and turn != 1
    with pytest.warns(UserWarning, match="Exif Orientation") if told else contextlib.nullcontext():
        gpudepth.attach(photo, rest.pop("metres", METRES), out, turn=DEGREES[turn], **rest)
    return gpudepth.read(out)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turns_are_clockwise(degrees: int) -> None:
    picture = np.arange(6).reshape(2, 3)
    assert np.array_equal(exif.apply(TURNS[degrees], picture), np.rot90(picture, -degrees // 90))


@pytest.mark.parametrize("turn", [1, 6, 3, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_picture_and_map_turn_together(tmp_path: Path, turn: int, suffix: str) -> None:
    photo, out = plain(tmp_path / f"p{suffix}", 64, 48), tmp_path / ("o.jpg" if suffix == ".jpg" else "o.heic")
    data = attach(photo, out, turn)
    wanted = exif.apply(turn, METRES)
    assert (data.height, data.width) == wanted.shape
    np.testing.assert_allclose(data.depth(), wanted, rtol=0.02)
    assert (gpudepth.inspect(out).width, gpudepth.inspect(out).height) == exif.size(turn, 64, 48)
    if suffix == ".jpg":        # the picture as Pillow shows it
        with Image.open(photo) as before, Image.open(out) as after:
            assert np.array_equal(np.asarray(ImageOps.exif_transpose(after)), exif.apply(turn, np.asarray(before)))
    else:
        import pillow_heif

        shown = pillow_heif.open_heif(out).to_pillow()
        assert shown.size == exif.size(turn, 64, 48)
        off = np.asarray(shown, np.int16) - exif.apply(turn, np.asarray(Image.open(photo), np.int16))
        assert np.abs(off).mean() < 6


@pytest.mark.parametrize("old", range(1, 9))
def test_on_top_of_what_the_photo_says(tmp_path: Path, old: int) -> None:
    """A map as displayed stays where it was on the picture, whatever the photo's own orientation."""
    photo = plain(tmp_path / "p.jpg", 64, 48, orientation=old)
    metres = METRES if old < 5 else np.ascontiguousarray(METRES.T)
    data = attach(photo, tmp_path / "o.jpg", 6, metres=metres)
    np.testing.assert_allclose(data.depth(), exif.apply(6, metres), rtol=0.02)
    with Image.open(photo) as before, Image.open(tmp_path / "o.jpg") as after:
        assert after.getexif()[0x0112] == exif.then(old, 6)
        shown = np.asarray(ImageOps.exif_transpose(before))
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(after)), exif.apply(6, shown))


def test_no_pixel_is_touched(tmp_path: Path) -> None:
    photo = plain(tmp_path / "p.jpg", 64, 48)
    attach(photo, tmp_path / "o.jpg", 6)

    def scan(path: Path) -> bytes:
        with ByteSource(path) as source:
            stream = jpeg.parse(source)
            return source.read(stream.scan, stream.end - stream.scan)

    assert scan(photo) == scan(tmp_path / "o.jpg")


def test_calibration_turns_too(tmp_path: Path) -> None:
    photo = plain(tmp_path / "p.jpg", 64, 48, focal35=28)
    data = attach(photo, tmp_path / "o.jpg", 6, calibration="exif")
    assert (data.calibration.reference_width, data.calibration.reference_height) == (48, 64)
    assert data.calibration.focal[0] == pytest.approx(28 / 36 * 64)
    assert gpudepth.inspect(tmp_path / "o.jpg").width == 48


def test_maps_alone_are_turned_as_they_are_displayed(tmp_path: Path) -> None:
    photo, settings = plain(tmp_path / "p.jpg", 64, 48, orientation=3), Settings(floats_are_metres=True, pixel_format=FDEP, turn=90)
    export_item(photo, METRES, tmp_path / "m.npy", settings, backend("numpy"))
    assert np.array_equal(np.load(tmp_path / "m.npy"), exif.apply(6, METRES))


def test_containers_that_know_refuse(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"a HEIF file cannot be turned \(leave out turn;"):
        gpudepth.attach(heic(tmp_path / "p.heic", 64, 48), METRES, tmp_path / "o.heic", turn=90)
    assert not (tmp_path / "o.heic").exists()
    with pytest.raises(UsageError, match="turn=2: expected 0, 90, 180 or 270"):
        Settings(turn=2)


def test_jobs_and_exiftool(tmp_path: Path) -> None:
    pixels(64, 48).save(tmp_path / "p.jpg")      # without any Exif, as these exports are
    np.save(tmp_path / "p.npy", METRES)
    text = ('source: {color: "*.jpg", depth: "{stem}.npy"}\nencoding: {kind: depth}\n'
            'output: {path: "out/{stem}.jpg", turn: 90}\nrun: {workers: 1}\n')
    assert parse_job(text).item_settings().turn == 90
    (tmp_path / "job.yaml").write_text(text)
    summary = run(tmp_path / "job.yaml")
    assert summary.rows[0].warnings == ("changed: Exif Orientation: 1 → 6 (a new Exif segment)",)
    assert tool("exiftool", "-s3", "-Orientation", "-warning", tmp_path / "out/p.jpg").strip() == "Rotate 90 CW"
