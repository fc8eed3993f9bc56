"""COLMAP's model files: hex bytes with a comment per field ↔ what they say; text; damage; pycolmap as the judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dng_kit import needs
from movie_kit import hexed

from gpudepth.datasets import colmap
from gpudepth.datasets.colmap import Camera, Model, read
from gpudepth.errors import (
    FileError,
    GpudepthError,
    LimitError,
    MalformedError,
    MissingInputError,
    TruncatedError,
    UnsupportedError,
)
from gpudepth.limits import Limits

CAMERAS = hexed("""
    0100000000000000                    # one camera
    03000000                            # camera id 3
    01000000                            # model 1, PINHOLE
    8002000000000000 e001000000000000   # 640 × 480
    0000000000407f40 0000000000e07f40   # fx 500, fy 510
    0000000000007440 0000000000006e40   # cx 320, cy 240
""")
IMAGES = hexed("""
    0200000000000000                    # two images
    05000000                            # image id 5
    000000000000f03f 0000000000000000 0000000000000000 0000000000000000     # q = 1, 0, 0, 0
    0000000000000000 0000000000000000 0000000000000840                      # t = 0, 0, 3
    03000000                            # camera 3
    61206220632e6a706700                # "a b c.jpg"
    0200000000000000                    # two keypoints
    0000000000002440 0000000000003440 0900000000000000      # at 10, 20: point 9
    0000000000003e40 0000000000004440 ffffffffffffffff      # at 30, 40: none
    06000000                            # image id 6
    0000000000000000 0000000000000000 0000000000000000 0000000000000040     # q = 0, 0, 0, 2: half a turn about z
    000000000000f03f 0000000000000000 0000000000000000                      # t = 1, 0, 0
    03000000                            # camera 3
    642f652e6a706700                    # "d/e.jpg"
    0000000000000000                    # no keypoints
""")
POINTS = hexed("""
    0100000000000000                    # one point
    0900000000000000                    # point 9
    000000000000f03f 0000000000000040 0000000000000840      # at 1, 2, 3
    ff8000                              # orange
    000000000000e03f                    # error 0.5
    0100000000000000                    # seen once
    05000000 00000000                   # by image 5 as its keypoint 0
""")
TEXT = {
    "cameras.txt": "# CAMERA_ID, MODEL, …\n3 PINHOLE 640 480 500 510 320 240\n",
    "images.txt": "# two lines\n\n5 1 0 0 0 0 0 3 3 a b c.jpg\n10 20 9 30 40 -1\n6 0 0 0 2 1 0 0 3 d/e.jpg\n\n",
    "points3D.txt": "# POINT3D_ID\n9 1 2 3 255 128 0 0.5 5 0\n"}


def binary(folder: Path, cameras: bytes = CAMERAS, images: bytes = IMAGES, points: bytes = POINTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, blob in (("cameras", cameras), ("images", images), ("points3D", points)):
        (folder / f"{name}.bin").write_bytes(blob)
    return folder


def text(folder: Path, **other: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in TEXT.items():
        (folder / name).write_text(other.get(name.removesuffix(".txt"), lines))
    return folder


def check(model: Model) -> None:
    assert model.cameras == {3: Camera(3, "PINHOLE", 640, 480, (500.0, 510.0, 320.0, 240.0))}
    first, second = model.images
    assert (first.id, first.name, first.camera, first.quaternion, first.translation) == (5, "a b c.jpg", 3, (1, 0, 0, 0), (0, 0, 3))
    assert first.points.tolist() == [9, -1]
    assert (second.id, second.name, second.quaternion, second.translation) == (6, "d/e.jpg", (0, 0, 0, 2), (1, 0, 0))
    assert second.points.tolist() == []
    assert model.ids.tolist() == [9]
    assert model.places.tolist() == [[1, 2, 3]]
    assert model.seen(first).tolist() == [[1, 2, 6]]
    assert model.seen(second).shape == (0, 3)
    np.testing.assert_allclose(second.to_camera(model.places), [[0, -2, 3]])      # half a turn about z, then 1 to the right


def test_bytes(tmp_path: Path) -> None:
    check(read(binary(tmp_path)))


def test_text(tmp_path: Path) -> None:
    check(read(text(tmp_path)))


@pytest.mark.parametrize("place", ["", "sparse", "sparse/0"])
def test_where_a_model_lies(tmp_path: Path, place: str) -> None:
    binary(tmp_path / place)
    assert read(tmp_path).folder == tmp_path / place


def test_binary_before_text(tmp_path: Path) -> None:
    text(tmp_path, cameras="nonsense")
    check(read(binary(tmp_path)))
    (tmp_path / "points3D.bin").unlink()
    with pytest.raises(MalformedError):
        read(tmp_path)      # not all are binary: the text counts


def test_pycolmap_wrote_it(tmp_path: Path) -> None:
    """Every point an image sees is where pycolmap projects it, with the depth it has there; text and binary."""
    pycolmap = needs("pycolmap")
    options = pycolmap.SyntheticDatasetOptions()
    options.num_points3D = 60
    theirs = pycolmap.synthesize_dataset(options)
    for kind in ("binary", "text"):
        folder = tmp_path / kind
        folder.mkdir()
        getattr(theirs, f"write_{kind}")(str(folder))
        model = read(folder)
        assert {i.id for i in model.images} == {i.image_id for i in theirs.images.values()}
        for image in model.images:
            judge = theirs.images[image.id]
            assert judge.name == image.name
            seen = sorted(p.point3D_id for p in judge.points2D if p.has_point3D())
            assert len(seen) > 20
            places = np.array([theirs.points3D[i].xyz for i in seen])
            ours = model.seen(image)
            np.testing.assert_allclose(model.cameras[image.camera].project(ours), [judge.project_point(p) for p in places], atol=1e-6)
            pose = judge.cam_from_world() if callable(judge.cam_from_world) else judge.cam_from_world
            np.testing.assert_allclose(ours[:, 2], [(pose * p)[2] for p in places], rtol=1e-9)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_cut_anywhere(tmp_path: Path, name: str) -> None:
    whole = {"cameras": CAMERAS, "images": IMAGES, "points3D": POINTS}[name]
    for stop in range(len(whole)):
        binary(tmp_path)
        (tmp_path / f"{name}.bin").write_bytes(whole[:stop])
        with pytest.raises((TruncatedError, MalformedError)) as caught:
            read(tmp_path)
        assert f"{name}.bin at " in str(caught.value)
    (tmp_path / f"{name}.bin").write_bytes(whole + b"\0")
    with pytest.raises(MalformedError, match="1 unexpected byte"):
        read(tmp_path)


def test_mutations(tmp_path: Path) -> None:
    """A changed byte is another number, or an error that is ours."""
    rng = np.random.default_rng(1)
    for whole, name in ((CAMERAS, "cameras"), (IMAGES, "images"), (POINTS, "points3D")):
        for at in range(len(whole)):
            blob = bytearray(whole)
            blob[at] ^= int(rng.integers(1, 256))
            binary(tmp_path)
            (tmp_path / f"{name}.bin").write_bytes(blob)
            try:
                model = read(tmp_path)
                for image in model.images:
                    assert model.seen(image).shape[1] == 3
            except GpudepthError:
                pass


@pytest.mark.parametrize(("change", "error", "words"), [
    (lambda b: b[:8] + b[8:12] + b"\x63\0\0\0" + b[16:], UnsupportedError, "camera 3 has the unknown model 99"),
    (lambda b: b"\xff" * 7 + b"\x7f" + b[8:], MalformedError, "9,223,372,036,854,775,807 cameras do not fit"),
])
def test_cameras_that_lie(tmp_path: Path, change: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read(binary(tmp_path, cameras=change(CAMERAS)))     # type: ignore[operator]


def test_an_image_without_its_camera(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match=r"image 'a b c.jpg' has camera 3, which does not exist"):
        read(binary(tmp_path, cameras=CAMERAS.replace(b"\x03\0\0\0\x01\0\0\0", b"\x04\0\0\0\x01\0\0\0")))


@pytest.mark.parametrize(("name", "lines", "place"), [
    ("cameras", "1 PINHOLE 640 480 500 510 320\n", "cameras.txt:1: camera 1: PINHOLE has 4 parameters"),
    ("cameras", "# a\n1 PINHOLE wide 480 1 2 3 4\n", "cameras.txt:2: the line cannot be parsed"),
    ("images", "5 1 0 0 0 0 0 3 3\n\n", "images.txt:1: the line cannot be parsed"),
    ("images", "5 1 0 0 0 0 0 3 3 a.jpg\n1 2\n", "images.txt:1: the line cannot be parsed: 2 numbers"),
    ("images", "5 0 0 0 0 0 0 3 3 a.jpg\n\n", "images.txt:1: image 'a.jpg' has an invalid pose"),
    ("images", "5 nan 0 0 0 0 0 3 3 a.jpg\n\n", "images.txt:1: image 'a.jpg' has an invalid pose"),
    ("points3D", "9 1 2\n", "points3D.txt:1: the line cannot be parsed"),
    ("points3D", "9 1 2 z 1 1 1\n", "points3D.txt:1"),
])
def test_lines_that_are_wrong(tmp_path: Path, name: str, lines: str, place: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(text(tmp_path, **{name: lines}))
    assert place in str(caught.value)


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        read(tmp_path / "none")
    with pytest.raises(MissingInputError, match="holds no COLMAP model"):
        read(tmp_path)
    text(tmp_path)
    (tmp_path / "images.txt").write_bytes(b"\xff\xfe\0")
    with pytest.raises(FileError, match="is not UTF-8 text"):
        read(tmp_path)
    with pytest.raises(LimitError, match=r"limits.max_file"):
        read(binary(tmp_path), Limits(max_file=16))
    assert colmap.FOLDERS[0] == ""
