"""What follows the last image: whose it is, what becomes of it, and the maps that vendors keep there."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heif_kit import tool
from photo_kit import plain, ramp

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers.base import CodedMap, Placement
from gpudepth.containers.jpeg import trailer
from gpudepth.containers.jpeg.file import JpegFile
from gpudepth.containers.jpeg.jpeg import Jpeg
from gpudepth.depth import orientation as exif
from gpudepth.depth.data import Storage
from gpudepth.depth.pixel_format import HDIS, L008
from gpudepth.errors import GpudepthError, LimitError, MalformedError, RangeError, UnsupportedError
from gpudepth.formats.bytesource import ByteSource
from gpudepth.limits import Limits

CODES = ramp(48, 32, 255)
MAP = CodedMap(CODES, Storage(L008, 0.5, 4.0), HDIS)


def samsung(*blocks: tuple[int, bytes, bytes], version: int = 107) -> bytes:
    """A SEFT trailer: blocks, directory, its length, "SEFT"."""
    data, entries = b"", []
    for kind, name, content in blocks:
        block = struct.pack("<HHI", 0, kind, len(name)) + name + content
        entries.append((kind, len(data), len(block)))
        data += block
    total = len(data)
    directory = b"SEFH" + struct.pack("<II", version, len(blocks))
    directory += b"".join(struct.pack("<HHII", 0, kind, total - at, size) for kind, at, size in entries)
    return data + directory + struct.pack("<I", len(directory)) + b"SEFT"


def extra_info(width: int, height: int, at: int = 32) -> bytes:
    return bytes(at) + b"\x01\x00\xff\xff" + struct.pack("<II", width, height) + bytes(96 - at)


def dofs(**numbers: int) -> bytes:
    entries = b"".join(struct.pack("BB", 0, len(k)) + k.encode() + struct.pack("<HI", 4, v) for k, v in numbers.items())
    size = 18 + len(entries)
    return b"DOFS" + struct.pack("<IIIH", 3, 0, size, len(numbers)) + entries


def dual(codes: Any = CODES) -> bytes:
    height, width = codes.shape
    return samsung((0x0AB1, b"DualShot_DepthMap_1", codes.tobytes()), (0x0AB3, b"DualShot_Extra_Info", extra_info(width, height)))


def single(codes: Any = CODES) -> bytes:
    height, width = codes.shape
    return samsung((0x0B40, b"SingleShot_Meta_Info", dofs(inputWidth=4000, segWidth=width, segHeight=height)),
                   (0x0B41, b"SingeShot_DepthMap_1", codes.tobytes()))


def huawei(codes: Any = CODES) -> bytes:
    height, width = codes.shape
    head = bytearray(68)
    head[:4] = b"edof"
    head[16:20] = struct.pack("<HH", width, height)
    return b"something before\0" + bytes(head[:4]) + b"\0" + bytes(head[5:]) + codes.tobytes()


def xiaomi(codes: Any = CODES) -> bytes:
    height, width = codes.shape
    return b"PMPD" + b"\x80" * 1024 + b"\x01\x00\xff\xff" + struct.pack("<II", width, height) + codes.tobytes()


VENDORS = {"Samsung DualShot": dual, "Samsung SingleShot": single, "Huawei EDOF": huawei, "Xiaomi PMPD": xiaomi}
TRAILERS = {
    "Samsung SEFT trailer": samsung((0x0A01, b"Image_UTC_Data", b"1500000000000")),
    "motion photo video": b"\0\0\0\x18ftypmp42" + bytes(400) + b"\0\0\0\x08free", "unknown data": b"hello, trailer",
    "Huawei EDOF trailer": huawei(), "Xiaomi PMPD trailer": xiaomi()}


def photo(tmp_path: Path, tail: bytes, orientation: int = 1) -> Path:
    path = plain(tmp_path / "p.jpg", 96, 64, orientation)
    path.write_bytes(path.read_bytes() + tail)
    return path


# -- what becomes of it -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TRAILERS)
def test_kept_dropped_or_refused(tmp_path: Path, name: str) -> None:
    path = photo(tmp_path, TRAILERS[name])
    bare = plain(tmp_path / "bare.jpg", 96, 64).read_bytes()
    with ByteSource(path) as source:
        kept = Jpeg().attach(source, MAP)
        data = kept.splice.to_bytes()
        assert data.endswith(TRAILERS[name]) and any(name in w and "kept" in w for w in kept.warnings)
        dropped = Jpeg().attach(source, MAP, Placement(trailer="drop"))
        with ByteSource(bare) as plain_source:
            assert dropped.splice.to_bytes() == Jpeg().attach(plain_source, MAP).splice.to_bytes()
        assert any(name in w and "left out" in w for w in dropped.warnings)
        with pytest.raises(UnsupportedError, match=name) as caught:
            Jpeg().attach(source, MAP, Placement(trailer="refuse"))
        assert caught.value.where is not None and f"trailer at {len(bare):,}" in caught.value.where


def test_zeros_are_nobodys(tmp_path: Path) -> None:
    """Apple's older cameras leave up to 1 MB of them."""
    path = photo(tmp_path, bytes(5000))
    with ByteSource(path) as source:
        for policy in ("keep", "drop", "refuse"):
            edit = Jpeg().attach(source, MAP, Placement(trailer=policy))  # type: ignore[arg-type]
            assert not edit.warnings and edit.splice.to_bytes().endswith(bytes(5000)) is (policy != "drop")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = photo(tmp_path, TRAILERS["unknown data"])
    np.save(tmp_path / "d.npy", np.full((32, 48), 2.0, np.float32))
    base = ["attach", str(path), str(tmp_path / "d.npy"), "--metric", "-o", str(tmp_path / "o.jpg"), "--trailer"]
    assert run_command([*base, "refuse"]) == 1 and "--trailer keep" in capsys.readouterr().err
    assert not (tmp_path / "o.jpg").exists()
    assert run_command([*base, "drop"]) == 0 and run_command([*base, "nonsense"]) == 2


# -- the maps of vendors ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("o", [1, 6])
def test_codes_are_read_and_get_their_metres_by_name(tmp_path: Path, name: str, o: int) -> None:
    path = photo(tmp_path, VENDORS[name](), o)
    with ByteSource(path) as source:
        found = Jpeg().codes(source)
    assert found is not None and found.vendor == name and (found.codes == CODES).all()
    with pytest.raises(RangeError, match=r"has no metres .*--near M --far M") as caught:
        gpudepth.read(path)
    assert "--near" in str(caught.value)
    report = gpudepth.inspect(path)
    assert [(a["kind"], a["urn"]) for a in report.auxiliary] == [("depth", name)] and report.depth is None
    assert run_command(["convert", str(path), "--near", "0.5", "--far", "5", "--white", "near", "-o",
                        str(tmp_path / "o.jpg")]) == 0
    data = gpudepth.read(tmp_path / "o.jpg")
    assert data is not None and data.range()[1] == 2.0
    assert (data.width, data.height) == ((32, 48) if o == 6 else (48, 32))
    shown = exif.apply(o, CODES)
    nearest, farthest = data.depth().ravel().argmin(), data.depth().ravel().argmax()
    assert shown.ravel()[nearest] >= 250 and shown.ravel()[farthest] <= 5
    after = (tmp_path / "o.jpg").read_bytes()
    assert after.endswith(VENDORS[name]())


def test_exiftool_reads_the_same_samsung_maps(tmp_path: Path) -> None:
    for make, tag in ((dual, "DepthMapData"), (single, "SingleShotDepthMap")):
        path = photo(tmp_path, make())
        tool("exiftool", "-b", f"-{tag}", "-w", f"{tmp_path}/{tag}.bin%0f", path)
        assert (tmp_path / f"{tag}.bin").read_bytes() == CODES.tobytes()
        sizes = tool("exiftool", "-s3", "-DepthMapWidth", "-DepthMapHeight", "-SegWidth", "-SegHeight", path).split()
        assert sizes == ["48", "32"]


def test_a_photo_of_ours_beats_the_trailer(tmp_path: Path) -> None:
    path = photo(tmp_path, dual())
    out = gpudepth_attach(path, tmp_path / "o.jpg")
    data = gpudepth.read(out)
    assert data is not None and data.range() == (0.5, 0.5)


def gpudepth_attach(path: Path, out: Path) -> Path:
    with pytest.warns(UserWarning, match="Samsung SEFT trailer"):
        return gpudepth.attach(path, np.full((32, 48), 2.0, np.float32), out)


@pytest.mark.parametrize(("tail", "message"), [
    (dual()[:-8] + struct.pack("<I", 10**6) + b"SEFT", "directory is not at"),
    (samsung((0x0AB1, b"DualShot_DepthMap_1", b"xx"), (0x0AB3, b"DualShot_Extra_Info", extra_info(48, 32))), "48 × 32 has"),
    (samsung((0x0AB1, b"DualShot_DepthMap_1", b"xx"), (0x0AB3, b"DualShot_Extra_Info", bytes(128))), "holds no size"),
    (samsung((0x0AB1, b"DualShot_DepthMap_1", b"xx"), (0x0AB3, b"DualShot_Extra_Info", extra_info(0, 32))), "0 × 32"),
    (huawei()[:60], "cut short"), (huawei()[:-5], "48 × 32 has"), (xiaomi()[:-5], "48 × 32 has")])
def test_maps_that_are_cut_short(tmp_path: Path, tail: bytes, message: str) -> None:
    path = photo(tmp_path, tail)
    with ByteSource(path) as source, pytest.raises(MalformedError, match=message) as caught:
        Jpeg().codes(source)
    assert caught.value.where is not None and "trailer" in caught.value.where


def test_limits(tmp_path: Path) -> None:
    path = photo(tmp_path, xiaomi())
    with ByteSource(path, Limits(max_pixels=96 * 64 + 1)) as source:
        assert Jpeg().codes(source) is not None
    with ByteSource(path, Limits(max_pixels=1000)) as source, pytest.raises(LimitError):
        Jpeg().codes(source)


def test_mutations_end_in_typed_errors() -> None:
    rng = np.random.default_rng(6)
    for make in VENDORS.values():
        tail = make()
        for _ in range(150):
            broken = bytearray(tail)
            for _ in range(rng.integers(1, 6)):
                at = int(rng.integers(0, len(broken)))
                broken[at if rng.random() < 0.5 else -1 - at % 120] = int(rng.integers(0, 256))
            with ByteSource(b"0123" + bytes(broken)) as source:
                try:
                    trailer.vendor_map(source, 4)
                except GpudepthError as error:
                    assert error.where is not None


def test_names_of_trailers(tmp_path: Path) -> None:
    for name, tail in TRAILERS.items():
        path = photo(tmp_path, tail)
        with ByteSource(path) as source:
            assert trailer.kind(source, JpegFile(source).tail) == name
