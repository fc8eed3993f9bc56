"""Parses VPS and SPS fields that matter for a still depth map (H.265 7.3.2.1, 7.3.2.2, 7.3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from ..isobmff.box import Cursor, make
from .nal import PPS, SPS, VPS, Bits, escape, nal_type, unescape

# Main tier: general_level_idc, MaxLumaPs and MaxLumaSr of tables A.8 and A.9, and MinCrBase of table A.9
LEVELS = ((60, 122_880, 3_686_400, 2), (63, 245_760, 7_372_800, 2), (90, 552_960, 16_588_800, 2),
          (93, 983_040, 33_177_600, 2), (120, 2_228_224, 66_846_720, 4), (123, 2_228_224, 133_693_440, 4),
          (150, 8_912_896, 267_386_880, 6), (153, 8_912_896, 534_773_760, 8), (156, 8_912_896, 1_069_547_520, 8),
          (180, 35_651_584, 1_069_547_520, 8), (183, 35_651_584, 2_139_095_040, 8), (186, 35_651_584, 4_278_190_080, 6))
_SETS = 256     # bytes of the parameter sets of one picture, at most

RANGE_EXTENSIONS = 4
# progressive, not packed, frames only; max 12, 10, 8 bit; max 4:2:2, 4:2:0, monochrome; lower bit rate (A.3.5):
# the Monochrome profile as Apple writes it, and the Monochrome 10 and 12 profiles
MONOCHROME = {8: bytes.fromhex("bfc800000000"), 10: bytes.fromhex("bdc800000000"), 12: bytes.fromhex("b9c800000000")}

# where profile_tier_level starts in the unescaped unit: after the NAL header and 4 bytes of VPS, 1 of SPS
_PTL = {VPS: 6, SPS: 3}


def level_idc(luma_samples: int, data: int = 0, bits: int = 8) -> int:
    """Return the smallest level that admits a monochrome picture.

    Without `data`, only MaxLumaPs counts, as in Apple's files. The size of the data is limited by MinCr, the smallest
    compression ratio, of the samples that a level decodes in 1/300 s (A.4.2, the first access unit); this limit is
    lower than that of the buffer (MaxCPB). Data beyond the limit of level 6.2 gets level 6.2: level 8.5, which has no
    limits, may be refused by hardware.

    Args:
        luma_samples: Samples of the coded picture.
        data: Bytes of its slices, if they must be admitted.
        bits: Bits per sample.

    Raises:
        MalformedError: The picture exceeds level 6.2's 35,651,584 samples.
    """
    allowed = [(level, max(luma_samples, rate // 300) * bits // (8 * ratio))
               for level, samples, rate, ratio in LEVELS if luma_samples <= samples]
    if not allowed:
        raise MalformedError(f"{luma_samples:,} luma samples exceed HEVC level 6.2",
                             hint="make the map smaller: ‹resize=768›")
    needed = data + _SETS if data else 0
    return next((level for level, size in allowed if needed <= size), allowed[-1][0])


@dataclass(frozen=True)
class ProfileTierLevel:
    """The 12 general bytes of profile_tier_level.

    Attributes:
        profile: Profile byte.
        compatibility: Compatibility flags.
        constraints: Constraint flags.
        level: general_level_idc.
    """

    profile: int
    compatibility: bytes
    constraints: bytes
    level: int

    @classmethod
    def of(cls, nal: bytes) -> ProfileTierLevel:
        """Read them from a VPS or SPS."""
        raw = unescape(nal)
        at = _PTL.get(nal_type(nal)) if nal else None
        if at is None:
            raise MalformedError("a parameter set has another type than it is listed as", where="hvcC")
        if len(raw) < at + 12:
            raise MalformedError("a parameter set is too short", where="hvcC")
        return cls(raw[at], raw[at + 1 : at + 5], raw[at + 5 : at + 11], raw[at + 11])

    def serialise(self) -> bytes:
        return bytes([self.profile]) + self.compatibility + self.constraints + bytes([self.level])

    def put_into(self, nal: bytes) -> bytes:
        """Return a VPS or SPS with these bytes; other NAL units are unchanged."""
        at = _PTL.get(nal_type(nal))
        if at is None:
            return nal
        raw = unescape(nal)
        return escape(raw[:at] + self.serialise() + raw[at + 12 :])


@dataclass(frozen=True)
class SequenceParameters:
    """Fields of an SPS.

    Attributes:
        chroma_format: chroma_format_idc.
        coded_width: Coded width.
        coded_height: Coded height.
        width: Width inside the conformance window.
        height: Height inside the conformance window.
        bit_depth: Bits of luma.
    """

    chroma_format: int
    coded_width: int
    coded_height: int
    width: int
    height: int
    bit_depth: int

    @classmethod
    def parse(cls, nal: bytes) -> SequenceParameters:
        """Parse an SPS up to the bit depths. Raises MalformedError."""
        where = "hvcC/SPS"
        b = Bits(unescape(nal)[2:], where)
        b.u(4)
        sub_layers = b.u(3)
        b.u(1)
        b.u(96)  # general profile, tier, level
        flags = [(b.u(1), b.u(1)) for _ in range(sub_layers)]
        if sub_layers:
            b.u(2 * (8 - sub_layers))
        for profile, level in flags:
            b.u(88 * profile + 8 * level)
        b.ue()
        chroma = b.ue()
        if chroma > 3:
            raise MalformedError(f"chroma_format_idc is {chroma}; at most 3 is allowed", where=where)
        if chroma == 3:
            b.u(1)
        w, h = b.ue(), b.ue()
        left = right = top = bottom = 0
        if b.u(1):
            left, right, top, bottom = b.ue(), b.ue(), b.ue(), b.ue()
        sx, sy = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}[chroma]
        inner_w, inner_h = w - sx * (left + right), h - sy * (top + bottom)
        if inner_w <= 0 or inner_h <= 0:
            raise MalformedError(f"the conformance window of the {w} × {h} picture is empty", where=where)
        more = b.ue()
        if more > 8:
            raise MalformedError(f"bit_depth_luma_minus8 is {more}; at most 8 is allowed", where=where)
        return cls(chroma, w, h, inner_w, inner_h, 8 + more)


@dataclass(frozen=True)
class Configuration:
    """The parameter sets of a stream.

    Attributes:
        arrays: Parameter sets by type, in file order.
        length_size: Bytes of NAL lengths in the item.
    """

    arrays: tuple[tuple[int, tuple[bytes, ...]], ...]
    length_size: int = 4

    @classmethod
    def parse(cls, payload: bytes, path: str = "hvcC", limits: Limits = DEFAULT) -> Configuration:
        """Parse the payload of the box. Raises MalformedError, TruncatedError, LimitError."""
        c = Cursor(payload, path)
        version = c.uint(1)
        if version != 1:
            raise MalformedError(f"configuration version {version} is not supported", where=path)
        c.take(20)
        length_size = (c.uint(1) & 3) + 1
        arrays, total = [], 0
        for _ in range(c.uint(1)):
            kind, count = c.uint(1) & 0x3F, c.count(c.uint(2), 2)
            total += count
            limits.check("max_parameter_sets", total, "parameter sets", where=path)
            arrays.append((kind, tuple(c.take(c.uint(2)) for _ in range(count))))
        return cls(tuple(arrays), length_size)

    @classmethod
    def of(cls, nals: list[bytes]) -> Configuration:
        """Make one from a coded picture's NAL units: VPS, SPS and PPS, one array each."""
        arrays = tuple((kind, tuple(n for n in nals if nal_type(n) == kind)) for kind in (VPS, SPS, PPS))
        for kind, found in arrays:
            if not found:
                raise MalformedError(f"the coded picture has no NAL unit of type {kind}", where="hvcC")
        return cls(arrays)

    def first(self, kind: int) -> bytes | None:
        return next((n for k, nals in self.arrays if k == kind for n in nals), None)

    def sequence(self) -> SequenceParameters:
        """Return the content of the SPS. Raises MalformedError without one."""
        return SequenceParameters.parse(self._sps())

    def _sps(self) -> bytes:
        sps = self.first(SPS)
        if sps is None:
            raise MalformedError("there is no SPS", where="hvcC")
        return sps

    def serialise(self) -> bytes:
        """Return the box as Apple writes it: min_spatial_segmentation 0, parallelism 0, one temporal layer."""
        sps = self._sps()
        parameters = SequenceParameters.parse(sps)
        depth = 0xF8 | parameters.bit_depth - 8
        out = b"\x01" + ProfileTierLevel.of(sps).serialise()
        out += bytes.fromhex("f000 fc") + bytes([0xFC | parameters.chroma_format, depth, depth])
        # avgFrameRate 0; constantFrameRate 0, one temporal layer, temporalIdNested 0, lengths of 4 bytes
        out += bytes(2) + bytes([0x08 | self.length_size - 1, len(self.arrays)])
        for kind, nals in self.arrays:
            out += bytes([0x80 | kind]) + len(nals).to_bytes(2, "big")  # 0x80: array_completeness
            out += b"".join(len(n).to_bytes(2, "big") + n for n in nals)
        return make("hvcC", out)

    def annex_b(self) -> bytes:
        """Return the parameter sets with start codes."""
        return b"".join(b"\0\0\0\1" + n for _, nals in self.arrays for n in nals)
