"""Writes the mattes, gain map and confidence of a photo as upright PNG files with the stored codes.

    NAME_matte.png  NAME_skin.png  NAME_hair.png  NAME_teeth.png  NAME_glasses.png  NAME_sky.png
    NAME_gainmap.png  NAME_confidence.png

Codes of 8 bits are written as 8-bit gray, larger ones as 16-bit gray; `bits` in the record gives the largest code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attachment.export import picture
from ..attachment.output import atomic
from ..containers import registry
from ..containers.auxiliary import NAMES, AuxiliaryImage, HoldsAuxiliaries
from ..depth import orientation
from ..errors import GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits

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
