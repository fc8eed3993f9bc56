"""OpenEXR, written by the library itself: channels, windows, refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from gpudepth.errors import LimitError, MalformedError, UnsupportedError
from gpudepth.limits import Limits
from gpudepth.maps.reader import read_map

Z = np.arange(12, dtype=np.float32).reshape(3, 4)


def write(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}, channels).write(str(path))
    return path


def corner(x: int, y: int) -> Any:
    return np.array([x, y], np.int32)


@pytest.mark.parametrize("name", ["Z", "ViewLayer.Depth.Z", "depth.V", "Depth", "anything"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_channel(tmp_path: Path, name: str, dtype: Any) -> None:
    other = {} if name == "anything" else {"R": Z, "G": Z, "B": Z}
    found = read_map(write(tmp_path / "map.exr", {name: Z.astype(dtype), **{k: v + 1 for k, v in other.items()}}))
    assert (found.codes.dtype, found.max_code, found.orientation) == (dtype, None, 1)
    np.testing.assert_array_equal(found.codes, Z)


def test_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "map.exr", {"Z": Z, "ZBack": Z + 1})
    np.testing.assert_array_equal(read_map(path, key="ZBack").codes, Z + 1)
    with pytest.raises(UnsupportedError, match=r"no channel 'Y' \(it holds Z, ZBack\)"):
        read_map(path, key="Y")
    with pytest.raises(UnsupportedError, match="is ambiguous which channel holds the depth"):
        read_map(write(tmp_path / "rgb.exr", {"R": Z, "G": Z, "B": Z}))
    with pytest.raises(UnsupportedError, match=r"key: left\.Z, right\.Z\)"):
        read_map(write(tmp_path / "stereo.exr", {"left.Z": Z, "right.Z": Z}))


def test_parts(tmp_path: Path) -> None:
    parts = [OpenEXR.Part({"name": n, "type": OpenEXR.scanlineimage}, {c: v}) for n, c, v in (("beauty", "Y", Z), ("depth", "Z", Z + 5))]
    OpenEXR.File(parts).write(str(tmp_path / "map.exr"))
    np.testing.assert_array_equal(read_map(tmp_path / "map.exr").codes, Z + 5)
    np.testing.assert_array_equal(read_map(tmp_path / "map.exr", key="1:Z").codes, Z + 5)
    np.testing.assert_array_equal(read_map(tmp_path / "map.exr", key="Y").codes, Z)


def test_the_data_window_is_pasted(tmp_path: Path) -> None:
    """Smaller than what is displayed: the rest is no value. Larger: it is cut."""
    path = write(tmp_path / "map.exr", {"Z": Z}, dataWindow=(corner(2, 1), corner(5, 3)), displayWindow=(corner(0, 0), corner(7, 5)))
    found = read_map(path).codes
    wanted = np.full((6, 8), np.nan, np.float32)
    wanted[1:4, 2:6] = Z
    np.testing.assert_array_equal(found, wanted)
    path = write(tmp_path / "map.exr", {"Z": Z}, dataWindow=(corner(-1, -1), corner(2, 1)), displayWindow=(corner(0, 0), corner(1, 1)))
    np.testing.assert_array_equal(read_map(path).codes, Z[1:3, 1:3])
    path = write(tmp_path / "map.exr", {"Z": Z}, dataWindow=(corner(100, 100), corner(103, 102)), displayWindow=(corner(0, 0), corner(1, 1)))
    assert np.isnan(read_map(path).codes).all()


def test_integers_and_subsampling(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="holds uint32 instead of floats"):
        read_map(write(tmp_path / "map.exr", {"Z": Z.astype(np.uint32)}))


def test_limits_before_decoding(tmp_path: Path) -> None:
    path = write(tmp_path / "map.exr", {"Z": Z}, dataWindow=(corner(0, 0), corner(3, 2)), displayWindow=(corner(0, 0), corner(99999, 99999)))
    with pytest.raises(LimitError, match="max_pixels"):
        read_map(path)
    with pytest.raises(LimitError):
        read_map(write(tmp_path / "map.exr", {"Z": Z}), limits=Limits(max_pixels=11))


def test_a_window_that_the_file_does_not_fill(tmp_path: Path) -> None:
    """3 KB once became 1 GB of no values: the part that has data is small, what is displayed is not."""
    path = write(tmp_path / "map.exr", {"Z": Z}, dataWindow=(corner(0, 0), corner(3, 2)), displayWindow=(corner(0, 0), corner(7999, 7999)))
    with pytest.raises(LimitError, match=r"unpack to 256,000,000, limits.max_ratio is 200"):
        read_map(path)
    assert read_map(path, limits=Limits(max_ratio=0)).codes.shape == (8000, 8000)


def test_of_many_parts_the_first_are_read(tmp_path: Path) -> None:
    parts = [OpenEXR.Part({"name": f"p{n}", "type": OpenEXR.scanlineimage}, {f"c{n}": Z + n}) for n in range(70)]
    OpenEXR.File(parts).write(str(tmp_path / "map.exr"))
    np.testing.assert_array_equal(read_map(tmp_path / "map.exr", key="63:c63").codes, Z + 63)
    with pytest.raises(UnsupportedError, match=r"no channel '64:c64' \(it holds c0, 1:c1, .*, 19:c19, and 44 more\)"):
        read_map(tmp_path / "map.exr", key="64:c64")


def test_all_parts_count_together(tmp_path: Path) -> None:
    """The library decodes every part, whichever is asked for."""
    parts = [OpenEXR.Part({"name": f"p{n}", "type": OpenEXR.scanlineimage}, {"Z": Z}) for n in range(3)]
    OpenEXR.File(parts).write(str(tmp_path / "map.exr"))
    assert read_map(tmp_path / "map.exr", key="1:Z", limits=Limits(max_decoded_bytes=144)).codes.shape == (3, 4)
    with pytest.raises(LimitError, match=r"asks for 144, limits.max_decoded_bytes is 143"):
        read_map(tmp_path / "map.exr", key="1:Z", limits=Limits(max_decoded_bytes=143))


def test_damage(tmp_path: Path) -> None:
    blob = write(tmp_path / "map.exr", {"Z": Z}).read_bytes()
    for cut in (20, 100, len(blob) - 20):
        (tmp_path / "cut.exr").write_bytes(blob[:cut])
        with pytest.raises(MalformedError, match="OpenEXR"):
            read_map(tmp_path / "cut.exr")


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "map.exr", {"Z": Z})
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'gpudepth\[exr\]'"):
        read_map(path)


def test_all_half_values(sample: Callable[[str], Path]) -> None:
    """OpenEXR's own test picture: every bit pattern goes through."""
    found = read_map(sample("depth/openexr_AllHalfValues.exr"), key="R").codes
    assert sorted(found.view(np.uint16).ravel().tolist()) == list(range(65536))
