"""Folders of depth photos as data sets: what each layout holds, read back as its own readers would."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from dng_kit import BASES
from photo_kit import heic, pixels, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.datasets import layouts
from gpudepth.datasets.dataset import write
from gpudepth.datasets.layouts import LAYOUTS
from gpudepth.errors import FileError, MissingInputError, NoDepthError, OutputError, UsageError
from gpudepth.maps.reader import read_map


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """p2 before p10; turned, with a focal length, far beyond a PNG; and what is no depth photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    depth = np.linspace(1, 4, 48 * 32, dtype=np.float32).reshape(32, 48)
    upright = depth.T.copy()
    gpudepth.attach(plain(tmp_path / "a.jpg", 96, 64, focal35=26), depth, folder / "p10.jpg", accuracy="absolute", calibration="exif")
    gpudepth.attach(heic(tmp_path / "b.heic", 96, 64, 6), upright, folder / "p2.heic")
    gpudepth.attach(plain(tmp_path / "c.jpg", 96, 64, focal35=52), depth * 40, folder / "p11.jpg", accuracy="absolute", bits=8)
    plain(folder / "without.jpg", 96, 64)
    (folder / "notes.txt").write_text("no photo")
    (folder / "damaged.heic").write_bytes((folder / "p2.heic").read_bytes()[:300])
    return folder


def records(out: Path) -> Any:
    return json.loads((out / "dataset.json").read_text())["photos"]


def test_png16(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = write(photos, "png16", out)
    assert [r["name"] for r in written.records] == ["p2", "p10", "p11"]     # natural order
    assert [p.name for p in written.without] == ["without.jpg"]
    assert [p.name for p, _ in written.failed] == ["damaged.heic"]
    for record in records(out):
        source = photos / record["source"]
        data = gpudepth.read(source)
        assert data is not None
        metres = data.depth()
        with Image.open(out / record["depth"]) as image:
            codes = np.asarray(image)
        assert codes.dtype == np.uint16
        far = metres > 65.5355
        np.testing.assert_array_equal(codes, np.where(far, 0, np.rint(np.where(far, 0, metres).astype(np.float64) * 1000)))
        assert record["out_of_range"] == far.sum()
        with Image.open(out / record["color"]) as image:
            assert image.size == (record["width"], record["height"])
        assert (record["depth_width"], record["depth_height"]) == metres.shape[::-1]
    assert [r["accuracy"] for r in written.records] == ["relative", "absolute", "absolute"]
    assert "NOT metric" in written.records[0]["depth_is"]
    said = "\n".join(written.lines())
    assert "the depth of 1 photo is NOT metric" in said
    assert "the depth of 2 photos is in metres" in said
    assert "1 photo holds no depth: without.jpg" in said
    assert "pixels are outside the range of the layout" in said


def gdepth_photo(codes: Any, near: str, far: str) -> bytes:
    """A JPEG of 96 × 64 with a GDepth map in its XMP."""
    plane, photo = io.BytesIO(), io.BytesIO()
    Image.fromarray(codes).save(plane, "PNG")
    fields = f'GDepth:Format="RangeInverse" GDepth:Near="{near}" GDepth:Far="{far}" GDepth:Units="m" GDepth:Mime="image/png"'
    xmp = (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
           f'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" {fields} GDepth:Data="{base64.b64encode(plane.getvalue()).decode()}"/>'
           "</rdf:RDF></x:xmpmeta>")
    pixels(96, 64).save(photo, "JPEG", xmp=xmp.encode())
    return photo.getvalue()


def test_what_the_depth_is_worth_stands_in_every_place(photos: Path, tmp_path: Path) -> None:
    """The summary, each record, dataset.json as a whole, and a text for whoever gets the folder."""
    written = write(photos, "tum", tmp_path / "out")
    metric, relative = "in metres, according to the file", "NOT metric: correct up to scale and shift, whatever the unit"
    assert [r["depth_is"] for r in written.records] == [relative, metric, metric]
    whole = json.loads((tmp_path / "out" / "dataset.json").read_text())
    text = (tmp_path / "out" / "README.txt").read_text()
    for line in (f"the depth of 1 photo is {relative}", f"the depth of 2 photos is {metric}"):
        assert line in written.lines()
        assert line in whole["depth_is"]
        assert line[1:] in text
    assert "Unit of the values: m/5000; nominal if the depth is NOT metric.\nPixels without a value: 0.\n" in text


@pytest.mark.parametrize("kind", ["png16", "npz", "exr"])
def test_validity(tmp_path: Path, kind: str) -> None:
    """255 where there is a value, 0 where a hole is or the layout cannot hold what there is."""
    codes = np.arange(48 * 32).reshape(32, 48) * 256 // (48 * 32)      # of GDepth: 255 is infinitely far
    path = tmp_path / "p.jpg"
    path.write_bytes(gdepth_photo(codes.astype(np.uint8), near="1", far="Infinity"))
    (record,) = write(tmp_path / "p.jpg", kind, tmp_path / "out").records
    data = gpudepth.read(tmp_path / "p.jpg")
    assert data is not None
    with Image.open(tmp_path / "out" / record["validity"]) as image:
        found = np.asarray(image)
    there = np.isfinite(data.depth()) & ((data.depth() <= 65.535) | (kind != "png16"))
    np.testing.assert_array_equal(found, np.where(there, 255, 0))
    assert 0 < there.sum() < there.size
    assert record["no_value"] == (0 if kind == "png16" else "NaN")


def test_what_is_too_near_for_a_code_is_told(tmp_path: Path) -> None:
    codes = np.full((32, 48), 255, np.uint8)
    codes[:4] = 0
    (tmp_path / "p.jpg").write_bytes(gdepth_photo(codes, near="0.0001", far="2"))
    (record,) = write(tmp_path / "p.jpg", "png16", tmp_path / "out").records
    assert record["out_of_range"] == 4 * 48


def test_intrinsics_follow_the_sizes(photos: Path, tmp_path: Path) -> None:
    write(photos, "npz", tmp_path / "out")
    p2, p10, p11 = records(tmp_path / "out")
    assert "intrinsics" not in p2
    assert p10["camera_from"] == "the calibration stored with the depth"
    assert "35 mm" in p11["camera_from"]
    f = 26 / 36 * 96
    assert p10["intrinsics"] == pytest.approx({"fl_x": f, "fl_y": f, "cx": 48, "cy": 32})
    assert p10["depth_intrinsics"] == pytest.approx({"fl_x": f / 2, "fl_y": f / 2, "cx": 24, "cy": 16})
    with np.load(tmp_path / "out" / p10["depth"]) as archive:
        assert archive["accuracy"] == "absolute"
        assert archive["depth"].shape == (32, 48)


def test_exr(photos: Path, tmp_path: Path) -> None:
    write(photos, "exr", tmp_path / "out")
    for record in records(tmp_path / "out"):
        path = tmp_path / "out" / record["depth"]
        data = gpudepth.read(photos / record["source"])
        assert data is not None
        np.testing.assert_array_equal(OpenEXR.File(str(path)).channels()["Z"].pixels, data.depth())
        np.testing.assert_array_equal(read_map(path).codes, data.depth())


def test_tum(photos: Path, tmp_path: Path) -> None:
    write(photos, "tum", tmp_path / "out")
    for name in ("rgb", "depth"):
        rows = [line.split() for line in (tmp_path / "out" / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
        assert [float(t) for t, _ in rows] == [0, 1, 2]
        for _, file in rows:
            assert (tmp_path / "out" / file).is_file()
    with Image.open(tmp_path / "out" / "depth" / "0.000000.png") as image:
        found = np.asarray(image) / 5000
    data = gpudepth.read(photos / "p2.heic")
    assert data is not None
    assert np.abs(found - data.depth()).max() <= 0.5 / 5000 + 1e-6


def test_kitti(photos: Path, tmp_path: Path) -> None:
    write(photos, "kitti", tmp_path / "out")
    with Image.open(tmp_path / "out" / "proj_depth/groundtruth/image_02/0000000001.png") as image:
        found = np.asarray(image) / 256
    data = gpudepth.read(photos / "p10.jpg")
    assert data is not None
    assert np.abs(found - data.depth()).max() <= 0.5 / 256 + 1e-6
    assert (tmp_path / "out" / "image_02/data/0000000001.png").is_file()


def test_nerfstudio_and_colmap(photos: Path, tmp_path: Path) -> None:
    written = write(photos, "nerfstudio", tmp_path / "ns")
    assert {p.name for p, _ in written.failed} == {"damaged.heic", "p2.heic"}
    assert "the camera is unknown" in str(next(e for p, e in written.failed if p.name == "p2.heic"))
    frames = json.loads((tmp_path / "ns" / "transforms.json").read_text())["frames"]
    assert [f["w"] for f in frames] == [96, 96]
    assert all("transform_matrix" not in f for f in frames)
    for frame in frames:
        assert (tmp_path / "ns" / frame["file_path"]).is_file()
        assert (tmp_path / "ns" / frame["depth_file_path"]).is_file()
    write(photos, "colmap", tmp_path / "colmap")
    cameras = [line.split() for line in (tmp_path / "colmap" / "cameras.txt").read_text().splitlines() if not line.startswith("#")]
    assert [c[:4] for c in cameras] == [["1", "PINHOLE", "96", "64"], ["2", "PINHOLE", "96", "64"]]
    found = read_map(tmp_path / "colmap" / "stereo/depth_maps/p10.jpg.geometric.bin").codes
    data = gpudepth.read(photos / "p10.jpg")
    assert data is not None
    np.testing.assert_array_equal(found, data.depth())


def test_points(photos: Path, tmp_path: Path) -> None:
    """Every point projects onto the pixel it came from, and has its colour."""
    write(photos, "ply", tmp_path / "out")
    blob = (tmp_path / "out" / "p10.ply").read_bytes()
    head, _, body = blob.partition(b"end_header\n")
    assert b"element vertex 1536" in head
    points = np.frombuffer(body, layouts._POINT)
    k = next(r for r in records(tmp_path / "out") if r["name"] == "p10")["depth_intrinsics"]
    x, y, z = points["xyz"].T
    np.testing.assert_allclose(x / z * k["fl_x"] + k["cx"], np.tile(np.arange(48) + 0.5, 32), atol=1e-3)
    np.testing.assert_allclose(y / z * k["fl_y"] + k["cy"], np.repeat(np.arange(32) + 0.5, 48), atol=1e-3)
    data = gpudepth.read(photos / "p10.jpg")
    assert data is not None
    np.testing.assert_array_equal(z, data.depth().ravel())
    with Image.open(photos / "p10.jpg") as image:
        small = np.asarray(image.convert("RGB").resize((48, 32), Image.Resampling.BOX))
    np.testing.assert_array_equal(points["rgb"], small.reshape(-1, 3))


def test_a_point_cloud_of_one_photo(photos: Path, tmp_path: Path) -> None:
    """As trimesh reads it: metres, colours, and the photo's own pixels."""
    import trimesh

    from gpudepth.cli.app import run_command

    assert run_command(["extract", str(photos / "p10.jpg"), "-o", str(tmp_path / "cloud.ply")]) == 0
    cloud = trimesh.load(tmp_path / "cloud.ply")
    data = gpudepth.read(photos / "p10.jpg")
    assert data is not None and isinstance(cloud, trimesh.PointCloud)
    assert cloud.vertices.shape == (48 * 32, 3)
    np.testing.assert_array_equal(cloud.vertices[:, 2].astype(np.float32), data.depth().ravel())
    with Image.open(photos / "p10.jpg") as image:
        small = np.asarray(image.convert("RGB").resize((48, 32), Image.Resampling.BOX))
    np.testing.assert_array_equal(cloud.colors[:, :3], small.reshape(-1, 3))
    assert run_command(["extract", str(photos / "p10.jpg"), "--coded", "-o", str(tmp_path / "c.ply")]) == 2


def test_names_that_differ_in_the_suffix_only(photos: Path, tmp_path: Path) -> None:
    (photos / "p10.heic").write_bytes((photos / "p2.heic").read_bytes())
    written = write(photos, "png16", tmp_path / "out")
    assert len({r["depth"] for r in written.records}) == 4


def test_what_cannot_be(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown layout 'zarr'"):
        write(photos, "zarr", tmp_path / "out")
    with pytest.raises(MissingInputError, match="the file or folder does not exist"):
        write(photos / "p3.heic", "npz", tmp_path / "out")
    with pytest.raises(NoDepthError, match="holds no depth"):
        write(photos / "without.jpg", "npz", tmp_path / "out")
    with pytest.raises(FileError):
        write(photos / "damaged.heic", "npz", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="holds no photo with depth"):
        write(tmp_path / "empty", "npz", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write(photos, "npz", tmp_path / "file" / "out")


@pytest.mark.parametrize("kind", [k for k in LAYOUTS if k != "ply"])
def test_a_photo_that_fails_leaves_nothing(tmp_path: Path, kind: str) -> None:
    """Its picture cannot be decoded, its depth can: no depth without a colour stays behind."""
    depth = np.linspace(1, 4, 48 * 32, dtype=np.float32).reshape(32, 48)
    folder = tmp_path / "in"
    folder.mkdir()
    gpudepth.attach(plain(tmp_path / "a.jpg", 96, 64, focal35=26), depth, folder / "good.jpg")
    gpudepth.attach(dng_file(tmp_path / "raw.dng"), depth, folder / "raw.dng", fit="stretch", calibration="none")
    written = write(folder, kind, tmp_path / "out")
    assert [r["name"] for r in written.records] == ["good"]
    ((_, error),) = written.failed
    assert "raw" in str(error) or "camera" in str(error)
    assert not [p for p in (tmp_path / "out").rglob("*") if "raw" in p.name or "0000000001" in p.name or p.stem == "1.000000"]


def dng_file(path: Path) -> Path:
    path.write_bytes(BASES["linear II"])
    return path


def test_from_the_command_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run_command(["extract", str(photos), "--as", "png16", "-o", str(out)]) == 3
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    assert "damaged.heic" in said.err
    assert "NOT metric" in said.err
    (photos / "damaged.heic").unlink()
    assert run_command(["extract", str(photos), "--as", "npz", "-o", str(out), "--json"]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["p2", "p10", "p11"]
    assert run_command(["extract", str(photos), "-o", str(out)]) == 2
    assert "a folder requires --as LAYOUT" in capsys.readouterr().err
    assert run_command(["extract", str(photos / "p2.heic"), "-o", str(tmp_path / "one.exr")]) == 0
    assert set(LAYOUTS) == {"png16", "npz", "exr", "tum", "kitti", "nerfstudio", "colmap", "ply", "exr-layers"}


def test_an_iphone_s(sample: Callable[[str], Path], tmp_path: Path) -> None:
    """A real portrait with calibration: the camera is that of the file, scaled to 12 megapixels."""
    folder = tmp_path / "in"
    folder.mkdir()
    source = sample("heic/iphone13pro_portrait.heic")
    (folder / source.name).write_bytes(source.read_bytes())
    written = write(folder, "nerfstudio", tmp_path / "out")
    data = gpudepth.read(source)
    assert data is not None and data.calibration is not None
    camera = data.calibration.scaled(4032, 3024)
    assert written.records[0]["intrinsics"]["fl_x"] == pytest.approx(camera.focal[0])
    assert written.records[0]["depth_intrinsics"]["cx"] == pytest.approx(data.calibration.scaled(768, 576).center[0])
