"""The kit for a Mac: everything is in it, conforms, and says what it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers import registry
from gpudepth.mac.kit import PROBE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    assert run_command(["mac-kit", str(folder)]) == 0
    return folder


def test_every_container_and_profile_is_in_it(folder: Path) -> None:
    for container in registry.containers():
        if not container.profiles:
            continue
        names = {p.name for p in (folder / "profiles" / container.name).iterdir()}
        for profile in container.profiles:
            assert any(n.startswith((f"{profile}_hdis", f"{profile}_hdep")) for n in names), (container.name, profile)
        for companion in container.companions:
            assert any(f"_with_{companion}_" in n for n in names), (container.name, companion)


def test_every_profile_conforms(folder: Path) -> None:
    for path in sorted((folder / "profiles").rglob("*.*")):
        verdicts = gpudepth.check(path)
        assert verdicts.conforms, (path.name, [f for f in verdicts.findings if f.verdict == "fail"])
        data = gpudepth.read(path)
        assert data is not None and data.pixel_format.name[1:] in path.name


def test_every_effort_is_in_it_and_conforms(folder: Path) -> None:
    paths = {path.stem: path for path in (folder / "efforts").iterdir()}
    assert set(paths) == {"small", "balanced", "fast"}
    for path in paths.values():
        verdicts = gpudepth.check(path)
        assert verdicts.conforms, (path.name, [f for f in verdicts.findings if f.verdict == "fail"])
        data, first = gpudepth.read(path), gpudepth.read(paths["balanced"])
        assert data is not None and first is not None
        assert np.array_equal(data.map, first.map)
    assert paths["fast"].stat().st_size > paths["balanced"].stat().st_size


def test_dictionaries_and_probe(folder: Path) -> None:
    assert (folder / "probe.swift").read_bytes() == PROBE.read_bytes()
    assert "swift probe.swift" in (folder / "README.txt").read_text(encoding="utf-8")
    for name in ("hdis", "fdis", "hdep", "fdep"):
        data = gpudepth.read(folder / f"dictionaries/{name}.plist")
        assert data is not None and data.pixel_format.name == name


def test_the_same_bytes_each_time(folder: Path, tmp_path: Path) -> None:
    assert run_command(["mac-kit", str(tmp_path)]) == 0
    names = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name
