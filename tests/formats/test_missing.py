from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth import errors as module
from gpudepth.errors import missing_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in ("IMG_0001.HEIC", "IMG_0002.HEIC", "a.png", "tür 1.jpg"):
        (tmp_path / "photos" / name).touch()
    return tmp_path


@pytest.mark.parametrize(("asked", "meant"), [
    ("photos/img_0001.heic", "photos/IMG_0001.HEIC"), ("photos/IMG_001.HEIC", "photos/IMG_0001.HEIC"),
    ("photos/tur 1.jpg", "photos/tür 1.jpg"), ("photo/a.png", "photos"), ("Photos/deep/a.png", "photos")])
def test_what_was_meant(folder: Path, asked: str, meant: str) -> None:
    error = missing_file(folder / asked)
    assert error.hint == f"did you mean {folder / meant}?"
    assert error.where == str(folder / asked)


@pytest.mark.parametrize("asked", ["photos/b.png", "photos/IMG.MOV", "else/a.png"])
def test_nothing_is_alike(folder: Path, asked: str) -> None:
    assert missing_file(folder / asked, hint="look again").hint == "look again"


def test_the_folder_that_is_missing_is_named(folder: Path) -> None:
    assert missing_file(folder / "else/where/a.png").message == f"the file does not exist: there is no folder {folder / 'else'}"


def test_names_that_are_bytes_and_names_that_cannot_be(folder: Path) -> None:
    assert missing_file(str(folder / "photos/a.pmg").encode()).hint == f"did you mean {folder / 'photos/a.png'}?"
    assert missing_file("a\0b").hint is None


def test_large_folders_are_looked_at_in_part(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKED_AT", 0)
    assert missing_file(folder / "photos/a.pmg").hint is None
