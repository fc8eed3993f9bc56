"""Relative maps fitted to a sparse model that was made from the very depth: scale and shift come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_kit import heic, plain

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.datasets import dataset
from gpudepth.datasets.reconstruction import Reconstruction
from gpudepth.depth.data import DepthData
from gpudepth.errors import AspectError, MissingInputError, RangeError, UnsupportedError, UsageError

WIDTH, HEIGHT = 96, 64      # of the picture, upright; the map is half as large
FOCAL, METRES = 80.0, 0.37      # metres of a unit
SCALE, SHIFT = 2.5, 0.4         # what the relative disparity is off by
RADIAL = (FOCAL, WIDTH / 2, HEIGHT / 2, 0.05, -0.02)


def depth() -> Any:
    """(32, 48) metres, no two pixels alike."""
    y, x = np.mgrid[:32, :48]
    return (1.5 + x / 40 + y / 25 + 0.3 * np.sin(x / 5)).astype(np.float32)


def relative() -> Any:
    """What a network would say: disparity up to scale and shift, as metres of a map."""
    return 1 / ((1 / depth() - SHIFT / SCALE) / SCALE + 1)


def model(folder: Path, *names: str, wrong: float = 0.2, number: int = 120, camera: str = "RADIAL", size: tuple[int, int] = (WIDTH, HEIGHT),
          behind: bool = False) -> Path:
    """Points on the surface, in units of METRES, that each image sees; a share of them is wrong. World = camera."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    f, cx, cy, k1, k2 = RADIAL
    rows = []
    for n in range(number):
        x, y = rng.integers(0, 48), rng.integers(0, 32)
        u, v = ((x + 0.5) * 2 - cx) / f, ((y + 0.5) * 2 - cy) / f
        for _ in range(50):     # undo the bending, by going back and forth
            r2 = u * u + v * v
            bend = 1 + k1 * r2 + k2 * r2 * r2
            u, v = ((x + 0.5) * 2 - cx) / f / bend, ((y + 0.5) * 2 - cy) / f / bend
        z = float(depth()[y, x]) / METRES * (rng.uniform(0.3, 3) if n < wrong * number else 1)
        rows.append((float(u * z), float(v * z), -z if behind else z))
    (folder / "points3D.txt").write_text("".join(f"{n} {x!r} {y!r} {z!r} 0 0 0 0\n" for n, (x, y, z) in enumerate(rows)))
    parameters = " ".join(map(str, RADIAL)) if camera == "RADIAL" else "1 1 1 1 1"
    (folder / "cameras.txt").write_text(f"1 {camera} {size[0]} {size[1]} {parameters}\n")
    keys = " ".join(f"0 0 {n}" for n in range(number))
    (folder / "images.txt").write_text("".join(f"{n} 1 0 0 0 0 0 0 1 {name}\n{keys}\n" for n, name in enumerate(names, 1)))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A JPEG and a HEIC that is turned, both with relative depth; upright both are 96 × 64."""
    folder = tmp_path / "photos"
    folder.mkdir()
    gpudepth.attach(plain(tmp_path / "a.jpg", WIDTH, HEIGHT), relative(), folder / "a.jpg", profile="gdepth", pixel_format="fdis", bits=16)
    gpudepth.attach(heic(tmp_path / "b.heic", HEIGHT, WIDTH, 6), relative(), folder / "b.heic", bits=12)
    return folder


def test_scale_and_shift_come_back(photos: Path, tmp_path: Path) -> None:
    """A fifth of the points are wrong, and the lens bends: the depth is right within what its codes leave."""
    found = Reconstruction(model(tmp_path / "m", "a.jpg"), METRES)
    data = gpudepth.read(photos / "a.jpg")
    assert data is not None
    fit = found.fit(photos / "a.jpg", data, WIDTH, HEIGHT)
    np.testing.assert_allclose(fit.data.depth(), depth(), rtol=2e-4)
    assert fit.data.accuracy == "absolute"
    assert fit.alignment.samples > 90       # of 120 some share a pixel
    assert 0.7 * fit.alignment.samples < fit.alignment.inliers < 0.85 * fit.alignment.samples
    assert fit.error < 1e-3
    assert fit.record()["points_used"] == fit.alignment.inliers
    assert (fit.alignment.scale, fit.alignment.shift) == pytest.approx((SCALE, SHIFT / SCALE - SCALE), rel=2e-3)


def test_a_data_set_in_units_of_the_reconstruction(photos: Path, tmp_path: Path) -> None:
    """The HEIC is found by its stem, for COLMAP saw a picture made of it; maps are upright."""
    folder = model(tmp_path / "m" / "sparse" / "0", "rig/a.jpg", "rig/b.jpg").parent.parent
    written = dataset.write(photos, "npz", tmp_path / "out", reconstruction=Reconstruction(folder))
    assert not written.failed
    for record in written.records:
        with np.load(tmp_path / "out" / record["depth"]) as archive:
            np.testing.assert_allclose(archive["depth"] * METRES, depth(), rtol=6e-3)    # halves, stretched
            assert archive["accuracy"] == "relative"
        assert record["unit"] == "unit of the reconstruction"
        assert record["depth_is"] == "NOT in metres but in units of the reconstruction it is aligned to"
        assert record["aligned"]["metres_per_unit"] is None
    assert [r["aligned"]["image"] for r in written.records] == ["rig/a.jpg", "rig/b.jpg"]
    said = "\n".join(written.lines())
    assert "the depth of 2 photos is NOT in metres but in units of the reconstruction" in said
    assert "2 photos aligned to" in said
    assert "NOT in metres" in (tmp_path / "out" / "README.txt").read_text()


@pytest.mark.parametrize(("kind", "unit"), [("png16", "unit of the reconstruction / 1000"), ("tum", "unit of the reconstruction / 5000")])
def test_units_of_codes(photos: Path, tmp_path: Path, kind: str, unit: str) -> None:
    source = Reconstruction(model(tmp_path / "m", "a.jpg", "b.png"))
    assert [r["unit"] for r in dataset.write(photos, kind, tmp_path / kind, reconstruction=source).records] == [unit, unit]
    metric = Reconstruction(model(tmp_path / "m", "a.jpg", "b.png"), METRES)
    records = dataset.write(photos, kind, tmp_path / f"{kind} m", reconstruction=metric).records
    assert {r["unit"] for r in records} == {"mm" if kind == "png16" else "m/5000"}
    assert all("whose unit is 0.37 m, according to the user" in r["depth_is"] for r in records)


def test_what_cannot_be_aligned_is_an_error_of_its_photo(photos: Path, tmp_path: Path) -> None:
    written = dataset.write(photos, "npz", tmp_path / "out", reconstruction=Reconstruction(model(tmp_path / "m", "b.jpg")))
    assert [r["name"] for r in written.records] == ["b"]
    ((path, error),) = written.failed
    assert path.name == "a.jpg"
    assert "the reconstruction has no image of this photo" in str(error)


def test_why_not(photos: Path, tmp_path: Path) -> None:
    path = photos / "a.jpg"
    data = gpudepth.read(path)
    assert isinstance(data, DepthData)

    def fit(photo: Path = path, **options: Any) -> None:
        names = options.pop("names", ("a.jpg",))
        Reconstruction(model(tmp_path / "m", *names, **options)).fit(photo, data, WIDTH, HEIGHT)

    with pytest.raises(RangeError, match=r"only 7 points of 'a.jpg' lie on the map; 8 are needed"):
        fit(number=7, wrong=0)
    with pytest.raises(RangeError, match=r"0 points of 'a.jpg'"):
        fit(behind=True)
    with pytest.raises(MissingInputError, match="has no image of this photo"):
        fit(photos / "z.jpg")
    with pytest.raises(UsageError, match=r"the reconstruction has 2 images of that name: 1/a.jpg, 2/a.jpg"):
        fit(names=("1/a.jpg", "2/a.jpg"))
    with pytest.raises(AspectError, match="run COLMAP on upright pictures"):
        fit(size=(HEIGHT, WIDTH))
    with pytest.raises(AspectError, match="the same field of view"):
        fit(size=(WIDTH, WIDTH))
    with pytest.raises(UnsupportedError, match="the camera model FOV is not supported") as caught:
        fit(camera="FOV")
    assert str(path) in str(caught.value)
    for scale in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="the unit of the model cannot be"):
            Reconstruction(tmp_path / "m", scale)


def test_of_points_on_one_pixel_the_nearest_counts(photos: Path, tmp_path: Path) -> None:
    """Points behind the surface, seen through it by mistake, do not stand before it."""
    folder = model(tmp_path / "m", "a.jpg", wrong=0)
    lines = (folder / "points3D.txt").read_text().splitlines()
    far = [" ".join([str(int(n) + 1000), *(repr(4 * float(v)) for v in rest[:3]), "0 0 0 0"])
           for n, *rest in (line.split() for line in lines)]
    (folder / "points3D.txt").write_text("\n".join(far + lines) + "\n")
    keys = " ".join(f"0 0 {n}" for n in [*range(120), *range(1000, 1120)])
    (folder / "images.txt").write_text(f"1 1 0 0 0 0 0 0 1 a.jpg\n{keys}\n")
    data = gpudepth.read(photos / "a.jpg")
    assert data is not None
    fit = Reconstruction(folder, METRES).fit(photos / "a.jpg", data, WIDTH, HEIGHT)
    assert fit.alignment.inliers == fit.alignment.samples


def test_from_the_command_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = model(tmp_path / "m", "a.jpg", "b.jpg")
    out = tmp_path / "d.npy"
    assert run_command(["extract", str(photos / "b.heic"), "-o", str(out), "--align-to", str(folder), "--align-scale", "0.37"]) == 0
    said = capsys.readouterr().err
    assert "aligned to b.jpg by" in said
    assert "the depth is in metres: aligned to a reconstruction" in said
    np.testing.assert_allclose(np.load(out), depth(), rtol=6e-3)
    assert run_command(["extract", str(photos), "--as", "kitti", "-o", str(tmp_path / "set"), "--align-to", str(folder)]) == 0
    assert "NOT in metres" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "set" / "dataset.json").read_text())["photos"]) == 2
    for wrong in (["--align-scale", "2"], ["--align-to", str(folder), "--coded"], ["--align-to", str(tmp_path / "none")]):
        assert run_command(["extract", str(photos / "b.heic"), "-o", str(out), *wrong]) == 2
    assert run_command(["extract", str(photos), "--as", "npz", "-o", str(tmp_path / "two"), "--align-to", str(model(tmp_path / "n", "a.jpg"))]) == 3
