"""Makes the tables of docs/numbers.md: the measured errors of stored maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpudepth.depth import numeric, orientation
from gpudepth.depth.pixel_format import native

RANGES = {"a face": (0.3, 1.5), "a room": (0.5, 12.0), "a street": (2.0, 80.0)}
BITS = (8, 10, 12)
STEPS = 1 << 16


def off(near: float, far: float, fmt: str, bits: int | None) -> tuple[float, float, float]:
    """Return the worst error, its distance, and the rms error in metres of `STEPS` evenly spaced distances.

    The distances become half floats of `fmt`, are stored as codes of `bits` bits (None: as half floats), and read back.
    """
    truth = np.linspace(near, far, STEPS, dtype=np.float64)
    inverse = fmt == "hdis"
    values = numeric.pack((1 / truth if inverse else truth).astype(np.float32), native(fmt))
    back = values.astype(np.float32)
    if bits is not None:
        lo, hi, top = float(values.min()), float(values.max()), (1 << bits) - 1
        back = numeric.load(numeric.store(values, lo, hi, top), lo, hi, top)
    error = np.abs((numeric.reciprocal(back) if inverse else back).astype(np.float64) - truth)
    return float(error.max()), float(truth[error.argmax()]), float(np.sqrt(np.mean(np.square(error))))


def metres(value: float) -> str:
    """Return two digits in a suitable unit."""
    for limit, factor, unit in ((1.0, 1, "m"), (0.01, 100, "cm")):
        if value >= limit:
            return f"{value * factor:.2g} {unit}"
    return f"{value * 1000:.2g} mm"


def precision() -> str:
    """Return a table with the worst and rms error for each range, quantity and number of bits."""
    lines = ["| range | stored | disparity (`hdis`): worst | rms | depth (`hdep`): worst | rms |",
             "|---|---|--:|--:|--:|--:|"]
    for name, (near, far) in RANGES.items():
        for bits in (*BITS, None):
            cells = []
            for fmt in ("hdis", "hdep"):
                worst, where, rms = off(near, far, fmt, bits)
                cells += [f"{metres(worst)} at {where:.2g} m" if fmt == "hdis" else metres(worst), metres(rms)]
            stored = f"{bits} bits" if bits else "half floats"
            lines.append(f"| {name}, {near:g} to {far:g} m | {stored} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def orientations() -> str:
    """Return a table with the effect of each Exif orientation on a map of two rows."""
    stored = np.array([["A", "B", "C"], ["D", "E", "F"]])
    lines = ["| Exif | `irot` | `imir` | stored `ABC DEF` is shown as | width and height change places |",
             "|--:|--:|--:|---|---|"]
    for number in range(1, 9):
        properties = dict(orientation.to_heif(number))
        shown = " ".join("".join(row) for row in orientation.apply(number, stored))
        lines.append(f"| {number} | {properties.get('irot', '')} | {properties.get('imir', '')} | `{shown}` | "
                     f"{'yes' if orientation.swaps_axes(number) else ''} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {"precision": precision, "orientations": orientations}
