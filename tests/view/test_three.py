"""report.js, as its npm package has it."""

from __future__ import annotations

import hashlib
from importlib import resources

from gpudepth.view import report

SHA256 = {
    "three-0.140.2.min.js": "f0216a2121070d14fe51a90dbf9d8a1bc6219b9b55f8e4792aaf3867e613ac6d",
    "three-0.140.2.TrackballControls.js": "f88c7149053ded2e132652fef4f7fe14e46eb7e7df84f3a4e14ff053b923d95d",
    "three-0.140.2.LICENSE": "fbf3943930dacbf56aabb8dc5d816440bd16aa6f4cc78ddbdf12106ee1807832",
}


def test_the_files_are_those_of_version_0_140_2() -> None:
    folder = resources.files("gpudepth.view").joinpath("static")
    for name, digest in SHA256.items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest
    assert set(report.FILES) < set(SHA256)


def test_the_script() -> None:
    code = report.script()
    assert "SPDX-License-Identifier: MIT" in code
    assert "</script" not in code
    for name in ("WebGLRenderer", "TrackballControls", "BufferGeometry", "ShaderMaterial"):
        assert name in code
