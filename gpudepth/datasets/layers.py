"""A photo, its depth and its mattes as one OpenEXR file of several layers, upright, at the size of the picture.

    R G B A            half: linear light, by the sRGB curve undone; the header names the primaries. A is 1
    Z                  float: depth in metres (or what the header's depthUnit says), NaN where there is no value
    validity.Y         half: 1 where Z is a value, 0 elsewhere
    matte.Y hair.Y …   half: the auxiliary images, code / largest code

Z is the map's nearest pixel, for what lies between a near and a far one is no depth that was there; mattes are
bilinear. The light is what the picture shows: the camera's tone curve is not undone, whatever compositors call it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.export import exr
from ..errors import GpudepthError
from . import auxiliary
from .photo import Photo, linear

CURVE = "linear light, the sRGB curve undone; display-referred: the camera's tone curve is not undone"


def encode(photo: Photo) -> tuple[bytes, list[str], list[GpudepthError]]:
    """(the file, names of its layers, why auxiliary images are not among them).

    Raises UsageError without the package OpenEXR, LimitError, and what decoding the picture does.
    """
    width, height = photo.width, photo.height
    photo.guide.limits.check_picture(width, height, 24, where=str(photo.path))
    light, space = linear(photo.path, photo.guide, width, height)
    z = _nearest(photo.depth.depth(), width, height)
    channels: dict[str, NDArray[Any]] = {
        **{name: light[..., n] for n, name in enumerate("RGB")}, "A": np.ones((height, width), np.float16),
        "Z": z, "validity.Y": np.isfinite(z).astype(np.float16)}
    failed = []
    for image, codes, bits in auxiliary.read(photo.path, auxiliary.ALL, photo.guide.limits):
        if isinstance(codes, GpudepthError):
            failed.append(codes)
        else:
            channels[f"{image.name}.Y"] = _bilinear(codes, (1 << bits) - 1, width, height)
    header: dict[str, Any] = {
        "chromaticities": space.chromaticities, "colorSpace": f"{space.name}, {CURVE}",
        "depthUnit": photo.unit(), "depthIs": photo.worth, "depthSize": f"{photo.depth.width}x{photo.depth.height}",
        "software": "gpudepth"}
    if space.note:
        header["colorNote"] = space.note
    if photo.camera is not None:
        (fx, fy), (cx, cy) = photo.camera.focal, photo.camera.center
        header["intrinsics"] = json.dumps({"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "from": photo.camera_from})
    blob = exr(channels, header, photo.path)
    return blob, ["RGBA", "Z", *(name.removesuffix(".Y") for name in channels if name.endswith(".Y"))], failed


def _nearest(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """The pixel of the map that holds the middle of each pixel of the picture."""
    rows = (2 * np.arange(height) + 1) * values.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * values.shape[1] // (2 * width)
    out: NDArray[np.float32] = values[rows[:, None], columns]
    return out


def _bilinear(codes: NDArray[Any], top: int, width: int, height: int) -> NDArray[np.float16]:
    from PIL import Image

    image = Image.fromarray(codes.astype(np.float32) / np.float32(top))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).astype(np.float16)
