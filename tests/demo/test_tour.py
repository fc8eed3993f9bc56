"""The demo from end to end. The set is rendered twice; the other tests work on copies of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import gpudepth
from gpudepth import resources
from gpudepth.demo import tour as tour_module
from gpudepth.demo.scene import NEAR, Sample
from gpudepth.demo.tour import CHECKOUT_FOLDER, steps, tour
from gpudepth.errors import NoDepthError, OutputError, PartialRunError

COUNT = 12


@dataclass
class Toured:
    folder: Path
    lines: list[str]
    samples: list[Sample]


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Toured:
    folder = tmp_path_factory.mktemp("tour")
    found: list[Sample] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tour_module, "write_set", lambda where: found.extend(rendered(where)) or found)
        return Toured(folder, list(tour(folder)), found)


rendered = tour_module.write_set


def moved(toured: Toured, folder: Path) -> list[Sample]:
    """The set copied into another folder, without the results."""
    for name in ("photos", "depth", "truth"):
        shutil.copytree(toured.folder / name, folder / name)

    def there(path: Path) -> Path:
        return folder / path.relative_to(toured.folder)

    return [replace(s, photo=there(s.photo), depth=there(s.depth), truth=there(s.truth)) for s in toured.samples]


def test_a_line_for_every_photo(toured: Toured) -> None:
    assert toured.lines[0] == f"rendering 12 photos with exact depth into {toured.folder}"
    compared = toured.lines[1 : 1 + COUNT]
    for sample, line in zip(toured.samples, compared, strict=True):
        assert line.startswith(f"{sample.photo.name} stored as Exif {sample.orientation} + {sample.stem}.png -> "
                               f"{sample.stem}.heic: ")
        assert f"read back upright {sample.view.width}×{sample.view.height}" in line
    assert toured.lines[1 + COUNT].startswith("12 done, 0 already done, 0 failed; look at ")
    assert len(toured.lines) == COUNT + 4


def test_every_file_reads_back_within_a_stored_step(toured: Toured) -> None:
    for sample in toured.samples:
        data = gpudepth.read(toured.folder / "heic" / f"{sample.stem}.heic")
        assert data is not None
        truth = np.load(sample.truth)
        assert data.map.shape == truth.shape == (sample.view.height, sample.view.width)
        # rounding to a code costs half a step, to halves before and after it up to 0.15 of these steps each
        assert steps(data, truth) <= 0.85
        assert data.accuracy == "absolute" and data.pixel_format.name == "hdis"
        for turn in ((slice(None), slice(None, None, -1)), (slice(None, None, -1), slice(None))):
            assert steps(data, truth[turn]) > 50        # upright, not mirrored
        camera = data.calibration
        assert camera is not None
        assert camera.focal[0] == pytest.approx(sample.view.focal, rel=1e-3)
        assert (camera.reference_width, camera.reference_height) == (sample.view.width, sample.view.height)


def test_a_second_tour_does_nothing_again(toured: Toured) -> None:
    results = {p: p.stat().st_mtime_ns for p in (toured.folder / "heic").iterdir()}
    again = list(tour(toured.folder))       # renders anew: other times, the same bytes
    assert again[: 1 + COUNT] == toured.lines[: 1 + COUNT]
    assert again[1 + COUNT].startswith("0 done, 12 already done, 0 failed")
    assert {p: p.stat().st_mtime_ns for p in results} == results


def test_a_broken_photo_is_named(toured: Toured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_and_break(folder: Path) -> list[Sample]:
        samples = moved(toured, folder)
        samples[3].photo.write_bytes(samples[3].photo.read_bytes()[:2000])
        return samples

    monkeypatch.setattr(tour_module, "write_set", write_and_break)
    lines = []
    with pytest.raises(PartialRunError, match="demo_04") as caught:
        for line in tour(tmp_path):
            lines.append(line)
    assert len(lines) == COUNT and not any(line.startswith("demo_04") for line in lines)
    assert caught.value.exit_code == 3
    assert "exceeds the file" in str(caught.value) and "demo_05" not in str(caught.value)
    assert str(tmp_path / "demo.yaml") in str(caught.value)
    assert not (tmp_path / "heic" / "demo_04.heic").exists()
    assert len(list((tmp_path / "heic").glob("*.heic"))) == COUNT - 1


def test_the_job_runs_from_a_checkout(toured: Toured, tmp_path: Path) -> None:
    assert resources.text("configs", "demo.yaml").count(f'"{CHECKOUT_FOLDER}') == 3
    (tmp_path / "configs").mkdir()
    job = tmp_path / "configs" / "demo.yaml"
    job.write_text(resources.text("configs", "demo.yaml"), encoding="utf-8")
    moved(toured, tmp_path / "demo-out")
    summary = gpudepth.run(job)
    assert (summary.done, summary.failed) == (COUNT, 0)
    for sample in toured.samples:
        made = tmp_path / "demo-out" / "heic" / f"{sample.stem}.heic"
        assert made.read_bytes() == (toured.folder / "heic" / made.name).read_bytes()


def test_what_goes_wrong_is_said(toured: Toured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour_module, "write_set", lambda folder: [])
    with pytest.raises(OutputError, match="cannot be written"):
        list(tour(tmp_path / "missing"))
    heic = next(s.photo for s in toured.samples if s.photo.suffix == ".heic")
    with pytest.raises(NoDepthError, match="the written file holds no depth"):
        tour_module.compare(toured.samples[1], heic)
    constant = gpudepth.DepthData.from_values(np.full((2, 2), 1 / NEAR), "hdis")
    assert steps(constant, np.full((2, 2), NEAR, np.float32)) == 0
