"""Shapes that rays can hit, with their normals and colours. Axes: x right, y down, z forward, in metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Vector = tuple[float, float, float]

_CLOSE = 1e-6                           # closer hits are the surface where the ray starts


class Shape(Protocol):
    """A shape. Rays, points, normals and colours are (3, N).

    `hit` returns the ray parameter (N,), or inf for a miss. `origin` is (3, 1), or (3, N) with one origin per ray.
    """

    def hit(self, origin: Array, rays: Array) -> Array: ...
    def normal(self, points: Array) -> Array: ...
    def colour(self, points: Array) -> Array: ...


@dataclass(frozen=True)
class Sphere:
    centre: Vector
    radius: float
    paint: Vector

    def hit(self, origin: Array, rays: Array) -> Array:
        offset = origin - column(self.centre, rays)
        a = dot(rays, rays)
        b = dot(rays, offset)
        root = b * b - a * (dot(offset, offset) - self.radius**2)
        t = np.full_like(root, np.inf)
        there = np.flatnonzero(root >= 0)
        near = (-b[there] - np.sqrt(root[there])) / a[there]
        t[there] = np.where(near > _CLOSE, near, np.inf)
        return t

    def normal(self, points: Array) -> Array:
        normal: Array = (points - column(self.centre, points)) / self.radius
        return normal

    def colour(self, points: Array) -> Array:
        return column(self.paint, points)


@dataclass(frozen=True)
class Cuboid:
    """An axis-aligned box between two corners, seen from outside."""

    low: Vector
    high: Vector
    paint: Vector

    def hit(self, origin: Array, rays: Array) -> Array:
        enter, leave = _slabs(self.low, self.high, origin, rays)
        return np.where((enter <= leave) & (enter > _CLOSE), enter, np.inf)

    def normal(self, points: Array) -> Array:
        return _face_normal(self.low, self.high, points)

    def colour(self, points: Array) -> Array:
        return column(self.paint, points)


@dataclass(frozen=True)
class Cylinder:
    """An upright cylinder with its axis at (x, z), from `top` down to `bottom` (y points down)."""

    x: float
    z: float
    radius: float
    top: float
    bottom: float
    paint: Vector

    def hit(self, origin: Array, rays: Array) -> Array:
        ox, oy, oz = origin - column((self.x, 0.0, self.z), rays)
        dx, dy, dz = rays
        a = dx * dx + dz * dz
        b = dx * ox + dz * oz
        with np.errstate(invalid="ignore", divide="ignore"):
            side = (-b - np.sqrt(b * b - a * (ox * ox + oz * oz - self.radius**2))) / a
            y = oy + side * dy
            side = np.where((side > _CLOSE) & (y >= self.top) & (y <= self.bottom), side, np.inf)   # NaN is false
            lid = (self.top - oy) / dy
            reach = (ox + lid * dx) ** 2 + (oz + lid * dz) ** 2
            lid = np.where((lid > _CLOSE) & (reach <= self.radius**2), lid, np.inf)
        return np.minimum(side, lid)

    def normal(self, points: Array) -> Array:
        across = (points - column((self.x, 0.0, self.z), points)) / self.radius
        across[1] = 0.0
        lid = points[1] < self.top + 1e-4
        across[:, lid] = column((0.0, -1.0, 0.0), points)
        return across

    def colour(self, points: Array) -> Array:
        return mix(np.floor((points[1] - self.top) / 0.2) % 2, (0.80, 0.76, 0.68), self.paint)


@dataclass(frozen=True)
class Interior:
    """The inside of a box with a tiled floor, plain walls and a ceiling."""

    low: Vector
    high: Vector

    def hit(self, origin: Array, rays: Array) -> Array:
        return _slabs(self.low, self.high, origin, rays)[1]

    def normal(self, points: Array) -> Array:
        return -_face_normal(self.low, self.high, points)

    def colour(self, points: Array) -> Array:
        x, y, z = points
        up = (self.high[1] - y) / (self.high[1] - self.low[1])
        paint = mix(up, (0.72, 0.52, 0.36), (0.76, 0.68, 0.58))                            # the side walls
        for where, other in (
            (z > self.high[2] - 1e-4, mix(up, (0.16, 0.36, 0.44), (0.55, 0.66, 0.64))),    # the back wall
            (up < 0.035, column((0.78, 0.75, 0.70), points)),                              # the skirting board
            (y < self.low[1] + 1e-4, column((0.88, 0.82, 0.74), points)),                  # the ceiling
            (y > self.high[1] - 1e-4,                                                       # the floor
             mix((np.floor(x / 0.6) + np.floor(z / 0.6)) % 2, (0.24, 0.13, 0.07), (0.62, 0.48, 0.33))),
        ):
            paint = np.where(where, other, paint)
        return paint


def _slabs(low: Vector, high: Vector, origin: Array, rays: Array) -> tuple[Array, Array]:
    """Return the parameters (N,) where the rays enter and leave a box; entering after leaving is a miss."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (column(low, rays) - origin) / rays, (column(high, rays) - origin) / rays
    enter, leave = np.minimum(a, b), np.maximum(a, b)
    return np.maximum(np.maximum(*enter[:2]), enter[2]), np.minimum(np.minimum(*leave[:2]), leave[2])


def _face_normal(low: Vector, high: Vector, points: Array) -> Array:
    """Return the outward normals (3, N) of the faces of a box on which the points lie."""
    centre, half = (np.array(high) + low) / 2, (np.array(high) - low) / 2
    offset = (points - centre[:, None]) / half[:, None]
    axis = np.abs(offset).argmax(axis=0)
    normal = np.zeros_like(points)
    columns = np.arange(points.shape[1])
    normal[axis, columns] = np.sign(offset[axis, columns])
    return normal


def column(vector: Vector, like: Array) -> Array:
    """Return the vector as (3, 1) in the dtype of `like`."""
    return np.array(vector, dtype=like.dtype)[:, None]


def mix(t: Array, a: Vector, b: Vector) -> Array:
    """Interpolate from `a` (t = 0) to `b` (t = 1): (3, N) for t (N,)."""
    start = column(a, t)
    return np.asarray(start + t * (column(b, t) - start))


def dot(a: Array, b: Array) -> Array:
    """Return the dot products (N,) of the columns of two arrays (3, N)."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
