"""gpudepth check"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from . import options as o

NONCONFORMING = 4

Files = Annotated[list[Path], typer.Argument(help="Files with depth.", show_default=False)]
AgainstProfile = Annotated[str | None, typer.Option("--profile", show_default=False,
                                                    help="apple-depth, article, apple-portrait, gdepth, dynamic-depth "
                                                         "or dng. [default: what all of a container's profiles ask]")]
Every = Annotated[bool, typer.Option("--all", help="Show the rules that are kept, too.")]


def check(files: Files, profile: AgainstProfile = None, every: Every = False, as_json: o.Json = False) -> None:
    """Do files conform, rule by rule, each with its source and place? Exit code 4 when one does not or has no depth.

    \b
    gpudepth check out.heic
    gpudepth check IMG_0001.HEIC --profile apple-portrait --all
    gpudepth check out/*.jpg --json
    """
    from .. import api

    good = True
    for file in files:
        verdicts = api.check(file, profile=profile)
        good &= verdicts.conforms
        if as_json:
            print(json.dumps(verdicts.to_dict(), allow_nan=False))
        else:
            print("\n".join(verdicts.lines(every=every)))
    if not good:
        raise typer.Exit(NONCONFORMING)
