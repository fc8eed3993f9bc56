"""Devices that owners can have in tests."""

from __future__ import annotations

from typing import Any

import pytest
from kernel_kit import host
from stand_in_kit import HERE, environment
from support import hostcc


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the environment of the processes that are started: a machine with the stand-in's GPU."""
    def see(**faults: Any) -> None:
        for name, value in environment(**faults).items():
            monkeypatch.setenv(name, value)
        monkeypatch.syspath_prepend(str(HERE / "stand_in"))     # which spawned processes take over

    return see


@pytest.fixture(params=["hostcc", "cupy"])
def name(request: pytest.FixtureRequest, stand_in: Any) -> str:
    """The name of a back end with a device: g++'s build of the kernels, and the stand-in for CuPy."""
    host()
    if request.param == "cupy":
        stand_in()
        return "cupy"
    return hostcc.NAME
