"""Pairs of one file each."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpudepth.errors import JobError
from gpudepth.pairing.captures import find_embedded
from gpudepth.settings.job import parse_job


def test_pairs_of_one_file(tmp_path: Path) -> None:
    for name in ("a/1.exr", "b/1.exr"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = find_embedded(tmp_path, "{s}/*.exr", "o/{s}.heic")
    assert [(p.key, p.color == p.depth, p.output) for p in found.pairs] == [
        ("a/1.exr", True, tmp_path / "o/a.heic"), ("b/1.exr", True, tmp_path / "o/b.heic")]
    assert len(find_embedded(tmp_path, "*/*.exr", "o/{stem}.heic").collisions) == 1
    rest = 'output: {path: "o/{stem}.heic"}\n'
    with pytest.raises(JobError, match=r"source.depth: cannot be combined with source.match: embedded"):
        parse_job('source: {color: "*.exr", depth: "x", match: embedded}\n' + rest)
    with pytest.raises(JobError, match=r"source.color_transform"):
        parse_job('source: {color: "*.exr", match: embedded, color_transform: aces}\n' + rest)
