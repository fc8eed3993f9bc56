"""The examples, on files made here."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import network_kit
import numpy as np
import pytest
from photo_kit import gray, plain

import gpudepth
from gpudepth import resources

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_short() -> None:
    files = sorted(EXAMPLES.glob("*.py"))
    assert len(files) == 2
    for path in files:
        assert len(path.read_text().splitlines()) <= 40


class OnlyDlpack:
    """What torch, JAX and CuPy have in common."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_model_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, photo = example("model_output"), plain(tmp_path / "p.jpg", 128, 96)
    for n, wrap in enumerate((np.asarray, OnlyDlpack)):
        made = wrap(np.asarray(room.model(photo)))
        monkeypatch.setattr(room, "model", lambda path, made=made: made)
        out = room.main(str(photo), str(tmp_path / f"{n}.jpg"))
        monkeypatch.undo()
        data = gpudepth.read(out)
        assert data is not None
        depth = data.depth()
        assert depth.shape == (24, 32)
        assert depth[0, 0] == pytest.approx(12, rel=0.02)
        assert depth[-1, 0] == pytest.approx(0.5, rel=0.02)
        assert (np.diff(depth[:, 5]) <= 0).all()


def test_datasets_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("datasets")
    for folder in ("photos", "depth"):
        (tmp_path / folder).mkdir()
    for n in range(3):
        plain(tmp_path / f"photos/IMG_{n}.jpg", 128, 96)
        gray(tmp_path / f"depth/IMG_{n}.png", 64, 48)
    data = example("datasets_map").main(*(str(tmp_path / name) for name in ("photos", "depth", "out")))
    assert data.column_names == ["image", "depth", "photo", "metres"]
    assert len(data) == 3
    for n, row in enumerate(data):
        file = tmp_path / f"out/IMG_{n}.jpg"
        assert row["photo"] == str(file)
        held = gpudepth.read(file)
        assert held is not None
        assert np.array_equal(np.asarray(row["metres"], np.float32), held.depth())
        assert held.depth().min() == pytest.approx(0.5, rel=0.01)
        wanted = 0.5 + 11.5 * np.asarray(row["depth"], np.float64) / 65535
        assert np.median(np.abs(held.depth() - wanted) / wanted) < 0.03


def test_estimate_yaml(tmp_path: Path) -> None:
    """From a folder of photos straight to depth photos, by gpudepth run."""
    pytest.importorskip("onnxruntime")
    for folder in ("configs", "photos"):
        (tmp_path / folder).mkdir()
    for n in range(2):
        plain(tmp_path / f"photos/IMG_{n}.jpg", 96, 64)
    network_kit.write(tmp_path / "model.onnx", size=(48, 48))
    job = tmp_path / "configs/estimate.yaml"
    job.write_text(resources.text("configs", "estimate.yaml"), encoding="utf-8")
    summary = gpudepth.run(job)
    assert (summary.done, summary.failed) == (2, 0)
    for n in range(2):
        data = gpudepth.read(tmp_path / f"with_depth/IMG_{n}.jpg")
        assert data is not None
        assert data.accuracy == "relative"
        assert 0.45 < data.depth().min() < data.depth().max() < 12.1
