"""ImageIO's dictionary as a property list, and bare rows with a description."""

from __future__ import annotations

import contextlib
import json
import plistlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_kit import heic, ramp

import gpudepth
from gpudepth.attachment.export import save
from gpudepth.cli.app import run_command
from gpudepth.containers import dictionary
from gpudepth.depth.calibration import Calibration
from gpudepth.depth.data import DATA, DATA_DESCRIPTION, DepthData
from gpudepth.depth.pixel_format import NATIVE
from gpudepth.errors import GpudepthError, LimitError, MalformedError, UnsupportedError
from gpudepth.limits import Limits

CAMERA = Calibration(np.array([[50.0, 0, 24], [0, 50, 16], [0, 0, 1]]), 48, 32, distortion=tuple(np.arange(8.0)),
                     distortion_center=(24.0, 16.0))


def depth(fmt: str = "hdis", **fields: Any) -> DepthData:
    values = np.linspace(0.25, 4, 13 * 7).reshape(7, 13)
    return DepthData.from_values(values, fmt, **fields)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("fmt", NATIVE, ids=str)
def test_round_trip(fmt: Any, binary: bool) -> None:
    values = depth(fmt.name).map.copy()
    values[3, 4], values[5, 6] = np.nan, np.inf
    data = DepthData(values, fmt, calibration=CAMERA, accuracy="absolute", quality="low", filtered=False)
    raw = dictionary.serialise(data, binary=binary)
    assert raw.startswith(b"bplist00" if binary else b"<?xml")
    back = dictionary.parse(raw)
    assert back.map.tobytes() == values.tobytes()
    assert (back.pixel_format, back.accuracy, back.quality, back.filtered) == (fmt, "absolute", "low", False)
    assert back.calibration == CAMERA


def test_the_keys_are_imageios() -> None:
    info = plistlib.loads(dictionary.serialise(depth()))
    assert set(info) == {"kCGImageAuxiliaryDataInfoData", "kCGImageAuxiliaryDataInfoDataDescription",
                         "gpudepthAuxiliaryDataType", "gpudepthMetadataXMP"}
    assert info[DATA_DESCRIPTION] == {"PixelFormat": 1751411059, "Width": 13, "Height": 7, "BytesPerRow": 64}
    assert len(info[DATA]) == 64 * 7
    assert info["gpudepthAuxiliaryDataType"] == "kCGImageAuxiliaryDataTypeDisparity"
    assert b"depthData:Accuracy" in info["gpudepthMetadataXMP"] and b"apdi" not in info["gpudepthMetadataXMP"]


def test_foreign_dictionaries_without_metadata() -> None:
    info = depth("fdep").auxiliary_data_info()
    back = dictionary.parse(plistlib.dumps(info))
    assert np.array_equal(back.map, depth("fdep").map)
    assert back.calibration is None


@pytest.mark.parametrize("raw", [
    b"", b"bplist00", b"<?xml version='1.0'?><svg/>", b"<plist><dict><key>a</key></dict></plist>", b"bplist00" + bytes(40),
    plistlib.dumps([1, 2]), plistlib.dumps({DATA: b"", DATA_DESCRIPTION: 3}),
    plistlib.dumps({DATA: bytes(10), DATA_DESCRIPTION: {"PixelFormat": 1751411059, "Width": 9, "Height": 9, "BytesPerRow": 18}}),
    plistlib.dumps({DATA: bytes(10), DATA_DESCRIPTION: {"PixelFormat": 1, "Width": 1, "Height": 1, "BytesPerRow": 2}}),
    b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "b">]><plist><string>&a;</string></plist>',
])
def test_refusals(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        dictionary.parse(raw)


def test_mutations_raise_only_our_errors() -> None:
    rng = np.random.default_rng(3)
    for binary in (True, False):
        base = dictionary.serialise(depth(calibration=CAMERA), binary=binary)
        for _ in range(500):
            data = bytearray(base)
            for _ in range(rng.integers(1, 4)):
                data[rng.integers(len(data))] = rng.integers(256)
            with contextlib.suppress(GpudepthError):
                dictionary.parse(bytes(data[: len(data) if rng.random() < 0.8 else rng.integers(len(data))]))


def test_limits() -> None:
    with pytest.raises(LimitError):
        dictionary.parse_plist(bytes(200), limits=Limits(max_decoded_bytes=100))


def test_extract_and_attach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = heic(tmp_path / "p.heic", 96, 64, 6)
    out = gpudepth.attach(photo, ramp(32, 48), tmp_path / "o.heic", near=0.5, far=12)
    assert run_command(["extract", str(out), "-o", str(tmp_path / "d.plist")]) == 0
    data, back = gpudepth.read(out), gpudepth.read(tmp_path / "d.plist")
    assert data is not None and back is not None
    assert back.map.tobytes() == data.map.tobytes()
    again = gpudepth.attach(photo, tmp_path / "d.plist", tmp_path / "o2.heic")
    assert again.read_bytes() == out.read_bytes()
    assert run_command(["extract", str(out), "--values", "depth", "-o", str(tmp_path / "z.plist")]) == 0
    metres = gpudepth.read(tmp_path / "z.plist")
    assert metres is not None and str(metres.pixel_format) == "hdep"
    assert gpudepth.inspect(tmp_path / "d.plist").container == "dictionary"
    with pytest.raises(UnsupportedError, match="no photo"):
        gpudepth.remove(tmp_path / "d.plist", tmp_path / "x.plist")
    with pytest.raises(UnsupportedError):
        gpudepth.attach(photo, ramp(32, 48), tmp_path / "x.plist", near=1, far=2)
    assert not (tmp_path / "x.plist").exists()


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
def test_bare_rows(tmp_path: Path, fmt: Any) -> None:
    data = depth("fdis", calibration=CAMERA)
    save(data, tmp_path / f"d.{fmt}")
    raw = (tmp_path / f"d.{fmt}").read_bytes()
    about = json.loads((tmp_path / f"d.{fmt}.json").read_text())
    assert (about["PixelFormat"], about["Width"], about["Height"]) == (fmt.fourcc, 13, 7)
    assert about["BytesPerRow"] == 13 * fmt.dtype.itemsize
    assert about["unit"] == ("1/m" if "dis" in fmt.name else "m")
    assert np.array_equal(np.frombuffer(raw, fmt.dtype.newbyteorder("<")).reshape(7, 13), data.to(fmt).map)


def test_an_encoding_that_nobody_knows() -> None:
    from gpudepth.containers import dictionary

    with pytest.raises(MalformedError, match="unknown encoding"):
        dictionary.parse_plist(b'<?xml version="1.0" encoding="no-such"?><plist></plist>')
