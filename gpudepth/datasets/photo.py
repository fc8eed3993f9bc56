"""Reads one photo of a data set: its depth, camera and colours, upright, and how accurate its depth is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.guide import Guide
from ..containers.heif import photo_encoder as photo_room
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..errors import MalformedError, UnsupportedError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .reconstruction import UNIT, Fit

METRES = "metres, as the file says"
RELATIVE = "NOT metric: right up to scale and shift, whatever the unit says"
WORTH = {"absolute": METRES, "relative": RELATIVE}


@dataclass(frozen=True)
class Photo:
    """One photo, upright. number: its place in the set; camera: of the colour picture, or None, and where it comes
    from; fit: to the reconstruction that the depth is aligned to, or None."""

    path: Path
    name: str
    number: int
    depth: DepthData
    guide: Guide
    width: int
    height: int
    camera: Calibration | None
    camera_from: str = ""
    fit: Fit | None = None

    @property
    def worth(self) -> str:
        """What its depth is worth, in words."""
        return WORTH[self.depth.accuracy] if self.fit is None else self.fit.worth

    def unit(self, per_metre: int = 1) -> str:
        """The unit of values that are so many to a metre, or to a unit of the reconstruction it is aligned to."""
        if self.fit is None or self.fit.scale is not None:
            return {1: "m", 1000: "mm"}.get(per_metre, f"m/{per_metre}")
        return UNIT if per_metre == 1 else f"{UNIT} / {per_metre}"

    def colour(self, width: int = 0, height: int = 0) -> NDArray[np.uint8]:
        return self.guide.at(width or self.width, height or self.height)

    def camera_of(self, width: int, height: int) -> Calibration:
        """Raises UnsupportedError for a photo that says nothing of its camera."""
        if self.camera is None:
            raise UnsupportedError("says nothing of its camera: neither a calibration nor a 35 mm focal length",
                                   where=self.path, hint="png16, npz, exr, tum and kitti need none")
        return self.camera.scaled(width, height)


NEAR = 2e-3     # of colorants; profiles round to 1/65536, and sRGB's differ from each other by about 5e-4


@dataclass(frozen=True)
class Space:
    """chromaticities: x, y of red, green, blue and white. note: what was done to get there, or nothing."""

    name: str
    chromaticities: tuple[float, ...]
    note: str = ""


SRGB = Space("sRGB", (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290))          # IEC 61966-2-1
DISPLAY_P3 = Space("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290))    # SMPTE EG 432-1, D65
# XYZ of the primaries as ICC profiles hold them, adapted to D50
_COLORANTS = {
    SRGB: ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)),
    DISPLAY_P3: ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))}
_NCLX = {1: SRGB, 12: DISPLAY_P3}       # colour_primaries of ISO/IEC 23091-2


def curve() -> NDArray[np.float64]:
    """(256,) linear light of each 8-bit code: the sRGB curve (IEC 61966-2-1)."""
    v = np.arange(256) / 255
    out: NDArray[np.float64] = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return out


def linear(photo: str | Path, guide: Guide, width: int, height: int) -> tuple[NDArray[np.float16], Space]:
    """(height, width, 3) linear light, 1 where the picture is white, and what it is in.

    Raises what `Guide.at` raises; MalformedError for a profile that cannot be read.
    """
    pixels = guide.at(width, height)
    space, convert = _space(*_profile(photo, guide.limits), photo)
    return curve().astype(np.float16)[pixels if convert is None else convert(pixels)], space


def _profile(photo: str | Path, limits: Limits = DEFAULT) -> tuple[bytes, int]:
    """(ICC profile or b"", colour_primaries of an nclx or 0)."""
    with ByteSource(photo, limits) as source:
        heif = source.read(0, min(8, source.size))[4:] == b"ftyp"
    if not heif:
        with photo_room.open_photo(photo, limits) as image:
            return image.info.get("icc_profile") or b"", 0
    import pillow_heif

    with photo_room.libheif(photo, "open it"):
        info = pillow_heif.open_heif(photo).info
    return info.get("icc_profile") or b"", int((info.get("nclx_profile") or {}).get("color_primaries", 0))


def _space(icc: bytes, primaries: int, photo: str | Path) -> tuple[Space, Any]:
    """What the pixels are in, and what makes them so where they are not yet. No profile is sRGB."""
    if not icc:
        if primaries in (0, 2) or primaries in _NCLX:
            return _NCLX.get(primaries, SRGB), None
        return Space(SRGB.name, SRGB.chromaticities,
                     f"colour_primaries {primaries} of the file were taken for sRGB's"), None
    from PIL import Image, ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        to_srgb = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        name = ImageCms.getProfileDescription(profile).strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise MalformedError(f"its colour profile cannot be read: {error}", where=photo) from None

    def convert(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(to_srgb.apply(Image.fromarray(pixels)))

    gray = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    if np.abs(convert(gray).astype(int) - gray).max() <= 1:       # its curve is sRGB's
        about = profile.profile
        found = [getattr(about, f"{c}_colorant") for c in ("red", "green", "blue")]
        for space, colorants in _COLORANTS.items():
            if all(f is not None and np.abs(np.subtract(f[0], c)).max() < NEAR
                   for f, c in zip(found, colorants, strict=True)):
                return space, None
    return Space(SRGB.name, SRGB.chromaticities, f"converted from {name!r} to sRGB"), convert
