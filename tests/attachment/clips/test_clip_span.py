"""The range that all frames of a clip share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpudepth.attachment.clips.maps import MapStream
from gpudepth.attachment.clips.span import ClipContext, ClipSpan, find_span, span_of
from gpudepth.attachment.prepare import prepare_map
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.depth.encoding import Depth, Gray, Relative
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP
from gpudepth.errors import RangeError, UsageError
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize


def stream(maps: list[Any]) -> MapStream:
    return MapStream(len(maps), None, lambda wanted: ((n, maps[n]) for n in wanted))


def span(maps: list[Any], settings: Settings, wanted: list[int] | None = None, threads: int = 1, **options: Any) -> ClipSpan:
    means = ClipContext(ClipSettings(**options), settings, NumpyBackend(), threads)
    return find_span(stream(maps), list(range(len(maps))) if wanted is None else wanted, means)


MAPS = [np.array([[2.0, 4.0 + n], [np.nan, np.inf]], np.float32) for n in range(4)]


@pytest.mark.parametrize("threads", [1, 3])
def test_least_and_greatest_of_all(threads: int) -> None:
    metres = Settings(encoding=Depth())
    assert span(MAPS, metres, threads=threads).span == (float(np.float16(1 / 7)), 0.5)
    assert span(MAPS, metres, [0, 1], threads).span == (float(np.float16(1 / 5)), 0.5)
    assert span(MAPS, Settings(encoding=Depth(), pixel_format=HDEP), threads=threads).span == (2, 7)
    assert span(MAPS, Settings(encoding=Depth(), pixel_format=HDEP, clamp=(3, 6))).span == (3, 6)
    assert span(MAPS, Settings(encoding=Depth(), clamp=(2.5, 6))).span == (float(np.float16(1 / 6)), float(np.float16(0.4)))


@pytest.mark.parametrize("settings", [
    Settings(encoding=Depth()), Settings(encoding=Depth(), resize=Resize(7, 5), fill="nearest"), Settings(encoding=Depth(), pixel_format=FDEP, fill="far"),
    Settings(encoding=Depth(), pixel_format=FDIS, resize=Resize(40, 30, method="bilinear"), clamp=(1, 9), fill="inpaint")])
def test_no_step_leaves_it(settings: Settings) -> None:
    """What comes out of refining lies inside the range that was found before it."""
    rng = np.random.default_rng(0)
    maps = [np.where(rng.random((12, 16)) < 0.1, np.nan, rng.uniform(1 + n / 5, 10, (12, 16))).astype(np.float32) for n in range(5)]
    found = span(maps, settings).span
    assert found is not None
    for values in maps:
        out = prepare_map(values, None, settings, NumpyBackend()).values
        finite = out[np.isfinite(out)]
        assert found[0] <= finite.min()
        assert finite.max() <= found[1]


def test_named() -> None:
    found = span(MAPS, Settings(encoding=Depth()), range=(0.4, 10.0))
    assert found.span is not None
    assert found.span[0] <= 0.1
    assert found.span[1] == 2.5
    assert span_of((0.3, 9), HDEP)[0] <= 0.3 < 9 <= span_of((0.3, 9), HDEP)[1]
    assert span(MAPS, Settings(encoding=Depth()), range="frame").span is None


def test_one_scale_for_a_relative_model(tmp_path: Path) -> None:
    """Video-Depth-Anything's floats: near and far are the clip's, not each frame's."""
    maps = [np.array([[1.0 + n, 2.0 + n]], np.float32) for n in range(3)]
    found = span(maps, Settings(encoding=Relative(1, 10)))
    assert isinstance(found.encoding, Relative)
    assert (found.encoding.low, found.encoding.high) == (1.0, 4.0)
    assert found.span is not None
    np.testing.assert_allclose(found.span, (0.1, 1.0), rtol=1e-3)
    middle = prepare_map(maps[1], None, Settings(encoding=found.encoding), NumpyBackend()).values
    np.testing.assert_allclose(middle[0], [0.1 + 0.9 / 3, 0.1 + 0.9 * 2 / 3], rtol=1e-3)
    Image.fromarray(np.array([[3, 200]], np.uint8)).save(tmp_path / "m.png")     # codes run from 0 to 255, whatever is used of them
    found = span([tmp_path / "m.png"], Settings(encoding=Relative(1, 10)))
    assert isinstance(found.encoding, Relative)
    assert found.encoding.low is None


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be aligned"):
        span(MAPS, Settings(align="disparity"))
    with pytest.raises(RangeError, match="no frame holds a finite value"):
        span([np.full((2, 2), np.nan, np.float32)], Settings(encoding=Depth()))
    with pytest.raises(UsageError, match="gray is from 0 to 1"):
        span(MAPS, Settings(encoding=Gray(1, 2)))
