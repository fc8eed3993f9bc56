from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpudepth.attachment.export import save
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData
from gpudepth.errors import OutputError, RangeError, UsageError
from gpudepth.maps.reader import read_map

METRES = np.linspace(0.5, 8, 12).reshape(3, 4).astype(np.float32)
DATA = DepthData.from_values(METRES, "fdep", accuracy="absolute",
                             calibration=Calibration(np.array([[8.0, 0, 4], [0, 8, 3], [0, 0, 1]]), 8, 6))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pfm", ".tiff", ".tif"])
def test_float_formats_read_back(tmp_path: Path, suffix: str) -> None:
    path = save(DATA, tmp_path / f"d{suffix}")
    assert np.array_equal(read_map(path).codes, METRES)
    path = save(DATA, tmp_path / f"v{suffix}", "disparity")
    assert np.array_equal(read_map(path).codes, np.float32(1) / METRES)


def test_png_is_millimetres_and_zero_is_a_hole(tmp_path: Path) -> None:
    values = METRES.copy()
    values[0, 0] = np.nan
    path = save(DepthData.from_values(values, "fdep"), tmp_path / "d.png")
    codes = np.asarray(Image.open(path))
    assert codes[0, 0] == 0
    assert codes[2, 3] == 8000
    assert np.array_equal(codes.ravel()[1:], np.rint(METRES.astype(np.float64) * 1000).astype(int).ravel()[1:])
    with pytest.raises(UsageError, match="millimetres of depth"):
        save(DATA, tmp_path / "x.png", "disparity")
    with pytest.raises(RangeError, match=r"70\.00 m"):
        save(DepthData.from_values(np.full((2, 2), 70.0), "fdep"), tmp_path / "x.png")


def test_npz_describes_itself(tmp_path: Path) -> None:
    with np.load(save(DATA, tmp_path / "d.npz")) as found:
        assert set(found) == {"depth", "unit", "native_format", "orientation", "accuracy", "quality", "filtered",
                              "intrinsics", "extrinsics"}
        assert (str(found["unit"]), str(found["accuracy"])) == ("m", "absolute")
        assert np.array_equal(found["intrinsics"], [[4, 0, 2], [0, 4, 1.5], [0, 0, 1]])


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        save(DATA, tmp_path / "d.jpg")
    with pytest.raises(OutputError):
        save(DATA, tmp_path / "no" / "d.npy")
    assert list(tmp_path.iterdir()) == []
