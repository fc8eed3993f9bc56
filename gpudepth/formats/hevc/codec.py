"""Encodes and decodes single pictures with FFmpeg's libraries (PyAV), libx265 and the HEVC decoder.

Maps are monochrome; photos are 4:2:0, intra only, as in HEIC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, MalformedError, UnsupportedError
from ...limits import DEFAULT, Limits
from .effort import Effort
from .nal import PPS, PREFIX_SEI, SPS, SUFFIX_SEI, VPS, join_lengths, nal_type, split_annex_b, split_lengths
from .parameter_sets import (
    MONOCHROME,
    RANGE_EXTENSIONS,
    Configuration,
    ProfileTierLevel,
    SequenceParameters,
    level_idc,
)
from .pcm import encode_pcm

MIN_SIDE = 16  # libx265 refuses smaller pictures
_PIXELS = {8: "gray", 10: "gray10le", 12: "gray12le"}
_PARAMETER_SETS = (VPS, SPS, PPS)


# Parameters of x265 for lossless pictures, beside the preset "superfast". Undivided blocks of 16 take a third of the
# time of blocks of 32 that are divided as needed. Slower presets save at most 1 % more but take up to a third longer.
_LOSSLESS = {"small": "lossless=1:rd=1:tu-intra-depth=2",
             "balanced": "lossless=1:rd=1:ctu=16:min-cu-size=16:tu-intra-depth=3:max-tu-size=8"}


def encode_monochrome(codes: NDArray[Any], bits: int = 8, crf: int | None = None,
                      effort: Effort = "balanced") -> tuple[bytes, bytes]:
    """Encode codes as one HEVC picture.

    Encoding is lossless unless a constant rate factor is given. Every call uses a new encoder on one thread, so that
    the same codes give the same bytes. Profile, constraint flags and level are Apple's: x265 writes level 8.5 for
    lossless pictures, which hardware may refuse.

    Args:
        codes: (H, W) uint8 or uint16.
        bits: 8, 10 or 12.
        crf: Constant rate factor, or None.
        effort: Effort of lossless coding; lossy coding ignores it. "fast" is `encode_pcm`, which takes any size.

    Returns:
        The hvcC box, and the item's data with 4-byte NAL lengths.

    Raises:
        UnsupportedError: The size or the bits are not supported.
    """
    import av

    if effort == "fast" and crf is None:
        return encode_pcm(codes, bits)
    height, width = codes.shape
    if bits not in _PIXELS:
        raise UnsupportedError(f"HEVC depth has 8, 10 or 12 bits, not {bits}", hint="‹bits=12›")
    if min(width, height) < MIN_SIDE:
        raise UnsupportedError(f"a map of {width}×{height} is too small for HEVC; it needs {MIN_SIDE} pixels per side",
                               hint="make it larger: ‹resize=64x64›")
    rate = _LOSSLESS[effort] if crf is None else f"crf={crf}"
    context = x265(width, height, _PIXELS[bits], {
        "preset": "superfast" if crf is None else "medium",
        "x265-params": "keyint=1:info=0:repeat-headers=1:range=full:hash=0:log-level=none:"
                       f"pools=none:frame-threads=1:{rate}"})
    context.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format=_PIXELS[bits])
    frame.pts = 0
    nals = split_annex_b(b"".join(map(bytes, encode_x265(context, frame, None))))
    sps = next(n for n in nals if nal_type(n) == SPS)
    coded = SequenceParameters.parse(sps)
    apple = ProfileTierLevel(RANGE_EXTENSIONS, ProfileTierLevel.of(sps).compatibility, MONOCHROME[bits],
                             level_idc(coded.coded_width * coded.coded_height))
    configuration = Configuration.of([apple.put_into(n) for n in nals])
    slices = [n for n in nals if nal_type(n) not in (*_PARAMETER_SETS, PREFIX_SEI, SUFFIX_SEI)]
    return configuration.serialise(), join_lengths(slices)


def require_x265() -> None:
    """Raise UnsupportedError unless FFmpeg's libraries have libx265."""
    import av

    if "libx265" not in av.codecs_available:
        raise UnsupportedError("this build of PyAV lacks libx265", hint="install the av wheel from PyPI")


def x265(width: int, height: int, pixel_format: str, options: dict[str, str]) -> Any:
    """Return a codec context of libx265. Raises UnsupportedError without libx265."""
    import av

    require_x265()
    context: Any = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt, context.options = width, height, pixel_format, options
    return context


def encode_x265(context: Any, *pictures: Any) -> list[Any]:
    """Return the packets of pictures; None as a picture flushes the encoder. Raises UnsupportedError."""
    import av.error

    try:
        return [packet for picture in pictures for packet in context.encode(picture)]
    except av.error.FFmpegError as error:
        raise UnsupportedError(f"libx265 refused a picture of {context.width}×{context.height}: {error}") from error


def decode_luma(configuration: Configuration, data: bytes, limits: Limits = DEFAULT,
                where: str = "hvc1") -> tuple[NDArray[Any], int]:
    """Decode a picture's luma.

    Args:
        configuration: The hvcC box.
        data: The item's data.
        limits: What the picture may ask for; its SPS is checked before decoding.
        where: Place for messages.

    Returns:
        The codes (H, W), uint8 for 8 bits and uint16 above, and their bits.

    Raises:
        MalformedError: The data is damaged.
        UnsupportedError: The picture has no luma.
        LimitError: It asks for too much.
    """
    frame = _decode(configuration, data, limits, where)
    bits = int(frame.format.components[0].bits)
    plane = frame.planes[0]
    item = 2 if bits > 8 else 1
    if frame.format.name.startswith(("rgb", "bgr", "gbr")):
        raise UnsupportedError(f"the picture decodes to {frame.format.name}, which has no luma", where=where)
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width * item]
    codes = np.ascontiguousarray(rows).view("<u2" if item == 2 else np.uint8)
    return codes.astype(np.uint16 if item == 2 else np.uint8), bits


def is_full_range(configuration: Configuration, data: bytes, limits: Limits = DEFAULT, where: str = "hvc1") -> bool:
    """Return whether the bitstream declares full range (video_full_range_flag). Raises the errors of `decode_luma`."""
    from av.video.reformatter import ColorRange

    return bool(_decode(configuration, data, limits, where).color_range == ColorRange.JPEG)


def _decode(configuration: Configuration, data: bytes, limits: Limits, where: str) -> Any:
    """Return the first picture, an av.VideoFrame of the size in the SPS."""
    import av
    import av.error

    declared = configuration.sequence()
    limits.check_decode(declared.coded_width, declared.coded_height, 3, where=where, packed=len(data))
    nals = split_lengths(data, configuration.length_size, where, limits)
    stream = configuration.annex_b() + b"".join(b"\0\0\0\1" + n for n in nals)
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    # A later SPS inside the item must not evade the check above; FFmpeg counts its padded buffers.
    context.options = {"max_pixels": str((declared.coded_width + 128) * (declared.coded_height + 128))}
    try:
        frames = [*context.decode(av.Packet(stream)), *context.decode(None)]
    except (av.error.FFmpegError, MemoryError, UnicodeDecodeError, ValueError, AssertionError) as error:
        raise MalformedError(f"the HEVC decoder refused the data: {error}", where=where) from error
    if not frames:
        raise MalformedError("the HEVC data holds no picture", where=where)
    frame: Any = frames[0]
    if (frame.width, frame.height) != (declared.width, declared.height):
        raise LimitError(f"the picture is {frame.width}×{frame.height}, but the SPS in hvcC declares "
                         f"{declared.width}×{declared.height}", where=where)
    return frame


# x265 declares a single intra picture as a range extension, although Main Still Picture (3) and Main 10 (2) suffice.
_PROFILES = {8: (3, b"\x70\0\0\0"), 10: (2, b"\x20\0\0\0")}
PIXELS = {8: "yuv420p", 10: "yuv420p10le"}
_SETTINGS = ("keyint=1:bframes=0:scenecut=0:rc-lookahead=0:no-cutree=1:info=0:repeat-headers=1:hash=0:log-level=none:"
             "pools=none:frame-threads=1:aq-mode=0:ipratio=1")


@dataclass(frozen=True)
class Colour:
    """H.273 code points of a picture.

    Attributes:
        primaries: Colour primaries.
        transfer: Transfer characteristics.
        matrix: Matrix coefficients.
        full_range: Whether values use the full range.
    """

    primaries: int = 1
    transfer: int = 1
    matrix: int = 1
    full_range: bool = False

    @property
    def x265(self) -> str:
        span = "full" if self.full_range else "limited"
        return f"colorprim={self.primaries}:transfer={self.transfer}:colormatrix={self.matrix}:range={span}"


@dataclass
class IntraEncoder:
    """Encodes pictures with a fixed quantiser.

    Attributes:
        qp: Quantiser of every picture, 0 (best) to 51.
        preset: Preset of x265.
        reuse: Whether one encoder is used for all pictures of a size. This is slightly faster; the bytes, but not the
            pixels, then depend on earlier pictures.
    """

    qp: int
    preset: str = "ultrafast"
    reuse: bool = False
    _kept: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    def encode(self, frame: Any, colour: Colour) -> tuple[bytes, bytes]:
        """Encode an av.VideoFrame of yuv420p or yuv420p10le with even sides.

        Returns:
            The hvcC box, and the item's data with 4-byte NAL lengths.

        Raises:
            UnsupportedError: libx265 does not accept the picture.
        """
        bits = _bits_of(frame)
        key = frame.width, frame.height, bits, colour
        context = self._kept.pop(key, None) or self._context(*key)
        frame.pts = None
        packets = encode_x265(context, frame)
        if self.reuse and packets:
            self._kept[key] = context
        else:
            packets += encode_x265(context, None)
        nals = split_annex_b(b"".join(map(bytes, packets)))
        coded = SequenceParameters.parse(next(n for n in nals if nal_type(n) == SPS))
        number, compatibility = _PROFILES[bits]
        profile = ProfileTierLevel(number, compatibility, b"\x90\0\0\0\0\0",
                                   level_idc(coded.coded_width * coded.coded_height))
        return (Configuration.of([profile.put_into(n) for n in nals]).serialise(),
                join_lengths([n for n in nals if nal_type(n) < VPS]))

    def _context(self, width: int, height: int, bits: int, colour: Colour) -> Any:
        context = x265(width, height, PIXELS[bits], {
            "preset": self.preset, "tune": "zerolatency", "x265-params": f"{_SETTINGS}:qp={self.qp}:{colour.x265}"})
        context.time_base = Fraction(1, 25)
        return context


def _bits_of(frame: Any) -> int:
    """Return the bits of a picture. Raises UnsupportedError for pixel formats and sizes that cannot be coded."""
    for bits, name in PIXELS.items():
        if name == frame.format.name and not (frame.width % 2 or frame.height % 2) and (
                min(frame.width, frame.height) >= MIN_SIDE):
            return bits
    raise UnsupportedError(f"a picture of {frame.width}×{frame.height} {frame.format.name} cannot be coded as HEVC: "
                           f"both sides must be even and at least {MIN_SIDE}", hint="write .jpg")
