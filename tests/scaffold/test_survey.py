from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, plain
from PIL import Image

from gpudepth.errors import MissingInputError
from gpudepth.scaffold import survey as module
from gpudepth.scaffold.survey import Group, ending, role_of, survey


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(noise).resize((64, 48)).save(path)
    return path


def test_roles(tmp_path: Path) -> None:
    (tmp_path / "x.npy").touch()
    (tmp_path / "broken.png").write_bytes(b"junk")
    assert role_of(plain(tmp_path / "a.jpg")) == "photo"
    assert role_of(picture(tmp_path / "a.png")) == "photo"
    assert role_of(gray(tmp_path / "b.png")) == "map"
    assert role_of(gray(tmp_path / "b_mask.png")) == "other"
    assert role_of(tmp_path / "x.npy") == "map"
    assert role_of(tmp_path / "broken.png") == "damaged"
    assert role_of(tmp_path / "x.txt") == "other"


def test_suffixes_of_either_case_are_one_kind(tmp_path: Path) -> None:
    plain(tmp_path / "a.jpg")
    plain(tmp_path / "b.jpg").rename(tmp_path / "b.JPG")
    found = survey(tmp_path)
    assert [len(group.names) for group in found.groups] == [2]
    assert [found.role("photo")[0].stems()] == [["a", "b"]]


@pytest.mark.parametrize(("name", "found"), [("0001_depth.png", "_depth"), ("a.color.PNG", ".color"), ("IMG_1.png", ""),
                                             ("x-dpt.png", "-dpt"), ("x.png", "")])
def test_endings(name: str, found: str) -> None:
    assert ending(name, Path(name).suffix) == found


def test_trimmed() -> None:
    both = list(Group("", ".jpg", ["rgb_1_l.jpg", "rgb_2_l.jpg"]).trimmed())
    assert [(group.beginning, group.ending, group.stems()) for group in both] == [
        ("", "_l", ["rgb_1", "rgb_2"]), ("rgb_", "", ["1_l", "2_l"])]
    assert list(Group("", ".jpg", ["a.jpg", "b.jpg"]).trimmed()) == []
    assert list(Group("", ".jpg", ["photo.jpg"]).trimmed()) == []


def test_further_scenes_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(30):
        picture(tmp_path / f"{n}/rgb/0.png")
        (tmp_path / f"{n}/depth").mkdir()
        gray(tmp_path / f"{n}/depth/0.png")
    looked: list[Path] = []
    monkeypatch.setattr(module, "role_of", lambda path: looked.append(path) or role_of(path))
    found = survey(tmp_path)
    assert [len(found.role(role)) for role in ("photo", "map")] == [30, 30]
    assert len(looked) <= module.MANY
    assert len(found.summary()) == module.MOST_LISTED + 1


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(MissingInputError, match=r"the folder does not exist \(did you mean .*photos\?\)"):
        survey(tmp_path / "photo")
    with pytest.raises(MissingInputError, match="a folder is expected"):
        survey(plain(tmp_path / "a.jpg"))
