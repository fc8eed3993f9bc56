"""Writes a photo, its depth and its mattes as one upright OpenEXR file with layers at the size of the picture.

    R G B A            half: linear light (the inverse of the sRGB curve); the header names the primaries. A is 1
    Z                  float: depth in metres, or in the header's depthUnit; NaN for pixels without a value
    validity.Y         half: 1 where Z has a value, otherwise 0
    matte.Y hair.Y …   half: the auxiliary images, code / largest code

Z is resized without interpolation, which would invent depths between near and far. Mattes are resized bilinearly. The
light is display-referred: the camera's tone curve is not inverted.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.export import exr
from ..compute.refine.resize import resize
from ..errors import GpudepthError
from . import auxiliary
from .photo import DepthPhoto, linear

CURVE = "linear light by the inverse sRGB curve; display-referred: the camera's tone curve is not inverted"


def encode(photo: DepthPhoto) -> tuple[bytes, list[str], list[GpudepthError]]:
    """Return the file, the names of its layers, and the errors of auxiliary images that it lacks.

    Raises:
        UsageError: If the package OpenEXR is not installed.
        FileError: If the picture cannot be decoded or exceeds a limit.
    """
    width, height = photo.width, photo.height
    photo.limits.check_picture(width, height, 24, where=str(photo.path))
    light, space = linear(photo.path, photo.guide, width, height, photo.limits)
    z = resize(photo.depth.depth(), width, height, "nearest")
    channels: dict[str, NDArray[Any]] = {
        **{name: light[..., n] for n, name in enumerate("RGB")}, "A": np.ones((height, width), np.float16),
        "Z": z, "validity.Y": np.isfinite(z).astype(np.float16)}
    failed = []
    for image, codes, bits in auxiliary.read(photo.path, auxiliary.ALL, photo.limits):
        if isinstance(codes, GpudepthError):
            failed.append(codes)
        else:
            channels[f"{image.name}.Y"] = _bilinear(codes, (1 << bits) - 1, width, height)
    header: dict[str, Any] = {
        "chromaticities": space.chromaticities, "colorSpace": f"{space.name}, {CURVE}",
        "depthUnit": photo.unit(), "depthIs": photo.depth_is, "depthSize": f"{photo.depth.width}x{photo.depth.height}",
        "software": "gpudepth"}
    if space.note:
        header["colorNote"] = space.note
    if photo.camera is not None:
        (fx, fy), (cx, cy) = photo.camera.focal, photo.camera.center
        header["intrinsics"] = json.dumps({"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "from": photo.camera_from})
    blob = exr(channels, header, photo.path)
    return blob, ["RGBA", "Z", *(name.removesuffix(".Y") for name in channels if name.endswith(".Y"))], failed


def _bilinear(codes: NDArray[Any], top: int, width: int, height: int) -> NDArray[np.float16]:
    from PIL import Image

    image = Image.fromarray(codes.astype(np.float32) / np.float32(top))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).astype(np.float16)
