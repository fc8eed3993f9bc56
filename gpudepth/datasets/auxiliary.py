"""Mattes, gain map and confidence of a photo → PNG files beside its depth, upright, codes as they are stored.

    NAME_matte.png  NAME_skin.png  NAME_hair.png  NAME_teeth.png  NAME_glasses.png  NAME_sky.png
    NAME_gainmap.png  NAME_confidence.png

Eight bits stay 8-bit gray; more become 16-bit gray, whose largest code the record's `bits` tells.
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
from ..depth import orientation as exif
from ..errors import GpudepthError, UsageError
from ..formats.bytesource import ByteSource
from ..limits import DEFAULT, Limits

NONE: frozenset[str] = frozenset()
ALL = frozenset(NAMES)


@dataclass
class Saved:
    """records: name, kind, file, width, height, bits of each that was written; failed: why others could not be."""

    records: list[dict[str, Any]] = field(default_factory=list)
    failed: list[GpudepthError] = field(default_factory=list)


def parse(text: str) -> frozenset[str]:
    """ "none", "all", "matte,gainmap". Raises UsageError."""
    if text in ("none", "all"):
        return ALL if text == "all" else NONE
    wanted = frozenset(part.strip() for part in text.split(","))
    if unknown := sorted(wanted - ALL):
        raise UsageError(f"--aux {unknown[0]!r} is no auxiliary image", hint=f"none, all, or some of {','.join(NAMES)}")
    return wanted


def read(path: str | Path, wanted: frozenset[str] = ALL, limits: Limits = DEFAULT
         ) -> Iterator[tuple[AuxiliaryImage, NDArray[Any] | GpudepthError, int]]:
    """(what it is, (H, W) codes as displayed, bits) of each auxiliary image of a photo; or why it cannot be decoded.

    Of several of one kind the first counts. Raises what opening the photo does.
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
            yield image, np.ascontiguousarray(exif.apply(image.orientation, codes)), bits


def save(path: str | Path, folder: Path, stem: str, wanted: frozenset[str], limits: Limits = DEFAULT) -> Saved:
    """Write those that are wanted as folder/STEM_kind.png. One that cannot be decoded leaves the others alone.

    Raises OutputError, and what opening the photo does.
    """
    out = Saved()
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
