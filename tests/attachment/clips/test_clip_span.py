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
from gpudepth.depth.encoding import Depth, DisparityRange, Encoding, Gray, Relative, ZBuffer
from gpudepth.depth.pixel_format import FDEP, FDIS, HDEP, HDIS, PixelFormat
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


class Counted:
    """Maps of a clip, and how many were read."""

    def __init__(self, maps: list[Any]) -> None:
        self.maps, self.read = maps, 0

    def span(self, settings: Settings, **options: Any) -> ClipSpan:
        context = ClipContext(ClipSettings(**options), settings, NumpyBackend())
        return find_span(MapStream(len(self.maps), None, self._read), range(len(self.maps)), context)

    def _read(self, wanted: Any) -> Any:
        for n in wanted:
            self.read += 1
            yield n, self.maps[n]


CODES = [np.array([[40 + n, 200 - n]], np.uint8) for n in range(50)]


@pytest.mark.parametrize(("encoding", "named"), [
    (Gray(0.5, 8), (0.125, 2.0)), (Gray(0.5, 8, "disparity"), (0.125, 2.0)), (Gray(0.5, 8, white="near"), (0.125, 2.0)),
    (Gray(0.5, float("inf"), "disparity"), (0.0, 2.0)), (DisparityRange(2, 0.125), (0.125, 2.0)),
    (Relative(0.5, 8), (0.125, 2.0)), (Relative(0.5, 8, "depth"), (0.125, 2.0))])
def test_ends_that_an_encoding_names_need_one_map(encoding: Encoding, named: tuple[float, float]) -> None:
    clip = Counted(CODES)
    found = clip.span(Settings(encoding=encoding))
    assert (found.span, found.summary) == (named, ", all over the range that the encoding names")
    assert clip.read <= (10 if isinstance(encoding, Relative) else 1)      # maps are read ahead
    clip = Counted(CODES)
    scanned = clip.span(Settings(encoding=encoding), range="clip")
    assert clip.read >= len(CODES)
    assert scanned.span is not None
    assert named[0] < scanned.span[0] < scanned.span[1] < named[1]
    assert scanned.summary == ", all over one range"


def test_floats_of_a_relative_model_are_read_once_and_one_of_them_twice() -> None:
    clip = Counted([np.array([[1.0 + n, 2.0 + n]], np.float32) for n in range(5)])
    assert clip.span(Settings(encoding=Relative(0.5, 8))).span == (0.125, 2.0)
    assert clip.read == 6


@pytest.mark.parametrize(("settings", "named"), [
    (Settings(encoding=Gray(0.5, 8), pixel_format=HDEP), (0.5, 8.0)),
    (Settings(encoding=Gray(0.5, 8), clamp=(1, 4)), (0.25, 1.0)),
    (Settings(encoding=Gray(0.5, 8), clamp=(1, 4), pixel_format=HDEP), (1.0, 4.0)),
    (Settings(encoding=Gray(0.5, 8), fill="nearest", pixel_format=HDEP), (0.5, 8.0))])
def test_named_ends_are_clamped_and_in_the_native_format(settings: Settings, named: tuple[float, float]) -> None:
    assert Counted(CODES).span(settings).span == named


@pytest.mark.parametrize("settings", [
    Settings(encoding=Depth()), Settings(encoding=ZBuffer(0.5, 8)),
    Settings(encoding=Gray(0.5, float("inf"), "disparity"), pixel_format=HDEP)])      # half floats do not reach its far end
def test_other_ranges_are_those_of_all_maps(settings: Settings) -> None:
    clip = Counted(CODES)
    found = clip.span(settings)
    assert (clip.read, found.summary) == (len(CODES), ", all over one range")
    assert found == Counted(CODES).span(settings, range="clip")


@pytest.mark.parametrize("fmt", [HDIS, HDEP, FDIS, FDEP])
@pytest.mark.parametrize("encoding", [Gray(0.3, 7), Gray(0.3, 7, "disparity", "near"), DisparityRange(0.07, 3.3), Relative(0.3, 7)])
def test_no_code_leaves_the_named_ends(encoding: Encoding, fmt: PixelFormat) -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for settings in (Settings(encoding=encoding, pixel_format=fmt), Settings(encoding=encoding, pixel_format=fmt, clamp=(0.4, 6.1))):
        found = Counted([codes]).span(settings).span
        assert found == Counted([codes]).span(settings, range="clip").span
        values = NumpyBackend().host(prepare_map(codes, None, settings, NumpyBackend()).values)
        assert found == (float(values.min()), float(values.max()))


def test_maps_that_do_not_fit_the_encoding_are_refused_before_the_first_frame() -> None:
    with pytest.raises(UsageError, match="gray is from 0 to 1"):
        Counted(MAPS).span(Settings(encoding=Gray(1, 2)))
