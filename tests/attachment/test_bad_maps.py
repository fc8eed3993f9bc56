"""A run with maps that are none: each fails by itself and says why, the others are done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from photo_kit import gray, pixels
from PIL import Image

import gpudepth
from gpudepth.batch.runner import run


def test_what_is_bad_fails_alone(tmp_path: Path) -> None:
    photos, maps = tmp_path / "photos", tmp_path / "depth"
    photos.mkdir()
    maps.mkdir()
    metres = np.linspace(1, 3, 24 * 32, dtype=np.float32).reshape(24, 32)

    def exr(path: Path, values: object) -> None:
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": np.asarray(values, np.float32)}).write(str(path))

    np.save(maps / "good.npy", metres)
    exr(maps / "good2.exr", metres)
    (maps / "empty.png").write_bytes(b"")
    (maps / "emptynpy.npy").write_bytes(b"")
    exr(maps / "nan.exr", np.full((24, 32), np.nan))
    exr(maps / "inf.exr", np.full((24, 32), np.inf))
    np.save(maps / "pickle.npy", np.array([[{"a": 1}]], object), allow_pickle=True)
    np.save(maps / "complex.npy", metres.astype(np.complex64))
    gray(maps / "size.png", 24, 32)                                 # upright, and the photo is not
    Image.new("RGB", (32, 24), "red").save(maps / "colour.png")
    cut = (maps / "good.npy").read_bytes()
    (maps / "cut.npy").write_bytes(cut[:-7])
    gray(maps / "cutpng.png", 32, 24)
    (maps / "cutpng.png").write_bytes((maps / "cutpng.png").read_bytes()[:60])
    (maps / "text.exr").write_bytes(b"\x76\x2f\x31\x01 and nothing else")
    for path in maps.iterdir():
        pixels(64, 48).save(photos / f"{path.stem}.jpg")
    (tmp_path / "job.yaml").write_text('source: {color: "photos/*.jpg", depth: "depth/{stem}.*"}\nencoding: {kind: depth}\n'
                                       'output: {path: "out/{stem}.jpg"}\nrun: {workers: 2}\n')
    summary = run(tmp_path / "job.yaml")
    assert summary.bugs == []
    failed = {Path(r.key).stem: (r.error, r.message) for r in summary.rows if r.status != "ok"}
    assert {name: error for name, (error, _) in failed.items()} == {
        "empty": "TruncatedError", "emptynpy": "TruncatedError", "nan": "HolesError", "inf": "HolesError",
        "pickle": "UnsupportedError", "complex": "UnsupportedError", "size": "AspectError", "colour": "UnsupportedError",
        "cut": "TruncatedError", "cutpng": "TruncatedError", "text": "MalformedError"}
    for name, (_, message) in failed.items():
        assert f"depth/{name}." in message
    assert "objects" in failed["pickle"][1] and "no valid value" in failed["nan"][1]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["good.jpg", "good2.jpg", "gpudepth-ledger.jsonl"]
    for name in ("good", "good2"):
        data = gpudepth.read(tmp_path / f"out/{name}.jpg")
        assert data is not None and data.depth() == pytest.approx(metres, rel=0.02)
    rows = [json.loads(line) for line in (tmp_path / "out/gpudepth-ledger.jsonl").read_text().splitlines()]
    assert sorted(r["status"] for r in rows) == ["error"] * 11 + ["ok"] * 2
