"""Parses a HEIF file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ...depth import orientation
from ...errors import GpudepthError, MalformedError, TruncatedError, UnsupportedError, located
from ...formats import exif
from ...formats.bytesource import ByteSource
from ...formats.hevc.parameter_sets import Configuration
from ...formats.isobmff.box import Box, Cursor, walk
from ...formats.isobmff.locations import FILE, IDAT, Extent
from ...formats.isobmff.meta import Meta
from .. import base
from ..base import Auxiliary, Picture

# HEVC's own (ISO/IEC 23008-12, B.2.3) and MIAF's codec-independent one; libheif accepts both
DEPTH_URNS = ("urn:mpeg:hevc:2015:auxid:2", "urn:mpeg:mpegB:cicp:systems:auxiliary:depth")
GAIN_MAP_URNS = (base.GAIN_MAP_URN,)
KINDS = {
    **dict.fromkeys(DEPTH_URNS, "depth"),
    **base.KINDS,
    "urn:mpeg:hevc:2015:auxid:1": "alpha",
    "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha": "alpha",
    "tag:apple.com,2023:photo:aux:linearthumbnail": "linear thumbnail",
    "tag:apple.com,2023:photo:aux:styledeltamap": "style delta map",
}
MAX_META = 64 << 20
XMP_TYPE = b"application/rdf+xml"


class HeifFile:
    """A HEIF file's top-level boxes and meta box; item data is read on demand.

    Raises:
        UnsupportedError: It is an image sequence or a `mini` file.
        MalformedError: It contradicts its format.
        TruncatedError: It ends too early.
        LimitError: It asks for too much.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        with located(source.name):
            self._open()

    def _open(self) -> None:
        source = self.source
        if source.size == 0:
            raise TruncatedError("the file is empty")
        if source.size < 16 or source.read(4, 4) != b"ftyp":
            raise UnsupportedError("not a HEIF file: it does not start with a ftyp box")
        self.boxes = list(walk(source, 0, source.size, "", source.limits))
        kinds = [b.type for b in self.boxes]
        brand = source.read(8, 4).decode("latin-1")
        if "moov" in kinds or "moof" in kinds:
            raise UnsupportedError(f"the file is an image sequence or a video (it has a moov box, brand {brand!r}); "
                                   "only still pictures are supported",
                                   where="moov", hint="export the still picture first")
        if "mini" in kinds:
            raise UnsupportedError("the file is a low-overhead 'mini' file without a meta box, which cannot hold depth",
                                   where="mini", hint="convert it to a plain HEIC or AVIF first")
        if "meta" not in kinds:
            raise UnsupportedError(f"not a HEIF still picture: it has no meta box (brand {brand!r})")
        self.meta_box: Box = next(b for b in self.boxes if b.type == "meta")
        if self.meta_box.size > MAX_META:
            raise MalformedError(f"the meta box has {self.meta_box.size:,} bytes", where="meta")
        payload = source.read(self.meta_box.payload, self.meta_box.end - self.meta_box.payload, "meta")
        self.meta = Meta.parse(payload, "meta", source.limits)
        self._make_extents_explicit()

    def _make_extents_explicit(self) -> None:
        """Replace length 0, which means "to the end of the file", by the length, because data is appended later."""
        for item, location in self.meta.locations.items.items():
            if location.method != FILE or location.data_reference:
                continue
            where = f"meta/iloc: item {item}"
            out = []
            for e in location.extents:
                length = e.length or self.source.size - e.offset
                if e.offset > self.source.size or length < 0 or e.offset + length > self.source.size:
                    raise TruncatedError(f"data at {e.offset:,}…{e.offset + length:,} is outside the file of "
                                         f"{self.source.size:,} bytes", where=where)
                out.append(Extent(e.offset, length, e.index))
            self.meta.locations.items[item] = replace(location, extents=tuple(out))

    def data(self, item: int, limit: str = "max_decoded_bytes") -> bytes:
        """Return an item's bytes, whose number is bounded by limit `limit`.

        Raises MalformedError, TruncatedError, UnsupportedError, LimitError.
        """
        where = f"meta/iloc: item {item}"
        location = self.meta.locations.items.get(item)
        if location is None:
            raise MalformedError("the item has no location", where=where)
        if location.data_reference:
            raise UnsupportedError("the item's data is in another file", where=where)
        total = sum(e.length for e in location.extents)
        self.source.limits.check(limit, total, "bytes", where=where)
        if location.method == FILE:
            if total > self.source.size * 2:
                raise MalformedError(f"the extents add up to {total:,} bytes", where=where)
            return b"".join(self.source.read(e.offset, e.length, f"item {item}") for e in location.extents)
        if location.method == IDAT:
            c = self.meta.idat
            if any(e.offset + e.length > len(c) for e in location.extents):
                raise MalformedError(f"the data exceeds the {len(c)} bytes of idat", where=where)
            return b"".join(c[e.offset : e.offset + e.length if e.length else None] for e in location.extents)
        raise UnsupportedError("the item consists of pieces of another item (construction method 2)", where=where)

    def coded(self, item: int, configuration: Configuration) -> bytes:
        """Return the data of an HEVC item, if not larger than its picture can need. Raises the errors of `data`."""
        location, declared = self.meta.locations.items.get(item), configuration.sequence()
        size = sum(e.length for e in location.extents) if location else 0
        self.source.limits.check_coded(size, declared.coded_width, declared.coded_height,
                                       where=f"meta/iloc: item {item}")
        return self.data(item)

    def stored_size(self, item: int) -> tuple[int, int]:
        """Return (width, height) from ispe, as coded, before clap, irot and imir."""
        ispe = self.meta.properties.first(item, "ispe")
        if ispe is None:
            raise MalformedError("the item has no ispe (size) property", where=f"meta/iprp: item {item}")
        c = Cursor(ispe.payload, ispe.path)
        c.full()
        width, height = c.uint(4), c.uint(4)
        if not (0 < width <= 1 << 17 and 0 < height <= 1 << 17):
            raise MalformedError(f"the size is {width} × {height}", where=ispe.path)
        return width, height

    def window(self, item: int) -> tuple[int, int, int, int]:
        """Return (x, y, width, height) of the part of the coded picture that clap leaves, or all of it."""
        width, height = self.stored_size(item)
        clap = self.meta.properties.first(item, "clap")
        if clap is None:
            return 0, 0, width, height
        c = Cursor(clap.payload, clap.path)
        numbers = []
        for signed in (False, False, True, True):
            n, d = c.uint(4), c.uint(4)
            n -= (1 << 32) if signed and n >> 31 else 0
            if d == 0 or d >> 31:
                raise MalformedError(f"clap divides by {d}", where=clap.path)
            numbers.append(Fraction(n, d))
        w, h, dx, dy = numbers
        x = Fraction(width - 1, 2) + dx - (w - 1) / 2
        y = Fraction(height - 1, 2) + dy - (h - 1) / 2
        out = round(x), round(y), round(w), round(h)
        if out[0] < 0 or out[1] < 0 or out[2] < 1 or out[3] < 1 or out[0] + out[2] > width or out[1] + out[3] > height:
            raise MalformedError(f"clap {out} is outside the {width} × {height} picture", where=clap.path)
        return out

    def orientation(self, item: int) -> int:
        """Return irot and imir, in association order, as an Exif orientation."""
        return orientation.from_heif((p.kind, p.payload[0]) for p in self.meta.properties.of(item)
                                     if p.kind in ("irot", "imir") and p.payload)

    def urn(self, item: int) -> tuple[str, bytes] | None:
        """Return (URN, aux_subtype bytes) from auxC, or None."""
        aux = self.meta.properties.first(item, "auxC")
        if aux is None:
            return None
        c = Cursor(aux.payload, aux.path)
        c.full()
        name = c.cstring() if b"\0" in c.data[4:] else c.rest()
        return name.decode("utf-8", "replace"), c.rest()

    def auxiliaries(self) -> list[tuple[int, str]]:
        """Return (item, URN) of every auxiliary image of the primary; the URN is empty when auxC is missing."""
        return [(i, (self.urn(i) or ("", b""))[0]) for i in dict.fromkeys(self.meta.to("auxl", self.meta.primary))
                if i in self.meta.items and i != self.meta.primary]

    def depth_items(self) -> list[int]:
        return [i for i, urn in self.auxiliaries() if urn in DEPTH_URNS]

    def metadata_of(self, item: int) -> list[int]:
        """Return the XMP items that describe `item`."""
        infos = self.meta.items
        return [i for i in self.meta.to("cdsc", item)
                if i in infos and infos[i].type == "mime" and infos[i].content_type == XMP_TYPE]

    def exif(self) -> exif.Exif:
        """Return the primary's Exif fields; defaults when they are missing or damaged: only hints use them."""
        for i in self.meta.to("cdsc", self.meta.primary):
            if i in self.meta.items and self.meta.items[i].type == "Exif":
                try:
                    return exif.parse_item(self.data(i, "max_metadata"))
                except GpudepthError:
                    break
        return exif.Exif()

    def picture(self) -> Picture:
        _, _, width, height = self.window(self.meta.primary)
        return Picture(width, height, self.orientation(self.meta.primary), self.exif().focal35)

    def describe_auxiliaries(self) -> list[Auxiliary]:
        return [Auxiliary(KINDS.get(urn, "unknown"), urn, *self.stored_size(i)) for i, urn in self.auxiliaries()]
