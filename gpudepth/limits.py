"""One record of limits, checked from headers before anything is decoded. 0 switches a limit off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import LimitError


@dataclass(frozen=True)
class Limits:
    """What a single input may ask for.

    max_pixels          pixels of a picture or a map, from its header (2^28: above the 200 MP of today's phones)
    max_decoded_bytes   width x height x channels x item size, before decoding
    max_file            bytes of an input file
    max_items           items in a HEIF file, for reading and writing alike (libheif's own limit is 1000)
    max_nesting         depth of nested boxes
    max_extents         extents per HEIF item
    max_xmp             bytes of one XMP packet
    max_samples         frames of one track of a movie (2^22: 19 hours at 60 a second)
    max_movie           bytes of a movie file, of which little is read at once; max_file is not asked
    max_moov            bytes of a movie's description, where it is rewritten
    max_archive         bytes of a zip or tar archive, of which one member is read at a time; max_file is for that
    max_members         members of an archive
    max_ratio           bytes that one packed byte of an archive may become, of members of more than 16 MiB
    """

    max_pixels: int = 1 << 28
    max_decoded_bytes: int = 2 << 30
    max_file: int = 2 << 30
    max_items: int = 1000
    max_nesting: int = 20
    max_extents: int = 32
    max_xmp: int = 16 << 20
    max_samples: int = 1 << 22
    max_movie: int = 1 << 40
    max_moov: int = 256 << 20
    max_archive: int = 1 << 40
    max_members: int = 1 << 20
    max_ratio: int = 200

    def check(self, name: str, value: int, *, where: str | None = None) -> None:
        """Raise LimitError naming the limit and the value, when `value` exceeds limit `name`."""
        limit = getattr(self, name)
        if limit and value > limit:
            raise LimitError(f"asks for {value:,}, limits.{name} is {limit:,}", where=where,
                             hint=f"raise limits.{name} if the file can be trusted")

    def check_picture(self, width: int, height: int, bytes_per_pixel: int, *, where: str | None = None) -> None:
        """Check the dimensions a header declares."""
        self.check("max_pixels", width * height, where=where)
        self.check("max_decoded_bytes", width * height * bytes_per_pixel, where=where)
        ASKED.before_decoding(width * height * bytes_per_pixel)


@dataclass
class Asked:
    """Who is told of every picture before it is decoded: in the workers of a run, what bounds the bytes in flight."""

    before_decoding: Callable[[int], None] = lambda size: None


ASKED = Asked()
DEFAULT = Limits()
