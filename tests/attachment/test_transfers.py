"""What moves between host and device for an item: each input once, the stored codes back, and a few numbers.

Whatever the recipe, nothing of the map lies on the host in between; and the file is numpy's, byte for byte.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from kernel_kit import host
from photo_kit import heic, plain

from gpudepth.attachment.pipeline import run_item
from gpudepth.attachment.side_inputs import SideInputs
from gpudepth.compute import backend
from gpudepth.compute.cuda import CudaDevice
from gpudepth.compute.kernels import KernelBackend
from gpudepth.compute.launch import Transfers
from gpudepth.containers import registry
from gpudepth.depth.encoding import Depth, Distance, Gray
from gpudepth.depth.pixel_format import FDEP, HDEP
from gpudepth.formats.bytesource import ByteSource
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize, Smooth

WIDTH, HEIGHT = 96, 64      # of the photo
GRAY, METRIC = Settings(encoding=Gray(0.5, 12)), Settings(encoding=Depth())
NUMBERS = 8                 # that may come back for an item: ranges and counts
NUMBER_BYTES = 12           # of each


@dataclass(frozen=True)
class Recipe:
    """Settings, and the bytes of the inputs that they need: the map's, those of pictures, confidence and distance."""

    settings: Settings
    map: Any
    inputs: tuple[int, ...]
    side: dict[str, Any] = field(default_factory=dict)
    samples: int = 0        # bytes of a map at its metric samples, which an alignment reads


def codes(dtype: Any = np.uint16, width: int = 24, height: int = 16) -> Any:
    y, x = np.mgrid[:height, :width]
    return (1 + (x * 7 + y * 3 + (x > 9) * 60) * (np.iinfo(dtype).max // 400)).astype(dtype)


def metres(width: int = 24, height: int = 16, *, holes: bool = False) -> Any:
    y, x = np.mgrid[:height, :width]
    values = (1 + x * 0.03 + y * 0.01 + (x > width // 2) * 2).astype(np.float32)
    if holes:
        values[3:5, 4:9] = 0
    return values


def picture(width: int, height: int) -> int:
    return 3 * width * height


SIZE = 24 * 16
CONFIDENCE = np.where(np.arange(SIZE).reshape(16, 24) % 7, 200, 0).astype(np.uint8)
RECIPES: dict[str, Recipe] = {
    "gray, 16 bits": Recipe(GRAY, codes(), (2 * SIZE,)),
    "gray, 8 bits": Recipe(GRAY, codes(np.uint8), (SIZE,)),
    "metres": Recipe(METRIC, metres(), (4 * SIZE,)),
    "float64 metres": Recipe(METRIC, metres().astype(np.float64), (4 * SIZE,)),
    "half metres": Recipe(METRIC, metres().astype(np.float16), (2 * SIZE,)),
    "depth": Recipe(replace(METRIC, pixel_format=HDEP), metres(), (4 * SIZE,)),
    "clamp": Recipe(replace(METRIC, clamp=(1.2, 3.0)), metres(), (4 * SIZE,)),
    "fill nearest": Recipe(replace(METRIC, fill="nearest"), metres(holes=True), (4 * SIZE,)),
    "fill far, depth": Recipe(replace(METRIC, fill="far", pixel_format=HDEP), metres(holes=True), (4 * SIZE,)),
    "median, resized": Recipe(replace(METRIC, smooth=Smooth("median", 3), resize=Resize(48, 32, method="bilinear")), metres(), (4 * SIZE,)),
    "area, 12 bits": Recipe(replace(GRAY, bits=12, resize=Resize(24, 16, method="area")), codes(np.uint16, 48, 32), (8 * SIZE,)),
    "bilateral": Recipe(replace(METRIC, smooth=Smooth("bilateral", 2)), metres(), (4 * SIZE, picture(24, 16))),
    "guided": Recipe(replace(METRIC, resize=Resize(96, 64, method="guided")), metres(), (4 * SIZE, picture(96, 64))),
    "guided, then inpainted": Recipe(replace(METRIC, resize=Resize(96, 64, method="guided"), fill="inpaint", clamp=(0.5, 9)),
                                     metres(holes=True), (4 * SIZE, picture(96, 64))),
    "inpainted": Recipe(replace(METRIC, fill="inpaint", pixel_format=FDEP), metres(holes=True), (4 * SIZE, picture(24, 16))),
    "nothing to inpaint": Recipe(replace(METRIC, fill="inpaint"), metres(), (4 * SIZE,)),
    "lidar": Recipe(replace(METRIC, resize=Resize(96, 64, method="guided"), fill="inpaint", smooth=Smooth("bilateral", 2)), metres(holes=True),
                    (4 * SIZE, SIZE, picture(24, 16), picture(96, 64)), {"confidence": CONFIDENCE}),
    "cut to the photo": Recipe(replace(METRIC, fit="crop", fill="far"), metres(24, 24), (4 * 24 * 24,)),
    "aligned": Recipe(Settings(align="disparity"), (7 / metres()).astype(np.float32), (4 * SIZE,), {"metric": metres(12, 8)}, 4 * 12 * 8),
    "distance along the ray": Recipe(Settings(encoding=Distance(focal_px=30.0)), metres(), (4 * SIZE, 4 * SIZE)),
}


@pytest.fixture(params=["hostcc", "cupy"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KernelBackend:
    on_cpu = host()
    if request.param == "hostcc":
        return on_cpu
    for name, module in cupy_on_cpu.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return KernelBackend(CudaDevice())


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(("make", "suffix"), [(heic, ".heic"), (plain, ".jpg")], ids=["heic", "jpeg"])
def test_an_item_s_budget(kernels: KernelBackend, tmp_path: Path, name: str, make: Callable[..., Path], suffix: str) -> None:
    recipe = RECIPES[name]
    settings = replace(recipe.settings, bits=None) if suffix == ".jpg" else recipe.settings
    photo = make(tmp_path / f"photo{suffix}", WIDTH, HEIGHT)
    files = []
    for number, engine in enumerate((backend("numpy"), kernels, kernels)):
        kernels.transfers = Transfers()     # the first item of a run copies the tables as well
        out = tmp_path / f"{number}{suffix}"
        done = run_item(photo, recipe.map, out, settings, engine, side_inputs=SideInputs(**recipe.side))
        files.append(out.read_bytes())
    assert files[0] == files[1] == files[2]
    with ByteSource(out) as source:
        stored = registry.require(source).read(source)
    assert stored is not None and stored.storage is not None
    stored_bytes = done.width * done.height * stored.storage.format.dtype.itemsize
    moved = kernels.transfers
    assert (moved.uploads, moved.upload_bytes) == (len(recipe.inputs), sum(recipe.inputs))
    assert 0 <= moved.download_bytes - stored_bytes - recipe.samples <= NUMBERS * NUMBER_BYTES
    assert moved.downloads <= 1 + bool(recipe.samples) + NUMBERS


def test_codes_that_are_kept_move_not_at_all(kernels: KernelBackend, tmp_path: Path) -> None:
    """The codes of a photo with depth go into another photo as they are."""
    photo = heic(tmp_path / "photo.heic", WIDTH, HEIGHT, orientation=6)
    upright = np.ascontiguousarray(codes().T)
    run_item(photo, upright, tmp_path / "first.heic", GRAY, backend("numpy"))
    run_item(photo, tmp_path / "first.heic", tmp_path / "second.heic", Settings(), kernels)
    assert kernels.transfers == Transfers()
