"""Contact sheets: of files, of which some cannot be shown, and of the frames of a clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from photo_kit import gray, plain
from PIL import Image

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.depth.data import DepthData
from gpudepth.depth.pixel_format import HDEP
from gpudepth.errors import LimitError
from gpudepth.limits import Limits
from gpudepth.video.matroska import DepthVideoWriter
from gpudepth.view.canvas import BAD, table
from gpudepth.view.preview import GAP
from gpudepth.view.sheet import FRAMES, clip_sheet, contact_sheet


def depth_photo(tmp_path: Path) -> Path:
    return gpudepth.attach(plain(tmp_path / "p.jpg", 160, 120), gray(tmp_path / "d.png", 40, 30), tmp_path / "o.jpg", near=0.5, far=12)


def test_files(tmp_path: Path) -> None:
    good, bad = depth_photo(tmp_path), tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    sheet = contact_sheet([good, bad, good], columns=2, long_side=100)
    assert sheet.size == (2 * (200 + GAP) + GAP, 2 * 140 + GAP)
    pixels = np.asarray(sheet)
    for x, y, there in ((GAP, GAP, True), (GAP + 212, GAP, False), (GAP, GAP + 140, True)):
        assert bool(pixels[y : y + 60, x : x + 200].max() > 60) == there
    assert (np.abs(pixels[GAP + 100 : GAP + 140, GAP + 212 :].astype(int) - BAD).max(-1) < 30).any()     # it says why


def clip(path: Path, count: int) -> Path:
    """A wall that comes nearer from frame to frame, behind a post at one metre."""
    with path.open("wb") as file, DepthVideoWriter(file) as target:
        for n in range(count):
            metres = np.full((24, 32), 9 - n * 4 / count)
            metres[:, :8] = 1
            target.write(DepthData(metres.astype(np.float16), HDEP), Fraction(n, 30))
    return path


@pytest.mark.parametrize(("count", "cells"), [(1, 1), (5, 5), (24, 24), (25, 13), (100, 13)])
def test_frames(tmp_path: Path, count: int, cells: int) -> None:
    sheet = clip_sheet(clip(tmp_path / "c.mkv", count), long_side=64)
    columns = min(4, cells)
    assert sheet.size == (columns * (64 + GAP) + GAP, -(-cells // columns) * 104 + GAP)
    pixels = np.asarray(sheet)
    assert cells <= FRAMES
    assert pixels[GAP + 20, GAP + 5].tolist() == table()[255].tolist()
    assert pixels[GAP + 20, GAP + 50].tolist() == table()[0].tolist()


def test_the_verb(tmp_path: Path) -> None:
    assert run_command(["preview", str(clip(tmp_path / "c.mkv", 3)), "-o", str(tmp_path / "c.png")]) == 0
    with Image.open(tmp_path / "c.png") as image:
        assert image.size == (3 * (320 + GAP) + GAP, 360 + GAP)


def test_a_sheet_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(LimitError):
        contact_sheet([depth_photo(tmp_path)] * 100, limits=Limits(max_pixels=200_000))
