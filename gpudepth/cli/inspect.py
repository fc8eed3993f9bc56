"""gpudepth inspect"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from . import options as o

Files = Annotated[list[Path], typer.Argument(help="Photos.", show_default=False)]


def inspect(files: Files, as_json: o.Json = False) -> None:
    """Show what photos say of their depth; with --json one object a line.

    \b
    gpudepth inspect out.heic
    gpudepth inspect out.heic --json
    """
    from .. import api

    for file in files:
        report = api.inspect(file)
        if as_json:
            print(json.dumps(report.to_dict(), allow_nan=False))
        else:
            print("\n".join(report.lines()))
