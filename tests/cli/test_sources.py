"""Maps of other kinds from the command line: rows without a header, exports that lie on their side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_kit import pixels

import gpudepth
from gpudepth.cli.app import run_command


def cli(*arguments: object) -> int:
    return run_command([str(a) for a in arguments])


METRES = np.linspace(1, 3, 24 * 32, dtype=np.float16).reshape(24, 32)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels(64, 48).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_rows(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    padded = np.pad(METRES, ((0, 0), (0, 4)))
    (tmp_path / "d.raw").write_bytes(padded.tobytes())
    out = tmp_path / "out.jpg"
    assert cli("attach", photo, tmp_path / "d.raw", "--shape", "32x24", "--dtype", "float16", "--bytes-per-row", 72,
               "--metric", "-o", out) == 0
    assert "32×24, hdis as L008" in capsys.readouterr().err
    data = gpudepth.read(out)
    assert data is not None
    np.testing.assert_allclose(data.depth(), METRES, rtol=0.02)
    assert cli("convert", tmp_path / "d.raw", "--shape", "32x24", "--dtype", "float16", "--bytes-per-row", 72, "--metric",
               "-o", tmp_path / "d.npy") == 0
    np.testing.assert_allclose(np.load(tmp_path / "d.npy"), METRES, rtol=1e-3)     # by way of half disparity
    assert cli("attach", photo, tmp_path / "d.raw", "--shape", "32x25", "--dtype", "float16", "--metric", "-o", out) == 1
    assert "32×25 in float16 takes 1,600 bytes, but the file holds 1,728" in capsys.readouterr().err
    assert cli("attach", photo, tmp_path / "d.raw", "--shape", "32", "--metric", "-o", out) == 2


def test_a_job_with_rows(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "photo.hdep").write_bytes(METRES.tobytes())
    (tmp_path / "job.yaml").write_text(
        'source: {color: "*.jpg", depth: "{stem}.hdep", rows: {shape: 32x24, dtype: float16}}\n'
        'encoding: {kind: depth}\noutput: {path: "out/{stem}.npy"}\nrun: {workers: 1}\n')
    assert cli("run", tmp_path / "job.yaml", "-q") == 0
    np.testing.assert_allclose(np.load(tmp_path / "out/photo.npy"), METRES, rtol=1e-3)
    assert cli("run", tmp_path / "job.yaml", "--set", "source.rows.dtype=int3") == 2
    assert cli("run", tmp_path / "job.yaml", "-q", "--set", "source.rows.shape=24x32", "--set", "refine.fit=stretch") == 0
    assert np.load(tmp_path / "out/photo.npy").shape == (32, 24)        # another layout: done again


def test_turn(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "d.npy", METRES)
    assert cli("attach", photo, tmp_path / "d.npy", "--metric", "--turn", 90, "-o", tmp_path / "out.jpg") == 0
    said = capsys.readouterr().err
    assert "changed: Exif Orientation: 1 → 6 (a new Exif segment)" in said and "24×32, hdis" in said
    assert cli("attach", photo, tmp_path / "d.npy", "--metric", "--turn", 45, "-o", tmp_path / "out.jpg") == 2
    assert "--turn 45: expected 0, 90, 180 or 270" in capsys.readouterr().err
