"""What a command on a single photo imports: its own modules, one container, and no library that it does not use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from photo_kit import gray, heic, plain

import gpudepth
from gpudepth.cli.app import run_command
from gpudepth.containers import registry

NEEDLESS = ("pydantic", "yaml", "rich", "typer", "cupy", "onnxruntime", "h5py", "OpenEXR", "ray", "pillow_heif",
            "importlib.metadata", "asyncio", "ssl", "email.message", "zipfile")


def loaded_by(*command: object) -> set[str]:
    """Return the modules that a process has loaded after a command that succeeded."""
    code = ("import json, sys\nfrom gpudepth.cli.app import run_command\n"
            f"assert run_command({[str(part) for part in command]!r}) == 0\nprint(json.dumps(sorted(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "GPUDEPTH_BACKEND": "auto"})
    return set(json.loads(done.stdout.splitlines()[-1]))


def ours(modules: set[str]) -> list[str]:
    return sorted(module for module in modules if module.partition(".")[0] == "gpudepth")


def container_of(modules: set[str]) -> set[str]:
    """Return the containers whose parsers are loaded."""
    return {module.split(".")[2] for module in modules if module.startswith("gpudepth.containers.")
            and module.endswith((".file", ".reader", ".writer"))}


def needless(modules: set[str], *, video: bool = False) -> list[str]:
    packages = ("gpudepth.attachment.clips", "gpudepth.maps.network.", "gpudepth.batch", "gpudepth.datasets",
                "gpudepth.pairing", "gpudepth.api", "gpudepth.video.")
    allowed = {"gpudepth.video.sniff", "gpudepth.video.choice"}
    return sorted(module for module in modules if module in NEEDLESS or (not video and module == "av")
                  or (module.startswith(packages) and module not in allowed))


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    jpeg, still, depth = plain(tmp_path / "p.jpg", 32, 24), heic(tmp_path / "p.heic", 64, 48), gray(tmp_path / "d.png", 32, 24)
    return {"map": depth, "jpeg": jpeg, "heif": still,
            "jpeg with depth": gpudepth.attach(jpeg, depth, tmp_path / "d.jpg", near=0.5, far=12),
            "heif with depth": gpudepth.attach(still, depth, tmp_path / "d.heic", near=0.5, far=12, fit="stretch")}


@pytest.mark.parametrize(("kind", "most"), [("jpeg", 80), ("heif", 84)])
def test_attach_imports_only_what_it_uses(tmp_path: Path, photos: dict[str, Path], kind: str, most: int) -> None:
    out = tmp_path / f"out{photos[kind].suffix}"
    loaded = loaded_by("attach", photos[kind], photos["map"], "-o", out, "--near", 0.5, "--far", 12, "--fit", "stretch")
    assert f"gpudepth.containers.{kind}.writer" in loaded
    assert container_of(loaded) == {kind}
    assert needless(loaded, video=kind == "heif") == []
    assert "gpudepth.containers.google.gdepth" not in loaded
    assert "gpudepth.containers.heif.photo_encoder" not in loaded
    assert len(ours(loaded)) <= most, ours(loaded)


@pytest.mark.parametrize(("kind", "most"), [("jpeg", 60), ("heif", 65)])
def test_extract_imports_only_what_it_uses(tmp_path: Path, photos: dict[str, Path], kind: str, most: int) -> None:
    loaded = loaded_by("extract", photos[f"{kind} with depth"], "-o", tmp_path / "out.npy")
    assert container_of(loaded) == {kind}
    assert needless(loaded, video=kind == "heif") == []
    assert "gpudepth.settings.settings" not in loaded
    assert len(ours(loaded)) <= most, ours(loaded)


def test_a_command_starts_no_threads_of_blas(tmp_path: Path) -> None:
    """They cost processor time when numpy is imported, on each core."""
    code = ("import os, sys\nsys.argv = ['gpudepth', '--version']\nfrom gpudepth.cli.app import run_command\n"
            "run_command()\nimport numpy\nprint(len(os.listdir('/proc/self/task')))")
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split()[-1] == "1"


@pytest.mark.parametrize("name", ["shop-1.0.dist-info", "shop.egg-info", "shop-1.0-py3.11.egg"])
def test_a_plug_in_is_found_without_importing_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert not registry._may_exist()
    folder = tmp_path / name
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[console_scripts]\nshop = shop:main\n\n[gpudepth.containers]\nshop = shop:Shop\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry._may_exist()


def test_packages_in_a_zip_file_may_be_plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packages.zip").write_bytes(b"PK\5\6" + bytes(18))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "packages.zip")])
    assert registry._may_exist()


def test_completion_scripts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--show-completion", "bash"]) == 0
    assert "_GPUDEPTH_COMPLETE=bash_complete" in capsys.readouterr().out
