"""What a stored range costs, in metres: one far outlier can eat the few codes of an integer format."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..depth.data import Storage
from ..depth.pixel_format import PixelFormat, Quantity, quantity_of

FEW_CODES = 64
MIDDLE = 0.98
SAMPLE = 100_000


def warn_if_coarse(values: NDArray[Any], codes: NDArray[Any], storage: Storage, fmt: PixelFormat,
                   most_bits: int) -> list[str]:
    """One warning when the middle 98 % of the values use fewer than 64 codes, with numbers and what mends it.

    values is the native map, every pixel finite, codes what is stored of it; a hundred thousand of them are looked at.
    most_bits is how many the container could store.
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
    some = values.ravel()[::every].astype(np.float32)
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
    mend = [f"--clamp {_round_down(near):g},{_round_up(far):g}"]
    if storage.format.bits < most_bits:
        mend.append(f"--bits {most_bits}")
    return [f"the middle 98 % of the map ({near:.3g} to {far:.3g} m) uses {used} of {top + 1} codes because the range "
            f"goes from {ends[0]:.3g} to {ends[1]:.3g} m: values near {typical:.3g} m are off by up to {error:.2g} m; "
            f"{' or '.join(mend)} mends it"]


def _round_down(metres: float) -> float:
    unit = 10.0 ** (np.floor(np.log10(max(metres, 1e-6))) - 1)
    return float(np.floor(metres / unit) * unit)


def _round_up(metres: float) -> float:
    unit = 10.0 ** (np.floor(np.log10(max(metres, 1e-6))) - 1)
    return float(np.ceil(metres / unit) * unit)
