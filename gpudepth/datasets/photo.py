"""Reads the upright depth, colours and camera of one photo for a data set."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.photo import Guide
from ..containers.heif import photo_encoder
from ..depth.calibration import Calibration
from ..depth.data import DepthData
from ..errors import MalformedError, UnsupportedError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .reconstruction import UNIT, Fit

DEPTH_IS = {"absolute": "in metres, according to the file",
            "relative": "NOT metric: correct up to scale and shift, whatever the unit"}


@dataclass(frozen=True)
class DepthPhoto:
    """One upright photo.

    Attributes:
        path: The file.
        name: The name in the data set.
        number: The index in the data set.
        depth: The map in display orientation.
        guide: The colour picture, decoded on demand.
        width: The width of the picture in pixels.
        height: The height of the picture in pixels.
        camera: The camera of the picture, or None.
        camera_from: The source of the camera, in words.
        fit: The alignment of the depth to a reconstruction, or None.
    """

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
    limits: Limits = DEFAULT

    @property
    def depth_is(self) -> str:
        """The unit and accuracy of the depth, in words."""
        return DEPTH_IS[self.depth.accuracy] if self.fit is None else self.fit.depth_is

    def unit(self, per_metre: int = 1) -> str:
        """Return the unit of values of which `per_metre` are one metre, or one unit of the reconstruction."""
        if self.fit is None or self.fit.scale is not None:
            return {1: "m", 1000: "mm"}.get(per_metre, f"m/{per_metre}")
        return UNIT if per_metre == 1 else f"{UNIT} / {per_metre}"

    def colour(self, width: int = 0, height: int = 0) -> NDArray[np.uint8]:
        return self.guide.at(width or self.width, height or self.height)

    def camera_of(self, width: int, height: int) -> Calibration:
        """Return the camera for a picture of this size in pixels. Raises UnsupportedError if it is unknown."""
        if self.camera is None:
            raise UnsupportedError("the camera is unknown: there is neither a calibration nor a 35 mm focal length",
                                   where=self.path, hint="png16, npz, exr, tum and kitti need no camera")
        return self.camera.scaled(width, height)


NEAR = 2e-3     # tolerance for colorants: profiles round to 1/65536, and sRGB profiles differ by about 5e-4


@dataclass(frozen=True)
class Primaries:
    """The primaries of linear light.

    Attributes:
        name: The name of the primaries.
        chromaticities: x and y of red, green, blue and white.
        note: How the pixels were converted to these primaries, or ''.
    """

    name: str
    chromaticities: tuple[float, ...]
    note: str = ""


SRGB = Primaries("sRGB", (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290))     # IEC 61966-2-1
DISPLAY_P3 = Primaries("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290))   # SMPTE EG 432-1
# XYZ of the primaries in ICC profiles, adapted to D50
_COLORANTS = {
    SRGB: ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)),
    DISPLAY_P3: ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))}
_NCLX = {1: SRGB, 12: DISPLAY_P3}       # colour_primaries of ISO/IEC 23091-2


def curve() -> NDArray[np.float64]:
    """Return (256,) linear light of the 8-bit codes, by the sRGB curve (IEC 61966-2-1)."""
    v = np.arange(256) / 255
    out: NDArray[np.float64] = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return out


def linear(photo: str | Path, guide: Guide, width: int, height: int,
           limits: Limits = DEFAULT) -> tuple[NDArray[np.float16], Primaries]:
    """Return (height, width, 3) linear light, with 1 for white, and its primaries.

    Raises:
        FileError: If the picture cannot be decoded.
        MalformedError: If its color profile cannot be read.
    """
    pixels = guide.at(width, height)
    space, convert = _space(*_profile(photo, limits), photo)
    return curve().astype(np.float16)[pixels if convert is None else convert(pixels)], space


def _profile(photo: str | Path, limits: Limits = DEFAULT) -> tuple[bytes, int]:
    """Return the ICC profile or b"", and colour_primaries of an nclx box or 0."""
    with ByteSource(photo, limits) as source:
        heif = source.read(0, min(8, source.size))[4:] == b"ftyp"
    if not heif:
        with photo_encoder.open_photo(photo, limits) as image:
            return image.info.get("icc_profile") or b"", 0
    import pillow_heif

    with photo_encoder.libheif(photo, "open it"):
        info = pillow_heif.open_heif(photo).info
    return info.get("icc_profile") or b"", int((info.get("nclx_profile") or {}).get("color_primaries", 0))


def _space(icc: bytes, primaries: int, photo: str | Path) -> tuple[Primaries, Any]:
    """Return the primaries, and the function that converts pixels to them or None. Without a profile they are sRGB."""
    if not icc:
        if primaries in (0, 2) or primaries in _NCLX:
            return _NCLX.get(primaries, SRGB), None
        return Primaries(SRGB.name, SRGB.chromaticities,
                     f"colour_primaries {primaries} of the file are treated as sRGB"), None
    from PIL import Image, ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        to_srgb = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        name = ImageCms.getProfileDescription(profile).strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise MalformedError(f"the colour profile cannot be read: {error}", where=photo) from None

    def convert(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(to_srgb.apply(Image.fromarray(pixels)))

    gray = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    if np.abs(convert(gray).astype(int) - gray).max() <= 1:       # the curve of the profile is sRGB's
        found = [getattr(profile.profile, f"{c}_colorant") for c in ("red", "green", "blue")]
        for space, colorants in _COLORANTS.items():
            if all(f is not None and np.abs(np.subtract(f[0], c)).max() < NEAR
                   for f, c in zip(found, colorants, strict=True)):
                return space, None
    return Primaries(SRGB.name, SRGB.chromaticities, f"converted from {name!r} to sRGB"), convert
