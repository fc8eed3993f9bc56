"""A report of a Mac held against the files: what agrees, and every way not to."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.demo.fixtures import write_kit
from gpudepth.errors import MalformedError, MissingInputError
from gpudepth.mac.kit import compare, load

FILES = ("good/heif/hdis_o6.heic", "good/heif/calibrated_o6.heic", "good/heif/fdep_o3.heic", "good/jpeg/hdis_o1.jpg",
         "none/heif/photo_o1.heic", "bad/wrong_urn.heic")


def depth_of(path: Path) -> dict[str, Any] | None:
    """What a reader that is always right would say: the made half of the report."""
    try:
        data = gpudepth.read(path, orientation="coded")
    except gpudepth.GpudepthError:
        return None
    if data is None:
        return None
    rows = np.ascontiguousarray(data.map).astype(data.map.dtype.newbyteorder("<")).tobytes()
    values = data.map.astype(np.float64)
    camera = data.calibration
    out = {
        "pixel_format": data.pixel_format.name, "width": data.width, "height": data.height, "accuracy": data.accuracy,
        "quality": data.quality, "filtered": data.filtered, "minimum": values.min(), "maximum": values.max(),
        "mean": values.mean(), "not_finite": 0, "sha256": hashlib.sha256(rows).hexdigest()}
    if camera is not None:
        out["calibration"] = {
            "intrinsic_matrix": camera.intrinsics.T.ravel().tolist(), "reference_width": camera.reference_width,
            "reference_height": camera.reference_height, "extrinsic_matrix": camera.extrinsics.T.ravel().tolist(),
            "pixel_size": camera.pixel_size}
    return out


def made(folder: Path) -> dict[str, Any]:
    files = []
    for name in FILES:
        depth = depth_of(folder / name)
        auxiliary = []
        if depth is not None:
            kind = "Disparity" if depth["pixel_format"].endswith("dis") else "Depth"
            auxiliary = [{"type": f"kCGImageAuxiliaryDataType{kind}", "pixel_format": depth["pixel_format"],
                          "width": depth["width"], "height": depth["height"], "bytes_per_row": 128,
                          "metadata": ["depthData:Accuracy"], "depth_data": depth}]
        files.append({"file": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                      "type": "public.heic", "images": 1, "width": 48, "height": 64, "orientation": 6,
                      "auxiliary": auxiliary})
    return {"schema": "gpudepth-apple-report", "version": 1, "system": "Version 99.0 (made up)", "architecture": "arm64",
            "files": files}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mac")
    write_kit(folder)
    return folder


@pytest.fixture
def ideal(kit: Path) -> dict[str, Any]:
    return made(kit)


def broken(kit: Path, report: dict[str, Any]) -> dict[str, set[str]]:
    path = kit / "report.json"
    path.write_text(json.dumps(report))
    return {v.file: {f.rule for f in v.findings if f.verdict != "ok"} for v in compare(load(path), kit)
            if any(f.verdict != "ok" for f in v.findings)}


def test_a_mac_that_agrees(kit: Path, ideal: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert broken(kit, ideal) == {}
    assert run_command(["check", "--apple-report", str(kit / "report.json")]) == 0
    assert capsys.readouterr().out.count("conforms (public.heic)") == len(FILES)


DEVIATIONS: dict[str, tuple[Any, str]] = {
    "finds nothing": (lambda f: f["auxiliary"].clear(), "found"),
    "finds it as depth": (lambda f: f["auxiliary"][0].update(type="kCGImageAuxiliaryDataTypeDepth"), "found"),
    "does not open it": (lambda f: f.update(error="ImageIO finds no image"), "opened"),
    "AVDepthData refuses it": (lambda f: f["auxiliary"][0].update(depth_data=None, error="-11800"), "avdepthdata"),
    "another format": (lambda f: f["auxiliary"][0]["depth_data"].update(pixel_format="fdis"), "pixel-format"),
    "another size": (lambda f: f["auxiliary"][0]["depth_data"].update(width=7), "size"),
    "absolute": (lambda f: f["auxiliary"][0]["depth_data"].update(accuracy="absolute"), "metadata"),
    "not filtered": (lambda f: f["auxiliary"][0]["depth_data"].update(filtered=False), "metadata"),
    "another range": (lambda f: f["auxiliary"][0]["depth_data"].update(maximum=5.0), "values"),
    "holes": (lambda f: f["auxiliary"][0]["depth_data"].update(not_finite=3), "values"),
    "other rounding": (lambda f: f["auxiliary"][0]["depth_data"].update(sha256="00"), "bit-equal"),
    "another file": (lambda f: f.update(sha256="00"), "same-file"),
    "a file from elsewhere": (lambda f: f.update(file="../elsewhere.heic"), "same-file"),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_what_differs_is_found(kit: Path, ideal: dict[str, Any], name: str) -> None:
    change, rule = DEVIATIONS[name]
    report = copy.deepcopy(ideal)
    change(report["files"][0])
    ((_, rules),) = broken(kit, report).items()
    assert rules == {rule}
    code = run_command(["check", "--apple-report", str(kit / "report.json"), "--json"])
    assert code == (0 if rule == "bit-equal" else 4)


def test_a_calibration_that_differs(kit: Path, ideal: dict[str, Any]) -> None:
    camera = ideal["files"][1]["auxiliary"][0]["depth_data"]["calibration"]
    camera["intrinsic_matrix"][0] *= 1.01
    assert broken(kit, ideal) == {FILES[1]: {"calibration"}}
    ideal["files"][1]["auxiliary"][0]["depth_data"]["calibration"] = None
    assert broken(kit, ideal) == {FILES[1]: {"calibration"}}


def test_depth_where_there_is_none(kit: Path, ideal: dict[str, Any]) -> None:
    ideal["files"][4]["auxiliary"] = copy.deepcopy(ideal["files"][0]["auxiliary"])
    assert broken(kit, ideal) == {FILES[4]: {"found-nothing"}}


@pytest.mark.parametrize(("text", "says"), [
    ("", "not a report"), ("[]", "not a report"), ('{"schema": "gpudepth-apple-report", "version": 2}', "version"),
    ('{"schema": "something"}', "schema"), ("{", "not a report")])
def test_what_is_no_report(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(MalformedError, match=says):
        load(path)
    assert run_command(["check", "--apple-report", str(path)]) == 1


def test_unknown_keys_are_another_version(kit: Path, ideal: dict[str, Any]) -> None:
    ideal["files"][0]["surprise"] = 1
    with pytest.raises(MalformedError, match=r"files\.0\.surprise"):
        broken(kit, ideal)


def test_files_or_a_report(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        load(tmp_path / "none.json")
    assert run_command(["check"]) == 2
    assert run_command(["check", "a.heic", "--apple-report", "r.json"]) == 2
