"""gpudepth check"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import click

from ..containers.rules import Verdicts
from ..errors import UsageError, readable
from . import options as o
from .command import Argument, Option

NONCONFORMING = 4

Files = Annotated[list[Path] | None, Argument(help="Photos and clips with depth.")]
AppleReport = Annotated[Path | None, Option("--apple-report", show_default=False, metavar="REPORT.json", help=(
    "The output of probe.swift of `gpudepth mac-kit`, to compare with the files beside it."))]
AgainstProfile = Annotated[str | None, Option("--profile", show_default=False, help=(
    "For photos: apple-depth, article, apple-portrait, gdepth, dynamic-depth or dng. For clips: quicktime (Apple's "
    "depth track), mp4-at or depth-video (Matroska). [default: the rules that all profiles of the container share]"))]
Every = Annotated[bool, Option("--all", help="Also show the rules that the file keeps.")]


def check(files: Files = None, profile: AgainstProfile = None, every: Every = False, apple_report: AppleReport = None,
          as_json: o.Json = False) -> None:
    """Check files against the rules of their format; each finding names the rule's source and the place in the file.

    Exit code 4: a file does not conform or holds no depth.

    \b
    gpudepth check out.heic
    gpudepth check IMG_0001.HEIC --profile apple-portrait --all
    gpudepth check out/*.jpg --json
    gpudepth check clip.MOV depth.mkv --all
    gpudepth check --apple-report report.json
    """
    if bool(files) == (apple_report is not None):
        raise UsageError("pass either files to check or --apple-report", hint="gpudepth check out.heic")
    good = True
    for verdicts in _verdicts(files or [], profile, apple_report):
        good &= verdicts.conforms
        if as_json:
            print(json.dumps(verdicts.to_dict(), allow_nan=False))
        else:
            print("\n".join(readable(line) for entry in verdicts.lines(every=every) for line in entry.split("\n")))
    if not good:
        raise click.exceptions.Exit(NONCONFORMING)


def _verdicts(files: list[Path], profile: str | None, apple_report: Path | None) -> Iterable[Verdicts]:
    if apple_report is None:
        from .. import api

        return (api.check(file, profile=profile) for file in files)
    from ..mac.kit import compare, load

    return compare(load(apple_report), apple_report.parent)
