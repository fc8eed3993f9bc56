"""The page of a report in a real browser, asserted on rendered pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_kit import opened, pixels
from PIL import Image

import gpudepth
from gpudepth.demo.tour import tour
from gpudepth.view.depth_view import resized
from gpudepth.view.report import report


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert len(list(tour(folder))) > 12
    (folder / "heic/report.html").write_text(report(folder / "heic").html(), encoding="utf-8")
    return folder / "heic"


@pytest.fixture
def page(demo: Path) -> Iterator[Any]:
    with opened(demo / "report.html") as page:
        page.wait_for_selector("#rows tr")
        yield page


def look(page: Any, name: str, mode: str) -> None:
    page.fill("#search", name)
    page.click("#rows tr .pictures")
    page.click(f"#bar button[data-mode={mode}]")
    page.wait_for_function("mode => viewer.mode === mode && viewer.view && viewer.map", arg=mode)
    page.wait_for_timeout(200)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.reshape(-1), b.reshape(-1))[0, 1])


def photo(demo: Path, width: int, height: int) -> np.ndarray:
    """demo_01 as libheif decodes it."""
    import pillow_heif

    image = pillow_heif.open_heif(demo / "demo_01.heic").to_pillow().convert("RGB")
    return np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(int)


def test_the_table(page: Any) -> None:
    assert page.locator("#rows tr").count() == 12
    scores = [float(t) for t in page.locator("#rows tr td:nth-child(3)").all_inner_texts()]
    assert scores == sorted(scores)
    page.click("th[data-by=near]")
    near = [float(t) for t in page.locator("#rows tr td:nth-child(4)").all_inner_texts()]
    assert near == sorted(near)
    page.click("th[data-by=near]")
    assert [float(t) for t in page.locator("#rows tr td:nth-child(4)").all_inner_texts()] == sorted(near, reverse=True)
    assert "encode 0." in page.locator("#rows tr td:nth-child(7)").first.inner_text()
    page.fill("#search", "demo_07")
    assert page.locator("#rows tr").count() == 1
    assert page.inner_text("#count") == "1 of 12"
    page.fill("#search", "")
    page.check("#bad")
    assert page.locator("#rows tr").count() == 0


@pytest.mark.parametrize("mode", ["relief", "points"])
def test_right_side_up(page: Any, demo: Path, mode: str) -> None:
    """From where it was taken, the scene looks like the photo: not turned, not mirrored."""
    look(page, "demo_01", mode)
    seen = pixels(page, "#canvas")
    wanted = photo(demo, seen.shape[1], seen.shape[0])
    drawn = seen.max(-1) > 30       # not the gaps
    assert drawn.mean() > 0.9
    assert correlation(seen[drawn], wanted[drawn]) > 0.93
    for other in (wanted[::-1], wanted[:, ::-1], wanted[::-1, ::-1]):
        assert correlation(seen[drawn], other[drawn]) < 0.6


def test_near_things_are_near(page: Any, demo: Path) -> None:
    """A step to the right moves near things further to the left than far ones, and by what their metres say."""
    look(page, "demo_01", "points")
    before = pixels(page, "#canvas")
    height, width = before.shape[:2]
    step = 0.2
    page.evaluate(f"viewer.view.camera.position.x = {step}; viewer.view.controls.target.x = {step}; viewer.view.controls.update(); draw()")
    page.wait_for_timeout(200)
    after = pixels(page, "#canvas")
    data = gpudepth.read(demo / "demo_01.heic")
    assert data is not None
    metres = resized(data.depth(), width, height)
    focal = page.evaluate("viewer.item.focal") * max(width, height)
    moved = {}
    for name, (x, y) in {"red ball": (0.52, 0.68), "white ball": (0.17, 0.52), "violet ball": (0.755, 0.48)}.items():
        cx, cy, half = int(x * width), int(y * height), width // 24
        patch = before[cy - half : cy + half, cx - half : cx + half]
        shifts = range(120)
        costs = [np.abs(after[cy - half : cy + half, cx - half - s : cx + half - s] - patch).mean() for s in shifts]
        moved[name] = int(np.argmin(costs)), step * focal / float(np.median(metres[cy - half : cy + half, cx - half : cx + half]))
    for name, (shift, wanted) in moved.items():
        assert shift == pytest.approx(wanted, abs=3), (name, moved)
    assert moved["red ball"][0] > moved["violet ball"][0] + 5


def sharpness(image: np.ndarray, x: float, y: float) -> float:
    height, width = image.shape[:2]
    part = image[int((y - 0.06) * height) : int((y + 0.06) * height), int((x - 0.06) * width) : int((x + 0.06) * width)]
    return float(np.abs(np.diff(part, axis=1)).max(-1).mean() + np.abs(np.diff(part, axis=0)).max(-1).mean())


def test_refocus(page: Any, demo: Path) -> None:
    """What is focused is sharp, and only that."""
    look(page, "demo_01", "refocus")
    near, far = (0.36, 0.93), (0.36, 0.6)       # the floor before the camera, the striped column
    seen = {}
    for name, code in (("near", 240), ("far", 70)):
        page.evaluate(f"document.getElementById('focus').value = {code}; document.getElementById('focus').oninput()")
        page.wait_for_timeout(200)
        seen[name] = pixels(page, "#canvas")
    assert sharpness(seen["far"], *far) > 1.5 * sharpness(seen["near"], *far)
    assert sharpness(seen["near"], *near) > 1.2 * sharpness(seen["far"], *near)
    page.locator("#canvas").click(position={"x": 0.36 * seen["far"].shape[1], "y": 0.6 * seen["far"].shape[0]})
    assert 30 < int(page.input_value("#focus")) < 110
    assert float(page.inner_text("#at").split()[0]) == pytest.approx(5.4, abs=1.5)


def test_looking_at_many_leaves_nothing_behind(page: Any) -> None:
    """Views that were asked for in haste, or closed before they came, draw nothing; the card forgets the last one."""
    page.evaluate("""() => { window.frames_ = []; const ask = window.requestAnimationFrame;
        window.requestAnimationFrame = back => ask(time => { window.frames_.push(time); back(time); }); }""")
    held = []
    for n in range(6):
        look(page, f"demo_0{n + 1}", ("relief", "points", "refocus")[n % 3])
        memory = page.evaluate("({ ...viewer.three.renderer.info.memory })")
        held.append((memory["geometries"], memory["textures"]))
        page.click("#close")
    assert held[3:] == held[:3]
    page.fill("#search", "demo_01")
    page.evaluate("""() => { const item = data.items.find(i => i.key.includes("demo_01"));
        openViewer(item); show("points"); show("relief"); show("points"); }""")
    page.wait_for_timeout(300)
    page.evaluate("() => { window.frames_ = []; }")
    page.wait_for_function("window.frames_.length > 5")
    times = page.evaluate("window.frames_")
    assert len(times) == len(set(times))        # one loop: nothing is drawn twice in a frame
    page.evaluate("""() => { show("relief"); document.getElementById("viewer").close(); }""")
    page.wait_for_timeout(300)
    page.evaluate("() => { window.frames_ = []; }")
    page.wait_for_timeout(300)
    assert page.evaluate("window.frames_") == []
