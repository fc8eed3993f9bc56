from __future__ import annotations

import re

import numpy as np
import pytest

from gpudepth.attachment.precision import predict_rounding, rounding, warn_if_coarse
from gpudepth.depth import numeric
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDEP, HDIS, L008, L012, PixelFormat, Quantity


def warned(metres: np.ndarray, fmt: PixelFormat, stored: PixelFormat = L008) -> list[str]:
    values = numeric.pack(metres.astype(np.float32) if fmt is HDEP else (1 / metres).astype(np.float32), fmt)
    lo, hi = float(values.min()), float(values.max())
    codes = numeric.store(values.astype(np.float32), lo, hi, stored.max_code or 0)
    return warn_if_coarse(codes, Storage(stored, lo, hi), fmt, 12, lambda every: values.ravel()[::every])


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
    low, high = (float(x) for x in re.search(r"‹clamp=\(([\d.]+), ([\d.]+)\)›", text).groups())  # type: ignore[union-attr]
    assert warned(np.clip(metres, low, high), fmt) == []


def test_twelve_bits_have_nothing_to_name_but_the_clamp() -> None:
    metres = METRES.copy()
    metres[0, 0] = 0.05
    (text,) = warned(metres, HDIS, L012)
    assert "bits" not in text and "‹clamp=" in text


def stored_error(near: float, far: float, fmt: PixelFormat, bits: int, at: float) -> float:
    """What really becomes of distances around `at`: quantised and read back by the contract, the worst of many."""
    metres = np.linspace(max(near, at * 0.1), far, 400_001)
    values = (metres if fmt is HDEP else 1 / metres).astype(np.float32)
    lo, hi = (near, far) if fmt is HDEP else (1 / far, 1 / near)
    top = (1 << bits) - 1
    codes = np.rint((values.astype(np.float64) - lo) / (hi - lo) * top)
    back = lo * (1 - codes / top) + hi * (codes / top)
    return float(np.abs((back if fmt is HDEP else 1 / back) - metres).max())


@pytest.mark.parametrize(("near", "far"), [(2, 80), (0.5, 5), (0.3, 65), (1, 1000)])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_rounding_is_what_happens(near: float, far: float, bits: int) -> None:
    error, at = rounding(near, far, Quantity.DISPARITY, bits)
    assert at == far
    assert error == pytest.approx(far - 1 / (1 / far + (1 / near - 1 / far) / ((1 << bits) - 1) / 2), rel=1e-4)
    assert error == pytest.approx(stored_error(near, far, HDIS, bits, at), rel=5e-3)
    error, at = rounding(near, far, Quantity.DEPTH, bits)
    assert at == near
    assert error == pytest.approx((far - near) / ((1 << bits) - 1) / 2, rel=1e-3)
    assert error == pytest.approx(stored_error(near, far, HDEP, bits, far), rel=5e-3)


def test_kitti_is_foretold() -> None:
    """2 to 80 m. Disparity: 80 − 1/(1/80 + (1/2 − 1/80)/255/2) = 5.68 m. Depth: 78/255/2 = 0.153 m."""
    said = predict_rounding(2, 80, Quantity.DISPARITY, 8, most_bits=12, of="the range of 8 maps")
    assert said == ["8 bits of disparity (hdis) over 2 to 80 m, the range of 8 maps: values near 80 m are off by up to 5.7 m "
                    "(7.1%); ‹pixel_format=hdep› reduces that to 0.15 m everywhere; ‹bits=12› to 0.38 m; ‹clamp› limits the range"]
    said = predict_rounding(2, 80, Quantity.DEPTH, 8, most_bits=8, of="x")
    assert said == ["8 bits of depth (hdep) over 2 to 80 m, x: values near 2 m are off by up to 0.15 m (7.6%); "
                    "‹pixel_format=hdis› reduces that to 5.7 m at 80 m, and less at smaller distances; ‹clamp› limits the range"]
    for quantity in (Quantity.DISPARITY, Quantity.DEPTH):
        assert predict_rounding(0.5, 10, quantity, 8, most_bits=12, of="") == []
        assert predict_rounding(2, 80, quantity, 10, most_bits=12, of="") == []
