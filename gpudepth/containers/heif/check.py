"""Checks depth in a HEIF file against its rules."""

from __future__ import annotations

from dataclasses import dataclass

from ...depth.pixel_format import Quantity
from ...errors import GpudepthError
from ...formats.bytesource import ByteSource
from ...formats.hevc.codec import is_full_range
from ...formats.hevc.depth_sei import UNIFORM_DISPARITY, UNIFORM_Z, DepthRepresentation
from ...formats.hevc.nal import SPS
from ...formats.hevc.parameter_sets import RANGE_EXTENSIONS, Configuration, ProfileTierLevel, level_idc
from ...formats.isobmff.locations import FILE
from .. import apple, apple_rules
from ..apple import DepthMetadata
from ..rules import DECODES, ONE_MAP, PRESENT, Checklist, Finding, Rule, check_file
from .file import DEPTH_URNS, XMP_TYPE, HeifFile
from .reader import read_depth, representation

HEIF, FILES = "ISO/IEC 23008-12", apple_rules.FILES
LIBHEIF_PROPERTIES = 100

URN = Rule("auxc-urn", f"auxC names depth: {DEPTH_URNS[0]}", f"{HEIF} B.2.3; libheif, ImageIO")
AUXL = Rule("auxl", "the depth image refers to the primary picture by auxl", f"{HEIF} 6.4.5; libheif, ImageIO")
ONE_TARGET = Rule("auxl-targets", "auxl has one target", "otherwise libheif 1.15 to 1.17 refuses the file", must=())
HIDDEN = Rule("hidden", "depth and XMP items have the hidden flag", f"ISO/IEC 14496-12 8.11.6; {FILES}")
CDSC = Rule("cdsc", "the depth image's XMP refers to it by cdsc", f"{HEIF} 6.2; {FILES}")
XMP_THERE = Rule("xmp", "an XMP item describes the depth image", FILES)
XMP_PLACE = Rule("xmp-in-mdat", "the XMP is in the file, not in idat",
                 "publicly reported: ImageIO ignores it in idat")
SEI = Rule("sei", "auxC holds a depth representation SEI with the range", f"H.265 G.14.2.3; {FILES}",
           must=("apple-depth", "article", "apple-portrait"))
SEI_PARSES = Rule("sei-parses", "the SEI in auxC can be read",
                  "H.265 G.14.2.3; otherwise libheif refuses the whole file")
SEI_KIND = Rule("sei-kind", "the SEI has the quantity of the XMP: disparity is type 1, depth type 2",
                f"H.265 table G.2; {FILES}")
SEI_RANGE = Rule("sei-range", "SEI and XMP agree on the range", f"{FILES}; readers use either of them")
HEVC = Rule("hevc", "the map is one HEVC image (hvc1)", FILES)
MONOCHROME = Rule("monochrome", "it is coded 4:0:0, in the Range Extensions profile", FILES)
BITS = Rule("bits", "values have 8 bits", f"{FILES}; libheif and FFmpeg read more", must=())
LEVEL = Rule("level", "the HEVC level is the smallest that holds the picture, or that also admits its data",
             f"H.265 A.4; {FILES}", must=())
FULL_RANGE = Rule("full-range", "video_full_range_flag is set", f"{FILES}; otherwise readers may stretch the codes")
PIXI = Rule("pixi", "pixi declares one channel with the coded bits", f"{HEIF} 6.5.6; {FILES}")
TURNED = Rule("orientation", "irot and imir are those of the picture", f"{HEIF} 6.5.10; {FILES}")
ESSENTIAL = Rule("essential", "hvcC, auxC, irot and imir are marked essential", f"{HEIF} 6.5; {FILES}")
FEW_PROPERTIES = Rule("properties", f"at most {LIBHEIF_PROPERTIES} property boxes", "libheif 1.23", must=())


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Check a file against the rules; damage becomes a finding at its place."""
    return check_file(source, profile, HeifFile, lambda out, file: _Check(out, file).run(), where="meta")


@dataclass
class _Check:
    out: Checklist
    file: HeifFile

    def run(self) -> None:
        file, out = self.file, self.out
        depth = file.depth_items()
        strays = self._strays(depth)
        self._stray_packets({*depth, *strays})
        if not out.test(PRESENT, bool(depth), "meta/iref", "no auxiliary image of the primary picture is depth"):
            return
        out.test(ONE_MAP, len(depth) == 1, "meta/iref", f"items {', '.join(map(str, depth))}")
        out.test(FEW_PROPERTIES, len(file.meta.properties.boxes) <= LIBHEIF_PROPERTIES, "meta/iprp/ipco",
                 f"{len(file.meta.properties.boxes)} of them")
        for item in depth:
            self._item(item)

    def _strays(self, depth: list[int]) -> list[int]:
        """Report and return depth images that readers will not find: with a wrong URN or auxl."""
        meta, file, out = self.file.meta, self.file, self.out
        others = {i: urn[0] for i in meta.items
                  if i not in depth and i != meta.primary and (urn := file.urn(i)) is not None}
        unreferenced = [i for i, urn in others.items() if urn in DEPTH_URNS]
        wrong_urn = [i for i, urn in others.items()
                     if urn not in DEPTH_URNS and any(map(self._packet, file.metadata_of(i)))]
        out.test(URN, not wrong_urn, self._path(wrong_urn[0], "auxC") if wrong_urn else "meta/iprp",
                 "; ".join(f"item {i} has depth metadata but is {others[i]!r}" for i in wrong_urn))
        out.test(AUXL, not unreferenced, "meta/iref", "; ".join(
            f"depth item {i} refers to {meta.targets('auxl', i) or 'nothing'} instead of primary picture {meta.primary}"
            for i in unreferenced))
        return unreferenced + wrong_urn

    def _stray_packets(self, images: set[int]) -> None:
        """Report depth metadata that describes none of these images."""
        meta = self.file.meta
        packets = [i for i, info in meta.items.items()
                   if info.content_type == XMP_TYPE and self._packet(i) is not None]
        astray = [(i, targets) for i in packets if images.isdisjoint(targets := meta.targets("cdsc", i))]
        self.out.test(CDSC, not astray, "meta/iref", "; ".join(
            f"XMP item {i} holds depth metadata but refers to {t or 'nothing'}" for i, t in astray))

    def _packet(self, item: int) -> DepthMetadata | None:
        """Return the depth metadata of an XMP item, or None when it has none."""
        from ...formats import xmp

        try:
            packet = xmp.parse(self.file.data(item, "max_xmp"), f"XMP item {item}", self.file.source.limits)
            about = apple.parse(packet) if packet.has(apple.APDI) else None
        except GpudepthError:
            return None
        return about if about is not None and about.native is not None else None

    def _path(self, item: int, kind: str) -> str:
        box = self.file.meta.properties.first(item, kind)
        return box.path if box is not None else f"meta/iprp: item {item}"

    def _item(self, item: int) -> None:
        out, meta = self.out, self.file.meta
        packets = self.file.metadata_of(item)
        out.test(ONE_TARGET, len(meta.targets("auxl", item)) == 1, f"meta/iref: auxl of {item}",
                 f"{meta.targets('auxl', item)}")
        shown = [i for i in (item, *packets) if not meta.items[i].hidden]
        out.test(HIDDEN, not shown, f"meta/iinf: item {(shown or [item])[0]}", f"items {shown} are not hidden")
        bits, size = self._coding(item)
        about = self._metadata(item, packets, bits, size)
        self._range(item, about)
        frame = self.file.window(meta.primary)[2:]
        if size is not None:
            out.check_aspect(size, frame, self._path(item, "ispe"))
        out.test(TURNED, self.file.orientation(item) == self.file.orientation(meta.primary), self._path(item, "irot"),
                 f"orientation {self.file.orientation(item)}; the picture's is {self.file.orientation(meta.primary)}")
        kinds = [(meta.properties.boxes[n - 1].kind, essential) for n, essential in meta.properties.associations[item]]
        lax = [k for k, essential in kinds if k in ("hvcC", "auxC", "irot", "imir") and not essential]
        out.test(ESSENTIAL, not lax, f"meta/iprp/ipma: item {item}", f"{', '.join(lax)} are not")
        apple_rules.check_rendered(out, self.file.exif().custom_rendered, "Exif")
        self._values(item)

    def _coding(self, item: int) -> tuple[int | None, tuple[int, int] | None]:
        """Return (bits, (width, height)) of the coded map, as far as they can be determined."""
        out, file = self.out, self.file
        try:
            size = file.window(item)[2:]
        except GpudepthError as error:
            out.broken(DECODES, error, f"item {item}")
            return None, None
        box = file.meta.properties.first(item, "hvcC")
        if not out.test(HEVC, box is not None, f"item {item}", f"it is a {file.meta.items[item].type!r} item"):
            return None, size
        assert box is not None
        try:
            configuration = Configuration.parse(box.payload, box.path)
            sequence, sps = configuration.sequence(), configuration.first(SPS)
            tier = ProfileTierLevel.of(sps or b"")
            data = file.coded(item, configuration)
            full = is_full_range(configuration, data, file.source.limits, f"item {item}")
        except GpudepthError as error:
            out.broken(DECODES, error, box.path)
            return None, size
        out.test(MONOCHROME, sequence.chroma_format == 0 and tier.profile & 31 == RANGE_EXTENSIONS, box.path,
                 f"chroma format {sequence.chroma_format}, profile {tier.profile & 31}")
        out.test(BITS, sequence.bit_depth == 8, box.path, f"{sequence.bit_depth}")
        samples = sequence.coded_width * sequence.coded_height
        level = level_idc(samples)
        out.test(LEVEL, tier.level in (level, level_idc(samples, len(data), sequence.bit_depth)), box.path,
                 f"{tier.level}; {level} would suffice")
        out.test(FULL_RANGE, full, f"{box.path}/SPS", "the codes are declared as limited range")
        pixi = file.meta.properties.first(item, "pixi")
        out.test(PIXI, pixi is not None and pixi.payload[4:] == bytes([1, sequence.bit_depth]),
                 self._path(item, "pixi"), "missing" if pixi is None else pixi.payload[4:].hex())
        return sequence.bit_depth, size

    def _metadata(self, item: int, packets: list[int], bits: int | None,
                  size: tuple[int, int] | None) -> DepthMetadata | None:
        out, file = self.out, self.file
        if not out.test(XMP_THERE, bool(packets), "meta/iref", f"no XMP item refers to depth item {item}"):
            return None
        about = None
        for i in packets:
            location = file.meta.locations.items.get(i)
            out.test(XMP_PLACE, location is not None and location.method == FILE, f"meta/iloc: item {i}",
                     "it has no location" if location is None else f"construction method {location.method}")
            found = apple_rules.check(out, file.data(i, "max_xmp"), f"XMP item {i}", bits=bits, size=size,
                                      limits=file.source.limits)
            about = about or found
        return about

    def _range(self, item: int, about: DepthMetadata | None) -> None:
        out, where = self.out, self._path(item, "auxC")
        try:
            sei = representation(self.file, item)
        except GpudepthError as error:
            out.broken(SEI_PARSES, error, where)
            return
        out.test(SEI_PARSES, True, where)
        if not out.test(SEI, sei is not None, where, "auxC only holds the URN") or sei is None or about is None:
            return
        if about.native is None or about.float_min is None or about.float_max is None:
            return
        disparity = about.native.quantity is Quantity.DISPARITY
        out.test(SEI_KIND, sei.kind == (UNIFORM_DISPARITY if disparity else UNIFORM_Z), where,
                 f"type {sei.kind} with {about.native}")
        theirs, ours = _ends(sei, disparity=disparity), (about.float_min, about.float_max)
        out.test(SEI_RANGE, theirs is not None and _same(theirs, ours), where,
                 "the SEI has no range" if theirs is None else
                 f"SEI {theirs[0]:.6f} to {theirs[1]:.6f}, XMP {ours[0]:.6f} to {ours[1]:.6f}")

    def _values(self, item: int) -> None:
        if item != self.file.depth_items()[-1]:     # readers use the last one
            return
        data = self.out.decoded(f"item {item}", lambda: read_depth(self.file))
        if data is not None:
            self.out.check_values(data, f"item {item}")


def _ends(sei: DepthRepresentation, *, disparity: bool) -> tuple[float, float] | None:
    lo, hi = (sei.d_min, sei.d_max) if disparity else (sei.z_near, sei.z_far)
    return None if lo is None or hi is None else (lo, hi)


def _same(sei: tuple[float, float], xmp: tuple[float, float]) -> bool:
    """Compare the SEI's 17 bits with the XMP's six decimals."""
    return all(abs(a - b) <= 6e-7 + abs(a) * 2.0**-16 for a, b in zip(sei, xmp, strict=True))
