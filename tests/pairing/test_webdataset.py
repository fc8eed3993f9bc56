"""WebDataset's rule: what shares the name up to its first dot is one sample."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from archive_kit import tar, zipped

from gpudepth.errors import MissingInputError, UsageError
from gpudepth.pairing.archive import check_extension, find_in_shards, split_name

RULE = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")        # as webdataset has it


@pytest.mark.parametrize("name", ["000001.jpg", "000001.depth.png", "a/b/1.jpg", "a.b/1.depth.PNG", "noext", "a/.hidden",
                                  "1305031102.175304.png", "frame.0000.depth_meters.hdf5", ".x.jpg", "a/b.c/d", "x."])
def test_names_are_split_as_webdataset_splits_them(name: str) -> None:
    match = RULE.match(name)
    assert split_name(name) == ((match[1], match[2].lower()) if match else None)


def test_samples(tmp_path: Path) -> None:
    names = ["000002.jpg", "000002.depth.png", "000001.jpg", "000001.json", "000001.depth.npy", "000001.depth.png",
             "000003.jpg", "000004.depth.png", "000005.txt", "sub/000001.PNG", "sub/000001.Depth.npy"]
    tar(tmp_path / "s/train-0.tar", dict.fromkeys(names, b"x"))
    found = find_in_shards(tmp_path, "s/{split}-*.tar", output="out/{split}/{shard}/{key}.heic")
    assert [(p.key, p.depth.name, p.output.relative_to(tmp_path).as_posix()) for p in found.pairs if p.output] == [
        ("s/train-0.tar/000001.jpg", "000001.depth.png", "out/train/train-0/000001.heic"),
        ("s/train-0.tar/000002.jpg", "000002.depth.png", "out/train/train-0/000002.heic"),
        ("s/train-0.tar/sub/000001.PNG", "000001.Depth.npy", "out/train/train-0/sub/000001.heic")]
    assert [p.name for p in found.unmatched_color] == ["000003.jpg"]
    assert [p.name for p in found.unmatched_depth] == ["000004.depth.png"]
    assert found.pairs[2].fields["stem"] == "000001"
    first = find_in_shards(tmp_path, "s/*.tar", ["png", "jpg"], ["depth.npy"], "o/{stem}.heic")
    assert [(p.color.name, p.depth.name) for p in first.pairs] == [
        ("000001.jpg", "000001.depth.npy"), ("000001.PNG", "000001.Depth.npy")]
    assert first.collisions[0].keys == ("s/train-0.tar/000001.jpg", "s/train-0.tar/sub/000001.PNG")


def test_keys_that_collide_over_shards(tmp_path: Path) -> None:
    for i in range(3):
        tar(tmp_path / f"{i}.tar", dict.fromkeys(["1.jpg", "1.depth.png"], b"x"))
    found = find_in_shards(tmp_path, "*.tar", output="o/{key}.heic")
    assert [(c.keys, c.differ) for c in found.collisions] == [(("0.tar/1.jpg", "1.tar/1.jpg", "2.tar/1.jpg"), ("shard",))]
    assert not find_in_shards(tmp_path, "*.tar", output="o/{shard}/{key}.heic").collisions


def test_keys_make_no_way_out(tmp_path: Path) -> None:
    tar(tmp_path / "0.tar", dict.fromkeys(["../1.jpg", "../1.depth.png", "2.jpg", "2.depth.png"], b"x"))
    found = find_in_shards(tmp_path, "*.tar", output="o/{key}.heic")
    assert [p.key for p in found.pairs] == ["0.tar/2.jpg"]
    assert [r.key for r in found.refused] == ["0.tar/../1.jpg", "0.tar/../1.depth.png"]


def test_a_zip_is_read_by_the_same_rule(tmp_path: Path) -> None:
    zipped(tmp_path / "0.zip", dict.fromkeys(["1.jpg", "1.depth.png"], b"x"))
    assert [p.key for p in find_in_shards(tmp_path, "*.zip").pairs] == ["0.zip/1.jpg"]


def test_no_samples(tmp_path: Path) -> None:
    tar(tmp_path / "0.tar", dict.fromkeys(["1.image.bmp", "1.txt"], b"x"))
    with pytest.raises(MissingInputError, match=r"\(0\.tar has no sample with jpg or png; its extensions are image\.bmp, txt\)"):
        find_in_shards(tmp_path, "*.tar", ["jpg", "png"])


@pytest.mark.parametrize("text", ["", ".jpg", "*.jpg", "a/b", "{stem}.png", "jpg."])
def test_what_is_no_extension(text: str) -> None:
    with pytest.raises(UsageError, match="is not an extension"):
        check_extension(text)
    assert check_extension("Depth.PNG") == "depth.png"
