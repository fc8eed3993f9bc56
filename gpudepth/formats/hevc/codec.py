"""One monochrome picture through FFmpeg's libraries: libx265 writes it, the HEVC decoder reads it (by PyAV)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, MalformedError, UnsupportedError
from ...limits import DEFAULT, Limits
from .configuration import Configuration
from .nal import PPS, PREFIX_SEI, SPS, SUFFIX_SEI, VPS, join_lengths, nal_type, split_annex_b, split_lengths
from .parameter_sets import MONOCHROME, RANGE_EXTENSIONS, ProfileTierLevel, SequenceParameters, level_idc

MIN_SIDE = 16  # libx265 refuses less
_PIXELS = {8: "gray", 10: "gray10le", 12: "gray12le"}
_PARAMETER_SETS = (VPS, SPS, PPS)


def encode_monochrome(codes: NDArray[Any], bits: int = 8, crf: int | None = None) -> tuple[bytes, bytes]:
    """(H, W) uint8 or uint16 codes → (hvcC box, item data with 4-byte NAL lengths).

    Lossless unless a constant rate factor is given. Every call makes a new encoder on one thread, so that the
    same codes give the same bytes. Profile, constraint flags and level are Apple's, not x265's: level 8.5, which
    x265 writes for lossless, is one that hardware may refuse. Raises UnsupportedError for sizes and depths.
    """
    import av
    import av.error

    height, width = codes.shape
    if bits not in _PIXELS:
        raise UnsupportedError(f"HEVC depth has 8, 10 or 12 bits, not {bits}", hint="--bits 12")
    if min(width, height) < MIN_SIDE:
        raise UnsupportedError(f"a map of {width}×{height} is too small for HEVC: {MIN_SIDE} pixels a side at least",
                               hint="make it larger: --resize 64x64")
    if "libx265" not in av.codecs_available:
        raise UnsupportedError("this build of PyAV has no libx265", hint="install the av wheel from PyPI")
    # lossless: slower presets gain at most 1 % of the size for up to a third more time
    rate = "lossless=1:rd=1" if crf is None else f"crf={crf}"
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height = width, height
    context.pix_fmt = _PIXELS[bits]
    context.time_base = Fraction(1, 1)
    context.options = {"preset": "superfast" if crf is None else "medium",
                       "x265-params": "keyint=1:info=0:repeat-headers=1:range=full:hash=0:log-level=none:"
                                      f"pools=none:frame-threads=1:{rate}"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format=_PIXELS[bits])
    frame.pts = 0
    try:
        stream = b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)])
    except av.error.FFmpegError as error:
        raise UnsupportedError(f"libx265 refused a {bits}-bit map of {width}×{height}: {error}") from error
    nals = split_annex_b(stream)
    sps = next(n for n in nals if nal_type(n) == SPS)
    coded = SequenceParameters.parse(sps)
    apple = ProfileTierLevel(RANGE_EXTENSIONS, ProfileTierLevel.of(sps).compatibility, MONOCHROME[bits],
                             level_idc(coded.coded_width * coded.coded_height))
    configuration = Configuration.of([apple.put_into(n) for n in nals])
    slices = [n for n in nals if nal_type(n) not in (*_PARAMETER_SETS, PREFIX_SEI, SUFFIX_SEI)]
    return configuration.serialise(), join_lengths(slices)


def decode_luma(configuration: Configuration, data: bytes, limits: Limits = DEFAULT,
                where: str = "hvc1") -> tuple[NDArray[Any], int]:
    """hvcC and item data → ((H, W) luma codes, bits). uint8 for 8 bits, uint16 above.

    The SPS is checked against `limits` before the decoder sees anything. Colour pictures give their luma.
    Raises MalformedError, UnsupportedError, LimitError.
    """
    frame = _decode(configuration, data, limits, where)
    bits = int(frame.format.components[0].bits)
    plane = frame.planes[0]
    item = 2 if bits > 8 else 1
    if frame.format.name.startswith(("rgb", "bgr", "gbr")):
        raise UnsupportedError(f"decodes to {frame.format.name}, which has no luma", where=where)
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width * item]
    codes = np.ascontiguousarray(rows).view("<u2" if item == 2 else np.uint8)
    return codes.astype(np.uint16 if item == 2 else np.uint8), bits


def is_full_range(configuration: Configuration, data: bytes, limits: Limits = DEFAULT, where: str = "hvc1") -> bool:
    """Does the bitstream say that codes use their whole range (video_full_range_flag)? Raises as `decode_luma`."""
    from av.video.reformatter import ColorRange

    return bool(_decode(configuration, data, limits, where).color_range == ColorRange.JPEG)


def _decode(configuration: Configuration, data: bytes, limits: Limits, where: str) -> Any:
    """The first picture, an av.VideoFrame of the size that the SPS names."""
    import av
    import av.error

    declared = configuration.sequence()
    limits.check_picture(declared.coded_width, declared.coded_height, 3, where=where, packed=len(data))
    nals = split_lengths(data, configuration.length_size, where, limits)
    stream = configuration.annex_b() + b"".join(b"\0\0\0\1" + n for n in nals)
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    # A later SPS inside the item must not get around the check above; FFmpeg counts its padded buffers.
    context.options = {"max_pixels": str((declared.coded_width + 128) * (declared.coded_height + 128))}
    try:
        frames = [*context.decode(av.Packet(stream)), *context.decode(None)]
    except (av.error.FFmpegError, MemoryError, UnicodeDecodeError, ValueError, AssertionError) as error:
        raise MalformedError(f"the HEVC decoder refused it: {error}", where=where) from error
    if not frames:
        raise MalformedError("the HEVC data holds no picture", where=where)
    frame: Any = frames[0]
    if (frame.width, frame.height) != (declared.width, declared.height):
        raise LimitError(f"decodes to {frame.width}×{frame.height}, the SPS in hvcC says "
                         f"{declared.width}×{declared.height}", where=where)
    return frame
