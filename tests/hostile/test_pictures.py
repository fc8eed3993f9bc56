"""Of the fifty formats that Pillow knows those are read that are named, and no program is started for any."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from bad_files.pictures import pictures

from gpudepth.containers.heif.photo_encoder import FORMATS, open_photo
from gpudepth.errors import GpudepthError, UnsupportedError
from gpudepth.maps.pictures import FORMATS as MAPS
from gpudepth.maps.reader import read_map

KINDS = {name: data for name, data in pictures() if name.startswith(("kind.", "ghost.", "fits.", "svg."))}
NAMED = {"kind.jpeg2000": "JPEG2000", "kind.ppm": "PPM"}


def test_the_names() -> None:
    assert set(FORMATS) == {"JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000"}
    assert set(MAPS) <= set(FORMATS)
    assert {"kind.tga", "kind.eps", "kind.pcx", "ghost.eps", "fits.png"} <= KINDS.keys()


@pytest.mark.parametrize("name", list(KINDS))
def test_others_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: Any, **more: Any) -> None:
        raise AssertionError(f"starts {arguments}")

    monkeypatch.setattr(subprocess, "Popen", start)
    path = tmp_path / f"{name}.png"
    path.write_bytes(KINDS[name])
    if name in NAMED:
        with open_photo(path) as image:
            assert image.format == NAMED[name]
        return
    with pytest.raises(UnsupportedError, match="not a picture in a supported format"):
        open_photo(path)
    with pytest.raises(GpudepthError):
        read_map(path)
