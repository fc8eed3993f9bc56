"""DNG files for tests, made by tifffile, and the judges: libraw, dcraw, Adobe's SDK, tifffile."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from heif_kit import tool

WIDTH, HEIGHT = 128, 96


def _about(orientation: int, kind: str) -> list[tuple[int, Any, int, Any, bool]]:
    """The tags of IFD 0 that make a TIFF a DNG."""
    colour = [10000, 10000, 0, 10000, 0, 10000, 0, 10000, 10000, 10000, 0, 10000, 0, 10000, 0, 10000, 10000, 10000]
    tags = [(271, "s", 0, "gpudepth", False), (272, "s", 0, "test", False), (274, "H", 1, orientation, False),
            (50706, "B", 4, (1, 4, 0, 0), False), (50707, "B", 4, (1, 1, 0, 0), False),
            (50708, "s", 0, "gpudepth test", False), (50721, "2i", 9, tuple(colour), False),
            (50728, "2I", 3, (1, 1, 1, 1, 1, 1), False), (50778, "H", 1, 21, False)]
    return tags if kind != "raw" else []


def _raw(colour: bool) -> list[tuple[int, Any, int, Any, bool]]:
    """The tags of a directory with raw pixels."""
    if colour:
        return [(50717, "I", 3, (65535,) * 3, False)]
    return [(33421, "H", 2, (2, 2), False), (33422, "B", 4, (0, 1, 1, 2), False), (50711, "H", 1, 1, False),
            (50714, "H", 1, 0, False), (50717, "I", 1, 65535, False)]


def pixels(colour: bool, width: int = WIDTH, height: int = HEIGHT) -> Any:
    shape = (height, width, 3) if colour else (height, width)
    return np.random.default_rng(7).integers(0, 65536, shape, np.uint16)


def dng(order: str = "<", *, colour: bool = False, sub: bool = False, big: bool = False, orientation: int = 1,
        size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A DNG of random raw pixels: CFA or LinearRaw, in IFD 0 or in a SubIFD behind a preview."""
    buffer = io.BytesIO()
    image = pixels(colour, *size)
    # tifffile has no name for LinearRaw
    photometric: Any = 34892 if colour else 32803
    plain: dict[str, Any] = {"metadata": None, "software": False}
    if colour:
        plain["planarconfig"] = "contig"
    with tifffile.TiffWriter(buffer, byteorder=order, bigtiff=big) as out:  # type: ignore[arg-type]
        if sub:
            preview = np.full((24, 32, 3), 128, np.uint8)
            out.write(preview, photometric="rgb", subfiletype=1, subifds=1, metadata=None, software=False,
                      extratags=_about(orientation, "all"))
            out.write(image, photometric=photometric, subfiletype=0, extratags=_raw(colour), **plain)
        else:
            out.write(image, photometric=photometric, subfiletype=0,
                      extratags=[*_about(orientation, "all"), *_raw(colour)], **plain)
    return buffer.getvalue()


BASES: dict[str, bytes] = {
    "cfa II": dng("<"), "cfa MM": dng(">"), "linear II": dng("<", colour=True), "linear MM": dng(">", colour=True),
    "cfa II sub": dng("<", sub=True), "linear MM sub": dng(">", colour=True, sub=True)}
BIG: dict[str, bytes] = {"cfa II big": dng("<", big=True), "linear MM big": dng(">", colour=True, big=True)}


def needs(name: str) -> Any:
    """A module that judges; without it the test is skipped, and fails on CI."""
    try:
        return __import__(name)
    except ImportError:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs the package {name}")


def libraw(path: Path) -> str:
    """A hash of the raw pixels as libraw decodes them."""
    with needs("rawpy").imread(str(path)) as raw:
        return hashlib.sha256(np.ascontiguousarray(raw.raw_image).tobytes()).hexdigest()


def dcraw(path: Path) -> str:
    """A hash of the raw pixels as dcraw decodes them."""
    tool("dcraw", "-i", str(path))  # skips without it
    done = subprocess.run(["dcraw", "-D", "-4", "-c", str(path)], check=True, capture_output=True)
    assert len(done.stdout) > 1000
    return hashlib.sha256(done.stdout).hexdigest()


def sdk_accepts(path: Path) -> bool:
    """Adobe's SDK: parsing and IsValidDNG, which is fatal for the whole file when the depth directory is wrong."""
    try:
        needs("dngpy").Dng(str(path))
    except RuntimeError:
        return False
    return True


def depth_page(path: Path) -> Any:
    """tifffile's page of the depth directory."""
    with tifffile.TiffFile(path) as file:
        first: Any = file.pages[0]
        (page,) = [p for p in first.pages if p.subfiletype == 8]
        return page, page.asarray()
