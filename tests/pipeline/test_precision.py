from __future__ import annotations

import re

import numpy as np
import pytest

from gpudepth.depth import numeric
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDEP, HDIS, L008, L012, PixelFormat
from gpudepth.pipeline.precision import warn_if_coarse


def warned(metres: np.ndarray, fmt: PixelFormat, stored: PixelFormat = L008) -> list[str]:
    values = numeric.pack(metres.astype(np.float32) if fmt is HDEP else (1 / metres).astype(np.float32), fmt)
    lo, hi = float(values.min()), float(values.max())
    codes = numeric.store(values.astype(np.float32), lo, hi, stored.max_code or 0)
    return warn_if_coarse(values, codes, Storage(stored, lo, hi), fmt, 12)


METRES = np.linspace(20, 40, 200 * 100).reshape(100, 200)


def test_no_outlier_no_warning() -> None:
    assert warned(METRES, HDIS) == []
    assert warned(METRES, HDEP) == []
    assert warned(np.full((10, 10), 3.0), HDEP) == []


@pytest.mark.parametrize("fmt", [HDIS, HDEP], ids=str)
def test_the_numbers_are_true(fmt: PixelFormat) -> None:
    """The error it names is what half a stored step near the median really costs."""
    metres = METRES.copy()
    metres[0, 0] = 0.5 if fmt is HDIS else 2000
    (text,) = warned(metres, fmt)
    said = float(re.search(r"off by up to ([\d.e+-]+) m", text).group(1))  # type: ignore[union-attr]
    values = 1 / metres if fmt is HDIS else metres
    lo, hi = values.min(), values.max()
    back = numeric.load(numeric.store(values.astype(np.float32), lo, hi, 255), lo, hi, 255)
    if fmt is HDEP:
        assert 0.7 * said < np.abs(back - metres).max() < 1.05 * said
    else:
        step = (hi - lo) / 255
        assert said == pytest.approx(np.median(metres) ** 2 * step / 2, rel=0.1)
    low, high = (float(x) for x in re.search(r"--clamp ([\d.]+),([\d.]+)", text).groups())  # type: ignore[union-attr]
    assert warned(np.clip(metres, low, high), fmt) == []


def test_twelve_bits_have_nothing_to_name_but_the_clamp() -> None:
    metres = METRES.copy()
    metres[0, 0] = 0.05
    (text,) = warned(metres, HDIS, L012)
    assert "--bits" not in text and "--clamp" in text
