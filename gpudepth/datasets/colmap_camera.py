"""COLMAP's cameras: what their parameters are, and where they see points (colmap.github.io/cameras.html).

Pixels have their origin at the upper left corner of the picture; the middle of the first one is at 0.5, 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import MalformedError, UnsupportedError

# src/colmap/sensor/models.h: number of a model in binary files → (name, how many parameters)
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
    """Of pictures of width × height pixels. parameters: as `model` orders them, in pixels and without a unit.

    Raises MalformedError for a size that is none, another number of parameters, and what is no number.
    """

    id: int
    model: str
    width: int
    height: int
    parameters: tuple[float, ...]

    def __post_init__(self) -> None:
        where = f"camera {self.id}"
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            raise MalformedError(f"a picture of {self.width} × {self.height}", where=where)
        wanted = PARAMETERS.get(self.model)
        if wanted is not None and len(self.parameters) != wanted:
            raise MalformedError(f"{self.model} has {wanted} parameters, here are {len(self.parameters)}", where=where)
        if not np.isfinite(self.parameters).all():
            raise MalformedError(f"{self.model} with parameters {self.parameters}", where=where)

    def project(self, points: Points) -> Points:
        """(N, 3) in front of the camera (x right, y down, z forward) → (N, 2) pixels.

        Raises UnsupportedError for models other than PROJECTED.
        """
        if self.model not in PROJECTED:
            raise UnsupportedError(f"its camera model is {self.model}", where=f"camera {self.id}",
                                   hint=f"{', '.join(PROJECTED)} are known; COLMAP's image_undistorter makes PINHOLE "
                                        "cameras of others")
        with np.errstate(all="ignore"):     # what is far off the picture, or of a damaged file
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
