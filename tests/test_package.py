"""The wheel and the sdist: built, installed, and the demo run from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel_and_sdist(tmp_path: Path) -> None:
    code = ("import sys; from hatchling.build import build_sdist, build_wheel; "
            "print(build_sdist(sys.argv[1])); print(build_wheel(sys.argv[1]))")
    built = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    sdist, wheel = built.stdout.split()
    with tarfile.open(tmp_path / sdist) as archive:
        names = archive.getnames()
    assert any(name.endswith("/kernels/orient.cu") for name in names)
    assert not any("/.ci/" in name for name in names)
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        archive.extractall(site)
    inside = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {"gpudepth/kernels/orient.cu", "gpudepth/view/static/three-0.140.2.min.js", "gpudepth/py.typed"} <= inside
    assert not any(name.startswith(("tests/", "tools/", "benchmarks/")) for name in inside)
    assert not [name for name in inside if "hostcc" in name or name.endswith(".h") or "test" in Path(name).name]
    assert not [path for path in site.rglob("*.*") if path.suffix in (".py", ".cu", ".cuh") and "hostcc" in path.read_text()]
    environment = {**os.environ, "PYTHONPATH": str(site), "HOME": str(tmp_path)}
    where = subprocess.run([sys.executable, "-c", "import gpudepth; print(gpudepth.__file__)"], cwd=tmp_path, env=environment,
                           capture_output=True, text=True, check=True)
    assert where.stdout.strip() == str(site / "gpudepth" / "__init__.py")
    done = subprocess.run([sys.executable, "-m", "gpudepth", "demo", "out"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("*.heic"))) >= 3


def test_an_sdist_makes_the_same_wheel(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import {0}; print({0}(sys.argv[1]))"

    def made(what: str, folder: Path) -> Path:
        done = subprocess.run([sys.executable, "-c", build.format(what), str(tmp_path)], cwd=folder, capture_output=True,
                              text=True, check=True)
        return tmp_path / done.stdout.strip()

    with tarfile.open(made("build_sdist", ROOT)) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (folder,) = (tmp_path / "source").iterdir()
    wheel = made("build_wheel", folder)
    first = sorted(zipfile.ZipFile(wheel).namelist())
    assert first == sorted(zipfile.ZipFile(made("build_wheel", ROOT)).namelist())
