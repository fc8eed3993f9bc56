"""gpudepth inspect"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from ..errors import readable
from . import options as o
from .command import Argument

Files = Annotated[list[Path], Argument(help="Photos and clips.")]


def inspect(files: Files, as_json: o.Json = False) -> None:
    """Show the depth and its metadata in photos and clips; with --json, one object per line.

    \b
    gpudepth inspect out.heic
    gpudepth inspect out.heic --json
    """
    from .. import api
    from ..video.sniff import is_clip_file

    for file in files:
        if is_clip_file(file):
            from ..video import frames

            facts = frames.about(file)
            print(json.dumps({"file": str(file), **facts}) if as_json else "\n".join(readable(line) for line in (
                f"{file}: {facts.pop('container')}", *(f"  {name}: {value}" for name, value in facts.items()))))
            continue
        report = api.inspect(file)
        if as_json:
            print(json.dumps(report.to_dict(), allow_nan=False))
        else:
            print("\n".join(readable(line) for line in report.lines()))
