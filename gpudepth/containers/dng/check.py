"""Checks depth in a DNG file against its rules. Adobe's SDK refuses files with an error in the depth directory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import GpudepthError
from ...formats.bytesource import ByteSource
from ...formats.exif import ORIENTATION
from ...formats.tiff import RATIONAL, SHORT, Ifd
from ..rules import (
    ASPECT,
    DECODES,
    ONE_MAP,
    PRESENT,
    STRUCTURE,
    VALUES,
    VARIES,
    Checklist,
    Finding,
    Rule,
    same_aspect,
)
from . import codec
from . import file as tags
from .file import DEPTH_TAGS, DngFile
from .reader import read_depth

DNG, SDK = "DNG 1.7.1", "otherwise Adobe's SDK refuses the file"
DEPTH_VERSION, JPEG_XL_VERSION = (1, 5, 0, 0), (1, 7, 0, 0)
COMPRESSIONS = {codec.NONE: "none", codec.LOSSLESS_JPEG: "lossless JPEG", codec.DEFLATE: "Deflate",
                codec.JPEG_XL: "JPEG XL"}
PREDICTORS = (1, 2, 34892, 34893)

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
    out = Checklist(profile, source.name)
    try:
        file = DngFile(source)
        out.test(STRUCTURE, True, "IFD0")
        _Check(out, file).run()
    except GpudepthError as error:
        out.broken(STRUCTURE, error, source.name)
    return out.findings


@dataclass
class _Check:
    out: Checklist
    file: DngFile

    def run(self) -> None:
        out, file = self.out, self.file
        main = [i for i in file.ifds if file.kind(i) == tags.MAIN and i.has(tags.IMAGE_WIDTH)]
        out.test(MAIN, len(main) == 1, "IFD0", f"{len(main)} have it: {', '.join(i.path for i in main)}")
        maps = file.full_depth_ifds()
        strays = [i for i in file.ifds if i not in maps and file.kind(i) != tags.SMALLER_DEPTH
                  and file.tiff.integer(i, tags.PHOTOMETRIC, 0) == tags.PHOTOMETRIC_DEPTH]
        out.test(TYPE, not strays, strays[0].path if strays else "IFD0",
                 "; ".join(f"{i.path} holds depth but has NewSubFileType {file.kind(i)}" for i in strays))
        if not out.test(PRESENT, bool(maps), "IFD0: tag 330", "no directory has NewSubFileType 8"):
            return
        out.test(ONE_MAP, len(maps) == 1, maps[-1].path, f"{len(maps)} directories have NewSubFileType 8")
        subs = file.tiff.sub_ifds(file.ifd0)
        loose = [i for i in maps if i.offset not in subs or i is file.ifd0]
        chained = [i for i in file.ifds if "SubIFD" in i.path and i.next]
        wrong = [*loose, *chained]
        out.test(TREE, not wrong, wrong[0].path if wrong else maps[0].path,
                 "; ".join([*(f"{i.path} is a depth map" for i in loose),
                            *(f"{i.path} has {i.next:,} as the next directory" for i in chained)]))
        for ifd in maps:
            self._coding(ifd)
        self._about()
        self._size(maps[0])
        self._values(maps[0])

    def _coding(self, ifd: Ifd) -> None:
        out, tiff = self.out, self.file.tiff

        def get(tag: int, default: int) -> tuple[int, str]:
            return tiff.integer(ifd, tag, default), f"{ifd.path}: tag {tag}"

        photometric, where = get(tags.PHOTOMETRIC, -1)
        out.test(PHOTOMETRIC, photometric == tags.PHOTOMETRIC_DEPTH, where, f"it is {photometric}")
        bits, where = get(codec.BITS_PER_SAMPLE, 1)
        samples, kind = get(codec.SAMPLES_PER_PIXEL, 1)[0], get(codec.SAMPLE_FORMAT, 1)[0]
        out.test(SAMPLES, bits in (8, 16) and samples == 1 and kind == 1, where,
                 f"{samples} channels of {bits} bits, SampleFormat {kind}")
        compression, where = get(codec.COMPRESSION, 1)
        out.test(COMPRESSION, compression in COMPRESSIONS, where, f"it is {compression}")
        predictor, where = get(codec.PREDICTOR, 1)
        out.test(PREDICTOR, predictor in PREDICTORS, where, f"it is {predictor}")
        least = JPEG_XL_VERSION if compression == codec.JPEG_XL else DEPTH_VERSION
        version = self.file.version
        out.test(VERSION, version >= least, "IFD0: tag 50706", f"it is {'.'.join(map(str, version))}")
        out.test(TURNED, not ifd.has(ORIENTATION), f"{ifd.path}: tag {ORIENTATION}", "the map has its own")

    def _about(self) -> None:
        out, file, tiff = self.out, self.file, self.file.tiff
        elsewhere = [f"{i.path}: tag {t}" for i in file.ifds if i is not file.ifd0 for t in DEPTH_TAGS if i.has(t)]
        missing = [t for t in DEPTH_TAGS if not file.ifd0.has(t)]
        out.test(IN_IFD_0, not elsewhere and not missing, elsewhere[0] if elsewhere else "IFD0",
                 f"{', '.join(map(str, missing))} missing" if missing else f"also at {', '.join(elsewhere)}")
        wrong = [e for t in DEPTH_TAGS if (e := file.ifd0.find(t)) is not None
                 and e.type != (RATIONAL if t in (tags.DEPTH_NEAR, tags.DEPTH_FAR) else SHORT)]
        if not out.test(TYPES, not wrong, f"IFD0: tag {wrong[0].tag if wrong else tags.DEPTH_NEAR}",
                        ", ".join(f"{e.tag} has type {e.type}" for e in wrong)):
            return
        form = tiff.integer(file.ifd0, tags.DEPTH_FORMAT, 0)
        out.test(FORMAT, form in (1, 2), f"IFD0: tag {tags.DEPTH_FORMAT}", f"it is {form}")
        near, far = (tiff.rational(file.ifd0, t) or (0, 0) for t in (tags.DEPTH_NEAR, tags.DEPTH_FAR))
        known = near != (0, 0) and far != (0, 0) and near[1] != 0
        fits = known and near[0] * far[1] <= far[0] * near[1] and (near[0] > 0 if form != 1 else far[1] > 0)
        out.test(RANGE, fits, f"IFD0: tag {tags.DEPTH_NEAR}", f"{near[0]}/{near[1]} to {far[0]}/{far[1]}")
        units = tiff.integer(file.ifd0, tags.DEPTH_UNITS, 0)
        out.test(UNITS, units in (0, 1), f"IFD0: tag {tags.DEPTH_UNITS}", f"it is {units}")
        measure = tiff.integer(file.ifd0, tags.DEPTH_MEASURE_TYPE, 0)
        out.test(MEASURE, measure == 1, f"IFD0: tag {tags.DEPTH_MEASURE_TYPE}", f"it is {measure}")
        backward = tiff.integers(file.ifd0, 50707) or (1, 0, 0, 0)
        out.test(BACKWARD, backward < DEPTH_VERSION, "IFD0: tag 50707", f"it is {'.'.join(map(str, backward))}")

    def _size(self, ifd: Ifd) -> None:
        out, file = self.out, self.file
        width, height = file.size(ifd)
        raw, frame = file.size(file.main()), file.active_area()
        out.test(SMALLER, width * height < raw[0] * raw[1], ifd.path, f"{width}×{height}, the image {raw[0]}×{raw[1]}")
        out.test(ASPECT, same_aspect((width, height), frame), ifd.path,
                 f"the map is {width}×{height}, the picture {frame[0]}×{frame[1]}")

    def _values(self, ifd: Ifd) -> None:
        out = self.out
        try:
            data = read_depth(self.file)
        except GpudepthError as error:
            out.broken(DECODES, error, ifd.path)
            return
        assert data is not None
        out.test(DECODES, True, ifd.path)
        lo, hi = data.range()
        out.test(VALUES, bool(np.isfinite(data.map).all()) and lo >= 0, ifd.path, f"{lo:g} to {hi:g}")
        out.test(VARIES, hi > lo, ifd.path, f"{lo:g} everywhere")
