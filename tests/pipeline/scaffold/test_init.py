"""`gpudepth init`: folders as people have them become jobs that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_kit import heic, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.pipeline.job import load_job


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


CASES = {flat: ("photos/*.jpg", "depth/{stem}.png", 3), beside: ("*.heic", "{stem}_depth.npy", 3),
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
    assert f"{count} items to do" in said.err
    job = load_job(tmp_path / "job.yaml")
    assert (job.source.color, job.source.depth) == (color, map_)
    summary = gpudepth.run(tmp_path / "job.yaml")
    assert (summary.done, summary.failed) == (count, 0), [row.message for row in summary.rows]
    for row in summary.rows:
        data = gpudepth.read(tmp_path / "out" / row.output)
        assert data is not None
        assert np.isfinite(data.depth()).all()


def test_what_only_the_user_knows_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path)
    run_command(["init", str(tmp_path)])
    text = (tmp_path / "job.yaml").read_text()
    assert text.count("LOOK") == 3
    assert "codes from 85 to 65535 of 65535" in text
    assert "look at near and far" in capsys.readouterr().err


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
    assert "no photos with maps were found; there are: *.jpg: 1 photos" in said
    assert "--estimate MODEL.onnx" in said
    assert not (tmp_path / "job.yaml").exists()


def test_coloured_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    photo(tmp_path / "a.jpg")
    cv2.imwrite(str(tmp_path / "a.png"), cv2.applyColorMap(ramp(0, 255, np.uint8), cv2.COLORMAP_INFERNO))
    assert run_command(["init", str(tmp_path)]) == 2
    assert "coloured maps cannot be used" in capsys.readouterr().err


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
