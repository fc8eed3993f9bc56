"""Record3D's captures: the layout of the archive, the camera, LZFSE of known sizes only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from archive_kit import capture, lzfse, metadata, photo, zipped

from gpudepth.errors import FileError, MalformedError, TruncatedError, UnsupportedError
from gpudepth.maps.reader import read_map
from gpudepth.maps.record3d import read_capture, read_lzfse
from gpudepth.pairing.captures import find_in_captures

LIDAR = np.arange(256 * 192, dtype=np.float32).reshape(192, 256)


def test_the_camera(tmp_path: Path) -> None:
    (tmp_path / "metadata").write_bytes(json.dumps({
        "K": [1, 0, 0, 0, 2, 0, 3, 4, 1], "w": 720, "h": 960, "dw": 192, "dh": 256, "fps": 60, "poses": []}).encode())
    found = read_capture(tmp_path / "metadata")
    assert found.calibration.intrinsics.tolist() == [[1, 0, 3], [0, 2, 4], [0, 0, 1]]      # K was by columns
    assert (found.calibration.reference_width, found.calibration.reference_height) == (720, 960)
    assert (found.depth, found.portrait) == ((192, 256), True)
    (tmp_path / "metadata").write_bytes(metadata())
    assert read_capture(tmp_path / "metadata").depth is None


@pytest.mark.parametrize(("text", "said"), [
    ("", "not JSON"), ("[1]", "w and h, the size of the pictures, are missing"), ("{}", "w and h, the size of the pictures, are missing"), ("[" * 100_000, "not JSON"),
    ('{"w": 0, "h": 1}', "w is 0, which is not a size"), ('{"w": "9", "h": 1}', "w is '9', which is not a size"),
    ('{"w": 1e300, "h": 1}', "not a size"), ('{"w": NaN, "h": 1}', "not a size"), ('{"w": 8, "h": 8}', "K is not a camera"),
    ('{"w": 8, "h": 8, "K": [1, 2]}', "K is no"), ('{"w": 8, "h": 8, "K": [0,0,0,0,1,0,1,1,1]}', "K is no"),
    ('{"w": 8, "h": 8, "K": [1,0,0,0,1,0,1,1,NaN]}', "K is no"), ('{"w": 8, "h": 8, "K": "123456789"}', "K is no"),
    ('{"w": 8, "h": 8, "K": [1,0,0,0,1,0,1,1,1], "dw": -1, "dh": 4}', "dw is -1"),
])
def test_cameras_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "metadata").write_text(text)
    with pytest.raises(MalformedError, match=said):
        read_capture(tmp_path / "metadata")


def test_the_size_follows_from_the_length() -> None:
    data = lzfse(LIDAR)
    assert np.array_equal(read_lzfse(data, where="x"), LIDAR)
    assert read_lzfse(data, where="x", frame=(960, 720)).shape == (192, 256)
    upright = read_lzfse(data, where="x", frame=(720, 960))
    assert np.array_equal(upright, LIDAR.reshape(256, 192)) and upright.dtype == np.float32
    assert read_lzfse(lzfse(np.zeros((640, 480), np.float32)), where="x", frame=(480, 640)).shape == (640, 480)
    trust = read_lzfse(lzfse(np.ones((192, 256), np.uint8)), where="x")
    assert (trust.dtype, trust.shape) == (np.uint8, (192, 256))
    assert read_lzfse(lzfse(np.zeros((10, 20), np.float32)), where="x", size=(20, 10)).shape == (10, 20)


@pytest.mark.parametrize("count", [0, 1, 100, 192 * 256 - 1, 192 * 256 + 1, 640 * 480 + 1, 1 << 22])
def test_other_lengths_are_refused(count: int) -> None:
    with pytest.raises(FileError, match=r"unpacks to .* 256×192 or 640×480|cannot be unpacked|no end"):
        read_lzfse(lzfse(np.zeros(count, np.float32)) if count else b"bvx$", where="x")
    with pytest.raises(UnsupportedError, match="for 20×10 pixels depth takes"):
        read_lzfse(lzfse(LIDAR), where="x", size=(20, 10))


def test_damaged_streams() -> None:
    data = lzfse(np.random.default_rng(1).random((192, 256), np.float32))
    with pytest.raises(TruncatedError, match="has no end"):
        read_lzfse(data[:-9], where="x")
    for cut in (20, 200, 5000):
        with pytest.raises(FileError):
            read_lzfse(data[:cut] + b"bvx$", where="x")


def test_read_map_knows_it(tmp_path: Path) -> None:
    (tmp_path / "0.depth").write_bytes(lzfse(LIDAR))
    found = read_map(tmp_path / "0.depth", photo_size=(960, 720))
    assert np.array_equal(found.codes, LIDAR) and found.max_code is None
    (tmp_path / "0.conf").write_bytes(lzfse(np.full((192, 256), 2, np.uint8)))
    assert read_map(tmp_path / "0.conf", size=(192, 256)).codes.shape == (256, 192)


def test_frames(tmp_path: Path) -> None:
    capture(tmp_path / "c/a.r3d", frames=12)
    found = find_in_captures(tmp_path, "c/*.r3d", "out/{archive}/{frame}.jpg")
    assert [p.fields["frame"] for p in found.pairs] == [str(i) for i in range(12)]       # and not 0, 1, 10, 11, 2
    first = found.pairs[0]
    assert (first.key, first.output) == ("c/a.r3d/rgbd/0.jpg", tmp_path / "out/a/0.jpg")
    assert [p.relative_to(tmp_path).as_posix() for p in (first.depth, first.confidence, first.camera) if p] == [
        "c/a.r3d/rgbd/0.depth", "c/a.r3d/rgbd/0.conf", "c/a.r3d/metadata"]


def test_captures_that_are_none(tmp_path: Path) -> None:
    capture(tmp_path / "a.r3d", frames=1)
    zipped(tmp_path / "b.r3d", {"rgbd/0.jpg": photo()})
    zipped(tmp_path / "c.r3d", {"metadata": b"{}", "rgbd/0.jpg": photo()})
    zipped(tmp_path / "d.r3d", {"metadata": metadata(), "rgbd/0.jpg": photo(), "rgbd/1.depth": b""})
    found = find_in_captures(tmp_path, "*.r3d", "out/{archive}/{frame}.jpg")
    assert [p.key for p in found.pairs] == ["a.r3d/rgbd/0.jpg"]
    assert [(r.key, str(r.error).split(": ", 1)[1][:24]) for r in found.refused] == [
        ("b.r3d", "not a Record3D capture: "), ("c.r3d", "metadata: w and h, the s")]
    assert [p.name for p in (*found.unmatched_color, *found.unmatched_depth)] == ["0.jpg", "1.depth"]
