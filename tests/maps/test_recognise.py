"""What leaves no doubt is recognised; what leaves any is refused, with the presets that come into question."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import OpenEXR
import pytest
from archive_kit import capture, depth, lzfse, zipped
from photo_kit import gray, pixels
from PIL import Image

import gpudepth
from gpudepth.batch.runner import run
from gpudepth.cli.app import run_command
from gpudepth.errors import GpudepthError, JobError, UsageError
from gpudepth.formats.archive import read_index
from gpudepth.maps.netpbm import encode_pfm
from gpudepth.maps.presets import PRESETS
from gpudepth.maps.recognise import recognise
from gpudepth.settings.job import parse_job

METRES = np.linspace(1, 3, 24 * 32, dtype=np.float32).reshape(24, 32)
CALIB = "cam0=[50 0 16; 0 50 12; 0 0 1]\ndoffs=3\nbaseline=200\nwidth=32\nheight=24\n"


def codes16(path: Path, width: int = 32, height: int = 24) -> None:
    Image.fromarray(np.full((height, width), 1500, np.uint16)).save(path)


def floats(path: Path) -> None:
    np.save(path, METRES)


def npz(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def hdf5(name: str, values: Any, *more: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with h5py.File(path, "w", userblock_size=512 if path.suffix == ".mat" else 0) as file:
            for each in (name, *more):
                file[each] = values
        if path.suffix == ".mat":
            with path.open("r+b") as raw:
                raw.write(b"MATLAB 7.3 MAT-file")
    return write


def vga(path: Path) -> None:
    codes16(path, 640, 480)


def exr(path: Path) -> None:
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"ViewLayer.Depth.Z": METRES}).write(str(path))


CASES: list[tuple[str, str, Callable[[Path], Any], list[str]]] = [
    # preset, path, what writes it, what has to lie there as well
    ("record3d", "rgbd/0.depth", lambda p: p.write_bytes(lzfse(np.ones((192, 256), np.float32))), []),
    ("depth-pro", "a.npz", npz(depth=METRES, focallength_px=np.float64(900)), []),
    ("video-depth-anything", "a.npz", npz(depths=METRES[None]), []),
    ("tum-rgbd", "depth/x.png", codes16, ["depth.txt", "rgb.txt"]),
    ("tum-rgbd", "d/1305031102.175304.png", vga, []),
    ("middlebury", "disp0.pfm", lambda p: p.write_bytes(encode_pfm(METRES)), []),
    ("hypersim", "frame.0000.depth_meters.hdf5", hdf5("dataset", np.ones((768, 1024), np.float16)), []),
    ("nyu", "nyu.mat", hdf5("depths", np.ones((2, 4, 3), np.float32), "images"), []),
    ("diode", "x_depth.npy", floats, ["x_depth_mask.npy"]),
    ("depth-anything-v2-metric", "x_raw_depth_meter.npy", floats, []),
    ("marigold", "depth_npy/x_depth.npy", floats, []),
    ("polycam", "keyframes/depth/123456.png", codes16, []),
    ("stray-scanner", "depth/000001.png", codes16, ["camera_matrix.csv", "odometry.csv"]),
    ("arkitscenes", "lowres_depth/41048190_3413.158.png", codes16, []),
    ("sintel", "a.dpt", lambda p: p.write_bytes(b"PIEH" + np.array([32, 24], "<i4").tobytes() + METRES.tobytes()), []),
    ("colmap", "a.geometric.bin", lambda p: p.write_bytes(b"32&24&1&" + METRES.tobytes()), []),
    ("blender-exr", "a.exr", exr, []),
    ("7scenes", "frame-000000.depth.png", vga, []),
    ("kitti-depth", "proj_depth/groundtruth/image_02/1.png", codes16, []),
    ("kitti-disparity", "disp_occ_0/000046_10.png", codes16, []),
    ("vkitti2", "frames/depth/Camera_0/depth_00000.png", codes16, []),
    ("replica", "results/depth000000.png", codes16, []),
]


def lay_out(base: Path, name: str, write: Callable[[Path], Any], beside: list[str]) -> Path:
    path = base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    for other in beside:
        (path.parent if other.endswith(".npy") else path.parent.parent).joinpath(other).touch()
    (path.parent / "calib.txt").write_text(CALIB)       # beside everything: only PFM files have a use for it
    (path.parent / "frame000000.jpg").touch()
    return path


@pytest.mark.parametrize(("preset", "name", "write", "beside"), CASES, ids=[c[1] for c in CASES])
def test_what_leaves_no_doubt(tmp_path: Path, preset: str, name: str, write: Any, beside: list[str]) -> None:
    found = recognise(lay_out(tmp_path, name, write, beside))
    assert found.preset == preset and found.why
    assert preset in {p.name for p in PRESETS}


@pytest.mark.parametrize(("name", "write", "named"), [
    ("a.png", codes16, "kitti-depth, kitti-disparity, vkitti2, tum-rgbd"), ("a.npy", floats, "diode"), ("a.exr", None, "blender-exr"),
    ("x_depth.npy", floats, "diode, nerfstudio, depth-anything-v2"), ("a.pfm", lambda p: p.write_bytes(encode_pfm(METRES)), "middlebury, sceneflow, midas"),
    ("a.npz", npz(depth=METRES), "video-depth-anything"), ("lowres_depth/a.png", codes16, "kitti-depth"),
    ("depth/000001.png", codes16, "kitti-depth"), ("d/frame-000000.depth.png", codes16, "kitti-depth"),
    ("a_depth_meters.hdf5", hdf5("dataset", METRES), "hypersim"), ("rows", lambda p: p.write_bytes(bytes(999)), "eth3d"),
    ("a.pgm", lambda p: Image.fromarray(np.ones((4, 4), np.uint8)).save(p), "nyu-raw"), ("g.png", lambda p: gray(p, top=255), "midas, depth-anything-v2"),
    ("a.jpg", lambda p: pixels(64, 48).save(p), "google-depth"),
])
def test_what_leaves_doubt_is_refused(tmp_path: Path, name: str, write: Any, named: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if write is None:
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": METRES}).write(str(path))
    else:
        write(path)
    with pytest.raises(UsageError, match=rf"the preset cannot be determined from the file.*name it: .*{named}"):
        recognise(path)


def test_a_calibration_of_another_size_is_none(tmp_path: Path) -> None:
    (tmp_path / "d.pfm").write_bytes(encode_pfm(METRES[:-1]))
    (tmp_path / "calib.txt").write_text(CALIB)
    with pytest.raises(UsageError, match="middlebury"):
        recognise(tmp_path / "d.pfm")


def test_files_that_are_damaged_or_missing(tmp_path: Path) -> None:
    for data in (b"", b"PK\3\4", b"\x93NUMPY", b"\x89PNG\r\n\x1a\n", b"Pf", b"\x89HDF\r\n\x1a\n", b"\x76\x2f\x31\x01", b"\xff\xd8\xff"):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(GpudepthError):
            recognise(tmp_path / "x")
    with pytest.raises(GpudepthError, match="the file does not exist"):
        recognise(tmp_path / "none")


def test_real_files(tmp_path: Path, sample: Callable[[str], Path]) -> None:
    for end in ("disp0GT.pfm", "calib.txt"):
        shutil.copy(sample(f"depth/middlebury2014_MotorcycleQ_{end}"), tmp_path)
    found = recognise(tmp_path / "middlebury2014_MotorcycleQ_disp0GT.pfm")
    assert found.preset == "middlebury" and found.parameters["doffs"] > 0
    assert recognise(sample("depth/hypersim_ai_037_002_frame.0000.depth_meters.hdf5")).preset == "hypersim"
    assert recognise(sample("heic/iphone13pro_portrait.heic")).preset is None
    assert recognise(sample("jpeg/android_gdepth.jpg")).preset is None
    with pytest.raises(UsageError, match="tum-rgbd"):
        recognise(sample("depth/tum_rgbd_1_depth.png"))     # its name says nothing
    with pytest.raises(UsageError):
        recognise(sample("depth/openexr_AllHalfValues.exr"))


def test_members_of_archives(tmp_path: Path) -> None:
    capture(tmp_path / "a.r3d", frames=1)
    zipped(tmp_path / "b.zip", {"keyframes/depth/1.png": depth(), "depth/1.png": depth()})
    assert [recognise(m).preset for m in read_index(tmp_path / "a.r3d").members if m.suffix == ".depth"] == ["record3d"]
    polycam, other = read_index(tmp_path / "b.zip").members
    assert recognise(polycam).preset == "polycam"
    with pytest.raises(UsageError):
        recognise(other)


def test_attach_says_what_it_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels(64, 48).save(tmp_path / "p.jpg")
    (tmp_path / "d.pfm").write_bytes(encode_pfm(np.full((24, 32), 7, np.float32)))
    (tmp_path / "calib.txt").write_text(CALIB)
    arguments = ["attach", tmp_path / "p.jpg", tmp_path / "d.pfm", "--preset", "auto", "-o", tmp_path / "o.jpg"]
    assert run_command([str(a) for a in arguments]) == 0
    assert capsys.readouterr().err.startswith("middlebury (calib.txt of the same size: f = 50 px, B = 0.2 m, doffs = 3 px): disparity = ")
    data = gpudepth.read(tmp_path / "o.jpg")
    assert data is not None and data.accuracy == "absolute"
    assert data.depth() == pytest.approx(50 * 0.2 / (7 + 3), rel=1e-3)
    assert run_command([str(a) for a in ["convert", tmp_path / "d.pfm", "--preset", "auto", "-o", tmp_path / "m.npy"]]) == 0
    assert np.load(tmp_path / "m.npy") == pytest.approx(1, rel=1e-3)
    gpudepth.attach(tmp_path / "p.jpg", tmp_path / "d.pfm", tmp_path / "o2.jpg", preset="auto")
    assert (tmp_path / "o2.jpg").read_bytes() == (tmp_path / "o.jpg").read_bytes()
    with pytest.raises(UsageError, match="preset auto needs a file"):
        gpudepth.attach(tmp_path / "p.jpg", METRES, tmp_path / "o3.jpg", preset="auto")


def test_relative_models_still_need_a_range(tmp_path: Path) -> None:
    pixels(64, 48).save(tmp_path / "p.jpg")
    np.savez(tmp_path / "v.npz", depths=METRES[None])
    with pytest.raises(UsageError, match=r"the map has the preset video-depth-anything \(key depths\): the preset video-depth-anything is only"):
        gpudepth.attach(tmp_path / "p.jpg", tmp_path / "v.npz", tmp_path / "o.jpg", preset="auto", key="depths[0]")
    gpudepth.attach(tmp_path / "p.jpg", tmp_path / "v.npz", tmp_path / "o.jpg", preset="auto", key="depths[0]", near=1, far=2)
    data = gpudepth.read(tmp_path / "o.jpg")
    assert data is not None and data.accuracy == "relative"


def test_a_job_decides_file_by_file(tmp_path: Path) -> None:
    for scene, doffs in (("a", 3), ("b", 13)):
        (tmp_path / scene).mkdir()
        pixels(64, 48).save(tmp_path / scene / "im0.png")
        (tmp_path / scene / "disp0.pfm").write_bytes(encode_pfm(np.full((24, 32), 7, np.float32)))
        (tmp_path / scene / "calib.txt").write_text(CALIB.replace("doffs=3", f"doffs={doffs}"))
    (tmp_path / "job.yaml").write_text('source: {color: "{scene}/im0.png", depth: "{scene}/disp0.pfm"}\n'
                                       'encoding: {preset: auto}\noutput: {path: "out/{scene}.heic"}\nrun: {workers: 1}\n')
    summary = run(tmp_path / "job.yaml")
    assert [r.summary.split(":")[0] for r in summary.rows] == ["middlebury (calib.txt of the same size"] * 2
    assert [r.metres[0] for r in summary.rows if r.metres] == pytest.approx([1, 0.5], rel=1e-3)
    assert run(tmp_path / "job.yaml").skipped == 2
    (tmp_path / "b/calib.txt").write_text(CALIB.replace("doffs=3", "doffs=33"))     # an input as the map is
    again = run(tmp_path / "job.yaml")
    assert (again.skipped, [r.metres[0] for r in again.rows if r.metres]) == (1, [pytest.approx(0.25, rel=1e-3)])
    with pytest.raises(JobError, match="unknown preset 'autos'"):
        parse_job('source: {color: "a", depth: "b"}\nencoding: {preset: autos}\noutput: {path: "o/{stem}.heic"}\n')
