"""Names of version 0.1 keep working, with a warning."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest

import gpudepth
from gpudepth.deprecated import MODULES


def _imported(name: str) -> Any:
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules(name: str) -> None:
    with pytest.warns(DeprecationWarning, match="is now gpudepth"):
        old = _imported("gpudepth." + name)
    new = importlib.import_module("gpudepth." + MODULES[name])
    public = [n for n in vars(new) if not n.startswith("_")]
    assert all(getattr(old, n) is getattr(new, n) for n in public if n not in ("Resize", "Smooth", "Confidence"))


def test_packages_that_moved_as_a_whole() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("gpudepth.pipeline.datasets.nothing")
    for old, new in (("pipeline.datasets.layouts", "datasets.layouts"), ("pipeline.scaffold.draft", "scaffold.draft"), ("pipeline.clips.movie", "attachment.clips.movie"),
                     ("pipeline.engines.local", "batch.engines")):
        with pytest.warns(DeprecationWarning):
            module = _imported("gpudepth." + old)
        there = importlib.import_module("gpudepth." + new)
        public = [n for n, value in vars(there).items() if getattr(value, "__module__", "") == there.__name__ and not n.startswith("_")]
        assert public
        assert all(getattr(module, name) is getattr(there, name) for name in public)


def test_classes() -> None:
    with pytest.warns(DeprecationWarning):
        module = _imported("gpudepth.pipeline.recipe")
    from gpudepth.settings.settings import Settings
    from gpudepth.settings.values import Resize

    assert module.Recipe is Settings
    assert module.Resize is Resize
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("gpudepth.pipeline.nothing")


def test_keywords() -> None:
    with pytest.warns(DeprecationWarning, match="method= is now resize_method="), \
            pytest.raises(gpudepth.GpudepthError, match="in_place"):
        gpudepth.attach("a.jpg", np.zeros((2, 2), np.float32), method="area", resize=5)
    with pytest.raises(gpudepth.GpudepthError, match="did you mean near"):
        gpudepth.attach("a.jpg", "d.png", "o.jpg", neer=3)  # type: ignore[call-arg]


def test_attributes_of_a_run() -> None:
    from gpudepth.batch.ledger import Row
    from gpudepth.batch.summary import RunSummary

    with pytest.warns(DeprecationWarning, match=r"Row\.said is now summary"):
        assert Row("k", "ok", "job", summary="black = 1 m").said == "black = 1 m"
    summary = RunSummary.__new__(RunSummary)
    summary.done, summary.skipped, summary.failed = 1, 2, 3
    with pytest.warns(DeprecationWarning, match=r"RunSummary\.line is now describe"):
        assert summary.line() == "1 done, 2 already done, 3 failed"
