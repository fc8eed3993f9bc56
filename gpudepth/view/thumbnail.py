"""What a report holds of one output: a small picture, a small map, how edges agree. Made in workers, a file each."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..limits import DEFAULT, Limits
from .depth_view import DepthView, fitted, load, resized
from .edges import LOOKED_AT
from .preview import score

FOCAL = 0.8             # of the long side, where no calibration says it: about 64 degrees
QUALITY = 80
PER_PIXEL = (0.25, 0.75)        # bytes of a picture's JPEG and of a map's PNG at these sizes, at most about
SIDES = (96, 360)


@dataclass(frozen=True)
class Sizes:
    """Long sides, pixels, of picture and map."""

    picture: int
    map: int

    @classmethod
    def within(cls, size: int) -> Sizes:
        """As large as so many bytes an item allow."""
        least, most = SIDES
        side = [int(min(most, max(least, (size / 2 / per * 4 / 3) ** 0.5))) for per in PER_PIXEL]
        return cls(*side)


@dataclass(frozen=True)
class Thumbnail:
    """picture: JPEG, or b"". map: 8-bit gray PNG, 1 (far) … 255 (near) linear in disparity between lo and hi in
    1/metres, 0 no value. focal: of the map's long side. score: see `edges`."""

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
class Wanted:
    """The task of a worker."""

    path: Path
    sizes: Sizes
    limits: Limits = DEFAULT


def make(wanted: Wanted) -> Thumbnail:
    """Raises what `shown.load` raises."""
    shown = load(wanted.path, max(LOOKED_AT, wanted.sizes.picture), wanted.limits)
    found = score(shown)
    picture = b""
    if shown.picture is not None:
        small = Image.fromarray(shown.picture).resize(shown.fitted(wanted.sizes.picture), Image.Resampling.BOX)
        picture = _bytes(small, "JPEG", quality=QUALITY)
    near = resized(shown.near(), *fitted(shown.data.width, shown.data.height, wanted.sizes.map))
    good = np.isfinite(near)
    codes = np.where(good, np.rint(np.where(good, near, 0) * 254) + 1, 0).astype(np.uint8)
    return Thumbnail(picture, _bytes(Image.fromarray(codes), "PNG", optimize=True), *shown.span, _focal(shown),
                     found.score if found else None, shown.data.width, shown.data.height, float(1 - good.mean()))


def _focal(shown: DepthView) -> float:
    camera = shown.data.calibration
    if camera is None:
        return FOCAL
    side = max(camera.reference_width, camera.reference_height)
    focal = float(camera.intrinsics[0, 0]) / side if side else math.nan
    return focal if 0 < focal < math.inf else FOCAL     # else it is no camera's, whatever the file says


def _bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
