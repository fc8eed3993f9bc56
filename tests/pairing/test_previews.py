from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.pairing.by_name import find_pairs
from gpudepth.pairing.pairs import Previews


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x")


@pytest.mark.parametrize(("picture", "maps", "preview"), [
    ("x_depth.png", ["x_raw_depth_meter.npy"], True),
    ("x_depth.png", ["x.npy"], True),
    ("X_VIS.PNG", ["x.npy"], True),
    ("x_colored.jpg", ["x_depth.npy"], True),
    ("x_depth_colored.png", ["x_depth.npy"], True),
    ("x-colourized.png", ["x.pfm"], True),
    ("x_depth.png", ["y.npy"], False),
    ("x_depth.png", ["x_depth.png"], False),       # the map itself
    ("x_depth.png", ["other/x.npy"], False),
    ("x.png", ["x.npy"], False),                   # photos lie beside their maps, too
    ("x_raw.png", ["x.npy"], False),
    ("x_depth.heic", ["x.npy"], False),            # no model writes these
    ("_depth.png", [".npy"], False),
])
def test_names(picture: str, maps: list[str], preview: bool) -> None:
    assert Previews.of(Path(name) for name in maps).by_name(Path(picture)) is preview


def test_depth_anything_beside_its_map(tmp_path: Path) -> None:
    make(tmp_path, "x.png", "x_depth.png", "x_raw_depth_meter.npy", "y.png", "y_raw_depth_meter.npy")
    found = find_pairs(tmp_path, "*.png", "{stem}_raw_depth_meter.npy", "out/{stem}.heic")
    assert [pair.key for pair in found.pairs] == ["x.png", "y.png"]
    assert found.previews == (tmp_path / "x_depth.png",)
    assert not found.unmatched_color and not found.duplicates and not found.collisions


def test_depth_pro_in_the_folder_of_maps(tmp_path: Path) -> None:
    make(tmp_path, "photos/x.jpg", "photos/y.jpg", "depth/x.npz", "depth/x.jpg", "depth/y.npz", "depth/y.jpg")
    found = find_pairs(tmp_path, "**/*.jpg", "depth/{stem}.npz", "out/{stem}.jpg")
    assert [(pair.key, pair.depth.name) for pair in found.pairs] == [("photos/x.jpg", "x.npz"), ("photos/y.jpg", "y.npz")]
    assert found.previews == (tmp_path / "depth/x.jpg", tmp_path / "depth/y.jpg")
    assert not found.duplicates and not found.collisions and not found.unmatched_color


@pytest.mark.parametrize("tail", ["_vis", "_colored"])
def test_pictures_with_a_tail(tmp_path: Path, tail: str) -> None:
    make(tmp_path, "p/x.png", "d/x.npy", f"d/x{tail}.png")
    found = find_pairs(tmp_path, "**/*.png", "d/{stem}.npy")
    assert [pair.key for pair in found.pairs] == ["p/x.png"]
    assert [path.name for path in found.previews] == [f"x{tail}.png"]


def test_what_has_a_map_of_its_own_is_a_photo(tmp_path: Path) -> None:
    make(tmp_path, "x.png", "x.npy", "x_vis.png", "x_vis.npy")
    found = find_pairs(tmp_path, "*.png", "{stem}.npy")
    assert [pair.key for pair in found.pairs] == ["x.png", "x_vis.png"] and not found.previews


def test_without_the_map_it_stays_a_photo_without_a_map(tmp_path: Path) -> None:
    make(tmp_path, "x.png", "x.npy", "y_depth.png")
    found = find_pairs(tmp_path, "*.png", "{stem}.npy")
    assert found.unmatched_color == (tmp_path / "y_depth.png",) and not found.previews


def test_photos_that_all_lie_beside_one_map_stay(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "a.png", "a.npy")
    found = find_pairs(tmp_path, "a.*g", "{stem}.npy")
    assert len(found.pairs) == 2 and len(found.duplicates) == 1 and not found.previews
