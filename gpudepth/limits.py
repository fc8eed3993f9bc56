"""One record of limits, checked from headers before anything is decoded. 0 switches a limit off."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import LimitError

CODED_FROM = 1 << 16        # bytes; headers and parameter sets of a coded picture, whatever its size
RATIO_FROM = 128 << 20      # bytes; below, a picture of one colour may be packed as well as its codec can


@dataclass(frozen=True)
class Limits:
    """What a single input may ask for; 0 switches a limit off.

    Attributes:
        max_pixels: Pixels of a picture or a map, from its header (2^28: above the 200 MP of today's phones).
        max_decoded_bytes: Width x height x channels x item size, before decoding.
        max_file: Bytes of an input file.
        max_items: Items in a HEIF file, for reading and writing alike (libheif's own limit is 1000).
        max_children: Boxes side by side, where they are not a list of items (libheif's own limit is 100).
        max_extents: Extents per HEIF item.
        max_references: Items that all references and groups of a HEIF file name, and properties that its items have.
        max_parameter_sets: VPS, SPS and PPS of one picture.
        max_nal_units: NAL units of one picture's data.
        max_coded: Bytes that one pixel of a picture or frame may be coded in; 64 KiB more are no question.
        max_segments: Marker segments of one JPEG image, scans among them.
        max_metadata: Bytes of the marker segments of a JPEG file: colour profiles, extended XMP.
        max_images: Images that a JPEG file's multi-picture index lists.
        max_ifds: Directories of a TIFF file.
        max_entries: Entries of one of these.
        max_values: Numbers that one entry holds.
        max_xmp: Bytes of one XMP packet.
        max_xmp_nesting: Depth of its elements.
        max_xmp_items: Items of one of its arrays.
        max_xmp_elements: Its elements.
        max_xmp_attributes: Its attributes.
        max_list: Bytes of a list of files, and of other text that is read whole.
        max_samples: Frames of one track of a movie (2^22: 19 hours at 60 a second).
        max_movie: Bytes of a movie file, of which little is read at once; max_file is not asked.
        max_moov: Bytes of a movie's description, where it is rewritten.
        max_archive: Bytes of a zip or tar archive, of which one member is read at a time; max_file is for that.
        max_members: Members of an archive.
        max_ratio: Bytes that one packed byte may become: of an archive's members of more than 16 MiB, of other files
            where more than 128 MiB would be decoded.
    """

    max_pixels: int = 1 << 28
    max_decoded_bytes: int = 2 << 30
    max_file: int = 2 << 30
    max_items: int = 1000
    max_children: int = 100
    max_extents: int = 32
    max_references: int = 1 << 16
    max_parameter_sets: int = 256
    max_nal_units: int = 1 << 16
    max_coded: int = 8
    max_segments: int = 4096
    max_metadata: int = 100 << 20
    max_images: int = 64
    max_ifds: int = 64
    max_entries: int = 4096
    max_values: int = 1 << 20
    max_xmp: int = 16 << 20
    max_xmp_nesting: int = 256
    max_xmp_items: int = 1000
    max_xmp_elements: int = 100_000
    max_xmp_attributes: int = 100_000
    max_list: int = 64 << 20
    max_samples: int = 1 << 22
    max_movie: int = 1 << 40
    max_moov: int = 256 << 20
    max_archive: int = 1 << 40
    max_members: int = 1 << 20
    max_ratio: int = 200

    def check(self, name: str, value: int, what: str = "", *, where: str | None = None) -> None:
        """Raise LimitError if `value` (of `what`) exceeds limit `name`."""
        limit = getattr(self, name)
        if limit and value > limit:
            raise LimitError(f"asks for {value:,} {what}".rstrip() + f", limits.{name} is {limit:,}", where=where,
                             hint=f"raise limits.{name} if the file can be trusted")

    def check_picture(self, width: int, height: int, bytes_per_pixel: int, *, where: str | None = None,
                      packed: int | None = None) -> None:
        """Check the dimensions in a header; packed: the bytes of the picture in the file, if it is compressed."""
        self.check("max_pixels", width * height, where=where)
        self.check("max_decoded_bytes", width * height * bytes_per_pixel, where=where)
        if packed is not None:
            self.check_ratio(packed, width * height * bytes_per_pixel, where=where)

    def check_decode(self, width: int, height: int, bytes_per_pixel: float, *, where: str | None = None,
                     packed: int | None = None) -> None:
        """Check a picture as `check_picture` does, then charge the memory that decoding it takes."""
        self.check_picture(width, height, math.ceil(bytes_per_pixel), where=where, packed=packed)
        self.charge(round(width * height * bytes_per_pixel))

    def charge(self, size: int) -> None:
        """Called before `size` bytes of memory are used for pixels. Runs count them; see `batch.memory`."""

    def check_ratio(self, packed: int, unpacked: int, *, at_least: int = RATIO_FROM, where: str | None = None) -> None:
        """Raise LimitError if more than `at_least` bytes are unpacked from too few."""
        if self.max_ratio and unpacked > max(at_least, packed * self.max_ratio):
            raise LimitError(f"{packed:,} bytes unpack to {unpacked:,}, limits.max_ratio is {self.max_ratio:,}",
                             where=where, hint="raise limits.max_ratio if the file can be trusted")

    def check_coded(self, size: int, width: int, height: int, *, where: str | None = None) -> None:
        """Raise LimitError if a picture is coded in more bytes than any codec writes for its size."""
        if self.max_coded and size > self.max_coded * width * height + CODED_FROM:
            raise LimitError(f"{size:,} bytes for a picture of {width}×{height}, limits.max_coded is {self.max_coded}",
                             where=where, hint="raise limits.max_coded if the file can be trusted")


DEFAULT = Limits()
