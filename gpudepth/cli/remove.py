"""gpudepth remove"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from . import options as o

File = Annotated[Path, typer.Argument(help="A photo that holds depth.", show_default=False)]


def remove(file: File, output: o.Out = None, in_place: o.InPlace = False) -> None:
    """Take the depth out of a photo, with its metadata and its bytes; everything else stays as it is.

    \b
    gpudepth remove out.heic -o plain.heic
    """
    from .. import api

    if (output is None) != in_place:
        raise UsageError("name an output with -o, or write over the photo with --in-place")
    print(api.remove(file, file if output is None else output))
