"""The kit for app developers: what it says is what we, libheif and the command line find."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import libheif, tool
from PIL import Image, ImageOps

import gpudepth
from gpudepth import errors
from gpudepth.cli.app import run_command
from gpudepth.containers import registry
from gpudepth.containers.base import DEFAULT_PLACEMENT, CodedMap, Edit, Picture, Placement
from gpudepth.containers.heif.heif import Heif
from gpudepth.demo.broken import Surgery
from gpudepth.demo.fixtures import RGB_TOLERANCE, write_kit
from gpudepth.demo.pattern import Truth, displayed_size, picture
from gpudepth.demo.photos import photo
from gpudepth.depth import orientation as exif
from gpudepth.depth.data import DATA, DATA_DESCRIPTION, DepthData, Storage, map_from_info
from gpudepth.depth.pixel_format import FDIS, HDIS, NATIVE, PixelFormat, pixel_format
from gpudepth.errors import OutputError, UsageError
from gpudepth.formats.bytesource import ByteSource, Splice

Entry = dict[str, Any]


@dataclass
class Kit:
    folder: Path
    said: str
    files: dict[str, Entry]

    def named(self, *kinds: str) -> list[str]:
        return [name for name in self.files if name.startswith(kinds)]


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder = tmp_path_factory.mktemp("kit")
    said = write_kit(folder)
    return Kit(folder, said, json.loads((folder / "expected.json").read_text(encoding="utf-8"))["files"])


def value_of(point: Entry, depth: Entry) -> Any:
    return point["disparity" if depth["quantity"] == "disparity" else "metres"]


def check_map(values: Any, depth: Entry) -> None:
    """The values of a map as displayed, at every point."""
    assert values.shape == (depth["height"], depth["width"])
    for point in depth["points"]:
        found = values[point["y"], point["x"]]
        assert found == pytest.approx(value_of(point, depth), abs=depth["tolerance"]), point


def check_picture(pixels: Any, entry: Entry) -> None:
    about = entry["picture"]
    assert pixels.shape[:2] == (about["height"], about["width"])
    assert max(about["width"], about["height"]) <= 64
    for pixel in about["pixels"]:
        np.testing.assert_allclose(pixels[pixel["y"], pixel["x"], :3].astype(int), pixel["rgb"], atol=RGB_TOLERANCE)
    drawn = picture(about["orientation"]).astype(int)
    assert np.abs(pixels[..., :3] - drawn).mean() < 4


def test_what_is_in_it(kit: Kit) -> None:
    for fmt in NATIVE:
        for o in range(1, 9):
            assert kit.files[f"good/heif/{fmt}_o{o}.heic"]["picture"]["orientation"] == o
    for name in ("hdis_10bit_o6", "fdis_12bit_o6", "article_o6", "metadata_o3", "calibrated_o6", "alpha_o1",
                 "constant_o1", "infinity_o8", "lossy_o1"):
        assert f"good/heif/{name}.heic" in kit.files
    assert len(kit.named("good/heif/")) == 41 and len(kit.named("none/heif/")) == 10
    # JPEG has 8 bits, no alpha and no lossless coding that "lossy" would differ from
    assert len(kit.named("good/jpeg/")) == 32 + 5 and len(kit.named("none/jpeg/")) == 9
    # DNG has 8 and 16 bits, no quality, no alpha, no calibration
    assert len(kit.named("good/dng/")) == 32 + 4 and len(kit.named("none/dng/")) == 8
    assert len(kit.named("odd/")) == 6 and len(kit.named("bad/")) == 13
    assert all(entry["says"].endswith(".") for entry in kit.files.values())
    written = {p.relative_to(kit.folder).as_posix() for p in kit.folder.rglob("*") if p.is_file()}
    assert written == {*kit.files, "expected.json", "README.txt", *(f"dictionary/{f}.json" for f in NATIVE)}
    assert sum(p.stat().st_size for p in kit.folder.rglob("*")) < 3 << 20
    assert "114 photos with depth, 27 without, 6 odd, 13 broken" in kit.said and "\n" not in kit.said
    assert "CC0" in (kit.folder / "README.txt").read_text(encoding="utf-8")


def test_points_tell_orientations_apart() -> None:
    for fmt in NATIVE:
        for o in (1, 6):
            truth = Truth.of(fmt, o)
            same_shape = (1, 2, 3, 4)
            for other in same_shape[1:]:
                turned = exif.apply(other, truth.values)
                wrong = sum(abs(turned[p["y"], p["x"]] - value_of(p, truth.expected())) > truth.step
                            for p in truth.points())
                assert wrong >= 4


def test_the_truth_uses_every_code_there_is_room_for_and_is_exact() -> None:
    for fmt in NATIVE:
        truth = Truth.of(fmt, 1)
        assert (truth.codes.min(), truth.codes.max()) == (0, 255)
        assert (truth.data().map.astype(np.float64) == truth.values).all()
        assert truth.range == (0.25, 0.25 + 255 / 64)
    near = Truth.of(HDIS, 1).data().depth(), Truth.of(pixel_format("hdep"), 1).data().depth()
    assert all(m[6, 12] == m.min() for m in near)       # the letter is nearest in either quantity


def test_good_and_odd_files_by_ourselves(kit: Kit) -> None:
    for name in kit.named("good/", "odd/"):
        entry = kit.files[name]
        depth = entry["depth"]
        data = gpudepth.read(kit.folder / name)
        assert data is not None and data.orientation == 1, name
        check_map(data.values(depth["quantity"]), depth)
        metres = data.depth()
        for point in depth["points"]:
            found = metres[point["y"], point["x"]]
            assert found == np.inf if point["metres"] is None else np.isfinite(found)
        report = gpudepth.inspect(kit.folder / name)
        assert (report.width, report.height) == (entry["picture"]["width"], entry["picture"]["height"])
        assert not report.warnings
        found = report.depth
        for key in ("quantity", "native_format", "stored_format", "width", "height", "accuracy", "quality", "filtered",
                    "orientation"):
            assert found[key] == depth[key], (name, key)
        # six decimals where only the XMP says it
        assert (found["min"], found["max"]) == pytest.approx((depth["min"], depth["max"]), abs=1e-6)
        assert (found["near"], found["far"]) == (pytest.approx(depth["near"], rel=1e-5),
                                                 depth["far"] and pytest.approx(depth["far"], rel=1e-5))
        assert (found["calibration"] is None) == ("calibration" not in depth)
        for key, value in depth.get("calibration", {}).items():
            assert found["calibration"][key] == pytest.approx(value, rel=1e-6)


def test_jpeg_files_by_pillow(kit: Kit) -> None:
    for name in kit.named("good/jpeg/"):
        depth = kit.files[name]["depth"]
        with Image.open(kit.folder / name) as opened:
            check_picture(np.asarray(ImageOps.exif_transpose(opened)), kit.files[name])
            assert opened.n_frames == 2  # type: ignore[attr-defined]
            offset = opened.mpinfo[0xB002][1]["DataOffset"]  # type: ignore[attr-defined]
        data = (kit.folder / name).read_bytes()
        second = data[offset + data.index(b"MPF\0") + 4 :]
        segment = second.index(b"MPF\0") - 4   # Pillow takes the two-tag MPF for a damaged file
        with Image.open(io.BytesIO(second[:segment] + second[segment + 46 :])) as opened:
            codes = exif.apply(depth["orientation"], np.asarray(opened).astype(np.float64))
        check_map(depth["min"] + codes / 255 * (depth["max"] - depth["min"]), depth)


def test_good_and_odd_files_by_libheif(kit: Kit) -> None:
    for name in kit.named("good/heif/", "odd/"):
        depth = kit.files[name]["depth"]
        judged = libheif((kit.folder / name).read_bytes())
        check_picture(judged.pixels, kit.files[name])
        keys = ("d_min", "d_max") if depth["quantity"] == "disparity" else ("z_near", "z_far")
        if name != "odd/xmp_only.heic":
            assert tuple(judged.metadata[k] for k in keys) == (depth["min"], depth["max"]), name
        top = pixel_format(depth["stored_format"]).max_code
        check_map(depth["min"] + judged.depth / top * (depth["max"] - depth["min"]), depth)


def test_photos_without_depth(kit: Kit) -> None:
    for name in kit.named("none/heif/"):
        judged = libheif((kit.folder / name).read_bytes())
        assert judged.depth is None
        check_picture(judged.pixels, kit.files[name])
    assert libheif((kit.folder / "none/heif/alpha_o1.heic").read_bytes()).pixels.shape == (48, 64, 4)
    alpha = libheif((kit.folder / "good/heif/alpha_o1.heic").read_bytes()).pixels[..., 3]
    assert (alpha[:24] == 128).all() and (alpha[24:] == 255).all()


def test_lossy_maps_stay_within_their_tolerance_everywhere(kit: Kit) -> None:
    data = gpudepth.read(kit.folder / "good/heif/lossy_o1.heic")
    assert data is not None
    error = np.abs(data.map - Truth.of(HDIS, 1).values).max()
    assert 0 < error <= kit.files["good/heif/lossy_o1.heic"]["depth"]["tolerance"]


def test_the_last_of_two_maps_counts(kit: Kit) -> None:
    with ByteSource(kit.folder / "odd/two_maps.heic") as source:
        assert [a.kind for a in Heif().inspect(source).auxiliary] == ["depth", "depth"]
    one = kit.files["good/heif/hdis_o6.heic"]["depth"]["points"]
    two = kit.files["odd/two_maps.heic"]["depth"]["points"]
    assert all(a["disparity"] != b["disparity"] for a, b in zip(one, two, strict=True))


def test_what_is_odd_is_really_there(kit: Kit) -> None:
    def opened(name: str) -> Surgery:
        return Surgery((kit.folder / f"odd/{name}.heic").read_bytes())

    packet = opened("ranges_disagree")
    assert b"FloatMinValue>1.000000<" in packet.file.data(packet.about)
    assert opened("xmp_only").sei == b"" and opened("mpeg_urn").sei != b""
    s = opened("not_hidden")
    assert not s.meta.items[s.depth].hidden and not s.meta.items[s.about].hidden
    assert b"XMP Core" not in (kit.folder / "odd/sei_only.heic").read_bytes()


def test_bad_files_give_the_error_that_is_named(kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in kit.named("bad/", "none/"):
        entry = kit.files[name]
        kind: type[errors.GpudepthError] = getattr(errors, entry["error"])
        assert kind.exit_code == entry["exit_code"]
        file = kit.folder / name
        try:
            assert gpudepth.read(file) is None
            assert kind is errors.NoDepthError
        except errors.GpudepthError as error:
            assert type(error) is kind, name
            assert entry["message_contains"] in str(error)
            assert str(error).startswith(str(file)), "the message names the file"
        assert run_command(["extract", str(file), "-o", str(tmp_path / "d.npy")]) == entry["exit_code"]
        said = capsys.readouterr()
        assert entry["message_contains"] in said.err and "Traceback" not in said.err
        assert run_command(["inspect", "--json", str(file)]) == entry["inspect_exit_code"], name
        said = capsys.readouterr()
        if entry["inspect_exit_code"]:
            assert entry["message_contains"] in said.err
            continue
        report = json.loads(said.out)
        assert report["depth"] is None
        if kind is errors.NoDepthError:
            assert report["warnings"] == []
        else:
            assert len(report["warnings"]) == 1 and entry["message_contains"] in report["warnings"][0]
    assert not list(tmp_path.iterdir())


def test_dictionaries(kit: Kit) -> None:
    for fmt in NATIVE:
        entry = kit.files[f"dictionary/{fmt}.bin"]
        info = json.loads((kit.folder / f"dictionary/{fmt}.json").read_text(encoding="utf-8"))
        about = info[DATA_DESCRIPTION]
        assert info["AuxiliaryDataType"] == f"kCGImageAuxiliaryDataType{entry['depth']['quantity'].title()}"
        assert about["PixelFormat"] == fmt.fourcc
        assert about["BytesPerRow"] % 64 == 0 and about["BytesPerRow"] > about["Width"] * fmt.dtype.itemsize
        rows = (kit.folder / "dictionary" / info[DATA]).read_bytes()
        assert len(rows) == about["BytesPerRow"] * about["Height"]
        values, found = map_from_info({DATA: rows, DATA_DESCRIPTION: about})
        assert found == fmt
        check_map(values.astype(np.float32), {**entry["depth"], "tolerance": 0})


def test_the_same_bytes_each_time_and_over_a_former_kit(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("of a former kit")
    for _ in range(2):
        write_kit(tmp_path)
        names = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
        assert names == sorted(p.relative_to(kit.folder) for p in kit.folder.rglob("*") if p.is_file())
        for name in names:
            assert (tmp_path / name).read_bytes() == (kit.folder / name).read_bytes(), name


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["demo", "--fixtures", str(tmp_path / "new" / "kit")]) == 0
    assert capsys.readouterr().out.startswith(str(tmp_path / "new" / "kit"))
    (tmp_path / "file").write_bytes(b"")
    assert run_command(["demo", "--fixtures", str(tmp_path / "file")]) == 74
    assert "cannot be created" in capsys.readouterr().err
    with pytest.raises(OutputError):
        write_kit(tmp_path / "file" / "kit")
    assert (tmp_path / "file").read_bytes() == b""


def test_independent_tools(kit: Kit) -> None:
    for o in range(1, 9):
        name = f"hdis_o{o}.heic"
        said = tool("heif-info", kit.folder / "good/heif" / name)
        width, height = displayed_size(o)
        assert f"image: {2 * width}x{2 * height}" in said and f"({width}x{height})" in said
        assert "d-min:  0.250000" in said
    tags = tool("exiftool", "-s", "-s", "-ImageSpatialExtent", "-GeneralProfileIDC", "-CleanAperture",
                kit.folder / "good/heif/hdis_o6.heic")
    assert tags.splitlines() == ["ImageSpatialExtent: 64x48", "GeneralProfileIDC: Main Still Picture"]


class FakeJpeg:
    """A container to come: JPEG with a trailer, eight bits only."""

    name = "fake"
    suffixes: tuple[str, ...] = (".jpg",)
    bits: tuple[int, ...] = (8,)
    profiles: tuple[str, ...] = ("apple-depth", "article")
    companions: tuple[str, ...] = ()

    def sniff(self, head: bytes) -> bool:
        return head[:3] == b"\xff\xd8\xff"

    def storage(self, fmt: PixelFormat, lo: float, hi: float, bits: int | None = None) -> Storage:
        if bits not in (None, 8):
            raise UsageError("eight bits only")
        return Storage(pixel_format("L008"), lo, hi)

    def picture(self, source: ByteSource) -> Picture:
        with Image.open(io.BytesIO(source.read(0, source.size))) as image:
            return Picture(*image.size, image.getexif().get(0x0112, 1))

    def read(self, source: ByteSource) -> DepthData | None:
        raise NotImplementedError

    inspect: Callable[..., Any] = read
    remove: Callable[..., Any] = read

    def attach(self, source: ByteSource, coded: CodedMap, placement: Placement = DEFAULT_PLACEMENT) -> Edit:
        splice = Splice(source)
        splice.keep(0, source.size)
        splice.add(coded.codes.tobytes())
        return Edit(splice)


@pytest.mark.filterwarnings("ignore:.*has no 35 mm focal length:UserWarning")  # the fake one reads no Exif
def test_a_new_container_joins_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeJpeg()
    monkeypatch.setattr(registry, "containers", lambda: (Heif(), fake))
    write_kit(tmp_path)
    files = json.loads((tmp_path / "expected.json").read_text(encoding="utf-8"))["files"]
    names = [name for name in files if name.startswith("good/fake/")]
    assert len(names) == 38 and not any("bit" in name for name in names)        # nor 10 and 12 bits, nor alpha
    for o in range(1, 9):
        data = (tmp_path / f"good/fake/fdis_o{o}.jpg").read_bytes()
        coded = np.frombuffer(data[-32 * 24:], np.uint8).reshape(24, 32)
        assert (exif.apply(o, coded) == Truth.of(FDIS, o).codes).all()
        with Image.open(tmp_path / f"none/fake/photo_o{o}.jpg") as image:
            assert image.getexif()[0x0112] == o


def test_no_photo_where_nobody_can_make_one() -> None:
    fake = FakeJpeg()
    fake.suffixes = (".unheard-of",)
    assert photo(fake, 1) is None
