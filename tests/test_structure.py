"""The house: layers, the public surface, and what importing it may load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import gpudepth

ROOT = Path(__file__).parent.parent
HEAVY = ("cupy", "av", "pillow_heif", "h5py", "OpenEXR", "ray", "distributed", "onnxruntime", "trimesh", "PIL", "pydantic", "yaml")


def test_public_surface_is_pinned() -> None:
    assert gpudepth.__all__ == ["Calibration", "DepthData", "GpudepthError", "__version__", "attach", "check", "convert", "from_model",
                                "inspect", "read", "remove", "run"]
    for name in gpudepth.__all__:
        assert getattr(gpudepth, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        gpudepth.nothing_such  # noqa: B018


@pytest.mark.parametrize("code", ["import gpudepth", "from gpudepth.cli.app import run_command; run_command(['--help'])"])
def test_importing_and_help_load_nothing_heavy(code: str) -> None:
    script = f"{code}\nimport sys, json\nprint('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout.strip().splitlines()[-1]) == []


def test_layers() -> None:
    out = subprocess.run([str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT,
                         capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stdout + out.stderr


def test_kernels_and_configs_travel_with_the_package() -> None:
    from gpudepth import resources

    assert "source:" in resources.text("configs", "demo.yaml")
    assert "float" in resources.text("kernels", "numeric.cuh")
    with pytest.raises(FileNotFoundError):
        resources.text("configs", "nothing.yaml")
