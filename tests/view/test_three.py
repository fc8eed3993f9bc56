"""three.js as trimesh brings it."""

from __future__ import annotations

import zipfile
from importlib import resources
from pathlib import Path

import pytest

from gpudepth.errors import UsageError
from gpudepth.view import three


def test_the_script() -> None:
    code = three.script()
    assert "Three.js Authors" in code
    assert "SPDX-License-Identifier: MIT" in code
    for name in ("WebGLRenderer", "TrackballControls", "BufferGeometry", "ShaderMaterial"):
        assert name in code
    assert "$B64GLTF" not in code


def test_another_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resources/templates").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "resources/templates/viewer.zip", "w") as archive:
        archive.writestr(three.MEMBER, "<script>something else</script>")
    monkeypatch.setattr(resources, "files", lambda name: tmp_path)
    with pytest.raises(UsageError, match="another viewer"):
        three.script()
    (tmp_path / "resources/templates/viewer.zip").unlink()
    with pytest.raises(UsageError, match="needs trimesh"):
        three.script()
