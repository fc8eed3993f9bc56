"""The system's Chromium, headless, without a network and without a GPU, driven by Playwright."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextlib.contextmanager
def opened(path: Path, width: int = 1400, height: int = 900) -> Iterator[Any]:
    """A page opened from a file. Whatever it asks for beyond that, and every error in it, fails the test."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium")
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning")
                    and "swiftshader" not in message.text.lower() and "gl driver" not in message.text.lower() else None)
            page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None)
            page.goto(path.resolve().as_uri())
            yield page
            assert wrong == []
        finally:
            browser.close()


def pixels(page: Any, selector: str) -> np.ndarray:
    """(H, W, 3) of what an element looks like."""
    with Image.open(io.BytesIO(page.locator(selector).screenshot())) as image:
        return np.asarray(image.convert("RGB")).astype(int)
