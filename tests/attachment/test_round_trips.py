"""One map through every container, one after another: what each step adds to its error, and what it may add at most.

    metres → HEIC → JPEG → DNG → GDepth → property list → HEIC → Dynamic Depth → HEIC

Every bound is computed from the formats: half a code, the rounding of half floats, the quantisation table of a JPEG,
the digits that a range is printed with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dng_kit import dng
from photo_kit import heic, plain

import gpudepth
from gpudepth.containers.jpeg.image import APPLE_QUANTISATION
from gpudepth.depth.pixel_format import Quantity, native, quantity_of

CODE = 1 / 255
HALF, SINGLE = 2.0**-11, 2.0**-24  # relative error of rounding to a half, to a float
NUDGE = 1 / 64  # of a code: what the end of a range may move by when a container names it in its own numbers


def metres() -> Any:
    """(48, 64) of smooth ground and a box before it, 0.7 to 9 m."""
    y, x = np.mgrid[:48, :64]
    ground = 9 - 8 * y / 47 + np.sin(x / 9) * 0.2
    ground[14:34, 20:44] = 0.7 + x[14:34, 20:44] / 200
    return ground.clip(0.7, 9).astype(np.float32)


def stored(path: Path) -> tuple[Any, float]:
    """What a file holds, as displayed: float64 in its native quantity, not rounded to floats; and its span."""
    data = gpudepth.read(path)
    assert data is not None
    if data.codes is None or data.storage is None:
        values = data.map.astype(np.float64)
        return values, float(values.max() - values.min())
    top = data.storage.format.max_code
    assert top
    span = data.storage.hi - data.storage.lo
    return data.storage.lo + span * data.codes.astype(np.float64) / top, span


def blocks_rms(error: Any) -> float:
    """The largest rms error of an 8×8 block."""
    h, w = error.shape
    return float(np.sqrt((error.reshape(h // 8, 8, w // 8, 8) ** 2).mean((1, 3)).max()))


@pytest.mark.parametrize("name", ["hdis", "fdis", "hdep", "fdep"])
def test_through_every_container(tmp_path: Path, name: str) -> None:
    fmt, truth = native(name), metres().astype(np.float64)
    if quantity_of(fmt) is Quantity.DISPARITY:
        truth = 1 / truth
    rounding = (HALF if name[0] == "h" else SINGLE) * truth.max()
    raw = tmp_path / "raw.dng"
    raw.write_bytes(dng(orientation=6, size=(96, 128)))
    photos = {"heic": heic(tmp_path / "p.heic"), "dng": raw, "jpg": plain(tmp_path / "p.jpg", 96, 128, orientation=6)}
    error: dict[str, float] = {}
    span: dict[str, float] = {}
    at, before = metres(), truth

    def step(title: str, suffix: str, bound: float, **options: Any) -> Any:
        """Put the last file's depth into the next; its largest error against the file before, in one 8-bit code."""
        nonlocal at, before
        out = tmp_path / f"{title}.{suffix}"
        if suffix == "plist":
            gpudepth.convert(at, out, pixel_format=name)
        else:
            gpudepth.attach(photos[suffix], at, out, pixel_format=name, **options)
            assert gpudepth.check(out).conforms
        now, span[title] = stored(out)
        difference = now - before
        error[title] = float(np.abs(difference).max()) / (span[title] * CODE)
        assert np.abs(difference).max() <= bound, error
        at, before = out, now
        return difference

    full = float(truth.max() - truth.min()) + 2 * rounding
    step("heic", "heic", full * CODE / 2 + rounding * 2 + full * CODE * NUDGE)  # half a code, half floats
    # JPEG: each of 64 coefficients is off by half its divisor; an orthonormal transform keeps the sum of squares; then
    # the decoder rounds to integers
    loss = step("jpeg", "jpg", np.inf)
    code = span["jpeg"] * CODE
    assert blocks_rms(loss) <= (np.sqrt(np.mean(np.square(APPLE_QUANTISATION)) / 4) + 0.5 + NUDGE) * code
    assert abs(span["jpeg"] - span["heic"]) <= code * NUDGE
    step("dng", "dng", 2 * code / 257 * NUDGE + SINGLE)  # 8-bit codes × 257, the range in rationals
    step("gdepth", "jpg", code * NUDGE, profile="gdepth")  # 16-bit codes that are multiples of 257
    halves = HALF * truth.max()  # as which Google's layouts are read
    step("plist", "plist", halves)
    step("heic again", "heic", span["plist"] * CODE / 2 + rounding * 2 + span["plist"] * CODE * NUDGE)
    if fmt.quantity is Quantity.DISPARITY:  # the only one that Android reads
        loss = step("dynamic depth", "jpg", np.inf, profile="dynamic-depth", accuracy="absolute")
        assert blocks_rms(loss) <= (1 / 2 + 0.5 + NUDGE) * span["heic"] * CODE
        step("heic at last", "heic", code * NUDGE)


def test_sixteen_bits_from_file_to_file(tmp_path: Path) -> None:
    """DNG keeps 16 bits; eight of them go on into a HEIC, twelve when asked."""
    (tmp_path / "raw.dng").write_bytes(dng())
    deep = gpudepth.attach(tmp_path / "raw.dng", metres(), tmp_path / "deep.dng", pixel_format="fdis")
    exact, span = stored(deep)
    assert np.abs(exact - 1 / metres().astype(np.float64)).max() <= span / 65535 * 0.52
    photo = heic(tmp_path / "p.heic")
    with pytest.warns(UserWarning, match="codes of 16 bits"):
        for bits, top in ((8, 255), (12, 4095)):
            out = gpudepth.attach(photo, deep, tmp_path / f"{bits}.heic", bits=bits, pixel_format="fdis")
            now, wide = stored(out)
            assert np.abs(now - exact).max() <= wide / top * (0.5 + NUDGE)
