"""Handles Portrait mode in JPEG files: what a photo provides as a donor, and the Exif tag that marks it."""

from __future__ import annotations

from ...depth.data import Storage
from ...depth.pixel_format import L008
from ...errors import GpudepthError, NoDepthError
from ...formats import exif, jpeg
from .. import apple
from ..base import Donor
from .file import JpegFile

PORTRAIT = 9  # CustomRendered, as seen in photos of Portrait mode


def donor(file: JpegFile) -> Donor:
    """Return what a photo provides as a donor. Raises NoDepthError, UnsupportedError."""
    found = file.depth_images()
    packet = found[0].stream.xmp() if found else None
    if not found or packet is None or found[0].about is None:
        raise NoDepthError("the photo cannot be a donor: it has no depth with Apple's metadata")
    lo, hi = found[0].about.float_min, found[0].about.float_max
    storage = Storage(L008, lo, hi) if lo is not None and hi is not None else None
    return apple.donor(packet, f"MPF image {found[0].index + 1}: XMP", file.exif().custom_rendered, storage,
                       file.source.limits)


def mark(file: JpegFile, donor: Donor | None) -> tuple[bytes | None, list[str]]:
    """Return the Exif segment with the donor's CustomRendered (None if unchanged), and descriptions of what changed."""
    value = PORTRAIT if donor is None or donor.custom_rendered is None else donor.custom_rendered
    old = file.exif().custom_rendered
    if old == value:
        return None, []
    segment = file.primary.find(jpeg.APP1, jpeg.EXIF)
    block = segment.payload[len(jpeg.EXIF) :] if segment else b""
    try:
        new = jpeg.make(jpeg.APP1, jpeg.EXIF + exif.with_custom_rendered(block, value))
    except GpudepthError as error:
        raise error.within("APP1 Exif") from None
    made = "" if segment else " (a new Exif segment)"
    return new, [f"Exif CustomRendered: {'none' if old is None else old} → {value}{made}"]
