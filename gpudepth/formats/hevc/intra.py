"""Encodes single colour pictures with libx265 (PyAV): 4:2:0, intra only, as in HEIC."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ...errors import UnsupportedError
from .codec import MIN_SIDE, encode_x265, x265
from .nal import SPS, VPS, join_lengths, nal_type, split_annex_b
from .parameter_sets import Configuration, ProfileTierLevel, SequenceParameters, level_idc

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
