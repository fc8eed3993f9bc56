"""Parses a DNG file: its directories by what they hold, and the tags of depth (DNG 1.7.1, p. 16 and 68–70)."""

from __future__ import annotations

from ...errors import MalformedError, UnsupportedError
from ...formats.bytesource import ByteSource
from ...formats.exif import EXIF_IFD, FOCAL_LENGTH_35MM, ORIENTATION
from ...formats.tiff import Ifd, Tiff
from ..base import Auxiliary, Picture

NEW_SUBFILE_TYPE = 254
IMAGE_WIDTH, IMAGE_LENGTH = 256, 257
PHOTOMETRIC = 262
DNG_VERSION = 50706
ACTIVE_AREA = 50829
SEMANTIC_NAME = 52526
DEPTH_FORMAT, DEPTH_NEAR, DEPTH_FAR, DEPTH_UNITS, DEPTH_MEASURE_TYPE = range(51177, 51182)
DEPTH_TAGS = (DEPTH_FORMAT, DEPTH_NEAR, DEPTH_FAR, DEPTH_UNITS, DEPTH_MEASURE_TYPE)

MAIN, TRANSPARENCY, DEPTH, SMALLER_DEPTH, ENHANCED, SEMANTIC_MASK = 0, 4, 8, 9, 16, 0x10004  # NewSubFileType
KINDS = {TRANSPARENCY: "transparency mask", 5: "transparency mask (smaller)", DEPTH: "depth",
         SMALLER_DEPTH: "depth (smaller)", ENHANCED: "enhanced image", SEMANTIC_MASK: "semantic mask"}
RAW_PHOTOMETRICS = (32803, 34892)  # CFA, LinearRaw
FORMAT_UNKNOWN, FORMAT_LINEAR, FORMAT_INVERSE = 0, 1, 2
PHOTOMETRIC_DEPTH = 51177


def is_dng(source: ByteSource) -> bool:
    """Return whether IFD 0 has DNGVersion, which makes a TIFF file a DNG. Raises FileError when it cannot be read."""
    tiff = Tiff(source)
    return tiff.ifd(tiff.first, "IFD0").has(DNG_VERSION)


class DngFile:
    """A parsed DNG file.

    Args:
        source: The file.
        header: As for `Tiff`.
        end: As for `Tiff`.

    Raises:
        TruncatedError: It ends too early.
        MalformedError: It contradicts its format.
        LimitError: It asks for too much.
    """

    def __init__(self, source: ByteSource, header: bytes | None = None, end: int | None = None) -> None:
        self.source = source
        self.tiff = Tiff(source, header, end)
        self.ifds = self.tiff.walk()
        self.ifd0 = self.ifds[0]
        version = self.tiff.integers(self.ifd0, DNG_VERSION)
        if version is None or len(version) != 4:
            raise MalformedError("the TIFF has no DNGVersion of four bytes", where=f"IFD0: tag {DNG_VERSION}")
        self.version = version

    def kind(self, ifd: Ifd) -> int:
        """Return its NewSubFileType."""
        return self.tiff.integer(ifd, NEW_SUBFILE_TYPE, MAIN)

    def size(self, ifd: Ifd) -> tuple[int, int]:
        """Return the (width, height) that it declares."""
        width, height = self.tiff.integer(ifd, IMAGE_WIDTH), self.tiff.integer(ifd, IMAGE_LENGTH)
        if width <= 0 or height <= 0:
            raise MalformedError(f"the image is {width} × {height} pixels", where=ifd.path)
        return width, height

    def main(self) -> Ifd:
        """Return the raw image: NewSubFileType 0; among several, the first with raw pixels."""
        found = [i for i in self.ifds if self.kind(i) == MAIN and i.has(IMAGE_WIDTH)]
        if not found:
            raise MalformedError("there is no main image: no directory has NewSubFileType 0")
        raw = [i for i in found if self.tiff.integer(i, PHOTOMETRIC, 0) in RAW_PHOTOMETRICS]
        return (raw or found)[0]

    def depth_ifds(self) -> list[Ifd]:
        """Return the directories that hold depth, the full resolution first: readers use the first."""
        found = [i for i in self.ifds if self.kind(i) in (DEPTH, SMALLER_DEPTH)]
        return sorted(found, key=self.kind)

    def full_depth_ifds(self) -> list[Ifd]:
        """Return the directories that are marked as the depth map in full resolution."""
        return [i for i in self.depth_ifds() if self.kind(i) == DEPTH]

    def check_editable(self) -> None:
        """Raise UnsupportedError unless every depth map is a SubIFD of IFD 0, as specified."""
        subs = self.tiff.sub_ifds(self.ifd0)
        for ifd in self.depth_ifds():
            if ifd is self.ifd0:
                raise UnsupportedError("IFD 0 itself is a depth map, which the specification does not allow",
                                       where=ifd.path)
            if ifd.offset not in subs:
                raise UnsupportedError("the depth map is not a SubIFD of IFD 0", where=ifd.path)

    def active_area(self) -> tuple[int, int]:
        """Return (width, height) of the raw pixels that show the scene, which a depth map covers."""
        main = self.main()
        width, height = self.size(main)
        area = self.tiff.integers(main, ACTIVE_AREA)
        if area is None:
            return width, height
        where = f"{main.path}: tag {ACTIVE_AREA}"
        if len(area) != 4:
            raise MalformedError(f"ActiveArea has {len(area)} values instead of 4", where=where)
        top, left, bottom, right = area
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise MalformedError(f"ActiveArea {area} is not inside {width} × {height}", where=where)
        return right - left, bottom - top

    def orientation(self) -> int:
        """Return IFD 0's orientation; other directories have none."""
        value = self.tiff.integer(self.ifd0, ORIENTATION, 1)
        return value if 1 <= value <= 8 else 1

    def focal35(self) -> float | None:
        offset = self.tiff.integer(self.ifd0, EXIF_IFD, 0)
        focal = self.tiff.integer(self.tiff.ifd(offset, "IFD0/Exif"), FOCAL_LENGTH_35MM, 0) if offset else 0
        return float(focal) if focal > 0 else None

    def picture(self) -> Picture:
        return Picture(*self.active_area(), self.orientation(), self.focal35())

    def describe_auxiliaries(self) -> list[Auxiliary]:
        """Describe depth, masks and so on, but not previews."""
        out = []
        for ifd in self.ifds:
            kind = self.kind(ifd)
            if kind in KINDS:
                name = self.tiff.text(ifd, SEMANTIC_NAME) if kind == SEMANTIC_MASK else ""
                out.append(Auxiliary(KINDS[kind], name or f"NewSubFileType {kind}", *self.size(ifd)))
        return out
