"""gpudepth demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..errors import UsageError
from .command import Argument, Option

Folder = Annotated[Path | None, Argument(help=(
    "Folder for the photos, maps, job and results."))]
Fixtures = Annotated[Path | None, Option(metavar="DIR", show_default=False, help=(
    "Write a kit of small test files for app developers instead."))]


def demo(folder: Folder = None, fixtures: Fixtures = None) -> None:
    """Render a small scene with exact depth, attach it to twelve photos, read it back and compare.

    \b
    gpudepth demo demo-out
    gpudepth demo --fixtures kit
    """
    if (folder is None) == (fixtures is None):
        raise UsageError("pass either a folder or --fixtures DIR", hint="gpudepth demo demo-out")
    if fixtures is not None:
        from ..demo.fixtures import write_kit

        print(write_kit(fixtures))
        return
    from ..demo.tour import tour

    assert folder is not None
    for line in tour(folder):
        print(line)
