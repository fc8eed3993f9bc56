"""Names the other pictures that photos hold beside depth: mattes of people, hair, skin…, HDR gain map, confidence.

Each kind has a short name, with which file names end, and a name in files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..formats.bytesource import ByteSource

# short name → (kind in words, name in files of Apple software)
_APPLE = {
    "matte": ("portrait effects matte", "urn:com:apple:photo:2018:aux:portraiteffectsmatte"),
    "skin": ("semantic skin matte", "urn:com:apple:photo:2019:aux:semanticskinmatte"),
    "hair": ("semantic hair matte", "urn:com:apple:photo:2019:aux:semantichairmatte"),
    "teeth": ("semantic teeth matte", "urn:com:apple:photo:2019:aux:semanticteethmatte"),
    "glasses": ("semantic glasses matte", "urn:com:apple:photo:2020:aux:semanticglassesmatte"),
    "sky": ("semantic sky matte", "urn:com:apple:photo:2020:aux:semanticskymatte"),
    "gainmap": ("hdr gain map", "urn:com:apple:photo:2020:aux:hdrgainmap"),
}
CONFIDENCE = "confidence"
NAMES = (*_APPLE, CONFIDENCE)
KINDS = {urn: kind for kind, urn in _APPLE.values()}
GAIN_MAP_URN = _APPLE["gainmap"][1]
_NAME_OF = {kind: name for name, (kind, _) in _APPLE.items()} | {CONFIDENCE: CONFIDENCE}


@dataclass(frozen=True)
class AuxiliaryImage:
    """An auxiliary image of a photo.

    Attributes:
        name: One of NAMES.
        kind: The kind in words.
        urn: Name in the file.
        orientation: Exif orientation that turns the codes into display orientation.
        decode: Function that returns the stored codes, (H, W) uint8 or uint16 in coded orientation, and their bits. It
            raises FileError.
    """

    name: str
    kind: str
    urn: str
    orientation: int
    decode: Callable[[], tuple[NDArray[Any], int]]


@runtime_checkable
class HoldsAuxiliaries(Protocol):
    """A container whose files can hold auxiliary images."""

    def auxiliary_images(self, source: ByteSource) -> list[AuxiliaryImage]:
        """Return the images of a file in its order, not decoded yet; the source has to stay open."""


def name_of(kind: str) -> str | None:
    """Return the short name of a kind in words, or None for kinds that are not exported."""
    return _NAME_OF.get(kind)
