"""Parses and writes the depth_representation_info SEI message (H.265 G.14.2.3) as in Apple's auxC aux_subtype.

    u32 length of what follows, u32 NAL length, NAL header 4e 01, payload type b1 (177), payload size, payload

There is no emulation prevention and no rbsp trailing bits: Apple writes none, and libheif would misread them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ...errors import MalformedError, RangeError, TruncatedError
from .nal import Bits, BitWriter

UNIFORM_DISPARITY, UNIFORM_Z, NON_UNIFORM_DISPARITY = 1, 2, 3    # 0 is inverse Z, which is read as disparity
PAYLOAD_TYPE = 177
NAL_HEADER = bytes.fromhex("4e01")  # PREFIX_SEI, layer 0, temporal id 0
MANTISSA_BITS = 16


@dataclass(frozen=True)
class DepthRepresentation:
    """The message: near and far planes in metres, or the range of disparity in 1/metres.

    Attributes:
        kind: depth_representation_type.
        z_near: Near plane in metres, or None.
        z_far: Far plane in metres, or None.
        d_min: Smallest disparity in 1/metres, or None.
        d_max: Largest disparity in 1/metres, or None.
        reference_view: disparity_reference_view_id.
    """

    kind: int
    z_near: float | None = None
    z_far: float | None = None
    d_min: float | None = None
    d_max: float | None = None
    reference_view: int = 0

    @classmethod
    def parse(cls, data: bytes, where: str = "auxC") -> DepthRepresentation:
        """Parse aux_subtype bytes. Raises MalformedError, TruncatedError."""
        if len(data) < 12:
            raise TruncatedError(f"the SEI of {len(data)} bytes is too short", where=where)
        outer, inner = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        if outer > len(data) - 4 or inner > len(data) - 8:
            raise TruncatedError(f"SEI lengths {outer} and {inner} exceed the {len(data)} bytes", where=where)
        if data[8:10] != NAL_HEADER or data[10] != PAYLOAD_TYPE:
            raise MalformedError(f"{data[8:11].hex()} is not the start of a depth representation SEI", where=where)
        size = data[11]
        if size > len(data) - 12:
            raise TruncatedError(f"the SEI payload declares {size} bytes, but has {len(data) - 12}", where=where)
        b = Bits(data[12 : 12 + size], where)
        present = [b.u(1) for _ in range(4)]
        kind = b.ue()
        if kind > NON_UNIFORM_DISPARITY:
            raise MalformedError(f"depth_representation_type {kind} is not known", where=where)
        view = b.ue() if present[2] or present[3] else 0
        near, far, lo, hi = (_read_float(b) if p else None for p in present)
        return cls(kind, near, far, lo, hi, view)

    def serialise(self) -> bytes:
        """Return the aux_subtype bytes, with a reference view only for disparity, as Apple writes them."""
        w = BitWriter()
        numbers = (self.z_near, self.z_far, self.d_min, self.d_max)
        for value in numbers:
            w.u(1, int(value is not None))
        w.ue(self.kind)
        if self.d_min is not None or self.d_max is not None:
            w.ue(self.reference_view)
        for value in numbers:
            if value is not None:
                _write_float(w, value)
        payload = w.align()
        if b"\0\0\1" in payload or b"\0\0\0" in payload or b"\0\0\2" in payload or b"\0\0\3" in payload:
            # Readers disagree about 00 00 03, which only a d_max close to zero causes.
            raise RangeError(f"the range {numbers} would need an SEI that readers interpret differently",
                             hint="use a range whose far end is not close to zero")
        nal = NAL_HEADER + bytes([PAYLOAD_TYPE, len(payload)]) + payload
        return (len(nal) + 4).to_bytes(4, "big") + len(nal).to_bytes(4, "big") + nal


def outward(value: float, *, up: bool) -> float:
    """Return the nearest value not below (`up`) or not above that a 16-bit mantissa holds."""
    exponent = max(math.frexp(value)[1] - 1, -30)
    scaled = math.ldexp(value, MANTISSA_BITS - exponent)
    return math.ldexp(math.ceil(scaled) if up else math.floor(scaled), exponent - MANTISSA_BITS)


def _read_float(b: Bits) -> float | None:
    """Read sign u(1), exponent u(7), mantissa_len_minus1 u(5), mantissa: (−1)^s · 2^(e−31) · (1 + m/2^n)."""
    sign, exponent, length = b.u(1), b.u(7), b.u(5) + 1
    mantissa = b.u(length)
    if exponent == 127:
        return None
    if exponent:
        value = Fraction(2) ** (exponent - 31) * (1 + Fraction(mantissa, 1 << length))
    else:
        value = Fraction(mantissa) / (1 << 30 + length)
    return float(-value if sign else value)


def _write_float(w: BitWriter, value: float) -> None:
    """Write a number with a 16-bit mantissa; half floats, including subnormals, are exact."""
    if not math.isfinite(value):
        raise RangeError(f"{value} cannot be written into the depth representation SEI")
    sign, magnitude = int(value < 0), abs(Fraction(value))
    exponent, mantissa = 0, 0
    if magnitude:
        exponent = math.frexp(float(magnitude))[1] - 1 + 31
        if exponent >= 1:
            mantissa = round((magnitude / Fraction(2) ** (exponent - 31) - 1) * (1 << MANTISSA_BITS))
            if mantissa == 1 << MANTISSA_BITS:
                exponent, mantissa = exponent + 1, 0
        else:
            exponent, mantissa = 0, round(magnitude * (1 << 30 + MANTISSA_BITS))
    if exponent > 126:
        raise RangeError(f"{value:g} is too large for the depth representation SEI")
    w.u(1, sign)
    w.u(7, exponent)
    w.u(5, MANTISSA_BITS - 1)
    w.u(MANTISSA_BITS, mantissa)
