"""Writes the mattes, gain map and confidence of a photo as upright PNG files with the stored codes.

    NAME_matte.png  NAME_skin.png  NAME_hair.png  NAME_teeth.png  NAME_glasses.png  NAME_sky.png
    NAME_gainmap.png  NAME_confidence.png

Codes of 8 bits are written as 8-bit gray, larger ones as 16-bit gray; `bits` in the record gives the largest code.

The OpenEXR file has layers at the size of the picture:

    R G B A            half: linear light (the inverse of the sRGB curve); the header names the primaries. A is 1
    Z                  float: depth in metres, or in the header's depthUnit; NaN for pixels without a value
    validity.Y         half: 1 where Z has a value, otherwise 0
    matte.Y hair.Y …   half: the auxiliary images, code / largest code

Z is resized without interpolation, which would invent depths between near and far. Mattes are resized bilinearly. The
light is display-referred: the camera's tone curve is not inverted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.export import exr, picture
from ..attachment.output import atomic
from ..compute.refine.resize import resize
from ..containers import registry
from ..containers.base import NAMES, AuxiliaryImage, HoldsAuxiliaries
from ..depth import orientation
from ..errors import GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits
from .photo import DepthPhoto, linear

NONE: frozenset[str] = frozenset()
ALL = frozenset(NAMES)


@dataclass
class SavedImages:
    """The auxiliary images of one photo.

    Attributes:
        records: name, kind, file, width, height and bits of each written image.
        failed: Why the other images could not be written.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    failed: list[GpudepthError] = field(default_factory=list)


def parse(text: str) -> frozenset[str]:
    """Return the images that --aux names: "none", "all" or "matte,gainmap". Raises UsageError."""
    if text in ("none", "all"):
        return ALL if text == "all" else NONE
    wanted = frozenset(part.strip() for part in text.split(","))
    if unknown := sorted(wanted - ALL):
        raise UsageError(f"--aux {unknown[0]!r} is not an auxiliary image",
                         hint=f"none, all, or some of {','.join(NAMES)}")
    return wanted


def read(path: str | Path, wanted: frozenset[str] = ALL, limits: Limits = DEFAULT
         ) -> Iterator[tuple[AuxiliaryImage, NDArray[Any] | GpudepthError, int]]:
    """Yield the auxiliary images of a photo, the first of each kind.

    Yields:
        The image, its (H, W) codes as displayed or the error of decoding them, and the bits of a code.

    Raises:
        FileError: If the photo cannot be read.
    """
    if not wanted:
        return
    with ByteSource(path, limits) as source:
        container = registry.require(source)
        if not isinstance(container, HoldsAuxiliaries):
            return
        seen: set[str] = set()
        for image in container.auxiliary_images(source):
            if image.name not in wanted or image.name in seen:
                continue
            seen.add(image.name)
            try:
                codes, bits = image.decode()
            except GpudepthError as error:
                yield image, error, 0
                continue
            yield image, np.ascontiguousarray(orientation.apply(image.orientation, codes)), bits


def save(path: str | Path, folder: Path, stem: str, wanted: frozenset[str], limits: Limits = DEFAULT) -> SavedImages:
    """Write the wanted images as folder/STEM_kind.png; an image that cannot be decoded does not affect the others.

    Raises:
        FileError: If the photo cannot be read.
        OutputError: If a file cannot be written.
    """
    out = SavedImages()
    for image, codes, bits in read(path, wanted, limits):
        if isinstance(codes, GpudepthError):
            out.failed.append(codes)
            continue
        file = f"{stem}_{image.name}.png"
        with atomic(folder / file, make_folder=True) as target:
            target.write(picture(codes, "PNG"))
        out.records.append({"name": image.name, "kind": image.kind, "file": file, "width": int(codes.shape[1]),
                            "height": int(codes.shape[0]), "bits": bits})
    return out


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
    for image, codes, bits in read(photo.path, ALL, photo.limits):
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
