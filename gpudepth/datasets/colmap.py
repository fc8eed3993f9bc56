"""Reads COLMAP's sparse models, text and binary: cameras, images and points3D (colmap.github.io/format.html).

    cameras.txt    CAMERA_ID MODEL WIDTH HEIGHT PARAMS…
    images.txt     two lines: IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, and X Y POINT3D_ID for each keypoint
    points3D.txt   POINT3D_ID X Y Z R G B ERROR and the track, IMAGE_ID POINT2D_IDX for each view
    *.bin          the same, little-endian, with a count before each list

World to camera: x = R(q)·X + t. A keypoint without a point has the id −1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, MalformedError, MissingInputError, TruncatedError, UnsupportedError, located
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits

FOLDERS = ("", "sparse", "sparse/0")     # folders of a workspace that may hold a model
FILES = ("cameras", "images", "points3D")
_KEYPOINT = np.dtype([("xy", "<f8", 2), ("point", "<i8")])
_POINT = struct.Struct("<Q3d3BdQ")
_IMAGE = struct.Struct("<I4d3dI")
_CAMERA = struct.Struct("<IiQQ")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class RegisteredImage:
    """An image of the model.

    Attributes:
        id: Its number.
        name: The path of the file, relative to COLMAP's folder of images.
        camera: The number of its camera.
        quaternion: Rotation from world to camera (w, x, y, z).
        translation: Translation from world to camera.
        points: The ids of the points at its keypoints, −1 for none.
    """

    id: int
    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]
    points: NDArray[np.int64]

    def to_camera(self, world: Points) -> Points:
        """Convert points (N, 3) from world to camera coordinates."""
        largest = np.array(self.quaternion) / np.abs(self.quaternion).max()
        w, x, y, z = largest / np.linalg.norm(largest)
        rotation = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                             [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                             [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]])
        with np.errstate(all="ignore"):     # damaged files may overflow
            out: Points = world @ rotation.T + np.array(self.translation)
        return out


@dataclass(frozen=True, eq=False)
class Model:
    """A sparse model.

    Attributes:
        folder: The folder of its files.
        cameras: The cameras by their numbers.
        images: The images.
        ids: (N,) sorted ids of the points.
        places: (N, 3) world coordinates of the points, in the units of the reconstruction.
    """

    folder: Path
    cameras: dict[int, Camera]
    images: tuple[RegisteredImage, ...]
    ids: NDArray[np.int64]
    places: Points

    def seen(self, image: RegisteredImage) -> Points:
        """Return the finite points (N, 3) that an image sees, in camera coordinates: z is planar depth."""
        wanted = np.unique(image.points[image.points >= 0])
        at = np.searchsorted(self.ids, wanted)
        at = at[(at < len(self.ids)) & (self.ids[np.minimum(at, len(self.ids) - 1)] == wanted)] if len(self.ids) else []
        points = image.to_camera(self.places[at])
        return points[np.isfinite(points).all(1)]


def read(folder: str | Path, limits: Limits = DEFAULT) -> Model:
    """Read the model in a folder, its sparse or sparse/0; binary files take precedence over text.

    Raises:
        MissingInputError: If there is no model.
        MalformedError: If a file contradicts the format; the place is a line or a byte of the file.
        TruncatedError: If a file ends too early.
        LimitError: If a file exceeds a limit.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MissingInputError("the folder of the COLMAP model does not exist", where=root)
    for place in (root / name for name in FOLDERS):
        for suffix, readers in ((".bin", _BINARY), (".txt", _TEXT)):
            paths = [place / (name + suffix) for name in FILES]
            if all(p.is_file() for p in paths):
                cameras, images, points = (r(p, limits) for r, p in zip(readers, paths, strict=True))
                return _model(place, cameras, images, points)
    raise MissingInputError("the folder holds no COLMAP model", where=root,
                            hint="a model has cameras, images and points3D, all .bin or all .txt, here or in sparse/0")


def _model(folder: Path, cameras: list[Camera], images: list[RegisteredImage],
           points: dict[int, tuple[float, ...]]) -> Model:
    by_id = {c.id: c for c in cameras}
    for image in images:
        if image.camera not in by_id:
            raise MalformedError(f"image {image.name!r} has camera {image.camera}, which does not exist", where=folder)
    ids = np.array(sorted(points), np.int64)
    places = np.array([points[i] for i in ids.tolist()], np.float64).reshape(-1, 3)
    return Model(folder, by_id, tuple(images), ids, places)


def _image(number: int, name: str, camera: int, pose: tuple[float, ...], points: NDArray[np.int64]) -> RegisteredImage:
    if not np.isfinite(pose).all() or not any(pose[:4]):
        raise MalformedError(f"image {name!r} has an invalid pose: {pose}")
    return RegisteredImage(number, name, camera, pose[:4], pose[4:], points)


# -- text -------------------------------------------------------------------------------------------------------------

def _lines(path: Path, limits: Limits) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not a comment."""
    with ByteSource(path, limits):      # checks that the path is a file and not too large
        pass
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.startswith("#"):
                    yield number, line.strip()
    except UnicodeDecodeError as error:
        raise MalformedError(f"the file is not UTF-8 text: {error.reason}", where=path) from None
    except OSError as error:
        raise FileError(f"the file cannot be read: {error.strerror}", where=path) from None


def _parsed(path: Path, number: int, parse: Callable[..., T], *lines: str) -> T:
    """Parse one line or two. Raises MalformedError with file and line."""
    with located(f"{path}:{number}"):
        try:
            return parse(*lines)
        except (ValueError, IndexError, OverflowError) as error:
            raise MalformedError(f"the line cannot be parsed: {error}") from None


def _text_cameras(path: Path, limits: Limits) -> list[Camera]:
    return [_parsed(path, n, _text_camera, line) for n, line in _lines(path, limits) if line]


def _text_camera(line: str) -> Camera:
    f = line.split()
    return Camera(int(f[0]), f[1], int(f[2]), int(f[3]), tuple(map(float, f[4:])))


def _text_images(path: Path, limits: Limits) -> list[RegisteredImage]:
    out, lines = [], _lines(path, limits)
    for number, line in lines:
        if line:
            _, seen = next(lines, (0, ""))      # the second line is blank if there are no keypoints
            out.append(_parsed(path, number, _text_image, line, seen))
    return out


def _text_image(line: str, seen: str) -> RegisteredImage:
    head, keys = line.split(maxsplit=9), seen.split()
    if len(keys) % 3:
        raise ValueError(f"{len(keys)} numbers are not a multiple of the three per keypoint")
    points = np.array(keys[2::3], np.int64) if keys else np.zeros(0, np.int64)
    return _image(int(head[0]), head[9], int(head[8]), tuple(map(float, head[1:8])), points)


def _text_points(path: Path, limits: Limits) -> dict[int, tuple[float, ...]]:
    return dict(_parsed(path, n, _text_point, line) for n, line in _lines(path, limits) if line)


def _text_point(line: str) -> tuple[int, tuple[float, ...]]:
    fields = line.split(maxsplit=4)
    place = tuple(map(float, fields[1:4]))
    if len(place) < 3:
        raise ValueError("a point has three coordinates")
    return int(fields[0]), place


# -- binary -----------------------------------------------------------------------------------------------------------

class _Reader:
    """Reads a binary file from its start; errors name the byte."""

    def __init__(self, path: Path, limits: Limits) -> None:
        with ByteSource(path, limits) as source:
            self.data = source.read(0, source.size)
        self.path, self.at = path, 0

    def need(self, length: int, what: str) -> int:
        """Skip `length` bytes and return where they start. Raises TruncatedError."""
        start = self.at
        if length > len(self.data) - start:
            raise TruncatedError(f"the file ends inside {what}", where=f"{self.path} at {start:,}")
        self.at += length
        return start

    def unpack(self, form: struct.Struct, what: str) -> tuple[Any, ...]:
        return form.unpack_from(self.data, self.need(form.size, what))

    def count(self, least: int, what: str) -> int:
        """Read the number of `what`, each of at least `least` bytes; the rest of the file must be able to hold them."""
        start = self.at
        (number,) = self.unpack(_COUNT, f"the number of {what}")
        if number * least > len(self.data) - self.at:
            raise MalformedError(f"{number:,} {what} do not fit into the remaining {len(self.data) - self.at:,} bytes",
                                 where=f"{self.path} at {start:,}")
        return int(number)

    def end(self) -> None:
        if self.at != len(self.data):
            extra = len(self.data) - self.at
            raise MalformedError(f"{extra:,} unexpected bytes follow", where=f"{self.path} at {self.at:,}")


_COUNT = struct.Struct("<Q")


def _binary_cameras(path: Path, limits: Limits) -> list[Camera]:
    r, out = _Reader(path, limits), []
    for _ in range(r.count(_CAMERA.size, "cameras")):
        where = f"{path} at {r.at:,}"
        number, kind, width, height = r.unpack(_CAMERA, "a camera")
        if kind not in MODELS:
            raise UnsupportedError(f"camera {number} has the unknown model {kind}", where=where,
                                   hint="colmap model_converter --output_type TXT writes the model as text")
        name = MODELS[kind][0]
        values = r.unpack(struct.Struct(f"<{PARAMETERS[name]}d"), "a camera")
        with located(where):
            out.append(Camera(number, name, width, height, values))
    r.end()
    return out


def _binary_images(path: Path, limits: Limits) -> list[RegisteredImage]:
    r, out = _Reader(path, limits), []
    for _ in range(r.count(_IMAGE.size + 1 + _COUNT.size, "images")):
        where = f"{path} at {r.at:,}"
        number, *pose, camera = r.unpack(_IMAGE, "an image")
        stop = r.data.find(b"\0", r.at)
        if stop < 0:
            raise TruncatedError("the file ends inside the name of an image", where=where)
        name = r.data[r.need(stop + 1 - r.at, "a name") : stop].decode("utf-8", "replace")
        count = r.count(_KEYPOINT.itemsize, "keypoints")
        keys = np.frombuffer(r.data, _KEYPOINT, count, r.need(count * _KEYPOINT.itemsize, "keypoints"))
        with located(where):
            out.append(_image(number, name, camera, tuple(pose), keys["point"].astype(np.int64)))
    r.end()
    return out


def _binary_points(path: Path, limits: Limits) -> dict[int, tuple[float, ...]]:
    r, out = _Reader(path, limits), dict[int, tuple[float, ...]]()
    for _ in range(r.count(_POINT.size, "points")):
        number, x, y, z, *_, track = r.unpack(_POINT, "a point")
        r.need(8 * track, "a track")
        if number >= 1 << 63:
            raise MalformedError(f"point {number} has an invalid id", where=f"{path} at {r.at:,}")
        out[number] = (x, y, z)
    r.end()
    return out


_BINARY: tuple[Callable[[Path, Limits], Any], ...] = (_binary_cameras, _binary_images, _binary_points)
_TEXT: tuple[Callable[[Path, Limits], Any], ...] = (_text_cameras, _text_images, _text_points)


# src/colmap/sensor/models.h: number in binary files → (name, number of parameters)
MODELS = {
    0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4), 2: ("SIMPLE_RADIAL", 4), 3: ("RADIAL", 5), 4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8), 6: ("FULL_OPENCV", 12), 7: ("FOV", 5), 8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5), 10: ("THIN_PRISM_FISHEYE", 12), 11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4), 13: ("DIVISION", 5), 14: ("SIMPLE_FISHEYE", 3), 15: ("FISHEYE", 4), 16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2)}
PARAMETERS = dict(MODELS.values())
PROJECTED = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
MAX_SIDE = 1 << 20
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera model.

    Attributes:
        id: Its number.
        model: The name of the model.
        width: The width of its pictures in pixels.
        height: The height of its pictures in pixels.
        parameters: Focal lengths and centre in pixels, then distortion, in the order of the model.

    Raises:
        MalformedError: If the size or the parameters are invalid.
    """

    id: int
    model: str
    width: int
    height: int
    parameters: tuple[float, ...]

    def __post_init__(self) -> None:
        where = f"camera {self.id}"
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            raise MalformedError(f"the size of its pictures is {self.width} × {self.height}", where=where)
        wanted = PARAMETERS.get(self.model)
        if wanted is not None and len(self.parameters) != wanted:
            raise MalformedError(f"{self.model} has {wanted} parameters, not {len(self.parameters)}", where=where)
        if not np.isfinite(self.parameters).all():
            raise MalformedError(f"{self.model} has the parameters {self.parameters}", where=where)

    def project(self, points: Points) -> Points:
        """Project points (N, 3) in front of the camera (x right, y down, z forward) to (N, 2) pixels.

        Raises:
            UnsupportedError: If the model is not one of PROJECTED.
        """
        if self.model not in PROJECTED:
            raise UnsupportedError(f"the camera model {self.model} is not supported", where=f"camera {self.id}",
                                   hint=f"{', '.join(PROJECTED)} are supported; COLMAP's image_undistorter converts "
                                        "other cameras to PINHOLE")
        with np.errstate(all="ignore"):     # points far outside the picture, and damaged files, may overflow
            return self._project(points)

    def _project(self, points: Points) -> Points:
        uv = points[:, :2] / points[:, 2:]
        if self.model in ("PINHOLE", "OPENCV"):
            focal, centre, rest = self.parameters[:2], self.parameters[2:4], self.parameters[4:]
        else:
            focal, centre, rest = self.parameters[:1] * 2, self.parameters[1:3], self.parameters[3:]
        k1, k2, p1, p2 = (*rest, 0.0, 0.0, 0.0, 0.0)[:4]
        u, v = uv[:, 0], uv[:, 1]
        r2 = u * u + v * v
        radial = k1 * r2 + k2 * r2 * r2
        bent = np.stack([u + u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u),
                         v + v * radial + 2 * p2 * u * v + p1 * (r2 + 2 * v * v)], 1)
        out: Points = bent * np.array(focal) + np.array(centre)
        return out
