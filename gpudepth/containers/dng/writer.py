"""Edits of a DNG file that only append: the file stays where it is, but for the header's offset of IFD 0.

    the file | its old header | depth strip | depth IFD | copy of IFD 0, its new values

The copy keeps every entry as it stands, for what the entries refer to has not moved. The old header is what leads
back: `original` finds it, and an edit of a file that we made starts from the file as it was before.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isfinite

import numpy as np

from ...depth.data import Storage
from ...depth.pixel_format import PixelFormat, Quantity, quantity_of, stored
from ...errors import ExistingDepthError, GpudepthError, NoDepthError, RangeError, UnsupportedError, UsageError
from ...formats.bytesource import Splice
from ...formats.tiff import BYTE, LONG, LONG8, RATIONAL, SHORT, SUB_IFDS, Entry, Field, Ifd, Order, Tiff, serialise
from ..base import REPLACE, CodedMap
from . import codec
from . import file as tags
from .file import DEPTH_TAGS, DngFile

UINT32 = (1 << 32) - 1
EXACT = 1 << 25  # ratios of integers up to this are told apart by a double
DEPTH_VERSION, JPEG_XL_VERSION = (1, 5, 0, 0), (1, 7, 0, 0)
_ORPHAN = "the old map is no longer referred to, but its bytes stay in the file"


def storage(fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
    """16 bits (or 8) over [lo, hi], rounded outward to ratios of 32-bit integers, which is what DNG holds.

    Halves are such ratios already. Raises RangeError for ends that are negative, and for disparity that is all 0.
    """
    if bits not in (None, 8, 16):
        raise UsageError(f"DNG depth has 8 or 16 bits, not {bits}")
    if not (isfinite(lo) and isfinite(hi) and 0 <= lo <= hi):
        raise RangeError(f"the range {lo:g} to {hi:g}: DNG holds distances, which are neither negative nor unknown",
                         hint="an offset of disparity is not metric; --clamp bounds it")
    if hi == 0:
        raise RangeError("every value is 0: there is no distance to write",
                         hint="infinitely far everywhere" if quantity_of(fmt) is Quantity.DISPARITY else None)
    return Storage(stored(bits or 16), float(_outward(lo, up=False)), float(_outward(hi, up=True)))


def _fits(value: Fraction) -> bool:
    return value.numerator <= UINT32 and value.denominator <= UINT32


def _nearest(value: Fraction) -> Fraction:
    """A ratio of integers up to EXACT; 0 below 1/EXACT."""
    if value <= 1:
        return value.limit_denominator(EXACT)
    return 1 / (1 / value).limit_denominator(EXACT)


def _outward(end: float, *, up: bool) -> Fraction:
    value = Fraction(end)
    if _fits(value):
        return value
    if value >= EXACT:
        whole = Fraction(ceil(value) if up else floor(value))
        if not _fits(whole):
            raise RangeError(f"{end:g} is more than DNG's 32 bits hold")
        return whole
    if value < Fraction(1, EXACT):
        return Fraction(int(up), EXACT)
    near = _nearest(value)
    if float(near) == end or (near >= value if up else near <= value):
        return near  # a double that came from such a ratio stands for it
    step = Fraction(1, EXACT >> 2)  # more than _nearest was off
    return _nearest(value * (1 + step if up else 1 - step))


def _ratio(end: float) -> Fraction:
    """The ratio that `storage` rounded to."""
    value = Fraction(end)
    if not _fits(value) and value < EXACT:
        value = _nearest(value)
    if float(value) != end or not _fits(value):
        raise UsageError(f"{end!r} is no ratio of 32-bit integers", hint="Container.storage rounds the range")
    return value


@dataclass(frozen=True)
class DepthImage:
    """What an attach adds: the strip, its directory but for the offset, IFD 0's fields, the version they need."""

    data: bytes
    fields: tuple[Field, ...]
    about: tuple[Field, ...]

    @property
    def version(self) -> tuple[int, ...]:
        jxl = Field(codec.COMPRESSION, SHORT, (codec.JPEG_XL,)) in self.fields
        return JPEG_XL_VERSION if jxl else DEPTH_VERSION


def depth_image(coded: CodedMap, order: Order) -> DepthImage:
    """Codes → strip and tags. DNG's codes grow with distance, so those of a disparity map are turned round."""
    fmt, lo, hi = coded.storage.format, coded.storage.lo, coded.storage.hi
    if fmt.bits not in (8, 16) or coded.codes.dtype != fmt.dtype:
        raise UnsupportedError(f"DNG depth has 8 or 16 bits, not {fmt}")
    ends = _ratio(lo), _ratio(hi)
    if quantity_of(coded.pixel_format) is Quantity.DISPARITY:
        codes = np.asarray(fmt.max_code, fmt.dtype) - coded.codes
        rule = tags.FORMAT_INVERSE
        near, far = ((e.denominator, e.numerator) for e in ends[::-1])
    else:
        codes, rule = coded.codes, tags.FORMAT_LINEAR
        near, far = ((e.numerator, e.denominator) for e in ends)
    strip = codec.encode(codes, coded.compression, order)
    height, width = codes.shape
    fields = [
        Field(tags.NEW_SUBFILE_TYPE, LONG, (tags.DEPTH,)),
        Field(tags.IMAGE_WIDTH, LONG, (width,)),
        Field(tags.IMAGE_LENGTH, LONG, (height,)),
        Field(codec.BITS_PER_SAMPLE, SHORT, (fmt.bits,)),
        Field(codec.COMPRESSION, SHORT, (strip.compression,)),
        Field(tags.PHOTOMETRIC, SHORT, (tags.PHOTOMETRIC_DEPTH,)),
        Field(codec.SAMPLES_PER_PIXEL, SHORT, (1,)),
        Field(codec.ROWS_PER_STRIP, LONG, (height,)),
        Field(codec.STRIP_BYTE_COUNTS, LONG, (len(strip.data),)),
        Field(codec.PLANAR_CONFIGURATION, SHORT, (1,)),
    ]
    if strip.predictor != 1:
        fields.append(Field(codec.PREDICTOR, SHORT, (strip.predictor,)))
    return DepthImage(strip.data, tuple(fields), (
        Field(tags.DEPTH_FORMAT, SHORT, (rule,)),
        Field(tags.DEPTH_NEAR, RATIONAL, near),
        Field(tags.DEPTH_FAR, RATIONAL, far),
        Field(tags.DEPTH_UNITS, SHORT, (int(coded.accuracy == "absolute"),)),  # right up to scale: unit unknown
        Field(tags.DEPTH_MEASURE_TYPE, SHORT, (1,)),
    ))


def attach(file: DngFile, coded: CodedMap, *, replace: bool) -> tuple[Splice, list[str]]:
    """The file with depth, and warnings. An old map that we did not write stays as bytes nothing refers to.

    Raises ExistingDepthError, UnsupportedError (a map that is not smaller than the raw image).
    """
    file.check_editable()
    warnings = []
    if file.depth_ifds():
        if not replace:
            raise ExistingDepthError("has depth already", hint=REPLACE)
        before = original(file)
        if before is None:
            warnings.append(_ORPHAN)
        file = before or file
    height, width = coded.codes.shape
    raw = file.size(file.main())
    if width * height >= raw[0] * raw[1]:
        raise UnsupportedError(f"the map ({width}×{height}) is not smaller than the raw image ({raw[0]}×{raw[1]}): "
                               "some raw decoders take the largest image for the photo",
                               hint=f"--resize {max(1, max(raw) // 2)} makes it smaller")
    if coded.calibration is not None:
        warnings.append("DNG has no place for the calibration of a depth map; it was left out")
    return _append(file, depth_image(coded, file.tiff.layout.order)), warnings


def remove(file: DngFile) -> tuple[Splice, list[str]]:
    """The file without depth: as it was before our attach, or with the references to a foreign map taken out.

    Raises NoDepthError.
    """
    if not file.depth_ifds():
        raise NoDepthError("has no depth to remove")
    file.check_editable()
    before = original(file)
    if before is None:
        return _append(file, None), [_ORPHAN]
    out = Splice(file.source)
    out.add(before.tiff.header)
    out.keep(len(before.tiff.header), before.tiff.end - len(before.tiff.header))
    return out, []


def original(file: DngFile) -> DngFile | None:
    """The file as it was before our attach; None unless the bytes behind it are exactly what an attach would add."""
    found = file.depth_ifds()
    if len(found) != 1:
        return None
    with contextlib.suppress(GpudepthError):
        ifd = found[0]
        tiff, layout = file.tiff, file.tiff.layout
        data_at = tiff.integer(ifd, codec.STRIP_OFFSETS)
        image = _as_written(tiff, ifd, file.ifd0, data_at)
        for padding in range(layout.alignment):
            end = data_at - padding - layout.header_size
            if image is None or end < layout.header_size:
                break
            header = tiff.read(end, layout.header_size, ifd.path)
            if header[: -layout.slot] != tiff.header[: -layout.slot]:
                continue
            before = DngFile(file.source, header, end)
            tail, first = _tail(before, image)
            if (first == tiff.first and end + len(tail) == tiff.end and not before.depth_ifds()
                    and tiff.read(end, len(tail), ifd.path) == tail):
                return before
    return None


def _as_written(tiff: Tiff, ifd: Ifd, ifd0: Ifd, data_at: int) -> DepthImage | None:
    """A depth image read back as what we would have written; None when it has a shape that we do not write."""
    def fields(source: Ifd, entries: list[Entry]) -> tuple[Field, ...]:
        return tuple(Field(e.tag, e.type, tiff.rational(source, e.tag) or () if e.type == RATIONAL
                           else tiff.integers(source, e.tag) or ()) for e in entries)

    if ifd.has(codec.TILE_OFFSETS) or sum(e.tag == codec.STRIP_OFFSETS for e in ifd.entries) != 1:
        return None
    size = tiff.integer(ifd, codec.STRIP_BYTE_COUNTS)
    own = fields(ifd, [e for e in ifd.entries if e.tag != codec.STRIP_OFFSETS])
    about = fields(ifd0, [e for e in ifd0.entries if e.tag in DEPTH_TAGS])
    return DepthImage(tiff.read(data_at, size, ifd.path), own, about)


def _append(file: DngFile, image: DepthImage | None) -> Splice:
    tail, first = _tail(file, image)
    layout = file.tiff.layout
    if not layout.big and file.tiff.end + len(tail) >= 1 << 32:
        raise UnsupportedError("the file would outgrow the 4 GiB of classic TIFF",
                               hint="readers of raw files do not know DNG in BigTIFF, so it is not converted")
    out = Splice(file.source)
    # the header as it stands but for its last field
    out.add(file.tiff.header[: -layout.slot] + layout.number(first, layout.slot))
    out.keep(layout.header_size, file.tiff.end - layout.header_size)
    out.add(tail)
    return out


def _tail(file: DngFile, image: DepthImage | None) -> tuple[bytes, int]:
    """(what to append, where the new IFD 0 will be). `image` None takes the depth out."""
    layout, end = file.tiff.layout, file.tiff.end
    long = LONG8 if layout.big else LONG
    old = {i.offset for i in file.depth_ifds()}
    subs = [offset for offset in file.tiff.sub_ifds(file.ifd0) if offset not in old]
    tail = bytearray(b"" if image is None or old else file.tiff.header)
    fields: list[Field] = []

    def align() -> int:
        tail.extend(bytes(-(end + len(tail)) % layout.alignment))
        return end + len(tail)

    if image is not None:
        offset = Field(codec.STRIP_OFFSETS, long, (align(),))
        tail += image.data
        subs.append(align())
        tail += serialise(layout, (*image.fields, offset), subs[-1])
        fields += image.about
        if file.version < image.version:
            fields.append(Field(tags.DNG_VERSION, BYTE, image.version))
    if subs:
        fields.append(Field(SUB_IFDS, long, tuple(subs)))
    new = {f.tag for f in fields} | {SUB_IFDS, *DEPTH_TAGS}
    first = align()
    entries: list[Entry | Field] = [*(e for e in file.ifd0.entries if e.tag not in new), *fields]
    limits = file.source.limits     # what is written can be read within the same ones
    limits.check("max_entries", max(len(entries), len(image.fields) + 1 if image else 0), "entries", where="IFD0")
    limits.check("max_ifds", len(subs), "directories", where="IFD0")
    tail += serialise(layout, entries, first, file.ifd0.next)
    return bytes(tail), first
