from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpudepth.errors import JobError, UsageError
from gpudepth.pairing.manifest import find_in_transforms
from gpudepth.pairing.pairs import Pairing


def find(base: Path, *frames: Any, **extra: Any) -> Pairing:
    (base / "scene").mkdir(exist_ok=True)
    (base / "scene/transforms.json").write_text(json.dumps({"camera_model": "OPENCV", "fl_x": 500, "frames": frames}))
    return find_in_transforms(base, "scene/transforms.json", "out/{stem}.jpg", **extra)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for folder, suffix in (("images", "jpg"), ("depth", "png")):
        (tmp_path / "scene" / folder).mkdir(parents=True)
        for i in (1, 2, 10):
            (tmp_path / "scene" / folder / f"frame_{i}.{suffix}").touch()
    return tmp_path


def frame(i: int, depth: int | None = None, **extra: Any) -> dict[str, Any]:
    beside = {"depth_file_path": f"depth/frame_{depth}.png"} if depth is not None else {}
    return {"file_path": f"./images/frame_{i}.jpg", "transform_matrix": [[1, 0], [0, 1]], **beside, **extra}


def test_frames(base: Path) -> None:
    found = find(base, frame(10, 10, colmap_im_id=3), frame(2), frame(1, 1))
    assert [(p.key, p.depth, p.output) for p in found.pairs] == [
        (f"scene/images/frame_{i}.jpg", base / f"scene/depth/frame_{i}.png", base / f"out/frame_{i}.jpg") for i in (1, 10)]
    assert found.unmatched_color == (base / "scene/images/frame_2.jpg",)
    assert not found.duplicates and not found.collisions


def test_what_is_missing_or_there_twice(base: Path) -> None:
    frames = (frame(1, 1), frame(3, 1), frame(2, 3), frame(1, 2), {"depth_file_path": "x"}, {"file_path": 5})
    with pytest.raises(JobError) as caught:
        find(base, *frames)
    place = f"{base}/scene/transforms.json: frames"
    assert caught.value.problems == [
        f"{place}[1]: file_path './images/frame_3.jpg' does not exist",
        f"{place}[2]: depth_file_path 'depth/frame_3.png' does not exist",
        f"{place}[3]: file_path './images/frame_1.jpg' is already in frames[0]",
        f"{place}[4]: file_path is missing", f"{place}[5]: file_path is not a string", f"{place}[5]: file_path is missing"]
    found = find(base, frame(1, 1), frame(2, 3), allow_missing=True)
    assert len(found.pairs) == 1 and [path.name for path in found.unmatched_color] == ["frame_2.jpg"]


def test_outputs_that_collide(base: Path) -> None:
    (base / "scene/other").mkdir()
    (base / "scene/other/frame_1.jpg").touch()
    found = find(base, frame(1, 1), {"file_path": "other/frame_1.jpg", "depth_file_path": "depth/frame_1.png"})
    assert len(found.collisions) == 1 and found.duplicates[0].shared


@pytest.mark.parametrize("text", ["{}", "[]", '{"frames": []}', '{"frames": {}}', '{"frames": [1]}', "null"])
def test_no_frames(tmp_path: Path, text: str) -> None:
    (tmp_path / "transforms.json").write_text(text)
    with pytest.raises(UsageError, match="has no frames"):
        find_in_transforms(tmp_path, "transforms.json")


def test_bad_templates(base: Path) -> None:
    (base / "transforms.json").write_text("{}")
    with pytest.raises(UsageError, match="the undefined placeholder"):
        find_in_transforms(base, "transforms.json", "out/{frame}.jpg")
