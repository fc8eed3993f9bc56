"""HDF5, written by h5py: data sets, stacks, MATLAB's order, refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gpudepth.errors import LimitError, MalformedError, UnsupportedError
from gpudepth.limits import Limits
from gpudepth.maps.reader import read_map

Z = np.arange(12, dtype=np.float32).reshape(3, 4)


def write(path: Path, sets: dict[str, Any], **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file[name] = values
            for key, value in attributes.items():
                file[name].attrs[key] = value
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint16])
def test_one_map(tmp_path: Path, dtype: Any) -> None:
    for values in (Z, Z[..., None], Z[None]):
        found = read_map(write(tmp_path / "map.h5", {"anything": values.astype(dtype)}))
        np.testing.assert_array_equal(found.codes, Z.astype(dtype))
        assert found.codes.dtype == dtype


def test_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "map.h5", {"camera/depth": Z, "camera/mask": Z > 3, "other": Z + 1})
    np.testing.assert_array_equal(read_map(path, key="/camera/depth").codes, Z)
    with pytest.raises(UnsupportedError, match=r"one with key: camera/depth: float32 \(3, 4\);"):
        read_map(path)
    with pytest.raises(UnsupportedError, match="has no data set 'nothing'"):
        read_map(path, key="nothing")
    with pytest.raises(UnsupportedError, match="holds bool; a map holds"):
        read_map(path, key="camera/mask")
    np.testing.assert_array_equal(read_map(write(tmp_path / "map.h5", {"depth": Z, "other": Z + 1})).codes, Z)


def test_stacks(tmp_path: Path) -> None:
    path = write(tmp_path / "map.h5", {"depths": np.stack([Z, Z + 1])})
    np.testing.assert_array_equal(read_map(path, key="depths[1]").codes, Z + 1)
    np.testing.assert_array_equal(read_map(path, key="[0]").codes, Z)
    with pytest.raises(UnsupportedError, match=r"a stack of 2 images \(name one, key='depths\[0\]'\)"):
        read_map(path)
    with pytest.raises(UnsupportedError, match="is no image 2:"):
        read_map(path, key="depths[2]")
    with pytest.raises(UnsupportedError, match="a map is"):
        read_map(write(tmp_path / "map.h5", {"depth": Z[0]}), key="depth")


def test_matlab_s_order(tmp_path: Path) -> None:
    """NYU's labelled set: MATLAB wrote (480, 640, N), HDF5 shows (N, 640, 480), under 512 bytes of MATLAB's own."""
    path = write(tmp_path / "nyu.mat", {"depths": np.stack([Z.T, Z.T + 1])}, MATLAB_class=np.bytes_("single"))
    np.testing.assert_array_equal(read_map(path, key="depths[1]").codes, Z + 1)
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" ")
    with h5py.File(tmp_path / "real.mat", "w", userblock_size=512) as file:
        file["depth"] = Z.T
        file["depth"].attrs["MATLAB_class"] = np.bytes_("single")
    with (tmp_path / "real.mat").open("r+b") as stream:
        stream.write(text)
    np.testing.assert_array_equal(read_map(tmp_path / "real.mat").codes, Z)


def test_values_elsewhere_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(48))
    with h5py.File(tmp_path / "map.h5", "w") as file:
        file.create_dataset("depth", (3, 4), np.float32, external=[(str(tmp_path / "secret"), 0, 48)])
    with pytest.raises(UnsupportedError, match="keeps its values in other files"):
        read_map(tmp_path / "map.h5")
    write(tmp_path / "target.h5", {"depth": Z})
    with h5py.File(tmp_path / "map.h5", "w") as file:
        file["depth"] = h5py.ExternalLink(str(tmp_path / "target.h5"), "depth")
    with pytest.raises(UnsupportedError, match="ambiguous which data set holds the depth"):
        read_map(tmp_path / "map.h5")


def test_limits_before_reading(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "map.h5", "w") as file:
        file.create_dataset("depth", (60000, 60000), np.float32, chunks=(10, 10))      # nothing is stored
    with pytest.raises(LimitError, match="max_pixels"):
        read_map(tmp_path / "map.h5")
    with h5py.File(tmp_path / "map.h5", "w") as file:
        file.create_dataset("depth", (100, 100), np.float32, chunks=(100, 100), compression="gzip")
    with pytest.raises(LimitError, match="max_decoded_bytes"):
        read_map(tmp_path / "map.h5", limits=Limits(max_decoded_bytes=39_999))


def test_damage(tmp_path: Path) -> None:
    blob = write(tmp_path / "map.h5", {"depth": Z}).read_bytes()
    for cut in (16, 100, len(blob) // 2):
        (tmp_path / "cut.h5").write_bytes(blob[:cut])
        with pytest.raises(MalformedError, match="HDF5"):
            read_map(tmp_path / "cut.h5")


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "map.h5", {"depth": Z})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'gpudepth\[hdf5\]'"):
        read_map(path)


def test_hypersim(sample: Callable[[str], Path]) -> None:
    found = read_map(sample("depth/hypersim_ai_037_002_frame.0000.depth_meters.hdf5")).codes
    assert (found.dtype, found.shape) == (np.float16, (768, 1024))
    assert np.isfinite(found).any()
