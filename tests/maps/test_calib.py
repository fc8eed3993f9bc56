"""Middlebury's calib.txt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpudepth.errors import FileError, MalformedError
from gpudepth.maps.recognise import read_calib

TEXT = """cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]
cam1=[994.978 0 342.279; 0 994.978 254.877; 0 0 1]
doffs=31.086
baseline=193.001
width=741
height=500
ndisp=70
"""


def test_values(tmp_path: Path) -> None:
    (tmp_path / "calib.txt").write_text(TEXT)
    found = read_calib(tmp_path / "calib.txt")
    assert (found.focal_px, found.baseline_m, found.doffs, found.size) == (994.978, pytest.approx(0.193001), 31.086, (741, 500))
    assert str(found) == "f = 994.978 px, B = 0.193001 m, doffs = 31.086 px"


def test_the_real_one(sample: Callable[[str], Path]) -> None:
    found = read_calib(sample("depth/middlebury2014_MotorcycleQ_calib.txt"))
    assert (found.focal_px, found.baseline_m, found.doffs, found.size) == (999.421, pytest.approx(0.193001), 32.778, (741, 497))


@pytest.mark.parametrize(("old", "new", "said"), [
    ("baseline=193.001", "", "baseline is None, which is not a number"), ("193.001", "x", "baseline is 'x'"),
    ("193.001", "0", "and baseline 0 mm"), ("31.086", "nan", "doffs is nan"), ("cam0", "cam9", "cam0 is None"),
    ("994.978 0 311", "-1 0 311", "focal length -1 px"), ("[994.978", "[[", "focal length 0 px"), ("994.978 0 311", "f 0 311", "not a number"),
])
def test_what_is_no_calibration(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "calib.txt").write_text(TEXT.replace(old, new, 1))
    with pytest.raises(MalformedError, match=said):
        read_calib(tmp_path / "calib.txt")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "calib.txt").write_bytes(b"\xff\0" * 40_000 + b" " * 60_000)
    with pytest.raises(MalformedError):
        read_calib(tmp_path / "calib.txt")
    with pytest.raises(FileError, match="cannot be read"):
        read_calib(tmp_path / "none.txt")
