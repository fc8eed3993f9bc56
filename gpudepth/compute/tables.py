"""Tables of all results: a source or map of 8 or 16 bits has at most 65,536 different pixels.

`gpudepth.depth.numeric` itself builds them, so a back end that looks values up agrees with the definition, and with
every other back end, by construction. A float16 is looked up by its bits. Tables are cached and read-only.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..depth import numeric
from ..depth.numeric import Linear
from ..depth.pixel_format import PixelFormat

T = TypeVar("T", bound=np.generic)


def of_codes(rule: Linear, fmt: PixelFormat, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the native value (`fmt.dtype`) of every bit pattern of `dtype`: uint8, uint16 or float16."""
    return _of_codes(rule, _exact(rule), fmt, dtype.kind, dtype.itemsize)


def of_code_pairs(rule: Linear, fmt: PixelFormat) -> NDArray[Any]:
    """Return 65,536 words, each the values of two neighbouring 8-bit codes, so that one look-up serves two pixels.

    The index is the two bytes read as one uint16; a word is uint32 for halves. Both sides are views of memory, so the
    byte order of the machine does not matter.
    """
    return _of_code_pairs(rule, _exact(rule), fmt)


@lru_cache(maxsize=8)
def of_reciprocals(fmt: PixelFormat) -> NDArray[Any]:
    """Return the reciprocal in `fmt` of every float16, indexed by its bits."""
    return sealed(numeric.pack(numeric.reciprocal(_every(np.dtype(np.float16))), fmt))


@lru_cache(maxsize=8)
def of_stored(lo: float, hi: float, fmt: PixelFormat) -> NDArray[Any]:
    """Return the code in the stored format `fmt` of every float16, indexed by its bits; 0 for NaN and infinities."""
    halves = _every(np.dtype(np.float16))
    halves[~np.isfinite(halves)] = 0
    return sealed(numeric.store(halves, lo, hi, fmt.max_code or 0))


def of_recoded(values: NDArray[Any], lo: float, hi: float, stored: PixelFormat) -> NDArray[Any]:
    """Return the stored code of each value of a table (`of_codes`), 0 for those that are not finite."""
    return sealed(numeric.store(np.where(np.isfinite(values), values, 0), lo, hi, stored.max_code or 0))


@lru_cache(maxsize=16)
def _of_codes(rule: Linear, exact: bytes, fmt: PixelFormat, kind: str, size: int) -> NDArray[Any]:
    return sealed(numeric.pack(numeric.values(_every(np.dtype(f"{kind}{size}")), rule), fmt))


@lru_cache(maxsize=8)
def _of_code_pairs(rule: Linear, exact: bytes, fmt: PixelFormat) -> NDArray[Any]:
    return paired(_of_codes(rule, exact, fmt, "u", 1))


def paired(table: NDArray[Any]) -> NDArray[Any]:
    """Return the table of pairs of codes, as `of_code_pairs`, for a table of 256 values."""
    both = table[np.arange(65536, dtype=np.uint16).view(np.uint8)]
    return sealed(both.view(f"u{2 * table.itemsize}"))


def _exact(rule: Linear) -> bytes:
    # -0.0 == 0.0, but 1/-0.0 is another infinity: the cache must distinguish them.
    return struct.pack("<3f", rule.divisor, rule.a, rule.b)


def _every(dtype: np.dtype[Any]) -> NDArray[Any]:
    bits = np.arange(256, dtype=np.uint8) if dtype.itemsize == 1 else np.arange(65536, dtype=np.uint16)
    return bits.view(dtype)


def sealed(table: NDArray[T]) -> NDArray[T]:
    """Return a table that cannot be written to."""
    table.flags.writeable = False
    return table


SPACE, COLOUR, TRUST = 64, 1024, 16
MOST = 3 * 255  # the largest difference of two colours: |ΔR| + |ΔG| + |ΔB|


@lru_cache(maxsize=16)
def of_colour(sigma: float) -> NDArray[np.int32]:
    """Return (766,) int32, 1…1024: the weight of a tap whose colour differs by 0…765, falling by e each 3·sigma."""
    table = np.rint(COLOUR * np.exp(-np.arange(MOST + 1) / (3 * sigma)))
    return sealed(np.maximum(table, 1).astype(np.int32))


@lru_cache(maxsize=16)
def of_distance(radius: int, sigma: float) -> NDArray[np.int32]:
    """Return (2·radius + 1,) int32, 1…64: the weights along one axis, a bell of that sigma in pixels."""
    table = np.rint(SPACE * np.exp(-np.arange(-radius, radius + 1) ** 2 / (2 * sigma * sigma)))
    return sealed(np.maximum(table, 1).astype(np.int32))


@lru_cache(maxsize=1)
def of_trust() -> NDArray[np.int32]:
    """Return (256,) int32: the weight 0…16 of each confidence, which is 0 only for 0."""
    c = np.arange(256, dtype=np.int32)
    return sealed(np.where(c > 0, np.maximum((c * TRUST + 127) // 255, 1), 0).astype(np.int32))
