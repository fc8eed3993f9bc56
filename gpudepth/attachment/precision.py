"""Computes what a stored range costs in metres: one far outlier can use up most codes of an integer format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth import numeric
from ..depth.data import Storage
from ..depth.pixel_format import PixelFormat, Quantity, quantity_of

FEW_CODES = 64
COARSE = 0.05       # of a distance; 8 bits of disparity exceed it beyond 28 times the nearest distance
MIDDLE = 0.98
SAMPLE = 100_000


def warn_if_coarse(codes: NDArray[Any], storage: Storage, fmt: PixelFormat, most_bits: int,
                   sample: Callable[[int], NDArray[Any]]) -> list[str]:
    """Return a warning if the middle 98 % of the values use fewer than 64 codes.

    Args:
        codes: The codes of a map (H, W); about a hundred thousand of them are examined.
        storage: Stored format and range.
        fmt: Native format.
        most_bits: The most bits that the container can store.
        sample: Returns each n-th native value of the map, in any order.
    """
    top = storage.format.max_code or 0
    if storage.hi <= storage.lo:
        return []
    edge, every = (1 - MIDDLE) / 2, max(1, codes.size // SAMPLE)
    counted = np.cumsum(np.bincount(codes.ravel()[::every]))
    first, last = np.searchsorted(counted, np.array((edge, 1 - edge)) * counted[-1])
    used = int(last - first) + 1
    if used >= FEW_CODES:
        return []
    some = sample(every).astype(np.float32)
    low, middle, high = (float(q) for q in np.quantile(some, (edge, 0.5, 1 - edge), method="nearest"))
    step = (storage.hi - storage.lo) / top
    if quantity_of(fmt) is Quantity.DISPARITY:
        far, typical, near = (1 / max(v, step / 2) for v in (low, middle, high))
        error = typical * typical * step / 2
        ends = [1 / storage.hi, 1 / max(storage.lo, step / 2)]
    else:
        near, typical, far = low, middle, high
        error = step / 2
        ends = [storage.lo, storage.hi]
    cures = [f"‹clamp=({_round_down(near):g}, {_round_up(far):g})›"]
    if storage.format.bits < most_bits:
        cures.append(f"‹bits={most_bits}›")
    return [f"the middle 98 % of the map ({near:.3g} to {far:.3g} m) uses {used} of {top + 1} codes because the range "
            f"goes from {ends[0]:.3g} to {ends[1]:.3g} m: values near {typical:.3g} m are off by up to {error:.2g} m; "
            f"{' or '.join(cures)} fixes this"]


def rounding(near: float, far: float, quantity: Quantity, bits: int) -> tuple[float, float]:
    """Return the largest error of a stored value in metres, and the distance at which it matters most.

    A value half a code from an end is stored as that end or as the code beside it. The error in disparity is largest at
    the far end; in depth it is the same everywhere and matters most at the near end.
    """
    top = (1 << bits) - 1
    if quantity is Quantity.DEPTH:
        rule = numeric.Linear(top, near, far)
        return rule.at(0.5) - rule.at(0), near
    rule = numeric.Linear(top, 1 / far, 1 / near, reciprocal=True)
    return rule.at(0) - rule.at(0.5), far


def predict_rounding(near: float, far: float, quantity: Quantity, bits: int, *, most_bits: int,
             of: str) -> list[str]:
    """Return a warning if storing a range in metres costs more than 5 % of a distance.

    Args:
        near: Near end in metres.
        far: Far end in metres.
        quantity: Quantity of the native format.
        bits: Bits of the codes.
        most_bits: The most bits that the container can store.
        of: Where the range is from, for the message.
    """
    error, at = rounding(near, far, quantity, bits)
    if error <= COARSE * at:
        return []
    other = Quantity.DEPTH if quantity is Quantity.DISPARITY else Quantity.DISPARITY
    less, where = rounding(near, far, other, bits)
    cures = [f"‹pixel_format={'hdep' if other is Quantity.DEPTH else 'hdis'}› reduces that to {_metres(less)} "
             + ("everywhere" if other is Quantity.DEPTH else f"at {where:.3g} m, and less at smaller distances")]
    if bits < most_bits:
        cures.append(f"‹bits={most_bits}› to {_metres(rounding(near, far, quantity, most_bits)[0])}")
    cures.append("‹clamp› limits the range")
    name = "disparity (hdis)" if quantity is Quantity.DISPARITY else "depth (hdep)"
    return [f"{bits} bits of {name} over {near:.3g} to {far:.3g} m, {of}: values near {at:.3g} m are off by up to "
            f"{_metres(error)} ({error / at:.1%}); {'; '.join(cures)}"]


def _metres(value: float) -> str:
    return f"{value:.2g} m"


def _round_down(metres: float) -> float:
    unit = 10.0 ** (np.floor(np.log10(max(metres, 1e-6))) - 1)
    return float(np.floor(metres / unit) * unit)


def _round_up(metres: float) -> float:
    unit = 10.0 ** (np.floor(np.log10(max(metres, 1e-6))) - 1)
    return float(np.ceil(metres / unit) * unit)
