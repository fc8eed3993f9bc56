"""Clips whose maps are smoothed over time: flicker and jumps of scale go, cuts stay, and threads change nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_kit import host
from PIL import Image
from steady_kit import HEIGHT, SHAPE, WIDTH, disparities, flicker, picture, sequence, stack, still, truth, video

import gpudepth
from gpudepth.attachment.clips import movie, photos
from gpudepth.attachment.clips.span import ClipContext
from gpudepth.compute.cpu import NumpyBackend
from gpudepth.compute.launch import Transfers
from gpudepth.depth.encoding import Disparity
from gpudepth.depth.pixel_format import HDEP
from gpudepth.errors import DeviceError, FileError
from gpudepth.pairing.clips import Footage, footage
from gpudepth.settings.clip import ClipSettings
from gpudepth.settings.settings import Settings
from gpudepth.settings.values import Resize
from gpudepth.video.frames import frames as clip_frames

COUNT, CUT = 12, 7
F32 = np.float32


def context(temporal: Any, backend: Any = None, threads: int = 3, settings: dict[str, Any] | None = None, **options: Any) -> ClipContext:
    return ClipContext(ClipSettings(**options), Settings(encoding=Disparity(), temporal=temporal, **(settings or {})),
                       backend or NumpyBackend(), threads)


def smoothed(base: Path, maps: list[Any], temporal: Any, **more: Any) -> list[Any]:
    """The disparity of each frame, through a lossless depth video."""
    clip = base / "c.mkv" if (base / "c.mkv").exists() else video(base / "c.mkv", COUNT, CUT)
    movie.write(Footage((clip,)), Footage((stack(base / "d.npz", maps),)), base / "out.mkv", context(temporal, **more))
    return [frame.data.disparity() for frame in clip_frames(base / "out.mkv")]


def content(path: Path) -> Any:
    """The bytes of a file; of depth video, whose header has a random number, the maps."""
    if path.suffix != ".mkv":
        return path.read_bytes()
    return [(frame.seconds, frame.data.map.tobytes()) for frame in clip_frames(path)]


def files(folder: Path) -> dict[str, Any]:
    return {path.name: content(path) for path in sorted(folder.iterdir())}


def test_flicker_falls_and_a_cut_restarts(tmp_path: Path) -> None:
    maps = disparities(COUNT, CUT, noise=0.01)
    given, steady = smoothed(tmp_path, maps, None), smoothed(tmp_path, maps, "steady")
    assert flicker(steady, CUT) < 0.4 * flicker(given, CUT)
    for first in (0, CUT):
        np.testing.assert_array_equal(steady[first], given[first])
    assert np.abs(steady[CUT - 1] / truth(CUT - 1, CUT) - 1)[still()].mean() < 0.6 * np.abs(given[CUT - 1] / truth(CUT - 1, CUT) - 1)[still()].mean()
    where = np.s_[15:25, 4 * 5 : 4 * 5 + 8]       # the box of frame 5, and the background behind it afterwards
    assert np.abs(steady[5][where] / 1.9 - 1).max() < 0.06
    assert np.abs(steady[6][15:25, 4 * 5 : 4 * 5 + 3] / truth(6, CUT)[15:25, 4 * 5 : 4 * 5 + 3] - 1).max() < 0.06


def test_jumps_of_scale_are_removed(tmp_path: Path) -> None:
    maps = disparities(COUNT, CUT, noise=0.002, jumps=True)
    given, steady, rescaled = (smoothed(tmp_path, maps, how) for how in (None, "steady", "rescale"))
    assert flicker(given, CUT) > 0.1
    assert flicker(steady, CUT) > 0.1
    assert flicker(rescaled, CUT) < 0.01
    assert np.abs(rescaled[CUT - 1] / truth(CUT - 1, CUT) - 1)[still()].mean() < 0.03      # the scale of the first frame


def photo_disparities(folder: Path, count: int = COUNT) -> list[Any]:
    found = [gpudepth.read(folder / f"{number:06d}.jpg") for number in range(count)]
    return [data.disparity() for data in found if data]


@pytest.mark.parametrize("kind", ["video", "sequence"])
@pytest.mark.parametrize("temporal", ["steady", "rescale"])
def test_photos_are_the_same_from_any_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, temporal: str) -> None:
    monkeypatch.chdir(tmp_path)
    maps = disparities(COUNT, CUT, noise=0.01, jumps=temporal == "rescale")
    if kind == "video":
        colour, depth = Footage((video(tmp_path / "c.mkv", COUNT, CUT),)), Footage((stack(tmp_path / "d.npz", maps),))
    else:
        sequence(tmp_path, maps, CUT)
        colour, depth = footage("c/{frame}.jpg"), footage("d/{frame}.npy")
    made = []
    for threads in (1, 4):
        photos.write(colour, depth, str(tmp_path / f"{threads}/{{frame}}.jpg"), context(temporal, threads=threads))
        made.append(files(tmp_path / str(threads)))
    assert made[0] == made[1]
    assert len(made[0]) == COUNT + 1
    photos.write(colour, depth, str(tmp_path / "given/{frame}.jpg"), context(None))
    given, ours = photo_disparities(tmp_path / "given"), photo_disparities(tmp_path / "4")
    assert flicker(ours, CUT) < 0.6 * flicker(given, CUT)       # in codes of 8 bits, whose steps are as large


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
@pytest.mark.parametrize("temporal", ["steady", "rescale"])
def test_movies_are_the_same_on_the_kernels(tmp_path: Path, suffix: str, temporal: str) -> None:
    from video_kit import colour

    clip = colour(tmp_path / "c.mp4", COUNT, frame=lambda number: picture(number, CUT))
    maps = Footage((stack(tmp_path / "d.npz", disparities(COUNT, CUT, noise=0.01, jumps=True)),))
    made = []
    for name, backend, threads in (("a", NumpyBackend(), 1), ("b", host(), 3)):
        out = tmp_path / f"{name}{suffix}"
        movie.write(Footage((clip,)), maps, out, context(temporal, backend, threads, {"resize": Resize(96, 72, method="guided")}))
        made.append(content(out))
    assert made[0] == made[1]


def test_the_map_s_values_stay_in_the_range(tmp_path: Path) -> None:
    """A scale and shift may make disparity negative, which is infinitely far: not a value of depth."""
    first = truth(0, CUT)
    maps = [first, *(np.maximum(first * F32(3) - F32(0.3), F32(0.5)) for _ in range(COUNT - 1))]
    maps[3][-1] = 0.01
    kept = smoothed(tmp_path, maps, "rescale", settings={"pixel_format": HDEP}, range=(0.4, 4.0))
    assert all(values.min() >= 0.25 * 0.999 and values.max() <= 2.5 * 1.001 for values in kept)
    outcome = photos.write(Footage((tmp_path / "c.mkv",)), Footage((tmp_path / "d.npz",)), str(tmp_path / "out/{frame}.jpg"),
                           context("rescale", settings={"pixel_format": HDEP}, range=(0.4, 4.0)))
    assert outcome.frames == COUNT
    clamped = smoothed(tmp_path, maps, "rescale", settings={"pixel_format": HDEP, "clamp": (0.4, 8.0)})
    assert all(values.min() >= 0.125 * 0.999 for values in clamped)


BAD = 3


@pytest.mark.parametrize("kind", ["video", "sequence"])
@pytest.mark.parametrize("fault", ["holes", "unreadable"])
def test_a_frame_that_fails_changes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fault: str) -> None:
    """The frames after it are those of a clip without it."""
    monkeypatch.chdir(tmp_path)
    maps = disparities(COUNT, CUT, noise=0.01)
    bad = [values.copy() for values in maps]
    bad[BAD][4, 4] = np.nan
    numbers = [number for number in range(COUNT) if number != BAD]
    sequence(tmp_path / "all", bad, CUT)
    sequence(tmp_path / "without", maps, CUT, numbers)
    if fault == "unreadable":
        (tmp_path / f"all/d/{BAD:04d}.npy").write_bytes(b"")
    made = []
    for name, wanted in (("all", list(range(COUNT))), ("without", numbers)):
        colour = Footage((video(tmp_path / f"{name}.mkv", COUNT, CUT, wanted),)) if kind == "video" else footage(f"{name}/c/{{frame}}.jpg")
        try:
            photos.write(colour, footage(f"{name}/d/{{frame}}.npy"), str(tmp_path / f"{name}/out/{{frame}}.jpg"),
                         context("steady", range=(0.5, 4.0), match="index" if kind == "sequence" else None))
        except FileError as error:
            assert name == "all"
            assert f"1 of {COUNT} frames failed" in str(error)
        made.append([path.read_bytes() for path in sorted((tmp_path / name / "out").glob("*.jpg"))])
    assert len(made[0]) == COUNT - 1
    assert made[0] == made[1]


class Failing(NumpyBackend):
    """Fails once, after so many frames, and is then tried again; it notes who computes."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left, self.tries, self.threads_seen = after, 0, set[int]()

    def attempt(self, work: Callable[[Any], Any]) -> Any:
        self.tries += 1
        try:
            return work(self)
        except DeviceError:
            self.tries += 1
            return work(self)

    def blend(self, *args: Any) -> Any:
        self.threads_seen.add(threading.get_ident())
        self.left -= 1
        if self.left == 0:
            raise DeviceError("the GPU failed")
        return super().blend(*args)


@pytest.mark.parametrize("suffix", [".jpg", ".mkv"])
def test_a_device_that_fails_repeats_the_clip(tmp_path: Path, suffix: str) -> None:
    colour, depth = Footage((video(tmp_path / "c.mkv", COUNT, CUT),)), Footage((stack(tmp_path / "d.npz", disparities(COUNT, CUT, noise=0.01)),))
    made = []
    for name, backend in (("numpy", NumpyBackend()), ("failing", Failing(6))):
        (tmp_path / name).mkdir()
        if suffix == ".jpg":
            photos.write(colour, depth, str(tmp_path / name / "{frame}.jpg"), context("steady", backend, range=(0.5, 4.0)))
        else:
            movie.write(colour, depth, tmp_path / name / "out.mkv", context("steady", backend, range=(0.5, 4.0)))
        made.append(files(tmp_path / name))
    assert made[0] == made[1]
    assert backend.tries == 2       # type: ignore[attr-defined]
    assert len(backend.threads_seen) <= 2      # type: ignore[attr-defined]  # one for each try


NUMBER_BYTES = 12


@pytest.mark.parametrize("temporal", ["steady", "rescale"])
@pytest.mark.parametrize("large", [False, True])
def test_a_frame_s_transfers(tmp_path: Path, temporal: str, large: bool) -> None:
    """Up: the map, and the picture at each size once. Down: the codes, a few numbers, and for rescale the samples."""
    count, backend = 5, host()
    clip = Footage((video(tmp_path / "c.mkv", count, CUT),))
    maps = Footage((stack(tmp_path / "d.npz", disparities(count, CUT, noise=0.01, jumps=True)),))
    width, height = (1200, 900) if large else (WIDTH, HEIGHT)
    settings = {"resize": Resize(width, height, method="guided"), "fill": "inpaint"}
    for _ in range(2):
        backend.transfers = Transfers()     # the first clip copies the tables as well
        photos.write(clip, maps, str(tmp_path / "{frame}.jpg"), context(temporal, backend, 2, settings, range=(0.5, 4.0)))
    moved = backend.transfers
    assert moved.uploads == 2 * count
    assert moved.upload_bytes == count * (4 * SHAPE[0] * SHAPE[1] + 3 * width * height)
    sampled = (512, 384) if large else (width, height)
    samples = (count - 1) * 2 * 4 * sampled[0] * sampled[1] if temporal == "rescale" else 0
    numbers = moved.download_bytes - count * width * height - samples
    assert 0 <= numbers <= count * 6 * NUMBER_BYTES
    assert moved.downloads <= count * 7 + (2 * (count - 1) if samples else 0)


def test_a_clip_is_read_one_frame_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few frames wait, however long the clip is."""
    from gpudepth.attachment.clips.match import Streams

    taken, written = [0], [0]
    real = Streams.read

    def read(self: Streams) -> Iterator[Any]:
        for one in real(self):
            taken[0] += 1
            assert taken[0] - written[0] <= 10
            yield one

    monkeypatch.setattr(Streams, "read", read)
    clip = Footage((video(tmp_path / "c.mkv", 40, 99),))
    maps = Footage((stack(tmp_path / "d.npz", disparities(40, 99)),))
    made = context("steady", threads=2, range=(0.5, 4.0))
    made = ClipContext(made.options, made.settings, made.backend, 2, lambda done: written.__setitem__(0, done))
    photos.write(clip, maps, str(tmp_path / "{frame}.jpg"), made)
    assert taken == [40]


def test_the_first_frame_is_not_a_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sequence that begins with a file which is no photo: the second one starts the smoothing."""
    monkeypatch.chdir(tmp_path)
    maps = disparities(4, CUT, noise=0.01)
    sequence(tmp_path, maps, CUT)
    (tmp_path / "c/0000.jpg").write_bytes(b"no photo")
    with pytest.raises(FileError, match="1 of 4 frames failed"):
        photos.write(footage("c/{frame}.jpg"), footage("d/{frame}.npy"), str(tmp_path / "out/{frame}.jpg"), context("steady", range=(0.5, 4.0)))
    Image.fromarray(picture(0, CUT)).save(tmp_path / "c/0000.jpg")
    photos.write(footage("c/{frame}.jpg"), footage("d/{frame}.npy"), str(tmp_path / "given/{frame}.jpg"), context(None, range=(0.5, 4.0)))
    np.testing.assert_array_equal(*(gpudepth.read(tmp_path / name / "000001.jpg").disparity() for name in ("out", "given")))   # type: ignore[union-attr]
