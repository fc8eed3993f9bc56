"""Files under deploy/."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpudepth.cli.app import app

DEPLOY = Path(__file__).parent.parent / "deploy"


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return loaded


def tool(name: str) -> str:
    """A linter that a package of `dev` brings."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"needs {name}")
    return str(path)


def lint(name: str, *arguments: str) -> str:
    """What a linter has to say; nothing is well."""
    done = subprocess.run([tool(name), *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def options_of(command: list[str] | str) -> dict[str, Any]:
    """What a command line `gpudepth run …` means to the verb itself; an unknown option is an error."""
    words = shlex.split(command) if isinstance(command, str) else command
    words = words[1:] if words[0] == "gpudepth" else words
    assert words[0] == "run"
    verb = app.get_command(None, "run")      # type: ignore[attr-defined]
    parsed: dict[str, Any] = verb.make_context("run", words[1:]).params
    return parsed
