"""Handles NAL units: Annex B and length-prefixed streams, emulation prevention (H.265 7.3.1.1, 7.4.2, B.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import MalformedError
from ...limits import DEFAULT, Limits

VPS, SPS, PPS, PREFIX_SEI, SUFFIX_SEI = 32, 33, 34, 39, 40
_PART = 1 << 18     # bytes that are escaped at a time, so that positions of zeros take little memory


def nal_type(nal: bytes) -> int:
    """Return nal_unit_type of a NAL unit with its two-byte header."""
    return nal[0] >> 1 & 0x3F


def split_annex_b(stream: bytes) -> list[bytes]:
    """Split an Annex B stream into NAL units, without start codes and trailing zero bytes."""
    parts = (p.rstrip(b"\0") for p in stream.split(b"\0\0\1")[1:])
    return [p for p in parts if p]


def split_lengths(data: bytes, length_size: int, where: str = "hvc1", limits: Limits = DEFAULT) -> list[bytes]:
    """Split length-prefixed NAL units, as in items and samples. Raises MalformedError, LimitError."""
    out, at = [], 0
    while at < len(data):
        n = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        if n > len(data) - at:
            raise MalformedError(f"the NAL unit at {at:,} has {n:,} bytes, {len(data) - at:,} are left", where=where)
        if n == 0:
            raise MalformedError(f"the NAL unit at {at:,} is empty", where=where)
        out.append(data[at : at + n])
        limits.check("max_nal_units", len(out), "NAL units", where=where)
        at += n
    return out


def join_lengths(nals: list[bytes]) -> bytes:
    """Join NAL units with 4-byte lengths."""
    return b"".join(len(n).to_bytes(4, "big") + n for n in nals)


def unescape(nal: bytes) -> bytes:
    """Remove emulation prevention bytes: 00 00 03 → 00 00."""
    return nal.replace(b"\0\0\3", b"\0\0")


def escape(rbsp: bytes) -> bytes:
    """Insert emulation prevention bytes: 00 00 0x → 00 00 03 0x for x ≤ 3."""
    parts, start = [], 0
    while start < len(rbsp):
        end = start + _PART
        while end < len(rbsp) and rbsp[end - 1] == 0:   # no run of zeros goes on in the next part
            end += 1
        parts.append(_escape_part(np.frombuffer(rbsp[start:end], np.uint8)))
        start = end
    return b"".join(parts)


def _escape_part(raw: NDArray[np.uint8]) -> bytes:
    zero = raw == 0
    follows = zero[:-2] & zero[1:-1] & (raw[2:] <= 3)
    at = np.flatnonzero(follows)
    if len(at) == 0:
        return raw.tobytes()
    # An inserted byte interrupts its run of zeros. So among neighbours that each follow two zeros, the first, the
    # third and so on get one.
    starts = np.flatnonzero(np.diff(at, prepend=-2) != 1)
    place = at - np.repeat(at[starts], np.diff(starts, append=len(at)))
    at = at[place % 2 == 0]
    out = np.full(len(raw) + len(at), 3, np.uint8)
    kept = np.ones(len(out), bool)
    kept[at + 2 + np.arange(len(at))] = False
    out[kept] = raw
    return out.tobytes()


class Bits:
    """Reads bits, most significant first, and Exp-Golomb codes."""

    def __init__(self, data: bytes, where: str = "") -> None:
        self.value = int.from_bytes(data, "big")
        self.left = 8 * len(data)
        self.where = where

    def u(self, n: int) -> int:
        if n > self.left:
            raise MalformedError(f"{n} bits are needed, but {self.left} are left", where=self.where)
        self.left -= n
        return self.value >> self.left & (1 << n) - 1

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise MalformedError("an Exp-Golomb code is too long", where=self.where)
        return (1 << zeros) - 1 + self.u(zeros)


class BitWriter:
    """Writes bits, most significant first."""

    def __init__(self) -> None:
        self.value = self.length = 0

    def u(self, n: int, value: int) -> None:
        self.value = self.value << n | value & (1 << n) - 1
        self.length += n

    def ue(self, value: int) -> None:
        n = (value + 1).bit_length()
        self.u(2 * n - 1, value + 1)

    def align(self) -> bytes:
        """Add a one bit and zeros up to a whole byte unless already aligned; return the bytes."""
        if self.length % 8:
            self.u(1, 1)
            self.u(-self.length % 8, 0)
        return self.value.to_bytes(self.length // 8, "big")
