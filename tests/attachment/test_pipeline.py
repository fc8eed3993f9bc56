from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from photo_kit import gray, heic, plain, ramp
from PIL import Image

import gpudepth
from gpudepth.attachment.encode import outward
from gpudepth.attachment.pipeline import run_item
from gpudepth.compute import backend, cpu
from gpudepth.depth import numeric
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DepthData
from gpudepth.depth.encoding import Depth, Disparity, DisparityRange, Gray, parse_scale
from gpudepth.depth.pixel_format import HDIS, NATIVE, PixelFormat
from gpudepth.errors import (
    AspectError,
    ExistingDepthError,
    GpudepthError,
    HolesError,
    MissingInputError,
    NoDepthError,
    OutputError,
    RangeError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize

GRAY = Settings(encoding=Gray(0.5, 12.0))


def go(photo: Path, depth: Any, out: Path, settings: Settings = GRAY) -> Any:
    return run_item(photo, depth, out, settings, backend("numpy"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["heic", "jpg", "png"])
def test_maps_go_in_and_come_out_as_displayed(tmp_path: Path, kind: str, orientation: int) -> None:
    photo = tmp_path / f"photo.{kind}"
    (heic if kind == "heic" else plain)(photo, 96, 64, orientation)
    size = (48, 32) if orientation < 5 else (32, 48)
    codes = ramp(*size)
    out = go(photo, codes, tmp_path / "out.heic", replace(GRAY, transcode=True))
    assert (out.width, out.height) == size
    data = gpudepth.read(out.output)
    assert data is not None and data.storage is not None
    assert (data.width, data.height) == size
    want = numeric.pack(numeric.values(codes, Gray(0.5, 12.0).linear(HDIS.quantity, 65535)), HDIS)  # type: ignore[arg-type]
    step = (data.storage.hi - data.storage.lo) / 255
    assert np.abs(data.map.astype(np.float64) - want).max() <= step * 0.51 + 1e-3
    shown = Image.fromarray(np.asarray(pillow_heif.open_heif(out.output)))
    assert shown.size == ((96, 64) if orientation < 5 else (64, 96))
    libheif = np.asarray(pillow_heif.open_heif(out.output).info["depth_images"][0]).squeeze()
    assert libheif.shape == (size[1], size[0])
    # the ramp grows to the lower right: near (large disparity) is at the upper left
    assert libheif[0, 0] == 255 and libheif[-1, -1] == 0


def test_coded_orientation(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 96, 64, 6)
    go(photo, ramp(48, 32), tmp_path / "o.heic", replace(GRAY, orientation="coded"))
    coded = gpudepth.read(tmp_path / "o.heic", orientation="coded")
    assert coded is not None
    assert (coded.width, coded.height, coded.orientation) == (48, 32, 6)
    assert coded.map[0, 0] == coded.map.max()


@pytest.mark.parametrize("white", ["far", "near"])
@pytest.mark.parametrize("curve", ["depth", "disparity"])
@pytest.mark.parametrize("fmt", NATIVE, ids=str)
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_black_and_white_land_where_the_line_says(tmp_path: Path, white: str, curve: str, fmt: PixelFormat,
                                                  bits: int) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    settings = Settings(encoding=Gray(0.5, 12.0, curve, white), pixel_format=fmt, bits=bits)  # type: ignore[arg-type]
    out = go(photo, ramp(32, 24), tmp_path / "o.heic", settings)
    data = gpudepth.read(out.output)
    assert data is not None
    metres = data.depth()
    black, far_end = (0.5, 12.0) if white == "far" else (12.0, 0.5)
    assert f"black = {black:.2f} m, white = {far_end:.2f} m" in out.describe()
    tolerance = 1e-3  # half floats have eleven bits, and the range of single floats is widened to them
    assert metres[0, 0] == pytest.approx(black, rel=tolerance)
    assert metres[-1, -1] == pytest.approx(far_end, rel=tolerance)
    assert out.metres == pytest.approx((0.5, 12.0), rel=tolerance)


def test_metric_maps(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    metres = np.linspace(1, 9, 32 * 24, dtype=np.float32).reshape(24, 32)
    np.save(tmp_path / "d.npy", metres)
    go(photo, tmp_path / "d.npy", tmp_path / "o.heic", Settings(encoding=Depth(), pixel_format=NATIVE[2]))
    data = gpudepth.read(tmp_path / "o.heic")
    assert data is not None
    assert np.abs(data.depth() - metres).max() < 8 / 255 * 0.51 + 0.004
    Image.fromarray((metres * 1000).astype(np.uint16)).save(tmp_path / "mm.png")
    out = go(photo, tmp_path / "mm.png", tmp_path / "o2.heic", Settings(encoding=Depth(parse_scale("mm")), clamp=(2, 6)))
    assert out.metres == pytest.approx((2, 6), rel=1e-3)


def test_disparity_round_trip_through_npy(tmp_path: Path) -> None:
    """What extract --values disparity --coded writes can be attached again, code for code."""
    photo = heic(tmp_path / "p.heic", 64, 48, 6)
    first = go(photo, ramp(24, 32), tmp_path / "a.heic")
    coded = gpudepth.read(first.output, orientation="coded")
    assert coded is not None
    np.save(tmp_path / "d.npy", coded.disparity())
    second = go(photo, tmp_path / "d.npy", tmp_path / "b.heic", Settings(encoding=Disparity(), orientation="coded"))
    assert (tmp_path / "a.heic").read_bytes() == (tmp_path / "b.heic").read_bytes()
    assert second.storage == first.storage


def test_depth_from_another_file_keeps_values_and_calibration(tmp_path: Path, sample: Any) -> None:
    source = sample("heic/iphone13pro_portrait.heic")
    before = gpudepth.read(source)
    assert before is not None and before.calibration is not None
    edited = heic(tmp_path / "edited.heic", 400, 300)
    out = go(edited, source, tmp_path / "o.heic", Settings())
    after = gpudepth.read(out.output)
    assert after is not None and after.calibration is not None
    assert np.array_equal(before.map, after.map)
    assert (after.calibration.reference_width, after.calibration.reference_height) == (400, 300)
    scaled = before.calibration.scaled(400, 300)
    assert np.allclose(after.calibration.intrinsics, scaled.intrinsics, rtol=1e-6)
    assert after.calibration.distortion == pytest.approx(scaled.distortion, rel=1e-6)
    assert (after.accuracy, after.quality, after.filtered) == (before.accuracy, before.quality, before.filtered)


def test_calibration_is_turned_with_the_photo(tmp_path: Path) -> None:
    camera = Calibration(np.array([[50.0, 0, 10], [0, 50, 40], [0, 0, 1]]), 48, 64)
    shown = DepthData.from_values(np.linspace(1, 2, 48 * 64).reshape(64, 48), "hdis", calibration=camera)
    photo = heic(tmp_path / "p.heic", 128, 96, 6)
    go(photo, shown, tmp_path / "o.heic", Settings())
    coded = gpudepth.read(tmp_path / "o.heic", orientation="coded")
    assert coded is not None and coded.calibration is not None
    assert coded.calibration.reference_width == 128
    back = gpudepth.read(tmp_path / "o.heic")
    assert back is not None and back.calibration is not None
    assert np.allclose(back.calibration.scaled(48, 64).intrinsics, camera.intrinsics, rtol=1e-6)
    assert np.allclose(back.calibration.extrinsics, camera.extrinsics)


def test_calibration_from_exif(tmp_path: Path) -> None:
    photo = plain(tmp_path / "p.jpg", 120, 80, focal35=36)
    settings = replace(GRAY, calibration="exif", transcode=True)
    out = go(photo, ramp(60, 40), tmp_path / "o.heic", settings)
    data = gpudepth.read(out.output)
    assert data is not None and data.calibration is not None
    assert data.calibration.focal == (120, 120)
    bare = go(heic(tmp_path / "q.heic", 120, 80), ramp(60, 40), tmp_path / "o2.heic", settings)
    assert any("35 mm" in w for w in bare.warnings)


def test_resize_is_in_display_orientation(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 128, 96, 6)
    out = go(photo, ramp(72, 96), tmp_path / "o.heic", replace(GRAY, resize=Resize(36, 48)))
    coded = gpudepth.read(out.output, orientation="coded")
    assert coded is not None
    assert (coded.width, coded.height) == (48, 36)
    assert (out.width, out.height) == (36, 48)


@pytest.mark.parametrize(("fit", "size"), [("crop", (64, 48)), ("stretch", (100, 48))])
def test_fit(tmp_path: Path, fit: Any, size: tuple[int, int]) -> None:
    photo = heic(tmp_path / "p.heic", 128, 96)
    with pytest.raises(AspectError, match=r"100×48 but the photo is 128×96: their aspects differ by 56"):
        go(photo, ramp(100, 48), tmp_path / "o.heic")
    out = go(photo, ramp(100, 48), tmp_path / "o.heic", replace(GRAY, fit=fit))
    assert (out.width, out.height) == size


def test_a_turned_map_is_recognised(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 128, 96, 6)
    with pytest.raises(AspectError, match=r"orientation=.coded"):
        go(photo, ramp(64, 48), tmp_path / "o.heic")


@pytest.mark.parametrize(("how", "value"), [("nearest", None), ("far", 8.0), ("near", 2.0)])
def test_holes(tmp_path: Path, how: Any, value: float | None) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    metres = np.full((24, 32), 4.0, np.float32)
    metres[:, 0], metres[:, -1] = 2, 8
    metres[5:8, 10:13] = np.nan
    with pytest.raises(HolesError, match=r"9 of 768 pixels .1.2%. have no finite value.*fill=.nearest"):
        go(photo, metres, tmp_path / "o.heic", Settings(encoding=Depth()))
    assert not (tmp_path / "o.heic").exists()
    out = go(photo, metres, tmp_path / "o.heic", Settings(encoding=Depth(), fill=how))
    data = gpudepth.read(out.output)
    assert data is not None
    assert out.filled == 9
    assert data.depth()[6, 11] == pytest.approx(value or 4.0, rel=0.01)
    with pytest.raises(HolesError, match="no valid value"):
        go(photo, np.zeros((24, 32), np.float32), tmp_path / "x.heic", Settings(encoding=Depth()))


def test_infinite_distances_can_be_clamped(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    disparity = np.linspace(0, 2, 32 * 24, dtype=np.float32).reshape(24, 32)
    out = go(photo, disparity, tmp_path / "o.heic", Settings(encoding=Disparity()))
    assert out.metres == (0.5, float("inf"))
    with pytest.raises(HolesError):
        go(photo, disparity, tmp_path / "o.heic", Settings(encoding=Disparity(), pixel_format=NATIVE[2]))
    out = go(photo, disparity, tmp_path / "o.heic", Settings(encoding=Disparity(), pixel_format=NATIVE[2], clamp=(0.1, 40)))
    assert out.metres == pytest.approx((0.5, 40), rel=1e-3)


def test_a_far_outlier_is_warned_of_with_numbers(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 128, 96)
    metres = np.linspace(2, 3, 64 * 48, dtype=np.float32).reshape(48, 64)
    metres[0, 0] = 0.02
    out = go(photo, metres, tmp_path / "o.heic", Settings(encoding=Depth()))
    assert len(out.warnings) == 1
    for word in ("98 %", "of 256 codes", "0.02", "off by up to", "‹clamp=(2, 3)›", "‹bits=12›"):
        assert word in out.warnings[0]
    mended = go(photo, metres, tmp_path / "o.heic", Settings(encoding=Depth(), clamp=(2, 3)))
    assert mended.warnings == ()


def test_constant_maps(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    out = go(photo, np.full((24, 32), 4.0, np.float32), tmp_path / "o.heic", Settings(encoding=Depth()))
    data = gpudepth.read(out.output)
    assert data is not None
    assert (data.depth() == 4).all()


def test_range_beyond_halves(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    far = np.linspace(1, 70000, 32 * 24, dtype=np.float32).reshape(24, 32)
    with pytest.raises(RangeError, match="half floats"):
        go(photo, far, tmp_path / "o.heic", Settings(encoding=Depth(), pixel_format=NATIVE[3]))


def test_outward_rounds_to_halves() -> None:
    lo, hi = outward(0.1, 0.3)
    assert lo <= 0.1 and hi >= 0.3
    assert np.float16(lo) == lo and np.float16(hi) == hi
    assert outward(0.5, 2.0) == (0.5, 2.0)
    assert np.float16(0.1) - lo <= np.spacing(np.float16(0.1))


def test_existing_depth(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    first = go(photo, ramp(32, 24), tmp_path / "a.heic")
    with pytest.raises(ExistingDepthError, match="replace_depth=True"):
        go(first.output, ramp(32, 24), tmp_path / "b.heic")
    go(first.output, ramp(32, 24), tmp_path / "b.heic", replace(GRAY, replace_depth=True))
    assert (tmp_path / "a.heic").read_bytes() == (tmp_path / "b.heic").read_bytes()


def test_in_place_and_mtime(tmp_path: Path) -> None:
    import os

    photo = heic(tmp_path / "p.heic", 64, 48)
    os.utime(photo, ns=(10**18, 10**18))
    out = go(photo, ramp(32, 24), photo)
    assert gpudepth.read(photo) is not None
    assert out.output.stat().st_mtime_ns == 10**18
    assert [p.name for p in tmp_path.iterdir()] == ["p.heic"]


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda d: (d / "none.heic", ramp(32, 24), d / "o.heic"), MissingInputError, "the file does not exist"),
    (lambda d: (heic(d / "p.heic"), d / "none.png", d / "o.heic"), MissingInputError, "the file does not exist"),
    (lambda d: (heic(d / "p.heic"), heic(d / "q.heic"), d / "o.heic"), NoDepthError, "holds no depth"),
    (lambda d: (plain(d / "p.jpg"), ramp(64, 48), d / "o.heic"), UsageError, "transcode=True"),
    (lambda d: (heic(d / "p.heic"), ramp(64, 48), d / "o.png"), UsageError, "suffix"),
    (lambda d: (heic(d / "p.heic"), ramp(64, 48), d / "no" / "o.heic"), OutputError, "does not exist"),
    (lambda d: (heic(d / "p.heic"), ramp(8, 6), d / "o.heic"), UnsupportedError, "too small"),
    (lambda d: (d, ramp(64, 48), d / "o.heic"), UnsupportedError, "folder"),
    (lambda d: (heic(d / "p.heic"), np.full((48, 64), 7.0, np.float32), d / "o.heic"), UsageError, "metric=True"),
    (lambda d: (heic(d / "p.heic"), np.zeros((48, 64), bool), d / "o.heic"), UsageError, "bool"),
    (lambda d: (heic(d / "p.heic"), np.zeros((48, 64, 3), np.uint8), d / "o.heic"), UsageError, "height, width"),
])
def test_refusals_leave_nothing_behind(tmp_path: Path, make: Any, error: type[GpudepthError], message: str) -> None:
    photo, depth, out = make(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(error, match=message):
        go(photo, depth, out)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_broken_photos(tmp_path: Path) -> None:
    whole = heic(tmp_path / "p.heic").read_bytes()
    for name, data in {"empty": b"", "text": b"not a picture at all", "cut": whole[: len(whole) // 2],
                       "head": whole[:100]}.items():
        path = tmp_path / f"{name}.heic"
        path.write_bytes(data)
        with pytest.raises(GpudepthError) as caught:
            go(path, ramp(64, 48), tmp_path / "o.heic")
        assert name in str(caught.value)
        assert not (tmp_path / "o.heic").exists()
    with pytest.raises(TruncatedError, match="exceeds the file"):
        go(tmp_path / "cut.heic", ramp(64, 48), tmp_path / "o.heic")


def test_no_encoding_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing defines what the values of the map mean"):
        go(heic(tmp_path / "p.heic"), gray(tmp_path / "d.png"), tmp_path / "o.heic", Settings())
    depthful = go(heic(tmp_path / "q.heic"), ramp(64, 48), tmp_path / "d.heic").output
    with pytest.raises(UsageError, match="do not apply to depth that has a range"):
        go(tmp_path / "p.heic", depthful, tmp_path / "o.heic")


def test_article_profile_and_disparity_range(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic", 64, 48)
    out = go(photo, ramp(32, 24, 255), tmp_path / "o.heic", Settings(encoding=DisparityRange(1, 4), profile="article"))
    data = gpudepth.read(out.output)
    assert data is not None
    assert (data.quality, data.filtered, data.calibration) == ("low", False, None)
    assert data.range() == (1, 4)


@pytest.mark.parametrize("fields", [
    {"clamp": (5, 2)}, {"clamp": (0, 2)}, {"clamp": (float("nan"), 2)}, {"profile": "x"}, {"bits": 9}, {"crf": 99},
    {"photo_quality": 101},
    {"crf": 20, "effort": "fast"}, {"crf": 20, "effort": "small"},
])
def test_recipes_check_themselves(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**fields)


def test_resize_targets() -> None:
    assert Resize(188, 250).target(375, 500) == (188, 250)
    assert Resize(long_side=768).target(3024, 4032) == (576, 768)
    for bad in ((0, 0, 0), (5, 0, 0), (5, 5, 5), (-1, 5, 0)):
        with pytest.raises(UsageError):
            Resize(*bad)


def test_lossy_depth(tmp_path: Path) -> None:
    photo = heic(tmp_path / "p.heic")
    lossless = go(photo, ramp(64, 48), tmp_path / "a.heic")
    lossy = go(photo, ramp(64, 48), tmp_path / "b.heic", replace(GRAY, crf=30))
    assert lossy.output.stat().st_size < lossless.output.stat().st_size
    a, b = gpudepth.read(lossless.output), gpudepth.read(lossy.output)
    assert a is not None and b is not None
    assert np.abs(a.map.astype(np.float32) - b.map).mean() < 0.05


def test_a_map_that_nothing_refines_is_coded_by_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its codes become stored codes without values in between."""
    counted = []
    real = cpu.KeptCodes.quantised
    monkeypatch.setattr(cpu.KeptCodes, "quantised", lambda self, *args: counted.append(self.shape) or real(self, *args))
    photo, depth = plain(tmp_path / "p.jpg"), gray(tmp_path / "d.png")
    run_item(photo, depth, tmp_path / "o.jpg", Settings(encoding=Gray(0.5, 12)), backend("numpy"))
    assert counted == [(48, 64)]
