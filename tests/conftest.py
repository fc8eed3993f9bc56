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
    """Use numpy unless the whole run uses another back end: GPUDEPTH_BACKEND=support.hostcc:backend. `auto` has its own tests."""
    if ":" in os.environ.setdefault("GPUDEPTH_BACKEND", "numpy"):     # commands that tests start have to find its module
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
