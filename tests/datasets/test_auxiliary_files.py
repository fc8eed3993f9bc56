"""Auxiliary images as files beside depth, of a data set and of one photo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from heif_kit import Item, Layout, aux_c, coded_depth, irot, ispe, main_item
from photo_kit import plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers.base import KINDS, NAMES
from gpudepth.datasets import auxiliary, dataset
from gpudepth.errors import UsageError

URN = {kind: urn for urn, kind in KINDS.items()}


def with_mattes(path: Path, *kinds: str, broken: str | None = None) -> Path:
    """A HEIC that is turned by a quarter, with these auxiliary images and depth."""
    hvcc, data = coded_depth(48, 32)
    items = [main_item(1, 96, 64, (irot(3), True))]
    for n, kind in enumerate(kinds, 2):
        item = Item(n, data=data if kind != broken else b"\0\0\0\xff", hidden=True, properties=[
            (ispe(48, 32), False), (irot(3), True), (aux_c(URN[kind]), True), (hvcc, True)])
        items.append(item)
    path.write_bytes(Layout(items, references=[("auxl", i.id, [1]) for i in items[1:]]).build())
    depth = np.linspace(1, 4, 48 * 32, dtype=np.float32).reshape(48, 32)
    gpudepth.attach(path, depth, in_place=True)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_data_set_with_all_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = with_mattes(folder / "a.heic", *KINDS.values())
    gpudepth.attach(plain(tmp_path / "b.jpg", 96, 64), np.full((32, 48), 2, np.float32), folder / "b.jpg")
    written = dataset.write(folder, "png16", tmp_path / "out", aux=auxiliary.ALL)
    a, b = written.records
    assert [x["name"] for x in a["auxiliary"]] == [n for n in NAMES if n != "confidence"]
    assert b["auxiliary"] == []
    judge = pillow_heif.open_heif(path)
    for record in a["auxiliary"]:
        assert record["file"] == f"auxiliary/a_{record['name']}.png"
        found = pixels(tmp_path / "out" / record["file"])
        theirs = np.asarray(judge.get_aux_image(judge.info["aux"][URN[record["kind"]]][0]))     # upright, as the colour is
        np.testing.assert_array_equal(found, theirs)
        assert found.shape == (record["height"], record["width"]) == (48, 32)
        assert record["bits"] == 8
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["photos"] == written.records
    assert "auxiliary images: 1 gainmap, 1 glasses, 1 hair, 1 matte, 1 skin, 1 sky, 1 teeth" in written.lines()
    none = dataset.write(folder, "npz", tmp_path / "none")
    assert "auxiliary" not in none.records[0]
    assert not (tmp_path / "none" / "auxiliary").exists()


def test_some_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_mattes(tmp_path / "a.heic", "semantic hair matte", "hdr gain map", "semantic sky matte")
    assert run_command(["extract", str(path), "-o", str(tmp_path / "d.npy"), "--aux", "hair,sky"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / n) for n in ("d.npy", "d_hair.png", "d_sky.png")]
    assert sorted(p.name for p in tmp_path.glob("*.png")) == ["d_hair.png", "d_sky.png"]
    assert run_command(["extract", str(path), "-o", str(tmp_path / "out"), "--as", "png16", "--aux", "all"]) == 0
    assert sorted(p.name for p in (tmp_path / "out" / "auxiliary").iterdir()) == ["a_gainmap.png", "a_hair.png", "a_sky.png"]
    assert run_command(["extract", str(path), "-o", str(tmp_path / "e.npy"), "--aux", "hairs"]) == 2
    assert "--aux 'hairs' is not an auxiliary image\n  none, all, or some of matte,skin" in capsys.readouterr().err
    with pytest.raises(UsageError):
        auxiliary.parse("")
    assert auxiliary.parse("none") == auxiliary.NONE


def test_one_that_cannot_be_decoded_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_mattes(tmp_path / "a.heic", "semantic hair matte", "hdr gain map", broken="semantic hair matte")
    assert run_command(["extract", str(path), "-o", str(tmp_path / "out"), "--as", "npz", "--aux", "all"]) == 3
    said = capsys.readouterr().err
    assert "auxiliary item 2" in said
    assert "1 auxiliary images failed" in said
    (record,) = json.loads((tmp_path / "out" / "dataset.json").read_text())["photos"]
    assert [a["name"] for a in record["auxiliary"]] == ["gainmap"]
    assert run_command(["extract", str(path), "-o", str(tmp_path / "d.npy"), "--aux", "all"]) == 3
    assert (tmp_path / "d.npy").exists() and (tmp_path / "d_gainmap.png").exists()
    assert not (tmp_path / "d_hair.png").exists()


def test_photos_of_iphones(sample: Callable[[str], Path], tmp_path: Path) -> None:
    path = sample("heic/iphone13pro_portrait.heic")
    saved = auxiliary.save(path, tmp_path, "p", auxiliary.ALL)
    assert [(r["name"], r["width"], r["height"]) for r in saved.records] == [("gainmap", 2016, 1512)]
    judge = pillow_heif.open_heif(path)
    np.testing.assert_array_equal(pixels(tmp_path / "p_gainmap.png"), np.asarray(judge.get_aux_image(52)))
    turned = auxiliary.save(sample("heic/iphone14pro_front_rotated_mirrored_no_depth.heic"), tmp_path, "q", auxiliary.ALL)
    assert [(r["width"], r["height"]) for r in turned.records] == [(1158, 1544)]


def test_containers_without_any(tmp_path: Path) -> None:
    gpudepth.attach(plain(tmp_path / "a.jpg", 96, 64), np.full((32, 48), 2, np.float32), tmp_path / "d.jpg")
    gpudepth.convert(tmp_path / "d.jpg", tmp_path / "d.plist")
    assert list(auxiliary.read(tmp_path / "d.plist")) == []
    assert list(auxiliary.read(tmp_path / "d.jpg")) == []
