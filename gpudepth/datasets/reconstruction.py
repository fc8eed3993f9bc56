"""Fits maps to a sparse reconstruction: the points that COLMAP found in a photo give the scale of its depth.

Each point is projected into the photo's map, including lens distortion. A robust fit of the planar z of the points to
the map gives scale and shift of the disparity. The result is in the units of the reconstruction, which are metres only
if the length of its unit is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compute.refine.align import FEW, Alignment, affine, align
from ..depth.aspect import compare
from ..depth.data import DepthData
from ..depth.pixel_format import FDIS
from ..errors import AspectError, MissingInputError, RangeError, UsageError, located
from ..limits import DEFAULT, Limits
from . import colmap
from .colmap import Camera, RegisteredImage

UNIT = "unit of the reconstruction"


@dataclass(frozen=True)
class Fit:
    """A map that is fitted to a reconstruction.

    Attributes:
        data: The fitted map, fdis.
        image: The image of the reconstruction.
        alignment: Scale and shift.
        error: The median of |z − depth| / z over all points.
        scale: The length of the reconstruction's unit in metres, or None.
    """

    data: DepthData
    image: str
    alignment: Alignment
    error: float
    scale: float | None

    @property
    def depth_is(self) -> str:
        """The unit of the depth, in words."""
        if self.scale is None:
            return "NOT in metres but in units of the reconstruction it is aligned to"
        return f"in metres: aligned to a reconstruction whose unit is {self.scale:g} m, according to the user"

    def record(self) -> dict[str, Any]:
        """Return the entry for dataset.json; the residual is in 1/metres or 1/units."""
        return {"image": self.image, "points": self.alignment.samples, "points_used": self.alignment.inliers,
                "scale": self.alignment.scale, "shift": self.alignment.shift, "residual": self.alignment.error,
                "median_error": self.error, "metres_per_unit": self.scale}

    def __str__(self) -> str:
        return (f"aligned to {self.image} by {self.alignment.inliers:,} of {self.alignment.samples:,} points, "
                f"with a median error of {self.error:.2%}")


class Reconstruction:
    """A COLMAP model that photos are aligned to.

    Args:
        folder: The folder of the model.
        scale: The length of its unit in metres, or None if it is unknown.
        limits: The limits for the files of the model.

    Raises:
        UsageError: If the scale is not a positive number.
        FileError: If the model cannot be read.
    """

    def __init__(self, folder: str | Path, scale: float | None = None, limits: Limits = DEFAULT) -> None:
        if scale is not None and not (np.isfinite(scale) and scale > 0):
            raise UsageError(f"the unit of the model cannot be {scale:g} metres", hint="‹align_scale=0.37›")
        self.model = colmap.read(folder, limits)
        self.scale = scale

    def fit(self, photo: Path, data: DepthData, width: int, height: int) -> Fit:
        """Fit the upright map of a photo to the points that the reconstruction has in it.

        Args:
            photo: The file.
            data: Its map.
            width: The width of the upright picture in pixels.
            height: The height of the upright picture in pixels.

        Raises:
            MissingInputError: If the photo is not in the model.
            AspectError: If the model's image has another aspect.
            RangeError: If there are too few points, or if they cannot be fitted.
            UnsupportedError: If the camera model is not supported.
        """
        image = self._image(photo)
        camera = self.model.cameras[image.camera]
        _check_aspect(photo, camera, width, height)
        points = self.model.seen(image)
        points = points[points[:, 2] > 0]
        with located(photo):
            place = camera.project(points)
        metric = _samples(place / (camera.width, camera.height), points[:, 2] * (self.scale or 1.0), data)
        number = int(np.isfinite(metric).sum())
        if number < FEW:
            raise RangeError(f"only {number} points of {image.name!r} lie on the map; {FEW} are needed", where=photo)
        disparity = data.disparity()
        with located(photo):
            found = align(disparity, metric)
        aligned = affine(disparity, found.scale, found.shift)
        with np.errstate(all="ignore"):
            errors = np.abs(metric / aligned - 1)       # |z − depth| / z, with z = 1/metric and depth = 1/aligned
        accuracy: Any = "relative" if self.scale is None else "absolute"
        fitted = replace(data, map=aligned, pixel_format=FDIS, accuracy=accuracy, storage=None, codes=None)
        return Fit(fitted, image.name, found, float(np.median(errors[np.isfinite(metric)])), self.scale)

    def _image(self, photo: Path) -> RegisteredImage:
        """Return the image with the name of the file or with its stem, because COLMAP cannot read HEIC."""
        same_name = [i for i in self.model.images if Path(i.name).name == photo.name]
        same_stem = [i for i in self.model.images if Path(i.name).stem.casefold() == photo.stem.casefold()]
        for found in (same_name, same_stem):
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(f"the reconstruction has {len(found)} images of that name: "
                                 f"{', '.join(i.name for i in found[:4])}", where=photo)
        raise MissingInputError("the reconstruction has no image of this photo", where=photo,
                                hint="COLMAP could not register the photo, or has it under another name")


def _check_aspect(photo: Path, camera: Camera, width: int, height: int) -> None:
    size, other = (camera.width, camera.height), (width, height)
    aspect = compare(size, other, min(*size, *other))
    if not aspect.fits:
        raise AspectError(f"the upright photo is {width}×{height}, but COLMAP's image is "
                          f"{camera.width}×{camera.height}: the aspects differ by {aspect.off}", where=photo,
                          hint="run COLMAP on upright pictures, for example of gpudepth extract --as png16"
                          if aspect.turned else "both must show the same field of view")


def _samples(place: NDArray[np.float64], z: NDArray[np.float64], data: DepthData) -> NDArray[np.float32]:
    """Return (H, W) disparity at the pixels of the points, NaN elsewhere; the nearest of several points counts.

    Args:
        place: (N, 2), as shares of the width and height of the picture.
        z: (N,), planar depth.
        data: The map.
    """
    out = np.full((data.height, data.width), np.nan, np.float32)
    with np.errstate(all="ignore"):
        x, y = np.floor(place[:, 0] * data.width), np.floor(place[:, 1] * data.height)
    inside = (x >= 0) & (x < data.width) & (y >= 0) & (y < data.height)
    order = np.flatnonzero(inside)[np.argsort(-z[inside], kind="stable")]      # the nearest point is written last
    out[y[order].astype(np.int64), x[order].astype(np.int64)] = 1 / z[order]
    return out
