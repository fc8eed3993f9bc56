"""Parses and writes hvcC, the HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MalformedError
from ...limits import DEFAULT, Limits
from ..isobmff.box import Cursor, make
from .nal import PPS, SPS, VPS, nal_type
from .parameter_sets import ProfileTierLevel, SequenceParameters


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
        """Return the content of the SPS. Raises MalformedError when there is none."""
        sps = self.first(SPS)
        if sps is None:
            raise MalformedError("there is no SPS", where="hvcC")
        return SequenceParameters.parse(sps)

    def serialise(self) -> bytes:
        """Return the box as Apple writes it: min_spatial_segmentation 0, parallelism 0, one temporal layer."""
        sps = self.first(SPS)
        if sps is None:
            raise MalformedError("there is no SPS", where="hvcC")
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
