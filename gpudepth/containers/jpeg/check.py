"""Checks depth in a JPEG file against its rules: Apple's layout, and Google's beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...depth.data import DepthData, Storage
from ...depth.pixel_format import stored
from ...errors import GpudepthError
from ...formats import jpeg, mpf
from ...formats.bytesource import ByteSource
from ...formats.mpf import BASELINE_PRIMARY
from .. import apple, apple_rules
from ..google.check import check_dynamic_depth, check_gdepth
from ..rules import DECODES, ONE_MAP, PRESENT, STRUCTURE, Checklist, Finding, Rule, check_file
from . import image
from .file import FurtherImage, JpegFile

APPLE = ("apple-depth", "article", "apple-portrait")
_LAYOUT = {"gdepth": "GDepth", "dynamic-depth": "Dynamic Depth"}
FILES, CIPA = apple_rules.FILES, "CIPA DC-007"

OFFSETS = Rule("mpf-offsets", "every image in the MPF starts at its offset", f"{CIPA} 5.2.3.3; {FILES}")
COUNT = Rule("mpf-count", "NumberOfImages is the number of entries", f"{CIPA} 5.2.3.2")
PRIMARY = Rule("mpf-primary", "the first entry is the primary image: attribute 030000, offset 0",
               f"{CIPA} 5.2.3.3; {FILES}")
LENGTH = Rule("mpf-length", "the first entry's size is the primary image's", f"{CIPA}; wrong in some of Apple's files",
              must=())
PACKED = Rule("mpf-packed", "each image starts where the one before it ends", FILES, must=())
AMPF = Rule("ampf", "the JFIF segment ends with AMPF", f"{FILES} that has an MPF", must=())
GRAY = Rule("gray-baseline", "the depth image is baseline JPEG, one component of 8 bits", FILES, must=APPLE)
RESTARTS = Rule("restart-interval", "the depth image has a restart interval", FILES, must=())
STUB = Rule("mpf-of-image", "the depth image's own MPF has the number of images", f"{FILES} from a camera",
            must=())
NO_EXIF = Rule("exif-of-image", "the depth image has no Exif, because the primary's orientation applies", FILES)
AGREE = Rule("layouts-agree", "the layouts hold the same map", "readers use either of them")


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Check a file against the rules; damage becomes a finding at its place."""
    return check_file(source, profile, JpegFile, lambda out, file: _Check(out, file).run(), where="SOI")


@dataclass
class _Check:
    out: Checklist
    file: JpegFile

    def run(self) -> None:
        out, file, profile = self.out, self.file, self.out.profile
        if file.mpf is not None or file.missing:
            self._index()
        if file.damage is not None:
            out.broken(STRUCTURE, file.damage, "APP1 XMP")
        layouts = self._layouts()
        wanted = _LAYOUT.get(profile, "Apple's") if profile else None
        there = bool(layouts) if wanted is None else wanted in layouts
        out.test(PRESENT, there, "the whole file", "there is no depth" if not layouts else
                 f"it holds {', '.join(layouts)}, but not {wanted}")
        maps = {name: data for name, data in layouts.items() if data is not None}
        self._agree(maps)
        for name, data in maps.items():
            out.check_values(data, name)

    def _layouts(self) -> dict[str, DepthData | None]:
        """Check each layout of depth in the file; return its map if it can be read."""
        out, file = self.out, self.file
        found: dict[str, DepthData | None] = {}
        depth = file.depth_images()
        if depth:
            out.test(ONE_MAP, len(depth) == 1, "APP2 MPF", f"images {', '.join(str(i.index + 1) for i in depth)}")
            found["Apple's"] = self._image(depth[0])
        if file.has_dynamic_depth() and file.dynamic is not None:
            found["Dynamic Depth"] = check_dynamic_depth(out, file.dynamic, file.primary, file.source)
        if file.has_gdepth():
            found["GDepth"] = check_gdepth(out, file.primary, file.packets, file.source)
        return found

    def _index(self) -> None:
        out, file = self.out, self.file
        out.test(OFFSETS, not file.missing, "APP2 MPF", "; ".join(file.missing))
        if file.mpf is None or not file.mpf.entries:
            return
        first = file.mpf.entries[0]
        out.test(COUNT, file.mpf.count == len(file.mpf.entries), "APP2 MPF",
                 f"{file.mpf.count}, but there are {len(file.mpf.entries)} entries")
        out.test(PRIMARY, first.attribute & 0xFFFFFF == BASELINE_PRIMARY and first.offset == 0, "APP2 MPF: entry 1",
                 f"attribute {first.attribute:08x}, offset {first.offset:,}")
        out.test(LENGTH, first.size == file.primary.size, "APP2 MPF: entry 1",
                 f"{first.size:,}, but it has {file.primary.size:,} bytes")
        ends = {file.primary.end, file.items_end, *(i.stream.end for i in file.images)}
        loose = [i for i in file.images if i.stream.start not in ends]
        out.test(PACKED, not loose, f"image {loose[0].index + 1}" if loose else "APP2 MPF",
                 ", ".join(f"image {i.index + 1} at {i.stream.start:,}" for i in loose))
        jfif = file.primary.find(jpeg.APP0, jpeg.JFIF)
        if jfif is not None:
            out.test(AMPF, jfif.payload.endswith(b"AMPF"), "APP0 JFIF", f"it has {len(jfif.payload)} bytes of payload")

    def _image(self, found: FurtherImage) -> DepthData | None:
        out, file, stream = self.out, self.file, found.stream
        where, frame = f"MPF image {found.index + 1}", found.stream.frame
        gray = frame.marker == 0xC0 and frame.components == 1 and frame.bits == 8
        out.test(GRAY, gray, f"{where}: SOF{frame.marker - 0xC0}",
                 f"{frame.components} components of {frame.bits} bits")
        out.test(RESTARTS, stream.find(jpeg.DRI) is not None, where, "it has none")
        stub = stream.find(jpeg.APP2, jpeg.MPF)
        count = None
        if stub is not None:
            try:
                count = mpf.parse(stub.payload).count
            except GpudepthError as error:
                out.broken(STUB, error, f"{where}: APP2 MPF")
        total = file.mpf.count if file.mpf is not None else 0
        out.test(STUB, count == total, f"{where}: APP2 MPF", f"{'it has none' if count is None else count}, of {total}")
        out.test(NO_EXIF, stream.find(jpeg.APP1, jpeg.EXIF) is None, f"{where}: APP1 Exif", "it has one")
        size = frame.width, frame.height
        about = apple_rules.check(out, stream.xmp() or b"", f"{where}: XMP", bits=frame.bits, size=size,
                                  limits=file.source.limits)
        primary = file.primary.frame
        out.check_aspect(size, (primary.width, primary.height), where)
        apple_rules.check_rendered(out, file.exif().custom_rendered, "APP1 Exif")
        try:
            codes, bits = image.decode(file.source, stream, file.source.limits)
        except GpudepthError as error:
            out.broken(DECODES, error, where)
            return None
        out.test(DECODES, True, where)
        if about is None or about.native is None or about.float_min is None or about.float_max is None:
            return None
        try:
            return apple.depth_data(codes, Storage(stored(bits), about.float_min, about.float_max), about.native, about,
                                    orientation=1, frame=(primary.width, primary.height))
        except GpudepthError as error:
            out.broken(DECODES, error, where)
            return None

    def _agree(self, maps: dict[str, DepthData]) -> None:
        """Compare every map with the first: JPEG coding changes a few codes, another map many."""
        if len(maps) < 2:
            return
        (name, first), *others = maps.items()
        for other, data in others:
            difference = _difference(first, data)
            self.out.test(AGREE, not difference, other, f"{other} and {name} differ: {difference}")


def _difference(a: DepthData, b: DepthData) -> str:
    """Describe the difference of two maps; "" when they are the same apart from coding."""
    if (a.width, a.height) != (b.width, b.height):
        return f"{b.width}×{b.height} and {a.width}×{a.height} pixels"
    values: list[Any] = [d.disparity().astype(np.float64) for d in (a, b)]
    span = float(values[0].max() - values[0].min())
    if not np.isfinite(span):
        return "not finite"
    off = float(np.abs(values[0] - values[1]).mean())
    return f"by {off:.3g} 1/m on average, in a range of {span:.3g}" if off > max(span / 64, 1e-6) else ""
