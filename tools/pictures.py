"""python -m tools.pictures: makes docs/images/*.png with the commands of the tour, and with Chromium for its report.

What these commands print has its place in the tour as well: lines that read otherwise now are renewed.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from .tour import PAGE, play, renewed

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LARGEST = 300_000       # bytes of one picture
WIDEST = 1400
_FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def save(image: Image.Image, target: Path) -> None:
    """Write a PNG as wide as fits into `LARGEST`; a palette would show steps that are not in the depth."""
    width = min(WIDEST, image.width)
    while True:
        shown = image.convert("RGB")
        shown.thumbnail((width, width * 2), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        shown.save(buffer, "PNG", optimize=True)
        if buffer.tell() < LARGEST:
            target.write_bytes(buffer.getvalue())
            return
        width = width * 9 // 10


def of_report(page_file: Path) -> Iterator[tuple[str, Image.Image]]:
    """Take pictures of a report: its table, one photo as points, and one refocused."""
    from playwright.sync_api import sync_playwright

    browser_file = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as play_with:
        browser = play_with.chromium.launch(executable_path=browser_file, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 680})
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("#rows tr")
        page.wait_for_timeout(500)
        yield "report", _shot(page)
        page.click("#rows tr .pictures")
        for mode in ("points", "refocus"):
            page.click(f"#bar button[data-mode={mode}]")
            page.wait_for_function("mode => viewer.mode === mode && viewer.view && viewer.map", arg=mode)
            if mode == "points":        # from the side, to show the points
                box = page.locator("#canvas").bounding_box()
                x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
                page.mouse.move(x, y)
                page.mouse.down()
                page.mouse.move(x + 130, y + 50, steps=8)
                page.mouse.up()
            page.wait_for_timeout(800)
            yield mode, _shot(page.locator("#viewer"))
        browser.close()


def _shot(shown: Any) -> Image.Image:
    """Take a picture of a page or of a part of it."""
    return Image.open(io.BytesIO(shown.screenshot()))


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = play(Path(folder), os.environ | {"PATH": programs, "GPUDEPTH_BACKEND": "numpy"})
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), done), encoding="utf-8")
        for name in ("preview", "sheet"):
            with Image.open(Path(folder) / f"{name}.png") as image:
                save(image, IMAGES / f"{name}.png")
        for name, image in of_report(Path(folder) / "report.html"):
            save(image, IMAGES / f"{name}.png")
    for path in sorted(IMAGES.glob("*.png")):
        print(f"{path.relative_to(IMAGES.parents[1])}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
