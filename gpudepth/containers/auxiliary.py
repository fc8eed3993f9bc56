"""The other pictures that photos keep beside depth: mattes of people, hair, skin…, the HDR gain map, confidence.

A short name for each kind (file names end in it), and what files call it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..formats.bytesource import ByteSource

# short name → (kind in words, what files of Apple software call it)
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
    """One of them. name: of NAMES; kind in words; urn: what the file calls it.

    decode        gives (H, W) uint8 or uint16 codes in coded orientation, as they are stored, and their bits; raises
                  FileError and its kin
    orientation   the Exif orientation that turns the codes into the display
    """

    name: str
    kind: str
    urn: str
    orientation: int
    decode: Callable[[], tuple[NDArray[Any], int]]


@runtime_checkable
class HoldsAuxiliaries(Protocol):
    """A container whose files can hold them."""

    def auxiliary_images(self, source: ByteSource) -> list[AuxiliaryImage]:
        """Those of NAMES that a file holds, in its order; none is decoded yet, and the source has to stay open."""


def name_of(kind: str) -> str | None:
    """The short name of a kind in words; None for kinds that are not written."""
    return _NAME_OF.get(kind)
