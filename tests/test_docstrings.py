"""Docstrings of public names: arguments, shapes, dtypes, units, errors and sources, in Google style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import gpudepth

UNITS = re.compile(r"metre|pixel|code|degree|byte", re.IGNORECASE)
KINDS = re.compile(r"float(16|32|64)?|uint(8|16)|integer", re.IGNORECASE)


def public() -> Iterator[tuple[str, Any]]:
    for name in gpudepth.__all__:
        found = getattr(gpudepth, name)
        if callable(found):
            yield name, found
        if inspect.isclass(found):
            for member, value in vars(found).items():
                if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod)) and member != "drawn":
                    yield f"{name}.{member}", value


PUBLIC = dict(public())
TOP = [name for name in PUBLIC if "." not in name]


def text(found: Any) -> str:
    return inspect.getdoc(found) or ""


def parameters(found: Any) -> list[str]:
    if isinstance(found, property):
        return []
    called = found.__func__ if isinstance(found, classmethod) else found
    return [name for name in inspect.signature(called).parameters if name not in ("self", "cls")]


def test_there_is_something_to_check() -> None:
    assert len(TOP) == 11
    assert len(PUBLIC) > 25


@pytest.mark.parametrize("name", PUBLIC)
def test_each_parameter_is_told(name: str) -> None:
    said = text(PUBLIC[name])
    assert said
    if name == "GpudepthError":
        return
    missing = [p for p in parameters(PUBLIC[name]) if not re.search(rf"\b{p}\b", said) and not (p == "orientation" and "Exif" in said)]
    assert missing == []


COLUMNS = re.compile(r"^ *[a-z_]+(?:, [a-z_]+)* {2,}\S", re.MULTILINE)


def google_style(found: Any) -> list[str]:
    """What a docstring lacks."""
    said = text(found)
    first = said.split("\n", 1)[0]
    wanted = ["Args:" if inspect.isfunction(found) else "Attributes:"]
    wanted += ["Returns:", "Raises:"] if inspect.isfunction(found) else []
    missing = [section for section in wanted if not re.search(rf"^{section}$", said, re.MULTILINE)]
    return missing + ["a full first sentence"] * (not first.endswith(".")) + ["no columns"] * bool(COLUMNS.search(said))


@pytest.mark.parametrize("name", TOP)
def test_docstrings_are_of_googles_style(name: str) -> None:
    assert google_style(PUBLIC[name]) == []


@pytest.mark.parametrize("name", TOP)
def test_errors_and_sources_are_named(name: str) -> None:
    said = text(PUBLIC[name])
    assert re.search(r"^Source: \S.{10,}", said, re.MULTILINE)
    if inspect.isfunction(PUBLIC[name]):
        raised = re.findall(r"\b[A-Z]\w+Error\b|Interrupted|errors of `gpudepth.errors`|what `attach` raises", said[said.index("Raises"):])
        assert raised
        import gpudepth.errors as tree

        for error in raised:
            assert error[0].islower() or hasattr(tree, error), error


@pytest.mark.parametrize("name", ["DepthData", "DepthData.from_values", "DepthData.values", "DepthData.depth", "DepthData.disparity", "attach", "read",
                                  "from_model", "convert"])
def test_arrays_say_shape_kind_and_unit(name: str) -> None:
    said = text(PUBLIC[name])
    assert "(H, W)" in said
    assert UNITS.search(said)
    assert KINDS.search(said)


@pytest.mark.parametrize("name", [n for n in PUBLIC if n.startswith("Calibration.")])
def test_cameras_say_their_units(name: str) -> None:
    assert UNITS.search(text(PUBLIC[name])) or "Exif orientation" in text(PUBLIC[name])
