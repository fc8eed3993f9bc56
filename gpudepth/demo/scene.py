"""Ray-traces a scene whose depth is known exactly, and writes a folder of photos and maps of it.

World axes are those of the camera at yaw 0: x right, y down, z forward, in metres. Rays have the direction
(x/f, y/f, 1), so that the ray parameter t *is* planar depth. The scene is a closed interior: each ray hits something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import cos, radians, sin
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..depth.orientation import apply, inverse
from ..errors import OutputError, UsageError
from ..maps.scene_linear import srgb_curve
from .shapes import Array, Cuboid, Cylinder, Interior, Shape, Sphere, Vector, column, dot

NEAR, FAR = 0.5, 12.0
"""Metres at black and white in the maps of `write_set`: code = rint((Z − NEAR) / (FAR − NEAR) · 65535)."""

_LIGHT = np.array((-2.1, -2.45, 1.9))
_LIGHT_SIZE = 0.5                       # metres; each subsample uses another corner, which makes shadows soft
_BAND = 1 << 14                         # rays at a time, so that temporaries stay in the cache


@dataclass(frozen=True)
class View:
    """A camera.

    Attributes:
        width: The width of its picture in pixels.
        height: The height of its picture in pixels.
        position: Its position in metres.
        yaw: Its direction in degrees to the right.
        focal: Its focal length in pixels.
    """

    width: int = 640
    height: int = 480
    position: Vector = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    focal: float = 640 * 28 / 36        # a 28 mm lens: f35 = focal · 36 / long side

    @property
    def focal_35mm(self) -> int:
        """The Exif tag FocalLengthIn35mmFilm, with 36 mm for the long side of the picture."""
        return round(self.focal * 36 / max(self.width, self.height))

    def rays(self, dx: float = 0.0, dy: float = 0.0) -> Array:
        """Return directions (3, H·W) float64 through the pixel centres plus (dx, dy) pixels; the camera's z is 1."""
        u = (np.arange(self.width) + 0.5 + dx - self.width / 2) / self.focal
        v = (np.arange(self.height) + 0.5 + dy - self.height / 2) / self.focal
        x, y = (grid.ravel() for grid in np.meshgrid(u, v))
        c, s = cos(radians(self.yaw)), sin(radians(self.yaw))
        return np.stack((c * x + s, y, c - s * x))


_FLOOR = 1.35                           # metres below the camera
INTERIOR = Interior((-4.0, -2.6, -1.5), (4.0, _FLOOR, 10.0))
SHAPES: tuple[Shape, ...] = (
    INTERIOR,
    Sphere((0.10, _FLOOR - 0.62, 4.10), 0.62, (0.66, 0.05, 0.04)),
    Sphere((-1.30, _FLOOR - 0.40, 3.20), 0.40, (0.05, 0.24, 0.58)),
    Sphere((1.05, _FLOOR - 0.27, 2.75), 0.27, (0.86, 0.50, 0.03)),
    Sphere((-0.42, _FLOOR - 0.20, 2.35), 0.20, (0.06, 0.40, 0.14)),
    Sphere((-2.55, _FLOOR - 0.95, 6.90), 0.95, (0.60, 0.60, 0.58)),
    Sphere((1.75, _FLOOR - 1.42, 5.35), 0.32, (0.38, 0.07, 0.36)),
    Cuboid((1.30, _FLOOR - 1.10, 4.90), (2.30, _FLOOR, 5.80), (0.62, 0.38, 0.18)),
    Cylinder(-0.95, 5.60, 0.34, _FLOOR - 1.40, _FLOOR, (0.02, 0.30, 0.33)),
)


@dataclass(frozen=True)
class Sample:
    """The files of one photo of a demo set; `orientation` is the photo's Exif orientation, and maps are upright."""

    stem: str
    photo: Path
    depth: Path
    truth: Path
    orientation: int
    view: View


_LANDSCAPE, _PORTRAIT, _WIDE = (640, 480), (480, 640), (720, 480)
# size, position, yaw, Exif orientation; odd ones become JPEG, even ones HEIC
_SHOTS: tuple[tuple[tuple[int, int], Vector, float, int], ...] = (
    (_LANDSCAPE, (0.0, 0.0, 0.0), 0.0, 1),
    (_LANDSCAPE, (-0.6, -0.2, 0.3), 5.0, 1),
    (_PORTRAIT, (0.3, -0.1, -0.4), 0.0, 6),
    (_PORTRAIT, (-0.4, 0.1, 0.2), 3.0, 6),
    (_LANDSCAPE, (0.8, -0.5, 0.6), -9.0, 3),
    (_WIDE, (1.2, -0.3, 0.0), -12.0, 3),
    (_PORTRAIT, (0.9, 0.2, 0.8), -4.0, 8),
    (_PORTRAIT, (-1.1, -0.6, 0.9), 9.0, 8),
    (_LANDSCAPE, (-0.2, 0.5, 0.5), 2.0, 2),
    (_LANDSCAPE, (0.1, -1.2, -0.6), 0.0, 4),
    (_PORTRAIT, (0.5, -0.8, 1.0), -6.0, 5),
    (_WIDE, (-0.9, 0.3, 1.1), 14.0, 1),
)


def views(count: int = 12) -> list[View]:
    """Return the first `count` (1 to 12) cameras of `write_set`."""
    if not 1 <= count <= len(_SHOTS):
        raise UsageError(f"a demo set has 1 to {len(_SHOTS)} photos, not {count}")
    return [View(*size, position, yaw, max(size) * 28 / 36) for size, position, yaw, _ in _SHOTS[:count]]


def write_set(folder: Path, count: int = 12) -> list[Sample]:
    """Write a set of photos and maps; each run writes the same bytes.

    `photos/<stem>.jpg|heic`: half JPEG, half HEIC, landscape and portrait, some stored turned or mirrored.
    `depth/<stem>.png`: 16-bit gray, upright, linear in depth, black = NEAR, white = FAR.
    `truth/<stem>.npy`: the exact depth, (H, W) float32 metres, upright.

    Raises:
        UsageError: If the count is not 1 to 12.
        OutputError: If the folder cannot be written.
    """
    samples = []
    try:
        for name in ("photos", "depth", "truth"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for number, view in enumerate(views(count), start=1):
            stem, orientation = f"demo_{number:02d}", _SHOTS[number - 1][3]
            photo = folder / "photos" / f"{stem}{'.jpg' if number % 2 else '.heic'}"
            sample = Sample(stem, photo, folder / f"depth/{stem}.png", folder / f"truth/{stem}.npy", orientation, view)
            picture, depth = render(view)
            _write_photo(photo, picture, view, orientation)
            codes = np.rint((depth - NEAR) / (FAR - NEAR) * 65535).astype(np.uint16)
            Image.fromarray(codes).save(sample.depth)
            np.save(sample.truth, depth.astype(np.float32))
            samples.append(sample)
    except OSError as error:
        raise OutputError(f"the demo set cannot be written: {error.strerror or error}", where=folder) from error
    return samples


def _write_photo(path: Path, picture: NDArray[np.uint8], view: View, orientation: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(apply(inverse(orientation), picture)))
    exif = Image.Exif()
    exif[0x010F] = exif[0x0110] = "gpudepth demo"
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = view.focal_35mm
    if path.suffix == ".jpg":
        stored.save(path, quality=92, exif=exif)
        return
    import pillow_heif

    # Exif is passed to save(): in the picture, pillow-heif would turn the pixels as well as write irot and imir.
    pillow_heif.from_pillow(stored).save(path, quality=80, exif=exif.tobytes())


def render(view: View) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Draw the scene.

    Returns:
        The picture, (H, W, 3) uint8 sRGB with 2×2 samples per pixel, and planar depth at the pixel centres, (H, W)
        float64 metres.
    """
    origin = np.array(view.position, dtype=np.float64)[:, None]
    depth = np.concatenate([_nearest(origin, rays)[0] for rays in _bands(view.rays())])
    light = np.zeros((3, depth.size), dtype=np.float32)
    for dx, dy in product((-0.25, 0.25), repeat=2):
        rays = view.rays(dx, dy).astype(np.float32)         # precise enough for the picture, and twice as fast
        lamp = _LIGHT + _LIGHT_SIZE * np.array((dx, 0.0, dy))
        light += np.concatenate([_shade(origin, band, lamp[:, None]) for band in _bands(rays)], axis=1) / 4
    shoulder = 1 - np.exp(-1.5 * light)     # bright values fade to white instead of being clipped
    picture = np.rint(srgb_curve(shoulder) * 255).astype(np.uint8)
    size = (view.height, view.width)
    return np.ascontiguousarray(picture.T.reshape(*size, 3)), depth.reshape(size)


def _shade(origin: Array, rays: Array, lamp: Array) -> Array:
    """Return the linear light (3, N) along the rays."""
    origin, lamp = origin.astype(rays.dtype), lamp.astype(rays.dtype)
    t, index = _nearest(origin, rays)
    points = origin + rays * t
    normals, paint = np.empty_like(points), np.empty_like(points)
    for i in np.unique(index):
        here = np.flatnonzero(index == i)
        normals[:, here] = SHAPES[i].normal(points[:, here])
        paint[:, here] = SHAPES[i].colour(points[:, here])

    to_lamp = lamp - points
    distance = np.sqrt(dot(to_lamp, to_lamp))
    facing = dot(normals, to_lamp) / distance
    lit = np.flatnonzero(facing > 0)
    # Only objects inside cast shadows; the ray runs from t = 0 at the surface to t = 1 at the lamp.
    start = (points + normals * np.float32(1e-3)).take(lit, axis=1)
    towards = lamp - start
    lit = lit[np.minimum.reduce([shape.hit(start, towards) for shape in SHAPES[1:]]) >= 1]

    direct = np.zeros_like(distance)
    direct[lit] = facing[lit] * 17 / (distance[lit] ** 2 + 5)
    sky = (0.6 - 0.2 * normals[1]) * _openness(points, normals)
    light = paint * (direct * column((1.00, 0.92, 0.80), rays) + sky * column((0.36, 0.40, 0.46), rays))

    # Blinn highlights, exponent 64, on all objects inside.
    shiny = lit[index[lit] > 0]
    half = to_lamp[:, shiny] / distance[shiny] - rays[:, shiny] / np.sqrt(dot(rays[:, shiny], rays[:, shiny]))
    light[:, shiny] += 0.5 * (dot(normals[:, shiny], half) / np.sqrt(dot(half, half))) ** 64
    return np.asarray(light)


def _openness(points: Array, normals: Array) -> Array:
    """Return (N,) the share of the surroundings that no sphere hides, which darkens points near spheres."""
    free = np.ones_like(points[0])
    for shape in SHAPES:
        if isinstance(shape, Sphere):
            towards = column(shape.centre, points) - points
            square = dot(towards, towards)
            facing = np.maximum(dot(normals, towards), 0)
            free *= 1 - np.minimum(facing * shape.radius**2 / (square * np.sqrt(square)), 1)
    return np.asarray(free)


def _nearest(origin: Array, rays: Array) -> tuple[Array, Array]:
    """Return the parameter (N,) of the first hit along each ray, and the index (N,) of the shape in SHAPES."""
    nearest = SHAPES[0].hit(origin, rays)
    index = np.zeros(nearest.shape, dtype=np.intp)
    for i, shape in enumerate(SHAPES[1:], start=1):
        t = shape.hit(origin, rays)
        closer = t < nearest
        nearest[closer] = t[closer]
        index[closer] = i
    return nearest, index


def _bands(rays: Array) -> Iterator[Array]:
    return (rays[:, i : i + _BAND] for i in range(0, rays.shape[1], _BAND))
