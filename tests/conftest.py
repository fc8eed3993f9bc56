"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def sample() -> Callable[[str], Path]:
    """`sample("heic/article_output.heic")` -> its path in the folder GPUDEPTH_SAMPLES; skips when it is not there."""

    def find(name: str) -> Path:
        folder = os.environ.get("GPUDEPTH_SAMPLES")
        if not folder or not (Path(folder) / name).is_file():
            pytest.skip(f"needs the real file {name} under GPUDEPTH_SAMPLES")
        return Path(folder) / name

    return find


@pytest.fixture(autouse=True, scope="session")
def _back_end() -> None:
    """numpy, unless the whole run is to go through another one: GPUDEPTH_BACKEND=hostcc. What auto does has its tests."""
    os.environ.setdefault("GPUDEPTH_BACKEND", "numpy")
