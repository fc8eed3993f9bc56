"""Reads a JPEG file's mattes and gain map (images in the MPF), and the confidence of Google's layouts."""

from __future__ import annotations

from functools import partial
from typing import Any

from numpy.typing import NDArray

from ...errors import GpudepthError
from ..auxiliary import CONFIDENCE, AuxiliaryImage, name_of
from ..google import dynamic_depth, gdepth
from . import image
from .file import FurtherImage, JpegFile


def images(file: JpegFile) -> list[AuxiliaryImage]:
    """Return the images in the order of the file. Further images share the primary's orientation, as depth does."""
    turn = file.exif().orientation
    found = [AuxiliaryImage(name, i.kind, i.type, turn, partial(_further, file, i))
             for i in file.images if (name := name_of(i.kind))]
    limits = file.source.limits
    if file.damage is None and file.dynamic is not None and dynamic_depth.has_confidence(file.dynamic):
        found.append(AuxiliaryImage(CONFIDENCE, CONFIDENCE, "Dynamic Depth", turn, partial(_dynamic, file)))
    elif file.damage is None and gdepth.has_confidence(file.packets, limits):
        found.append(AuxiliaryImage(CONFIDENCE, CONFIDENCE, "GDepth", turn, partial(_gdepth, file)))
    return found


def _further(file: JpegFile, found: FurtherImage) -> tuple[NDArray[Any], int]:
    try:
        return image.decode(file.source, found.stream, file.source.limits, found.kind)
    except GpudepthError as error:
        raise error.within(f"MPF image {found.index + 1}").within(file.source.name) from None


def _dynamic(file: JpegFile) -> tuple[NDArray[Any], int]:
    assert file.dynamic is not None
    try:
        codes = dynamic_depth.confidence(file.dynamic, file.source, file.primary.end)
    except GpudepthError as error:
        raise error.within(file.source.name) from None
    return codes, 8 * codes.itemsize


def _gdepth(file: JpegFile) -> tuple[NDArray[Any], int]:
    try:
        codes = gdepth.confidence(file.packets, file.source.limits)
    except GpudepthError as error:
        raise error.within(file.source.name) from None
    return codes, 8 * codes.itemsize
