"""Arrays of many maps, one in memory at a time."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpudepth.errors import FileError, LimitError, MalformedError, TruncatedError, UnsupportedError
from gpudepth.limits import Limits
from gpudepth.maps.stacks import is_stack_file, read_stack

MAPS = np.arange(5 * 6 * 8, dtype=np.float32).reshape(5, 6, 8)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<u2", "u1"])
@pytest.mark.parametrize("compressed", [False, True])
def test_archives(tmp_path: Path, dtype: str, compressed: bool) -> None:
    path = tmp_path / "video_depths.npz"
    (np.savez_compressed if compressed else np.savez)(path, depths=MAPS.astype(dtype), other=np.zeros(3))
    assert is_stack_file(path)
    stack = read_stack(path)
    assert (stack.maps, stack.width, stack.height, stack.key) == (5, 8, 6, "depths")
    for place, values in stack.frames():
        np.testing.assert_array_equal(values, MAPS[place].astype(dtype))
        assert values.dtype.isnative
    assert [place for place, _ in stack.frames([1, 4])] == [1, 4]


@pytest.mark.parametrize("shape", [(5, 6, 8), (5, 6, 8, 1), (5, 1, 6, 8)])
def test_bare_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "d.npy"
    np.save(path, MAPS.reshape(shape))
    np.testing.assert_array_equal(np.stack([v for _, v in read_stack(path).frames()]), MAPS)


def test_keys(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, first=MAPS, second=MAPS + 1)
    with pytest.raises(UnsupportedError, match="no array of maps") as caught:
        read_stack(path)
    assert "first, second" in str(caught.value)
    np.testing.assert_array_equal(next(read_stack(path, "second").frames())[1], MAPS[0] + 1)
    with pytest.raises(UnsupportedError, match="no array 'third'"):
        read_stack(path, "third")
    np.savez(path, only=MAPS)
    assert read_stack(path).key == "only"


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npy"
    for array, words in ((np.asfortranarray(MAPS), "Fortran"), (MAPS[0], "shape"), (np.zeros((0, 3, 4), np.float32), "shape"),
                         (MAPS.astype(bool), "booleans")):
        np.save(path, array)
        with pytest.raises(UnsupportedError, match=words):
            read_stack(path)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnsupportedError, match="objects"):
        read_stack(path)
    np.save(path, MAPS)
    for limits in (Limits(max_pixels=40), Limits(max_samples=4), Limits(max_movie=100)):
        with pytest.raises(LimitError):
            read_stack(path, limits=limits)


def test_damage(tmp_path: Path) -> None:
    """What comes before it is right."""
    path = tmp_path / "d.npy"
    np.save(path, MAPS)
    path.write_bytes(path.read_bytes()[:-100])
    frames = read_stack(path).frames()
    for place in range(4):
        np.testing.assert_array_equal(next(frames)[1], MAPS[place])
    with pytest.raises(TruncatedError, match="inside map 4 of 5"):
        next(frames)
    path = tmp_path / "d.npz"
    np.savez_compressed(path, depths=MAPS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(MalformedError):
        read_stack(path)
    damaged = bytearray(whole)
    damaged[150:160] = bytes(10)
    path.write_bytes(damaged)
    with pytest.raises(FileError):
        list(read_stack(path).frames())


def test_memory(tmp_path: Path) -> None:
    """A bomb of a gigabyte of zeros costs the memory of a map."""
    path = tmp_path / "bomb.npz"
    header = np.lib.format.header_data_from_array_1_0(np.zeros((1, 512, 512), np.float32))
    header["shape"] = (1024, 512, 512)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("depths.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(40):
            member.write(bytes(1 << 20))
    tracemalloc.start()
    for place, _ in read_stack(path).frames(range(30)):
        assert place < 30
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20
