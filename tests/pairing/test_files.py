from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.pairing.files import by_group, common_names, list_files, without_maps


def make(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x")


def test_natural_order_and_fields(tmp_path: Path) -> None:
    make(tmp_path, "a/10.jpg", "a/9.jpg", "b/1.JPG")
    listing = list_files(tmp_path, "{folder}/*.jpg")
    assert [(f.path.name, f.fields) for f in listing.files] == [
        ("9.jpg", {"stem": "9", "folder": "a"}), ("10.jpg", {"stem": "10", "folder": "a"}), ("1.JPG", {"stem": "1", "folder": "b"})]
    assert listing.names == {"stem", "folder"}
    assert {group: len(files) for group, files in by_group(listing, ("folder",)).items()} == {("a",): 2, ("b",): 1}
    with pytest.raises(MissingInputError, match="2 folders"):
        list_files(tmp_path, "*.heic")


def test_any_suffix(tmp_path: Path) -> None:
    make(tmp_path, "d/1.25.npy")
    assert [f.fields["time"] for f in list_files(tmp_path, "d/{time}.*").files] == ["1.25"]
    assert len(list_files(tmp_path, "d/*.*").files) == 1


def test_maps_and_previews_are_taken_out(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "1_vis.png", "1_d.png", "1_d_vis.png")
    photos, previews = without_maps(list_files(tmp_path, "*.png"), list_files(tmp_path, "*_d.png"))
    assert [path.name for path in photos.paths] == ["1.png", "1_vis.png"]
    assert [path.name for path in previews] == ["1_d_vis.png"]
    with pytest.raises(MissingInputError, match="matches only depth maps"):
        without_maps(list_files(tmp_path, "*_d.png"), list_files(tmp_path, "*_d.png"))


def test_common_names(tmp_path: Path) -> None:
    make(tmp_path, "s/1/a.jpg")
    listing = list_files(tmp_path, "{scene}/{n}/*.jpg")
    assert common_names(listing, listing, "{scene}/{n}/*.jpg") == ("n", "scene")
    assert common_names(listing, listing, "{scene}/{n}/*.jpg", own=("n",)) == ("scene",)
    with pytest.raises(UsageError, match=r"placeholder \{stem\} \(it can use \{n\}, \{scene\}\)"):
        common_names(listing, listing, "{scene}/{stem}.jpg")
