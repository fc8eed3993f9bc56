"""Camera calibration with AVCameraCalibrationData's fields, and how it changes with the picture.

Image coordinates have their origin at the upper left corner of the frame (the centre of the first pixel is at
0.5, 0.5), so that scaling a picture scales the principal point with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .orientation import matrix, swaps_axes

Matrix = NDArray[np.float64]


def _identity_extrinsics() -> Matrix:
    return np.hstack([np.eye(3), np.zeros((3, 1))])


@dataclass(frozen=True, eq=False)
class Calibration:
    """Pinhole camera and lens, for a picture of reference_width × reference_height pixels.

    Attributes:
        intrinsics: 3 × 3, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], in pixels of the reference dimensions.
        reference_width: Width of the picture in pixels.
        reference_height: Height of the picture in pixels.
        extrinsics: 3 × 4, rotation | translation, in millimetres as in Apple's files.
        pixel_size: Millimetres, or 0 when unknown.
        distortion: Apple's 8 look-up coefficients, or ().
        inverse_distortion: Coefficients of the inverse, or ().
        distortion_center: (x, y) in pixels of the reference dimensions, or None.

    Source: Apple, AVCameraCalibrationData; matrices are float64 here and column-major in files.
    """

    intrinsics: Matrix
    reference_width: float
    reference_height: float
    extrinsics: Matrix = field(default_factory=_identity_extrinsics)
    pixel_size: float = 0.0
    distortion: tuple[float, ...] = ()
    inverse_distortion: tuple[float, ...] = ()
    distortion_center: tuple[float, float] | None = None

    @property
    def focal(self) -> tuple[float, float]:
        """(fx, fy) in pixels of the reference dimensions."""
        return float(self.intrinsics[0, 0]), float(self.intrinsics[1, 1])

    @property
    def center(self) -> tuple[float, float]:
        """Principal point (cx, cy) in pixels of the reference dimensions."""
        return float(self.intrinsics[0, 2]), float(self.intrinsics[1, 2])

    def scaled(self, width: float, height: float) -> Calibration:
        """Return the same camera, with the same field of view, for reference dimensions width × height in pixels."""
        if (width, height) == (self.reference_width, self.reference_height):
            return self
        sx, sy = width / self.reference_width, height / self.reference_height
        cx, cy = self.distortion_center or (0.0, 0.0)
        return replace(self, intrinsics=np.diag([sx, sy, 1.0]) @ self.intrinsics, reference_width=width,
                       reference_height=height, pixel_size=self.pixel_size / sx,
                       distortion_center=self.distortion_center and (cx * sx, cy * sy))

    def cropped(self, x: float, y: float, width: float, height: float) -> Calibration:
        """Return the camera of a part of the picture: x, y, width, height in pixels of the reference dimensions."""
        shift = np.array([[1.0, 0, -x], [0, 1.0, -y], [0, 0, 1.0]])
        cx, cy = self.distortion_center or (0.0, 0.0)
        return replace(self, intrinsics=shift @ self.intrinsics, reference_width=width, reference_height=height,
                       distortion_center=self.distortion_center and (cx - x, cy - y))

    def oriented(self, orientation: int) -> Calibration:
        """Return the camera of the picture after applying an Exif orientation, 1 to 8.

        The extrinsic rotation is inverse to that of the picture: for orientation 6 and an identity the result has the
        columns (0,−1,0), (1,0,0), (0,0,1), as in Apple's upright exports.
        """
        if orientation == 1:
            return self
        turn = matrix(orientation).astype(np.float64)
        w, h = self.reference_width, self.reference_height
        middle = np.array([w / 2, h / 2])
        new = (h, w) if swaps_axes(orientation) else (w, h)
        new_middle = np.array(new) / 2

        def move(point: tuple[float, float]) -> tuple[float, float]:
            x, y = turn @ (np.array(point) - middle) + new_middle
            return float(x), float(y)

        fx, fy = self.focal
        if swaps_axes(orientation):
            fx, fy = fy, fx
        cx, cy = move(self.center)
        rotation = np.eye(3)
        rotation[:2, :2] = turn
        return replace(
            self, intrinsics=np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]),
            reference_width=new[0], reference_height=new[1],
            extrinsics=np.hstack([self.extrinsics[:, :3] @ rotation.T, self.extrinsics[:, 3:]]),
            distortion_center=self.distortion_center and move(self.distortion_center))

    @classmethod
    def from_focal35(cls, focal35: float, width: int, height: int) -> Calibration:
        """Make a calibration from Exif FocalLengthIn35mmFilm, for a picture of width × height pixels.

        fx = focal35 / 36 · long side; the principal point is in the middle.
        """
        f = focal35 / 36.0 * max(width, height)
        return cls(np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1.0]]), width, height)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calibration):
            return NotImplemented
        return (np.array_equal(self.intrinsics, other.intrinsics) and np.array_equal(self.extrinsics, other.extrinsics)
                and all(getattr(self, f) == getattr(other, f) for f in (
                    "reference_width", "reference_height", "pixel_size", "distortion", "inverse_distortion",
                    "distortion_center")))

    __hash__ = None  # type: ignore[assignment]  # holds arrays
