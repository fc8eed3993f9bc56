"""Maps fitted to a sparse reconstruction: the points that COLMAP saw in a photo tell the scale of its depth.

Each point is projected into the photo's map (lens distortion included), its planar z is held against the map there, and
scale and shift of the disparity come of a robust fit. What comes out is in the units of the reconstruction, which are
metres only where somebody says how long its unit is.
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
from ..errors import AspectError, GpudepthError, MissingInputError, RangeError, UsageError
from ..limits import DEFAULT, Limits
from . import colmap
from .colmap import Camera, Image

UNIT = "unit of the reconstruction"


@dataclass(frozen=True)
class Fit:
    """What `depth` (hidden in `data`, fdis) was fitted to. off: median of |z − depth| / z over all the points."""

    data: DepthData
    image: str
    found: Alignment
    off: float
    scale: float | None

    @property
    def worth(self) -> str:
        if self.scale is None:
            return "NOT metres: in units of the reconstruction it was aligned to"
        return f"metres: aligned to a reconstruction whose unit is {self.scale:g} m, as was said"

    def record(self) -> dict[str, Any]:
        """For dataset.json. residual: 1 / (metres or units)."""
        return {"image": self.image, "points": self.found.samples, "points_used": self.found.inliers,
                "scale": self.found.scale, "shift": self.found.shift, "residual": self.found.error,
                "median_error": self.off, "metres_per_unit": self.scale}

    def __str__(self) -> str:
        return (f"aligned to {self.image} by {self.found.inliers:,} of {self.found.samples:,} points, "
                f"which it is off by {self.off:.2%} (median)")


class Reconstruction:
    """A COLMAP model that photos are aligned to. scale: metres of one of its units, or None when nobody knows.

    Raises UsageError for a scale that is none, and what reading the model does.
    """

    def __init__(self, folder: str | Path, scale: float | None = None, limits: Limits = DEFAULT) -> None:
        if scale is not None and not (np.isfinite(scale) and scale > 0):
            raise UsageError(f"a unit of {scale:g} metres", hint="--align-scale 0.37")
        self.model = colmap.read(folder, limits)
        self.scale = scale

    def fit(self, photo: Path, data: DepthData, width: int, height: int) -> Fit:
        """The upright map of a photo of width × height, in the units of the reconstruction, or in metres.

        Raises MissingInputError for a photo that is not in the model, AspectError for an image of another shape,
        RangeError for too few points and for what cannot be fitted, UnsupportedError for a camera.
        """
        image = self._image(photo)
        camera = self.model.cameras[image.camera]
        _check_aspect(photo, camera, width, height)
        points = self.model.seen(image)
        points = points[points[:, 2] > 0]
        try:
            place = camera.project(points)
        except GpudepthError as error:
            raise error.within(photo) from None
        metric = _samples(place / (camera.width, camera.height), points[:, 2] * (self.scale or 1.0), data)
        number = int(np.isfinite(metric).sum())
        if number < FEW:
            raise RangeError(f"{number} points of {image.name!r} lie on its map, and {FEW} are needed", where=photo)
        disparity = data.disparity()
        try:
            found = align(disparity, metric)
        except GpudepthError as error:
            raise error.within(photo) from None
        aligned = affine(disparity, found.scale, found.shift)
        with np.errstate(all="ignore"):
            off = np.abs(metric / aligned - 1)      # |z − depth| / z of depths 1/metric and 1/aligned, in terms of z
        accuracy: Any = "relative" if self.scale is None else "absolute"
        fitted = replace(data, map=aligned, pixel_format=FDIS, accuracy=accuracy, storage=None, codes=None)
        return Fit(fitted, image.name, found, float(np.median(off[np.isfinite(metric)])), self.scale)

    def _image(self, photo: Path) -> Image:
        """By the name of the file; else by its stem: COLMAP reads no HEIC, and saw the photo converted."""
        same_name = [i for i in self.model.images if Path(i.name).name == photo.name]
        same_stem = [i for i in self.model.images if Path(i.name).stem.casefold() == photo.stem.casefold()]
        for found in (same_name, same_stem):
            if len(found) == 1:
                return found[0]
            if found:
                raise UsageError(f"is one of {len(found)} images of that name in the reconstruction: "
                                 f"{', '.join(i.name for i in found[:4])}", where=photo)
        raise MissingInputError("is not among the images of the reconstruction", where=photo,
                                hint="COLMAP could not register it, or knows it by another name")


def _check_aspect(photo: Path, camera: Camera, width: int, height: int) -> None:
    size, other = (camera.width, camera.height), (width, height)
    aspect = compare(size, other, min(*size, *other))
    if not aspect.fits:
        raise AspectError(f"is {width}×{height} upright, and COLMAP saw {camera.width}×{camera.height}: the aspects "
                          f"differ by {aspect.off}", where=photo,
                          hint="run COLMAP on upright pictures: --as png16 writes them" if aspect.turned else
                          "both have to show the same field of view")


def _samples(place: NDArray[np.float64], z: NDArray[np.float64], data: DepthData) -> NDArray[np.float32]:
    """(H, W) disparity of the points on the map's pixels, NaN elsewhere; of several on one the nearest.

    place: (N, 2) in widths and heights of the picture.
    """
    out = np.full((data.height, data.width), np.nan, np.float32)
    with np.errstate(all="ignore"):
        x, y = np.floor(place[:, 0] * data.width), np.floor(place[:, 1] * data.height)
    inside = (x >= 0) & (x < data.width) & (y >= 0) & (y < data.height)
    order = np.flatnonzero(inside)[np.argsort(-z[inside], kind="stable")]      # the nearest is written last
    out[y[order].astype(np.int64), x[order].astype(np.int64)] = 1 / z[order]
    return out
