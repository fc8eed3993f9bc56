"""Checks depth in a DNG file against its rules. Adobe's SDK refuses files with an error in the depth directory."""

from __future__ import annotations

from dataclasses import dataclass

from ...formats.bytesource import ByteSource
from ...formats.exif import ORIENTATION
from ...formats.tiff import RATIONAL, SHORT, Ifd
from ..rules import ONE_MAP, PRESENT, Checklist, Finding, Rule, check_file
from . import codec
from . import file as tags
from .codec import read_depth
from .file import DEPTH_TAGS, DngFile

DNG, SDK = "DNG 1.7.1", "otherwise Adobe's SDK refuses the file"
DEPTH_VERSION, JPEG_XL_VERSION = (1, 5, 0, 0), (1, 7, 0, 0)
COMPRESSIONS = {codec.NONE: "none", codec.LOSSLESS_JPEG: "lossless JPEG", codec.DEFLATE: "Deflate",
                codec.JPEG_XL: "JPEG XL"}
PREDICTORS = (1, 2, 34892, 34893)

_TYPES = {tags.DEPTH_NEAR: RATIONAL, tags.DEPTH_FAR: RATIONAL}

MAIN = Rule("main-image", "exactly one directory has NewSubFileType 0", f"{DNG}, p. 20")
TYPE = Rule("new-subfile-type", "the map's NewSubFileType is 8", f"{DNG}, p. 16 and 20")
TREE = Rule("sub-ifd", "the map is a SubIFD of IFD 0, and no SubIFD is chained to another", f"{DNG}, p. 12")
VERSION = Rule("dng-version", "DNGVersion is 1.5.0.0 or later, 1.7.0.0 or later with JPEG XL", f"{DNG}, p. 21; {SDK}")
BACKWARD = Rule("dng-backward-version", "DNGBackwardVersion is not raised for depth, which readers may ignore",
                f"{DNG}, p. 125", must=())
PHOTOMETRIC = Rule("photometric", "PhotometricInterpretation is 51177", f"{DNG}, p. 22; {SDK}")
SAMPLES = Rule("samples", "one channel of 8 or 16 bits, unsigned integers", f"{DNG}, p. 16; {SDK}")
COMPRESSION = Rule("compression", f"Compression is {', '.join(f'{k} ({v})' for k, v in COMPRESSIONS.items())}",
                   f"{DNG}, p. 21; {SDK}")
PREDICTOR = Rule("predictor", "Predictor is 1 or 2, or one of DNG's own", f"{DNG}, p. 21")
IN_IFD_0 = Rule("depth-tags", "DepthFormat, DepthNear, DepthFar, DepthUnits and DepthMeasureType are in IFD 0 and "
                              "only there", f"{DNG}, p. 68 to 70")
TYPES = Rule("depth-tag-types", "DepthNear and DepthFar are RATIONAL, the others SHORT", f"{DNG}, p. 68 to 70")
FORMAT = Rule("depth-format", "DepthFormat is 1 (Linear) or 2 (Inverse)", f"{DNG}, p. 68; 0 does not define distances")
RANGE = Rule("range", "DepthNear and DepthFar are known, in order, and fit DepthFormat", f"{DNG}, p. 69")
UNITS = Rule("depth-units", "DepthUnits is 0 (unknown) or 1 (metres)", f"{DNG}, p. 69")
MEASURE = Rule("depth-measure-type", "DepthMeasureType is 1 (optical axis)", f"{DNG}, p. 70: 2 is the optical ray",
               must=())
SMALLER = Rule("smaller", "the map has fewer pixels than the raw image", "dcraw uses the largest image as the photo")
TURNED = Rule("orientation", "Orientation is in IFD 0 only", f"{DNG}, p. 16: the map has the raw image's", must=())


def check(source: ByteSource, profile: str | None) -> list[Finding]:
    """Check a file against the rules; damage becomes a finding at its place."""
    return check_file(source, profile, DngFile, lambda out, file: _Check(out, file).run(), where="IFD0")


@dataclass
class _Check:
    out: Checklist
    file: DngFile

    def run(self) -> None:
        out, file = self.out, self.file
        maps = file.full_depth_ifds()
        self._kinds(maps)
        if not out.test(PRESENT, bool(maps), "IFD0: tag 330", "no directory has NewSubFileType 8"):
            return
        out.test(ONE_MAP, len(maps) == 1, maps[-1].path, f"{len(maps)} directories have NewSubFileType 8")
        self._tree(maps)
        for ifd in maps:
            self._coding(ifd)
        if self._depth_tags():
            self._range()
        self._size(maps[0])
        data = out.decoded(maps[0].path, lambda: read_depth(file))
        if data is not None:
            out.check_values(data, maps[0].path)

    def _kinds(self, maps: list[Ifd]) -> None:
        out, file = self.out, self.file
        main = [i for i in file.ifds if file.kind(i) == tags.MAIN and i.has(tags.IMAGE_WIDTH)]
        out.test(MAIN, len(main) == 1, "IFD0", f"{len(main)} have it: {', '.join(i.path for i in main)}")
        strays = [i for i in file.ifds if i not in maps and file.kind(i) != tags.SMALLER_DEPTH
                  and file.tiff.integer(i, tags.PHOTOMETRIC, 0) == tags.PHOTOMETRIC_DEPTH]
        out.test(TYPE, not strays, strays[0].path if strays else "IFD0",
                 "; ".join(f"{i.path} holds depth but has NewSubFileType {file.kind(i)}" for i in strays))

    def _tree(self, maps: list[Ifd]) -> None:
        file, subs = self.file, self.file.tiff.sub_ifds(self.file.ifd0)
        wrong = [(i.path, f"{i.path} is a depth map") for i in maps if i.offset not in subs or i is file.ifd0]
        wrong += [(i.path, f"{i.path} has {i.next:,} as the next directory")
                  for i in file.ifds if "SubIFD" in i.path and i.next]
        self.out.test(TREE, not wrong, wrong[0][0] if wrong else maps[0].path, "; ".join(found for _, found in wrong))

    def _coding(self, ifd: Ifd) -> None:
        out, tiff = self.out, self.file.tiff
        self._integer(PHOTOMETRIC, ifd, tags.PHOTOMETRIC, -1, (tags.PHOTOMETRIC_DEPTH,))
        bits, samples, kind = (tiff.integer(ifd, tag, 1) for tag in (
            codec.BITS_PER_SAMPLE, codec.SAMPLES_PER_PIXEL, codec.SAMPLE_FORMAT))
        out.test(SAMPLES, bits in (8, 16) and samples == 1 and kind == 1, f"{ifd.path}: tag {codec.BITS_PER_SAMPLE}",
                 f"{samples} channels of {bits} bits, SampleFormat {kind}")
        compression = self._integer(COMPRESSION, ifd, codec.COMPRESSION, 1, tuple(COMPRESSIONS))
        self._integer(PREDICTOR, ifd, codec.PREDICTOR, 1, PREDICTORS)
        version, least = self.file.version, JPEG_XL_VERSION if compression == codec.JPEG_XL else DEPTH_VERSION
        out.test(VERSION, version >= least, "IFD0: tag 50706", f"it is {'.'.join(map(str, version))}")
        out.test(TURNED, not ifd.has(ORIENTATION), f"{ifd.path}: tag {ORIENTATION}", "the map has its own")

    def _integer(self, rule: Rule, ifd: Ifd, tag: int, default: int, allowed: tuple[int, ...]) -> int:
        """Apply a rule about the value of a tag; return the value."""
        value = self.file.tiff.integer(ifd, tag, default)
        self.out.test(rule, value in allowed, f"{ifd.path}: tag {tag}", f"it is {value}")
        return value

    def _depth_tags(self) -> bool:
        """Check the place and types of the depth tags; return whether the types are right."""
        out, file = self.out, self.file
        elsewhere = [f"{i.path}: tag {t}" for i in file.ifds if i is not file.ifd0 for t in DEPTH_TAGS if i.has(t)]
        missing = [t for t in DEPTH_TAGS if not file.ifd0.has(t)]
        out.test(IN_IFD_0, not elsewhere and not missing, elsewhere[0] if elsewhere else "IFD0",
                 f"{', '.join(map(str, missing))} missing" if missing else f"also at {', '.join(elsewhere)}")
        wrong = [e for e in file.ifd0.entries if e.tag in DEPTH_TAGS and e.type != _TYPES.get(e.tag, SHORT)]
        return out.test(TYPES, not wrong, f"IFD0: tag {wrong[0].tag if wrong else tags.DEPTH_NEAR}",
                        ", ".join(f"{e.tag} has type {e.type}" for e in wrong))

    def _range(self) -> None:
        out, tiff, ifd0 = self.out, self.file.tiff, self.file.ifd0
        form = self._integer(FORMAT, ifd0, tags.DEPTH_FORMAT, 0, (tags.FORMAT_LINEAR, tags.FORMAT_INVERSE))
        near, far = (tiff.rational(ifd0, t) or (0, 0) for t in (tags.DEPTH_NEAR, tags.DEPTH_FAR))
        known = near != (0, 0) and far != (0, 0) and near[1] != 0
        fits = known and near[0] * far[1] <= far[0] * near[1] and (near[0] > 0 if form != 1 else far[1] > 0)
        out.test(RANGE, fits, f"IFD0: tag {tags.DEPTH_NEAR}", f"{near[0]}/{near[1]} to {far[0]}/{far[1]}")
        self._integer(UNITS, ifd0, tags.DEPTH_UNITS, 0, (0, 1))
        self._integer(MEASURE, ifd0, tags.DEPTH_MEASURE_TYPE, 0, (1,))
        backward = tiff.integers(ifd0, 50707) or (1, 0, 0, 0)
        out.test(BACKWARD, backward < DEPTH_VERSION, "IFD0: tag 50707", f"it is {'.'.join(map(str, backward))}")

    def _size(self, ifd: Ifd) -> None:
        out, file = self.out, self.file
        width, height = file.size(ifd)
        raw = file.size(file.main())
        out.test(SMALLER, width * height < raw[0] * raw[1], ifd.path, f"{width}×{height}, the image {raw[0]}×{raw[1]}")
        out.check_aspect((width, height), file.active_area(), ifd.path)
