"""Handles Portrait mode in HEIF: what a photo provides as a donor, and the Exif tag that marks it."""

from __future__ import annotations

from ...errors import GpudepthError, NoDepthError
from ...formats import exif
from .. import apple
from ..base import Donor
from .file import HeifFile
from .reader import read_depth
from .rewrite import Rewriter

PORTRAIT = 9  # CustomRendered; 8 and 9 are seen in photos of Portrait mode, and 9 is reported to be accepted


def donor(file: HeifFile) -> Donor:
    """Return what a photo provides as a donor. Raises NoDepthError, UnsupportedError."""
    data = read_depth(file)
    packets = file.metadata_of(file.depth_items()[-1]) if data is not None else []
    if data is None or not packets:
        raise NoDepthError("the photo cannot be a donor: it has no depth with Apple's metadata")
    return apple.donor(file.data(packets[0], "max_xmp"), f"XMP item {packets[0]}", file.exif().custom_rendered,
                       data.storage, file.source.limits)


def mark(file: HeifFile, edit: Rewriter, donor: Donor | None) -> list[str]:
    """Set Exif CustomRendered to the donor's value; return descriptions of what changed."""
    value = PORTRAIT if donor is None or donor.custom_rendered is None else donor.custom_rendered
    old = file.exif().custom_rendered
    if old == value:
        return []
    change = f"Exif CustomRendered: {'none' if old is None else old} → {value}"
    for item in file.meta.to("cdsc", file.meta.primary):
        if item in file.meta.items and file.meta.items[item].type == "Exif":
            data = file.data(item, "max_metadata")
            at = 4 + int.from_bytes(data[:4], "big")
            try:
                edit.put(item, data[:at] + _set(data[at:], value))
            except GpudepthError as error:
                raise error.within(f"Exif item {item}") from None
            return [change]
    item = edit.add("Exif", (6).to_bytes(4, "big") + exif.HEADING + exif.with_custom_rendered(b"", value))
    edit.refer("cdsc", item, file.meta.primary)
    return [f"{change} (a new Exif item)"]


def _set(block: bytes, value: int) -> bytes:
    heading = exif.HEADING if block.startswith(exif.HEADING) else b""
    return heading + exif.with_custom_rendered(block[len(heading) :], value)
