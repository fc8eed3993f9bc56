"""Previews and sheets: where panels lie, what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.depth.data import DepthData
from gpudepth.view.canvas import FAINT, OFF, ON, legend, metres, table, write
from gpudepth.view.depth_view import DepthView, load
from gpudepth.view.preview import GAP, HEAD, facts, png, preview


def depth_photo(tmp_path: Path, name: str = "o.jpg") -> Path:
    return gpudepth.attach(plain(tmp_path / "p.jpg", 160, 120), gray(tmp_path / "d.png", 40, 30), tmp_path / name, near=0.5, far=12)


def shown(**fields: object) -> DepthView:
    """Left half near, right half far; the picture is split there, too."""
    values = np.where(np.arange(40) < 20, 1.0, 4.0)[None].repeat(30, 0)
    picture = np.where(np.arange(160)[None, :, None] < 80, 240, 20).repeat(120, 0).repeat(3, 2).astype(np.uint8)
    return DepthView("two halves", DepthData.from_values(values, "fdep", quantity="depth", **fields), picture)


def test_panels() -> None:
    image = np.asarray(preview(shown(), 160))
    assert image.shape == (HEAD + 20 + 120 + 92, 3 * (160 + GAP) + GAP, 3)
    top = HEAD + 18
    assert image[top + 60, GAP + 20].tolist() == [240] * 3                       # the picture
    assert image[top + 60, GAP + 140].tolist() == [20] * 3
    second = GAP + 160 + GAP
    assert image[top + 60, second + 20].tolist() == table()[255].tolist()       # near is bright
    assert image[top + 60, second + 140].tolist() == table()[0].tolist()
    third = image[top : top + 120, 2 * (160 + GAP) + GAP :][:, :160].reshape(-1, 3).tolist()
    assert list(ON) in third
    assert list(OFF) not in third
    flat = DepthView("no edge in the picture", shown().data, np.full((120, 160, 3), 90, np.uint8))
    pixels = np.asarray(preview(flat, 160)).reshape(-1, 3).tolist()
    assert list(OFF) in pixels
    assert list(ON) not in pixels


def test_legend() -> None:
    image = np.asarray(legend(shown(), 256))
    assert np.array_equal(image[50], table())
    heights = (image[:44, :, 0] == FAINT[0]).sum(0)
    assert heights[0] > 30 < heights[-1]
    assert heights[100:150].sum() == 0        # two distances, nothing between


def test_words() -> None:
    assert [metres(v) for v in (0.0851, 1.234, 34, 250.4, float("inf"))] == ["0.0851 m", "1.23 m", "34 m", "250 m", "inf"]
    assert facts(shown(accuracy="absolute")) == "40×30 fdep, 1 m to 4 m, absolute"
    holes = DepthData.from_values(np.array([[1.0, np.nan], [2, 3]]), "fdep", quantity="depth")
    assert facts(DepthView("x", holes)) == "2×2 fdep, 1 m to 3 m, relative; 25.0% without a value (hatched)"


def test_text_is_cut() -> None:
    canvas = Image.new("RGB", (300, 30))
    write(canvas, (0, 0), "a name that goes on for much longer than there is room \x1b[2J" * 5, width=100)
    ink = np.asarray(canvas).any(-1).any(0)
    assert 80 < np.flatnonzero(ink).max() <= 100


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = depth_photo(tmp_path)
    assert run_command(["preview", str(photo)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'o_preview.png'}\n"
    with Image.open(tmp_path / "o_preview.png") as image:
        assert image.size == (3 * (640 + GAP) + GAP, HEAD + 20 + 480 + 92)
    other = depth_photo(tmp_path, "o2.jpg")
    assert run_command(["preview", str(photo), str(other), "-o", str(tmp_path / "new/previews"), "--size", "64"]) == 0
    assert sorted(p.name for p in (tmp_path / "new/previews").iterdir()) == ["o2_preview.png", "o_preview.png"]
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    assert run_command(["preview", str(tmp_path), "--sheet", "-o", str(tmp_path / "sheet.png")]) == 0
    assert (tmp_path / "sheet.png").exists()
    capsys.readouterr()
    assert run_command(["preview", str(photo), str(tmp_path / "bad.jpg"), "-o", str(tmp_path / "some")]) == 3
    assert "bad.jpg" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [
    (["p.jpg"], 1), (["."], 2), (["o.jpg", "--sheet"], 2), (["o.jpg", "-o", "x.jpg"], 2), (["o.jpg", "--size", "99999"], 2),
    (["o.jpg", "o.jpg", "-o", "x.png"], 2), (["none.jpg"], 2), (["empty", "--sheet", "-o", "s.png"], 2)])
def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int) -> None:
    depth_photo(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run_command(["preview", *arguments]) == code
    assert not list(tmp_path.glob("*.png")) or [p.name for p in tmp_path.glob("*.png")] == ["d.png"]


def test_in_a_notebook(tmp_path: Path) -> None:
    data = gpudepth.read(depth_photo(tmp_path))
    assert data is not None
    drawn = data._repr_png_()
    assert drawn is not None and drawn == png(data)
    assert drawn.startswith(b"\x89PNG")
    assert load(tmp_path / "o.jpg", 64).picture is not None
