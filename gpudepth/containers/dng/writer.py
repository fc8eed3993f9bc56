"""Edits a DNG file by appending to it; only the header's offset of IFD 0 changes.

    the file | its old header | depth strip | depth IFD | copy of IFD 0, its new values

The copy keeps every entry as it is, because the data it refers to has not moved. The old header makes the edit
reversible: `original` finds it, and further edits start from the original file.
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
from ...formats.tiff import BYTE, LONG, LONG8, RATIONAL, SHORT, SUB_IFDS, Field, Ifd, IfdEntry, Order, Tiff, serialise
from ..base import REPLACE, CodedMap
from . import codec
from . import file as tags
from .file import DEPTH_TAGS, DngFile

UINT32 = (1 << 32) - 1
EXACT = 1 << 25  # doubles can distinguish ratios of integers up to this
DEPTH_VERSION, JPEG_XL_VERSION = (1, 5, 0, 0), (1, 7, 0, 0)
_ORPHAN = "the old map is no longer referred to, but its bytes remain in the file"


def storage(fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
    """Return 16 (or 8) bits over [lo, hi], rounded outward to ratios of 32-bit integers, which DNG stores.

    Half floats are such ratios already. Raises RangeError for negative ends and for disparity that is 0 everywhere.
    """
    if bits not in (None, 8, 16):
        raise UsageError(f"DNG depth has 8 or 16 bits, not {bits}")
    if not (isfinite(lo) and isfinite(hi) and 0 <= lo <= hi):
        raise RangeError(f"DNG cannot store the range {lo:g} to {hi:g}: distances must be finite and not negative",
                         hint="bound the values with ‹clamp=0.3,20›; disparity with an offset is not metric")
    if hi == 0:
        raise RangeError("every value is 0, so there is no distance to write",
                         hint="everything is infinitely far" if quantity_of(fmt) is Quantity.DISPARITY else None)
    return Storage(stored(bits or 16), float(_outward(lo, up=False)), float(_outward(hi, up=True)))


def _fits(value: Fraction) -> bool:
    return value.numerator <= UINT32 and value.denominator <= UINT32


def _nearest(value: Fraction) -> Fraction:
    """Return the nearest ratio of integers up to EXACT; 0 below 1/EXACT."""
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
            raise RangeError(f"{end:g} does not fit into DNG's 32 bits")
        return whole
    if value < Fraction(1, EXACT):
        return Fraction(int(up), EXACT)
    near = _nearest(value)
    if float(near) == end or (near >= value if up else near <= value):
        return near  # a double that such a ratio rounds to represents it
    step = Fraction(1, EXACT >> 2)  # more than the error of _nearest
    return _nearest(value * (1 + step if up else 1 - step))


def _ratio(end: float) -> Fraction:
    """Return the ratio that `storage` rounded to."""
    value = Fraction(end)
    if not _fits(value) and value < EXACT:
        value = _nearest(value)
    if float(value) != end or not _fits(value):
        raise UsageError(f"{end!r} is not a ratio of 32-bit integers", hint="Container.storage rounds the range")
    return value


@dataclass(frozen=True)
class DepthImage:
    """What an attach adds.

    Attributes:
        data: The strip.
        fields: Its directory, without the offset.
        about: Fields of IFD 0.
    """

    data: bytes
    fields: tuple[Field, ...]
    about: tuple[Field, ...]

    @property
    def version(self) -> tuple[int, ...]:
        jxl = Field(codec.COMPRESSION, SHORT, (codec.JPEG_XL,)) in self.fields
        return JPEG_XL_VERSION if jxl else DEPTH_VERSION


def depth_image(coded: CodedMap, order: Order) -> DepthImage:
    """Make strip and tags. DNG's codes grow with distance, so those of a disparity map are reversed."""
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
        Field(tags.DEPTH_UNITS, SHORT, (int(coded.accuracy == "absolute"),)),  # relative depth has unknown units
        Field(tags.DEPTH_MEASURE_TYPE, SHORT, (1,)),
    ))


def attach(file: DngFile, coded: CodedMap, *, replace: bool) -> tuple[Splice, list[str]]:
    """Return the file with depth, and warnings. A foreign map that is replaced remains as unreferenced bytes.

    Raises ExistingDepthError, and UnsupportedError for a map that is not smaller than the raw image.
    """
    file.check_editable()
    warnings = []
    if file.depth_ifds():
        if not replace:
            raise ExistingDepthError("the photo already has depth", hint=REPLACE)
        before = original(file)
        if before is None:
            warnings.append(_ORPHAN)
        file = before or file
    height, width = coded.codes.shape
    raw = file.size(file.main())
    if width * height >= raw[0] * raw[1]:
        raise UnsupportedError(f"the map ({width}×{height}) must be smaller than the raw image ({raw[0]}×{raw[1]}), "
                               "because some raw decoders use the largest image as the photo",
                               hint=f"‹resize={max(1, max(raw) // 2)}› makes it smaller")
    if coded.calibration is not None:
        warnings.append("DNG cannot store the calibration of a depth map; it was left out")
    return _append(file, depth_image(coded, file.tiff.layout.order)), warnings


def remove(file: DngFile) -> tuple[Splice, list[str]]:
    """Return the file without depth: the original from before an attach, or without references to a foreign map.

    Raises NoDepthError.
    """
    if not file.depth_ifds():
        raise NoDepthError("the photo has no depth to remove")
    file.check_editable()
    before = original(file)
    if before is None:
        return _append(file, None), [_ORPHAN]
    out = Splice(file.source)
    out.add(before.tiff.header)
    out.keep(len(before.tiff.header), before.tiff.end - len(before.tiff.header))
    return out, []


def original(file: DngFile) -> DngFile | None:
    """Return the file from before an attach; None unless the appended bytes are exactly those an attach would add."""
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
    """Read a depth image back as `depth_image` makes it; None when its structure differs."""
    def fields(source: Ifd, entries: list[IfdEntry]) -> tuple[Field, ...]:
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
        raise UnsupportedError("the file would exceed the 4 GiB of classic TIFF",
                               hint="it is not converted to BigTIFF, because raw readers do not support DNG in it")
    out = Splice(file.source)
    # The header changes only in its last field.
    out.add(file.tiff.header[: -layout.slot] + layout.number(first, layout.slot))
    out.keep(layout.header_size, file.tiff.end - layout.header_size)
    out.add(tail)
    return out


def _tail(file: DngFile, image: DepthImage | None) -> tuple[bytes, int]:
    """Return what to append and the offset of the new IFD 0. With `image` None the depth is removed."""
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
    entries: list[IfdEntry | Field] = [*(e for e in file.ifd0.entries if e.tag not in new), *fields]
    limits = file.source.limits     # what is written must be readable within the same limits
    limits.check("max_entries", max(len(entries), len(image.fields) + 1 if image else 0), "entries", where="IFD0")
    limits.check("max_ifds", len(subs), "directories", where="IFD0")
    tail += serialise(layout, entries, first, file.ifd0.next)
    return bytes(tail), first
