"""Light into colours by transforms whose formulas stand here once more; and renders as photos with their own depth."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pillow_heif
import pytest
from archive_kit import zipped
from PIL import Image

import gpudepth
from gpudepth.batch.runner import run
from gpudepth.cli.app import run_command
from gpudepth.depth.encoding import Depth, Distance
from gpudepth.errors import LimitError, UnsupportedError, UsageError
from gpudepth.limits import Limits
from gpudepth.maps.exr import read_colour
from gpudepth.maps.presets import find
from gpudepth.maps.scene_linear import Developed, develop, displayed

LIGHT = [0.0, 0.001, 0.0031308, 0.0032, 0.18, 0.5, 1.0, 1.5, 8.0, 1000.0]


def curve(c: float) -> float:
    return 12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055


def write(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, {n: np.asarray(c, np.float32) for n, c in channels.items()}).write(str(path))
    return path


def render(path: Path, width: int = 64, height: int = 48, background: float = 1e10, names: str = "{}") -> Path:
    """A ramp of light, and depth from 2 to 6; the upper rows are background."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    z = 2 + 4 * x / (width - 1)
    z[: height // 4] = background
    return write(path, {names.format("R"): x / width, names.format("G"): y / height, names.format("B"): x * 0 + 0.18, "Z" if names == "{}" else "ViewLayer.Depth.Z": z})


def test_srgb() -> None:
    light = np.array([[[c, c, c] for c in LIGHT]], np.float32)
    assert develop(light, "srgb")[0, :, 0].tolist() == [round(255 * curve(min(c, 1.0))) for c in LIGHT]


def test_reinhard() -> None:
    light = np.array([[[c, c / 2, c / 4] for c in LIGHT]], np.float32)
    wanted = []
    for c in LIGHT:
        luminance = 0.2126 * c + 0.7152 * c / 2 + 0.0722 * c / 4
        wanted.append([255 * curve(min(v / (1 + luminance), 1.0)) for v in (c, c / 2, c / 4)])
    assert np.abs(develop(light, "reinhard")[0] - np.array(wanted)).max() <= 0.51


def test_what_is_no_light() -> None:
    odd = np.array([[[math.nan, -1, math.inf], [-math.inf, 1e38, 0]]], np.float32)
    for transform in ("srgb", "reinhard"):
        found = develop(odd, transform)
        assert found[0, 0, 0] == found[0, 0, 1] == found[0, 1, 0] == 0
        assert found[0, 0, 2] == 255
    with pytest.raises(UsageError, match=r"unknown colour transform 'aces' \(use srgb or reinhard\)"):
        develop(odd, "aces")


def test_channels(tmp_path: Path) -> None:
    one = np.full((2, 3), 0.5, np.float32)
    assert read_colour(write(tmp_path / "a.exr", {"R": one, "G": one * 2, "B": one * 3, "A": one, "Z": one}))[0, 0].tolist() == [0.5, 1, 1.5]
    layers = {f"{layer}.{c}": one * n for n, layer in enumerate(["ViewLayer.Combined", "ViewLayer.Diffuse"], 1) for c in "RGB"}
    assert read_colour(write(tmp_path / "b.exr", layers))[0, 0].tolist() == [0.5] * 3
    assert read_colour(write(tmp_path / "c.exr", {"Y": one}))[0, 0].tolist() == [0.5] * 3
    with pytest.raises(UnsupportedError, match="holds no colours"):
        read_colour(write(tmp_path / "d.exr", {"Z": one}))
    with pytest.raises(UnsupportedError, match=r"colours of several layers: a, b"):
        read_colour(write(tmp_path / "e.exr", {f"{layer}.{c}": one for layer in "ab" for c in "RGB"}))
    with pytest.raises(LimitError):
        read_colour(tmp_path / "a.exr", limits=Limits(max_pixels=5))


def test_only_linear_photos_are_developed(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert displayed(tmp_path / "a.png", None) == tmp_path / "a.png"
    path = render(tmp_path / "a.exr")
    with pytest.raises(UsageError, match="is scene-linear: choose a transform"):
        displayed(path, None)
    found = displayed(path, "srgb")
    assert isinstance(found, Developed) and (found.path, found.name, str(found)) == (path, "a.exr", str(path))
    with Image.open(io.BytesIO(found.read())) as picture:
        assert picture.size == (64, 48)
        assert np.array_equal(np.asarray(picture), develop(read_colour(path), "srgb"))


def test_blender() -> None:
    assert find("blender-exr").encoding(scale="cm") == Depth(Fraction(1, 100))
    ray = find("blender-exr").encoding(scale="2", focal_px=50.0)
    assert isinstance(ray, Distance) and (ray.scale, ray.focal_px) == (2, 50)


def test_a_render_with_its_own_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = render(tmp_path / "r.exr", names="ViewLayer.Combined.{}"), tmp_path / "o.heic"
    base = ["attach", str(path), str(path), "--preset", "blender-exr", "-o", str(out)]
    assert run_command(base) == 2 and "is scene-linear" in capsys.readouterr().err
    assert run_command([*base, "--color-transform", "srgb", "--quality", "-1"]) == 0
    data = gpudepth.read(out)
    assert data is not None and data.accuracy == "relative"
    assert data.disparity()[0, 0] == 0                                      # the background is infinitely far
    assert data.disparity()[-1, 0] == pytest.approx(1 / 2, abs=1 / 1000)
    shown = np.asarray(pillow_heif.open_heif(out).to_pillow(), np.int16)
    assert np.abs(shown - develop(read_colour(path), "srgb")).mean() < 3     # colours are coded at half the size
    assert run_command([*base, "--color-transform", "srgb", "--clamp", "0.1,100", "--scale", "2", "--focal-px", "40", "--format", "hdep",
                        "--bits", "12"]) == 0
    clamped = gpudepth.read(out)
    assert clamped is not None
    x, y = 63 - 31.5, 47 - 23.5                     # the lower right pixel, from the middle
    assert clamped.depth()[-1, -1] == pytest.approx(2 * 6 * 40 / math.sqrt(x * x + y * y + 40 * 40), rel=0.01)
    assert clamped.depth()[0, 0] == pytest.approx(100, rel=1e-3)
    assert run_command([*base, "--color-transform", "aces"]) == 2


def test_a_job_of_renders(tmp_path: Path) -> None:
    for i in range(2):
        render(tmp_path / f"{i}.exr")
    (tmp_path / "job.yaml").write_text('source: {color: "*.exr", match: embedded, color_transform: reinhard}\n'
                                       'encoding: {preset: blender-exr}\nrefine: {clamp: [0.1, 50]}\n'
                                       'output: {path: "out/{stem}.heic"}\nrun: {workers: 1}\n')
    assert run(tmp_path / "job.yaml").done == 2
    assert run(tmp_path / "job.yaml").skipped == 2
    assert run(tmp_path / "job.yaml", settings=["source.color_transform=srgb"]).done == 2
    zipped(tmp_path / "r.zip", {"rgb/0.exr": (tmp_path / "0.exr").read_bytes(), "z/0.exr": (tmp_path / "0.exr").read_bytes()})
    (tmp_path / "zip.yaml").write_text('source: {archive: r.zip, color: "rgb/*", depth: "z/{stem}.exr", color_transform: srgb}\n'
                                       'encoding: {preset: blender-exr}\noutput: {path: "zip/{stem}.heic"}\nrun: {workers: 1}\n')
    assert run(tmp_path / "zip.yaml").done == 1
