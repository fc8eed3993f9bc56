"""From a photo to a depth photo by a network: the result is that of the network evaluated by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import network_kit as kit
import numpy as np
import pytest
from photo_kit import heic
from PIL import Image

import gpudepth
from gpudepth.attachment.estimate import Estimator
from gpudepth.batch.devices.owners import Owners
from gpudepth.batch.devices.remote_session import RemoteSession
from gpudepth.cli.app import run_command
from gpudepth.errors import MalformedError, TruncatedError, UsageError
from gpudepth.limits import DEFAULT
from gpudepth.maps.network import MEAN, STD, Network, Session
from gpudepth.settings.settings import Settings


def photo(path: Path, width: int = 96, height: int = 64, orientation: int = 1, seed: int = 0) -> Path:
    """A smooth picture, stored so that `orientation` displays it."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: small, 6: small.transpose(Image.Transpose.ROTATE_90)}[orientation]
    turned.save(path, quality=95, exif=exif)
    return path


def shown(path: Path, width: int, height: int) -> np.ndarray:
    """As Pillow shows it, at a size, each pixel the mean of what it covers."""
    from PIL import ImageOps

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image.convert("RGB"))
        assert upright is not None
        return np.asarray(upright.resize((width, height), Image.Resampling.BOX))


def normal(pixels: np.ndarray) -> np.ndarray:
    return (pixels / 255 - np.array(MEAN)) / np.array(STD)


def letterboxed(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    out = np.zeros((height, width, 3))
    top, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    out[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return out


@pytest.mark.parametrize("orientation", [1, 6])
def test_relative(tmp_path: Path, orientation: int) -> None:
    """A square network, disparity up to scale and shift, a photo that lies on its side."""
    model = kit.write(tmp_path / "m.onnx", size=(48, 48))
    source = photo(tmp_path / "p.jpg", orientation=orientation)
    out = gpudepth.attach(source, out=tmp_path / "o.jpg", estimate=model, preset="depth-anything-v2", near=0.5, far=8, pixel_format="fdis",
                          jpeg_quality=100)
    hand = kit.by_hand(letterboxed(normal(shown(source, 48, 32)), 48, 48))[8:40]
    wanted = 1 / 8 + (1 / 0.5 - 1 / 8) * (hand - hand.min()) / (hand.max() - hand.min())
    data = gpudepth.read(out)
    assert data is not None
    assert (data.width, data.height) == (48, 32)
    step = (wanted.max() - wanted.min()) / 255
    assert np.abs(data.disparity() - wanted).max() < 4 * step      # the map is a JPEG in a JPEG
    assert np.abs(data.disparity() - wanted).mean() < step
    assert data.accuracy == "relative"


def test_metric_in_a_heic(tmp_path: Path) -> None:
    """Any size, the photo's shape, metres, no loss but that of 8 bits."""
    model = kit.write(tmp_path / "m.onnx", metric=True)
    source = photo(tmp_path / "p.png")
    settings = ["--network", "size=42", "--network", "fit=aspect", "--network", "multiple=2"]
    code = run_command(["attach", str(source), "--estimate", str(model), *settings, "--metric", "--accuracy", "absolute",
                        "--format", "fdep", "-o", str(tmp_path / "o.heic")])
    assert code == 0
    wanted = kit.metric_by_hand(normal(shown(source, 42, 28)))
    data = gpudepth.read(tmp_path / "o.heic")
    assert data is not None
    assert (data.width, data.height, data.accuracy) == (42, 28, "absolute")
    assert np.abs(data.depth() - wanted).max() <= (wanted.max() - wanted.min()) / 255 * 0.51


def test_aligned_to_samples(tmp_path: Path) -> None:
    """Scale and shift come from metric samples: the relative map becomes metric."""
    model = kit.write(tmp_path / "m.onnx", size=(48, 32))
    source = photo(tmp_path / "p.png")
    hand = kit.by_hand(normal(shown(source, 48, 32)))
    truth = 1 / (0.4 + 0.05 * (hand - hand.min()))
    sparse = np.full(truth.shape, np.nan, np.float32)
    sparse[::3, ::4] = truth[::3, ::4]
    np.save(tmp_path / "lidar.npy", sparse)
    out = gpudepth.attach(source, out=tmp_path / "o.heic", estimate=model, align_to=tmp_path / "lidar.npy", bits=12)
    data = gpudepth.read(out)
    assert data is not None
    assert np.abs(data.depth() / truth - 1).max() < 0.01


def settings(model: Path, **options: Any) -> Settings:
    return Settings(network=Network(model, **options)).with_preset("midas", near=1, far=5)


def test_batches_are_single_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one size go in together, and come out as if they were alone; a damaged one fails alone, in its turn."""
    from gpudepth.maps.network import Session

    model = kit.write(tmp_path / "m.onnx", size=(48, 48))
    photos = [photo(tmp_path / f"{n}.jpg", seed=n) for n in range(4)]
    photos.insert(2, tmp_path / "bad.jpg")
    photos[2].write_bytes(photos[0].read_bytes()[:300])
    alone = [Estimator().estimate(p, settings(model)).codes for p in photos if p.stem != "bad"]
    counts: list[int] = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, pictures: counts.append(len(pictures)) or run(self, pictures))
    together, estimator = [], Estimator()
    for i, p in enumerate(photos):
        if p.stem == "bad":
            with pytest.raises(TruncatedError):
                estimator.estimate(p, settings(model, batch=8), photos[i + 1 :])
        else:
            together.append(estimator.estimate(p, settings(model, batch=8), photos[i + 1 :]).codes)
    assert counts == [4]
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a, b)


def test_a_photo_that_the_network_fails_over_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is alone of its size, or in one batch with others; those before it in the batch are not to blame."""
    from gpudepth.maps.network import Session

    model = kit.write(tmp_path / "m.onnx")
    wide = [photo(tmp_path / f"{n}.jpg", seed=n) for n in range(3)]
    options: dict[str, Any] = {"size": (48, 48), "fit": "aspect", "multiple": 2, "batch": 8}
    photos = [*wide[:2], photo(tmp_path / "tall.jpg", 48, 96, seed=7), photo(tmp_path / "white.jpg"), wide[2]]
    Image.new("RGB", (96, 64), "white").save(photos[3])
    alone = [Estimator().estimate(p, settings(model, **options)).codes for p in wide]
    run = Session.run

    def fails(self: Session, pictures: list[np.ndarray]) -> list[np.ndarray]:
        if any(p.shape[0] > p.shape[1] or p.min() > 2 for p in pictures):
            raise MalformedError("onnxruntime cannot run it")
        return run(self, pictures)

    monkeypatch.setattr(Session, "run", fails)
    found, estimator = [], Estimator()
    for i, p in enumerate(photos):
        if i in (2, 3):
            with pytest.raises(MalformedError):
                estimator.estimate(p, settings(model, **options), photos[i + 1 :])
        else:
            found.append(estimator.estimate(p, settings(model, **options), photos[i + 1 :]).codes)
    for a, b in zip(alone, found, strict=True):
        assert np.array_equal(a, b)


def test_heic_photos(tmp_path: Path) -> None:
    """libheif turns what it decodes: the network sees it upright all the same."""
    model = kit.write(tmp_path / "m.onnx", size=(48, 48))
    source = heic(tmp_path / "p.heic", 96, 64, 6)
    assert Estimator().estimate(source, settings(model)).codes.shape == (48, 32)


@pytest.mark.parametrize(("arguments", "said"), [
    (["p.jpg"], "Apache-2.0"), (["p.jpg", "--estimate", "none.onnx", "--metric"], "CC-BY-NC"),
    (["p.jpg", "d.npy", "--estimate", "m.onnx", "--metric"], "pass either"), (["p.jpg", "--estimate", "m.onnx"], "--preset depth-anything-v2"),
    (["p.jpg", "--estimate", "m.onnx", "--near", "1", "--far", "5"], "--preset depth-anything-v2"),
    (["p.jpg", "d.npy", "--network", "size=5", "--metric"], "--estimate"),
    (["p.jpg", "--estimate", "m.onnx", "--metric", "--coded"], "photos in display orientation"),
    (["p.jpg", "--estimate", "m.onnx", "--metric", "--network", "sise=5"], "it takes size"),
    (["p.jpg", "--estimate", "m.onnx", "--metric", "--network", "size=big"], "is not a size"),
    (["p.jpg", "--estimate", "m.onnx", "--metric", "--network", "fit"], "KEY=VALUE")])
def test_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    photo(tmp_path / "p.jpg")
    kit.write(tmp_path / "m.onnx")
    np.save(tmp_path / "d.npy", np.ones((64, 96), np.float32))
    monkeypatch.chdir(tmp_path)
    assert run_command(["attach", *arguments, "-o", "o.jpg"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("o.jpg").exists()


def test_python_says_so_too(tmp_path: Path) -> None:
    source = photo(tmp_path / "p.jpg")
    with pytest.raises(UsageError, match="pass either"):
        gpudepth.attach(source, out=tmp_path / "o.jpg")
    with pytest.raises(UsageError, match="pass either"):
        gpudepth.attach(source, np.ones((4, 6)), tmp_path / "o.jpg", estimate="m.onnx")


JOB = """
source: {color: "c/*.jpg", depth: {kind: onnx, model: m.onnx, batch: 3, fit: letterbox}}
encoding: {preset: depth-anything-v2, near: 0.5, far: 8}
map: {pixel_format: fdis}
output: {path: "out/{stem}.jpg"}
run: {backend: numpy}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Seven photos, the third damaged."""
    (tmp_path / "c").mkdir()
    for n in range(7):
        photo(tmp_path / f"c/{n}.jpg", seed=n, orientation=6 if n % 2 else 1)
    (tmp_path / "c/2.jpg").write_bytes((tmp_path / "c/0.jpg").read_bytes()[:300])
    kit.write(tmp_path / "m.onnx", size=(48, 48))
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path / "job.yaml"


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("*.jpg")}


def test_a_folder_of_photos_becomes_depth_photos(job: Path) -> None:
    """One worker with batches, two without, and one photo at a time by hand make the same files."""
    summary = gpudepth.run(job)
    assert (summary.done, summary.failed) == (6, 1)
    made = files(job.parent / "out")
    assert sorted(made) == ["0.jpg", "1.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg"]
    assert all(row.stages["estimate"] > 0 for row in summary.rows if row.status == "ok" and row.key in ("c/0.jpg", "c/3.jpg"))
    settings = ["source.depth.batch=1", "run.workers=2", "output.path=two/{stem}.jpg"]
    assert gpudepth.run(job, settings=settings).done == 6
    assert files(job.parent / "two") == made
    alone = gpudepth.attach(job.parent / "c/5.jpg", out=job.parent / "alone.jpg", estimate=job.parent / "m.onnx", preset="depth-anything-v2",
                            near=0.5, far=8, pixel_format="fdis")
    assert alone.read_bytes() == made["5.jpg"]


def test_a_model_that_was_exported_anew_is_loaded_anew(tmp_path: Path) -> None:
    """In one process, as in a notebook: its path and settings are the same."""
    source, model, rng = photo(tmp_path / "p.jpg"), tmp_path / "m.onnx", {"near": 0.5, "far": 8, "preset": "midas"}
    kit.write(model, size=(48, 48))
    first = gpudepth.attach(source, out=tmp_path / "1.jpg", estimate=model, **rng).read_bytes()
    assert gpudepth.attach(source, out=tmp_path / "2.jpg", estimate=model, **rng).read_bytes() == first
    kit.write(model, size=(32, 32))
    second = gpudepth.attach(source, out=tmp_path / "3.jpg", estimate=model, **rng)
    assert gpudepth.read(second).map.shape != gpudepth.read(tmp_path / "1.jpg").map.shape


def test_another_model_does_everything_again(job: Path) -> None:
    assert gpudepth.run(job).done == 6
    again = gpudepth.run(job)
    assert (again.done, again.skipped) == (0, 6)
    kit.write(job.parent / "m.onnx", size=(32, 32))
    assert gpudepth.run(job).done == 6
    assert gpudepth.run(job, settings=["source.depth.mean=0.5"]).done == 6
    assert gpudepth.run(job, settings=["source.depth.mean=0.5", "source.depth.batch=2"]).skipped == 6


def test_plans_name_the_network(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", str(job)]) == 0
    assert "estimated by m.onnx" in capsys.readouterr().out
    assert run_command(["plan", str(job), "-o", str(job.parent / "plan.jsonl")]) == 0
    assert run_command(["run", str(job), "--plan", str(job.parent / "plan.jsonl"), "-q"]) == 3
    assert len(files(job.parent / "out")) == 6


@pytest.mark.parametrize(("setting", "said"), [
    ("source.depth.model=none.onnx", "Apache-2.0"), ("run.workers=2", "source.depth.batch requires run.workers: 1"),
    ("source.depth.size=huge", "source.depth.size"), ("source.depth.sise=5", "did you mean size"), ("source.match=index", "a network requires source.color"),
    ("source.orientation=coded", "photos in display orientation"), ("source.depth.kind=tflite", "onnx")])
def test_jobs_that_are_wrong(job: Path, capsys: pytest.CaptureFixture[str], setting: str, said: str) -> None:
    assert run_command(["run", str(job), "--set", setting]) == 2
    assert said in capsys.readouterr().err
    assert not (job.parent / "out").exists()


@pytest.mark.parametrize("encoding", ["", "encoding: {near: 1, far: 5}", "encoding: {preset: auto}", "encoding: {kind: embedded}"])
def test_jobs_say_what_the_network_gives(job: Path, capsys: pytest.CaptureFixture[str], encoding: str) -> None:
    job.write_text(JOB.replace("encoding: {preset: depth-anything-v2, near: 0.5, far: 8}", encoding))
    assert run_command(["run", str(job)]) == 2
    assert "nothing defines what the values of the network mean" in capsys.readouterr().err


def test_two_workers_share_a_network(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded by one process alone, which may be killed; the photos are those of one worker."""
    assert gpudepth.run(job).done == 6
    made = files(job.parent / "out")
    started: list[Owners] = []
    start, watch, kills = Owners.start.__func__, Owners.watch, list[int]()   # type: ignore[attr-defined]

    def noted(cls: type[Owners], *args: Any, **named: Any) -> Owners:
        started.append(start(cls, *args, **named))
        return started[-1]

    def killing(self: Owners, warn: Any) -> None:
        if not kills and self.found:
            self.found[0].process.kill()
            self.found[0].process.join()
            kills.append(1)
        watch(self, warn)

    monkeypatch.setattr(Owners, "start", classmethod(noted))
    monkeypatch.setattr(Owners, "watch", killing)
    settings = ["source.depth.batch=1", "run.workers=2", "output.path=two/{stem}.jpg"]
    summary = gpudepth.run(job, settings=settings)
    assert (summary.done, summary.failed, kills) == (6, 1, [1])
    assert files(job.parent / "two") == made
    (owners,) = started
    assert [(link.computes, link.estimates) for link in owners.links] == [(False, True)]
    assert summary.transfers == {}


def test_a_map_larger_than_its_picture_comes_back(tmp_path: Path) -> None:
    """It does not fit into the memory that the picture lay in."""
    owners = Owners.start("numpy", network=Network(kit.write(tmp_path / "m.onnx")), threads=1)
    try:
        remote = RemoteSession(owners.links[0], Network(tmp_path / "m.onnx"), 1, DEFAULT)
        rng = np.random.default_rng(0)
        for count, height, width in ((1, 30, 40), (2, 30, 40), (3, 700, 900)):
            pictures = [rng.random((height, width, 3)).astype(np.float32) for _ in range(count)]
            for ours, theirs in zip(remote.run(pictures), Session(Network(tmp_path / "m.onnx")).run(pictures), strict=True):
                assert (ours == theirs).all()
    finally:
        owners.stop()
