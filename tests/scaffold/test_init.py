"""`gpudepth init`: folders as people have them become jobs that run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_kit import heic, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.settings.job import load_job


def photo(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".heic":
        return heic(path, 64, 48)
    if path.suffix == ".jpg":
        return plain(path, 64, 48)
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(noise).resize((64, 48)).save(path)
    return path


def depth(path: Path, values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path)
    return path


def ramp(low: float, high: float, dtype: Any) -> np.ndarray:
    return np.linspace(low, high, 32 * 24).reshape(24, 32).astype(dtype)


def flat(path: Path) -> None:
    for n in range(3):
        photo(path / f"photos/IMG_{n}.jpg")
        depth(path / f"depth/IMG_{n}.png", ramp(0, 65535, np.uint16))


def beside(path: Path) -> None:
    for name in ("dog", "beach", "cat"):
        photo(path / f"{name}.heic")
        depth(path / f"{name}_depth.npy", ramp(0.4, 9, np.float32))


def endings(path: Path) -> None:
    for n in range(4):
        photo(path / f"{n:04}_color.png", n)
        depth(path / f"{n:04}_depth.png", ramp(400, 4000, np.uint16))


def scenes(path: Path) -> None:
    for scene in ("kitchen", "office"):
        for n in range(2):
            photo(path / f"{scene}/rgb/{n}.jpg")
            values = ramp(500, 3000, np.uint16)
            values[:2] = 0
            depth(path / f"{scene}/depth/{n}.png", values)


def one_folder_a_scene(path: Path) -> None:
    for scene in ("kitchen", "office"):
        for n in range(2):
            photo(path / f"{scene}/{n}.jpg")
            depth(path / f"{scene}/{n}.pfm.npy", ramp(-3, 40, np.float32))


def tum(path: Path) -> None:
    lines: dict[str, list[str]] = {"rgb": [], "depth": []}
    for n in range(3):
        photo(path / f"rgb/{n}.500000.png", n)
        depth(path / f"depth/{n}.510000.png", ramp(5000, 20000, np.uint16))
        lines["rgb"].append(f"{n}.5 rgb/{n}.500000.png")
        lines["depth"].append(f"{n}.51 depth/{n}.510000.png")
    for name, text in lines.items():
        (path / f"{name}.txt").write_text("# timestamps\n" + "\n".join(text) + "\n")


def transforms(path: Path) -> None:
    import json

    frames = []
    for n in range(2):
        photo(path / f"images/{n}.jpg")
        depth(path / f"depths/{n}.png", ramp(700, 5000, np.uint16))
        frames.append({"file_path": f"images/{n}.jpg", "depth_file_path": f"depths/{n}.png"})
    (path / "transforms.json").write_text(json.dumps({"frames": frames}))


def by_index(path: Path) -> None:
    for n in range(3):
        photo(path / f"color/a{n}.jpg")
        depth(path / f"maps/{n * 7}.png", ramp(0, 255, np.uint8))


def with_others(path: Path) -> None:
    """Coloured previews, masks and confidences beside them; one photo without a map."""
    flat(path)
    photo(path / "photos/IMG_9.jpg")
    for n in range(3):
        depth(path / f"confidence/IMG_{n}.png", ramp(0, 2, np.uint8))
        depth(path / f"masks/IMG_{n}.png", ramp(0, 255, np.uint8))


def relative(path: Path) -> None:
    for n in range(2):
        photo(path / f"{n}.jpg")
        depth(path / f"out/{n}-dpt.npy", ramp(-200, 9000, np.float32))


def kitti(path: Path) -> None:
    """Depth completion: ground truth, and beside it what the laser saw."""
    for drive in ("0001_sync", "0002_sync"):
        for n in (5, 6):
            photo(path / f"{drive}/image_02/data/{n:010}.png", n)
            for kind in ("groundtruth", "velodyne_raw"):
                depth(path / f"{drive}/proj_depth/{kind}/image_02/{n:010}.png", ramp(1500, 20000, np.uint16))


def nyu(path: Path) -> None:
    """Names that begin with what they are, by scene: no photo gets a map of another scene."""
    for scene in ("kitchen", "office"):
        for n in range(2):
            photo(path / f"{scene}/rgb_{n:05}.jpg")
            depth(path / f"{scene}/sync_depth_{n:05}.png", ramp(500, 9000, np.uint16))


def parallel(path: Path) -> None:
    """The folder of scenes below, not above."""
    for scene in ("a", "b"):
        for n in range(2):
            photo(path / f"images/{scene}/{n}.jpg")
            depth(path / f"depths/{scene}/{n}.png", ramp(500, 9000, np.uint16))


def arkit(path: Path) -> None:
    for n in range(2):
        name = f"41069021_{300 + n}.123.png"
        photo(path / f"41069021/lowres_wide/{name}", n)
        depth(path / f"41069021/lowres_depth/{name}", ramp(500, 4000, np.uint16))
        depth(path / f"41069021/confidence/{name}", ramp(0, 2, np.uint8))


def polycam(path: Path) -> None:
    for n in range(2):
        photo(path / f"keyframes/images/{n}.jpg")
        depth(path / f"keyframes/depth/{n}.png", ramp(500, 4000, np.uint16))
        depth(path / f"keyframes/confidence/{n}.png", ramp(255, 255, np.uint8))


def depth_pro(path: Path) -> None:
    """Its .npz, and pictures of them beside it; in a folder that is called as ours."""
    for n in range(2):
        photo(path / f"photos/IMG_{n}.jpg")
        photo(path / f"out/IMG_{n}.jpg")
        np.savez(path / f"out/IMG_{n}.npz", depth=ramp(0.5, 9, np.float32))


def upper(path: Path) -> None:
    """Suffixes of cameras, of both kinds; names with blanks and umlauts; junk."""
    for name in ("IMG 1 ü", "IMG 2 ü"):
        photo(path / "holiday/x.jpg").rename(path / f"holiday/{name}.JPG")
        depth(path / f"holiday/maps/{name}_depth.png", ramp(0, 65535, np.uint16))
    photo(path / "holiday/IMG 3 ü.jpg")
    depth(path / "holiday/maps/IMG 3 ü_depth.PNG", ramp(0, 65535, np.uint16))
    for junk in ("readme.md", "Thumbs.db", "holiday/.DS_Store", "a.zip", "song.mp3"):
        (path / junk).write_bytes(b"junk")


def hypersim(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for n in range(2):
        photo(path / f"cam_00_final_preview/frame.{n:04}.color.jpg")
        (path / "cam_00_geometry_hdf5").mkdir(exist_ok=True)
        with h5py.File(path / f"cam_00_geometry_hdf5/frame.{n:04}.depth_meters.hdf5", "w") as file:
            file["dataset"] = ramp(1, 9, np.float32)


def one_of_each(path: Path) -> None:
    photo(path / "photo.jpg")
    depth(path / "map.png", ramp(0, 65535, np.uint16))


def brackets(path: Path) -> None:
    for n in range(2):
        photo(path / f"it's [b] #1: x/IMG_{n}.jpg")
        depth(path / f"it's [b] #1: x/d/IMG_{n}.png", ramp(0, 65535, np.uint16))


def circles(path: Path) -> None:
    """Links that lead nowhere, and back; pipes."""
    flat(path)
    (path / "photos/loop").symlink_to(path)
    (path / "dead.jpg").symlink_to(path / "nowhere")
    os.mkfifo(path / "depth/IMG_8.png")
    os.mkfifo(path / "photos/IMG_8.jpg")


CASES = {kitti: ("{scene}/image_02/data/{stem}.png", "{scene}/proj_depth/groundtruth/image_02/{stem}.png", 4),
         nyu: ("{scene}/rgb_{id}.jpg", "{scene}/sync_depth_{id}.png", 4),
         parallel: ("images/{scene}/{stem}.jpg", "depths/{scene}/{stem}.png", 4),
         arkit: ("41069021/lowres_wide/*.png", "41069021/lowres_depth/{stem}.png", 2),
         polycam: ("keyframes/images/*.jpg", "keyframes/depth/{stem}.png", 2),
         depth_pro: ("photos/*.jpg", "out/{stem}.npz", 2), upper: ("holiday/*", "holiday/maps/{stem}_depth", 3),
         hypersim: ("cam_00_final_preview/{id}.color.jpg", "cam_00_geometry_hdf5/{id}.depth_meters.hdf5", 2),
         one_of_each: ("*.jpg", "*.png", 1), brackets: ("it's [b] #1: x/*.jpg", "it's [b] #1: x/d/{stem}.png", 2),
         circles: ("photos/*.jpg", "depth/{stem}.png", 3), flat: ("photos/*.jpg", "depth/{stem}.png", 3), beside: ("*.heic", "{stem}_depth.npy", 3),
         endings: ("{id}_color.png", "{id}_depth.png", 4), scenes: ("{scene}/rgb/{stem}.jpg", "{scene}/depth/{stem}.png", 4),
         one_folder_a_scene: ("{scene}/{stem}.jpg", "{scene}/{stem}.pfm.npy", 4), tum: ("rgb.txt", "depth.txt", 3),
         transforms: (None, None, 2), by_index: ("color/*.jpg", "maps/*.png", 3), with_others: ("photos/*.jpg", "depth/{stem}.png", 3),
         relative: ("*.jpg", "out/{stem}-dpt.npy", 2)}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_job_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any) -> None:
    make(tmp_path)
    color, map_, count = CASES[make]
    assert run_command(["init", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'job.yaml'}\n"
    assert f"{count} item{'s' * (count != 1)} to process" in said.err
    job = load_job(tmp_path / "job.yaml")
    if make is upper:       # of either case, as the folder gives them
        color, map_ = (next(n for n in (text + a, text + a.upper()) if n in (job.source.color, job.source.depth))
                       for text, a in ((color, ".jpg"), (map_, ".png")))
    assert (job.source.color, job.source.depth) == (color, map_)
    summary = gpudepth.run(tmp_path / "job.yaml")
    assert (summary.done, summary.failed) == (count, 0), [row.message for row in summary.rows]
    for row in summary.rows:
        data = gpudepth.read(summary.plan.root / row.output)
        assert data is not None
        assert np.isfinite(data.depth()).all()


def test_what_only_the_user_knows_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path)
    run_command(["init", str(tmp_path)])
    text = (tmp_path / "job.yaml").read_text()
    assert text.count("LOOK") == 3
    assert "codes from 85 to 65535 of 65535" in text
    assert "please check near and far" in capsys.readouterr().err


@pytest.mark.parametrize(("make", "encoding", "accuracy"), [
    (endings, {"kind": "depth", "scale": "mm"}, "absolute"), (beside, {"kind": "depth"}, "absolute"),
    (tum, {"kind": "preset", "preset": "tum-rgbd"}, "absolute"), (relative, {"kind": "preset", "preset": "depth-anything-v2", "near": 0.5, "far": 10}, "relative"),
    (by_index, {"kind": "gray", "near": 0.5, "far": 10, "white": "near"}, "relative")])
def test_meanings(tmp_path: Path, make: Any, encoding: dict[str, Any], accuracy: str) -> None:
    make(tmp_path)
    run_command(["init", str(tmp_path)])
    job = load_job(tmp_path / "job.yaml")
    assert encoding.items() <= job.encoding.model_dump().items()
    assert job.map.accuracy == accuracy


def test_other_aspects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo(tmp_path / "a.jpg")
    depth(tmp_path / "a.npy", np.ones((40, 40), np.float32) + np.arange(40))
    assert run_command(["init", str(tmp_path)]) == 0
    assert load_job(tmp_path / "job.yaml").refine.fit == "stretch"
    assert "the map is 40×40, the photo 64×48" in capsys.readouterr().err
    assert gpudepth.run(tmp_path / "job.yaml").done == 1


def test_photos_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo(tmp_path / "a.jpg")
    assert run_command(["init", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no photos with maps were found; *.jpg: 1 photo" in said
    assert "--estimate MODEL.onnx" in said
    assert not (tmp_path / "job.yaml").exists()


def test_coloured_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    photo(tmp_path / "a.jpg")
    cv2.imwrite(str(tmp_path / "a.png"), cv2.applyColorMap(ramp(0, 255, np.uint8), cv2.COLORMAP_INFERNO))
    assert run_command(["init", str(tmp_path)]) == 2
    assert "cannot be used because their codes are lost" in capsys.readouterr().err


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path)
    assert run_command(["init", str(tmp_path / "none")]) == 2
    assert run_command(["init", str(tmp_path), "-o", str(tmp_path / "job.txt")]) == 2
    assert run_command(["init", str(tmp_path), "-o", str(tmp_path.parent / "job.yaml")]) == 2
    assert run_command(["init", str(tmp_path)]) == 0
    before = (tmp_path / "job.yaml").read_bytes()
    assert run_command(["init", str(tmp_path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "job.yaml").read_bytes() == before
    assert run_command(["init", str(tmp_path), "--force"]) == 0


def test_what_a_run_made_is_not_looked_at(tmp_path: Path) -> None:
    flat(tmp_path)
    assert run_command(["init", str(tmp_path)]) == 0
    assert gpudepth.run(tmp_path / "job.yaml").done == 3
    before = (tmp_path / "job.yaml").read_text()
    assert run_command(["init", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "job.yaml").read_text() == before


def test_outputs_go_to_a_folder_of_their_own(tmp_path: Path) -> None:
    """Not among the maps, for a folder that holds a ledger is not looked at again; and again to the same."""
    depth_pro(tmp_path)
    assert run_command(["init", str(tmp_path)]) == 0
    assert load_job(tmp_path / "job.yaml").output.path == "with_depth/{stem}.jpg"
    before = (tmp_path / "job.yaml").read_bytes()
    assert gpudepth.run(tmp_path / "job.yaml").done == 2
    assert run_command(["init", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "job.yaml").read_bytes() == before


@pytest.mark.parametrize(("make", "path", "highest"), [
    (with_others, "confidence/{stem}.png", 2), (arkit, "41069021/confidence/{stem}.png", None),
    (polycam, "keyframes/confidence/{stem}.png", None)])
def test_confidences_go_into_the_job(tmp_path: Path, make: Any, path: str, highest: int | None) -> None:
    """What code means certain, the presets of these sensors say themselves."""
    make(tmp_path)
    assert run_command(["init", str(tmp_path)]) == 0
    trust = load_job(tmp_path / "job.yaml").refine.confidence
    assert trust is not None
    assert (trust.path, trust.highest) == (path, highest)


def test_confidences_that_some_photos_lack_do_not(tmp_path: Path) -> None:
    with_others(tmp_path)
    (tmp_path / "confidence/IMG_1.png").unlink()
    assert run_command(["init", str(tmp_path)]) == 0
    assert load_job(tmp_path / "job.yaml").refine.confidence is None


def middlebury(path: Path, baseline: int) -> None:
    for n in (0, 1):
        photo(path / f"im{n}.png", n)
        values = ramp(5, 30, np.float32).repeat(2, 0).repeat(2, 1)
        (path / f"disp{n}.pfm").write_bytes(b"Pf\n64 48\n-1\n" + values[::-1].astype("<f4").tobytes())
    (path / "calib.txt").write_text("cam0=[1000 0 32; 0 1000 24; 0 0 1]\ncam1=[1000 0 32; 0 1000 24; 0 0 1]\ndoffs=10\n"
                                    f"baseline={baseline}\nwidth=64\nheight=48\nndisp=64\n")


def test_each_scene_keeps_its_own_calibration(tmp_path: Path) -> None:
    for scene, baseline in (("Adirondack", 100), ("Piano", 200)):
        middlebury(tmp_path / scene, baseline)
    assert run_command(["init", str(tmp_path)]) == 0
    job = load_job(tmp_path / "job.yaml")
    assert (job.source.color, job.source.depth) == ("{scene}/im{id}.png", "{scene}/disp{id}.pfm")
    assert gpudepth.run(tmp_path / "job.yaml").done == 4
    near = [gpudepth.read(tmp_path / f"out/{scene}/0.heic").depth().min() for scene in ("Adirondack", "Piano")]
    assert near[1] == pytest.approx(2 * near[0], rel=0.02)
    shutil.rmtree(tmp_path / "Piano")
    assert run_command(["init", str(tmp_path), "--force"]) == 0
    assert load_job(tmp_path / "job.yaml").source.color == "Adirondack/im{id}.png"


def test_a_video_and_its_numbered_maps(tmp_path: Path) -> None:
    """Stray Scanner's."""
    import video_kit

    video_kit.colour(tmp_path / "rgb.mp4", 4)
    for n in range(4):
        depth(tmp_path / f"depth/{n:06}.png", ramp(500, 4000, np.uint16))
    for name in ("odometry.csv", "camera_matrix.csv"):
        (tmp_path / name).write_text("x\n")
    assert run_command(["init", str(tmp_path)]) == 0
    job = load_job(tmp_path / "job.yaml")
    assert (job.source.video, job.source.depth, job.source.clip.match) == ("rgb.mp4", "depth/{frame}.png", "index")
    assert job.encoding.preset == "stray-scanner"


def test_captures_of_record3d(tmp_path: Path) -> None:
    import archive_kit

    archive_kit.capture(tmp_path / "a.r3d")
    assert run_command(["init", str(tmp_path)]) == 0
    assert load_job(tmp_path / "job.yaml").source.archive == "*.r3d"


def test_marigold_in_its_own_folder(tmp_path: Path) -> None:
    photo(tmp_path / "photos/a.jpg")
    depth(tmp_path / "run/depth_npy/a_pred.npy", ramp(0, 1, np.float32))
    assert run_command(["init", str(tmp_path)]) == 0
    assert load_job(tmp_path / "job.yaml").encoding.preset == "marigold"


def test_what_cannot_be_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    both, holds, broken, braces = (tmp_path / name for name in ("both", "holds", "broken", "braces"))
    photo(both / "photos/a.jpg")
    (both / "out").mkdir()
    picture = cv2.imread(str(both / "photos/a.jpg"))
    coloured = cv2.applyColorMap(ramp(0, 255, np.uint8).repeat(2, 0).repeat(2, 1), cv2.COLORMAP_INFERNO)
    white = np.full((48, 50, 3), 255, np.uint8)
    cv2.imwrite(str(both / "out/a.png"), np.hstack([picture, white, coloured]))
    photo(holds / "x.heic")
    gpudepth.attach(holds / "x.heic", ramp(0.5, 9, np.float32), holds / "a.heic", fit="stretch")
    (holds / "x.heic").unlink()
    photo(broken / "p/a.jpg")
    (broken / "d").mkdir()
    (broken / "d/a.png").write_bytes(b"\x89PNG\r\n\x1a\njunk")
    photo(braces / "{a}/a.jpg")
    depth(braces / "{a}/a.npy", ramp(0.5, 9, np.float32))
    for folder, said in ((both, "--pred-only"), (holds, "the photos hold depth already: gpudepth preview"),
                         (broken, "d/*.png: 1 unreadable file"), (braces, "contains braces")):
        assert run_command(["init", str(folder)]) == 2
        assert said in capsys.readouterr().err
        assert not (folder / "job.yaml").exists()


@pytest.mark.parametrize("text", ["[" * 100_000, "{", '{"frames": [{"file_path": 5, "depth_file_path": ["x"]}]}', "\0"])
def test_transforms_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "transforms.json").write_text(text)
    flat(tmp_path)
    assert run_command(["init", str(tmp_path)]) == 0
    assert load_job(tmp_path / "job.yaml").source.color == "photos/*.jpg"


@pytest.mark.parametrize(("name", "data", "code"), [("a.npy", b"junk", 1), ("a.npz", b"PK junk", 1), ("a.pfm", b"Pf\n9999999 9999999\n-1\n", 1)])
def test_damaged_maps_are_errors_of_ours(tmp_path: Path, name: str, data: bytes, code: int) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / name).write_bytes(data)
    assert run_command(["init", str(tmp_path)]) == code
    assert not (tmp_path / "job.yaml").exists()
