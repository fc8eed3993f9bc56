"""Refinement on the way into a photo: what each step does to a scene with one edge, and that back ends agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from kernel_kit import host
from photo_kit import heic
from PIL import Image

import gpudepth
from gpudepth.attachment.convert import export_item
from gpudepth.attachment.pipeline import run_item
from gpudepth.attachment.side_inputs import SideInputs
from gpudepth.compute import backend
from gpudepth.containers.heif.photo_encoder import encode_pixels
from gpudepth.depth.data import DepthData
from gpudepth.depth.encoding import Depth, Gray
from gpudepth.depth.pixel_format import FDEP, HDEP, HDIS
from gpudepth.errors import AspectError, GpudepthError, HolesError, MissingInputError, RangeError, UsageError
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Confidence, Resize, Smooth

METRIC = Settings(encoding=Depth())
NEAR, FAR = 1.0, 4.0


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """192×128: dark left of column 100, light right of it."""
    picture = np.full((128, 192, 3), 40, np.uint8)
    picture[:, 100:] = 200
    path = tmp_path / "photo.heic"
    path.write_bytes(encode_pixels(Image.fromarray(picture), quality=95))
    return path


def scene(width: int = 24, height: int = 16, edge: float = 100 / 192) -> Any:
    """Near on the left of the edge, far on the right, float32 metres."""
    x = (np.arange(width) + 0.5) / width
    return np.tile(np.where(x < edge, NEAR, FAR).astype(np.float32), (height, 1))


def depth_of(path: Path) -> Any:
    data = gpudepth.read(path)
    assert data is not None
    return data.depth()


def go(photo: Path, depth: Any, settings: Settings, name: str = "numpy", **options: Any) -> Any:
    return run_item(photo, depth, photo.with_name("out.heic"), settings, backend(name), **options)


def test_guided_edges_lie_on_the_picture_s(photo: Path) -> None:
    """A map of an eighth of the size: its pixels are 8 wide, and the picture's edge lies inside one of them."""
    wrong = {}
    for method in ("guided", "bilinear", "nearest"):
        out = go(photo, scene(), replace(METRIC, resize=Resize(192, 128, method=method)))
        assert (out.width, out.height) == (192, 128)
        found = depth_of(out.output)
        truth = np.where(np.arange(192) < 100, NEAR, FAR)
        wrong[method] = int((np.abs(found - truth) > 0.3).sum(1).max())
    assert wrong["guided"] == 0
    assert wrong["bilinear"] >= 3
    assert wrong["nearest"] >= 3


@pytest.mark.parametrize("fmt", [HDIS, HDEP, FDEP])
def test_every_native_format(photo: Path, fmt: Any) -> None:
    out = go(photo, scene(), replace(METRIC, pixel_format=fmt, resize=Resize(96, 64, method="guided")))
    found = depth_of(out.output)
    assert found[:, :40] == pytest.approx(NEAR, rel=0.02)
    assert found[:, 60:] == pytest.approx(FAR, rel=0.02)


def test_inpaint_follows_the_colours(photo: Path) -> None:
    depth = scene(96, 64)
    depth[20:40, 40:60] = np.nan        # the edge, at 50, lies inside
    out = go(photo, depth, replace(METRIC, fill="inpaint"))
    assert out.filled == 400
    found = depth_of(out.output)
    assert found[20:40, 40:49] == pytest.approx(NEAR, rel=0.1)
    assert found[20:40, 51:60] == pytest.approx(FAR, rel=0.1)
    with pytest.raises(HolesError, match=r"fill=.nearest., far, near or inpaint"):
        go(photo, depth, METRIC)


def test_smooth(photo: Path) -> None:
    rng = np.random.default_rng(0)
    depth = (scene(96, 64) + rng.normal(0, 0.01, (64, 96))).astype(np.float32)
    before = depth[:, :45].std()
    depth[5, 5] = 3
    for text in ("median3", "median5", "bilateral", "bilateral2"):
        out = go(photo, depth, replace(METRIC, bits=12, smooth=Smooth.parse(text)))
        found = depth_of(out.output)
        assert found[10:, :45].std() < 0.75 * before, text
        assert found[:, 60:] == pytest.approx(FAR, rel=0.05)
        if text.startswith("median"):
            assert found[5, 5] == pytest.approx(NEAR, rel=0.05)
    for text in ("median4", "median", "bilateral9", "bilateral0", "gauss"):
        if text == "median":
            assert Smooth.parse(text) == Smooth("median", 3)
        else:
            with pytest.raises(UsageError):
                Smooth.parse(text)


@pytest.mark.parametrize("curve", ["disparity", "depth"])
def test_relative_maps_become_metric(photo: Path, curve: str) -> None:
    """Relative = scale · value + shift of what is measured; 20 % of the samples are wrong."""
    rng = np.random.default_rng(1)
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    value = 1 / truth if curve == "disparity" else truth
    relative = (value * np.float32(37) + np.float32(5)).astype(np.float32)
    lidar = truth[4::8, 4::8].copy()
    bad = rng.random(lidar.shape) < 0.2
    lidar[bad] = rng.uniform(1, 9, int(bad.sum()))
    lidar[0, 0] = np.nan
    out = go(photo, relative, Settings(align=curve, bits=12), side_inputs=SideInputs(metric=lidar))     # type: ignore[arg-type]
    assert f"relative {curve}, aligned by " in out.summary
    assert depth_of(out.output) == pytest.approx(truth, rel=0.01)
    lo, hi = out.metres
    assert (lo, hi) == (pytest.approx(1, rel=0.01), pytest.approx(5, rel=0.01))


@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("curve", ["disparity", "depth"])
def test_relative_values_may_be_anything(photo: Path, curve: str, low: float) -> None:
    """Marigold's 0…1, others' −1…1: nothing in them is a hole."""
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    value = 1 / truth if curve == "disparity" else truth
    relative = ((value - value.min()) / (value.max() - value.min()) * (1 - low) + low).astype(np.float32)
    out = go(photo, relative, Settings(align=curve, bits=12), side_inputs=SideInputs(metric=truth[4::8, 4::8]))    # type: ignore[arg-type]
    assert out.filled == 0
    assert depth_of(out.output) == pytest.approx(truth, rel=0.01)


def test_alignment_goes_before_cutting(photo: Path) -> None:
    """The samples show what the whole map shows, not what is left of it."""
    truth = np.linspace(1, 5, 96 * 96, dtype=np.float32).reshape(96, 96)
    out = go(photo, 7 / truth, Settings(align="disparity", bits=12, fit="crop"), side_inputs=SideInputs(metric=truth))
    assert depth_of(out.output) == pytest.approx(truth[16:80], rel=0.01)


def test_samples_of_another_field_of_view(photo: Path) -> None:
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    with pytest.raises(AspectError, match=r"64×96 but the map is 96×64.*turn by 90°"):
        go(photo, 7 / truth, Settings(align="disparity"), side_inputs=SideInputs(metric=truth.T.copy()))
    with pytest.raises(AspectError, match="show the same field of view"):
        go(photo, 7 / truth, Settings(align="disparity"), side_inputs=SideInputs(metric=truth[:, :64].copy()))


def test_a_doubtful_alignment_is_said(photo: Path) -> None:
    rng = np.random.default_rng(2)
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    sure = go(photo, 7 / truth, Settings(align="disparity", bits=12), side_inputs=SideInputs(metric=truth))
    assert not [w for w in sure.warnings if "doubtful" in w]
    vague = (1 / truth + rng.normal(0, 0.4, truth.shape)).astype(np.float32)
    out = go(photo, vague, Settings(align="disparity", bits=12, clamp=(0.5, 20)), side_inputs=SideInputs(metric=truth))
    assert [w for w in out.warnings if w.startswith("the alignment is doubtful")]


def test_metric_samples_may_be_larger_than_the_map(photo: Path) -> None:
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    sparse = np.full((64, 96), np.nan, np.float32)
    sparse[::9, ::7] = truth[::9, ::7]
    relative = (10 / truth[1::2, 1::2]).astype(np.float32)
    out = go(photo, relative, Settings(align="disparity", bits=12), side_inputs=SideInputs(metric=sparse))
    assert depth_of(out.output) == pytest.approx(truth[1::2, 1::2], rel=0.02)


def test_metric_files(photo: Path, tmp_path: Path) -> None:
    """Millimetres in a PNG, metres in an .npy, a photo that holds depth: the same map comes out."""
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    relative = tmp_path / "relative.npy"
    np.save(relative, 7 / truth)
    Image.fromarray((truth * 1000).astype(np.uint16)).save(tmp_path / "mm.png")
    np.save(tmp_path / "m.npy", truth)
    run_item(photo, truth, tmp_path / "holder.heic", replace(METRIC, bits=12), backend("numpy"))
    from fractions import Fraction

    for name, encoding in (("mm.png", Depth(Fraction(1, 1000))), ("m.npy", None), ("holder.heic", None)):
        settings = Settings(align="disparity", metric_encoding=encoding, bits=12)
        out = go(photo, relative, settings, side_inputs=SideInputs(metric=tmp_path / name))
        assert depth_of(out.output) == pytest.approx(truth, rel=0.01), name
    np.save(tmp_path / "mm.npy", (truth * 1000).astype(np.uint16))
    for name in ("mm.png", "mm.npy"):       # integers are of no known unit, whatever holds them
        with pytest.raises(UsageError, match=rf"{name}: nothing defines what the values of the map mean .name the unit of metric samples: align_scale=.mm"):
            go(photo, relative, Settings(align="disparity"), side_inputs=SideInputs(metric=tmp_path / name))
    tifffile.imwrite(tmp_path / "m.tiff", truth)
    out = go(photo, relative, Settings(align="disparity", bits=12), side_inputs=SideInputs(metric=tmp_path / "m.tiff"))
    assert depth_of(out.output) == pytest.approx(truth, rel=0.01)
    with pytest.raises(MissingInputError, match="the file does not exist"):
        go(photo, relative, Settings(align="disparity"), side_inputs=SideInputs(metric=tmp_path / "none.npy"))


def test_alignment_that_cannot_be(photo: Path) -> None:
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    with pytest.raises(RangeError, match="decreases where the samples"):
        go(photo, truth, Settings(align="disparity"), side_inputs=SideInputs(metric=truth))
    with pytest.raises(UsageError, match="there is nothing to align the map to"):
        go(photo, truth, Settings(align="disparity"))
    few = np.full((8, 12), np.nan, np.float32)
    few[0, :5] = 1
    with pytest.raises(RangeError, match="5 samples are too few"):
        go(photo, truth, Settings(align="disparity"), side_inputs=SideInputs(metric=few))


def test_confidence_of_the_map(photo: Path, tmp_path: Path) -> None:
    """ARKit's: 0, 1, 2. What is not trusted is a hole."""
    depth, trust = scene(96, 64), np.full((64, 96), 2, np.uint8)
    depth[10:20, 10:20], trust[10:20, 10:20] = 2.5, 0
    trust[30:40, 10:20] = 1
    path = tmp_path / "confidence.png"
    Image.fromarray(trust).save(path)
    out = go(photo, depth, replace(METRIC, fill="nearest", confidence=Confidence(2)), side_inputs=SideInputs(confidence=path))
    assert out.filled == 100
    assert depth_of(out.output)[10:20, 10:20] == pytest.approx(NEAR, rel=0.02)
    out = go(photo, depth, replace(METRIC, fill="nearest", confidence=Confidence(2, 2)), side_inputs=SideInputs(confidence=trust))
    assert out.filled == 200
    with pytest.raises(UsageError, match="the confidence map is 32×32 but its depth map is 96×64"):
        go(photo, depth, METRIC, side_inputs=SideInputs(confidence=trust[:32, :32]))
    with pytest.raises(UsageError, match="int64"):
        go(photo, depth, METRIC, side_inputs=SideInputs(confidence=trust.astype(np.int64)))


def test_confidence_of_the_samples(photo: Path) -> None:
    """Most samples are wrong, and those are not to be trusted."""
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    lidar, trust = truth[4::8, 4::8].copy(), np.full((8, 12), 255, np.uint8)
    lidar[:, 3:], trust[:, 3:] = 9, 0
    out = go(photo, 7 / truth, Settings(align="disparity", bits=12), side_inputs=SideInputs(metric=lidar, confidence=trust))
    assert "by 24 of 24 samples" in out.summary
    assert depth_of(out.output) == pytest.approx(truth, rel=0.01)


def test_confidence_is_cut_with_the_map(photo: Path) -> None:
    depth, trust = scene(24, 24), np.full((24, 24), 255, np.uint8)
    trust[:2] = 0
    settings = replace(METRIC, fit="crop", fill="inpaint", resize=Resize(192, 128, method="guided"))
    with pytest.raises(AspectError):
        go(photo, depth, replace(settings, fit="error"), side_inputs=SideInputs(confidence=trust))
    out = go(photo, depth, settings, side_inputs=SideInputs(confidence=trust))
    assert out.filled == 0          # the rows without trust were cut off


def test_a_map_alone_has_no_guide(tmp_path: Path, photo: Path) -> None:
    settings = replace(METRIC, resize=Resize(192, 128, method="guided"))
    with pytest.raises(UsageError, match="the edges of a photo, but there is no photo"):
        export_item(None, scene(), tmp_path / "out.npy", settings, backend("numpy"))
    with pytest.raises(UsageError, match="bilateral smoothing"):
        export_item(None, scene(), tmp_path / "out.npy", replace(METRIC, smooth=Smooth("bilateral", 3)), backend("numpy"))
    export_item(photo, scene(), tmp_path / "out.npy", settings, backend("numpy"))
    assert np.load(tmp_path / "out.npy").shape == (128, 192)
    # without a photo, holes are filled without colours
    depth = scene(24, 16)
    depth[4:8, 4:8] = np.nan
    out = export_item(None, depth, tmp_path / "out.npy", replace(METRIC, fill="inpaint"), backend("numpy"))
    assert out.filled == 16
    assert np.isfinite(np.load(tmp_path / "out.npy")).all()


def test_the_depth_of_a_photo_grows_along_its_own_colours(tmp_path: Path, photo: Path) -> None:
    from gpudepth.attachment.convert import convert

    go(photo, scene(), METRIC)
    settings = Settings(resize=Resize(192, 128, method="guided"))
    convert(photo.with_name("out.heic"), tmp_path / "large.npy", settings, backend("numpy"))
    found = np.load(tmp_path / "large.npy")
    assert (np.abs(found - np.where(np.arange(192) < 100, NEAR, FAR)) < 0.05).all()


def test_infinitely_far_as_depth(photo: Path) -> None:
    disparity = DepthData(np.repeat(np.linspace(0, 1, 64, dtype=np.float16), 96).reshape(64, 96), HDIS)
    settings = Settings(pixel_format=HDEP, smooth=Smooth("median", 3), fill="inpaint")
    with pytest.raises(HolesError, match="96 of 6,144"):
        go(photo, disparity, replace(settings, fill=None))
    assert go(photo, disparity, settings).filled == 96        # as a map that was depth from the start
    assert go(photo, disparity, replace(settings, clamp=(0.1, 50.0))).metres[1] == pytest.approx(50, rel=0.01)


def cases() -> list[tuple[str, Any, Settings, dict[str, Any]]]:
    """Whole roads, good and bad."""
    rng = np.random.default_rng(3)
    holes = scene(48, 32)
    holes[rng.random(holes.shape) < 0.2] = np.nan
    steps = replace(METRIC, clamp=(0.5, 10.0), smooth=Smooth("bilateral", 2), resize=Resize(192, 128, method="guided"), fill="inpaint")
    trust = rng.integers(0, 3, (32, 48)).astype(np.uint8)
    relative = (1 / np.where(np.isfinite(holes), holes, 2) * 300 + 20).astype(np.float32)
    nothing = np.full((2, 3), np.nan, np.float32)
    return [
        ("all", holes, steps, {"confidence": trust}), ("aligned", relative, replace(steps, encoding=None, align="disparity"), {"metric": holes}),
        ("gray", (np.nan_to_num(holes) * 60).astype(np.uint8), replace(steps, encoding=Gray(0.5, 5), pixel_format=HDEP), {}),
        ("one pixel", scene(1, 1), replace(steps, fit="stretch"), {}), ("one row", scene(31, 1), replace(steps, fit="stretch"), {}),
        ("odd", scene(37, 23), replace(steps, fit="crop", resize=Resize(191, 127, method="guided")), {}),
        ("nothing valid", nothing, steps, {}), ("nothing valid, median", nothing, replace(METRIC, smooth=Smooth("median", 5), fill="nearest"), {}),
        ("guide too small", scene(384, 256), steps, {}), ("infinite", np.full((2, 3), np.inf, np.float32), steps, {}),
        ("empty", np.zeros((0, 3), np.float32), steps, {}),
        ("too large", holes, replace(steps, resize=Resize(1 << 15, 1 << 15, method="guided")), {})]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case[0])
def test_the_kernels_write_the_same_file(photo: Path, case: Any) -> None:
    """Whole roads through the kernels, built by g++: the same bytes, or the same error, as numpy."""
    host()
    _, depth, settings, side_inputs = case
    outcome: list[Any] = []
    for name in ("numpy", "support.hostcc:backend"):
        try:
            out = go(photo, depth, settings, name, side_inputs=SideInputs(**side_inputs))
            outcome.append((out.output.read_bytes(), out.describe(), out.filled))
        except GpudepthError as error:
            outcome.append(f"{type(error).__name__}: {error}")
    assert outcome[0] == outcome[1]
    assert isinstance(outcome[0], tuple) == (case[0] in ("all", "aligned", "gray", "one pixel", "one row", "odd"))


def test_a_gray_photo_and_orientations(tmp_path: Path) -> None:
    """Guides turn with the map."""
    for orientation in (1, 6, 7):
        picture = np.full((96, 144, 3), 40, np.uint8)
        picture[:, 75:] = 200
        path = tmp_path / f"p{orientation}.heic"
        path.write_bytes(encode_pixels(Image.fromarray(picture), quality=95, orientation=orientation))
        coded = scene(18, 12, 75 / 144)
        settings = replace(METRIC, orientation="coded", resize=Resize(144, 96, method="guided"))
        run_item(path, coded, tmp_path / "out.heic", settings, backend("numpy"))
        data = gpudepth.read(tmp_path / "out.heic", orientation="coded")
        assert data is not None
        assert (np.abs(data.depth() - np.where(np.arange(144) < 75, NEAR, FAR)) < 0.3).all()
        shown = gpudepth.read(tmp_path / "out.heic")
        assert shown is not None
        settings = replace(METRIC, resize=Resize(shown.width, shown.height, method="guided"))
        small = DepthData(coded, FDEP, orientation).displayed().map
        run_item(path, small, tmp_path / "again.heic", settings, backend("numpy"))
        again = gpudepth.read(tmp_path / "again.heic")
        assert again is not None
        np.testing.assert_array_equal(again.map, shown.map)


def test_api(tmp_path: Path, photo: Path) -> None:
    truth = np.linspace(1, 5, 96 * 64, dtype=np.float32).reshape(64, 96)
    out = gpudepth.attach(photo, 3 / truth, tmp_path / "o.heic", align_to=truth, smooth="median3", resize=192, resize_method="guided", fill="inpaint", bits=12)
    assert depth_of(out)[::2, ::2] == pytest.approx(truth, rel=0.1)
    with pytest.raises(UsageError, match="expected area, bilinear, nearest or guided"):
        gpudepth.attach(photo, truth, tmp_path / "o.heic", resize=192, resize_method="cubic")    # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected nearest, far, near or inpaint"):
        gpudepth.attach(heic(tmp_path / "p.heic"), truth, tmp_path / "o.heic", fill="magic")
