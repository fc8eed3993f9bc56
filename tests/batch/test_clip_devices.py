"""Clips whose maps are smoothed over time, on a device: the files are numpy's, also when its owner is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from devices_kit import kill_after, with_devices
from run_kit import digest
from steady_kit import SHAPE, disparities, sequence, stack, video

from gpudepth.batch import runner

COUNT, CUT = 8, 5
RECIPES = {
    "steady": "refine: {temporal: steady}", "rescale": "refine: {temporal: rescale}",
    "rescale, resized": "refine: {temporal: rescale, resize: {width: 96, height: 72, method: guided}, fill: inpaint}\nmap: {pixel_format: hdep}"}


def job(base: Path, refine: str, kind: str = "video", count: int = COUNT) -> Path:
    maps = disparities(count, CUT, noise=0.01, jumps="rescale" in refine)
    if kind == "video":
        video(base / "a.mkv", count, CUT)
        stack(base / "a.npz", maps)
        source = '{video: "a.mkv", depth: "a.npz"}'
    else:
        sequence(base, maps, CUT)
        source = '{video: "c/{frame}.jpg", depth: "d/{frame}.npy"}'
    (base / "job.yaml").write_text(f"source: {source}\nencoding: {{kind: disparity}}\n{refine}\n"
                                   "output: {path: 'out/{frame}.jpg'}\nrun: {backend: numpy, workers: 1}\n")
    return base / "job.yaml"


def on_numpy(path: Path) -> dict[str, str]:
    assert runner.run(path, settings=["output.path=numpy/{frame}.jpg"]).failed == 0
    return digest(path.parent / "numpy")


@pytest.mark.parametrize(("recipe", "kind"), [*((recipe, "video") for recipe in RECIPES), ("rescale", "sequence")])
def test_a_run_is_numpy_s_byte_for_byte(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, kind: str) -> None:
    path = job(tmp_path, RECIPES[recipe], kind)
    wanted = on_numpy(path)
    assert len(wanted) == COUNT
    summary = with_devices(monkeypatch, path, name)
    assert (summary.done, summary.failed) == (1, 0)
    assert digest(tmp_path / "out") == wanted
    (moved,) = summary.transfers.values()
    assert 3 * COUNT <= moved.uploads <= 3 * COUNT + 40     # the first pass, then map and picture, and the tables once
    # Neither the first frame nor the one after the cut is aligned.
    pixels = 96 * 72 if "resized" in recipe else SHAPE[0] * SHAPE[1]
    samples = (COUNT - 2) * 2 * 4 * pixels if "rescale" in recipe else 0
    assert 0 <= moved.download_bytes - COUNT * pixels - samples <= COUNT * 10 * 12


def test_an_owner_that_is_killed_in_a_clip(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clip is repeated with a fresh owner, from its first frame."""
    path = job(tmp_path, RECIPES["rescale, resized"], count=30)
    wanted = on_numpy(path)
    kills = kill_after(monkeypatch, tmp_path / "out", [5])
    summary = with_devices(monkeypatch, path, name)
    assert kills
    assert kills[0] < 30
    assert (summary.done, summary.failed) == (1, 0)
    assert digest(tmp_path / "out") == wanted
    assert len(wanted) == 30
