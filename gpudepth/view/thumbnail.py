"""Makes the small picture and the small map of one output for a report, in a worker process."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..batch.workers import WorkerContext
from ..limits import DEFAULT, Limits
from .canvas import LOOKED_AT
from .depth_view import DepthView, fitted, load, resized
from .preview import score

FOCAL = 0.8             # focal length without a calibration, as a share of the long side: about 64 degrees
QUALITY = 80
PER_PIXEL = (0.25, 0.75)        # upper estimates of the bytes per pixel of a picture's JPEG and of a map's PNG
SIDES = (96, 360)


@dataclass(frozen=True)
class Sizes:
    """Long sides of picture and map in pixels."""

    picture: int
    map: int

    @classmethod
    def within(cls, size: int) -> Sizes:
        """Return the largest sizes for this number of bytes per item."""
        least, most = SIDES
        side = [int(min(most, max(least, (size / 2 / per * 4 / 3) ** 0.5))) for per in PER_PIXEL]
        return cls(*side)


@dataclass(frozen=True)
class Thumbnail:
    """The pictures of one output.

    Attributes:
        picture: A JPEG file, or b"".
        map: An 8-bit gray PNG file: 1 (far) … 255 (near), linear in disparity; 0 represents no value.
        lo: The disparity of code 1 in 1/metres.
        hi: The disparity of code 255 in 1/metres.
        focal: The focal length as a share of the map's long side.
        score: The agreement of edges; see `edges`.
        width: The width of the full map in pixels.
        height: The height of the full map in pixels.
        holes: The share of pixels without a value.
    """

    picture: bytes
    map: bytes
    lo: float
    hi: float
    focal: float
    score: float | None
    width: int
    height: int
    holes: float


@dataclass(frozen=True)
class ThumbnailRequest:
    """The task of a worker."""

    path: Path
    sizes: Sizes
    limits: Limits = DEFAULT


def make(wanted: ThumbnailRequest, worker: WorkerContext | None = None) -> Thumbnail:
    """Make the pictures of one output. Raises the errors of `depth_view.load`."""
    view = load(wanted.path, max(LOOKED_AT, wanted.sizes.picture), wanted.limits)
    edges = score(view)
    picture = b""
    if view.picture is not None:
        small = Image.fromarray(view.picture).resize(view.fitted(wanted.sizes.picture), Image.Resampling.BOX)
        picture = _bytes(small, "JPEG", quality=QUALITY)
    near = resized(view.near(), *fitted(view.data.width, view.data.height, wanted.sizes.map))
    good = np.isfinite(near)
    codes = np.where(good, np.rint(np.where(good, near, 0) * 254) + 1, 0).astype(np.uint8)
    return Thumbnail(picture, _bytes(Image.fromarray(codes), "PNG", optimize=True), *view.span, _focal(view),
                     edges.score if edges else None, view.data.width, view.data.height, float(1 - good.mean()))


def _focal(view: DepthView) -> float:
    camera = view.data.calibration
    if camera is None:
        return FOCAL
    side = max(camera.reference_width, camera.reference_height)
    focal = float(camera.intrinsics[0, 0]) / side if side else math.nan
    return focal if 0 < focal < math.inf else FOCAL     # other values are invalid


def _bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
