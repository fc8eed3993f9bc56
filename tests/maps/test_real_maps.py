"""Real maps: what an independent reader finds in them is what we find, down to the bit, and the formulas hold.

The numbers were taken from the files once, by the readers named here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import OpenEXR
import pytest
from PIL import Image

import gpudepth
from gpudepth.attachment.convert import export_item
from gpudepth.compute import backend
from gpudepth.depth.encoding import Depth, Disparity, Distance, Stereo
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP, HDIS, PixelFormat
from gpudepth.maps.raw import RawLayout
from gpudepth.maps.reader import read_map
from gpudepth.settings.settings import Settings

Sample = Callable[[str], Path]


def pillow(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def by_struct(path: Path) -> Any:
    """PFM: a header of three lines, rows from the bottom up, the sign of the scale says which end comes first."""
    kind, size, scale, rows = path.read_bytes().split(b"\n", 3)
    assert kind == b"Pf"
    width, height = map(int, size.split())
    order = "<" if float(scale) < 0 else ">"
    return np.array(struct.unpack(f"{order}{width * height}f", rows), np.float32).reshape(height, width)[::-1]


def by_h5py(path: Path) -> Any:
    with h5py.File(path) as file:
        return file["dataset"][()]


HYPERSIM = "hypersim_ai_037_002_frame.0000.depth_meters.hdf5"
REAL: list[tuple[str, Callable[[Path], Any], Any, tuple[int, int], float, float, int]] = [
    # file, another reader, dtype, (width, height), smallest and largest of the valid values, pixels without one
    ("kitti2015_disp_occ_0_000046_10.png", pillow, np.uint16, (1242, 375), 1247, 16829, 410682),
    ("tum_rgbd_1_depth.png", pillow, np.uint16, (640, 480), 4847, 42819, 102341),
    ("arkit_lidar_depth_promptda.png", pillow, np.uint16, (256, 192), 1566, 3512, 0),
    ("middlebury2014_MotorcycleQ_disp0GT.pfm", by_struct, np.float32, (741, 497), 9.177551, 62.87735, 7684),
    (HYPERSIM, by_h5py, np.float16, (1024, 768), 2.96, 13.234, 0),
]


@pytest.mark.parametrize(("name", "judge", "dtype", "size", "low", "high", "invalid"), REAL, ids=[r[0] for r in REAL])
def test_values(sample: Sample, name: str, judge: Any, dtype: Any, size: Any, low: float, high: float, invalid: int) -> None:
    path = sample(f"depth/{name}")
    found = read_map(path)
    assert (found.codes.dtype, found.size) == (dtype, size)
    assert np.array_equal(found.codes, judge(path))
    valid = found.codes[np.isfinite(found.codes) & (found.codes > 0)]
    assert valid.size == found.codes.size - invalid
    assert (float(valid.min()), float(valid.max())) == pytest.approx((low, high), rel=1e-3 if dtype == np.float16 else 1e-6)


def native(path: Path, out: Path, settings: Settings) -> Any:
    """A map alone, as bare rows of a native format: the end of the road without any container."""
    export_item(None, path, out, settings, backend("numpy"), pixel_format=settings.pixel_format)
    return read_map(out, rows=RawLayout(256, 256, "float16" if settings.pixel_format in (HDIS, HDEP) else "float32")).codes


@pytest.mark.parametrize("fmt", [HDIS, FDIS, HDEP, FDEP], ids=str)
def test_every_half_goes_through_bit_for_bit(sample: Sample, tmp_path: Path, fmt: PixelFormat) -> None:
    """65,536 patterns as disparity, and as depth: finite ones keep every bit, subnormals too; what is no value is the
    one NaN, and −0 is 0."""
    path = sample("depth/openexr_AllHalfValues.exr")
    halves = OpenEXR.File(str(path), separate_channels=True).parts[0].channels["R"].pixels
    bits = np.ascontiguousarray(halves).view(np.uint16)
    assert sorted(bits.ravel().tolist()) == list(range(65536))
    depth = fmt in (HDEP, FDEP)
    encoding = Depth() if depth else Disparity()
    found = native(path, tmp_path / f"m.{fmt.name}", Settings(encoding=encoding, key="R", pixel_format=fmt))
    finite = (bits & 0x7C00) != 0x7C00
    kept = finite & (halves > 0) if depth else finite       # depth of 0 and less is no value
    wanted = np.where(kept, np.where(halves == 0, np.float16(0), halves), np.float16(np.nan)).astype(found.dtype)
    as_bits = np.uint16 if found.dtype == np.float16 else np.uint32
    wanted.view(as_bits)[~kept] = 0x7E00 if as_bits is np.uint16 else 0x7FC00000
    assert np.array_equal(found.view(as_bits), wanted.view(as_bits))


def test_every_half_in_a_dictionary(sample: Sample, tmp_path: Path) -> None:
    """ImageIO's dictionary holds floats, and gives them back."""
    path, out = sample("depth/openexr_AllHalfValues.exr"), tmp_path / "d.plist"
    export_item(None, path, out, Settings(encoding=Depth(), key="R", pixel_format=HDEP), backend("numpy"), pixel_format=HDEP)
    data = gpudepth.read(out)
    assert data is not None and data.pixel_format == HDEP
    bits = np.sort(data.map.view(np.uint16).ravel())
    assert bits[: 0x7C00 - 1].tolist() == list(range(1, 0x7C00))        # all that are above 0, subnormals too
    assert set(bits[0x7C00 - 1 :].tolist()) == {0x7E00}


def test_doffs(sample: Sample) -> None:
    """(d + doffs)/(f·B): 7 px is 0.2062 1/m, and 0.0363 without doffs, 5.7 times too far."""
    text = dict(line.split("=", 1) for line in sample("depth/middlebury2014_MotorcycleQ_calib.txt").read_text().split("\n") if "=" in line)
    focal, doffs, baseline = float(text["cam0"][1:].split()[0]), float(text["doffs"]), float(text["baseline"]) / 1000
    right, naive = (Stereo(focal, baseline, d).linear(FDIS.quantity, None).at(7.0) for d in (doffs, 0.0))  # type: ignore[arg-type]
    assert right == pytest.approx((7 + doffs) / (focal * baseline), rel=1e-6)
    assert (right, naive) == pytest.approx((0.2062, 0.0363), abs=5e-5)
    assert right / naive == pytest.approx(5.7, abs=0.05)


def test_distance_becomes_depth(sample: Sample, tmp_path: Path) -> None:
    """Hypersim: z = distance · f/√(x² + y² + f²), f = 886.81 px, from the middle; in the corner 0.811 of it."""
    path = sample(f"depth/{HYPERSIM}")
    settings = Settings(pixel_format=FDEP).with_preset("hypersim")
    export_item(None, path, tmp_path / "m.npy", settings, backend("numpy"), pixel_format=FDEP)
    found, distance = np.load(tmp_path / "m.npy"), by_h5py(path).astype(np.float64)
    y, x = np.mgrid[:768, :1024]
    factor = 886.81 / np.sqrt((x - 511.5) ** 2 + (y - 383.5) ** 2 + 886.81**2)
    np.testing.assert_allclose(found, distance * factor, rtol=1e-6)
    assert factor[0, 0] == pytest.approx(0.811, abs=5e-4)
    assert isinstance(settings.encoding, Distance)
