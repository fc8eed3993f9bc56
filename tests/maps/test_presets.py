"""Every preset, on values laid out as the data sets and models write them, and on real files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import OpenEXR
import pytest
from photo_kit import plain
from PIL import Image

import gpudepth
from gpudepth.attachment.convert import export_item
from gpudepth.compute import backend
from gpudepth.depth.encoding import Depth
from gpudepth.depth.pixel_format import FDEP
from gpudepth.errors import UsageError
from gpudepth.maps.netpbm import encode_pfm
from gpudepth.maps.presets import PRESETS, find, kinect_codes, rotate_bits
from gpudepth.maps.raw import RawLayout
from gpudepth.settings.job import parse_job
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Confidence

NAN = float("nan")
INF = float("inf")
U16 = np.uint16
BY_NAME = {p.name: p for p in PRESETS}


def metres(path: Path, name: str, rows: RawLayout | None = None, **parameters: Any) -> Any:
    """What a file holds, by its preset: float32 metres."""
    preset = find(name)
    settings = Settings(encoding=preset.encoding(**parameters), key=preset.key, unpack=preset.unpack, pixel_format=FDEP,
                    rows=rows or preset.rows)
    out = path.with_name("metres.npy")
    export_item(None, path, out, settings, backend("numpy"))
    return np.load(out)


CASES: dict[str, tuple[dict[str, Any], Any, list[float]]] = {
    # parameters, what is in the file, metres
    "kitti-depth": ({}, U16([0, 256, 21730]), [NAN, 1, 84.8828125]),
    "kitti-disparity": ({"focal_px": 721.5, "baseline_m": 0.54}, U16([0, 256, 7215]), [NAN, 721.5 * 0.54, 721.5 * 0.54 / (7215 / 256)]),
    "vkitti2": ({}, U16([100, 65534, 65535]), [1, 655.34, NAN]),
    "tum-rgbd": ({}, U16([0, 5000, 65535]), [NAN, 1, 13.107]),
    "nyu-sync": ({}, U16([0, 1000, 65535]), [NAN, 1, 65.535]),
    "2d3ds": ({}, U16([0, 512, 65535]), [NAN, 1, 65535 / 512]),
    "megadepth": ({}, U16([0, 50, 65535]), [NAN, 1, 1310.7]),
    "nerfstudio": ({}, U16([0, 1000, 65535]), [NAN, 1, 65.535]),
    "video-depth-anything": ({"near": 0.5, "far": 10}, np.float32([3, 23, 13]), [10, 0.5, 1 / ((0.1 + 2) / 2)]),
    "google-depth": ({"near": 1, "far": 10}, np.uint8([0, 255, 51]), [1, 10, 10 * 1 / (10 - 51 / 255 * (10 - 1))]),
    "google-depth-linear": ({"near": 1, "far": 10}, U16([0, 65535, 13107]), [1, 10, 1 + 0.2 * 9]),
    "scannet": ({}, U16([0, 1000, 65535]), [NAN, 1, 65.535]),
    "replica": ({}, U16([0, 6553, 65535]), [NAN, 6553 / 6553.5, 10]),
    "7scenes": ({}, U16([0, 1000, 65535]), [NAN, 1, NAN]),
    "sun3d": ({}, U16([0, 1000 << 3, 1 + (3 << 13) & 0xFFFF]), [NAN, 1, ((24577 >> 3) | (24577 << 13) & 0xFFFF) / 1000]),
    "ibims": ({}, U16([0, 65535, 13107]), [NAN, 50, 10]),
    "middlebury": ({"focal_px": 994.978, "baseline_m": 0.193001, "doffs": 31.086}, np.float32([7, 31.2, INF]),
                   [994.978 * 0.193001 / (7 + 31.086), 994.978 * 0.193001 / (31.2 + 31.086), NAN]),
    "sceneflow": ({"baseline_m": 1.0}, np.float32([1, 10.5, 105]), [1050, 100, 10]),
    "arkitscenes": ({}, U16([0, 1500, 4000]), [NAN, 1.5, 4]),
    "stray-scanner": ({}, U16([0, 1500, 4000]), [NAN, 1.5, 4]),
    "polycam": ({}, U16([0, 1500, 4000]), [NAN, 1.5, 4]),
    "record3d": ({}, np.float32([0, NAN, 1.5]), [NAN, NAN, 1.5]),
    "realsense-z16": ({"scale": "0.00025"}, U16([0, 4000, 8000]), [NAN, 1, 2]),
    "azure-kinect": ({}, U16([0, 1500, 4000]), [NAN, 1.5, 4]),
    "midas": ({"near": 0.5, "far": 10}, U16([0, 65535, 21845]), [10, 0.5, 1 / (0.1 + (2 - 0.1) / 3)]),
    "depth-anything-v2": ({"near": 0.5, "far": INF}, np.uint8([0, 255, 51]), [INF, 0.5, 2.5]),
    "depth-anything-v2-metric": ({}, np.float32([0, 1.5, 79]), [NAN, 1.5, 79]),
    "zoedepth": ({}, U16([0, 256, 2560]), [NAN, 1, 10]),
    "marigold": ({"near": 1, "far": 5}, np.float32([-1, 0, 1]), [1, 3, 5]),
    "diode": ({}, np.float32([1, 2, 3]), [1, 2, 3]),
    "metric3d": ({}, np.float32([1, 2, 3]), [1, 2, 3]),
    "unidepth": ({"scale": "mm"}, U16([0, 1500, 4000]), [NAN, 1.5, 4]),
    "opengl-zbuffer": ({"near": 0.1, "far": 100}, np.float32([0, 0.5, 1]), [0.1, 0.1 * 100 / (100 - 0.5 * 99.9), 100]),
    "opengl-ndc": ({"near": 0.1, "far": 100}, np.float32([-1, 0, 1]), [0.1, 0.1 * 100 / (100 - 0.5 * 99.9), 100]),
    "d3d-zbuffer": ({"near": 0.1, "far": 100}, np.float32([0, 0.5, 1]), [0.1, 0.1 * 100 / (100 - 0.5 * 99.9), 100]),
    "unity-zbuffer": ({"near": 0.1, "far": 100}, np.float32([1, 0.5, 0]), [0.1, 0.1 * 100 / (0.1 + 0.5 * 99.9), 100]),
    "unreal-zbuffer": ({"near": 0.1}, np.float32([1, 0.5, 0]), [0.1, 0.2, INF]),
}


@pytest.mark.parametrize("name", CASES)
def test_values(tmp_path: Path, name: str) -> None:
    parameters, values, wanted = CASES[name]
    row = np.asarray(values).reshape(1, -1)
    path = tmp_path / "map.png"
    if row.dtype == np.float32:
        path = tmp_path / ("map.pfm" if BY_NAME[name].files == "PFM" else "map.npy")
        path.write_bytes(encode_pfm(row)) if path.suffix == ".pfm" else np.save(path, row)
    else:
        Image.fromarray(row).save(path)
    found = metres(path, name, **parameters)[0]
    assert np.isnan(found).tolist() == np.isnan(wanted).tolist()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_files_of_their_own(tmp_path: Path) -> None:
    depth = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    with h5py.File(tmp_path / "nyu.mat", "w") as file:
        file["depths"] = depth.T
        file["depths"].attrs["MATLAB_class"] = np.bytes_("single")
        file["rawDepths"] = depth.T
    np.testing.assert_array_equal(metres(tmp_path / "nyu.mat", "nyu"), depth)
    np.savez(tmp_path / "pro.npz", depth=depth, focallength_px=1000.0)
    np.testing.assert_array_equal(metres(tmp_path / "pro.npz", "depth-pro"), depth)
    (tmp_path / "map.dpt").write_bytes(b"PIEH" + np.array([4, 3], "<i4").tobytes() + depth.tobytes())
    np.testing.assert_array_equal(metres(tmp_path / "map.dpt", "sintel", scale="0.5"), depth / 2)
    (tmp_path / "a.geometric.bin").write_bytes(b"4&3&1&" + np.where(depth == 5, 0, depth).astype("<f4").tobytes())
    np.testing.assert_array_equal(metres(tmp_path / "a.geometric.bin", "colmap"), np.where(depth == 5, NAN, depth))
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage},
                 {"ViewLayer.Depth.Z": np.where(depth == 5, np.float32(1e10), depth), "ViewLayer.Combined.R": depth}).write(str(tmp_path / "z.exr"))
    np.testing.assert_array_equal(metres(tmp_path / "z.exr", "blender-exr"), np.where(depth == 5, np.float32(1e10), depth))
    # distance along the ray: the corner of a 1024×768 picture is 0.811 of it away
    with h5py.File(tmp_path / "h.hdf5", "w") as file:
        file["dataset"] = np.full((768, 1024), 10, np.float16)
    found = metres(tmp_path / "h.hdf5", "hypersim")
    assert found[0, 0] == pytest.approx(10 * 886.81 / np.sqrt(511.5**2 + 383.5**2 + 886.81**2), rel=1e-6)
    assert found[0, 0] / 10 == pytest.approx(0.811, abs=5e-4)


def test_every_preset_has_a_test() -> None:
    own = {"nyu", "nyu-raw", "depth-pro", "sintel", "colmap", "blender-exr", "hypersim", "eth3d"}
    assert set(BY_NAME) == set(CASES) | own
    assert len(BY_NAME) == len(PRESETS)
    for preset in PRESETS:
        assert preset.cited
        assert re.fullmatch(r"[a-z0-9-]+", preset.name)


def test_raw_codes_of_a_kinect(tmp_path: Path) -> None:
    """NYU's PGM, byte by byte: big-endian; 351.3 / (1092.5 − v), and what is nearer than nothing has no depth."""
    codes = [0, 400, 741, 1000, 1092, 1093, 2047]
    (tmp_path / "d.pgm").write_bytes(b"P5 7 1 65535\n" + b"".join(v.to_bytes(2, "big") for v in codes))
    wanted = [NAN, *(351.3 / (1092.5 - v) for v in (400, 741, 1000, 1092)), NAN, NAN]
    found = metres(tmp_path / "d.pgm", "nyu-raw")[0]
    assert np.isnan(found).tolist() == np.isnan(wanted).tolist()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    with pytest.raises(UsageError, match="integers"):
        kinect_codes(np.zeros(3, np.float32))


def test_rows_of_eth3d(tmp_path: Path) -> None:
    """Little-endian floats and nothing else; the size is the photo's, or named."""
    depth = np.array([[1, 2.5, INF, 40]] * 3, "<f4")
    (tmp_path / "DSC_1").write_bytes(depth.tobytes())
    wanted = np.where(np.isfinite(depth), depth, NAN)
    np.testing.assert_array_equal(metres(tmp_path / "DSC_1", "eth3d", rows=RawLayout(4, 3)), wanted)
    plain(tmp_path / "DSC_1.png", 4, 3)
    settings = Settings(pixel_format=FDEP).with_preset("eth3d")
    export_item(tmp_path / "DSC_1.png", tmp_path / "DSC_1", tmp_path / "m.npy", settings, backend("numpy"))
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), wanted)
    with pytest.raises(UsageError, match="so the size of the map must be given"):
        metres(tmp_path / "DSC_1", "eth3d")


def test_frames_of_video_depth_anything(tmp_path: Path) -> None:
    """depths (T, H, W) in an .npz, largest = near, each frame stretched by itself; or an EXR a frame."""
    depths = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.savez_compressed(tmp_path / "v.npz", depths=depths)
    settings = Settings(pixel_format=FDEP, key="depths[1]").with_preset("video-depth-anything", near=1, far=2)
    export_item(None, tmp_path / "v.npz", tmp_path / "m.npy", settings, backend("numpy"))
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": depths[1]}).write(str(tmp_path / "frame_00001.exr"))
    wanted = 1 / (0.5 + (depths[1] - 12) / 11 * (1 - 0.5))
    np.testing.assert_allclose(np.load(tmp_path / "m.npy"), wanted, rtol=1e-6)
    np.testing.assert_allclose(metres(tmp_path / "frame_00001.exr", "video-depth-anything", near=1, far=2), wanted, rtol=1e-6)


def test_confidence_that_a_preset_knows() -> None:
    assert [Settings().with_preset(n).confidence.highest for n in ("arkitscenes", "polycam", "record3d")] == [2, None, 2]
    assert Settings(confidence=Confidence(7)).with_preset("record3d").confidence.highest == 7


def test_bits_of_sun3d() -> None:
    """All codes against the shifts of a 16-bit machine word."""
    codes = np.arange(65536, dtype=np.uint16)
    wanted = [(int(v) >> 3) | ((int(v) << 13) & 0xFFFF) for v in codes]
    assert rotate_bits(codes).tolist() == wanted
    with pytest.raises(UsageError, match="uint16"):
        rotate_bits(codes.astype(np.uint8))


def test_nothing_is_guessed() -> None:
    with pytest.raises(UsageError, match=r"midas is only correct up to scale and shift \(give the distances in metres, near=0\.5, far=12, or metric"):
        find("midas").encoding()
    assert find("midas").encoding(aligned=True) is None
    with pytest.raises(UsageError, match="requires far"):
        find("midas").encoding(near=1)
    with pytest.raises(UsageError, match="requires focal_px and baseline_m"):
        find("kitti-disparity").encoding()
    with pytest.raises(UsageError, match="does not take far, near"):
        find("tum-rgbd").encoding(near=1, far=2)
    with pytest.raises(UsageError, match="did you mean kitti-depth"):
        find("kitty-depth")
    with pytest.raises(UsageError, match="gpudepth presets lists them"):
        find("qqq")


def test_floats_of_a_model_are_stretched(tmp_path: Path) -> None:
    """Their own extremes are near and far; a map that is the same everywhere has none."""
    raw = np.float32([[-3, 0.5, 4]])
    np.save(tmp_path / "m.npy", raw)
    np.testing.assert_allclose(metres(tmp_path / "m.npy", "midas", near=1, far=4), [[4, 1 / (0.25 + 0.75 / 2), 1]], rtol=1e-6)
    np.save(tmp_path / "m.npy", np.ones((2, 2), np.float32))
    with pytest.raises(UsageError, match="1 everywhere"):
        metres(tmp_path / "m.npy", "midas", near=1, far=4)


def test_in_calls(tmp_path: Path) -> None:
    photo = plain(tmp_path / "p.jpg", 96, 64)
    codes = np.linspace(5000, 20000, 48 * 32).astype(np.uint16).reshape(32, 48)
    data = gpudepth.read(gpudepth.attach(photo, codes, tmp_path / "o.jpg", preset="tum-rgbd"))
    assert data is not None
    assert (data.accuracy, float(data.depth().max())) == ("absolute", pytest.approx(4, rel=0.01))
    data = gpudepth.read(gpudepth.attach(photo, codes.astype(np.float32), tmp_path / "o.jpg", preset="midas", near=1, far=3))
    assert data is not None
    assert (data.accuracy, float(data.depth().max())) == ("relative", pytest.approx(3, rel=0.01))
    samples = (codes / 5000).astype(np.float32)
    data = gpudepth.read(gpudepth.attach(photo, codes, tmp_path / "o.jpg", preset="marigold", align_to=samples))
    assert data is not None
    assert float(data.depth().min()) == pytest.approx(1, rel=0.01)
    for wrong in ({"preset": "midas"}, {"preset": "tum-rgbd", "near": 1, "far": 2}, {"preset": "tum-rgbd", "encoding": Depth()}):
        with pytest.raises(UsageError):
            gpudepth.attach(photo, codes, tmp_path / "o.jpg", **wrong)    # type: ignore[arg-type]


JOB = """
source:   {color: "a/*.jpg", depth: "b/{stem}.png"}
output:   {path: "out/{stem}.heic"}
"""


def test_in_jobs() -> None:
    settings = parse_job(JOB + "encoding: {preset: 7scenes}").item_settings()
    assert settings.encoding == find("7scenes").encoding()
    assert settings.accuracy == "absolute"
    settings = parse_job(JOB + "encoding: {preset: sun3d}\nmap: {accuracy: relative}").item_settings()
    assert (settings.unpack, settings.accuracy) == (rotate_bits, "relative")
    assert parse_job(JOB + "encoding: {preset: hypersim}").item_settings().key == "dataset"
    settings = parse_job(JOB + "encoding: {preset: marigold}\nrefine: {align: {to: 'c/{stem}.png', scale: mm}}").item_settings()
    assert (settings.encoding, settings.align) == (None, "depth")
    settings = parse_job(JOB + "encoding: {preset: marigold}\nrefine: {align: {to: 'c/{stem}.png', curve: disparity}}").item_settings()
    assert settings.align == "disparity"
    for text, problem in (("{preset: midas}", "only correct up to scale and shift"), ("{preset: midass}", "did you mean midas"),
                          ("{preset: scannet, near: 1}", "not take near"), ("{preset: middlebury, focal_px: 900}", "requires baseline_m")):
        with pytest.raises(UsageError, match=problem):
            parse_job(JOB + f"encoding: {text}")


def test_real_files(sample: Callable[[str], Path], tmp_path: Path) -> None:
    """Against the formulas written out here."""
    def formula(path: Path, scale: float) -> Any:
        with Image.open(path) as image:
            codes = np.asarray(image).astype(np.float64)
        return np.where(codes > 0, codes * scale, NAN)

    def read(path: Path, name: str, **parameters: Any) -> Any:
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        return metres(copy, name, **parameters)

    for name, file, scale in (("tum-rgbd", "tum_rgbd_1_depth.png", 1 / 5000), ("arkitscenes", "arkit_lidar_depth_promptda.png", 1 / 1000)):
        path = sample(f"depth/{file}")
        np.testing.assert_allclose(read(path, name), formula(path, scale), rtol=1e-6)
    path = sample("depth/kitti2015_disp_occ_0_000046_10.png")
    found = read(path, "kitti-disparity", focal_px=721.5377, baseline_m=0.5371657)
    np.testing.assert_allclose(found, 721.5377 * 0.5371657 / formula(path, 1 / 256), rtol=1e-6)
    calib = dict(line.split("=", 1) for line in sample("depth/middlebury2014_MotorcycleQ_calib.txt").read_text().splitlines() if "=" in line)
    focal, doffs, baseline = float(calib["cam0"].strip("[]").split()[0]), float(calib["doffs"]), float(calib["baseline"]) / 1000
    path = sample("depth/middlebury2014_MotorcycleQ_disp0GT.pfm")
    found = read(path, "middlebury", focal_px=focal, baseline_m=baseline, doffs=doffs)
    with Image.open(path) as image:
        shift = np.asarray(image, np.float64)
    np.testing.assert_allclose(found, np.where(np.isfinite(shift), focal * baseline / (shift + doffs), NAN), rtol=1e-5)
